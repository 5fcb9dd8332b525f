/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/screens/roll.h"

#include <fnmatch.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "inboxctl/base/arguments.h"
#include "inboxctl/pages/show_cells.h"
#include "lib/parse.h"

/* ---- columns */

struct roll_column_row
roll_column(int column)
{
	static const struct roll_column_row rows[ROLL_FIGURES] = {
	    [ROLL_CLIENT] = {"CLIENT", "identity", KIND_VISIBLE},
	    [ROLL_QUEUE] = {"QUEUE", "queue", KIND_VISIBLE},
	    [ROLL_STATE] = {"STATE", "state", KIND_VISIBLE},
	    [ROLL_GAPS] = {"GAPS", "gaps_unknown", KIND_NUMBER},
	    [ROLL_ON] = {"ON", "connected", KIND_VISIBLE},
	    [ROLL_MARK] = {"MARK", "settled", KIND_NUMBER},
	    [ROLL_UNSETTLED] = {"UNSETTLED", "unsettled", KIND_NUMBER},
	};
	const struct figure *figure;

	if (column < ROLL_FIGURES)
		return rows[column];
	figure = &figures_rows[column - ROLL_FIGURES];
	return (struct roll_column_row){
	    figure->head, figure->member.field.name, figure->member.field.kind};
}

int
roll_find(const char *head, size_t len)
{
	int column = 0;

	while (column < ROLL_COLUMNS) {
		const char *name = roll_column(column).head;
		if (strlen(name) == len && strncasecmp(name, head, len) == 0)
			break;
		column++;
	}
	return column;
}

int
roll_column_of(const char *key)
{
	int column = 0;

	while (strcmp(roll_column(column).key, key) != 0)
		column++;
	return column;
}

/* ---- what is wanted */

/* "PENDING,-SEEN". */
static int
read_keys(const char *text, struct roll_wish *out, struct why *why)
{
	for (;; text++) {
		int is_turned = *text == '-';
		size_t len = strcspn(text += is_turned, ",");
		int column = roll_find(text, len);
		if (column == ROLL_COLUMNS || out->key_count == ROLL_COLUMNS)
			return why_say(why, "--sort %.*s: want columns by their heads, as clients "
			                    "-v has them, split by commas", (int)len, text);
		out->keys[out->key_count++] = (struct roll_key){column, is_turned};
		text += len;
		if (!*text)
			return 0;
	}
}

int
roll_read(const struct arguments *arguments, struct roll_wish *out, struct why *why)
{
	const char *silent = arguments->silent, *limit = arguments->limit;

	*out = (struct roll_wish){.match = arguments->client, .gaps = arguments->gaps != NULL,
	    .failed = arguments->failed != NULL, .keeps_json = arguments->json != NULL};
	if (silent && !*silent)
		out->states |= 1u << CLIENT_SILENT;
	else if (silent &&
	    (parse_seconds(silent, strlen(silent), &out->silent) == -1 || out->silent == 0))
		return why_say(why, "--silent %s: want a time such as 24h or 7d", silent);
	if (arguments->behind)
		out->states |= 1u << CLIENT_BEHIND;
	if (arguments->missing)
		out->states |= 1u << CLIENT_MISSING;
	if (arguments->never_came)
		out->states |= 1u << CLIENT_NEVER_CAME;
	if (limit && (parse_u64(limit, strlen(limit), UINT32_MAX, &out->limit) == -1 ||
	        out->limit == 0))
		return why_say(why, "--limit %s: want a number from 1 on", limit);
	return arguments->sort ? read_keys(arguments->sort, out, why) : 0;
}

static int
wants_all(const struct roll_wish *wish)
{
	return !wish->states && !wish->silent && !wish->gaps && !wish->failed;
}

void
roll_path(const struct roll_wish *wish, char path[PAGE_PATH_ROOM])
{
	char states[64];
	size_t len = 0;

	snprintf(path, PAGE_PATH_ROOM, "/clients");
	/* What the receiver cannot be asked for has to be looked for among all. */
	if (wish->states && !wish->silent && !wish->gaps && !wish->failed) {
		for (int i = 0; i < CLIENT_STATES; i++)
			if (wish->states & 1u << i)
				len += (size_t)snprintf(states + len, sizeof states - len, "%s%s",
				    len ? "," : "", client_state_name((enum client_state)i));
		fetch_add(path, PAGE_PATH_ROOM, "state", states);
	}
	if (wish->match)
		fetch_add(path, PAGE_PATH_ROOM, "match", wish->match);
}

