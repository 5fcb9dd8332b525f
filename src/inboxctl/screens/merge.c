/* SPDX-License-Identifier: ISC */
#include "inboxctl/screens/merge.h"

#include <stdlib.h>
#include <string.h>

/* What of a queue is added up; all else is as who saw it last has it. */
static const char *const added[] = {"stored", "stored_bytes", "missing", "reused", "again",
    "later", "refused", "unsettled"};
#define ADDED (sizeof added / sizeof added[0])

static int64_t *
number_of(struct roll_row *row, const char *key)
{
	return &row->values[roll_column_of(key)].number;
}

/* ---- the order: a client's rows in turn, the one without a queue first */

static int
compare_texts(const struct roll_row *a, const struct roll_row *b, int column)
{
	const char *one = a->values[column].text, *two = b->values[column].text;

	return strcmp(one ? one : "", two ? two : "");
}

static int
compare_rows(const void *a, const void *b)
{
	int order = compare_texts(a, b, ROLL_CLIENT);

	return order ? order : compare_texts(a, b, ROLL_QUEUE);
}

/* ---- one more receiver */

/* What the row says is what one receiver does; its gaps and its JSON move there. */
static int
add_at(struct roll_row *row, size_t receiver)
{
	int64_t unknown = row->values[ROLL_GAPS].number;

	row->at = calloc(1, sizeof *row->at);
	if (!row->at)
		return -1;
	*row->at = (struct roll_at){.receiver = receiver, .seen = *number_of(row, "seen"),
	    .settled = row->values[ROLL_MARK].number,
	    .unknown = unknown == ROLL_NONE ? 0 : unknown, .gaps = row->gaps,
	    .gap_count = row->gap_count, .json = row->json};
	row->gaps = NULL;
	row->gap_count = 0;
	row->json = NULL;
	return 0;
}

/* Did the receiver of `a` see it later than that of `b`? */
static int
is_later(struct roll_row *a, struct roll_row *b)
{
	int on_a = a->values[ROLL_ON].number != 0, on_b = b->values[ROLL_ON].number != 0;

	return on_a != on_b ? on_a : *number_of(a, "seen") > *number_of(b, "seen");
}

static void
add_number(int64_t *to, int64_t number)
{
	if (number != ROLL_NONE)
		*to = *to == ROLL_NONE ? number : *to + number;
}

/* Adds `one` to `row`, both of one queue, which is as who saw it last has it; `one` is gone. */
static void
join(struct roll_row *row, struct roll_row *one)
{
	struct roll_at **end = &row->at;

	if (is_later(one, row)) {
		struct roll_row other = *row;
		*row = *one;
		*one = other;
	}
	while (*end)
		end = &(*end)->next;
	*end = one->at;
	one->at = NULL;
	for (size_t i = 0; i < ADDED; i++)
		add_number(number_of(row, added[i]), *number_of(one, added[i]));
	if (*number_of(one, "last_stored") > *number_of(row, "last_stored"))
		*number_of(row, "last_stored") = *number_of(one, "last_stored");
	row->gaps_total += one->gaps_total;
	roll_free_row(one);
}

static void
set_clock(struct roll_row *row, int64_t ahead)
{
	for (int column = 0; column < ROLL_COLUMNS; column++)
		if (roll_column(column).kind == KIND_TIME &&
		    row->values[column].number != ROLL_NONE)
			row->values[column].number -= ahead;
}

/* What is told of one receiver, in order. */
static int
prepare(struct roll *from, size_t receiver, int64_t now)
{
	for (size_t i = 0; i < from->count; i++) {
		set_clock(&from->rows[i], from->now - now);
		if (add_at(&from->rows[i], receiver) < 0)
			return -1;
	}
	if (from->count > 0)
		qsort(from->rows, from->count, sizeof *from->rows, compare_rows);
	return 0;
}

