/* SPDX-License-Identifier: ISC */
#include "inboxd/status/wish.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "inboxd/status/form.h"
#include "lib/parse.h"

/* ---- the fields, and what takes them */

static int
is_text(const char *value)
{
	return value[0] != '\0';
}

static int
is_hex_digits(const char *value)
{
	return value[0] && is_hex(value, strlen(value), strlen(value));
}

static int
is_number(const char *value)
{
	uint64_t number;

	return parse_u64(value, strlen(value), PROTO_NUMBER_MAX, &number) == 0 && number > 0;
}

#define MEMBER(member) offsetof(struct wish, member), sizeof(((struct wish *)0)->member)

static const struct wish_field {
	const char *name;
	size_t at, room;              /* a text of struct wish; or, with a `check` of NULL, ... */
	int (*check)(const char *);   /* ... an int there, which `name`=1 sets */
	const char *wants;
	int is_free; /* may have blanks, and letters of any language */
} fields[] = {
    {"identity", MEMBER(forget.identity), is_text, "a client's identity", 0},
    {"queue", MEMBER(forget.queue), is_hex_digits, "the first digits of a queue's identifier", 0},
    {"first", MEMBER(first), is_number, "a number of an item", 0},
    {"last", MEMBER(last), is_number, "a number of an item", 0},
    {"force", MEMBER(forget.force), NULL, "a 1", 0},
    {"inbox", MEMBER(inbox), is_text, "an inbox's name", 0},
    {"reason", MEMBER(reason), is_text, "a text of up to 255 bytes in one line", .is_free = 1},
};
#define FIELDS (sizeof fields / sizeof fields[0])

const struct wish_row wish_rows[WISH_KINDS] = {
    [WISH_FORGET] = {"/forget", "identity= queue= force= ", 1,
        "the commit thread is busy: it is asked, and may still do it\n"},
    /* These are answered at once. */
    [WISH_PAUSE] = {"/pause", "inbox= reason= ", 0, ""},
    [WISH_RESUME] = {"/resume", "inbox= ", 0, ""},
    [WISH_GAP] = {"/gap", "identity= first= last= queue= ", 3,
        "the commit thread is busy: it is asked, and may still do it\n"},
};

enum wish_kind
wish_find(const char *path)
{
	size_t kind = 0;

	while (kind < WISH_KINDS && strcmp(wish_rows[kind].path, path) != 0)
		kind++;
	return (enum wish_kind)kind;
}

/* The field whose name and '=' these `len` bytes are, if it is one of `takes`. */
static const struct wish_field *
find_field(const char *takes, const char *s, size_t len)
{
	for (; *takes; takes += strcspn(takes, " ") + 1) {
		size_t name = strcspn(takes, "=");

		if (len != name + 1 || memcmp(takes, s, len) != 0)
			continue;
		for (size_t i = 0; i < FIELDS; i++)
			if (strlen(fields[i].name) == name && memcmp(fields[i].name, s, name) == 0)
				return &fields[i];
	}
	return NULL;
}

/* 0; or -1: it has been there, or the value is none. */
static int
set_field(struct wish *wish, const struct wish_field *field, const char *value, size_t len)
{
	char *text = (char *)wish + field->at, flag[2];

	if (field->check)
		return !text[0] &&
		        (field->is_free ? form_decode_line : form_decode)(
		            value, len, text, field->room) == 0 &&
		        field->check(text)
		    ? 0
		    : -1;
	if (*(int *)text || form_decode(value, len, flag, sizeof flag) < 0 || flag[0] != '1')
		return -1;
	*(int *)text = 1;
	return 0;
}

/* One name=value of `len` bytes. */
static int
read_field(const char *s, size_t len, struct wish *out, struct why *why)
{
	const char *takes = wish_rows[out->kind].takes;
	const char *equals = memchr(s, '=', len), *value = equals ? equals + 1 : s + len;
	const struct wish_field *field = find_field(takes, s, (size_t)(value - s));

	if (!field)
		return why_say(why, "it takes %sand nothing else", takes);
	if (set_field(out, field, value, len - (size_t)(value - s)) < 0)
		return why_say(why, "%s= wants %s, once", field->name, field->wants);
	return 0;
}

int
wish_read(enum wish_kind kind, const char *body, struct wish *out, struct why *why)
{
	const char *wants = wish_rows[kind].takes;

	*out = (struct wish){.kind = kind};
	if (!*body && wish_rows[kind].wants == 0)
		return 0;
	for (;;) {
		size_t len = strcspn(body, "&");
		if (read_field(body, len, out, why) < 0)
			return -1;
		body += len;
		if (*body++ == '\0')
			break;
	}
	for (unsigned i = 0; i < wish_rows[kind].wants; i++) {
		const struct wish_field *field = find_field(wants, wants, strcspn(wants, " "));
		if (!((const char *)out)[field->at])
			return why_say(why, "%s= is missing: it wants %s", field->name,
			    field->wants);
		wants += strcspn(wants, " ") + 1;
	}
	return 0;
}

/* ---- the answer */

int
wish_tell_forgotten(const struct forget_answer *answer, struct why *text)
{
	switch (answer->outcome) {
	case FORGET_DONE:
		return 200;
	case FORGET_UNKNOWN:
		why_say(text, "no such client or queue is known");
		return 404;
	case FORGET_AMBIGUOUS:
		why_say(text, "%" PRIu64 " queues of this client begin so: say more of it",
		    answer->queues);
		return 409;
	case FORGET_CONNECTED:
		why_say(text, "queue %.*s is connected: nothing was forgotten", PROTO_QUEUE_SHOWN,
		    answer->queue);
		return 409;
	case FORGET_UNSETTLED:
		why_say(text, "nothing was forgotten: %" PRIu64 " items are remembered that the "
		    "client has not settled; it is done by force, and then they are stored twice "
		    "if it sends them again",
		    answer->unsettled);
		return 409;
	case FORGET_UNDER_WAY:
		why_say(text, "queue %.*s has items that are not durable in new/ yet: ask again",
		    PROTO_QUEUE_SHOWN, answer->queue);
		return 409;
	case FORGET_FULL:
		why_say(text, "the ledger has no room for the record of it: ask again");
		return 503;
	case FORGET_OUTCOMES:
		break;
	}
	why_say(text, "an answer that is none");
	return 500;
}

int
wish_tell_confirmed(const struct confirm_answer *answer, struct why *text)
{
	switch (answer->outcome) {
	case CONFIRM_DONE:
		return 200;
	case CONFIRM_UNKNOWN:
		why_say(text, "no such client or queue is known");
		return 404;
	case CONFIRM_AMBIGUOUS:
		why_say(text, "this client has %" PRIu64 " such queues: say which",
		    answer->queues);
		return 409;
	case CONFIRM_NONE:
		why_say(text, "queue %.*s is missing no number there", PROTO_QUEUE_SHOWN,
		    answer->queue);
		return 404;
	case CONFIRM_MERGED:
		why_say(text, "queue %.*s: this is a part of a gap that was made of several, and "
		              "nobody knows which of its numbers are missing: confirm all of it",
		    PROTO_QUEUE_SHOWN, answer->queue);
		return 409;
	case CONFIRM_FULL:
		why_say(text, "the ledger has no room for the record of it: ask again");
		return 503;
	case CONFIRM_OUTCOMES:
		break;
	}
	why_say(text, "an answer that is none");
	return 500;
}
