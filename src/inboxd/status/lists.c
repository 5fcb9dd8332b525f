/* SPDX-License-Identifier: ISC */
/*
 * The pages with an array, of STATUS_SCHEMA 1 as those of pages.c; `more` is what stands before it,
 * closed by a comma.
 *
 * /inboxes
 *	{"schema": 1, "now": 1795359600, "inboxes": [
 *	  {"name": "status", "folder": "/srv/inbox/status", "suffix": ".svf",
 *	   "size_limit_bytes": 1048576,  largest item taken
 *	   "waiting": 17,                files in new/; null: not known
 *	   "waiting_bytes": 4242,
 *	   "oldest": 1795359000,         modification time of the oldest of them
 *	   "claimed": 1,                 likewise of cur/
 *	   "claimed_bytes": 42,
 *	   "claimed_oldest": 1795358000,
 *	   "counted": 1795359598,        when these were; null: not yet
 *	   "error": null,                or why a folder could not be read
 *	   "stored_total": 1017,         since the start
 *	   "stored_bytes_total": 200017,
 *	   "last_stored": 1795359597,    null: nothing was since then
 *	   "limit_items": 100000,        that may wait; null: no bound
 *	   "limit_bytes": null,
 *	   "over_limit": false,          true: as much waits as may
 *	   "paused": {"since": 1795359000, "uid": 0, "reason": "a migration"},
 *	                                 null: it is not
 *	   "paused_all": false}]}        true: and neither is any other taken
 *
 * /clients
 *	{"schema": 1, "now": 1795359600,
 *	 "next": 1000,                  /clients?from=1000 goes on; null: these were the last.
 *	                                A page may have no client, and another behind it
 *	 "clients": [
 *	  {"identity": "pc1.example.com",
 *	   "queue": "32 hexadecimal digits",  null: it should come, and never did
 *	   "state": "silent",           or up-to-date, behind, missing, never-came: the worst of
 *	   "states": ["silent", "behind"],  all that hold
 *	   "connected": true,
 *	   "settled": 41,                the mark: all numbers below are settled
 *	   "unsettled": 2,               items remembered at or above it
 *	   "gaps": [                     what is missing below the mark, the lowest first
 *	    {"first": 7, "last": 9,
 *	     "missing": 3,               fewer than all of these: made of several gaps
 *	     "since": 1795359000,        null: not known
 *	     "known": false}],           true: somebody has confirmed it
 *	   "gaps_total": 1,              how many that are, made one or not
 *	   "gaps_unknown": 1,            and how many of these nobody has confirmed
 *	   "stored": 40, ...}]}          and each of its figures by its name: lib/figures.h
 *
 * An array has one element a line.  Elements are made, written and dropped one
 * by one: a tree of 100,000 clients would cost 100 MB for the time of a page.
 */
#include "inboxd/status/pages.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "inboxd/base/inbox.h"
#include "inboxd/commit/view.h"
#include "inboxd/status/values.h"

#define USEC_PER_SEC 1000000

struct list {
	FILE *out;
	char *text;
	size_t len, count;
	int failed;
};

static void
list_open(struct list *list, const char *more, const char *key, int64_t now)
{
	*list = (struct list){0};
	list->out = open_memstream(&list->text, &list->len);
	if (!list->out)
		list->failed = 1;
	else
		fprintf(list->out, "{\"schema\":%d,\"now\":%" PRId64 ",%s\"%s\":[",
		    STATUS_SCHEMA, now, more, key);
}

/* Takes `element`; NULL: out of memory. */
static void
list_add(struct list *list, json_t *element)
{
	if (!element || list->failed) {
		list->failed = 1;
	} else {
		fputs(list->count++ == 0 ? "\n" : ",\n", list->out);
		if (json_dumpf(element, list->out, VALUES_DUMP) == -1)
			list->failed = 1;
	}
	json_decref(element);
}

/* The text, or NULL if anything failed on the way. */
static char *
list_close(struct list *list)
{
	if (list->out) {
		fputs("\n]}\n", list->out);
		if (ferror(list->out))
			list->failed = 1;
		if (fclose(list->out) == EOF)
			list->failed = 1;
	}
	if (list->failed) {
		free(list->text);
		return NULL;
	}
	return list->text;
}

/* What is not known is null. */
static json_t *
json_of(int known, uint64_t number)
{
	return known ? json_count(number) : json_null();
}

