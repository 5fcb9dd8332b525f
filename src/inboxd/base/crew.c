/* SPDX-License-Identifier: ISC */
#include "inboxd/base/crew.h"

#include <errno.h>
#include <stdatomic.h>

#include "inboxd/base/thread.h"

#define CREW_MAX 16

struct crew {
	size_t count;
	int (*step)(void *ctx, size_t i);
	void *ctx;
	atomic_size_t next;
	atomic_int error; /* errno of a step that failed */
};

static void *
work(void *arg)
{
	struct crew *crew = arg;
	size_t i;

	while (atomic_load(&crew->error) == 0 &&
	    (i = atomic_fetch_add(&crew->next, 1)) < crew->count) {
		if (crew->step(crew->ctx, i) < 0)
			atomic_store(&crew->error, errno);
	}
	return NULL;
}

int
crew_run(size_t count, int (*step)(void *ctx, size_t i), void *ctx)
{
	struct crew crew = {.count = count, .step = step, .ctx = ctx};
	size_t wanted = count / CREW_SHARE, others = 0;
	pthread_t threads[CREW_MAX];

	if (wanted > CREW_MAX)
		wanted = CREW_MAX;
	while (others + 1 < wanted && thread_start(&threads[others], work, &crew) == 0)
		others++;
	(void)work(&crew);
	while (others > 0)
		thread_join(threads[--others]);
	errno = atomic_load(&crew.error);
	return errno ? -1 : 0;
}
