/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/screens/client_show.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inboxctl/base/when.h"
#include "inboxctl/pages/show.h"
#include "inboxctl/pages/show_cells.h"
#include "inboxctl/screens/ledger_print.h"
#include "lib/client_state.h"
#include "lib/line.h"
#include "lib/table.h"

#define VALUES_AT 14  /* the column in which what is said of a queue stands */
#define USEC_PER_SEC INT64_C(1000000)

struct showing_client {
	const struct client_story *story;
	struct screen screen;
};

/* ---- a queue */

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void
begin(struct line *line, const struct showing_client *showing, const char *label)
{
	line_begin(line, stdout, &showing->screen);
	line_add(line, TINT_NONE, "  %s", label);
	line_to(line, VALUES_AT);
}

/* "3m ago", or `never`. */
static const char *
ago(char room[TABLE_CELL_ROOM + 8], int64_t when, int64_t now, const char *never)
{
	char span[TABLE_CELL_ROOM];

	if (when == 0)
		return never;
	table_span(span, now - when);
	snprintf(room, TABLE_CELL_ROOM + 8, "%s ago", span);
	return room;
}

static void
show_seen(const struct showing_client *showing, const json_t *queue)
{
	const char *address = text_of(queue, "address");
	char *agent = table_name_copy(text_of(queue, "agent"));
	int64_t forgotten = show_integer(queue, "forgotten"), now = showing->story->now;
	char room[TABLE_CELL_ROOM + 8];
	struct line line;

	begin(&line, showing, "seen");
	if (json_is_true(json_object_get(queue, "connected")))
		line_add(&line, TINT_NONE, "now");
	else
		line_add(&line, TINT_NONE, "%s",
		    ago(room, show_integer(queue, "seen"), now, "never"));
	if (*address)
		line_add(&line, TINT_NONE, ", from %s", address);
	if (agent && *agent)
		line_add(&line, TINT_NONE, ", by %s", agent);
	if (forgotten)
		line_add(&line, TINT_WARN, "; forgotten %s", ago(room, forgotten, now, ""));
	line_end(&line);
	free(agent);
}

static void
show_stored(const struct showing_client *showing, const json_t *queue)
{
	char room[TABLE_CELL_ROOM + 8], size[TABLE_CELL_ROOM];
	int64_t stored = show_integer(queue, "stored");
	struct line line;

	begin(&line, showing, "stored");
	table_size(size, (uint64_t)show_integer(queue, "stored_bytes"));
	line_add(&line, TINT_NONE, "%" PRId64 " item%s", stored, stored == 1 ? "" : "s");
	if (stored > 0)
		line_add(&line, TINT_NONE, ", %s, the last %s", size,
		    ago(room, show_integer(queue, "last_stored"), showing->story->now, "long ago"));
	line_add(&line, TINT_NONE, "; all below %" PRId64 " settled",
	    show_integer(queue, "settled"));
	line_end(&line);
}

static void
show_waiting(const struct showing_client *showing, const json_t *queue)
{
	int64_t pending = show_integer(queue, "pending"), failed = show_integer(queue, "failed");
	int64_t since = show_integer(queue, "pending_oldest");
	char span[TABLE_CELL_ROOM];
	struct line line;

	begin(&line, showing, "waiting");
	table_span(span, showing->story->now - since);
	line_add(&line, TINT_NONE, "%" PRId64 " item%s at the client", pending,
	    pending == 1 ? "" : "s");
	if (pending > 0 && since > 0)
		line_add(&line, TINT_NONE, ", the oldest for %s", span);
	if (failed > 0)
		line_add(&line, TINT_WARN, "; %" PRId64 " set aside", failed);
	line_end(&line);
}

/* What is not 0 of these. */
static void
show_counts(const struct showing_client *showing, const json_t *queue)
{
	static const struct {
		const char *key, *word;
	} counts[] = {{"unsettled", "not settled"}, {"again", "told again"},
	    {"later", "told later"}, {"refused", "refused"}, {"skipped", "skipped"},
	    {"reused", "under used numbers"}};
	struct line line;
	int any = 0;

	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		int64_t count = show_integer(queue, counts[i].key);
		if (count == 0)
			continue;
		if (!any++)
			begin(&line, showing, "also");
		line_add(&line, TINT_NONE, "%s%" PRId64 " %s", any > 1 ? ", " : "", count,
		    counts[i].word);
	}
	if (any)
		line_end(&line);
}