static json_t *
inbox_json(const struct inbox_view *view)
{
	const struct inbox_count *count = &view->count;
	const struct inbox_pile *waiting = &count->waiting, *claimed = &count->claimed;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
	                 "s:o, s:o, s:o, s:b, s:o, s:b}",
	    "name", json_text(view->name), "folder", json_text(view->folder),
	    "suffix", json_text(view->suffix), "size_limit_bytes", json_count(view->size),
	    "waiting", json_of(waiting->known, waiting->files),
	    "waiting_bytes", json_of(waiting->known, waiting->bytes),
	    "oldest", json_time(waiting->oldest / USEC_PER_SEC),
	    "claimed", json_of(claimed->known, claimed->files),
	    "claimed_bytes", json_of(claimed->known, claimed->bytes),
	    "claimed_oldest", json_time(claimed->oldest / USEC_PER_SEC),
	    "counted", json_time(count->begun / USEC_PER_SEC),
	    "error", json_text(count->error),
	    "stored_total", json_count(view->stored),
	    "stored_bytes_total", json_count(view->stored_bytes),
	    "last_stored", json_time(view->last_stored / USEC_PER_SEC),
	    "limit_items", json_of(view->most.items > 0, view->most.items),
	    "limit_bytes", json_of(view->most.bytes > 0, view->most.bytes),
	    "over_limit", view->over != 0,
	    "paused", json_pause(view->paused), "paused_all", view->paused_all != 0);
}

char *
pages_inboxes(const struct status_source *source, int64_t now)
{
	struct list list;
	struct inbox_view view;

	list_open(&list, "", "inboxes", now);
	for (size_t i = 0; !list.failed && source->inbox(source->ctx, i, &view) == 0; i++)
		list_add(&list, inbox_json(&view));
	return list_close(&list);
}

static json_t *
figure_json(const struct figures *figures, const struct member *figure)
{
	if (figure->field.kind == KIND_TIME)
		return json_time(member_number(figure, figures) / USEC_PER_SEC);
	if (figure->field.kind == KIND_SECONDS)
		return json_time(member_number(figure, figures));
	if (member_is_number(figure))
		return json_count((uint64_t)member_number(figure, figures));
	return json_text(member_of(figure, figures));
}

static json_t *
gaps_json(const struct client_view *view)
{
	json_t *gaps = json_array();

	for (size_t i = 0; i < view->gap_count; i++) {
		const struct gap *gap = &view->gaps[i];
		if (json_array_append_new(gaps,
		        json_pack("{s:o, s:o, s:o, s:o, s:b}", "first", json_count(gap->first),
		            "last", json_count(gap->last), "missing", json_count(gap->missing),
		            "since", json_time(gap->since / USEC_PER_SEC), "known",
		            gap->known != 0)) == -1) {
			json_decref(gaps);
			return NULL;
		}
	}
	return gaps;
}

static json_t *
states_json(unsigned states)
{
	json_t *all = json_array();

	for (int state = CLIENT_STATES - 1; state >= 0; state--) {
		const char *name = client_state_name((enum client_state)state);
		if (states & 1u << state && json_array_append_new(all, json_string(name)) == -1) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

static json_t *
client_json(const struct client_view *view)
{
	json_t *client = json_pack("{s:o, s:o, s:s, s:o, s:b, s:o, s:o, s:o, s:o, s:o}", "identity",
	    json_text(view->identity), "queue", json_text(view->queue), "state",
	    client_state_name(client_state_worst(view->states)), "states",
	    states_json(view->states), "connected", view->connected != 0, "settled",
	    view->queue[0] ? json_count(view->settled) : json_null(), "unsettled",
	    json_count(view->unsettled), "gaps", gaps_json(view), "gaps_total",
	    json_count(view->gaps_total), "gaps_unknown", json_count(view->gaps_unknown));

	for (size_t i = 0; i < FIGURES_COUNT; i++) {
		const struct member *figure = &figures_rows[i].member;
		if (json_object_set_new(client, figure->field.name,
		        figure_json(&view->figures, figure)) == -1) {
			json_decref(client);
			return NULL;
		}
	}
	return client;
}

char *
pages_clients(const struct client_view *views, size_t count, uint64_t next, int64_t now)
{
	struct list list;
	char more[48] = "\"next\":null,";

	if (next > 0)
		snprintf(more, sizeof more, "\"next\":%" PRIu64 ",", next);
	list_open(&list, more, "clients", now);
	for (size_t i = 0; i < count && !list.failed; i++)
		list_add(&list, client_json(&views[i]));
	return list_close(&list);
}
