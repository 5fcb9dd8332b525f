/* SPDX-License-Identifier: ISC */
/*
 * A record that has not what a filter asks for is not let through: a mark has
 * no client, so --client leaves marks out.
 */
#include "config.h"

#include "inboxctl/show_ledger.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "inboxctl/complain.h"
#include "inboxctl/history.h"
#include "inboxctl/journaled.h"
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

/* ---- for people */

static const char *const outcomes[OUTCOMES] = {
    [OUTCOME_NONE] = "-",
    [OUTCOME_STORED] = "stored",
    [OUTCOME_ACKNOWLEDGED] = "acknowledged",
    [OUTCOME_UNCONFIRMED] = "unconfirmed",
    [OUTCOME_VOID] = "void",
};

#define QUEUE_SHOWN 8   /* digits, as inboxctl clients has them */
#define DIGEST_SHOWN 12 /* digits */

/* What stands before a field; NULL: it is not shown, or stands at the line's head.  One that is
 * not named here is shown as " name=value". */
static const struct {
	enum record_type type;
	const char *name, *lead;
} leads[] = {
    {RECORD_BEGIN, "version", NULL},
    {RECORD_QUEUE, "seen", NULL},
    {RECORD_ACCEPT, "seq", NULL},
    {RECORD_ACCEPT, "sent", NULL},
    {RECORD_ACCEPT, "n", " "},
    {RECORD_ACCEPT, "inbox", " "},
    {RECORD_ACCEPT, "size", " "},
    {RECORD_ACCEPT, "sha256", " "},
    {RECORD_ACCEPT, "name", " "},
    {RECORD_ACCEPT, "hint", " "},
    {RECORD_SKIP, "n", " "},
    {RECORD_SKIP, "reason", " "},
    {RECORD_SETTLED, "n", " below "},
    {RECORD_GAP, "n", " "},
    {RECORD_GAP, "to", " to "},
};

static const char *
lead_of(enum record_type type, const char *name, char room[FIELD_KEY_MAX + 3])
{
	static const char *const at_head[] = {"time", "client", "queue"};

	for (size_t i = 0; i < sizeof at_head / sizeof at_head[0]; i++)
		if (strcmp(name, at_head[i]) == 0)
			return NULL;
	for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++)
		if (leads[i].type == type && strcmp(name, leads[i].name) == 0)
			return leads[i].lead;
	snprintf(room, FIELD_KEY_MAX + 3, " %s=", name);
	return room;
}

static void
print_field(const struct record *record, const struct member *member)
{
	char room[FIELD_KEY_MAX + 3], digest[DIGEST_TEXT_ROOM], when[WHEN_ROOM];
	const char *lead = lead_of(record->type, member->field.name, room);

	if (!lead || (record->type == RECORD_GAP && member_is_empty(member, record)))
		return;
	fputs(lead, stdout);
	if (member_is_number(member)) {
		printf("%" PRId64, member_number(member, record));
	} else if (member_is_empty(member, record)) {
		putchar('-');
	} else if (member->field.kind == KIND_TIME) {
		when_print(when, member_number(member, record), 0);
		fputs(when, stdout);
	} else if (member->field.kind == KIND_SHA256) {
		digest_print(digest, record->sha256);
		printf("%.*s", DIGEST_SHOWN, digest);
	} else {
		fputs(member_of(member, record), stdout);
	}
}

static int
print_text(const struct entry *entry)
{
	const struct record *record = &entry->record;
	const struct member *member;
	char when[WHEN_ROOM];

	when_print(when, record->time, 0);
	printf("%s %-12s", when,
	    record->type == RECORD_ACCEPT ? outcomes[entry->outcome]
	                                  : record_type_name(record->type));
	if (BIT(record->type) & WITH_QUEUE)
		printf(" %s %.*s", record->identity, QUEUE_SHOWN, record->queue);
	for (size_t i = 0; (member = record_member(record->type, i)); i++)
		print_field(record, member);
	if (entry->renamed[0])
		printf(" renamed=%s", entry->renamed);
	putchar('\n');
	return 0;
}

/* ---- for programs */

static json_t *
json_when(int64_t time)
{
	char when[WHEN_ROOM];

	when_print(when, time, 1);
	return json_string(when);
}

/* What is empty is null; but a number that counts may be 0.  All of it is ASCII. */
static json_t *
json_field(const struct record *record, const struct member *member)
{
	enum field_kind kind = member->field.kind;
	char digest[DIGEST_TEXT_ROOM];

	if (kind == KIND_SHA256) {
		digest_print(digest, record->sha256);
		return json_string(digest);
	}
	if (kind == KIND_NUMBER || kind == KIND_BYTES || !member_is_empty(member, record)) {
		if (member_is_number(member))
			return json_integer(member_number(member, record));
		if (kind == KIND_TIME)
			return json_when(member_number(member, record));
		return json_string(member_of(member, record));
	}
	return json_null();
}

/* 0, or -1: memory is out, or standard output has an error. */
static int
print_json(const struct entry *entry)
{
	const struct record *record = &entry->record;
	json_t *line = json_object();
	const struct member *member;
	int failed;

	failed = json_object_set_new(line, "type", json_string(record_type_name(record->type)));
	failed |= json_object_set_new(line, "time", json_when(record->time));
	if (record->type == RECORD_ACCEPT) {
		failed |= json_object_set_new(line, "outcome",
		    json_string(outcomes[entry->outcome]));
		failed |= json_object_set_new(line, "renamed",
		    entry->renamed[0] ? json_string(entry->renamed) : json_null());
	}
	for (size_t i = 0; (member = record_member(record->type, i)); i++) {
		if (member->offset != offsetof(struct record, time))
			failed |= json_object_set_new(line, member->field.name,
			    json_field(record, member));
	}
	if (!failed)
		failed = json_dumpf(line, stdout, JSON_ENSURE_ASCII | JSON_COMPACT);
	json_decref(line);
	if (!failed)
		putchar('\n');
	return failed ? -1 : 0;
}

/* ---- the whole */

static int
print_all(struct history *history, const struct filter *filter, int json)
{
	struct entry entry;
	int rc, failed;

	while ((rc = history_next(history, &entry)) == 1) {
		if (!name_matches(filter, &entry))
			continue;
		failed = json ? print_json(&entry) : print_text(&entry);
		if (ferror(stdout))
			return EX_IOERR;
		if (failed) {
			complain("out of memory");
			return EX_OSERR;
		}
	}
	if (rc < 0)
		return EX_NOINPUT;
	return history_damage(history) > 0 ? EX_DATAERR : EX_OK;
}

int
show_ledger(const struct arguments *arguments)
{
	struct journaled journaled;
	struct history *history;
	struct filter filter;
	struct root root;
	int code = EX_OSERR;

	if (parse_filter(arguments, &filter) < 0)
		return EX_USAGE;
	if (root_open(&root, arguments->root) < 0)
		return EX_NOINPUT;
	journaled_open(&journaled, &root);
	history = history_open(&root, &journaled, is_wanted, &filter);
	if (!history)
		complain("out of memory");
	else
		code = print_all(history, &filter, arguments->json != NULL);
	history_close(history);
	journaled_close(&journaled);
	root_close(&root);
	return code;
}
