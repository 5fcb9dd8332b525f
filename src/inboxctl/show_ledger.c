/* SPDX-License-Identifier: ISC */
/*
 * A record that has not what a filter asks for is not let through: a mark has
 * no client, so --client leaves marks out.
 */
#include "config.h"

#include "inboxctl/show_ledger.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "inboxctl/complain.h"
#include "inboxctl/history.h"
#include "inboxctl/quote.h"
#include "inboxctl/root.h"
#include "inboxctl/when.h"
#include "lib/parse.h"

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
		    "all, or of accept, queue, skip, settled, gap, mark, void, begin, end, split "
		    "by commas");
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
	if ((filter->inbox || filter->name) && record->type != RECORD_ACCEPT)
		return 0;
	return (!filter->client || fnmatch(filter->client, record->identity, 0) == 0) &&
	    (!filter->queue ||
	        strncmp(record->queue, filter->queue, strlen(filter->queue)) == 0) &&
	    (!filter->inbox || strcmp(filter->inbox, record->inbox) == 0) &&
	    (!filter->name || fnmatch(filter->name, record->name, 0) == 0) &&
	    (!filter->item || item_matches(record, filter->item));
}

/* ---- for people */

static const char *const outcomes[OUTCOMES] = {
    [OUTCOME_NONE] = "-",
    [OUTCOME_STORED] = "stored",
    [OUTCOME_UNCONFIRMED] = "unconfirmed",
    [OUTCOME_VOID] = "void",
};

static const char *
or_dash(const char *text)
{
	return text[0] != '\0' ? text : "-";
}

#define QUEUE_SHOWN 8   /* digits, as inboxctl clients has them */
#define DIGEST_SHOWN 12 /* digits */

static void
print_text(const struct record *record, enum outcome outcome)
{
	char when[WHEN_ROOM], digest[DIGEST_TEXT_ROOM];

	when_print(when, record->time, 0);
	printf("%s %-11s", when,
	    record->type == RECORD_ACCEPT ? outcomes[outcome] : record_type_name(record->type));
	if (BIT(record->type) & WITH_QUEUE)
		printf(" %s %.*s", record->identity, QUEUE_SHOWN, record->queue);
	switch (record->type) {
	case RECORD_ACCEPT:
		digest_print(digest, record->sha256);
		printf(" %" PRIu64 " %s %" PRIu64 " %.*s %s %s", record->n, record->inbox,
		    record->size, DIGEST_SHOWN, digest, record->name, or_dash(record->hint));
		break;
	case RECORD_QUEUE:
		printf(" settled=%" PRIu64 " pending=%" PRIu64 " agent=%s", record->settled,
		    record->figures.hello.pending, or_dash(record->figures.hello.agent));
		break;
	case RECORD_SKIP:
		printf(" %" PRIu64 " %s", record->n, or_dash(record->reason));
		break;
	case RECORD_SETTLED:
		printf(" below %" PRIu64, record->n);
		break;
	case RECORD_GAP:
		printf(" %" PRIu64 " to %" PRIu64, record->n, record->to);
		break;
	case RECORD_MARK:
		printf(" synced=%" PRIu64 " stored=%" PRIu64, record->synced, record->stored);
		break;
	case RECORD_VOID:
	case RECORD_BEGIN:
		printf(" seq=%" PRIu64, record->seq);
		break;
	case RECORD_END:
		printf(" next=%s", record->name);
		break;
	case RECORD_STATE:
	case RECORD_TYPES:
		break;
	}
	putchar('\n');
}

/* ---- for programs */

static void
print_json_accept(const struct record *record, enum outcome outcome)
{
	char digest[DIGEST_TEXT_ROOM];

	digest_print(digest, record->sha256);
	quote_member(stdout, "outcome", outcomes[outcome]);
	quote_number(stdout, "seq", record->seq);
	quote_number(stdout, "n", record->n);
	quote_member(stdout, "inbox", record->inbox);
	quote_number(stdout, "size", record->size);
	quote_member(stdout, "sha256", digest);
	quote_member(stdout, "name", record->name);
	if (record->sent == 0)
		quote_member(stdout, "sent", "");
	else
		quote_number(stdout, "sent", record->sent);
	quote_member(stdout, "hint", record->hint);
}

static void
print_json(const struct record *record, enum outcome outcome)
{
	char when[WHEN_ROOM];

	when_print(when, record->time, 1);
	fputs("{\"type\":", stdout);
	quote_text(stdout, record_type_name(record->type));
	quote_member(stdout, "time", when);
	if (BIT(record->type) & WITH_QUEUE) {
		quote_member(stdout, "client", record->identity);
		quote_member(stdout, "queue", record->queue);
	}
	switch (record->type) {
	case RECORD_ACCEPT:
		print_json_accept(record, outcome);
		break;
	case RECORD_QUEUE:
		quote_number(stdout, "settled", record->settled);
		quote_number(stdout, "pending", record->figures.hello.pending);
		quote_member(stdout, "agent", record->figures.hello.agent);
		break;
	case RECORD_SKIP:
		quote_number(stdout, "n", record->n);
		quote_member(stdout, "reason", record->reason);
		break;
	case RECORD_SETTLED:
		quote_number(stdout, "n", record->n);
		break;
	case RECORD_GAP:
		quote_number(stdout, "n", record->n);
		quote_number(stdout, "to", record->to);
		break;
	case RECORD_MARK:
		quote_number(stdout, "synced", record->synced);
		quote_number(stdout, "stored", record->stored);
		break;
	case RECORD_VOID:
	case RECORD_BEGIN:
		quote_number(stdout, "seq", record->seq);
		break;
	case RECORD_END:
		quote_member(stdout, "next", record->name);
		break;
	case RECORD_STATE:
	case RECORD_TYPES:
		break;
	}
	puts("}");
}

/* ---- the whole */

static int
print_all(struct history *history, int json)
{
	enum outcome outcome;
	struct record record;
	int rc;

	while ((rc = history_next(history, &record, &outcome)) == 1) {
		if (json)
			print_json(&record, outcome);
		else
			print_text(&record, outcome);
		if (ferror(stdout))
			return EX_IOERR;
	}
	if (rc < 0)
		return EX_NOINPUT;
	return history_damage(history) > 0 ? EX_DATAERR : EX_OK;
}

int
show_ledger(const struct arguments *arguments)
{
	struct history *history;
	struct filter filter;
	struct root root;
	int code = EX_OSERR;

	if (parse_filter(arguments, &filter) < 0)
		return EX_USAGE;
	if (root_open(&root, arguments->root) < 0)
		return EX_NOINPUT;
	history = history_open(root.ledger, is_wanted, &filter);
	if (!history)
		complain("out of memory");
	else
		code = print_all(history, arguments->json != NULL);
	history_close(history);
	root_close(&root);
	return code;
}