static void
show_gap(const struct showing_client *showing, const json_t *gap, int is_first)
{
	int64_t first = show_integer(gap, "first"), last = show_integer(gap, "last");
	int64_t missing = show_integer(gap, "missing");
	int is_known = json_is_true(json_object_get(gap, "known"));
	char room[TABLE_CELL_ROOM + 8];
	struct line line;

	begin(&line, showing, is_first ? "missing" : "");
	if (first == last)
		line_add(&line, is_known ? TINT_NONE : TINT_BAD, "%" PRId64, first);
	else
		line_add(&line, is_known ? TINT_NONE : TINT_BAD, "%" PRId64 "-%" PRId64, first,
		    last);
	if (missing > 0 && missing != last - first + 1)
		line_add(&line, TINT_NONE, ", %" PRId64 " of these", missing);
	line_add(&line, TINT_NONE, ", seen %s%s",
	    ago(room, show_integer(gap, "since"), showing->story->now, "nobody knows when"),
	    is_known ? ", confirmed" : "");
	line_end(&line);
}

static void
show_queue(const struct showing_client *showing, const json_t *queue)
{
	const char *id = text_of(queue, "queue"), *state = text_of(queue, "state");
	struct line line;
	json_t *gap;
	size_t i;

	if (!*id)
		return; /* it never came: the first line says it */
	line_begin(&line, stdout, &showing->screen);
	line_add(&line, TINT_NONE, "Queue %.*s", PROTO_QUEUE_SHOWN, id);
	if (*state) {
		line_add(&line, TINT_NONE, ": ");
		line_add(&line, show_state_tint(client_state_parse(state, strlen(state))), "%s",
		    state);
	}
	line_end(&line);
	show_seen(showing, queue);
	show_stored(showing, queue);
	show_waiting(showing, queue);
	show_counts(showing, queue);
	json_array_foreach (json_object_get(queue, "gaps"), i, gap)
		show_gap(showing, gap, i == 0);
	putchar('\n');
}

/* ---- the records */

static const char *
what_of(const struct entry *entry)
{
	switch (entry->record.type) {
	case RECORD_GAP:
		return entry->record.known ? "confirmed" : "missing";
	case RECORD_SKIP:
		return "skipped";
	case RECORD_QUEUE:
		return "forgotten";
	default:
		return ledger_outcomes[entry->outcome];
	}
}

static void
add_numbers(struct table *table, const struct record *record)
{
	char cell[TABLE_CELL_ROOM];

	if (record->type == RECORD_QUEUE)
		snprintf(cell, sizeof cell, "-");
	else if (record->type == RECORD_GAP && record->to != record->n)
		snprintf(cell, sizeof cell, "%" PRIu64 "-%" PRIu64, record->n, record->to);
	else
		snprintf(cell, sizeof cell, "%" PRIu64, record->n);
	table_add(table, cell);
}

/* 0, or -1: out of memory. */
static int
add_record(struct table *table, const struct entry *entry, int has_queue)
{
	const struct record *record = &entry->record;
	int is_item = record->type == RECORD_ACCEPT;
	char when[WHEN_ROOM], size[TABLE_CELL_ROOM] = "-", queue[PROTO_QUEUE_SHOWN + 1];
	char *name = table_name_copy(is_item && record->hint[0] ? record->hint
	        : is_item                                       ? record->name
	        : record->reason[0]                             ? record->reason
	                                                        : "-");

	if (!name)
		return -1;
	when_print(when, record->time, 0);
	if (is_item)
		table_size(size, record->size);
	snprintf(queue, sizeof queue, "%.*s", PROTO_QUEUE_SHOWN, record->queue);
	table_add(table, when);
	table_add(table, what_of(entry));
	if (record->type == RECORD_GAP && !record->known)
		table_tint(table, TINT_BAD);
	if (has_queue)
		table_add(table, queue);
	add_numbers(table, record);
	table_add(table, is_item ? record->inbox : "-");
	table_add(table, size);
	table_add(table, name);
	free(name);
	return 0;
}

