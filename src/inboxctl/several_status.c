/* SPDX-License-Identifier: ISC */
/*
 * inboxctl status of several receivers: what is wrong, wherever it is, then a line a receiver, the
 * worst first.  Their clients are not added up, since one client may be known to several: that is
 * what inboxctl clients tells.
 */
#include "config.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/pages/answers.h"
#include "inboxctl/pages/show.h"
#include "inboxctl/pages/show_cells.h"
#include "inboxctl/screens/problems.h"
#include "inboxctl/several.h"
#include "lib/line.h"
#include "lib/table.h"

#define PROBLEMS_SHOWN 6

/* What is added up. */
struct sums {
	int64_t stored, connections, unpublished, waiting;
	int64_t oldest; /* for how long the oldest waits, in seconds; -1: none does */
};

/* A receiver with what it says. */
struct part {
	const struct answer *status, *inboxes; /* with the pages, or the reasons */
	struct problem problems[PROBLEMS_MAX];
	size_t count;
	struct sums sums;
};

struct all {
	const struct arguments *arguments;
	const struct answer *status; /* as they were named */
	struct part *parts;          /* the worst first */
	size_t count, answered, problems;
	struct sums sums;
};

/* ---- what they say */

static void
add_problem(struct part *part, int is_critical, const char *what, const char *why)
{
	struct problem *problem = &part->problems[part->count++];

	problem->is_critical = is_critical;
	snprintf(problem->text, sizeof problem->text, "%s%.400s", what, why);
}

static void
add_same(struct part *part)
{
	struct why text;

	why_say(&text, "is the same receiver as %.200s, and counts once",
	    part->status->same->receiver->name);
	add_problem(part, 0, "", text.text);
}

static void
find_problems(struct part *part)
{
	const struct answer *status = part->status;

	if (status->result == FETCH_PROTOCOL)
		add_problem(part, 1, "", status->why.text);
	else if (status->result != FETCH_OK)
		add_problem(part, 1, "down: the receiver does not answer: ", status->why.text);
	else if (status->same && !status->is_waiting)
		add_same(part);
	else if (status->is_waiting && !status->same)
		add_problem(part, 0, ANSWERS_WAITS, "");
	else if (!status->same)
		part->count = problems_find(status->page, part->problems);
	if (answers_is_one(status) && part->inboxes->result != FETCH_OK &&
	    part->count < PROBLEMS_MAX)
		add_problem(part, 0, "its inboxes are not known: ", part->inboxes->why.text);
}

static void
sum_inboxes(struct sums *sums, const json_t *page)
{
	int64_t now = show_integer(page, "now");
	json_t *inbox;
	size_t i;

	json_array_foreach (json_object_get(page, "inboxes"), i, inbox) {
		int64_t since = show_integer(inbox, "oldest");
		sums->waiting += show_integer(inbox, "waiting");
		if (since > 0 && now - since > sums->oldest)
			sums->oldest = now > since ? now - since : 0;
	}
}

static void
find_sums(struct part *part)
{
	const json_t *status = part->status->page;
	const json_t *gauges = json_object_get(status, "gauges");

	part->sums = (struct sums){.oldest = -1};
	if (!answers_is_one(part->status))
		return;
	part->sums.stored = show_integer(json_object_get(status, "items"), "stored");
	part->sums.connections = show_integer(gauges, "inboxd_connections");
	part->sums.unpublished = show_integer(gauges, "inboxd_unpublished_items");
	sum_inboxes(&part->sums, part->inboxes->page);
}

/* 3: no answer; 2: something critical; 1: a warning. */
static int
severity(const struct part *part)
{
	if (part->status->result != FETCH_OK)
		return 3;
	return part->count == 0 ? 0 : part->problems[0].is_critical ? 2 : 1;
}

static int
compare_parts(const void *a, const void *b)
{
	const struct part *one = a, *two = b;
	int x = severity(one), y = severity(two);

	if (x != y)
		return x < y ? 1 : -1;
	return one->status < two->status ? -1 : one->status > two->status;
}

static void
take_all(struct all *all, const struct answer *status, const struct answer *inboxes)
{
	all->status = status;
	all->sums = (struct sums){.oldest = -1};
	for (size_t i = 0; i < all->count; i++) {
		struct part *part = &all->parts[i];
		part->status = &status[i];
		part->inboxes = &inboxes[i];
		find_problems(part);
		find_sums(part);
		all->answered += part->status->result == FETCH_OK;
		all->problems += part->status->result == FETCH_OK ? part->count : 0;
		all->sums.stored += part->sums.stored;
		all->sums.connections += part->sums.connections;
		all->sums.unpublished += part->sums.unpublished;
		all->sums.waiting += part->sums.waiting;
		if (part->sums.oldest > all->sums.oldest)
			all->sums.oldest = part->sums.oldest;
	}
	qsort(all->parts, all->count, sizeof *all->parts, compare_parts);
}

/* ---- for people */

static void
show_head(const struct all *all, const struct screen *screen)
{
	size_t silent = all->count - all->answered;
	struct line line;

	line_begin(&line, stdout, screen);
	line_add(&line, TINT_HEAD, "%zu receiver%s", all->count, all->count == 1 ? "" : "s");
	line_add(&line, TINT_NONE, ": ");
	if (silent == 0 && all->problems == 0)
		line_add(&line, TINT_GOOD, "all is well");
	if (silent > 0)
		line_add(&line, TINT_BAD, "%zu without an answer", silent);
	if (silent > 0 && all->problems > 0)
		line_add(&line, TINT_NONE, ", ");
	if (all->problems > 0)
		line_add(&line, TINT_WARN, "%zu problem%s", all->problems,
		    all->problems == 1 ? "" : "s");
	line_end(&line);
}

