/* SPDX-License-Identifier: ISC */
#include "lib/health.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/table.h"

#define MINUTE 60
#define HOUR 3600
#define DAY 86400

/* Most important first: so they are told. */
const struct health_row health_rows[] = {
    {"down", HEALTH_ANSWER, NULL, NULL, NULL, HEALTH_NEVER, 1, "the receiver does not answer",
        NULL},
    {"not-serving", HEALTH_VALUE, "inboxd_not_serving", NULL, NULL, HEALTH_NEVER, 1,
        "no new client is served: a certificate or list has run out", NULL},
    {"journal-full", HEALTH_VALUE, "inboxd_journal_full", NULL, NULL, HEALTH_NEVER, 1,
        "the journal cannot be written for want of room: all items are put off", NULL},
    {"publish-trouble", HEALTH_VALUE, "inboxd_publish_trouble", NULL, NULL, HEALTH_NEVER, 1,
        "items that were acknowledged cannot be made visible, and new ones are put off", NULL},
    {"disk-full", HEALTH_VALUE, "inboxd_full", NULL, NULL, 1, 2,
        "the disk fills up: large items are put off", "the disk is full: all items are put off"},
    {"publish-lag", HEALTH_AGE, "inboxd_unpublished_oldest_timestamp_seconds", NULL, NULL, MINUTE,
        10 * MINUTE, "an item that was acknowledged has waited {} to become visible", NULL},
    {"threads-silent", HEALTH_VALUE, "inboxd_thread_silent_seconds", NULL, NULL, 10, 60,
        "a thread has not answered for {} seconds", NULL},
    {"certificate-expiry", HEALTH_LEFT, "inboxd_certificate_expiry_timestamp_seconds", NULL,
        "inboxd_certificate_issued_timestamp_seconds", 14 * DAY, 3 * DAY,
        "the receiver's certificate runs out in {}",
        "the receiver's certificate has run out: no new client is served"},
    {"ca-expiry", HEALTH_LEFT, "inboxd_ca_expiry_timestamp_seconds", NULL,
        "inboxd_ca_issued_timestamp_seconds", 14 * DAY, 3 * DAY,
        "a CA's certificate runs out in {}",
        "a CA's certificate has run out: no new client is served"},
    {"crl-expiry", HEALTH_LEFT, "inboxd_crl_expiry_timestamp_seconds", NULL,
        "inboxd_crl_issued_timestamp_seconds", 14 * DAY, 3 * DAY, "a CRL runs out in {}",
        "a CRL has run out: no new client is served"},
    {"inbox-unreadable", HEALTH_VALUE, "inboxd_inbox_unreadable", NULL, NULL, HEALTH_NEVER, 1,
        "what waits in inbox {label} cannot be counted", NULL},
    {"inbox-over-limit", HEALTH_VALUE, "inboxd_inbox_over_limit", NULL, NULL, 1, HEALTH_NEVER,
        "inbox {label} has reached its limit: its items are put off", NULL},
    {"items-missing", HEALTH_VALUE, "inboxd_gaps_unknown", NULL, NULL, 1, HEALTH_NEVER,
        "gaps in what clients sent that nobody has confirmed: {}; inboxctl clients --missing says "
        "whose", NULL},
    {"clients-missing", HEALTH_SHARE, "inboxd_clients", "state=\"missing\"", "inboxd_clients", 10,
        50, "{} of the clients miss items", NULL},
    {"clients-silent", HEALTH_SHARE, "inboxd_clients", "state=\"silent\"", "inboxd_clients", 10, 50,
        "{} of the clients are silent", NULL},
    {"clients-behind", HEALTH_SHARE, "inboxd_clients", "state=\"behind\"", "inboxd_clients", 10, 50,
        "{} of the clients are behind", NULL},
    {"clients-never-came", HEALTH_SHARE, "inboxd_clients", "state=\"never-came\"",
        "inboxd_clients", 10, HEALTH_NEVER, "{} of the clients are expected and never came", NULL},
    {"clients-failed", HEALTH_SHARE, "inboxd_clients_failed", NULL, "inboxd_clients", 10, 50,
        "{} of the clients have set items aside that were refused", NULL},
    {"inbox-unclaimed", HEALTH_AGE, "inboxd_inbox_oldest_timestamp_seconds", NULL, NULL, DAY,
        3 * DAY, "in inbox {label} an item has waited {} for its consumer", NULL},
    {"inbox-unfinished", HEALTH_AGE, "inboxd_inbox_claimed_oldest_timestamp_seconds", NULL, NULL,
        DAY, 3 * DAY, "in inbox {label} a consumer has had an item for {}", NULL},
    {"inbox-paused", HEALTH_AGE, "inboxd_inbox_paused_timestamp_seconds", NULL, NULL, 4 * HOUR, DAY,
        "inbox {label} has been paused for {}", NULL},
    {"paused", HEALTH_AGE, "inboxd_paused_timestamp_seconds", NULL, NULL, 4 * HOUR, DAY,
        "the receiver has been paused for {}", NULL},
    {"count-old", HEALTH_AGE, "inboxd_inbox_counted_timestamp_seconds", NULL, NULL, HOUR,
        HEALTH_NEVER, "what waits in inbox {label} was counted {} ago", NULL},
    {"queues-limit", HEALTH_SHARE, "inboxd_queues", NULL, "inboxd_queues_limit", 80, 95,
        "queues: {} of as many as may be known", NULL},
    {"unsettled-limit", HEALTH_SHARE, "inboxd_items_unsettled", NULL,
        "inboxd_items_unsettled_limit", 80, 95, "unsettled items: {} of as many as may be", NULL},
    {"connections-limit", HEALTH_SHARE, "inboxd_connections", NULL, "inboxd_connections_limit", 80,
        95, "connections: {} of as many as may be open", NULL},
    {"room-short", HEALTH_VALUE, "inboxd_room_short", NULL, NULL, 1, HEALTH_NEVER,
        "connections come faster than there is room: deadlines are shorter", NULL},
    {"reload-failed", HEALTH_VALUE, "inboxd_reload_failed", NULL, NULL, 1, HEALTH_NEVER,
        "the last reload was not taken", NULL},
    {"files-differ", HEALTH_VALUE, "inboxd_files_differ", NULL, NULL, 1, HEALTH_NEVER,
        "changed on the disk and not in force: {}", NULL},
    {"log-lines-lost", HEALTH_HISTORY, "inboxd_log_lines_lost_total", NULL, NULL, 1, HEALTH_NEVER,
        "lines of the log were lost", NULL},
    {"names-taken", HEALTH_HISTORY, "inboxd_names_taken_total", NULL, NULL, 1, HEALTH_NEVER,
        "somebody else has made files in new/ with names of ours", NULL},
    {"numbers-reused", HEALTH_HISTORY, "inboxd_numbers_reused_total", NULL, NULL, 1, HEALTH_NEVER,
        "numbers came again with other items: a queue was cloned, or restored", NULL},
    {"marks-unknown", HEALTH_HISTORY, "inboxd_marks_unknown_total", NULL, NULL, 20, HEALTH_NEVER,
        "clients come with marks that this root does not know: is it the right root?", NULL},
    {"items-refused", HEALTH_HISTORY, "inboxd_items_refused_total", NULL, NULL, 1, HEALTH_NEVER,
        "items were refused, and set aside by their clients", NULL},
    {"items-damaged", HEALTH_HISTORY, "inboxd_items_later_total", "code=\"digest\"", NULL, 1,
        HEALTH_NEVER, "items came with other bytes than were announced", NULL},
    {"limit-reached", HEALTH_HISTORY, "inboxd_limit_reached_total", NULL, NULL, 1, HEALTH_NEVER,
        "what clients may use up was used up", NULL},
    {"acknowledge-slow", HEALTH_HISTORY, "inboxd_acknowledge_seconds", NULL, NULL, 1, 10,
        "one acknowledgement in a hundred takes {} seconds", NULL},
    {"restarts", HEALTH_HISTORY, "inboxd_start_timestamp_seconds", NULL, NULL, 3, HEALTH_NEVER,
        "the receiver was started again and again", NULL},
};
_Static_assert(sizeof health_rows / sizeof health_rows[0] == HEALTH_ROWS, "a verdict a row");

