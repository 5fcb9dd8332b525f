/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/pages/answers.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/pages/show.h"
#include "inboxctl/pages/show_cells.h"

/* What came, taken in. */
static void
take(struct answer *answer, struct fetch_page *page, const char *key, int type)
{
	int64_t next = -1;

	answer->result = page->result;
	if (page->result != FETCH_OK)
		why_say(&answer->why, "%s", page->why.text);
	else if (show_take(&answer->page, page->text, page->len, &next, &answer->why) < 0 ||
	    show_check(answer->page, key, type, &answer->why) < 0)
		answer->result = FETCH_PROTOCOL;
	free(page->text);
	if (answer->result == FETCH_OK)
		return;
	show_free(answer->page);
	answer->page = NULL;
}

/* Asks those of `answers` that have no page yet, and are not given up. */
static int
ask(struct answer *answers, size_t count, const char *path, const char *key, int patience)
{
	int type = strcmp(key, "items") == 0 ? JSON_OBJECT : JSON_ARRAY;
	const char **sockets = calloc(count, sizeof *sockets);
	struct fetch_page *pages = calloc(count, sizeof *pages);
	size_t asked = 0;
	int rc = -1;

	for (size_t i = 0; sockets && i < count; i++)
		if (answers[i].result == FETCH_OK)
			sockets[asked++] = answers[i].receiver->socket;
	if (sockets && pages)
		rc = asked == 0 ? 0 : fetch_pages(sockets, asked, path, patience, pages);
	asked = 0;
	for (size_t i = 0; rc == 0 && i < count; i++)
		if (answers[i].result == FETCH_OK)
			take(&answers[i], &pages[asked++], key, type);
	free(sockets);
	free(pages);
	return rc;
}

/* ---- /status */

static const char *
root_of(const struct answer *answer)
{
	return json_string_value(
	    json_object_get(json_object_get(answer->page, "root"), "id"));
}

/* The first that is the receiver of this root: not one that waits for it. */
static const struct answer *
find_same(const struct answer *answers, size_t count, size_t of)
{
	const char *id = root_of(&answers[of]), *other;

	for (size_t i = 0; id && i < count; i++) {
		other = root_of(&answers[i]);
		if (i != of && !answers[i].is_waiting && other && strcmp(id, other) == 0 &&
		    (i < of || answers[of].is_waiting))
			return &answers[i];
	}
	return NULL;
}

struct answer *
answers_status(const struct receivers *receivers, int patience)
{
	struct answer *answers = calloc(receivers->count, sizeof *answers);
	const char *state;

	for (size_t i = 0; answers && i < receivers->count; i++)
		answers[i].receiver = &receivers->all[i];
	if (!answers ||
	    ask(answers, receivers->count, "/status", "items", patience) < 0) {
		complain("out of memory");
		free(answers);
		return NULL;
	}
	for (size_t i = 0; i < receivers->count; i++) {
		state = json_string_value(json_object_get(answers[i].page, "state"));
		answers[i].is_waiting = state && strcmp(state, "waiting") == 0;
	}
	for (size_t i = 0; i < receivers->count; i++)
		answers[i].same = find_same(answers, receivers->count, i);
	return answers;
}

int
answers_is_one(const struct answer *status)
{
	return status->result == FETCH_OK && !status->is_waiting && !status->same;
}

/* ---- more */

struct answer *
answers_more(const struct answer *status, size_t count, const char *path, const char *key)
{
	struct answer *answers = calloc(count, sizeof *answers);

	for (size_t i = 0; answers && i < count; i++) {
		answers[i].receiver = status[i].receiver;
		answers[i].result = answers_is_one(&status[i]) ? FETCH_OK : FETCH_REFUSED;
	}
	if (!answers || ask(answers, count, path, key, FETCH_PATIENCE) < 0) {
		complain("out of memory");
		free(answers);
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		if (answers_is_one(&status[i]))
			continue; /* all else is as it was */
		answers[i] = status[i];
		answers[i].page = NULL;
	}
	return answers;
}

void
answers_free(struct answer *answers, size_t count)
{
	for (size_t i = 0; answers && i < count; i++)
		show_free(answers[i].page);
	free(answers);
}

static json_t *
answer_json(const struct answer *answer, const char *key)
{
	json_t *object = json_object();
	int failed = json_object_set_new(object, "name", show_plain(answer->receiver->name));

	failed |= json_object_set_new(object, "socket", show_plain(answer->receiver->socket));
	failed |= json_object_set_new(object, "error", answer->result == FETCH_OK
	        ? json_null()
	        : show_plain(answer->why.text));
	failed |= json_object_set_new(object, "same", answer->same
	        ? show_plain(answer->same->receiver->name)
	        : json_null());
	if (key)
		failed |= json_object_set_new(object, key,
		    answer->page ? json_incref(answer->page) : json_null());
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}

json_t *
answers_json(const struct answer *answers, size_t count, const char *key)
{
	json_t *list = json_array();
	int failed = 0;

	for (size_t i = 0; i < count; i++)
		failed |= json_array_append_new(list, answer_json(&answers[i], key));
	if (!failed)
		return list;
	json_decref(list);
	return NULL;
}

int
answers_tell(const struct answer *answers, size_t count)
{
	int code = EX_OK;

	for (size_t i = 0; i < count; i++) {
		if (answers[i].result == FETCH_OK)
			continue;
		complain("%s: %s", answers[i].receiver->name, answers[i].why.text);
		if (code == EX_OK)
			code = answers[i].result == FETCH_PROTOCOL ? EX_PROTOCOL : EX_UNAVAILABLE;
	}
	return code;
}
