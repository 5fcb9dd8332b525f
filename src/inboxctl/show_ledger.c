/* SPDX-License-Identifier: ISC */
/*
 * A record that has not what a filter asks for is not let through: a mark has
 * no client, so --client leaves marks out.
 */
#include "config.h"

#include "inboxctl/show_ledger.h"

#include <fnmatch.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/base/when.h"
#include "inboxctl/root/history.h"
#include "inboxctl/root/journaled.h"
#include "inboxctl/root/root.h"
#include "inboxctl/root/tail.h"
#include "inboxctl/screens/ledger_print.h"
#include "lib/parse.h"

#define LINES_MOST 1000000
#define LINES_FOLLOWED 10 /* of before, as tail(1) has it */
#define FOLLOW_EACH 300   /* milliseconds */

struct filter {
	const char *client, *queue, *inbox, *name; /* NULL: any */
	uint64_t item;                             /* 0: any */
	int64_t since, until;
	unsigned types; /* a bit a type */
};

#define BIT(type) (1u << (type))
#define WITH_QUEUE \
	(BIT(RECORD_ACCEPT) | BIT(RECORD_QUEUE) | BIT(RECORD_SKIP) | BIT(RECORD_SETTLED) | \
	    BIT(RECORD_GAP))
/* The end of a state says nothing to anybody else. */
#define ALL_TYPES (BIT(RECORD_TYPES) - 1 - BIT(RECORD_STATE))

/* ---- the filter */

static int
complain_use(const char *option, const char *text, const char *want)
{
	complain("--%s %s: want %s", option, text, want);
	return -1;
}

/* "accept,gap", or "all". */
static int
parse_types(const char *text, unsigned *types)
{
	const char *end;

	*types = 0;
	if (strcmp(text, "all") == 0) {
		*types = ALL_TYPES;
		return 0;
	}
	for (;; text = end + 1) {
		unsigned found = 0;
		end = strchrnul(text, ',');
		for (int i = 0; i < RECORD_TYPES; i++) {
			const char *name = record_type_name((enum record_type)i);
			if (strlen(name) == (size_t)(end - text) &&
			    memcmp(name, text, strlen(name)) == 0)
				found = BIT(i) & ALL_TYPES;
		}
		if (!found)
			return -1;
		*types |= found;
		if (*end == '\0')
			return 0;
	}
}

static int
parse_filter(const struct arguments *a, struct filter *filter)
{
	static const char time[] = "a time as 2026-11-22, 2026-11-22T14:11 (UTC), or 24h (ago)";
	int64_t now = when_now();

	*filter = (struct filter){.client = a->client, .queue = a->queue, .inbox = a->inbox,
	    .name = a->name, .since = INT64_MIN, .until = INT64_MAX,
	    .types = BIT(RECORD_ACCEPT)};
	if (a->queue && (strlen(a->queue) > PROTO_QUEUE_LEN ||
	                    !is_hex(a->queue, strlen(a->queue), strlen(a->queue)) || !*a->queue))
		return complain_use("queue", a->queue, "the first digits of a queue's identifier");
	if (a->item && (parse_u64(a->item, strlen(a->item), PROTO_NUMBER_MAX, &filter->item) < 0 ||
	                   filter->item == 0))
		return complain_use("item", a->item, "a number from 1 on");
	if (a->since && when_parse(a->since, now, &filter->since) < 0)
		return complain_use("since", a->since, time);
	if (a->until && when_parse(a->until, now, &filter->until) < 0)
		return complain_use("until", a->until, time);
	if (a->type && parse_types(a->type, &filter->types) < 0)
		return complain_use("type", a->type,
		    "all, or of accept, queue, skip, settled, gap, mark, void, renamed, begin, "
		    "end, split by commas");
	return 0;
}

static int
item_matches(const struct record *record, uint64_t item)
{
	switch (record->type) {
	case RECORD_ACCEPT:
	case RECORD_SKIP:
		return record->n == item;
	case RECORD_GAP:
		return record->n <= item && item <= record->to;
	case RECORD_BEGIN:
	case RECORD_QUEUE:
	case RECORD_MARK:
	case RECORD_VOID:
	case RECORD_RENAMED:
	case RECORD_SETTLED:
	case RECORD_STATE:
	case RECORD_END:
	case RECORD_TYPES:
		break;
	}
	return 0;
}

static int
is_wanted(void *ctx, const struct record *record)
{
	const struct filter *filter = ctx;
	unsigned type = BIT(record->type);

	if (!(filter->types & type) || record->time < filter->since ||
	    record->time >= filter->until)
		return 0;
	if ((filter->client || filter->queue) && !(type & WITH_QUEUE))
		return 0;
	if (filter->inbox && record->type != RECORD_ACCEPT)
		return 0;
	if (filter->name && record->type != RECORD_ACCEPT && record->type != RECORD_RENAMED)
		return 0;
	return (!filter->client || fnmatch(filter->client, record->identity, 0) == 0) &&
	    (!filter->queue ||
	        strncmp(record->queue, filter->queue, strlen(filter->queue)) == 0) &&
	    (!filter->inbox || strcmp(filter->inbox, record->inbox) == 0) &&
	    (!filter->item || item_matches(record, filter->item));
}

