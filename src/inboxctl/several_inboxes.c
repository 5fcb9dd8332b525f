/* SPDX-License-Identifier: ISC */
/*
 * inboxctl inboxes of several receivers: a line an inbox, whose figures are added up over all that
 * have it, and whose state is the worst of theirs; or, asked for all, a line for each of them.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/pages/answers.h"
#include "inboxctl/pages/show.h"
#include "inboxctl/pages/show_cells.h"
#include "inboxctl/screens/show_inboxes.h"
#include "inboxctl/several.h"

/* How a figure of several becomes one. */
enum sum { SUM_ADD, SUM_OLDEST, SUM_NEWEST };

static const struct {
	const char *key;
	enum sum how;
} figures[] = {
    {"waiting", SUM_ADD}, {"waiting_bytes", SUM_ADD}, {"oldest", SUM_OLDEST},
    {"claimed", SUM_ADD}, {"claimed_bytes", SUM_ADD}, {"claimed_oldest", SUM_OLDEST},
    {"counted", SUM_OLDEST}, {"stored_total", SUM_ADD}, {"stored_bytes_total", SUM_ADD},
    {"last_stored", SUM_NEWEST},
};
#define FIGURES (sizeof figures / sizeof figures[0])

static json_t *
find_inbox(const json_t *list, const char *name)
{
	json_t *inbox;
	size_t i;

	json_array_foreach (list, i, inbox)
		if (strcmp(json_string_value(json_object_get(inbox, "name")), name) == 0)
			return inbox;
	return NULL;
}

/* Times are counted from each receiver's own clock: `ahead` is how much that is before ours. */
static int
add_figures(json_t *into, const json_t *inbox, int64_t ahead)
{
	int failed = 0;

	for (size_t i = 0; i < FIGURES; i++) {
		const json_t *value = json_object_get(inbox, figures[i].key);
		const json_t *before = json_object_get(into, figures[i].key);
		json_int_t number = json_integer_value(value), other = json_integer_value(before);
		if (!json_is_integer(value))
			continue;
		if (figures[i].how != SUM_ADD)
			number -= ahead;
		if (json_is_integer(before) && figures[i].how == SUM_ADD)
			number += other;
		else if (json_is_integer(before) &&
		    (figures[i].how == SUM_OLDEST ? other < number : other > number))
			number = other;
		failed |= json_object_set_new(into, figures[i].key, json_integer(number));
	}
	return failed;
}

/* What makes its state, of the worst. */
static int
add_state(json_t *into, const json_t *inbox)
{
	static const char *const keys[] = {"error", "paused", "paused_all", "over_limit"};
	int failed = 0;

	if (json_object_get(into, "error") && inbox_state_of(into) <= inbox_state_of(inbox))
		return 0;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		json_t *value = json_object_get(inbox, keys[i]);
		failed |= json_object_set_new(
		    into, keys[i], value ? json_incref(value) : json_null());
	}
	return failed;
}

/* Another receiver's inbox, to all of that name. */
static int
add_inbox(json_t *list, const json_t *inbox, const char *receiver, int64_t its_now, int64_t now)
{
	const char *name = json_string_value(json_object_get(inbox, "name"));
	json_t *into = name ? find_inbox(list, name) : NULL, *copy;
	int failed = 0;

	if (!name)
		return 0;
	if (!into) {
		into = json_pack("{s:s, s:[]}", "name", name, "receivers");
		failed = json_array_append_new(list, into);
	}
	if (failed)
		return -1;
	copy = json_copy((json_t *)inbox);
	failed |= json_object_set_new(copy, "receiver", show_plain(receiver));
	failed |= json_object_set_new(copy, "now", json_integer(its_now));
	failed |= json_array_append_new(json_object_get(into, "receivers"), copy);
	failed |= add_figures(into, inbox, its_now - now);
	failed |= add_state(into, inbox);
	return failed ? -1 : 0;
}

/* All of all; NULL: out of memory. */
static json_t *
merge(const struct answer *answers, size_t count, int64_t now)
{
	json_t *list = json_array(), *inbox;
	int failed = list ? 0 : -1;
	size_t i;

	for (size_t k = 0; k < count; k++)
		json_array_foreach (json_object_get(answers[k].page, "inboxes"), i, inbox)
			failed |= add_inbox(list, inbox, answers[k].receiver->name,
			    show_integer(answers[k].page, "now"), now);
	if (!failed)
		return list;
	json_decref(list);
	return NULL;
}

/* Each inbox of each receiver, as a list. */
static json_t *
flatten(const json_t *merged)
{
	json_t *list = json_array(), *inbox;
	int failed = list ? 0 : -1;
	size_t i;

	json_array_foreach (merged, i, inbox)
		failed |= json_array_extend(list, json_object_get(inbox, "receivers"));
	if (!failed)
		return list;
	json_decref(list);
	return NULL;
}

static int
show_one_json(const struct answer *answers, size_t count, json_t *merged, int64_t now,
    const struct showing *showing)
{
	json_t *page = json_pack("{s:i, s:I, s:o, s:O}", "schema", SHOW_SCHEMA, "now",
	    (json_int_t)now, "receivers", answers_json(answers, count, NULL), "inboxes", merged);
	struct why why;
	int rc = page ? show_json(page, showing, &why) : -1;

	json_decref(page);
	return rc;
}

static int
show_lines(const struct answer *answers, size_t count, const json_t *merged, int64_t now,
    const struct showing *showing)
{
	json_t *all = NULL;
	struct why why;
	int rc = -1;

	for (size_t i = 0; i < count; i++)
		if (answers[i].page)
			show_inboxes_closed(answers[i].page, answers[i].receiver->name, showing);
	if (!showing->arguments->verbose)
		return show_inboxes_table(merged, now, NULL, showing, &why);
	all = flatten(merged);
	if (all)
		rc = show_inboxes_table(all, now, "RECEIVER", showing, &why);
	json_decref(all);
	return rc;
}

/* Ours, as that of the first that answers. */
static int64_t
find_now(const struct answer *answers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (answers[i].page)
			return show_integer(answers[i].page, "now");
	return 0;
}

int
several_inboxes(const struct arguments *arguments, const struct receivers *receivers)
{
	const struct showing showing = {stdout, terminal_screen(STDOUT_FILENO), arguments};
	struct answer *status = answers_status(receivers, FETCH_PATIENCE), *answers = NULL;
	json_t *merged = NULL;
	size_t count = receivers->count;
	int code = EX_OSERR, rc;

	if (status)
		answers = answers_more(status, count, "/inboxes", "inboxes");
	if (answers) {
		int64_t now = find_now(answers, count);
		merged = merge(answers, count, now);
		rc = !merged ? -1
		    : arguments->json ? show_one_json(answers, count, merged, now, &showing)
		                      : show_lines(answers, count, merged, now, &showing);
		if (rc < 0)
			complain("out of memory");
		else
			code = answers_tell(answers, count);
	}
	json_decref(merged);
	answers_free(answers, count);
	answers_free(status, count);
	return code;
}
