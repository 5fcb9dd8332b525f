/* SPDX-License-Identifier: ISC */
/*
 * inboxload: a herd of virtual clients that speak inbox/1, and a judge of what became of what they
 * sent.  tests/README says how to use it, --help what can be asked for.
 *
 * It is no second client library.  Of the product it uses what carries no verdict: the codec of
 * lines (lib/proto; the system tests' client, written from the manual, tries that one), the digest,
 * the event loop, numbers.  Its own are the connection (wire.h says why), the client's rules, the
 * record of what was acknowledged (book.h), and the judge, which reads folders and ledger by
 * inbox-spool(5) and not by the receiver's code.
 */
#include "config.h"

#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "book.h"
#include "crew.h"
#include "idle.h"
#include "judge.h"
#include "lib/clock.h"
#include "options.h"
#include "receiver.h"
#include "report.h"
#include "run.h"
#include "tally.h"

static void
find_receiver(struct run *run)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	int rc = getaddrinfo(run->options->host, run->options->port, &hints, &found);

	if (rc != 0)
		run_die("%s: %s", run->options->host, gai_strerror(rc));
	memcpy(&run->to, found->ai_addr, found->ai_addrlen);
	run->to_len = found->ai_addrlen;
	freeaddrinfo(found);
}

/* --at-once: the beginning of a second, by the clock on the wall, so that it is one for all. */
static int64_t
choose_begin(const struct options *options)
{
	int64_t utc = clock_utc(), now = clock_monotonic();

	if (options->all_ready)
		return 0;
	return options->at_once ? now + 2 * CLOCK_SECOND - utc % CLOCK_SECOND : now;
}

static void
load(const struct options *options, struct report *report, struct book *book)
{
	static struct run run;
	struct why why;

	run.options = options;
	find_receiver(&run);
	if (items_make(&run.items, &options->sizes, options->seed) < 0)
		run_die("out of memory");
	run.mint = mint_new(options->pki, options->certificates, options->threads, &why);
	if (!run.mint)
		run_die("%s", why.text);
	receiver_begin(&report->receiver, options);
	if (options->idle) {
		idle_run(&report->idle, &run, &report->tally, book);
	} else {
		atomic_store(&run.begin, choose_begin(options));
		crews_join(crews_start(&run), &report->tally, book);
	}
	receiver_end(&report->receiver, options);
	report->begin = atomic_load(&run.begin);
	report->end = atomic_load(&run.end);
	report->large_end = atomic_load(&run.large_end);
	mint_free(run.mint);
	items_free(&run.items);
}

/* What was sent and is not acknowledged; with --seconds as much as there was time for is all. */
static int
is_unfinished(const struct options *options, const struct report *report,
    const struct book *book)
{
	const struct tally *tally = &report->tally;

	for (size_t i = 0; i < book->count; i++)
		if (strcmp(book->entry[i].name, BOOK_UNHEARD) == 0)
			return 1;
	if (options->idle)
		return report->idle.held < options->idle || report->idle.away > 0;
	if (options->handshakes)
		return tally->series[SERIES_ROUND].count == 0;
	return options->seconds <= 0.0 && options->large == 0 &&
	    tally->count[COUNT_STORED] < options->clients * options->items;
}

int
main(int argc, char **argv)
{
	static struct options options;
	static struct report report;
	static struct book book;
	struct why why;
	int is_bad, is_short = 0;

	options_read(&options, argc, argv);
	(void)signal(SIGPIPE, SIG_IGN);
	if (options.judge) {
		if (book_read(&book, options.book, &why) < 0)
			run_die("%s", why.text);
	} else {
		load(&options, &report, &book);
		tally_sort(&report.tally);
		is_short = is_unfinished(&options, &report, &book);
		if (options.book && book_write(&book, options.book, &why) < 0)
			run_die("%s", why.text);
	}
	if (options.root && judge(&report.verdict, &book, &options, &why) < 0)
		run_die("%s", why.text);
	report_print(&report, &options);
	is_bad = report.verdict.lost + report.verdict.torn + report.verdict.twice +
	    report.verdict.unexpected > 0 || report.tally.count[COUNT_UNASKED] > 0;
	tally_free(&report.tally);
	book_free(&book);
	return is_bad ? 1 : is_short ? 2 : 0;
}
