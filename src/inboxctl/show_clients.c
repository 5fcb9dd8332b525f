/* SPDX-License-Identifier: ISC */
/*
 * The page /clients: a line a queue.
 */
#include "config.h"

#include "inboxctl/show.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inboxctl/show_cells.h"
#include "lib/figures.h"
#include "lib/table.h"

static int
compare_clients(const void *a, const void *b)
{
	static const char *const keys[] = {"identity", "queue"};
	int order = 0;

	for (size_t i = 0; i < 2 && order == 0; i++) {
		const char *one = json_string_value(
		    json_object_get(*(json_t *const *)a, keys[i]));
		const char *two = json_string_value(
		    json_object_get(*(json_t *const *)b, keys[i]));
		order = strcmp(one ? one : "", two ? two : "");
	}
	return order;
}

/* A figure by its name, as its kind is read. */
static void
add_figure(struct table *table, const json_t *client, const struct field *figure, int64_t now)
{
	if (figure->kind == KIND_NUMBER)
		show_add_number(table, client, figure->name);
	else if (figure->kind == KIND_BYTES)
		show_add_size(table, client, figure->name);
	else if (figure->kind == KIND_TIME || figure->kind == KIND_SECONDS)
		show_add_ago(table, client, figure->name, now,
		    figure->kind == KIND_TIME ? "never" : "-");
	else
		show_add_text(table, client, figure->name);
}

static void
add_client(struct table *table, const json_t *client, int64_t now)
{
	const char *queue = json_string_value(json_object_get(client, "queue"));
	char start[9];

	snprintf(start, sizeof start, "%.8s", queue ? queue : "-");
	show_add_text(table, client, "identity");
	table_add(table, start);
	table_add(table, json_is_true(json_object_get(client, "connected")) ? "yes" : "no");
	show_add_number(table, client, "settled");
	show_add_number(table, client, "unsettled");
	for (size_t i = 0; i < FIGURES_COUNT; i++)
		add_figure(table, client, &figures_rows[i].member.field, now);
}

#define CLIENT_COLUMNS 5 /* before the figures */
_Static_assert(CLIENT_COLUMNS + FIGURES_COUNT <= TABLE_COLUMNS_MAX, "a table has room for all");

/* The head, and how the columns stand: numbers to the right. */
static void
head_clients(struct table *table, char right[TABLE_COLUMNS_MAX + 1])
{
	const char *names[TABLE_COLUMNS_MAX] = {"CLIENT", "QUEUE", "ON", "MARK", "UNSETTLED"};

	snprintf(right, TABLE_COLUMNS_MAX + 1, "lllrr");
	for (size_t i = 0; i < FIGURES_COUNT; i++) {
		enum field_kind kind = figures_rows[i].member.field.kind;
		names[CLIENT_COLUMNS + i] = figures_rows[i].head;
		right[CLIENT_COLUMNS + i] = kind == KIND_NUMBER || kind == KIND_BYTES ? 'r' : 'l';
	}
	right[CLIENT_COLUMNS + FIGURES_COUNT] = '\0';
	table_head(table, right, names);
}

/* Sorted by identity: the receiver's order is that in which queues came. */
int
show_clients(const json_t *page, const struct showing *showing, struct why *why)
{
	char right[TABLE_COLUMNS_MAX + 1];
	struct table table;

	if (show_check(page, "clients", JSON_ARRAY, why) == -1)
		return -1;
	const json_t *clients = json_object_get(page, "clients");
	size_t count = json_array_size(clients);
	json_t **sorted = calloc(count + 1, sizeof(json_t *));
	if (!sorted) {
		return why_say(why, "out of memory");
	}
	for (size_t i = 0; i < count; i++)
		sorted[i] = json_array_get(clients, i);
	qsort(sorted, count, sizeof(json_t *), compare_clients);
	head_clients(&table, right);
	for (size_t i = 0; i < count; i++)
		add_client(&table, sorted[i], show_integer(page, "now"));
	table_print(&table, showing->out, &showing->screen);
	free(sorted);
	return show_end(&table, why);
}
