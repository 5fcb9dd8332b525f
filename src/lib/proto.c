/* SPDX-License-Identifier: ISC */
/*
 * The whole grammar is two tables: what a field may hold, and which fields a
 * verb has.  Parsing and writing walk the same rows, so they cannot differ.
 */
#include "lib/proto.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/field.h"

#define NUMBER_MAX ((uint64_t)PROTO_NUMBER_MAX)

static const struct field field_rows[PROTO_FIELDS] = {
    [FIELD_VERSION] = {"version", KIND_NUMBER, 0, UINT32_MAX},
    [FIELD_QUEUE] = {"queue", KIND_HEX, PROTO_QUEUE_LEN, PROTO_QUEUE_LEN},
    [FIELD_SETTLED] = {"settled", KIND_NUMBER, 1, NUMBER_MAX},
    [FIELD_NUMBER] = {"n", KIND_NUMBER, 1, NUMBER_MAX},
    [FIELD_INBOX] = {"inbox", KIND_NAME, 1, PROTO_INBOX_MAX},
    [FIELD_SIZE] = {"size", KIND_NUMBER, 0, NUMBER_MAX},
    [FIELD_SHA256] = {"sha256", KIND_HEX, 64, 64},
    [FIELD_OFFSET] = {"offset", KIND_NUMBER, 0, NUMBER_MAX},
    [FIELD_LENGTH] = {"length", KIND_NUMBER, 1, PROTO_DATA_MAX},
    [FIELD_NAME] = {"name", KIND_NAME, 1, PROTO_NAME_MAX},
    [FIELD_SECONDS] = {"seconds", KIND_NUMBER, 0, UINT32_MAX},
    [FIELD_CODE] = {"code", KIND_WORD, 1, 32},
    [FIELD_HOST] = {"host", KIND_NAME, 1, 255},
    [FIELD_PENDING] = {"pending", KIND_NUMBER, 0, NUMBER_MAX},
    [FIELD_OLDEST] = {"oldest", KIND_NUMBER, 0, NUMBER_MAX},
    [FIELD_FAILED] = {"failed", KIND_NUMBER, 0, NUMBER_MAX},
    [FIELD_FREE] = {"free", KIND_NUMBER, 0, NUMBER_MAX},
    [FIELD_AGENT] = {"agent", KIND_ESCAPED, 1, 64},
    [FIELD_HINT] = {"name", KIND_ESCAPED, 1, PROTO_NAME_MAX},
    [FIELD_TIME] = {"time", KIND_NUMBER, 0, NUMBER_MAX},
    [FIELD_WINDOW] = {"window", KIND_NUMBER, 0, NUMBER_MAX},
    [FIELD_BYTES] = {"bytes", KIND_NUMBER, 0, NUMBER_MAX},
    [FIELD_INLINE] = {"inline", KIND_NUMBER, 0, NUMBER_MAX},
    [FIELD_ITEM] = {"item", KIND_NUMBER, 0, NUMBER_MAX},
    [FIELD_IDLE] = {"idle", KIND_NUMBER, 0, UINT32_MAX},
    [FIELD_MARK] = {"settled", KIND_NUMBER, 1, NUMBER_MAX},
    [FIELD_EVERY] = {"state", KIND_NUMBER, 1, UINT32_MAX},
    [FIELD_ID] = {"id", KIND_HEX, PROTO_ID_LEN, PROTO_ID_LEN},
    [FIELD_AGAIN] = {"again", KIND_NUMBER, 1, 1},
    [FIELD_TEXT] = {"text", KIND_REST, 0, PROTO_LINE_MAX},
};

#define FIXED_MAX 5
#define KEYS_MAX 8

struct verb_row {
	const char *name;
	enum proto_side side;
	enum proto_field fixed[FIXED_MAX]; /* up to the first FIELD_NONE */
	enum proto_field keys[KEYS_MAX];   /* likewise */
	int has_text;                      /* a free text instead of keys */
};

