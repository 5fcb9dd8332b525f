/* SPDX-License-Identifier: ISC */
#include "inboxd/status/wish.h"

#include <inttypes.h>
#include <string.h>

#include "lib/parse.h"

#define QUEUE_SHOWN 8 /* digits, as inboxctl has them */

/* ---- a form: name=value, split by '&', what is not plain as '%' and two digits */

static int
digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);

	return c && at ? (int)(at - digits) : -1;
}

/* The value's `len` bytes as text.  -1: it has others than visible ones, or too many. */
static int
decode(const char *s, size_t len, char *out, size_t room)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		char c = s[i] == '+' ? ' ' : s[i];
		if (c == '%') {
			int high = i + 2 < len ? digit(s[i + 1]) : -1;
			int low = i + 2 < len ? digit(s[i + 2]) : -1;
			if (high < 0 || low < 0)
				return -1;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c < 0x21 || c > 0x7e || used + 1 == room)
			return -1;
		out[used++] = c;
	}
	out[used] = '\0';
	return 0;
}

/* One name=value of `len` bytes. */
static int
read_field(const char *s, size_t len, struct forget_wish *out, struct why *why)
{
	const char *equals = memchr(s, '=', len), *value = equals ? equals + 1 : s + len;
	size_t name_len = (size_t)(value - s), value_len = len - name_len;
	char force[2];

	if (name_len == 9 && memcmp(s, "identity=", 9) == 0) {
		if (!out->identity[0] &&
		    decode(value, value_len, out->identity, sizeof out->identity) == 0 &&
		    out->identity[0])
			return 0;
		return why_say(why, "identity= wants a client's identity, once");
	}
	if (name_len == 6 && memcmp(s, "queue=", 6) == 0) {
		if (!out->queue[0] &&
		    decode(value, value_len, out->queue, sizeof out->queue) == 0 &&
		    out->queue[0] && is_hex(out->queue, strlen(out->queue), strlen(out->queue)))
			return 0;
		return why_say(why, "queue= wants the first digits of a queue's identifier, once");
	}
	if (name_len == 6 && memcmp(s, "force=", 6) == 0) {
		if (!out->force && decode(value, value_len, force, sizeof force) == 0 &&
		    force[0] == '1') {
			out->force = 1;
			return 0;
		}
		return why_say(why, "force= wants a 1, once");
	}
	return why_say(why, "it takes identity=, queue= and force=, and nothing else");
}

int
wish_read(const char *body, struct forget_wish *out, struct why *why)
{
	memset(out, 0, sizeof *out);
	for (;;) {
		size_t len = strcspn(body, "&");
		if (read_field(body, len, out, why) < 0)
			return -1;
		body += len;
		if (*body++ == '\0')
			break;
	}
	if (!out->identity[0])
		return why_say(why, "identity= is missing: whose queues?");
	return 0;
}

/* ---- the answer */

int
wish_tell(const struct forget_answer *answer, struct why *text)
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
		why_say(text, "queue %.*s is connected: nothing was forgotten", QUEUE_SHOWN,
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
		    QUEUE_SHOWN, answer->queue);
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
