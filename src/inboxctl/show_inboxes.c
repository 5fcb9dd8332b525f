/* SPDX-License-Identifier: ISC */
/*
 * The page /inboxes: a line an inbox.
 */
#include "config.h"

#include "inboxctl/show.h"

#include <jansson.h>
#include <stdint.h>

#include "inboxctl/show_cells.h"
#include "lib/table.h"

int
show_inboxes(const json_t *page, const struct showing *showing, struct why *why)
{
	static const char *const names[] = {"INBOX", "WAITING", "OLDEST", "CLAIMED",
	    "CLAIMED-OLDEST", "COUNTED", "LIMIT", "SUFFIX", "FOLDER", "TROUBLE"};
	struct table table;
	json_t *inbox;
	size_t i;

	if (show_check(page, "inboxes", JSON_ARRAY, why) == -1)
		return -1;
	int64_t now = show_integer(page, "now");
	table_head(&table, "lrlrllrlll", names);
	json_array_foreach (json_object_get(page, "inboxes"), i, inbox) {
		show_add_text(&table, inbox, "name");
		show_add_number(&table, inbox, "waiting");
		show_add_ago(&table, inbox, "oldest", now, "-");
		show_add_number(&table, inbox, "claimed");
		show_add_ago(&table, inbox, "claimed_oldest", now, "-");
		show_add_ago(&table, inbox, "counted", now, "never");
		show_add_size(&table, inbox, "size_limit_bytes");
		show_add_text(&table, inbox, "suffix");
		show_add_text(&table, inbox, "folder");
		show_add_text(&table, inbox, "error");
	}
	table_print(&table, showing->out, &showing->screen);
	return show_end(&table, why);
}
