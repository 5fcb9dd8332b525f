/* SPDX-License-Identifier: ISC */
#include "inboxd/publish/syncer.h"

#include <errno.h>
#include <stdlib.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/thread.h"
#include "lib/disk.h"

struct syncer {
	struct mailbox *in;
	pthread_t thread;
	struct message stop; /* where it stands in a chain, the thread ends behind it */
};

/* All at once: the write-out of the others goes on meanwhile. */
static void
start_all(const struct syncer *syncer, struct message *first)
{
	for (struct message *message = first; message; message = message->next) {
		if (message != &syncer->stop)
			disk_sync_start(((struct sync_order *)message)->draft->fd);
	}
}

static void
sync_one(struct sync_order *order)
{
	order->no_room = disk_sync_data(order->draft->fd) < 0;
	if (order->no_room && draft_failure(errno) != DRAFT_FULL)
		fatal_sync("draft");
	if (!order->no_room && disk_sync_dir(order->draft->inbox->tmp) < 0)
		fatal_sync("folder");
}

static void *
run(void *arg)
{
	struct syncer *syncer = arg;
	struct message *message, *next;
	int stopping = 0;

	while (!stopping) {
		message = mailbox_wait(syncer->in, -1);
		start_all(syncer, message);
		for (; message; message = next) {
			next = message->next;
			if (message == &syncer->stop) {
				stopping = 1;
				continue;
			}
			sync_one((struct sync_order *)message);
			mailbox_post(((struct sync_order *)message)->reply, message);
		}
	}
	return NULL;
}

struct syncer *
syncer_start(void)
{
	struct syncer *syncer = must_alloc(sizeof *syncer);
	int error;

	syncer->in = mailbox_new();
	if (syncer->in && thread_start(&syncer->thread, run, syncer) == 0)
		return syncer;
	error = errno;
	mailbox_free(syncer->in);
	free(syncer);
	errno = error;
	return NULL;
}

void
syncer_send(struct syncer *syncer, struct sync_order *order)
{
	mailbox_post(syncer->in, &order->message);
}

void
syncer_stop(struct syncer *syncer)
{
	if (!syncer)
		return;
	mailbox_post(syncer->in, &syncer->stop);
	thread_join(syncer->thread);
	mailbox_free(syncer->in);
	free(syncer);
}
