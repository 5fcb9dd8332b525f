/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inbox-relay/relay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "inbox-relay/engine.h"
#include "inbox-relay/folder.h"
#include "inbox-relay/item.h"
#include "inbox-relay/stop.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/notify.h"

#define BATCH_ITEMS 256
#define BATCH_BYTES (8u << 20)          /* a batch is full with the item that comes to this */
#define LOOK_EVERY (CLOCK_SECOND / 5)   /* for items, where there were none */
#define AWAY_MIN CLOCK_SECOND           /* until an engine is tried again, doubled each time */
#define AWAY_MAX (60 * CLOCK_SECOND)
#define DELETE_EVERY (5 * CLOCK_SECOND) /* what is stored, and could not be deleted */

struct relay {
	const struct settings *settings;
	const struct engine *engine;
	void *at; /* the engine's */
	int is_open;
	int64_t away; /* how long it is left alone next; 0: it has answered */
	struct folder **folders;
	size_t turn;
	struct folder *failed; /* where one could not be deleted */
	struct item batch[BATCH_ITEMS];
	size_t count;
	uint64_t stored, aside;
	int64_t told; /* when the supervisor was */
	struct why trouble; /* what keeps items from going on; "": nothing */
};

static void
tell(struct relay *relay, int at_once)
{
	int64_t now = clock_monotonic();
	struct why status;

	if (!at_once && now - relay->told < CLOCK_SECOND)
		return;
	relay->told = now;
	why_say(&status, "%" PRIu64 " items in %s, %" PRIu64 " set aside%s%s", relay->stored,
	    engine_names[relay->settings->type], relay->aside, relay->trouble.text[0] ? "; " : "",
	    relay->trouble.text);
	notify_status(status.text);
}

/* Said once, until it is another one, or over: "". */
static void
be_troubled(struct relay *relay, const char *event, const char *why)
{
	if (strcmp(relay->trouble.text, why) == 0)
		return;
	if (why[0])
		log_event(LOG_ERR, event, "error=\"%s\"", why);
	else
		log_event(LOG_NOTICE, "relay_goes_on", "type=%s",
		    engine_names[relay->settings->type]);
	why_say(&relay->trouble, "%s", why);
	tell(relay, 1);
}

/* ---- the batch */

static int
be_gone(const struct folder *folder)
{
	/* A unit that does not list the folder has it so, too. */
	log_event(LOG_CRIT, "folder_gone", "folder=%s error=\"%s%s\" exit=%d",
	    folder_path(folder), strerror(errno),
	    errno == EROFS ? ": is it among ReadWritePaths of the unit?" : "", EX_IOERR);
	return EX_IOERR;
}

/* Takes what there is, each inbox in its turn.  An exit code: EX_IOERR where a folder is gone. */
static int
gather(struct relay *relay)
{
	size_t inboxes = relay->settings->inbox_count, bytes = 0, idle = 0;
	struct folder *folder;
	struct item *item;
	int rc;

	while (idle < inboxes && relay->count < BATCH_ITEMS && bytes < BATCH_BYTES &&
	    !stop_asked()) {
		item = &relay->batch[relay->count];
		folder = relay->folders[relay->turn++ % inboxes];
		rc = folder_claim(folder, item);
		if (rc < 0)
			return be_gone(folder);
		idle = rc ? 0 : idle + 1;
		relay->count += (size_t)rc;
		bytes += rc ? item->size : 0;
	}
	return EX_OK;
}

/* Ends those that have their end; the others stay, in their order.  0, or -1 with errno: one could
 * not be deleted. */
static int
finish(struct relay *relay)
{
	size_t left = 0, i;
	int rc = 0;

	for (i = 0; i < relay->count && rc == 0; i++) {
		struct item *item = &relay->batch[i];
		enum item_end end = item->end;

		if (end != ITEM_WAITS)
			rc = folder_finish(item);
		relay->stored += rc == 0 && end == ITEM_STORED;
		relay->aside += rc == 0 && end == ITEM_UNFIT;
		if (rc < 0)
			relay->failed = item->folder;
		if (rc < 0 || end == ITEM_WAITS)
			relay->batch[left++] = *item;
	}
	memmove(&relay->batch[left], &relay->batch[i], (relay->count - i) * sizeof *relay->batch);
	relay->count = left + relay->count - i;
	return rc;
}

/* What is stored must be deleted before others are taken: else a start would give it once more.
 * An exit code: EX_IOERR where the disk is gone. */
static int
finish_all(struct relay *relay)
{
	struct why why;

	while (finish(relay) < 0) {
		if (disk_is_gone(errno))
			return be_gone(relay->failed);
		why_say(&why, "cannot delete what is stored: %s", strerror(errno));
		be_troubled(relay, "delete_failed", why.text);
		if (stop_asked())
			return EX_OK;
		stop_sleep(DELETE_EVERY);
	}
	return EX_OK;
}

