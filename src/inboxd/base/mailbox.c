/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/base/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#if defined(HAVE_EVENTFD) && !defined(DISK_PORTABLE)
#include <sys/eventfd.h>
#define USE_EVENTFD 1
#endif

struct mailbox {
	pthread_mutex_t lock; /* guards first and last, held for a few instructions */
	struct message *first, **last;
	int read_fd, write_fd; /* the same eventfd, or a pipe's ends */
};

static int
open_wakeup(struct mailbox *box)
{
#ifdef USE_EVENTFD
	box->read_fd = box->write_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return box->read_fd < 0 ? -1 : 0;
#else
	int fds[2];

	if (pipe(fds) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		(void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
		(void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
	}
	box->read_fd = fds[0];
	box->write_fd = fds[1];
	return 0;
#endif
}

struct mailbox *
mailbox_new(void)
{
	struct mailbox *box = calloc(1, sizeof *box);

	if (!box)
		return NULL;
	if (pthread_mutex_init(&box->lock, NULL) != 0) {
		free(box);
		return NULL;
	}
	box->last = &box->first;
	if (open_wakeup(box) < 0) {
		pthread_mutex_destroy(&box->lock);
		free(box);
		return NULL;
	}
	return box;
}

void
mailbox_free(struct mailbox *box)
{
	if (!box)
		return;
	close(box->read_fd);
	if (box->write_fd != box->read_fd)
		close(box->write_fd);
	pthread_mutex_destroy(&box->lock);
	free(box);
}

/* A wake-up that finds the pipe full is not needed: the receiver will wake. */
static void
wake(const struct mailbox *box)
{
	uint64_t one = 1;
	ssize_t n;

	do
		n = write(box->write_fd, &one, sizeof one);
	while (n < 0 && errno == EINTR);
}

static void
clear_wakeup(const struct mailbox *box)
{
	uint64_t counts[16];
	ssize_t n;

	do
		n = read(box->read_fd, counts, sizeof counts);
	while (n == (ssize_t)sizeof counts || (n < 0 && errno == EINTR));
}

void
mailbox_post(struct mailbox *box, struct message *message)
{
	int was_empty;

	message->next = NULL;
	pthread_mutex_lock(&box->lock);
	was_empty = !box->first;
	*box->last = message;
	box->last = &message->next;
	pthread_mutex_unlock(&box->lock);
	if (was_empty)
		wake(box);
}

struct message *
mailbox_take(struct mailbox *box)
{
	struct message *chain;

	/* First clear, then look: what is posted in between wakes again. */
	clear_wakeup(box);
	pthread_mutex_lock(&box->lock);
	chain = box->first;
	box->first = NULL;
	box->last = &box->first;
	pthread_mutex_unlock(&box->lock);
	return chain;
}

struct message *
mailbox_wait(struct mailbox *box, int milliseconds)
{
	struct pollfd ready = {.fd = box->read_fd, .events = POLLIN};
	struct message *chain;

	while (!(chain = mailbox_take(box))) {
		if (poll(&ready, 1, milliseconds) == 0)
			return NULL;
	}
	return chain;
}

int
mailbox_fd(const struct mailbox *box)
{
	return box->read_fd;
}