static const struct verb_row verb_rows[PROTO_VERBS] = {
    [VERB_HELLO] = {"HELLO", PROTO_CLIENT, {FIELD_VERSION, FIELD_QUEUE, FIELD_SETTLED},
        {FIELD_PENDING, FIELD_OLDEST, FIELD_FAILED, FIELD_FREE, FIELD_AGENT}, 0},
    [VERB_PUT] = {"PUT", PROTO_CLIENT, {FIELD_NUMBER, FIELD_INBOX, FIELD_SIZE, FIELD_SHA256},
        {FIELD_HINT, FIELD_TIME}, 0},
    [VERB_OPEN] = {"OPEN", PROTO_CLIENT, {FIELD_NUMBER, FIELD_INBOX, FIELD_SIZE, FIELD_SHA256},
        {FIELD_HINT, FIELD_TIME}, 0},
    [VERB_DATA] = {"DATA", PROTO_CLIENT, {FIELD_NUMBER, FIELD_OFFSET, FIELD_LENGTH}, {0}, 0},
    [VERB_SETTLED] = {"SETTLED", PROTO_CLIENT, {FIELD_NUMBER}, {0}, 0},
    [VERB_SKIP] = {"SKIP", PROTO_CLIENT, {FIELD_NUMBER, FIELD_CODE}, {0}, 0},
    [VERB_STATE] = {"STATE", PROTO_CLIENT, {0},
        {FIELD_PENDING, FIELD_OLDEST, FIELD_FAILED, FIELD_FREE}, 0},
    [VERB_PING] = {"PING", PROTO_CLIENT, {0}, {0}, 0},
    [VERB_QUIT] = {"QUIT", PROTO_CLIENT, {0}, {0}, 0},
    [VERB_READY] = {"READY", PROTO_SERVER, {FIELD_VERSION, FIELD_HOST},
        {FIELD_WINDOW, FIELD_BYTES, FIELD_INLINE, FIELD_ITEM, FIELD_IDLE, FIELD_MARK,
            FIELD_EVERY, FIELD_ID}, 0},
    [VERB_STORED] = {"STORED", PROTO_SERVER, {FIELD_NUMBER, FIELD_NAME}, {FIELD_AGAIN}, 0},
    [VERB_LATER] = {"LATER", PROTO_SERVER, {FIELD_NUMBER, FIELD_SECONDS, FIELD_CODE}, {0}, 1},
    [VERB_REFUSED] = {"REFUSED", PROTO_SERVER, {FIELD_NUMBER, FIELD_CODE}, {0}, 1},
    [VERB_SEND] = {"SEND", PROTO_SERVER, {FIELD_NUMBER, FIELD_OFFSET}, {0}, 0},
    [VERB_PONG] = {"PONG", PROTO_SERVER, {0}, {0}, 0},
    [VERB_WAIT] = {"WAIT", PROTO_SERVER, {FIELD_SECONDS}, {0}, 0},
    [VERB_GOAWAY] = {"GOAWAY", PROTO_SERVER, {FIELD_SECONDS, FIELD_CODE}, {0}, 0},
    [VERB_BYE] = {"BYE", PROTO_SERVER, {0}, {0}, 0},
    [VERB_ERROR] = {"ERROR", PROTO_SERVER, {FIELD_CODE}, {0}, 1},
};

static const struct {
	enum proto_verb verb;
	const char *text;
} code_rows[PROTO_CODE_COUNT] = {
#define X(verb, name, text) {VERB_##verb, text},
    PROTO_CODES(X)
#undef X
};

const char *
proto_code_text(enum proto_code code)
{
	return code_rows[code].text;
}

enum proto_verb
proto_code_verb(enum proto_code code)
{
	return code_rows[code].verb;
}

const char *
proto_verb_text(enum proto_verb verb)
{
	return verb_rows[verb].name;
}

enum proto_side
proto_verb_side(enum proto_verb verb)
{
	return verb_rows[verb].side;
}

void
span_copy(char *dst, size_t room, struct span text)
{
	snprintf(dst, room, "%.*s", (int)text.len, text.at);
}

