/* SPDX-License-Identifier: ISC */
#include "inboxd/publish/syncer.h"

#include <errno.h>
#include <stdlib.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/thread.h"
#include "inboxd/drafts/meta.h"
#include "lib/disk.h"

/* Items of up to so many bytes are synced together. */
#define SMALL_MAX (1024 * 1024)

struct syncer {
	struct mailbox *in;
	pthread_t thread;
	struct message stop; /* the thread ends with the chain that it stands in */
	int is_stopping;
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
sync_bytes(struct sync_order *order)
{
	order->no_room = meta_sync(order->draft->inbox, order->draft->fd) < 0;
	if (order->no_room && draft_failure(errno) != DRAFT_FULL)
		fatal_sync("draft");
}

static void
sync_folder(int tmp)
{
	if (disk_sync_dir(tmp) < 0)
		fatal_sync("folder");
}

static void
send_back(struct sync_order *order)
{
	mailbox_post(order->reply, &order->message);
}

/* Takes those out of the chain that are of one folder, their bytes synced, and sends them back: the
 * folder is synced once for all of them.  What is left. */
static struct message *
end_folder(struct message *chain)
{
	int tmp = ((struct sync_order *)chain)->draft->inbox->tmp;
	struct message *left = NULL, **last = &left, *next;

	sync_folder(tmp);
	for (; chain; chain = next) {
		next = chain->next;
		if (((struct sync_order *)chain)->draft->inbox->tmp == tmp) {
			send_back((struct sync_order *)chain);
			continue;
		}
		chain->next = NULL;
		*last = chain;
		last = &chain->next;
	}
	return left;
}

/* All of the chain together. */
static void
sync_chain(struct message *chain)
{
	for (struct message *message = chain; message; message = message->next)
		sync_bytes((struct sync_order *)message);
	while (chain)
		chain = end_folder(chain);
}

/* What has come: small ones together, then the others one by one, lest any wait for a larger one
 * than itself that has come later. */
static void
sync_all(struct syncer *syncer, struct message *message)
{
	struct message *small = NULL, **last_small = &small;
	struct message *large = NULL, **last_large = &large, *next;

	for (; message; message = next) {
		struct sync_order *order = (struct sync_order *)message;

		next = message->next;
		message->next = NULL;
		if (message == &syncer->stop) {
			syncer->is_stopping = 1;
		} else if (order->size <= SMALL_MAX) {
			*last_small = message;
			last_small = &message->next;
		} else {
			*last_large = message;
			last_large = &message->next;
		}
	}
	sync_chain(small);
	for (; large; large = next) {
		next = large->next;
		large->next = NULL;
		sync_chain(large);
	}
}

static void *
run(void *arg)
{
	struct syncer *syncer = arg;
	struct message *message;

	while (!syncer->is_stopping) {
		message = mailbox_wait(syncer->in, -1);
		start_all(syncer, message);
		sync_all(syncer, message);
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