static unsigned
states_of(const json_t *client)
{
	unsigned states = 0;
	json_t *name;
	size_t i;

	json_array_foreach (json_object_get(client, "states"), i, name) {
		const char *text = json_string_value(name);
		if (text)
			states |= 1u << client_state_parse(text, strlen(text));
	}
	return states;
}

/* What is asked of a queue, whether it is a row yet or not. */
struct facts {
	const char *identity;
	unsigned states;
	int64_t seen, failed, gaps;
};

static int
is_wanted(const struct roll *roll, const struct facts *facts)
{
	const struct roll_wish *wish = &roll->wish;

	if (wish->match && fnmatch(wish->match, facts->identity, FNM_NOESCAPE) != 0)
		return 0;
	if (wants_all(wish) || wish->states & facts->states)
		return 1;
	if (wish->silent && !(facts->states & 1u << CLIENT_NEVER_CAME) &&
	    roll->now - facts->seen > (int64_t)wish->silent)
		return 1;
	if (wish->failed && facts->failed > 0)
		return 1;
	return wish->gaps && facts->gaps > 0;
}

static struct facts
facts_of(const json_t *client)
{
	const char *identity = json_string_value(json_object_get(client, "identity"));

	return (struct facts){.identity = identity ? identity : "", .states = states_of(client),
	    .seen = show_integer(client, "seen"), .failed = show_integer(client, "failed"),
	    .gaps = show_integer(client, "gaps_total")};
}

static struct facts
facts_of_row(const struct roll_row *row)
{
	const struct roll_value *seen = &row->values[roll_column_of("seen")];
	const struct roll_value *failed = &row->values[roll_column_of("failed")];
	const char *identity = row->values[ROLL_CLIENT].text;

	return (struct facts){.identity = identity ? identity : "", .states = row->states,
	    .seen = seen->number == ROLL_NONE ? 0 : seen->number,
	    .failed = failed->number == ROLL_NONE ? 0 : failed->number, .gaps = row->gaps_total};
}

/* ---- rows */

static int
no_memory(struct why *why)
{
	return why_say(why, "out of memory");
}

static struct roll_row *
add_row(struct roll *roll)
{
	if (roll->count == roll->room) {
		size_t room = roll->room ? 2 * roll->room : 64;
		struct roll_row *more = reallocarray(roll->rows, room, sizeof *more);
		if (!more)
			return NULL;
		roll->rows = more;
		roll->room = room;
	}
	roll->rows[roll->count] = (struct roll_row){.json = NULL};
	return &roll->rows[roll->count++];
}

/* 0, or -1: memory is out. */
static int
fill(struct roll_row *row, const json_t *client)
{
	for (int column = 0; column < ROLL_COLUMNS; column++) {
		const json_t *value = json_object_get(client, roll_column(column).key);
		struct roll_value *out = &row->values[column];
		out->number = json_is_integer(value) ? json_integer_value(value) : ROLL_NONE;
		if (!json_is_string(value))
			continue;
		out->text = strdup(json_string_value(value));
		if (!out->text)
			return -1;
	}
	row->values[ROLL_ON].number = json_is_true(json_object_get(client, "connected"));
	if (row->values[ROLL_STATE].text)
		row->values[ROLL_STATE].number = client_state_parse(
		    row->values[ROLL_STATE].text, strlen(row->values[ROLL_STATE].text));
	return 0;
}

/* 0, or -1: memory is out. */
static int
keep_gaps(struct roll_row *row, const json_t *client)
{
	const json_t *gaps = json_object_get(client, "gaps");
	json_t *gap;
	size_t i;

	if (json_array_size(gaps) == 0)
		return 0;
	row->gaps = calloc(json_array_size(gaps), sizeof *row->gaps);
	if (!row->gaps)
		return -1;
	json_array_foreach (gaps, i, gap)
		row->gaps[row->gap_count++] = (struct roll_gap){show_integer(gap, "first"),
		    show_integer(gap, "last"), json_is_true(json_object_get(gap, "known"))};
	return 0;
}

