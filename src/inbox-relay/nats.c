/* SPDX-License-Identifier: ISC */
/*
 * NATS JetStream: a message an item, acknowledged each by itself.
 *
 * Requests and answers of JetStream are plain messages with JSON in them: so they are written and
 * read here, and the client library carries them.  Of that an answer is not taken for more than it
 * says, and what a newer server tells of a stream is there to be judged, known to the library or
 * not.
 *
 * What cannot be asked is whether a server syncs before it answers: that is [jetstream]
 * sync_interval: always, which servers before 2.10 do not have; by default it is two minutes.  So
 * somebody has to vouch for it.
 *
 * Rejected: the library's JetStream calls, of which the asynchronous one tells which messages
 * failed, and leaves it to be concluded which did not; its reconnecting, behind which nobody has
 * looked at what is there now.
 */
#include "config.h"

#include "inbox-relay/engine.h"

#ifdef HAVE_NATS

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <nats/nats.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "inbox-relay/item.h"
#include "inbox-relay/settings.h"
#include "inbox-relay/stop.h"
#include "lib/escape.h"
#include "lib/parse.h"

#define ASK_FOR 5000      /* milliseconds, for what is not an item */
#define LISTEN_FOR 100    /* milliseconds, between two looks at the clock */
#define TEXT_ROOM 4096    /* a value of a header, escaped */
#define LOOK_AGAIN (10 * CLOCK_SECOND)
#define TOO_LARGE 10054   /* JSStreamMessageExceedsMaximumErr */

struct nats {
	const struct settings *settings;
	natsConnection *conn;
	natsSubscription *acks;
	natsInbox *inbox; /* the acks' subjects are this and ".BATCH-INDEX" */
	uint64_t batch;
	int64_t looked;
};

static int
lacks(const struct settings *settings, struct why *why)
{
	if (settings->servers.count == 0)
		return why_say(why, "[nats] servers is missing, as nats://nats1:4222");
	return settings->stream ? 0 : why_say(why, "[nats] stream is missing");
}

static void *
begin(const struct settings *settings)
{
	struct nats *nats = calloc(1, sizeof *nats);

	if (nats)
		nats->settings = settings;
	return nats;
}

static void
close_connection(void *engine)
{
	struct nats *nats = engine;

	natsSubscription_Destroy(nats->acks);
	natsConnection_Destroy(nats->conn);
	natsInbox_Destroy(nats->inbox);
	nats->acks = NULL;
	nats->conn = NULL;
	nats->inbox = NULL;
	nats->looked = 0;
}

static void
end(void *engine)
{
	free(engine);
	nats_Close();
}

static enum engine_answer
be_away(struct why *why, const char *what, natsStatus status)
{
	natsStatus last;
	const char *detail = nats_GetLastError(&last);

	why_say(why, "%s: %s%s%s", what, natsStatus_GetText(status), detail && *detail ? ", " : "",
	    detail ? detail : "");
	return ENGINE_AWAY;
}

/* ---- the stream */

static json_t *
parse(natsMsg *msg)
{
	return json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), 0, NULL);
}

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* Does a bound of a stream hold?  They are -1, or 0, where there is none. */
static int
is_bound(const json_t *config, const char *key)
{
	return json_integer_value(json_object_get(config, key)) > 0;
}

/* What keeps an answer of this stream from meaning that the item is there for good; or NULL. */
static const char *
judge(const struct settings *settings, const json_t *config)
{
	int is_new = strcmp(text_of(config, "discard"), "new") == 0;
	int is_new_each = json_is_true(json_object_get(config, "discard_new_per_subject"));
	const char *persist = text_of(config, "persist_mode");

	if (!json_object_get(config, "compression"))
		return "the server is older than NATS 2.10, and cannot sync before it answers";
	if (strcmp(text_of(config, "storage"), "file") != 0)
		return "its storage is no file: it does not outlive the server";
	if (*persist && strcmp(persist, "default") != 0)
		return "its persist_mode has it answer before it has written";
	if (json_is_true(json_object_get(config, "no_ack")))
		return "it acknowledges nothing (no_ack)";
	if (strcmp(text_of(config, "retention"), "interest") == 0)
		return "its retention is interest: what no consumer waits for is dropped";
	if ((is_bound(config, "max_msgs") || is_bound(config, "max_bytes")) && !is_new)
		return "it drops old messages for new ones (max_msgs, max_bytes): want discard new";
	if (is_bound(config, "max_msgs_per_subject") && !(is_new && is_new_each))
		return "it drops old messages for new ones (max_msgs_per_subject)";
	if (is_bound(config, "max_age") && !settings_trust(settings, TRUST_MAX_AGE))
		return "it drops messages of some age (max_age): where each is taken by then, say "
		    "[engine] trust = " TRUST_MAX_AGE;
	if (!settings_trust(settings, TRUST_SYNC_ALWAYS))
		return "whether the server syncs before it answers cannot be asked: where it has "
		    "[jetstream] sync_interval: always, say [engine] trust = " TRUST_SYNC_ALWAYS;
	return NULL;
}