/* Of the batch those that wait stand first: finish_all() has ended the others. */
static enum engine_answer
give(struct relay *relay, struct why *why)
{
	enum engine_answer answer = ENGINE_DONE;

	if (!relay->is_open)
		answer = relay->engine->open(relay->at, why);
	if (answer == ENGINE_DONE && !relay->is_open) {
		relay->is_open = 1;
		log_event(LOG_NOTICE, "engine_open", "type=%s",
		    engine_names[relay->settings->type]);
	}
	if (answer == ENGINE_DONE && relay->count > 0)
		answer = relay->engine->put(relay->at, relay->batch, relay->count, why);
	if (answer != ENGINE_DONE) {
		relay->engine->close(relay->at);
		relay->is_open = 0;
	}
	return answer;
}

static int
refuse(const struct why *why)
{
	log_event(LOG_CRIT, "engine_refused", "error=\"%s\" exit=%d", why->text, EX_CONFIG);
	return EX_CONFIG;
}

/* One batch, or a part of one.  An exit code; EX_OK: go on. */
static int
deliver(struct relay *relay, int once)
{
	struct why why = {""};
	enum engine_answer answer = give(relay, &why);
	int code;

	if (answer == ENGINE_DONE) {
		relay->away = 0;
		be_troubled(relay, "", "");
	}
	code = finish_all(relay);
	if (code != EX_OK || answer == ENGINE_DONE)
		return code;
	if (answer == ENGINE_REFUSED)
		return refuse(&why);
	be_troubled(relay, "engine_away", why.text);
	if (once)
		return EX_TEMPFAIL;
	relay->away = relay->away == 0 ? AWAY_MIN :
	    relay->away < AWAY_MAX / 2 ? 2 * relay->away : AWAY_MAX;
	stop_sleep(relay->away);
	return EX_OK;
}

static int
serve(struct relay *relay, int once)
{
	int code = deliver(relay, once); /* the engine is looked at before anything is claimed */

	while (code == EX_OK && !stop_asked()) {
		if (relay->count == 0 && relay->is_open)
			code = gather(relay);
		if (code == EX_OK)
			code = finish_all(relay); /* what is unfit already */
		if (code != EX_OK)
			break;
		if (relay->count > 0 || !relay->is_open)
			code = deliver(relay, once);
		else if (once)
			break;
		else
			stop_sleep(LOOK_EVERY);
		tell(relay, 0);
	}
	return code;
}

/* ---- start and end */

static int
open_folders(struct relay *relay, struct why *why)
{
	const struct settings *settings = relay->settings;

	relay->folders = calloc(settings->inbox_count, sizeof(struct folder *));
	relay->at = relay->engine->begin(settings);
	if (!relay->folders || !relay->at) {
		why_say(why, "%s", strerror(ENOMEM));
		return EX_OSERR;
	}
	for (size_t i = 0; i < settings->inbox_count; i++) {
		relay->folders[i] = folder_open(&settings->inboxes[i], settings->item, why);
		if (!relay->folders[i])
			return errno == ENOENT ? EX_NOINPUT : EX_NOPERM;
	}
	return EX_OK;
}

static struct relay *
begin(const struct settings *settings)
{
	struct relay *relay = calloc(1, sizeof *relay);

	if (!relay)
		return NULL;
	relay->settings = settings;
	relay->engine = engine_of(settings->type);
	return relay;
}

static void
end(struct relay *relay)
{
	if (!relay)
		return;
	while (relay->count > 0)
		folder_let_go(&relay->batch[--relay->count]);
	for (size_t i = 0; relay->folders && i < relay->settings->inbox_count; i++)
		folder_close(relay->folders[i]);
	free(relay->folders);
	if (relay->at)
		relay->engine->close(relay->at);
	relay->engine->end(relay->at);
	free(relay);
}

/* An exit code; EX_OSERR with why where there is no memory, too. */
static int
start(struct relay *relay, struct why *why)
{
	if (relay && stop_begin() == 0)
		return open_folders(relay, why);
	why_say(why, "%s", strerror(errno));
	return EX_OSERR;
}

int
relay_run(const struct settings *settings, int once)
{
	struct relay *relay = begin(settings);
	struct why why;
	int code = start(relay, &why);

	if (code == EX_OK) {
		log_event(LOG_NOTICE, "started", "version=%s inboxes=%zu", PACKAGE_VERSION,
		    settings->inbox_count);
		notify_ready();
		code = serve(relay, once);
		notify_stopping();
		log_event(LOG_NOTICE, "stopped", "signal=%d stored=%" PRIu64 " aside=%" PRIu64
		    " exit=%d", stop_asked(), relay->stored, relay->aside, code);
	} else {
		log_event(LOG_CRIT, "start_failed", "error=\"%s\" exit=%d", why.text, code);
	}
	end(relay);
	return code;
}

int
relay_check(const struct settings *settings)
{
	struct relay *relay = begin(settings);
	struct why why = {""};
	int code = start(relay, &why);

	if (code == EX_OK)
		switch (give(relay, &why)) {
		case ENGINE_DONE:
			break;
		case ENGINE_REFUSED:
			code = EX_CONFIG;
			break;
		case ENGINE_AWAY:
			code = EX_TEMPFAIL;
			break;
		}
	if (code != EX_OK)
		log_complain("inbox-relay", "%s", why.text);
	end(relay);
	return code;
}