int
roll_take(struct roll *roll, const json_t *part, struct why *why)
{
	json_t *client;
	size_t i;

	if (show_check(part, "clients", JSON_ARRAY, why) == -1)
		return -1;
	roll->now = show_integer(part, "now");
	json_array_foreach (json_object_get(part, "clients"), i, client) {
		struct roll_row *row;
		const struct facts facts = facts_of(client);
		if (!is_wanted(roll, &facts))
			continue;
		row = add_row(roll);
		if (!row || fill(row, client) < 0 ||
		    (roll->wish.keeps_gaps && keep_gaps(row, client) < 0))
			return no_memory(why);
		row->states = facts.states;
		row->gaps_total = facts.gaps;
		if (!roll->wish.keeps_json)
			continue;
		row->json = json_dumps(client, JSON_ENSURE_ASCII | JSON_COMPACT);
		if (!row->json)
			return no_memory(why);
	}
	return 0;
}

void
roll_free_row(struct roll_row *row)
{
	for (int column = 0; column < ROLL_COLUMNS; column++)
		free(row->values[column].text);
	for (struct roll_at *at = row->at, *next; at; at = next) {
		next = at->next;
		free(at->gaps);
		free(at->json);
		free(at);
	}
	free(row->gaps);
	free(row->json);
}

void
roll_free(struct roll *roll)
{
	for (size_t i = 0; i < roll->count; i++)
		roll_free_row(&roll->rows[i]);
	free(roll->rows);
	roll->rows = NULL;
	roll->count = 0;
}

/* ---- the order */

/* Texts as they are, numbers and ages the greatest first: so what is never is first of times, and
 * what is none the last of all others. */
static int
compare_values(int column, const struct roll_row *a, const struct roll_row *b)
{
	enum field_kind kind = roll_column(column).kind;
	const struct roll_value *one = &a->values[column], *two = &b->values[column];
	int64_t x = one->number, y = two->number;

	if (column != ROLL_STATE && column != ROLL_ON && kind != KIND_NUMBER &&
	    kind != KIND_BYTES && kind != KIND_TIME && kind != KIND_SECONDS)
		return strcmp(one->text ? one->text : "", two->text ? two->text : "");
	if (kind == KIND_SECONDS && x == ROLL_NONE)
		x = INT64_MAX;
	if (kind == KIND_SECONDS && y == ROLL_NONE)
		y = INT64_MAX;
	if (kind == KIND_SECONDS || kind == KIND_TIME)
		return (x > y) - (x < y);
	return (x < y) - (x > y);
}

static const struct roll_wish *sorting;

static int
compare_rows(const void *a, const void *b)
{
	static const struct roll_key as_ever[] = {
	    {ROLL_STATE, 0}, {ROLL_CLIENT, 0}, {ROLL_QUEUE, 0}};
	int order = 0;

	for (size_t i = 0; i < sorting->key_count && order == 0; i++) {
		order = compare_values(sorting->keys[i].column, a, b);
		if (sorting->keys[i].is_turned)
			order = -order;
	}
	for (size_t i = sorting->key_count ? 1 : 0; i < 3 && order == 0; i++)
		order = compare_values(as_ever[i].column, a, b);
	return order;
}

static int
compare_clients(const void *a, const void *b)
{
	return compare_values(ROLL_CLIENT, *(struct roll_row *const *)a,
	    *(struct roll_row *const *)b);
}

/* Whose client has several. */
static void
note_repeated(struct roll *roll)
{
	struct roll_row **all = reallocarray(NULL, roll->count + 1, sizeof *all);

	if (!all)
		return; /* and then the queues are shown to nobody */
	for (size_t i = 0; i < roll->count; i++)
		all[i] = &roll->rows[i];
	qsort(all, roll->count, sizeof *all, compare_clients);
	for (size_t i = 1; i < roll->count; i++)
		if (compare_clients(&all[i - 1], &all[i]) == 0)
			all[i - 1]->is_repeated = all[i]->is_repeated = 1;
	free(all);
}

void
roll_filter(struct roll *roll)
{
	size_t kept = 0;

	for (size_t i = 0; i < roll->count; i++) {
		const struct facts facts = facts_of_row(&roll->rows[i]);
		if (is_wanted(roll, &facts))
			roll->rows[kept++] = roll->rows[i];
		else
			roll_free_row(&roll->rows[i]);
	}
	roll->count = kept;
}

void
roll_sort(struct roll *roll)
{
	if (roll->count == 0)
		return;
	note_repeated(roll);
	sorting = &roll->wish;
	qsort(roll->rows, roll->count, sizeof *roll->rows, compare_rows);
	while (roll->wish.limit && roll->count > roll->wish.limit)
		roll_free_row(&roll->rows[--roll->count]);
}
