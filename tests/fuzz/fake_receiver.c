/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "fake_receiver.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_conn.h"
#include "fuzz.h"
#include "inboxd/commit/request.h"
#include "lib/digest.h"
#include "lib/disk.h"
#include "lib/parse.h"
#include "lib/proto.h"

#define STORED_MAX 512

struct worker worker;
struct event_base *base;
struct settings settings;
struct site site;
struct inbox inboxes[2];
static char *all_clients[] = {"*"}, *other_clients[] = {"srv*", "[!p]*"};
static struct conf_list client_lists[2] = {{all_clients, 1}, {other_clients, 2}};
static char queue_token;

/* STORED answers that are due, in order; each item known by its digest. */
static struct {
	uint64_t number;
	char name[NAME_ROOM], queue_id[PROTO_QUEUE_LEN + 1];
	unsigned char sha256[DIGEST_SIZE];
	int again, is_due;
} stored[STORED_MAX];
static size_t stored_count, stored_seen;

/* ---- what a session asks of its worker */

void
fake_on_empty(struct shop *shop)
{
	FUZZ_CHECK(shop == &worker.shop && !shop->guests);
}

/* What is handed over is whole, as its line declared it.  (Of bytes that were digested as
 * they came and changed by others since, the receiver cannot know.) */
static void
check_draft(const struct item *item)
{
	unsigned char sha256[DIGEST_SIZE];
	unsigned long long size;
	int fd = openat(item->draft.inbox->tmp, item->draft.name, O_RDONLY | O_CLOEXEC);

	FUZZ_CHECK(fd >= 0 && digest_file(fd, 0, sha256, &size) == 0);
	close(fd);
	FUZZ_CHECK(worker.was_tampered_with ||
	    (size == item->size && memcmp(sha256, item->sha256, DIGEST_SIZE) == 0));
}

/* Those that came in pieces do not wait for the window when they become whole. */
static int
is_large(const struct item *item)
{
	return !item->asks && item->counted < item->size;
}

static void
check_item(const struct item *item)
{
	FUZZ_CHECK(item->refusal ||
	    (item->draft.inbox == &inboxes[0] && item->size <= inboxes[0].size));
	FUZZ_CHECK(item->number >= 1 && item->number <= PROTO_NUMBER_MAX);
	FUZZ_CHECK(strnlen(item->hint, sizeof item->hint) < sizeof item->hint);
	if (!item->asks)
		check_draft(item);
	worker.in_items++;
	worker.in_large += (uint64_t)is_large(item);
	worker.in_bytes += item->counted;
	FUZZ_CHECK(worker.in_bytes <= settings.bytes || worker.in_bytes == item->counted);
}

void
fake_send(struct shop *shop, struct message *message)
{
	struct worker *w = &worker;

	FUZZ_CHECK(shop == &w->shop);
	if (message->kind == COMMIT_ITEM)
		check_item((struct item *)message);
	else if (message->kind == COMMIT_SETTLED || message->kind == COMMIT_SKIP ||
	    message->kind == COMMIT_STATE)
		w->in_notices++;
	FUZZ_CHECK(message->kind == COMMIT_JOIN || w->has_joined);
	FUZZ_CHECK(w->in_items - w->in_large + w->in_notices <= settings.window);
	message->next = NULL;
	*w->end = message;
	w->end = &message->next;
}

/* ---- the commit thread */

/* Tells the session that a newer one has its queue. */
static struct request *superseded;

static void
answer_join(struct join *join)
{
	FUZZ_CHECK(!worker.has_joined);
	FUZZ_CHECK(is_hex(join->queue_id, strlen(join->queue_id), PROTO_QUEUE_LEN));
	FUZZ_CHECK(strcmp(join->identity, "pc17.example.org") == 0 && join->settled >= 1);
	worker.has_joined = 1;
	snprintf(worker.queue_id, sizeof worker.queue_id, "%s", join->queue_id);
	if (!worker.refuses_queue) {
		join->queue = (struct queue *)&queue_token;
		superseded = join->superseded;
		join->superseded = NULL;
	}
	join->generation = 7;
	join->opens = &worker.client_opens;
	join->mark = join->settled;
	(void)request_return(&join->request.message);
}

static void
check_token(const struct queue *queue, uint64_t generation)
{
	FUZZ_CHECK(queue == (struct queue *)&queue_token && generation == 7);
}

