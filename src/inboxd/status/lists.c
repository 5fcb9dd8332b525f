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
 *	   "oldest": 1795359000,         modification time of the oldest of them
 *	   "claimed": 1,                 likewise of cur/
 *	   "claimed_oldest": 1795358000,
 *	   "counted": 1795359598,        when these were; null: not yet
 *	   "error": null}]}              or why a folder could not be read
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

static json_t *
json_files(const struct inbox_pile *pile)
{
	return pile->known ? json_count(pile->files) : json_null();
}

char *
pages_inboxes(const struct status_source *source, int64_t now)
{
	struct list list;
	struct inbox_view view;

	list_open(&list, "", "inboxes", now);
	for (size_t i = 0; !list.failed; i++) {
		if (source->inbox(source->ctx, i, &view) == -1)
			break;
		const struct inbox_count *count = &view.count;
		list_add(&list, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		    "name", json_text(view.name), "folder", json_text(view.folder), "suffix",
		    json_text(view.suffix), "size_limit_bytes", json_count(view.size),
		    "waiting", json_files(&count->waiting),
		    "oldest", json_time(count->waiting.oldest / USEC_PER_SEC),
		    "claimed", json_files(&count->claimed),
		    "claimed_oldest", json_time(count->claimed.oldest / USEC_PER_SEC),
		    "counted", json_time(count->begun / USEC_PER_SEC),
		    "error", json_text(count->error)));
	}
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
