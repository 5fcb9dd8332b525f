/* SPDX-License-Identifier: ISC */
/* See report.h.  A figure has one name in both forms; for people the ones that are 0 are left
 * out. */
#include "config.h"

#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/proto.h"

static int is_json, is_first;

static void
put_text(const char *name, const char *value)
{
	if (is_json)
		printf("%s\"%s\": %s", is_first ? "{" : ", ", name, value);
	else
		printf("%-26s %s\n", name, value);
	is_first = 0;
}

static void
put_count(const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof text, "%" PRIu64, value);
	if (value == RECEIVER_UNKNOWN)
		put_text(name, is_json ? "null" : "-");
	else if (is_json || value > 0)
		put_text(name, text);
}

static void
put_real(const char *name, double value)
{
	char text[64];

	snprintf(text, sizeof text, "%.3f", value);
	put_text(name, text);
}

/* Microseconds and the like, each for so many others. */
static void
put_share(const char *name, uint64_t value, double factor, uint64_t others)
{
	if (value == RECEIVER_UNKNOWN || others == 0)
		put_text(name, is_json ? "null" : "-");
	else
		put_real(name, (double)value * factor / (double)others);
}

static void
put_series(const struct tally *tally, enum series which, const char *word)
{
	static const struct {
		const char *name;
		double share;
	} rank[] = {{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1.0}};
	char name[64];

	if (tally->series[which].count == 0)
		return;
	for (size_t i = 0; i < sizeof rank / sizeof rank[0]; i++) {
		snprintf(name, sizeof name, "%s_ms_%s", word, rank[i].name);
		put_real(name, (double)tally_rank(tally, which, rank[i].share) / 1000.0);
	}
}

static void
put_counts(const struct tally *tally)
{
	char name[64];

#define X(id, word, help) put_count(word, tally->count[COUNT_##id]);
	TALLY_COUNTS(X)
#undef X
	for (int i = 0; i < PROTO_CODE_COUNT; i++) {
		enum proto_code code = (enum proto_code)i;

		snprintf(name, sizeof name, "%s_%s", proto_verb_text(proto_code_verb(code)),
		    proto_code_text(code));
		put_count(name, tally->code[i]);
	}
#define X(id, word, help) put_count("fault_" word, tally->fault[FAULT_##id]);
	FAULTS(X)
#undef X
}

static void
put_receiver(const struct report *report, const struct options *options, uint64_t done)
{
	const struct receiver *receiver = &report->receiver;

	put_share("own_cpu_s_per_1000", receiver->own_cpu, 1e-3, done);
	if (options->pid) {
		put_share("cpu_s_per_1000", receiver->cpu, 1e-3, done);
		put_share("calls_per_item", receiver->calls, 1.0, done);
		put_count("rss_before", receiver->rss_before);
		put_count("rss", receiver->rss);
		put_count("peak", receiver->peak);
	}
	if (options->socket) {
		put_share("syncs_per_item", receiver->syncs, 1.0, done);
		put_share("rounds_per_item", receiver->rounds, 1.0, done);
		put_count("syncs", receiver->syncs);
	}
}

static void
put_idle(const struct report *report)
{
	const struct idle *idle = &report->idle;
	uint64_t before = report->receiver.rss_before;

	put_count("held", idle->held);
	put_share("kib_per_connection", idle->rss == RECEIVER_UNKNOWN ? RECEIVER_UNKNOWN :
	    idle->rss - before, 1.0 / 1024.0, idle->held);
	put_share("kib_left_after", idle->rss_after == RECEIVER_UNKNOWN ? RECEIVER_UNKNOWN :
	    idle->rss_after > before ? idle->rss_after - before : 0, 1.0 / 1024.0, 1);
	put_share("idle_cpu_percent", idle->cpu, 100.0, (uint64_t)idle->measured);
	put_count("sent_away", idle->away);
	put_real("alone_ms_p50", (double)idle->alone.p50 / 1000.0);
	put_real("alone_ms_p99", (double)idle->alone.p99 / 1000.0);
	put_real("beside_ms_p50", (double)idle->beside.p50 / 1000.0);
	put_real("beside_ms_p99", (double)idle->beside.p99 / 1000.0);
}

static void
put_load(const struct report *report, const struct options *options)
{
	const struct tally *tally = &report->tally;
	uint64_t done = options->handshakes ? tally->series[SERIES_ROUND].count :
	    tally->count[COUNT_STORED];
	double seconds = report->end > report->begin ?
	    (double)(report->end - report->begin) / (double)CLOCK_SECOND : 0.0;

	put_count("seed", options->seed);
	put_count("clients", options->clients);
	put_count("done", done);
	put_real("seconds", seconds);
	put_real("per_second", seconds > 0.0 ? (double)done / seconds : 0.0);
	put_real("begin", (double)report->begin / (double)CLOCK_SECOND);
	if (report->large_end)
		put_real("large_seconds", (double)(report->large_end - report->begin) /
		    (double)CLOCK_SECOND);
#define X(id, word, help) put_series(tally, SERIES_##id, word);
	TALLY_SERIES(X)
#undef X
	put_counts(tally);
	put_receiver(report, options, done);
}

void
report_print(const struct report *report, const struct options *options)
{
	const struct verdict *verdict = &report->verdict;

	is_json = options->json != 0;
	is_first = 1;
	if (options->idle)
		put_idle(report);
	else if (!options->judge)
		put_load(report, options);
	if (options->root) {
		put_count("judged_acknowledged", verdict->acknowledged);
		put_count("judged_files", verdict->files);
		put_count("judged_records", verdict->records);
		put_count("lost", verdict->lost);
		put_count("torn", verdict->torn);
		put_count("twice", verdict->twice);
		put_count("unexpected", verdict->unexpected);
		if (!is_json)
			put_text("verdict", verdict->lost + verdict->torn + verdict->twice +
			    verdict->unexpected == 0 ? "good" : "bad");
	}
	if (is_json)
		printf("}\n");
	fflush(stdout);
}
