/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/screens/top_tables.h"

#include <jansson.h>
#include <string.h>

#include "inboxctl/pages/show_cells.h"
#include "inboxctl/screens/show_inboxes.h"
#include "lib/table.h"

/* In this order, and no others: what may change as one looks stands first, and machines that never
 * came, who may be many, take nobody's room. */
static const enum client_state states[] = {
    CLIENT_MISSING, CLIENT_BEHIND, CLIENT_SILENT, CLIENT_NEVER_CAME};
#define STATES (sizeof states / sizeof states[0])

static int
is_in_state(const json_t *client, size_t state)
{
	const char *text = json_string_value(json_object_get(client, "state"));

	return text && strcmp(text, client_state_name(states[state])) == 0;
}

static size_t
count_clients(const json_t *list)
{
	size_t count = 0, i;
	json_t *client;

	json_array_foreach (list, i, client)
		for (size_t state = 0; state < STATES; state++)
			count += (size_t)is_in_state(client, state);
	return count;
}

static void
add_inbox(struct table *table, const json_t *inbox, double rate, int64_t now)
{
	enum inbox_state state = inbox_state_of(inbox);
	char cell[TABLE_CELL_ROOM] = "-";

	show_add_text(table, inbox, "name");
	table_add(table, inbox_words[state].word);
	table_tint(table, inbox_words[state].tint);
	if (rate >= 0)
		snprintf(cell, sizeof cell, "%.1f", rate);
	table_add(table, cell);
	show_add_number(table, inbox, "waiting");
	show_add_size(table, inbox, "waiting_bytes");
	show_add_span(table, inbox, "oldest", now);
	show_add_number(table, inbox, "claimed");
	show_add_span(table, inbox, "claimed_oldest", now);
	show_add_span(table, inbox, "last_stored", now);
}

static int
show_inbox_rows(const struct top_view *view, size_t rows, const struct screen *screen, FILE *out)
{
	static const char *const names[] = {"INBOX", "STATE", "ITEMS/S", "WAITING", "SIZE",
	    "OLDEST", "CLAIMED", "SINCE", "LAST"};
	const json_t *list = json_object_get(view->inboxes, "inboxes");
	int64_t now = show_integer(view->inboxes, "now");
	struct table table;
	json_t *inbox;
	size_t i;

	table_head(&table, "Llrrrrrrr", names);
	for (int state = 0; state < INBOX_STATES; state++)
		json_array_foreach (list, i, inbox)
			if ((int)inbox_state_of(inbox) == state && rows > 0) {
				add_inbox(&table, inbox, view->inbox_rates[i], now);
				rows--;
			}
	table_print(&table, out, screen);
	return table_free(&table);
}

static int
show_client_rows(const struct top_view *view, size_t rows, const struct screen *screen, FILE *out)
{
	static const char *const names[] = {"CLIENT", "STATE", "MISSING", "PENDING", "SINCE",
	    "SEEN", "ADDRESS"};
	const json_t *list = json_object_get(view->clients, "clients");
	int64_t now = show_integer(view->clients, "now");
	struct table table;
	json_t *client;
	size_t i;

	table_head(&table, "Llrrrrl", names);
	for (size_t state = 0; state < STATES; state++)
		json_array_foreach (list, i, client) {
			if (!is_in_state(client, state) || rows == 0)
				continue;
			rows--;
			show_add_text(&table, client, "identity");
			table_add(&table, client_state_name(states[state]));
			table_tint(&table, show_state_tint(states[state]));
			show_add_number(&table, client, "missing");
			show_add_number(&table, client, "pending");
			show_add_span(&table, client, "pending_oldest", now);
			show_add_span(&table, client, "seen", now);
			show_add_text(&table, client, "address");
		}
	table_print(&table, out, screen);
	return table_free(&table);
}

/* Inboxes have half of the room where there are clients that want it, too; each has a head. */
int
top_tables(const struct top_view *view, size_t rows, const struct screen *screen, FILE *out)
{
	size_t inboxes = json_array_size(json_object_get(view->inboxes, "inboxes"));
	size_t clients = count_clients(json_object_get(view->clients, "clients"));
	size_t room = rows;

	if (inboxes > 0 && room >= 2) {
		size_t want = inboxes + 1;
		if (clients > 0 && want > room / 2 && want + clients + 2 > room)
			want = room / 2 > 2 ? room / 2 : 2;
		want = want < room ? want : room;
		if (show_inbox_rows(view, want - 1, screen, out) < 0)
			return -1;
		room -= want;
	}
	if (clients == 0 || room < 3)
		return 0;
	fputc('\n', out);
	return show_client_rows(view, room - 2, screen, out);
}