/* The last of the filters: what became of an accept tells whether it got another name. */
static int
name_matches(const struct filter *filter, const struct entry *entry)
{
	return !filter->name || fnmatch(filter->name, entry->record.name, 0) == 0 ||
	    (entry->renamed[0] && fnmatch(filter->name, entry->renamed, 0) == 0);
}

/* ---- the whole */

/* Items are a table where somebody looks, and lines where a program reads. */
static enum ledger_form
find_form(const struct arguments *arguments, const struct filter *filter,
    const struct screen *screen)
{
	if (arguments->json)
		return LEDGER_JSON;
	return screen->width > 0 && filter->types == BIT(RECORD_ACCEPT) ? LEDGER_TABLE
	                                                                : LEDGER_LINES;
}

static int
trouble(void)
{
	if (ferror(stdout))
		return EX_IOERR;
	complain("out of memory");
	return EX_OSERR;
}

/* All that there is for now; of that the last ones alone, if there is a tail.  EX_OK, or an exit
 * code. */
static int
print_all(struct history *history, const struct filter *filter, struct ledger_print *print,
    struct tail *tail)
{
	struct entry entry;
	int rc, failed = 0;

	while (!failed && (rc = history_next(history, &entry)) == 1) {
		if (!name_matches(filter, &entry))
			continue;
		failed = tail ? tail_put(tail, &entry) : ledger_print_entry(print, &entry);
		failed |= ferror(stdout);
	}
	if (failed)
		return trouble();
	if (rc < 0)
		return EX_NOINPUT;
	while (tail && !failed && tail_take(tail, &entry))
		failed = ledger_print_entry(print, &entry);
	if (ledger_print_flush(print) < 0 || failed)
		return trouble();
	return EX_OK;
}

/* What comes, for as long as somebody reads it. */
static int
follow(struct history *history, const struct filter *filter, struct ledger_print *print)
{
	struct pollfd reader = {.fd = STDOUT_FILENO};
	int code;

	do {
		/* A pipe that nobody reads any more says so, though nothing is written. */
		if (poll(&reader, 1, FOLLOW_EACH) > 0)
			return EX_OK;
		code = print_all(history, filter, print, NULL);
	} while (code == EX_OK);
	return code;
}

/* `tail` is NULL, or holds those that were asked for. */
static int
print_history(struct history *history, const struct filter *filter,
    const struct arguments *arguments, struct tail *tail)
{
	struct screen screen = terminal_screen(STDOUT_FILENO);
	struct ledger_print print;
	int code;

	ledger_print_begin(&print, find_form(arguments, filter, &screen), &screen);
	if (arguments->follow)
		history_follow(history);
	code = print_all(history, filter, &print, tail);
	if (code == EX_OK && arguments->follow)
		code = follow(history, filter, &print);
	if (ledger_print_end(&print) < 0 && code == EX_OK)
		code = trouble();
	if (code == EX_OK && history_damage(history) > 0)
		code = EX_DATAERR;
	return code;
}

/* As it stands there: who has the name that is asked for by another record is one more. */
static int
counts(void *ctx, const struct record *record)
{
	const struct filter *filter = ctx;

	return is_wanted(ctx, record) &&
	    (!filter->name || fnmatch(filter->name, record->name, 0) == 0);
}

/* Opened at the segment where the last ones begin. */
static struct history *
open_history(const struct root *root, struct journaled *journaled, struct filter *filter,
    const uint64_t *lines)
{
	struct history *history = history_open(root, journaled, is_wanted, filter);
	char after[SEGMENT_NAME_ROOM];

	if (!history)
		complain("out of memory");
	if (!history || !lines)
		return history;
	if (tail_find(root, *lines, counts, filter, after) < 0) {
		history_close(history);
		return NULL;
	}
	history_after(history, after);
	return history;
}

/* How many of the last ones are asked for; NULL: all. */
static int
parse_lines(const struct arguments *arguments, uint64_t *room, const uint64_t **lines)
{
	const char *text = arguments->lines;

	*room = LINES_FOLLOWED;
	*lines = text || arguments->follow ? room : NULL;
	if (text && parse_u64(text, strlen(text), LINES_MOST, room) < 0)
		return complain_use("lines", text, "how many, up to a million");
	return 0;
}

int
show_ledger(const struct arguments *arguments)
{
	struct journaled journaled;
	struct history *history;
	struct filter filter;
	const uint64_t *lines;
	uint64_t room;
	struct tail *tail = NULL;
	struct root root;
	int code = EX_OSERR;

	if (parse_filter(arguments, &filter) < 0 || parse_lines(arguments, &room, &lines) < 0)
		return EX_USAGE;
	if (root_open(&root, arguments->root) < 0)
		return EX_NOINPUT;
	journaled_open(&journaled, &root);
	history = open_history(&root, &journaled, &filter, lines);
	if (lines)
		tail = tail_new(*lines);
	if (history && (tail || !lines))
		code = print_history(history, &filter, arguments, tail);
	tail_free(tail);
	history_close(history);
	journaled_close(&journaled);
	root_close(&root);
	return code;
}
