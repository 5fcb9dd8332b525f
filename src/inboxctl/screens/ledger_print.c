/* SPDX-License-Identifier: ISC */
/*
 * A record as a line for people, as an object for programs, or, accepts alone and where a
 * terminal is, as the row of a table whose columns are as wide as its first rows want them.
 */
#include "config.h"

#include "inboxctl/screens/ledger_print.h"

#include <inttypes.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxctl/base/when.h"

/* ---- for people */

const char *const ledger_outcomes[OUTCOMES] = {
    [OUTCOME_NONE] = "-",
    [OUTCOME_STORED] = "stored",
    [OUTCOME_ACKNOWLEDGED] = "acknowledged",
    [OUTCOME_UNCONFIRMED] = "unconfirmed",
    [OUTCOME_VOID] = "void",
};

#define SAMPLE 100     /* rows that columns are as wide as */
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
print_field(FILE *out, const struct record *record, const struct member *member)
{
	char room[FIELD_KEY_MAX + 3], digest[DIGEST_TEXT_ROOM], when[WHEN_ROOM];
	const char *lead = lead_of(record->type, member->field.name, room);

	if (!lead || (record->type == RECORD_GAP && member_is_empty(member, record)))
		return;
	fputs(lead, out);
	if (member_is_number(member)) {
		fprintf(out, "%" PRId64, member_number(member, record));
	} else if (member_is_empty(member, record)) {
		fputc('-', out);
	} else if (member->field.kind == KIND_TIME) {
		when_print(when, member_number(member, record), 0);
		fputs(when, out);
	} else if (member->field.kind == KIND_SHA256) {
		digest_print(digest, record->sha256);
		fprintf(out, "%.*s", DIGEST_SHOWN, digest);
	} else {
		fputs(member_of(member, record), out);
	}
}

static void
print_text(FILE *out, const struct entry *entry)
{
	const struct record *record = &entry->record;
	const struct member *member;
	char when[WHEN_ROOM];

	when_print(when, record->time, 0);
	fprintf(out, "%s %-12s", when,
	    record->type == RECORD_ACCEPT ? ledger_outcomes[entry->outcome]
	                                  : record_type_name(record->type));
	if (record->identity[0])
		fprintf(out, " %s %.*s", record->identity, PROTO_QUEUE_SHOWN, record->queue);
	for (size_t i = 0; (member = record_member(record->type, i)); i++)
		print_field(out, record, member);
	if (entry->renamed[0])
		fprintf(out, " renamed=%s", entry->renamed);
}

/* All of it is printable ASCII. */
static int
print_line(const struct entry *entry, const struct screen *screen)
{
	char *text = NULL;
	size_t len;
	FILE *out;

	if (screen->width == 0) {
		print_text(stdout, entry);
		putchar('\n');
		return 0;
	}
	out = open_memstream(&text, &len);
	if (!out)
		return -1;
	print_text(out, entry);
	if (fclose(out) == EOF) {
		free(text);
		return -1;
	}
	table_put(stdout, text, screen->width);
	putchar('\n');
	free(text);
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
		    json_string(ledger_outcomes[entry->outcome]));
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

/* ---- for a terminal */

static const char *const names[] = {"TIME (UTC)", "OUTCOME", "CLIENT", "ITEM", "INBOX", "SIZE",
    "NAME", "STORED AS"};
static const unsigned char least[] = {14, 7, 16, 4, 6, 8, 8, 1};

static void
add_row(struct table *table, const struct entry *entry)
{
	const struct record *record = &entry->record;
	char when[WHEN_ROOM], cell[TABLE_CELL_ROOM];

	when_print(when, record->time, 0);
	snprintf(cell, sizeof cell, "%.5s %.8s", when + 5, when + 11);
	table_add(table, cell);
	table_add(table, ledger_outcomes[entry->outcome]);
	if (entry->outcome != OUTCOME_STORED)
		table_tint(table, TINT_WARN);
	table_add(table, record->identity);
	snprintf(cell, sizeof cell, "%" PRIu64, record->n);
	table_add(table, cell);
	table_add(table, record->inbox);
	table_size(cell, record->size);
	table_add(table, cell);
	table_add_name(table, record->hint[0] ? record->hint : "-");
	table_add(table, entry->renamed[0] ? entry->renamed : record->name);
}

/* Prints the rows that wait for the widths of the columns. */
static int
flush_rows(struct ledger_print *print)
{
	struct table *table = &print->table;

	if (table->count <= table->columns)
		return table->failed ? -1 : 0;
	if (!print->has_widths)
		table_fit(table, &print->screen, print->widths);
	table_print_rows(table, print->has_widths ? 1 : 0, print->widths, stdout, &print->screen);
	print->has_widths = 1;
	table_clear(table);
	return table->failed ? -1 : 0;
}

static int
print_row(struct ledger_print *print, const struct entry *entry)
{
	add_row(&print->table, entry);
	if (!print->has_widths && print->table.count < (SAMPLE + 1) * print->table.columns)
		return print->table.failed ? -1 : 0;
	return flush_rows(print);
}

/* ---- the whole */

void
ledger_print_begin(struct ledger_print *print, enum ledger_form form,
    const struct screen *screen)
{
	*print = (struct ledger_print){.form = form, .screen = *screen};
	if (form == LEDGER_TABLE) {
		table_head(&print->table, "llLrlrLl", names);
		print->table.least = least;
	}
}

int
ledger_print_entry(struct ledger_print *print, const struct entry *entry)
{
	switch (print->form) {
	case LEDGER_LINES:
		return print_line(entry, &print->screen);
	case LEDGER_JSON:
		return print_json(entry);
	case LEDGER_TABLE:
		return print_row(print, entry);
	}
	return -1;
}

int
ledger_print_flush(struct ledger_print *print)
{
	int rc = print->form == LEDGER_TABLE ? flush_rows(print) : 0;

	fflush(stdout);
	return rc;
}

int
ledger_print_end(struct ledger_print *print)
{
	int rc = ledger_print_flush(print);

	if (print->form == LEDGER_TABLE && table_free(&print->table) < 0)
		rc = -1;
	return rc;
}
