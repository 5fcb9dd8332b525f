/* SPDX-License-Identifier: ISC */
/*
 * The receiver knows how the client is, and the ledger what it did.  Where the receiver does not
 * answer, the ledger says of the former what it has: all but who is connected now.
 */
#include "config.h"

#include "inboxctl/client.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/pages/page.h"
#include "inboxctl/pages/show.h"
#include "inboxctl/pages/show_cells.h"
#include "inboxctl/root/journaled.h"
#include "inboxctl/root/root.h"
#include "inboxctl/root/segments.h"
#include "inboxctl/root/story.h"
#include "inboxctl/root/tail.h"
#include "inboxctl/screens/client_show.h"
#include "lib/identity.h"

#define USEC_PER_SEC 1000000

/* ---- by the receiver */

/* 0, or an exit code: `why` says why nothing came. */
static int
ask_receiver(const char *socket_path, struct client_story *story, struct why *why)
{
	char path[PAGE_PATH_ROOM] = "/clients";
	struct json_t *page;
	enum fetch_result result;
	int rc;

	fetch_add(path, sizeof path, "identity", story->client);
	result = page_ask(socket_path, path, FETCH_PATIENCE, &page, why);
	if (result != FETCH_OK)
		return result == FETCH_PROTOCOL ? EX_PROTOCOL : EX_UNAVAILABLE;
	rc = show_check(page, "clients", JSON_ARRAY, why);
	if (rc == 0) {
		story->queues = json_incref(json_object_get(page, "clients"));
		story->now = show_integer(page, "now");
		story->is_live = 1;
	}
	show_free(page);
	return rc < 0 ? EX_PROTOCOL : EX_OK;
}

/* ---- by the ledger */

static json_t *
figure_json(const struct figures *figures, const struct member *member)
{
	if (member->field.kind != KIND_NUMBER && member->field.kind != KIND_BYTES &&
	    member_is_empty(member, figures))
		return json_null();
	if (member->field.kind == KIND_TIME)
		return json_integer(member_number(member, figures) / USEC_PER_SEC);
	if (member_is_number(member))
		return json_integer(member_number(member, figures));
	return json_string(member_of(member, figures));
}

static json_t *
gap_json(const struct story_gap *gap)
{
	return json_pack("{s:I, s:I, s:I, s:o, s:b}", "first", (json_int_t)gap->first, "last",
	    (json_int_t)gap->last, "missing",
	    (json_int_t)(gap->missing ? gap->missing : gap->last - gap->first + 1), "since",
	    gap->since ? json_integer(gap->since / USEC_PER_SEC) : json_null(), "known",
	    gap->is_known);
}

/* NULL: out of memory. */
static json_t *
queue_json(const char *client, const struct story_queue *queue)
{
	json_t *gaps = json_array(), *out;
	int failed = 0;

	for (size_t i = 0; i < queue->gap_count; i++)
		failed |= json_array_append_new(gaps, gap_json(&queue->gaps[i]));
	out = json_pack("{s:s, s:s, s:n, s:b, s:I, s:o, s:o}", "identity", client, "queue",
	    queue->id, "state", "connected", 0, "settled", (json_int_t)queue->settled, "gaps",
	    gaps, "forgotten",
	    queue->forgotten ? json_integer(queue->forgotten / USEC_PER_SEC) : json_null());
	for (size_t i = 0; i < FIGURES_COUNT; i++) {
		const struct member *member = &figures_rows[i].member;
		failed |= json_object_set_new(
		    out, member->field.name, figure_json(&queue->figures, member));
	}
	if (!failed)
		return out;
	json_decref(out);
	return NULL;
}

/* All segments' records, and of the newest the state.  0, or an exit code, and it is told. */
static int
read_queues(const struct root *root, struct story *told)
{
	struct segments *segments = segments_open(root->ledger, root->id);
	struct record record;
	int rc = -1;

	if (!segments) {
		complain("out of memory");
		return EX_OSERR;
	}
	while ((rc = segments_next(segments, &record)) == 1)
		if (story_take(told, &record, segments_in_state(segments)) < 0) {
			complain("out of memory");
			rc = -2;
			break;
		}
	segments_close(segments);
	return rc == 0 ? EX_OK : rc == -2 ? EX_OSERR : EX_NOINPUT;
}

