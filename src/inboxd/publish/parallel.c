/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/publish/parallel.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/mailbox.h"
#include "inboxd/base/thread.h"

enum { WORK, STOP };

/* A thread.  Its message goes to it and comes back when there is nothing left to take. */
struct helper {
	struct message message;
	struct mailbox *in;
	struct parallel *parallel;
	pthread_t thread;
};

struct parallel {
	struct helper *helpers;
	size_t count;
	struct mailbox *done;
	/* The work at hand; between the messages that begin and end it nobody writes but `next`. */
	void (*each)(void *item);
	void *const *items;
	size_t item_count;
	atomic_size_t next; /* the first that nobody has taken */
};

static void
work(struct parallel *parallel)
{
	size_t i;

	while ((i = atomic_fetch_add(&parallel->next, 1)) < parallel->item_count)
		parallel->each(parallel->items[i]);
}

static void *
run(void *arg)
{
	struct helper *helper = arg;
	struct message *message;

	for (;;) {
		message = mailbox_wait(helper->in, -1);
		if (message->kind == STOP)
			return NULL;
		work(helper->parallel);
		mailbox_post(helper->parallel->done, message);
	}
}

struct parallel *
parallel_start(size_t threads)
{
	struct parallel *parallel = must_alloc(sizeof *parallel);

	parallel->helpers = must_alloc((threads + 1) * sizeof *parallel->helpers);
	parallel->done = threads > 0 ? mailbox_new() : NULL;
	while (parallel->done && parallel->count < threads) {
		struct helper *helper = &parallel->helpers[parallel->count];
		helper->parallel = parallel;
		helper->in = mailbox_new();
		if (!helper->in || thread_start(&helper->thread, run, helper) < 0) {
			mailbox_free(helper->in);
			break;
		}
		parallel->count++;
	}
	return parallel;
}

static void
post(struct helper *helper, int kind)
{
	helper->message.kind = kind;
	mailbox_post(helper->in, &helper->message);
}

void
parallel_stop(struct parallel *parallel)
{
	if (!parallel)
		return;
	for (size_t i = 0; i < parallel->count; i++) {
		post(&parallel->helpers[i], STOP);
		thread_join(parallel->helpers[i].thread);
		mailbox_free(parallel->helpers[i].in);
	}
	mailbox_free(parallel->done);
	free(parallel->helpers);
	free(parallel);
}

void
parallel_do(struct parallel *parallel, void (*each)(void *item), void *const *items, size_t count)
{
	/* One that the caller takes, and no thread for whom there is nothing. */
	size_t asked = count < parallel->count + 1 ? count : parallel->count + 1;
	struct message *back;

	if (count == 0)
		return;
	asked--;
	parallel->each = each;
	parallel->items = items;
	parallel->item_count = count;
	atomic_store(&parallel->next, 0);
	for (size_t i = 0; i < asked; i++)
		post(&parallel->helpers[i], WORK);
	work(parallel);
	while (asked > 0)
		for (back = mailbox_wait(parallel->done, -1); back; back = back->next)
			asked--;
}