static size_t
find_stored(const struct item *item)
{
	size_t i;

	for (i = 0; i < stored_count; i++)
		if (stored[i].number == item->number && !stored[i].again &&
		    strcmp(stored[i].queue_id, worker.queue_id) == 0 &&
		    memcmp(stored[i].sha256, item->sha256, DIGEST_SIZE) == 0)
			break;
	return i;
}

/* Publishes the item, or finds it again; and the answer is due. */
static void
store(struct item *item, size_t known)
{
	const char *name = item->draft.name;

	if (known < stored_count) {
		item->outcome = ITEM_AGAIN;
		name = stored[known].name;
		memcpy(item->first_name, name, NAME_ROOM);
		worker.again++;
	} else {
		item->outcome = ITEM_STORED;
		FUZZ_CHECK(disk_publish(item->draft.inbox->tmp, name, item->draft.inbox->new,
		    name) == 0);
		draft_close(&item->draft); /* it would be the publisher's */
		item->draft.fd = -1;
		item->draft.site = NULL;
		worker.stored++;
	}
	stored[stored_count].again = item->outcome == ITEM_AGAIN;
	stored[stored_count].number = item->number;
	stored[stored_count].is_due = fake_is_there();
	memcpy(stored[stored_count].sha256, item->sha256, DIGEST_SIZE);
	memcpy(stored[stored_count].queue_id, worker.queue_id, sizeof worker.queue_id);
	memcpy(stored[stored_count].name, name, NAME_ROOM);
	stored_count++;
}

static void
store_item(struct item *item, unsigned how)
{
	static const enum proto_code codes[] = {
	    CODE_LATER_TROUBLE, CODE_LATER_FULL, CODE_LATER_UNSETTLED};
	size_t known = find_stored(item);

	check_token(item->queue, item->generation);
	worker.in_items--;
	worker.in_large -= (uint64_t)is_large(item);
	worker.in_bytes -= item->counted;
	item->outcome = ITEM_LATER;
	if (worker.is_superseded) {
		item->outcome = ITEM_STALE;
		worker.stale++;
	} else if (how >= 1 && how <= 3) {
		item->code = codes[how - 1];
	} else if (stored_count == STORED_MAX) {
		item->code = CODE_LATER_UNSETTLED;
	} else if (item->asks && known == stored_count) {
		item->outcome = ITEM_UNKNOWN;
	} else {
		store(item, known);
	}
	(void)request_return(&item->request.message);
}

int
fake_commit_one(unsigned how)
{
	struct message *message = worker.first;
	struct notice *notice = (struct notice *)message;

	if (!message)
		return 0;
	worker.first = message->next;
	if (!worker.first)
		worker.end = &worker.first;
	switch ((enum commit_message)message->kind) {
	case COMMIT_JOIN:
		answer_join((struct join *)message);
		return 1;
	case COMMIT_LEAVE:
		check_token(notice->queue, notice->generation);
		FUZZ_CHECK(worker.in_items == 0 && worker.in_notices == 0);
		worker.is_superseded = 1; /* nobody is told any more */
		free(superseded);
		superseded = NULL;
		(void)request_return(message);
		return 1;
	case COMMIT_ITEM:
		store_item((struct item *)message, how);
		break;
	case COMMIT_SETTLED:
	case COMMIT_SKIP:
		FUZZ_CHECK(notice->number >= 1);
		/* fall through */
	case COMMIT_STATE:
		check_token(notice->queue, notice->generation);
		worker.in_notices--;
		(void)request_return(message);
		break;
	default:
		fuzz_fail(__FILE__, __LINE__, "a message that a session sends");
	}
	return 1;
}

void
fake_supersede(void)
{
	if (!worker.shop.guests || !worker.has_joined || worker.refuses_queue ||
	    worker.is_superseded)
		return;
	worker.is_superseded = 1;
	(void)request_return(&superseded->message);
	superseded = NULL;
}

/* ---- what the client hears */

static void
check_stored(const struct proto_line *line)
{
	struct span name = line->text[FIELD_NAME];

	while (stored_seen < stored_count && !stored[stored_seen].is_due)
		stored_seen++;
	FUZZ_CHECK(stored_seen < stored_count);
	FUZZ_CHECK(stored[stored_seen].number == line->number[FIELD_NUMBER]);
	FUZZ_CHECK(strlen(stored[stored_seen].name) == name.len &&
	    memcmp(stored[stored_seen].name, name.at, name.len) == 0);
	FUZZ_CHECK(stored[stored_seen].again == proto_has(line, FIELD_AGAIN));
	stored_seen++;
}

