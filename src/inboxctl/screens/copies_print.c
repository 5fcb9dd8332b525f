/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/screens/copies_print.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "inboxctl/base/when.h"
#include "inboxctl/screens/ledger_print.h"
#include "lib/table.h"

#define DIGEST_SHOWN 12 /* digits */

/* Which copy of its item is the i-th?  1: the first. */
static size_t
ordinal(const struct copies *copies, size_t i, size_t before)
{
	return i > 0 && copies_are_one(copies->all[i - 1], copies->all[i]) ? before + 1 : 1;
}

/* ---- for people */

static void
print_line(const struct copy *copy, size_t which, const char *receiver)
{
	char digest[DIGEST_TEXT_ROOM], when[WHEN_ROOM];

	when_print(when, copy->time, 0);
	digest_print(digest, copy->sha256);
	printf("%zu %s %-12s ", which, when, ledger_outcomes[copy->outcome]);
	table_plain(stdout, receiver);
	printf(" %s %.*s %" PRIu64 " %s %" PRIu64 " %.*s %s %s\n", copy->identity,
	    PROTO_QUEUE_SHOWN, copy->queue, copy->n, copy->inbox, copy->size, DIGEST_SHOWN, digest,
	    copy->name, copy->hint[0] ? copy->hint : "-");
}

static void
add_row(struct table *table, const struct copy *copy, size_t which, const char *receiver)
{
	char cell[TABLE_CELL_ROOM], when[WHEN_ROOM];

	snprintf(cell, sizeof cell, "%zu", which);
	table_add(table, cell);
	when_print(when, copy->time, 0);
	snprintf(cell, sizeof cell, "%.5s %.8s", when + 5, when + 11);
	table_add(table, cell);
	table_add(table, receiver);
	table_add(table, copy->identity);
	snprintf(cell, sizeof cell, "%" PRIu64, copy->n);
	table_add(table, cell);
	table_add(table, copy->inbox);
	table_size(cell, copy->size);
	table_add(table, cell);
	table_add(table, copy->name);
}

static int
print_table(const struct copies *copies, const struct receivers *receivers,
    const struct screen *screen)
{
	static const char *const names[] = {
	    "COPY", "TIME (UTC)", "RECEIVER", "CLIENT", "ITEM", "INBOX", "SIZE", "STORED AS"};
	struct table table;
	size_t which = 0;

	table_head(&table, "rllLrlrl", names);
	for (size_t i = 0; i < copies->count; i++) {
		which = ordinal(copies, i, which);
		add_row(&table, copies->all[i], which, receivers->all[copies->all[i]->at].name);
	}
	table_print(&table, stdout, screen);
	return table_free(&table);
}

int
copies_print(const struct copies *copies, const struct receivers *receivers)
{
	struct screen screen = terminal_screen(STDOUT_FILENO);
	size_t which = 0;

	if (screen.width > 0)
		return print_table(copies, receivers, &screen);
	for (size_t i = 0; i < copies->count; i++) {
		which = ordinal(copies, i, which);
		print_line(copies->all[i], which, receivers->all[copies->all[i]->at].name);
	}
	return 0;
}

/* ---- for programs */

static json_t *
copy_json(const struct copy *copy, const struct receiver *receiver)
{
	char when[WHEN_ROOM];

	when_print(when, copy->time, 1);
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "receiver", receiver->name, "time", when,
	    "outcome", ledger_outcomes[copy->outcome], "inbox", copy->inbox, "name", copy->name);
}

static json_t *
item_json(const struct copy *copy)
{
	char digest[DIGEST_TEXT_ROOM];

	digest_print(digest, copy->sha256);
	return json_pack("{s:s, s:s, s:I, s:I, s:s, s:s?}", "client", copy->identity, "queue",
	    copy->queue, "n", (json_int_t)copy->n, "size", (json_int_t)copy->size, "sha256",
	    digest, "hint", copy->hint[0] ? copy->hint : NULL);
}

int
copies_print_json(const struct copies *copies, const struct receivers *receivers)
{
	const struct copy *const *all = (const struct copy *const *)copies->all;
	size_t next;

	for (size_t i = 0; i < copies->count; i = next) {
		json_t *item = item_json(all[i]), *list = json_array();
		int failed = 0;
		next = i;
		do {
			failed |= json_array_append_new(list,
			    copy_json(all[next], &receivers->all[all[next]->at]));
			next++;
		} while (next < copies->count && copies_are_one(all[i], all[next]));
		failed |= json_object_set_new(item, "copies", list);
		if (!failed)
			failed = json_dumpf(item, stdout, JSON_ENSURE_ASCII | JSON_COMPACT);
		json_decref(item);
		if (failed)
			return -1;
		putchar('\n');
	}
	return 0;
}
