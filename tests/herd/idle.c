/* SPDX-License-Identifier: ISC */
/* See idle.h. */
#include "config.h"

#include "idle.h"

#include <string.h>
#include <time.h>

#include "crew.h"
#include "lib/clock.h"
#include "receiver.h"

#define VISITS 100       /* one after the other */
#define SETTLE_SECONDS 10 /* until what ends has ended, and what is freed is given back */

static void
wait_seconds(double seconds)
{
	struct timespec pause = {(time_t)seconds,
	    (long)((seconds - (double)(time_t)seconds) * 1e9)};

	while (nanosleep(&pause, &pause) < 0)
		;
}

/* One more client, with a queue of its own, and an item a connection. */
static struct visit
visit(const struct run *of, uint64_t number, struct book *book)
{
	struct options options = *of->options;
	static struct run run;
	struct tally tally = {.count = {0}};
	struct visit visit;

	options.clients = options.threads = options.window = 1;
	options.items = VISITS;
	options.fresh = 1;
	options.idle = options.all_ready = 0;
	options.seed += number;
	memset(&run, 0, sizeof run);
	run.options = &options;
	run.items = of->items;
	run.mint = of->mint;
	run.to = of->to;
	run.to_len = of->to_len;
	atomic_store(&run.begin, clock_monotonic());
	crews_join(crews_start(&run), &tally, book);
	tally_sort(&tally);
	visit.p50 = tally_rank(&tally, SERIES_VISIT, 0.5);
	visit.p99 = tally_rank(&tally, SERIES_VISIT, 0.99);
	tally_free(&tally);
	return visit;
}

void
idle_run(struct idle *idle, struct run *run, struct tally *tally, struct book *book)
{
	const struct options *options = run->options;
	int64_t limit = clock_monotonic() + (int64_t)(options->limit * (double)CLOCK_SECOND);
	struct crews *crews;

	idle->alone = visit(run, 1, book);
	crews = crews_start(run);
	while (atomic_load(&run->ready) < options->clients && clock_monotonic() < limit)
		wait_seconds(0.01);
	idle->held = atomic_load(&run->ready);
	wait_seconds(1.0);
	idle->cpu = receiver_cpu(options->pid);
	idle->measured = clock_monotonic();
	wait_seconds(options->hold);
	idle->measured = clock_monotonic() - idle->measured;
	idle->cpu = receiver_cpu(options->pid) - idle->cpu;
	idle->rss = receiver_memory(options->pid, "VmRSS");
	idle->beside = visit(run, 2, book);
	/* Now it is over for them. */
	atomic_store(&run->begin, clock_monotonic());
	crews_join(crews, tally, book);
	idle->away = tally->count[COUNT_SESSIONS] - idle->held;
	wait_seconds(SETTLE_SECONDS);
	idle->rss_after = receiver_memory(options->pid, "VmRSS");
}