void
fake_check_output(void)
{
	unsigned long said[PROTO_VERBS] = {0};
	struct proto_error error;
	struct proto_line line;
	const char *text;
	size_t len;
	int end;

	text = fake_output(&len);
	for (; len; text += end, len -= (size_t)end) {
		end = proto_find_line((const unsigned char *)text, len, &error);
		FUZZ_CHECK(end > 0);
		FUZZ_CHECK(proto_parse(text, (size_t)end - 1, PROTO_SERVER, &line, &error) == 0);
		FUZZ_CHECK(!said[VERB_BYE] && !said[VERB_ERROR]);
		said[line.verb]++;
		if (line.verb == VERB_STORED)
			check_stored(&line);
		if (line.verb == VERB_STORED || line.verb == VERB_LATER ||
		    line.verb == VERB_REFUSED || line.verb == VERB_SEND ||
		    line.verb == VERB_BYE || line.verb == VERB_PONG)
			FUZZ_CHECK(said[VERB_READY] == 1);
	}
	FUZZ_CHECK(said[VERB_READY] <= 1 && said[VERB_GOAWAY] <= 1);
	worker.said_ready += said[VERB_READY];
	FUZZ_CHECK(worker.client_opens == 0 && worker.opens == 0);
	FUZZ_CHECK(worker.said_ready == stats_get(&worker.shop.stats, STAT_SESSIONS));
	FUZZ_CHECK(said[VERB_ERROR] <= stats_get(&worker.shop.stats, STAT_PROTOCOL_ERRORS));
	for (; stored_seen < stored_count; stored_seen++)
		FUZZ_CHECK(!stored[stored_seen].is_due);
}

void
fake_check_counters(void)
{
	const struct stats *stats = &worker.shop.stats;
	uint64_t ended = 0;

	for (enum counter c = STAT_STORED; c <= STAT_CUT_OFF; c++)
		ended += stats_get(stats, c);
	FUZZ_CHECK(stats_get(stats, STAT_NOW_IN_FLIGHT) == 0);
	FUZZ_CHECK(stats_get(stats, STAT_OFFERED) == ended);
	FUZZ_CHECK(stats_get(stats, STAT_STORED) == worker.stored);
	FUZZ_CHECK(stats_get(stats, STAT_AGAIN) == worker.again);
	FUZZ_CHECK(stats_get(stats, STAT_CUT_OFF) >= worker.stale);
	FUZZ_CHECK(stats_get(stats, STAT_CONNECTIONS) == worker.connections);
	FUZZ_CHECK(stats_get(stats, STAT_NOW_CONNECTIONS) == 0);
	FUZZ_CHECK(stats_get(stats, STAT_PROTOCOL_ERRORS) <= worker.connections);
	FUZZ_CHECK(stats_get(stats, STAT_UNHEARD) <= worker.stored + worker.again);
}

/* ---- set-up */

static void
open_inbox(struct inbox *inbox, const char *name, uint64_t size, const struct conf_list *clients)
{
	char path[256];

	for (size_t i = 0; i < INBOX_PARTS; i++) {
		snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
		FUZZ_CHECK(i > 0 || mkdir(path, 0700) == 0);
		snprintf(path, sizeof path, "%s/%s/%s", fuzz_folder(), name, inbox_parts[i]);
		FUZZ_CHECK(mkdir(path, 0700) == 0);
	}
	snprintf(inbox->name, sizeof inbox->name, "%s", name);
	snprintf(path, sizeof path, "%s/%s/tmp", fuzz_folder(), name);
	inbox->tmp = disk_open_dir(AT_FDCWD, path);
	snprintf(path, sizeof path, "%s/%s/new", fuzz_folder(), name);
	inbox->new = disk_open_dir(AT_FDCWD, path);
	FUZZ_CHECK(inbox->tmp >= 0 && inbox->new >= 0);
	inbox->size = size;
	inbox->suffix = ".msg";
	inbox->clients = clients;
}

void
fake_set_up(void)
{
	inboxes[0].inflow = inflow_new();
	inboxes[1].inflow = inflow_new();
	open_inbox(&inboxes[0], "status", 4096, &client_lists[0]);
	open_inbox(&inboxes[1], "payroll", 4096, &client_lists[1]);
	site.references = 1;
	site.settings = &settings;
	snprintf(site.host, sizeof site.host, "cap1");
	site.item = 4096;
	site.inboxes = inboxes;
	site.inbox_count = 2;
	base = event_base_new();
	FUZZ_CHECK(base);
	fuzz_watch_log();
}

void
fake_forget(void)
{
	stored_count = stored_seen = 0;
}