int
proto_find_line(const unsigned char *data, size_t len, struct proto_error *error)
{
	size_t look = len < PROTO_LINE_MAX ? len : PROTO_LINE_MAX;
	size_t i;

	for (i = 0; i < look && data[i] != '\n'; i++) {
		if (data[i] < 0x20 || data[i] > 0x7e) {
			error->code = CODE_ERROR_LINE;
			snprintf(error->text, sizeof error->text,
			    "byte 0x%02x at position %zu of a line, want 0x20 to 0x7e", data[i],
			    i + 1);
			return -1;
		}
	}
	if (i < look)
		return (int)i + 1;
	if (look < PROTO_LINE_MAX)
		return 0;
	error->code = CODE_ERROR_LINE;
	snprintf(error->text, sizeof error->text, "longer than %d bytes", PROTO_LINE_MAX);
	return -1;
}

/* The next field of a line: up to a space or the end.  *more tells whether a
 * space follows. */
static struct span
take_field(struct span *rest, int *more)
{
	struct span field = {rest->at, 0};
	const char *space = rest->len ? memchr(rest->at, ' ', rest->len) : NULL;

	*more = space != NULL;
	field.len = space ? (size_t)(space - rest->at) : rest->len;
	rest->at += field.len + (size_t)*more;
	rest->len -= field.len + (size_t)*more;
	return field;
}

/* "PUT: size: want 0 to 9223372036854775807, found "-3"" */
static void
say_wrong_field(struct proto_error *error, const struct verb_row *verb,
    const struct field *row, struct span found)
{
	static const char *const shapes[] = {
	    [KIND_HEX] = "digits of lower-case hexadecimal",
	    [KIND_NAME] = "letters, digits, '.', '-' or '_', a letter or digit first",
	    [KIND_WORD] = "lower-case letters, digits or '-', a letter first",
	    [KIND_ESCAPED] = "bytes, %-escaped",
	};
	char want[128];
	int shown = found.len > 40 ? 40 : (int)found.len;

	if (row->kind == KIND_NUMBER)
		snprintf(want, sizeof want, "%" PRIu64 " to %" PRIu64, row->min, row->max);
	else if (row->min == row->max)
		snprintf(want, sizeof want, "%" PRIu64 " %s", row->max, shapes[row->kind]);
	else
		snprintf(want, sizeof want, "%" PRIu64 " to %" PRIu64 " %s", row->min, row->max,
		    shapes[row->kind]);
	error->code = CODE_ERROR_FIELD;
	snprintf(error->text, sizeof error->text, "%s: %s: want %s, found \"%.*s\"%s", verb->name,
	    row->name, want, shown, found.at, found.len > 40 ? "..." : "");
}

static int
say_missing_field(struct proto_error *error, const struct verb_row *verb,
    const struct field *row)
{
	error->code = CODE_ERROR_FIELD;
	snprintf(error->text, sizeof error->text, "%s: %s is missing", verb->name, row->name);
	return -1;
}

static int
put_field(struct proto_line *out, enum proto_field field, struct span s,
    const struct verb_row *verb, struct proto_error *error)
{
	const struct field *row = &field_rows[field];

	if (!field_fits(row, s.at, s.len, &out->number[field])) {
		say_wrong_field(error, verb, row, s);
		return -1;
	}
	out->text[field] = s;
	out->set |= UINT32_C(1) << field;
	return 0;
}

static int
parse_key(struct span s, const struct verb_row *verb, struct proto_line *out,
    struct proto_error *error)
{
	const char *equals = s.len ? memchr(s.at, '=', s.len) : NULL;
	struct span key = {s.at, equals ? (size_t)(equals - s.at) : 0};
	struct span value;

	if (!equals || !field_is_word(key.at, key.len, FIELD_KEY_MAX)) {
		error->code = CODE_ERROR_FIELD;
		snprintf(error->text, sizeof error->text, "%s: want key=value, found \"%.*s\"",
		    verb->name, s.len > 40 ? 40 : (int)s.len, s.at);
		return -1;
	}
	value.at = equals + 1;
	value.len = s.len - key.len - 1;
	for (size_t i = 0; i < KEYS_MAX && verb->keys[i] != FIELD_NONE; i++) {
		const struct field *row = &field_rows[verb->keys[i]];
		if (strlen(row->name) != key.len || memcmp(row->name, key.at, key.len) != 0)
			continue;
		if (proto_has(out, verb->keys[i])) {
			error->code = CODE_ERROR_FIELD;
			snprintf(error->text, sizeof error->text, "%s: %s= stands there twice",
			    verb->name, row->name);
			return -1;
		}
		return put_field(out, verb->keys[i], value, verb, error);
	}
	return 0; /* a key of a later day */
}

