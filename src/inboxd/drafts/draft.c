/* SPDX-License-Identifier: ISC */
#include "inboxd/drafts/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "inboxd/drafts/meta.h"
#include "lib/disk.h"
#include "lib/log.h"

/* A taken name is only ever an accident of the clock; more in a row are not. */
#define NAMES_TRIED 100

/* Bytes: below this a full disk is found by writing, which is soon done. */
#define RESERVE_FROM (64 * 1024)

enum draft_result
draft_failure(int error)
{
	return disk_is_full(error) ? DRAFT_FULL : DRAFT_TROUBLE;
}

static enum draft_result
say_failure(const struct draft *draft, const char *what)
{
	int error = errno;

	fatal_if_gone(what, draft->name);
	log_event(LOG_ERR, "draft_failed", "call=%s inbox=%s name=%s error=\"%s\"", what,
	    draft->inbox->name, draft->name, strerror(error));
	return draft_failure(error);
}

/* There is none of that name, or -1 with errno EEXIST. */
static int
create(const struct inbox *inbox, const char *name)
{
	return openat(inbox->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    inbox->file_mode);
}

enum draft_result
draft_create(struct draft *draft, struct site *site, struct inbox *inbox, struct namer *namer,
    const char *identity)
{
	draft->inbox = inbox;
	draft->site = NULL;
	for (int i = 0; i < NAMES_TRIED; i++) {
		name_next(namer, identity, inbox->suffix, draft->name);
		draft->fd = create(inbox, draft->name);
		if (draft->fd >= 0) {
			draft->site = site_ref(site);
			return DRAFT_OK;
		}
		if (errno != EEXIST)
			break;
	}
	return say_failure(draft, "open");
}

int
draft_make(const struct inbox *inbox, const char *name)
{
	int fd = create(inbox, name);

	if (fd >= 0 || errno != EEXIST || unlinkat(inbox->tmp, name, 0) < 0)
		return fd;
	return create(inbox, name);
}

int
draft_make_of(const struct inbox *inbox, const char *name, const char *accept,
    const void *bytes, size_t size)
{
	int fd = draft_make(inbox, name);

	if (fd < 0 ||
	    (disk_write(fd, bytes, size) == 0 && meta_attach_of(inbox, fd, accept) == 0))
		return fd;
	disk_close(fd);
	return -1;
}

enum draft_result
draft_reserve(struct draft *draft, uint64_t size)
{
	if (size < RESERVE_FROM || disk_reserve(draft->fd, size) == 0)
		return DRAFT_OK;
	return say_failure(draft, "fallocate");
}

enum draft_result
draft_describe(struct draft *draft, const struct meta *meta)
{
	return meta_attach(draft->inbox, draft->fd, meta) == 0 ? DRAFT_OK
	                                                       : say_failure(draft, "fsetxattr");
}

enum draft_result
draft_write(struct draft *draft, const void *data, size_t len)
{
	return disk_write(draft->fd, data, len) == 0 ? DRAFT_OK : say_failure(draft, "write");
}

void
draft_close(struct draft *draft)
{
	/* Synced long ago: what close() could say here concerns nobody. */
	if (draft->fd >= 0)
		close(draft->fd);
	site_unref(draft->site);
}

void
draft_discard(struct draft *draft)
{
	/* What stays is deleted by the next start's recovery. */
	if (draft->fd >= 0 && unlinkat(draft->inbox->tmp, draft->name, 0) < 0)
		(void)say_failure(draft, "unlink");
	draft_close(draft);
}
