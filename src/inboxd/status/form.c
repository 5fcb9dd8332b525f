/* SPDX-License-Identifier: ISC */
#include "inboxd/status/form.h"

#include <limits.h>
#include <string.h>

#include "inboxd/commit/view.h"
#include "lib/parse.h"

static int
digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);

	return c && at ? (int)(at - digits) : -1;
}

/* Bytes from `least` to `most`, but that of DEL. */
static int
decode(const char *s, size_t len, unsigned least, unsigned most, char *out, size_t room)
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
		unsigned byte = (unsigned char)c;
		if (byte < least || byte > most || byte == 0x7f || used + 1 == room)
			return -1;
		out[used++] = c;
	}
	out[used] = '\0';
	return 0;
}

int
form_decode(const char *s, size_t len, char *out, size_t room)
{
	return decode(s, len, 0x21, 0x7e, out, room);
}

int
form_decode_line(const char *s, size_t len, char *out, size_t room)
{
	return decode(s, len, ' ', UCHAR_MAX, out, room);
}

/* ---- /clients */

/* "behind,silent".  0, or -1. */
static int
read_states(const char *text, unsigned *states)
{
	for (;; text++) {
		size_t len = strcspn(text, ",");
		enum client_state state = client_state_parse(text, len);
		if (state == CLIENT_STATES)
			return -1;
		*states |= 1u << state;
		text += len;
		if (!*text)
			return 0;
	}
}

/* One name=value of `len` bytes. */
static int
read_field(const char *s, size_t len, uint64_t *from, struct view_filter *filter, struct why *why)
{
	const char *equals = memchr(s, '=', len), *value = equals ? equals + 1 : s + len;
	size_t name_len = (size_t)(value - s), value_len = len - name_len;
	char text[128];

	if (name_len == 5 && memcmp(s, "from=", 5) == 0) {
		if (*from == 0 && parse_u64(value, value_len, INT64_MAX, from) == 0)
			return 0;
		return why_say(why, "from= wants a number, once");
	}
	if (name_len == 6 && memcmp(s, "state=", 6) == 0) {
		if (!filter->states && form_decode(value, value_len, text, sizeof text) == 0 &&
		    read_states(text, &filter->states) == 0)
			return 0;
		return why_say(why, "state= wants some of up-to-date, behind, silent, missing, "
		                    "never-came, split by commas, once");
	}
	if (name_len == 6 && memcmp(s, "match=", 6) == 0) {
		if (!filter->match[0] && form_decode(value, value_len, filter->match,
		    sizeof filter->match) == 0 && filter->match[0])
			return 0;
		return why_say(why, "match= wants a pattern of identities, once");
	}
	if (name_len == 9 && memcmp(s, "identity=", 9) == 0) {
		if (!filter->identity[0] && form_decode(value, value_len, filter->identity,
		    sizeof filter->identity) == 0 && filter->identity[0])
			return 0;
		return why_say(why, "identity= wants a client's identity, once");
	}
	return why_say(why, "it takes from=, state=, match= and identity=, and nothing else");
}

int
form_read_clients(const char *query, uint64_t *from, struct view_filter *filter, struct why *why)
{
	*from = 0;
	*filter = (struct view_filter){.states = 0};
	while (query) {
		size_t len = strcspn(query, "&");
		if (read_field(query, len, from, filter, why) < 0)
			return -1;
		query = query[len] ? query + len + 1 : NULL;
	}
	return 0;
}