static enum engine_answer
judge_answer(const struct nats *nats, const json_t *answer, struct why *why)
{
	const json_t *config = json_object_get(answer, "config");
	const char *error = text_of(json_object_get(answer, "error"), "description");
	const char *fault;

	if (!json_is_object(config)) {
		why_say(why, "stream %s: %s", nats->settings->stream,
		    *error ? error : "the server does not say how it is");
		return ENGINE_AWAY;
	}
	fault = judge(nats->settings, config);
	if (!fault)
		return ENGINE_DONE;
	why_say(why, "stream %s: %s", nats->settings->stream, fault);
	return ENGINE_REFUSED;
}

/* Asks how the stream is, where that is not known by now. */
static enum engine_answer
look(struct nats *nats, struct why *why)
{
	enum engine_answer answer;
	natsMsg *msg = NULL;
	natsStatus status;
	struct why subject;
	json_t *info;

	if (nats->looked && clock_monotonic() - nats->looked < LOOK_AGAIN)
		return ENGINE_DONE;
	why_say(&subject, "$JS.API.STREAM.INFO.%s", nats->settings->stream);
	status = natsConnection_RequestString(&msg, nats->conn, subject.text, "", ASK_FOR);
	if (status != NATS_OK)
		return be_away(why, "JetStream", status);
	info = parse(msg);
	natsMsg_Destroy(msg);
	answer = judge_answer(nats, info, why);
	json_decref(info);
	if (answer == ENGINE_DONE)
		nats->looked = clock_monotonic();
	return answer;
}

/* ---- opening */

/* The library takes tls:// for nats://. */
static int
wants_tls(const struct settings *settings)
{
	for (size_t i = 0; i < settings->servers.count; i++)
		if (strncasecmp(settings->servers.items[i], "tls:", strlen("tls:")) == 0)
			return 1;
	return settings->ca || settings->certificate;
}

static natsStatus
set_options(const struct settings *settings, natsOptions *options)
{
	natsStatus status = natsOptions_SetServers(options, (const char **)settings->servers.items,
	    (int)settings->servers.count);

	if (status == NATS_OK)
		status = natsOptions_SetName(options, "inbox-relay");
	if (status == NATS_OK)
		status = natsOptions_SetTimeout(options, ASK_FOR);
	if (status == NATS_OK)
		status = natsOptions_SetAllowReconnect(options, false);
	if (status == NATS_OK) /* else a server that reads nothing more holds us up for ever */
		status = natsOptions_SetWriteDeadline(options, (int64_t)settings->timeout * 1000);
	if (status == NATS_OK && settings->credentials)
		status = natsOptions_SetUserCredentialsFromFiles(options,
		    settings->credentials, NULL);
	if (status == NATS_OK && settings->ca)
		status = natsOptions_LoadCATrustedCertificates(options, settings->ca);
	if (status == NATS_OK && settings->certificate)
		status = natsOptions_LoadCertificatesChain(options, settings->certificate,
		    settings->key);
	if (status == NATS_OK && wants_tls(settings))
		status = natsOptions_SetSecure(options, true);
	return status;
}

static enum engine_answer
open_it(void *engine, struct why *why)
{
	struct nats *nats = engine;
	natsOptions *options = NULL;
	natsStatus status = natsOptions_Create(&options);
	struct why subject;

	if (status == NATS_OK)
		status = set_options(nats->settings, options);
	if (status == NATS_OK)
		status = natsConnection_Connect(&nats->conn, options);
	natsOptions_Destroy(options);
	if (status == NATS_OK)
		status = natsInbox_Create(&nats->inbox);
	if (status != NATS_OK)
		return be_away(why, "cannot connect", status);
	why_say(&subject, "%s.*", nats->inbox);
	status = natsConnection_SubscribeSync(&nats->acks, nats->conn, subject.text);
	return status == NATS_OK ? look(nats, why) : be_away(why, "cannot subscribe", status);
}

/* ---- items */

static natsStatus
set_header(natsMsg *msg, const char *name, const char *value)
{
	char text[TEXT_ROOM], key[32];

	if (!value)
		return NATS_OK;
	snprintf(key, sizeof key, "Inbox-%s", name);
	key[strlen("Inbox-")] = (char)toupper((unsigned char)*name);
	escape_bytes(text, sizeof text, value, strlen(value));
	return natsMsgHeader_Set(msg, key, text);
}

static natsStatus
set_headers(const struct nats *nats, natsMsg *msg, const struct item *item)
{
	struct why id;
	natsStatus status;

	/* What has other bytes is no duplicate, which the stream would drop, and say it has it. */
	why_say(&id, "%s/%s/%s", item->root, item->name, item->sha256);
	status = natsMsgHeader_Set(msg, "Nats-Msg-Id", id.text);
	if (status == NATS_OK)
		status = natsMsgHeader_Set(msg, "Nats-Expected-Stream", nats->settings->stream);
	if (status == NATS_OK)
		status = set_header(msg, "root", item->root);
	if (status == NATS_OK)
		status = set_header(msg, "item", item->name);
	if (status == NATS_OK)
		status = set_header(msg, "inbox", item->inbox);
	for (int i = 0; i < TOLD_KEYS && status == NATS_OK; i++)
		status = set_header(msg, told_names[i],
		    i == TOLD_SHA256 ? item->sha256 : item->told.values[i]);
	return status;
}

