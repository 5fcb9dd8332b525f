/* SPDX-License-Identifier: ISC */
/*
 * `inboxq list`: the items that wait, below them those set aside.  A row is printed as soon as its
 * item has been read, so a queue of any length begins at once and takes no memory but the
 * numbers; the columns are as wide as the first rows want them.
 */
#include "config.h"

#include "inboxq/commands/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "inboxq/commands/json.h"
#include "inboxq/spool/item.h"
#include "inboxq/spool/spool.h"
#include "lib/escape.h"
#include "lib/log.h"
#include "lib/table.h"
#include "lib/terminal.h"

#define SAMPLE 200 /* rows that are looked at for the columns' widths */
#define SCHEMA 1

static const char *const states[SPOOL_PARTS] = {
    [SPOOL_QUEUE] = "pending", [SPOOL_FAILED] = "failed"};

struct list {
	const struct spool *spool;
	const char *inbox; /* only of this one; NULL: all */
	enum spool_part first, last;
	struct spool_numbers numbers[SPOOL_PARTS];
	time_t now;
	int number_width, inbox_width, size_width, age_width;
	size_t cut; /* columns of the terminal; 0: none */
	int has_head;
	struct json json;
};

/* An item as it can be shown. */
struct row {
	uint64_t n;
	enum spool_part part;
	struct spool_item item;
	char reason[SPOOL_REASON_MAX + 1]; /* why it was set aside, or cannot be read */
};

/* 0: it is gone meanwhile, or not asked for. */
static int
read_row(const struct list *list, enum spool_part part, uint64_t n, struct row *row)
{
	struct why why = {""};
	int fd = item_open(list->spool, part, n, &row->item, &why);

	if (fd < 0 && errno == ENOENT)
		return 0; /* it was sent meanwhile */
	if (fd >= 0)
		close(fd);
	row->n = n;
	row->part = part;
	row->reason[0] = '\0';
	if (list->inbox && strcmp(row->item.inbox, list->inbox) != 0)
		return 0;
	if (part == SPOOL_FAILED)
		item_read_reason(list->spool, n, row->reason);
	if (fd < 0 && !row->reason[0])
		snprintf(row->reason, sizeof row->reason, "%s", why.text);
	return 1;
}

/* The cells of a row that tell of the item's header. */
static void
print_cells(const struct list *list, const struct spool_item *item, char size[TABLE_CELL_ROOM],
    char age[TABLE_CELL_ROOM])
{
	snprintf(size, TABLE_CELL_ROOM, "-");
	snprintf(age, TABLE_CELL_ROOM, "-");
	if (!item->inbox[0])
		return;
	table_size(size, item->size);
	table_span(age, (int64_t)list->now - (int64_t)item->time);
}

static void
widen(int *width, const char *text)
{
	if ((int)strlen(text) > *width)
		*width = (int)strlen(text);
}

/* The widths that the first rows want. */
static void
measure(struct list *list)
{
	char cell[TABLE_CELL_ROOM], size[TABLE_CELL_ROOM], age[TABLE_CELL_ROOM];
	struct row row;

	widen(&list->number_width, "NUMBER");
	widen(&list->inbox_width, "INBOX");
	widen(&list->size_width, "SIZE");
	widen(&list->age_width, "AGE");
	for (enum spool_part part = list->first; part <= list->last; part++) {
		const struct spool_numbers *numbers = &list->numbers[part];

		if (numbers->count == 0)
			continue;
		snprintf(cell, sizeof cell, "%" PRIu64, numbers->at[numbers->count - 1]);
		widen(&list->number_width, cell);
		for (size_t i = 0; i < numbers->count && i < SAMPLE; i++) {
			if (!read_row(list, part, numbers->at[i], &row))
				continue;
			print_cells(list, &row.item, size, age);
			widen(&list->inbox_width, row.item.inbox);
			widen(&list->size_width, size);
			widen(&list->age_width, age);
		}
	}
}

/* A line, plain, cut to the terminal and never folded. */
static void
put_line(const struct list *list, char *line)
{
	size_t len = strlen(line);

	if (list->cut && len > list->cut)
		memcpy(line + list->cut - 3, "...", sizeof "...");
	table_plain(stdout, line);
	fputc('\n', stdout);
}

struct columns {
	const char *number, *inbox, *size, *age, *name, *note;
};

static void
put_columns(const struct list *list, const struct columns *row)
{
	char line[2 * SPOOL_REASON_MAX + ESCAPE_ROOM(PROTO_NAME_MAX)];

	snprintf(line, sizeof line, "%*s  %-*s  %*s  %*s  %s%s%s", list->number_width, row->number,
	    list->inbox_width, row->inbox, list->size_width, row->size, list->age_width, row->age,
	    row->name, row->note[0] ? "  " : "", row->note);
	put_line(list, line);
}