int
health_find(const char *name, size_t len)
{
	for (int i = 0; i < HEALTH_ROWS; i++) {
		const char *one = health_rows[i].name;
		if (strlen(one) == len && memcmp(one, name, len) == 0)
			return i;
	}
	return -1;
}

void
health_limits_default(struct health_limits *limits)
{
	for (size_t i = 0; i < HEALTH_ROWS; i++) {
		limits->warning[i] = health_rows[i].warning;
		limits->critical[i] = health_rows[i].critical;
	}
}

const char *
health_word(enum health_severity severity)
{
	static const char *const words[] = {
	    [HEALTH_OK] = "ok", [HEALTH_WARNING] = "warning", [HEALTH_CRITICAL] = "critical"};

	return words[severity];
}

/* The sum of the metric's samples; 0, too, where there is none. */
static int64_t
sum_of(const char *page, const char *metric)
{
	struct sample sample;
	int64_t sum = 0;

	while (samples_next(&page, metric, NULL, &sample) == 0)
		sum = sample.value > INT64_MAX - sum ? INT64_MAX : sum + sample.value;
	return sum;
}

/* 0, or -1: this sample has none. */
static int
figure_of(const struct health_row *row, const char *page, int64_t now, int64_t value, int64_t *out)
{
	int64_t whole;

	switch (row->figure) {
	case HEALTH_VALUE:
		*out = value;
		return 0;
	case HEALTH_AGE:
		*out = value == 0 || value > now ? 0 : now - value;
		return 0;
	case HEALTH_LEFT:
		*out = value - now;
		return value == 0 ? -1 : 0;
	case HEALTH_SHARE:
		whole = sum_of(page, row->of);
		*out = whole <= 0 ? 0 : (int64_t)(100.0 * (double)value / (double)whole);
		return whole <= 0 ? -1 : 0;
	case HEALTH_ANSWER:
	case HEALTH_HISTORY:
		break;
	}
	return -1;
}