/* Sends one; what is larger than the server takes has its end. */
static natsStatus
publish(struct nats *nats, struct item *item, size_t index)
{
	struct why subject, reply;
	natsMsg *msg = NULL;
	natsStatus status;

	why_say(&subject, "%s.%s", nats->settings->subject, item->inbox);
	why_say(&reply, "%s.%" PRIu64 "-%zu", nats->inbox, nats->batch, index);
	status = natsMsg_Create(&msg, subject.text, reply.text, (const char *)item->bytes,
	    (int)item->size);
	if (status == NATS_OK)
		status = set_headers(nats, msg, item);
	if (status == NATS_OK)
		status = natsConnection_PublishMsg(nats->conn, msg);
	natsMsg_Destroy(msg);
	if (status != NATS_MAX_PAYLOAD)
		return status;
	item->end = ITEM_UNFIT;
	why_say(&item->why, "it has %zu bytes, and the server takes %" PRId64
	    " in a message (max_payload), headers included", item->size,
	    natsConnection_GetMaxPayload(nats->conn));
	return NATS_OK;
}

/* Which item of this batch an answer is for; `count`: none. */
static size_t
find(const struct nats *nats, natsMsg *msg, size_t count)
{
	const char *at = natsMsg_GetSubject(msg) + strlen(nats->inbox) + 1;
	size_t digits = strspn(at, "0123456789");
	uint64_t batch, index;

	if (at[digits] != '-' || parse_u64(at, digits, UINT64_MAX, &batch) < 0 ||
	    batch != nats->batch)
		return count;
	at += digits + 1;
	return parse_u64(at, strlen(at), count - 1, &index) < 0 ? count : (size_t)index;
}

/* What the answer says of its item.  ENGINE_AWAY: that it is to be given again. */
static enum engine_answer
hear(const struct nats *nats, natsMsg *msg, struct item *item, struct why *why)
{
	json_t *ack = parse(msg);
	const json_t *error = json_object_get(ack, "error");

	if (json_is_object(error)) {
		why_say(why, "stream %s: %s", nats->settings->stream,
		    text_of(error, "description"));
		if (json_integer_value(json_object_get(error, "err_code")) == TOO_LARGE) {
			item->end = ITEM_UNFIT;
			item->why = *why;
		}
	} else if (strcmp(text_of(ack, "stream"), nats->settings->stream) == 0 &&
	    json_integer_value(json_object_get(ack, "seq")) > 0) {
		item->end = ITEM_STORED;
	} else {
		why_say(why, "subject %s.%s: %s", nats->settings->subject, item->inbox,
		    natsMsg_IsNoResponders(msg) ? "no stream has it"
		                                : "the answer is none of JetStream's");
	}
	json_decref(ack);
	return item->end == ITEM_WAITS ? ENGINE_AWAY : ENGINE_DONE;
}

/* Hears of as many as are asked for. */
static enum engine_answer
listen(struct nats *nats, struct item *items, size_t count, size_t open, struct why *why)
{
	int64_t deadline = clock_monotonic() +
	    (int64_t)nats->settings->timeout * CLOCK_SECOND;
	enum engine_answer answer = ENGINE_DONE;
	natsStatus status;
	natsMsg *msg;
	size_t at;

	while (open > 0) {
		status = natsSubscription_NextMsg(&msg, nats->acks, LISTEN_FOR);
		if (status == NATS_TIMEOUT && clock_monotonic() < stop_deadline(deadline))
			continue;
		if (status != NATS_OK)
			return be_away(why, "no answer from JetStream", status);
		at = find(nats, msg, count);
		if (at < count && items[at].end == ITEM_WAITS) {
			if (hear(nats, msg, &items[at], why) != ENGINE_DONE)
				answer = ENGINE_AWAY;
			open--;
		}
		natsMsg_Destroy(msg);
	}
	return answer;
}

static enum engine_answer
put(void *engine, struct item *items, size_t count, struct why *why)
{
	struct nats *nats = engine;
	enum engine_answer answer = look(nats, why);
	natsStatus status = NATS_OK;
	size_t sent, open = 0;

	if (answer != ENGINE_DONE)
		return answer;
	nats->batch++;
	for (sent = 0; sent < count && status == NATS_OK; sent++) {
		status = publish(nats, &items[sent], sent);
		open += status == NATS_OK && items[sent].end == ITEM_WAITS;
	}
	if (status != NATS_OK)
		return be_away(why, "cannot publish", status);
	return listen(nats, items, count, open, why);
}

static void
print_schema(const struct settings *settings, FILE *out)
{
	fprintf(out, "nats stream add %s --subjects '%s.>' --storage file --retention limits \\\n"
	    "    --discard new --dupe-window 1h --defaults\n", settings->stream,
	    settings->subject);
}

const struct engine engine_nats = {
    .lacks = lacks,
    .begin = begin,
    .end = end,
    .open = open_it,
    .close = close_connection,
    .put = put,
    .print_schema = print_schema,
};

#endif