static const struct verb_row *
find_verb(struct span name, enum proto_side from, enum proto_verb *verb)
{
	for (int i = 0; i < PROTO_VERBS; i++) {
		if (verb_rows[i].side == from && strlen(verb_rows[i].name) == name.len &&
		    memcmp(verb_rows[i].name, name.at, name.len) == 0) {
			*verb = (enum proto_verb)i;
			return &verb_rows[i];
		}
	}
	return NULL;
}

int
proto_parse(const char *line, size_t len, enum proto_side from, struct proto_line *out,
    struct proto_error *error)
{
	struct span rest = {line, len};
	const struct verb_row *verb;
	struct span field;
	int more;

	out->set = 0;
	field = take_field(&rest, &more);
	verb = find_verb(field, from, &out->verb);
	if (!verb) {
		error->code = CODE_ERROR_VERB;
		snprintf(error->text, sizeof error->text, "unknown verb \"%.*s\"",
		    field.len > 40 ? 40 : (int)field.len, field.at);
		return -1;
	}
	for (size_t i = 0; i < FIXED_MAX && verb->fixed[i] != FIELD_NONE; i++) {
		if (!more)
			return say_missing_field(error, verb, &field_rows[verb->fixed[i]]);
		field = take_field(&rest, &more);
		if (put_field(out, verb->fixed[i], field, verb, error) < 0)
			return -1;
	}
	if (verb->has_text)
		return more ? put_field(out, FIELD_TEXT, rest, verb, error) : 0;
	while (more) {
		field = take_field(&rest, &more);
		if (parse_key(field, verb, out, error) < 0)
			return -1;
	}
	return 0;
}

static size_t
add(char *dst, size_t at, const char *text, size_t len)
{
	size_t room = PROTO_LINE_MAX - 1 - at;

	if (len > room)
		len = room;
	memcpy(dst + at, text, len);
	return at + len;
}

static size_t
add_field(char *dst, size_t at, const struct proto_line *line, enum proto_field field)
{
	char digits[24];

	if (field_rows[field].kind != KIND_NUMBER)
		return add(dst, at, line->text[field].at, line->text[field].len);
	snprintf(digits, sizeof digits, "%" PRIu64, line->number[field]);
	return add(dst, at, digits, strlen(digits));
}

size_t
proto_format(const struct proto_line *line, char dst[PROTO_LINE_MAX + 1])
{
	const struct verb_row *verb = &verb_rows[line->verb];
	size_t at = add(dst, 0, verb->name, strlen(verb->name));

	for (size_t i = 0; i < FIXED_MAX && verb->fixed[i] != FIELD_NONE; i++) {
		assert(proto_has(line, verb->fixed[i]));
		at = add(dst, at, " ", 1);
		at = add_field(dst, at, line, verb->fixed[i]);
	}
	for (size_t i = 0; i < KEYS_MAX && verb->keys[i] != FIELD_NONE; i++) {
		if (!proto_has(line, verb->keys[i]))
			continue;
		at = add(dst, at, " ", 1);
		at = add(dst, at, field_rows[verb->keys[i]].name,
		    strlen(field_rows[verb->keys[i]].name));
		at = add(dst, at, "=", 1);
		at = add_field(dst, at, line, verb->keys[i]);
	}
	if (verb->has_text && proto_has(line, FIELD_TEXT)) {
		at = add(dst, at, " ", 1);
		at = add_field(dst, at, line, FIELD_TEXT);
	}
	dst[at++] = '\n';
	dst[at] = '\0';
	return at;
}

void
proto_line_start(struct proto_line *line, enum proto_verb verb)
{
	line->verb = verb;
	line->set = 0;
}

void
proto_set_number(struct proto_line *line, enum proto_field field, uint64_t value)
{
	line->number[field] = value;
	line->set |= UINT32_C(1) << field;
}

void
proto_set_text(struct proto_line *line, enum proto_field field, const char *text)
{
	line->text[field].at = text;
	line->text[field].len = strlen(text);
	line->set |= UINT32_C(1) << field;
}