static int
is_worse(const struct health_row *row, int64_t figure, int64_t than)
{
	return row->figure == HEALTH_LEFT ? figure < than : figure > than;
}

/* The worst of its samples. */
static void
find_figure(const char *page, int64_t now, const struct health_row *row,
    struct health_verdict *verdict)
{
	const char *at = page;
	struct sample sample;
	int64_t figure;

	if (!row->metric)
		return;
	while (samples_next(&at, row->metric, row->label, &sample) == 0) {
		if (figure_of(row, page, now, sample.value, &figure) < 0)
			continue;
		if (verdict->is_known && !is_worse(row, figure, verdict->figure))
			continue;
		verdict->is_known = 1;
		verdict->figure = figure;
		if (!row->label)
			memcpy(verdict->label, sample.label, sizeof verdict->label);
	}
}

/* Of what lives for a day alone, two weeks are no measure. */
static int64_t
cut_by_life(const char *page, int64_t now, const struct health_row *row, int64_t left,
    int64_t limit, int part)
{
	int64_t since = sum_of(page, row->of), life = left + now - since;

	return since > 0 && life > 0 && life / part < limit ? life / part : limit;
}

static int
is_beyond(const char *page, int64_t now, const struct health_row *row,
    const struct health_verdict *verdict, int64_t limit, int part)
{
	if (limit == HEALTH_NEVER)
		return 0;
	if (row->figure != HEALTH_LEFT)
		return verdict->figure >= limit;
	return verdict->figure <=
	    cut_by_life(page, now, row, verdict->figure, limit, part);
}

/* How many of those that the sentence names by their label. */
static size_t
count_beyond(const char *page, int64_t now, const struct health_row *row, int64_t limit)
{
	struct sample sample;
	size_t count = 0;
	int64_t figure;

	if (limit == HEALTH_NEVER || !strstr(row->text, "{label}"))
		return 0;
	while (samples_next(&page, row->metric, row->label, &sample) == 0)
		count += figure_of(row, page, now, sample.value, &figure) == 0 && figure >= limit;
	return count;
}

void
health_judge(const char *page, int64_t now, const struct health_limits *limits,
    struct health_verdict verdicts[HEALTH_ROWS])
{
	for (size_t i = 0; i < HEALTH_ROWS; i++) {
		const struct health_row *row = &health_rows[i];
		struct health_verdict *verdict = &verdicts[i];

		*verdict = (struct health_verdict){.severity = HEALTH_OK};
		find_figure(page, now, row, verdict);
		if (!verdict->is_known)
			continue;
		if (is_beyond(page, now, row, verdict, limits->critical[i], 10))
			verdict->severity = HEALTH_CRITICAL;
		else if (is_beyond(page, now, row, verdict, limits->warning[i], 3))
			verdict->severity = HEALTH_WARNING;
		if (verdict->severity != HEALTH_OK)
			verdict->more = count_beyond(page, now, row,
			    limits->warning[i] != HEALTH_NEVER ? limits->warning[i]
			                                       : limits->critical[i]);
		verdict->more -= verdict->more > 0; /* itself */
	}
}

static void
print_figure(char figure[TABLE_CELL_ROOM], const struct health_row *row, int64_t value)
{
	if (row->figure == HEALTH_AGE || row->figure == HEALTH_LEFT)
		table_span(figure, value);
	else
		snprintf(figure, TABLE_CELL_ROOM, "%" PRId64 "%s", value,
		    row->figure == HEALTH_SHARE ? "%" : "");
}

void
health_text(char text[HEALTH_TEXT_ROOM], size_t row, const struct health_verdict *verdict)
{
	const struct health_row *which = &health_rows[row];
	const char *from = which->text, *open;
	char figure[TABLE_CELL_ROOM];
	size_t len = 0;

	if (which->worse && (which->figure == HEALTH_LEFT ? verdict->figure <= 0
	                                                  : verdict->severity == HEALTH_CRITICAL))
		from = which->worse;
	print_figure(figure, which, verdict->figure);
	text[0] = '\0';
	while ((open = strchr(from, '{')) && len < HEALTH_TEXT_ROOM) {
		int is_label = open[1] == 'l';
		len += (size_t)snprintf(text + len, HEALTH_TEXT_ROOM - len, "%.*s%s",
		    (int)(open - from), from, is_label ? verdict->label : figure);
		from = strchr(open, '}') + 1;
	}
	if (len < HEALTH_TEXT_ROOM)
		len += (size_t)snprintf(text + len, HEALTH_TEXT_ROOM - len, "%s", from);
	if (len < HEALTH_TEXT_ROOM && verdict->more > 0)
		snprintf(text + len, HEALTH_TEXT_ROOM - len, " (and %zu more)", verdict->more);
}