int
merge_take(struct roll *into, struct roll *from, size_t receiver, int64_t now)
{
	size_t room = into->count + from->count, count = 0, i = 0, k = 0;
	struct roll_row *rows = reallocarray(NULL, room + 1, sizeof *rows);
	int order;

	if (!rows || prepare(from, receiver, now) < 0) {
		free(rows);
		return -1;
	}
	while (i < into->count || k < from->count) {
		order = i == into->count ? 1
		    : k == from->count   ? -1
		                         : compare_rows(&into->rows[i], &from->rows[k]);
		rows[count] = order <= 0 ? into->rows[i++] : from->rows[k++];
		if (order == 0)
			join(&rows[count], &from->rows[k++]);
		count++;
	}
	free(into->rows);
	into->rows = rows;
	into->count = count;
	into->room = room;
	into->now = now;
	from->count = 0;
	return 0;
}

/* ---- all of them */

static int
has_part_of(const struct roll_at *at, const struct roll_gap *gap)
{
	for (size_t i = 0; i < at->gap_count; i++)
		if (at->gaps[i].first <= gap->last && gap->first <= at->gaps[i].last)
			return 1;
	return 0;
}

/* Does another receiver know what became of all its numbers? */
static int
is_explained(const struct roll_row *row, const struct roll_at *whose, const struct roll_gap *gap)
{
	for (const struct roll_at *at = row->at; at; at = at->next)
		if (at != whose && at->settled > gap->last && !has_part_of(at, gap))
			return 1;
	return 0;
}

/* Has one before it in the list the same gap? */
static int
is_counted(const struct roll_row *row, const struct roll_at *whose, const struct roll_gap *gap)
{
	for (const struct roll_at *at = row->at; at != whose; at = at->next)
		for (size_t i = 0; i < at->gap_count; i++)
			if (!at->gaps[i].is_known && at->gaps[i].first == gap->first &&
			    at->gaps[i].last == gap->last)
				return 1;
	return 0;
}

/* Gaps that nobody has confirmed, nor another receiver explains. */
static int64_t
count_gaps(const struct roll_row *row)
{
	int64_t count = 0;

	for (const struct roll_at *at = row->at; at; at = at->next)
		for (size_t i = 0; i < at->gap_count; i++) {
			const struct roll_gap *gap = &at->gaps[i];
			count += !gap->is_known && !is_explained(row, at, gap) &&
			    !is_counted(row, at, gap);
		}
	return count;
}

static void
set_states(struct roll_row *row, unsigned states)
{
	const unsigned none = 1u << CLIENT_UP_TO_DATE;

	row->states = states & ~none ? states & ~none : none;
	row->values[ROLL_STATE].number = client_state_worst(row->states);
}

static void
judge(struct roll_row *row)
{
	int64_t gaps = count_gaps(row);
	unsigned states = row->states & ~(1u << CLIENT_MISSING);

	if (!row->values[ROLL_QUEUE].text)
		return; /* it never came, to any */
	row->values[ROLL_GAPS].number = gaps;
	set_states(row, gaps > 0 ? states | 1u << CLIENT_MISSING : states);
}

/* Of one client: what is expected at one and came to another did come; and an old queue of a
 * machine that has a newer one is silent only if something waited there, as client_states_of() has
 * it of one receiver.  Returns how many are left. */
static size_t
judge_client(struct roll_row *rows, size_t count)
{
	struct roll_row *last = &rows[count - 1];
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (is_later(&rows[i], last))
			last = &rows[i];
	int is_heard = !(last->states & 1u << CLIENT_SILENT) && last->values[ROLL_QUEUE].text;
	for (size_t i = 0; i < count; i++) {
		if (is_heard && *number_of(&rows[i], "pending") <= 0)
			set_states(&rows[i], rows[i].states & ~(1u << CLIENT_SILENT));
		if (count > 1 && !rows[i].values[ROLL_QUEUE].text)
			roll_free_row(&rows[i]);
		else
			rows[kept++] = rows[i];
	}
	return kept;
}

void
merge_finish(struct roll *roll)
{
	struct roll_row *rows = roll->rows;
	size_t kept = 0, next, count;

	for (size_t i = 0; i < roll->count; i++)
		judge(&rows[i]);
	for (size_t i = 0; i < roll->count; i = next) {
		for (next = i + 1;
		     next < roll->count && compare_texts(&rows[i], &rows[next], ROLL_CLIENT) == 0;)
			next++;
		count = judge_client(&rows[i], next - i);
		memmove(&rows[kept], &rows[i], count * sizeof *rows);
		kept += count;
	}
	roll->count = kept;
}
