/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/watch/notice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(HAVE_SYS_INOTIFY_H) && !defined(DISK_PORTABLE)
#include <sys/inotify.h>

#define BUFFER 65536 /* bytes */
#define READS 16     /* of it in one go, lest a busy folder keep us here */
#define MASK \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | \
	    IN_ONLYDIR)

struct notice {
	int fd;
	_Alignas(struct inotify_event) char buffer[BUFFER];
};

struct notice *
notice_new(void)
{
	struct notice *notice = malloc(sizeof *notice);

	if (!notice)
		return NULL;
	notice->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (notice->fd >= 0)
		return notice;
	free(notice);
	return NULL;
}

void
notice_free(struct notice *notice)
{
	if (!notice)
		return;
	close(notice->fd);
	free(notice);
}

int
notice_fd(const struct notice *notice)
{
	return notice->fd;
}

int
notice_add(struct notice *notice, int dirfd)
{
	char path[40]; /* the folder that is open, wherever its path leads by now */

	snprintf(path, sizeof path, "/proc/self/fd/%d/.", dirfd);
	return inotify_add_watch(notice->fd, path, MASK);
}

void
notice_remove(struct notice *notice, int folder)
{
	(void)inotify_rm_watch(notice->fd, folder);
}

static enum notice_kind
kind_of(uint32_t mask)
{
	if (mask & IN_Q_OVERFLOW)
		return NOTICE_MISSED;
	if (mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED))
		return NOTICE_GONE;
	if (mask & (IN_CLOSE_WRITE | IN_MOVED_TO))
		return NOTICE_CLOSED;
	return mask & IN_CREATE ? NOTICE_MADE : NOTICE_SEEN;
}

void
notice_read(struct notice *notice,
    void (*on)(void *ctx, enum notice_kind kind, int folder, const char *name), void *ctx)
{
	ssize_t len;

	for (int i = 0; i < READS; i++) {
		len = read(notice->fd, notice->buffer, sizeof notice->buffer);
		if (len <= 0)
			return;
		for (ssize_t at = 0; at < len;) {
			const struct inotify_event *event = (void *)(notice->buffer + at);

			on(ctx, kind_of(event->mask), event->wd, event->len ? event->name : "");
			at += (ssize_t)(sizeof *event + event->len);
		}
	}
}

#else

struct notice {
	int unused;
};

struct notice *
notice_new(void)
{
	errno = ENOSYS;
	return NULL;
}

void
notice_free(struct notice *notice)
{
	free(notice);
}

int
notice_fd(const struct notice *notice)
{
	(void)notice;
	return -1;
}

int
notice_add(struct notice *notice, int dirfd)
{
	(void)notice, (void)dirfd;
	errno = ENOSYS;
	return -1;
}

void
notice_remove(struct notice *notice, int folder)
{
	(void)notice, (void)folder;
}

void
notice_read(struct notice *notice,
    void (*on)(void *ctx, enum notice_kind kind, int folder, const char *name), void *ctx)
{
	(void)notice, (void)on, (void)ctx;
}

#endif
