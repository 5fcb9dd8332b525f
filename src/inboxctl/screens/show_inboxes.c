/* SPDX-License-Identifier: ISC */
/*
 * inboxctl inboxes: above the table a sentence for each inbox that takes nothing or cannot be
 * read; those stand first in it, too.
 */
#include "config.h"

#include "inboxctl/screens/show_inboxes.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "inboxctl/base/arguments.h"
#include "inboxctl/pages/show_cells.h"
#include "lib/line.h"
#include "lib/table.h"

enum inbox_state
inbox_state_of(const json_t *inbox)
{
	if (json_is_string(json_object_get(inbox, "error")))
		return INBOX_UNREAD;
	if (json_is_object(json_object_get(inbox, "paused")) ||
	    json_is_true(json_object_get(inbox, "paused_all")))
		return INBOX_PAUSED;
	if (json_is_true(json_object_get(inbox, "over_limit")))
		return INBOX_FULL;
	return INBOX_OK;
}

const struct inbox_word inbox_words[INBOX_STATES] = {
    [INBOX_UNREAD] = {"unread", TINT_BAD},
    [INBOX_FULL] = {"full", TINT_BAD},
    [INBOX_PAUSED] = {"paused", TINT_WARN},
    [INBOX_OK] = {"ok", TINT_NONE},
};

/* Why it does not take items as ever. */
static void
tell_state(const json_t *inbox, enum inbox_state state, int64_t now, const char *receiver,
    const struct showing *showing)
{
	const json_t *paused = json_object_get(inbox, "paused");
	const char *name = json_string_value(json_object_get(inbox, "name"));
	const char *error = json_string_value(json_object_get(inbox, "error"));
	const char *reason = json_string_value(json_object_get(paused, "reason"));
	char span[TABLE_CELL_ROOM];
	struct line line;

	table_span(span, now - show_integer(paused, "since"));
	line_begin(&line, showing->out, &showing->screen);
	line_add(&line, inbox_words[state].tint, "%s%s%s: ", receiver ? receiver : "",
	    receiver ? ": " : "", name ? name : "-");
	if (state == INBOX_UNREAD)
		line_add(&line, TINT_NONE, "cannot be read: %s", error);
	else if (state == INBOX_FULL)
		line_add(&line, TINT_NONE, "has as many items or bytes as it may: new ones are "
		                           "told LATER");
	else
		line_add(&line, TINT_NONE, "paused for %s%s%s: new items are told LATER", span,
		    reason ? ", " : "", reason ? reason : "");
	line_end(&line);
}

/* That all are paused is one sentence. */
void
show_inboxes_closed(const json_t *page, const char *receiver, const struct showing *showing)
{
	const json_t *list = json_object_get(page, "inboxes");
	int64_t now = show_integer(page, "now");
	int is_all = json_is_true(json_object_get(json_array_get(list, 0), "paused_all"));
	struct line line;
	json_t *inbox;
	size_t i;

	if (is_all) {
		line_begin(&line, showing->out, &showing->screen);
		line_add(&line, inbox_words[INBOX_PAUSED].tint, "%s%sall inboxes are paused",
		    receiver ? receiver : "", receiver ? ": " : "");
		line_add(&line, TINT_NONE, ": new items are told LATER");
		line_end(&line);
	}
	for (int state = 0; state < INBOX_OK; state++)
		json_array_foreach (list, i, inbox)
			if ((int)inbox_state_of(inbox) == state &&
			    !(is_all && state == INBOX_PAUSED))
				tell_state(inbox, (enum inbox_state)state, now, receiver, showing);
}

static void
add_state(struct table *table, const json_t *inbox)
{
	enum inbox_state state = inbox_state_of(inbox);

	table_add(table, inbox_words[state].word);
	table_tint(table, inbox_words[state].tint);
}

static void
add_short(struct table *table, const json_t *inbox, int64_t now)
{
	add_state(table, inbox);
	show_add_number(table, inbox, "waiting");
	show_add_size(table, inbox, "waiting_bytes");
	show_add_span(table, inbox, "oldest", now);
	show_add_number(table, inbox, "claimed");
	show_add_span(table, inbox, "claimed_oldest", now);
	show_add_number(table, inbox, "stored_total");
	show_add_span(table, inbox, "last_stored", now);
}

static void
add_all(struct table *table, const json_t *inbox, int64_t now)
{
	add_short(table, inbox, now);
	show_add_size(table, inbox, "stored_bytes_total");
	show_add_span(table, inbox, "counted", now);
	show_add_size(table, inbox, "size_limit_bytes");
	show_add_number(table, inbox, "limit_items");
	show_add_size(table, inbox, "limit_bytes");
	show_add_text(table, inbox, "suffix");
	show_add_text(table, inbox, "folder");
}

/* What `names` and both functions above agree in: the columns behind the inbox's name. */
static const char *const names[] = {"INBOX", "STATE", "WAITING", "SIZE", "OLDEST",
    "CLAIMED", "SINCE", "STORED", "LAST", "BYTES", "COUNTED", "LARGEST", "ITEMS-MAX",
    "BYTES-MAX", "SUFFIX", "FOLDER"};

int
show_inboxes_table(const json_t *list, int64_t now, const char *head, const struct showing *showing,
    struct why *why)
{
	int is_short = !showing->arguments->verbose;
	const char *shape = is_short ? "Llrrrrrrr" : "Llrrrrrrrrrrrrll";
	const char *heads[TABLE_COLUMNS_MAX] = {"INBOX", head};
	char shapes[TABLE_COLUMNS_MAX] = "Ll";
	struct table table;
	json_t *inbox;
	size_t i;

	memcpy(heads + (head ? 2 : 1), names + 1, (strlen(shape) - 1) * sizeof *heads);
	snprintf(shapes + (head ? 2 : 1), sizeof shapes - 2, "%s", shape + 1);
	table_head(&table, shapes, heads);
	for (int state = 0; state < INBOX_STATES; state++)
		json_array_foreach (list, i, inbox) {
			const json_t *own = json_object_get(inbox, "now");
			int64_t its = own ? json_integer_value(own) : now;
			if ((int)inbox_state_of(inbox) != state)
				continue;
			show_add_text(&table, inbox, "name");
			if (head)
				show_add_text(&table, inbox, "receiver");
			(is_short ? add_short : add_all)(&table, inbox, its);
		}
	table_print(&table, showing->out, &showing->screen);
	return show_end(&table, why);
}

int
show_inboxes(const json_t *page, const struct showing *showing, struct why *why)
{
	if (show_check(page, "inboxes", JSON_ARRAY, why) == -1)
		return -1;
	show_inboxes_closed(page, NULL, showing);
	return show_inboxes_table(json_object_get(page, "inboxes"), show_integer(page, "now"), NULL,
	    showing, why);
}