static void
put_row(struct list *list, const struct row *row)
{
	static const struct columns head = {"NUMBER", "INBOX", "SIZE", "AGE", "NAME", ""};
	const struct spool_item *item = &row->item;
	char number[TABLE_CELL_ROOM], size[TABLE_CELL_ROOM], age[TABLE_CELL_ROOM];
	char note[SPOOL_REASON_MAX + 32] = "";

	if (!list->has_head)
		put_columns(list, &head);
	list->has_head = 1;
	snprintf(number, sizeof number, "%" PRIu64, row->n);
	print_cells(list, item, size, age);
	if (row->part == SPOOL_FAILED || row->reason[0])
		snprintf(note, sizeof note, "%s: %s",
		    row->part == SPOOL_FAILED ? "failed" : "damaged",
		    row->reason[0] ? row->reason : "no reason was left");
	else if (item->priority != ITEM_NORMAL)
		snprintf(note, sizeof note, "priority: %s", item_priority_text(item->priority));
	put_columns(list, &(struct columns){number, item->inbox[0] ? item->inbox : "-", size, age,
	                      item->name[0] ? item->name : "-", note});
}

static void
put_json(struct list *list, const struct row *row)
{
	const struct spool_item *item = &row->item;
	struct json *json = &list->json;

	json_row(json);
	json_number(json, "number", row->n);
	json_text(json, "state", states[row->part]);
	json_text(json, "reason", row->reason[0] ? row->reason : NULL);
	if (item->inbox[0]) {
		json_text(json, "inbox", item->inbox);
		json_number(json, "size", item->size);
		json_text(json, "sha256", item->sha256);
		json_number(json, "time", item->time);
		json_text(json, "priority", item_priority_text(item->priority));
		json_text(json, "name", item->name[0] ? item->name : NULL);
	}
	json_close(json, '}');
}

static void
put_all(struct list *list, void (*put)(struct list *list, const struct row *row))
{
	struct row row;

	for (enum spool_part part = list->first; part <= list->last; part++)
		for (size_t i = 0; i < list->numbers[part].count && !ferror(stdout); i++)
			if (read_row(list, part, list->numbers[part].at[i], &row))
				put(list, &row);
}

static void
put_all_json(struct list *list)
{
	list->json.out = stdout;
	json_open(&list->json, NULL, '{');
	json_number(&list->json, "schema", SCHEMA);
	json_text(&list->json, "queue", spool_queue_id(list->spool));
	json_open(&list->json, "items", '[');
	put_all(list, put_json);
	json_close(&list->json, ']');
	json_close(&list->json, '}');
	fputc('\n', stdout);
}

static int
check(struct command_call *call)
{
	const char *state = command_value(call, "state");

	if (state && strcmp(state, "pending") != 0 && strcmp(state, "failed") != 0)
		return command_misused(call, "%s: want pending or failed", state);
	return EX_OK;
}

static int
run(struct command_call *call)
{
	const char *state = command_value(call, "state");
	struct list list = {.spool = call->spool, .inbox = command_value(call, "inbox"),
	    .first = state && *state == 'f' ? SPOOL_FAILED : SPOOL_QUEUE,
	    .last = state && *state == 'p' ? SPOOL_QUEUE : SPOOL_FAILED, .now = time(NULL),
	    .cut = terminal_is(STDOUT_FILENO) ? terminal_width(STDOUT_FILENO) : 0};
	int rc = EX_OK;

	for (enum spool_part part = list.first; part <= list.last; part++)
		if (spool_list(list.spool, part, &list.numbers[part]) < 0)
			rc = command_trouble("cannot read the spool");
	if (rc == EX_OK && command_value(call, "json")) {
		put_all_json(&list);
	} else if (rc == EX_OK) {
		measure(&list);
		put_all(&list, put_row);
	}
	for (enum spool_part part = list.first; part <= list.last; part++)
		free(list.numbers[part].at);
	return rc == EX_OK ? command_finish() : rc;
}

static const struct command_option options[] = {
    {'i', "inbox", "INBOX", "only items for this inbox"},
    {0, "state", "STATE", "only those that are pending, or failed"},
    {0, "json", NULL, "for programs"},
    {0, NULL, NULL, NULL},
};

const struct command command_list = {
    .name = "list",
    .synopsis = "",
    .help = "shows the items that wait, and those set aside",
    .options = options,
    .spool = COMMAND_SPOOL,
    .check = check,
    .run = run,
};