/* Of all, the most severe first, each with whose it is.  0, or -1: memory is out. */
static int
show_problems(const struct all *all, const struct screen *screen)
{
	const struct screen any = {0, screen->colours};
	struct problem *list;
	size_t count = 0, room = 0;

	for (size_t i = 0; i < all->count; i++)
		room += all->parts[i].count;
	if (room == 0)
		return 0;
	list = calloc(room, sizeof *list);
	if (!list)
		return -1;
	for (int is_critical = 1; is_critical >= 0; is_critical--)
		for (size_t i = 0; i < all->count; i++)
			for (size_t k = 0; k < all->parts[i].count; k++) {
				const struct problem *one = &all->parts[i].problems[k];
				if (one->is_critical != is_critical)
					continue;
				list[count].is_critical = is_critical;
				snprintf(list[count++].text, sizeof list->text, "%s: %s",
				    all->parts[i].status->receiver->name, one->text);
			}
	if (all->arguments->verbose)
		problems_show(list, count, count, stdout, &any);
	else
		problems_show(list, count, PROBLEMS_SHOWN, stdout, screen);
	free(list);
	return 0;
}

static void
add_number(struct table *table, int64_t number)
{
	char cell[TABLE_CELL_ROOM];

	snprintf(cell, sizeof cell, "%" PRId64, number);
	table_add(table, cell);
}

static void
add_sums(struct table *table, const struct sums *sums)
{
	char cell[TABLE_CELL_ROOM] = "-";

	add_number(table, sums->stored);
	add_number(table, sums->waiting);
	if (sums->oldest >= 0)
		table_span(cell, sums->oldest);
	table_add(table, cell);
	add_number(table, sums->connections);
	add_number(table, sums->unpublished);
}

static void
add_state(struct table *table, const struct part *part)
{
	static const enum tint tints[] = {TINT_NONE, TINT_WARN, TINT_BAD, TINT_BAD};

	if (part->status->result == FETCH_OK)
		show_add_text(table, part->status->page, "state");
	else
		table_add(table, part->status->result == FETCH_PROTOCOL ? "unknown" : "down");
	table_tint(table, tints[severity(part)]);
	add_number(table, (int64_t)part->count);
}

static void
add_row(struct table *table, const struct part *part)
{
	const json_t *status = part->status->page;
	const json_t *gauges = json_object_get(status, "gauges");

	table_add(table, part->status->receiver->name);
	add_state(table, part);
	show_add_span(table, status, "since", show_integer(status, "now"));
	if (answers_is_one(part->status))
		add_sums(table, &part->sums);
	else
		for (int i = 0; i < 5; i++)
			table_add(table, "-");
	show_add_size(table, gauges, "inboxd_free_bytes");
	show_add_text(table, status, "host");
}

static int
show(const struct all *all)
{
	static const char *const names[] = {"RECEIVER", "STATE", "PROBLEMS", "UP", "STORED",
	    "WAITING", "OLDEST", "CONNECTIONS", "UNPUBLISHED", "FREE", "HOST"};
	struct screen screen = terminal_screen(STDOUT_FILENO);
	struct table table;

	show_head(all, &screen);
	if (show_problems(all, &screen) < 0)
		return -1;
	table_head(&table, "Llrrrrrrrrl", names);
	for (size_t i = 0; i < all->count; i++)
		add_row(&table, &all->parts[i]);
	table_add(&table, "all");
	table_add(&table, "-");
	add_number(&table, (int64_t)(all->problems + all->count - all->answered));
	table_add(&table, "-");
	add_sums(&table, &all->sums);
	table_add(&table, "-");
	table_add(&table, "-");
	table_print(&table, stdout, &screen);
	return table_free(&table);
}

/* ---- for programs */

static int
show_all_json(const struct all *all)
{
	const struct showing showing = {.out = stdout};
	json_t *list = answers_json(all->status, all->count, "status"), *page;
	struct why why;
	int rc = -1;

	page = json_pack("{s:i, s:o, s:{s:I, s:I, s:I, s:I, s:I, s:I}}", "schema", SHOW_SCHEMA,
	    "receivers", list, "all", "answered", (json_int_t)all->answered, "problems",
	    (json_int_t)all->problems, "stored", (json_int_t)all->sums.stored, "waiting",
	    (json_int_t)all->sums.waiting, "connections", (json_int_t)all->sums.connections,
	    "unpublished", (json_int_t)all->sums.unpublished);
	if (page)
		rc = show_json(page, &showing, &why);
	show_free(page);
	return rc;
}

int
several_status(const struct arguments *arguments, const struct receivers *receivers)
{
	struct all all = {.arguments = arguments, .count = receivers->count};
	struct answer *status = answers_status(receivers, FETCH_PATIENCE), *inboxes = NULL;
	int code = EX_OSERR;

	if (status)
		inboxes = answers_more(status, all.count, "/inboxes", "inboxes");
	all.parts = calloc(all.count, sizeof *all.parts);
	if (inboxes && all.parts) {
		take_all(&all, status, inboxes);
		if ((arguments->json ? show_all_json : show)(&all) == 0)
			code = answers_tell(status, all.count);
		else
			complain("out of memory");
	}
	free(all.parts);
	answers_free(inboxes, all.count);
	answers_free(status, all.count);
	return code;
}
