/* SPDX-License-Identifier: ISC */
#include "inboxd/base/crew.h"

#include <errno.h>
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
	struct crew *crew;
	pthread_t thread;
};

struct crew {
	struct helper *helpers;
	size_t most, count; /* of helpers: wanted, and begun */
	size_t share;
	struct mailbox *done; /* NULL: no helper has been wanted yet */
	/* The work at hand: between the messages that begin and end it nobody writes but
	 * these two. */
	atomic_size_t next; /* the first that nobody has taken */
	atomic_int error;   /* errno of a step that failed */
	size_t steps;
	int (*step)(void *ctx, size_t i);
	void *ctx;
};

static void
work(struct crew *crew)
{
	size_t i;

	while (atomic_load(&crew->error) == 0 &&
	    (i = atomic_fetch_add(&crew->next, 1)) < crew->steps) {
		if (crew->step(crew->ctx, i) < 0)
			atomic_store(&crew->error, errno);
	}
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
		work(helper->crew);
		mailbox_post(helper->crew->done, message);
	}
}

struct crew *
crew_new(size_t most, size_t share)
{
	struct crew *crew = must_alloc(sizeof *crew);

	crew->most = most - 1;
	crew->share = share;
	crew->helpers = must_alloc(most * sizeof *crew->helpers);
	return crew;
}

static int
begin_helper(struct crew *crew)
{
	struct helper *helper = &crew->helpers[crew->count];

	if (!crew->done)
		crew->done = mailbox_new();
	helper->crew = crew;
	helper->in = crew->done ? mailbox_new() : NULL;
	if (helper->in && thread_start(&helper->thread, run, helper) == 0) {
		crew->count++;
		return 0;
	}
	mailbox_free(helper->in);
	return -1;
}

static void
post(struct helper *helper, int kind)
{
	helper->message.kind = kind;
	mailbox_post(helper->in, &helper->message);
}

void
crew_free(struct crew *crew)
{
	if (!crew)
		return;
	for (size_t i = 0; i < crew->count; i++) {
		post(&crew->helpers[i], STOP);
		thread_join(crew->helpers[i].thread);
		mailbox_free(crew->helpers[i].in);
	}
	mailbox_free(crew->done);
	free(crew->helpers);
	free(crew);
}

/* For so many things: how many others are asked, as far as they are to be had. */
static size_t
helpers_for(struct crew *crew, size_t count)
{
	size_t wanted = count / crew->share;

	wanted = wanted == 0 ? 0 : wanted - 1;
	if (wanted > crew->most)
		wanted = crew->most;
	while (crew->count < wanted && begin_helper(crew) == 0)
		;
	return wanted < crew->count ? wanted : crew->count;
}

int
crew_run(struct crew *crew, size_t count, int (*step)(void *ctx, size_t i), void *ctx)
{
	size_t asked = helpers_for(crew, count);
	struct message *back;

	crew->steps = count;
	crew->step = step;
	crew->ctx = ctx;
	atomic_store(&crew->next, 0);
	atomic_store(&crew->error, 0);
	for (size_t i = 0; i < asked; i++)
		post(&crew->helpers[i], WORK);
	work(crew);
	while (asked > 0)
		for (back = mailbox_wait(crew->done, -1); back; back = back->next)
			asked--;
	errno = atomic_load(&crew->error);
	return errno ? -1 : 0;
}
