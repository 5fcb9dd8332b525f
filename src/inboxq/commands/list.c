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
#define GAP "  "
#define NAME_LEAST 8
#define NOTE_LEAST 20 /* columns that names leave for notes */
#define NOTE_ROOM (SPOOL_REASON_MAX + 32)
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
	size_t name_width; /* 0: as long as each is */
	struct screen screen;
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

/* What is to be said of a row beside its columns; "": nothing. */
static enum tint
print_note(const struct row *row, char note[NOTE_ROOM])
{
	note[0] = '\0';
	if (row->part == SPOOL_FAILED || row->reason[0]) {
		snprintf(note, NOTE_ROOM, "%s: %s",
		    row->part == SPOOL_FAILED ? "failed" : "damaged",
		    row->reason[0] ? row->reason : "no reason was left");
		return TINT_BAD;
	}
	if (row->item.priority != ITEM_NORMAL)
		snprintf(note, NOTE_ROOM, "priority: %s", item_priority_text(row->item.priority));
	return TINT_NONE;
}

/* The columns of a name as it was written. */
static size_t
width_of(const char *name)
{
	char *plain = table_name_copy(name);
	size_t width = plain ? table_width(plain) : 0;

	free(plain);
	return width;
}

/* Names give way where the screen has not room for all, and leave some for notes. */
static void
fit_names(struct list *list, size_t names, size_t notes)
{
	size_t before = (size_t)(list->number_width + list->inbox_width + list->size_width +
	    list->age_width) + 4 * strlen(GAP);
	size_t least = notes < NOTE_LEAST ? notes : NOTE_LEAST;
	size_t behind = before + (notes > 0 ? strlen(GAP) + least : 0);
	size_t left = list->screen.width > behind ? list->screen.width - behind : 0;

	list->name_width = names < left ? names : left;
	if (list->name_width < NAME_LEAST)
		list->name_width = NAME_LEAST;
}

/* The widths that the first rows want. */
static void
measure(struct list *list)
{
	char cell[TABLE_CELL_ROOM], size[TABLE_CELL_ROOM], age[TABLE_CELL_ROOM], note[NOTE_ROOM];
	size_t name = 0, names = strlen("NAME"), notes = 0;
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
			name = width_of(row.item.name);
			names = name > names ? name : names;
			print_note(&row, note);
			notes = strlen(note) > notes ? strlen(note) : notes;
		}
	}
	if (list->screen.width > 0)
		fit_names(list, names, notes);
}

/* Takes `plain`, prints it, cut to `width` columns (0: whole), and returns how many it took. */
static size_t
put_text(char *plain, size_t width)
{
	size_t taken = plain ? table_put(stdout, plain, width) : 0;

	free(plain);
	return taken;
}

struct columns {
	const char *number, *inbox, *size, *age, *name, *note;
};

/* A line, cut to the screen and never folded. */
static void
put_columns(const struct list *list, const struct columns *row, enum tint tint)
{
	const struct screen *screen = &list->screen;
	char line[4 * TABLE_CELL_ROOM + PROTO_INBOX_MAX];

	snprintf(line, sizeof line, "%*s" GAP "%-*s" GAP "%*s" GAP "%*s" GAP, list->number_width,
	    row->number, list->inbox_width, row->inbox, list->size_width, row->size,
	    list->age_width, row->age);
	size_t room = screen->width > 0 ? screen->width : SIZE_MAX;
	size_t used = put_text(table_plain_copy(line), screen->width), names = list->name_width;
	if (names > room - used)
		names = room - used;
	/* Who reads lines has one word there, as it is escaped. */
	size_t name = screen->width == 0 ? put_text(table_plain_copy(row->name), 0)
	    : names > 0                  ? put_text(table_name_copy(row->name), names)
	                                 : 0;
	used += names + strlen(GAP);
	if (row->note[0] && used < room) {
		printf("%*s" GAP, names > name ? (int)(names - name) : 0, "");
		if (tint != TINT_NONE)
			terminal_tint(stdout, screen, tint);
		put_text(table_plain_copy(row->note), screen->width > 0 ? room - used : 0);
		if (tint != TINT_NONE)
			terminal_tint(stdout, screen, TINT_NONE);
	}
	fputc('\n', stdout);
}

static void
put_row(struct list *list, const struct row *row)
{
	static const struct columns head = {"NUMBER", "INBOX", "SIZE", "AGE", "NAME", ""};
	const struct spool_item *item = &row->item;
	char number[TABLE_CELL_ROOM], size[TABLE_CELL_ROOM], age[TABLE_CELL_ROOM];
	char note[NOTE_ROOM];

	if (!list->has_head)
		put_columns(list, &head, TINT_NONE);
	list->has_head = 1;
	snprintf(number, sizeof number, "%" PRIu64, row->n);
	print_cells(list, item, size, age);
	enum tint tint = print_note(row, note);
	put_columns(list, &(struct columns){number, item->inbox[0] ? item->inbox : "-", size, age,
	                      item->name[0] ? item->name : "-", note}, tint);
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
	    .screen = terminal_screen(STDOUT_FILENO)};
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