static int
has_several(const struct client_story *story)
{
	int several = 0;

	for (size_t i = 1; i < story->count; i++)
		several |= strcmp(story->records[i]->record.queue,
		               story->records[0]->record.queue) != 0;
	return several || json_array_size(story->queues) > 1;
}

static int
show_records(const struct showing_client *showing)
{
	static const char *const with[] = {
	    "TIME", "WHAT", "QUEUE", "NUMBER", "INBOX", "SIZE", "NAME"};
	static const char *const without[] = {"TIME", "WHAT", "NUMBER", "INBOX", "SIZE", "NAME"};
	const struct client_story *story = showing->story;
	int has_queue = has_several(story);
	struct table table;
	int rc = 0;

	if (story->count == 0) {
		puts("The ledger has no item of it.");
		return 0;
	}
	printf("The last %zu in the ledger:\n", story->count);
	table_head(&table, has_queue ? "lllrlrL" : "llrlrL", has_queue ? with : without);
	for (size_t i = 0; i < story->count && rc == 0; i++)
		rc = add_record(&table, story->records[i], has_queue);
	table_print(&table, stdout, &showing->screen);
	return table_free(&table) < 0 ? -1 : rc;
}

int
client_show(const struct client_story *story)
{
	const struct showing_client showing = {story, terminal_screen(STDOUT_FILENO)};
	const json_t *first = json_array_get(story->queues, 0);
	char when[WHEN_ROOM];
	struct line line;
	json_t *queue;
	size_t i;

	line_begin(&line, stdout, &showing.screen);
	line_add(&line, TINT_HEAD, "%s", story->client);
	if (first && !*text_of(first, "queue"))
		line_add(&line, TINT_BAD, " is expected, and never came");
	line_end(&line);
	if (!story->is_live) {
		when_print(when, story->now * USEC_PER_SEC, 0);
		line_begin(&line, stdout, &showing.screen);
		line_add(&line, TINT_WARN, "The receiver does not answer: by the ledger, as of %s",
		    when);
		line_end(&line);
	}
	putchar('\n');
	json_array_foreach (story->queues, i, queue)
		show_queue(&showing, queue);
	return show_records(&showing);
}

/* ---- for programs */

static json_t *
record_json(const struct entry *entry)
{
	const struct record *record = &entry->record;
	char when[WHEN_ROOM];
	json_t *out;

	when_print(when, record->time, 1);
	out = json_pack("{s:s, s:s, s:s}", "time", when, "what", what_of(entry), "queue",
	    record->queue);
	if (record->type == RECORD_QUEUE)
		return out;
	json_object_set_new(out, "n", json_integer((json_int_t)record->n));
	if (record->type == RECORD_GAP)
		json_object_set_new(out, "to", json_integer((json_int_t)record->to));
	if (record->type != RECORD_ACCEPT)
		return out;
	json_object_set_new(out, "inbox", json_string(record->inbox));
	json_object_set_new(out, "size", json_integer((json_int_t)record->size));
	json_object_set_new(out, "name", json_string(record->name));
	json_object_set_new(out, "hint", record->hint[0] ? json_string(record->hint) : json_null());
	return out;
}

int
client_show_json(const struct client_story *story)
{
	json_t *records = json_array(), *page;
	int failed = 0;

	for (size_t i = 0; i < story->count; i++)
		failed |= json_array_append_new(records, record_json(story->records[i]));
	page = json_pack("{s:i, s:s, s:b, s:I, s:O, s:o}", "schema", SHOW_SCHEMA, "client",
	    story->client, "live", story->is_live, "now", (json_int_t)story->now, "queues",
	    story->queues, "records", records);
	failed |= json_dumpf(page, stdout, JSON_INDENT(1) | JSON_ENSURE_ASCII);
	json_decref(page);
	putchar('\n');
	return failed ? -1 : 0;
}