static int
ask_ledger(const struct root *root, struct client_story *story)
{
	struct story told = {.client = story->client};
	int code = read_queues(root, &told);

	story->queues = json_array();
	story->now = told.time / USEC_PER_SEC;
	for (size_t i = 0; code == EX_OK && i < told.count; i++)
		if (json_array_append_new(
		        story->queues, queue_json(story->client, &told.queues[i])) == -1) {
			complain("out of memory");
			code = EX_OSERR;
		}
	story_free(&told);
	return code;
}

/* ---- the last records */

static int
is_wanted(void *ctx, const struct record *record)
{
	const struct client_story *story = ctx;

	switch (record->type) {
	case RECORD_ACCEPT:
	case RECORD_SKIP:
		break;
	case RECORD_GAP:
		if (record->kept)
			return 0;
		break;
	case RECORD_QUEUE:
		if (!record->forgotten)
			return 0;
		break;
	case RECORD_BEGIN:
	case RECORD_MARK:
	case RECORD_VOID:
	case RECORD_RENAMED:
	case RECORD_SETTLED:
	case RECORD_STATE:
	case RECORD_END:
	case RECORD_TYPES:
		return 0;
	}
	return strcmp(record->identity, story->client) == 0;
}

/* `ring` has room for CLIENT_RECORDS; *next: how many were put there, the oldest overwritten. */
static int
read_last(struct history *history, struct entry *ring, size_t *next)
{
	int rc;

	while ((rc = history_next(history, &ring[*next % CLIENT_RECORDS])) == 1)
		++*next;
	return rc < 0 ? EX_NOINPUT : history_damage(history) > 0 ? EX_DATAERR : EX_OK;
}

static int
read_records(const struct root *root, struct client_story *story, struct entry *ring)
{
	char after[SEGMENT_NAME_ROOM];
	struct journaled journaled;
	struct history *history;
	size_t next = 0;
	int code = EX_OSERR;

	journaled_open(&journaled, root);
	history = history_open(root, &journaled, is_wanted, story);
	if (!history) {
		complain("out of memory");
	} else if (tail_find(root, CLIENT_RECORDS, is_wanted, story, after) < 0) {
		code = EX_NOINPUT;
	} else {
		history_after(history, after);
		code = read_last(history, ring, &next);
	}
	history_close(history);
	journaled_close(&journaled);
	story->count = next < CLIENT_RECORDS ? next : CLIENT_RECORDS;
	for (size_t i = 0; i < story->count; i++)
		story->records[i] = &ring[(next - story->count + i) % CLIENT_RECORDS];
	return code;
}

/* ---- the whole */

/* What the root says, where there is one to look into; `asked` is why the receiver said nothing. */
static int
read_root(const char *path, int asked, struct client_story *story, struct entry *ring)
{
	struct root root;
	int code;

	if (!path)
		return asked;
	if (root_open(&root, path) < 0)
		return EX_NOINPUT;
	code = asked ? ask_ledger(&root, story) : EX_OK;
	if (code == EX_OK)
		code = read_records(&root, story, ring);
	root_close(&root);
	return code;
}

static int
show(const struct client_story *story, int json)
{
	if ((json ? client_show_json : client_show)(story) == 0)
		return EX_OK;
	complain("out of memory");
	return EX_OSERR;
}

int
client_tell(const char *client, const char *socket_path, const char *root, int json,
    enum client_told *told)
{
	struct client_story story = {.client = client};
	struct entry *ring = calloc(CLIENT_RECORDS, sizeof *ring);
	struct why why = {""};
	int code, asked, shown = EX_OK;

	*told = CLIENT_FAILED;
	if (!ring) {
		complain("out of memory");
		return EX_OSERR;
	}
	asked = ask_receiver(socket_path, &story, &why);
	if (asked)
		complain("%s: %s", socket_path, why.text);
	code = read_root(root, asked, &story, ring);
	if (asked && code != EX_OK && code != EX_DATAERR) {
		shown = asked;
	} else if (json_array_size(story.queues) == 0 && story.count == 0) {
		*told = CLIENT_UNKNOWN;
		complain("%s: no such client is known", client);
		shown = EX_NOINPUT;
	} else {
		*told = CLIENT_SHOWN;
		shown = show(&story, json);
	}
	json_decref(story.queues);
	free(ring);
	return shown ? shown : code;
}

int
client_command(const struct arguments *arguments)
{
	enum client_told told;

	return client_tell(arguments->operand, arguments->socket, arguments->root,
	    arguments->json != NULL, &told);
}
