/* SPDX-License-Identifier: ISC */
/*
 * An answer for an item that is not under way is logged and changes nothing: a
 * peer cannot make us delete what we did not send (P5).
 */
#include "inboxq/answers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "inboxq/item.h"
#include "inboxq/queue.h"
#include "lib/log.h"
#include "lib/proto.h"

/* A field as a string; "" where it is not there. */
static void
copy_field(const struct proto_line *line, enum proto_field field, char *dst, size_t room)
{
	struct span span = {"", 0};

	if (proto_has(line, field))
		span = line->text[field];
	snprintf(dst, room, "%.*s", (int)span.len, span.at);
}

static int
take_later(const struct answer_context *context, uint64_t n, const struct proto_line *line)
{
	char code[PROTO_NAME_MAX + 1], text[PROTO_LINE_MAX];
	uint64_t seconds = line->number[FIELD_SECONDS];

	copy_field(line, FIELD_CODE, code, sizeof code);
	copy_field(line, FIELD_TEXT, text, sizeof text);
	log_event(LOG_WARNING, "item_later",
	    "n=%" PRIu64 " seconds=%" PRIu64 " code=%s text=\"%s\"", n, seconds, code, text);
	if (strcmp(code, proto_code_text(CODE_LATER_DIGEST)) == 0 &&
	    item_is_damaged(context->spool, SPOOL_QUEUE, n)) {
		log_event(LOG_ERR, "item_damaged", "n=%" PRIu64 " why=digest", n);
		return queue_refused(context->queue, n, NULL, "damaged",
		    "its bytes no longer have the SHA-256 of when it was added");
	}
	queue_put_off(context->queue, n,
	    context->once ? QUEUE_NEVER : context->now + (int64_t)seconds);
	return 0;
}

static int
take_refused(const struct answer_context *context, uint64_t n, const struct proto_line *line)
{
	char code[PROTO_NAME_MAX + 1], text[PROTO_LINE_MAX];

	copy_field(line, FIELD_CODE, code, sizeof code);
	copy_field(line, FIELD_TEXT, text, sizeof text);
	log_event(LOG_WARNING, "item_refused", "n=%" PRIu64 " code=%s text=\"%s\"", n, code, text);
	return queue_refused(context->queue, n, context->server, code, text);
}

static int
take_stored(const struct answer_context *context, uint64_t n, const struct proto_line *line)
{
	char name[PROTO_NAME_MAX + 1];

	copy_field(line, FIELD_NAME, name, sizeof name);
	log_event(LOG_DEBUG, "item_stored", "n=%" PRIu64 " name=%s again=%d", n, name,
	    proto_has(line, FIELD_AGAIN));
	return queue_stored(context->queue, n, context->server, name);
}

int
answers_take(const struct answer_context *context, const struct proto_line *line, uint64_t *size)
{
	uint64_t n = line->number[FIELD_NUMBER];
	int rc;

	if (!queue_is_sent(context->queue, n, size)) {
		log_event(LOG_WARNING, "answer_unasked", "n=%" PRIu64 " verb=%s", n,
		    proto_verb_text(line->verb));
		return 0;
	}
	if (line->verb == VERB_STORED)
		rc = take_stored(context, n, line);
	else if (line->verb == VERB_REFUSED)
		rc = take_refused(context, n, line);
	else
		rc = take_later(context, n, line);
	return rc < 0 ? -1 : 1;
}
