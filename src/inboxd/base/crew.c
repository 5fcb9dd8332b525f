/* SPDX-License-Identifier: ISC */
#include "inboxd/base/crew.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/thread.h"

struct crew {
	pthread_t *helpers;
	size_t most, count; /* of helpers: wanted, and begun */
	size_t share;
	pthread_mutex_t lock; /* of these: */
	pthread_cond_t has_work, has_done;
	size_t called; /* helpers that are to come */
	size_t busy;   /* those that have */
	int is_ending;
	/* The work at hand: while helpers are called or busy nobody writes but these two. */
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
help(void *arg)
{
	struct crew *crew = arg;

	pthread_mutex_lock(&crew->lock);
	for (;;) {
		while (crew->called == 0 && !crew->is_ending)
			pthread_cond_wait(&crew->has_work, &crew->lock);
		if (crew->is_ending)
			break;
		crew->called--;
		crew->busy++;
		pthread_mutex_unlock(&crew->lock);
		work(crew);
		pthread_mutex_lock(&crew->lock);
		if (--crew->busy == 0)
			pthread_cond_signal(&crew->has_done);
	}
	pthread_mutex_unlock(&crew->lock);
	return NULL;
}

struct crew *
crew_new(size_t most, size_t share)
{
	struct crew *crew = must_alloc(sizeof *crew);

	crew->most = most - 1;
	crew->share = share;
	crew->helpers = must_alloc(most * sizeof *crew->helpers);
	pthread_mutex_init(&crew->lock, NULL);
	pthread_cond_init(&crew->has_work, NULL);
	pthread_cond_init(&crew->has_done, NULL);
	return crew;
}

void
crew_free(struct crew *crew)
{
	if (!crew)
		return;
	pthread_mutex_lock(&crew->lock);
	crew->is_ending = 1;
	pthread_cond_broadcast(&crew->has_work);
	pthread_mutex_unlock(&crew->lock);
	while (crew->count > 0)
		thread_join(crew->helpers[--crew->count]);
	pthread_cond_destroy(&crew->has_done);
	pthread_cond_destroy(&crew->has_work);
	pthread_mutex_destroy(&crew->lock);
	free(crew->helpers);
	free(crew);
}

/* For so many things: how many helpers are called, as far as they are to be had. */
static size_t
helpers_for(struct crew *crew, size_t count)
{
	size_t wanted = count / crew->share;

	wanted = wanted == 0 ? 0 : wanted - 1;
	if (wanted > crew->most)
		wanted = crew->most;
	while (crew->count < wanted &&
	    thread_start(&crew->helpers[crew->count], help, crew) == 0)
		crew->count++;
	return wanted < crew->count ? wanted : crew->count;
}

static void
call(struct crew *crew, size_t count)
{
	pthread_mutex_lock(&crew->lock);
	crew->called = count;
	for (size_t i = 0; i < count; i++)
		pthread_cond_signal(&crew->has_work);
	pthread_mutex_unlock(&crew->lock);
}

/* Whoever has not come yet finds nothing left to do, and is not waited for. */
static void
wait_for_all(struct crew *crew)
{
	pthread_mutex_lock(&crew->lock);
	crew->called = 0;
	while (crew->busy > 0)
		pthread_cond_wait(&crew->has_done, &crew->lock);
	pthread_mutex_unlock(&crew->lock);
}

int
crew_run(struct crew *crew, size_t count, int (*step)(void *ctx, size_t i), void *ctx)
{
	size_t helpers = helpers_for(crew, count);

	crew->steps = count;
	crew->step = step;
	crew->ctx = ctx;
	atomic_store(&crew->next, 0);
	atomic_store(&crew->error, 0);
	call(crew, helpers);
	work(crew);
	wait_for_all(crew);
	errno = atomic_load(&crew->error);
	return errno ? -1 : 0;
}
