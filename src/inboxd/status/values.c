/* SPDX-License-Identifier: ISC */
#include "inboxd/status/values.h"

#include <stdlib.h>
#include <string.h>

#include "inboxd/base/inflow.h"
#include "lib/escape.h"

json_t *
json_count(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

json_t *
json_pause(const struct pause *pause)
{
	int is_known = pause && pause->since > PAUSE_SINCE_UNKNOWN;

	if (!pause)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "since", json_time(is_known ? pause->since : 0),
	    "uid", is_known ? json_count(pause->uid) : json_null(), "reason",
	    json_text(pause->reason));
}

json_t *
json_time(int64_t seconds)
{
	return seconds > 0 ? json_integer(seconds) : json_null();
}

/* "" gives null.  jansson takes UTF-8 only. */
json_t *
json_text(const char *text)
{
	if (!text || *text == '\0')
		return json_null();
	json_t *value = json_string(text);
	if (value)
		return value;
	size_t len = strlen(text), room = ESCAPE_ROOM(len);
	char *escaped = malloc(room);
	if (!escaped)
		return NULL;
	escape_bytes(escaped, room, text, len);
	value = json_string(escaped);
	free(escaped);
	return value;
}
