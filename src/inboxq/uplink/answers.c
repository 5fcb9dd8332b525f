/* SPDX-License-Identifier: ISC */
/*
 * An answer for an item that is not under way is logged and changes nothing: a
 * peer cannot make us delete what we did not send (P5).
 */
#include "inboxq/uplink/answers.h"

#include <inttypes.h>
#include <string.h>

#include "inboxq/base/news.h"
#include "inboxq/queue/ends.h"
#include "inboxq/queue/life.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/spool/item.h"
#include "lib/log.h"
#include "lib/proto.h"
#include "lib/spread.h"

#define BUSY_TRIES 10  /* in one session */
#define BUSY_WAIT 60   /* seconds, of one cycle, which others may wait for */
#define LATER_MAX 86400 /* seconds */
#define SPOILT_WAIT 60 /* seconds */

const char *
answers_text(const struct proto_line *line, enum proto_field field, char *dst, size_t room)
{
	struct span span = {"", 0};

	if (proto_has(line, field))
		span = line->text[field];
	span_copy(dst, room, span);
	return dst;
}

static int
is_code(const char *text, enum proto_code code)
{
	return strcmp(text, proto_code_text(code)) == 0;
}

/* Does the server want the item at once, by the other verb?  It may say so once; from
 * then on LATER is LATER, so that two who disagree do not keep each other busy. */
static int
is_redirected(const struct answer_context *context, uint64_t n, uint64_t size, const char *code)
{
	if (is_code(code, CODE_LATER_USE_OPEN))
		return schedule_fix_lane(context->schedule, n, SCHEDULE_LARGE);
	return is_code(code, CODE_LATER_USE_PUT) && size <= context->item_max &&
	    schedule_fix_lane(context->schedule, n, SCHEDULE_SMALL);
}

/* How long it waits: no less, and up to a quarter longer by lot, a second at least, since a server
 * may tell many in one moment.  LATER 0 must not keep both busy, nor a slip of a server's lose us
 * the item. */
static uint64_t
draw_wait(const struct answer_context *context, uint64_t seconds)
{
	uint64_t least = seconds < 1 ? 1 : seconds < LATER_MAX ? seconds : LATER_MAX;

	return spread_draw(context->lots, least, least + (least > 4 ? least / 4 : 1));
}

/* When the item may be sent again.  With `once` that is the next cycle's matter, but
 * `busy` passes: often it is our own last connection that the server still holds. */
static int64_t
due_after(const struct answer_context *context, uint64_t n, uint64_t seconds, uint64_t wait,
    const char *code)
{
	if (context->once && !(is_code(code, CODE_LATER_BUSY) && seconds <= BUSY_WAIT &&
	                         schedule_count_busy(context->schedule, n) <= BUSY_TRIES))
		return SCHEDULE_NEVER;
	return context->now + (int64_t)wait;
}

/* 1: it is put off for a time. */
static int
take_later(const struct answer_context *context, uint64_t n, uint64_t size,
    const struct proto_line *line)
{
	char code[PROTO_NAME_MAX + 1], text[PROTO_LINE_MAX];
	uint64_t seconds = line->number[FIELD_SECONDS], wait;

	answers_text(line, FIELD_CODE, code, sizeof code);
	answers_text(line, FIELD_TEXT, text, sizeof text);
	if (is_redirected(context, n, size, code)) {
		life_requeued(n, context->dialled, code, 0, text);
		schedule_put_off(context->schedule, n, context->now);
		return 0;
	}
	/* To read all of it takes its time: who has not had it cannot know. */
	if (is_code(code, CODE_LATER_DIGEST) && context->is_whole &&
	    item_is_damaged(context->spool, SPOOL_QUEUE, n)) {
		log_event(LOG_ERR, "item_damaged", "n=%" PRIu64 " error=digest", n);
		return ends_refused(context->ends, n, NULL, "damaged",
		    "its bytes no longer have the SHA-256 of when it was added");
	}
	wait = draw_wait(context, seconds);
	life_requeued(n, context->dialled, code, wait, text);
	news_trouble("%s puts off item %" PRIu64 " for %" PRIu64 " s: %s%s%s", context->dialled, n,
	    seconds, code, text[0] ? ": " : "", text);
	schedule_put_off(context->schedule, n, due_after(context, n, seconds, wait, code));
	return 1;
}

static int
take_refused(const struct answer_context *context, uint64_t n, const struct proto_line *line)
{
	char code[PROTO_NAME_MAX + 1], text[PROTO_LINE_MAX];

	answers_text(line, FIELD_CODE, code, sizeof code);
	answers_text(line, FIELD_TEXT, text, sizeof text);
	life_refused(n, context->dialled, code, text);
	return ends_refused(context->ends, n, context->server, code, text);
}

static int
take_stored(const struct answer_context *context, uint64_t n, const struct proto_line *line)
{
	char name[PROTO_NAME_MAX + 1];

	answers_text(line, FIELD_NAME, name, sizeof name);
	life_stored(n, context->dialled, name, proto_has(line, FIELD_AGAIN));
	news_clear();
	return ends_stored(context->ends, n, context->server, name);
}

int
answers_take(const struct answer_context *context, const struct proto_line *line, uint64_t *size)
{
	uint64_t n = line->number[FIELD_NUMBER];
	int rc;

	if (!schedule_is_sent(context->schedule, n, size)) {
		log_limited(context->gate, LOG_WARNING, "answer_unasked",
		    "server=%s n=%" PRIu64 " verb=%s", context->dialled, n,
		    proto_verb_text(line->verb));
		return 0;
	}
	if (line->verb == VERB_STORED)
		rc = take_stored(context, n, line);
	else if (line->verb == VERB_REFUSED)
		rc = take_refused(context, n, line);
	else
		rc = take_later(context, n, *size, line);
	return rc < 0 ? -1 : rc + 1;
}

void
answers_make_spoilt(struct proto_line *line, uint64_t n)
{
	proto_line_start(line, VERB_LATER);
	proto_set_number(line, FIELD_NUMBER, n);
	proto_set_number(line, FIELD_SECONDS, SPOILT_WAIT);
	proto_set_text(line, FIELD_CODE, proto_code_text(CODE_LATER_DIGEST));
	proto_set_text(line, FIELD_TEXT, "what was uploaded was spoilt twice");
}
