/* SPDX-License-Identifier: ISC */
/*
 * The grammar is one table: which fields a type has, where they lie in the
 * struct, and what they may hold.  Formatting and parsing walk the same rows.
 *
 * Rejected: a binary record, which would spare a third of the bytes and cost
 * the administrator grep(1).
 */
#include "lib/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/parse.h"

enum kind {
	KIND_END,
	KIND_NUMBER,   /* uint64_t, `min` to `max` */
	KIND_TIME,     /* int64_t, microseconds */
	KIND_IDENTITY, /* 1 to `max` bytes from 0x21 to 0x7e */
	KIND_HEX,      /* `max` digits */
	KIND_NAME,     /* 1 to `max` bytes, a plain name */
	KIND_SHA256,
	KIND_WORD,    /* 0 to `max` lower-case letters, digits, '-' */
	KIND_ESCAPED, /* 0 to `max` bytes, counted decoded */
};

struct field {
	enum kind kind;
	size_t offset;
	uint64_t min, max;
};

struct row {
	const char *name;
	struct field fields[14]; /* up to KIND_END */
};

#define NUMBER_MAX ((uint64_t)PROTO_NUMBER_MAX)
#define F(kind, member, min, max) {KIND_##kind, offsetof(struct record, member), min, max}
#define SEQ F(NUMBER, seq, 1, NUMBER_MAX)
#define COUNT(member) F(NUMBER, member, 0, NUMBER_MAX)
#define QUEUE \
	F(IDENTITY, identity, 1, IDENTITY_MAX), F(HEX, queue, PROTO_QUEUE_LEN, PROTO_QUEUE_LEN)
#define ITEM(member) F(NUMBER, member, 1, NUMBER_MAX)

static const struct row rows[RECORD_TYPES] = {
    [RECORD_BEGIN] = {"begin", {F(NUMBER, version, 1, UINT32_MAX), F(TIME, time, 0, 0), SEQ}},
    [RECORD_QUEUE] = {"queue",
        {QUEUE, ITEM(settled), F(TIME, seen, 0, 0), COUNT(pending), COUNT(oldest),
            F(ESCAPED, agent, 0, 64), COUNT(stored_items), COUNT(stored_bytes), COUNT(skipped),
            COUNT(missing), F(TIME, last_stored, 0, 0)}},
    [RECORD_ACCEPT] = {"accept",
        {SEQ, F(TIME, time, 0, 0), QUEUE, ITEM(n), F(NAME, inbox, 1, PROTO_INBOX_MAX),
            COUNT(size), F(SHA256, sha256, 0, 0), F(NAME, name, 1, NAME_ROOM - 1),
            COUNT(sent), F(ESCAPED, hint, 0, PROTO_NAME_MAX)}},
    [RECORD_MARK] = {"mark", {COUNT(synced), COUNT(stored)}},
    [RECORD_VOID] = {"void", {SEQ}},
    [RECORD_SKIP] = {"skip", {QUEUE, ITEM(n), F(WORD, reason, 0, RECORD_REASON_ROOM - 1)}},
    [RECORD_SETTLED] = {"settled", {QUEUE, ITEM(n)}},
    [RECORD_GAP] = {"gap", {QUEUE, ITEM(n), ITEM(to)}},
    [RECORD_STATE] = {"state", {{KIND_END, 0, 0, 0}}},
    [RECORD_END] = {"end", {F(NAME, name, 1, NAME_ROOM - 1)}},
};

#define FIELDS_MAX (sizeof rows[0].fields / sizeof rows[0].fields[0])
#define MICROS 1000000
#define CRC_DIGITS 8
#define KEY_MAX 32 /* bytes of an added field's key */

const char *
record_type_name(enum record_type type)
{
	return rows[type].name;
}

uint32_t
record_crc32c(const void *data, size_t len)
{
	/* The remainders of four bits, by the polynomial 0x82f63b78 (reflected).
	 * A table for eight is twice as fast, and lines are short. */
	static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
	    0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6,
	    0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
	const unsigned char *bytes = data;
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= bytes[i];
		crc = crc >> 4 ^ table[crc & 0xf];
		crc = crc >> 4 ^ table[crc & 0xf];
	}
	return ~crc;
}

static size_t
add(char *dst, size_t at, const char *text)
{
	size_t len = strlen(text);

	memcpy(dst + at, text, len); /* the rooms in struct record add up to less than a line */
	return at + len;
}

static size_t
add_time(char *dst, size_t at, int64_t micros)
{
	struct timespec when;

	if (micros == 0)
		return add(dst, at, "-");
	when.tv_nsec = (long)((micros % MICROS + MICROS) % MICROS * 1000);
	when.tv_sec = (time_t)(micros / MICROS - (micros % MICROS < 0));
	print_time(dst + at, &when);
	return at + PRINT_TIME_ROOM - 1;
}

static size_t
add_field(char *dst, size_t at, const struct record *record, const struct field *field)
{
	const char *from = (const char *)record + field->offset;
	uint64_t number;
	int64_t time;

	switch (field->kind) {
	case KIND_NUMBER:
		memcpy(&number, from, sizeof number);
		return at + (size_t)snprintf(dst + at, 21, "%" PRIu64, number);
	case KIND_TIME:
		memcpy(&time, from, sizeof time);
		return add_time(dst, at, time);
	case KIND_SHA256:
		digest_print(dst + at, (const unsigned char *)from);
		return at + DIGEST_TEXT_ROOM - 1;
	case KIND_WORD:
	case KIND_ESCAPED:
		if (from[0] == '\0')
			return add(dst, at, "-");
		return add(dst, at, strcmp(from, "-") == 0 ? "%2D" : from);
	case KIND_IDENTITY:
	case KIND_HEX:
	case KIND_NAME:
		return add(dst, at, from);
	case KIND_END:
		break;
	}
	return at;
}

size_t
record_format(const struct record *record, char dst[RECORD_LINE_MAX + 1])
{
	const struct row *row = &rows[record->type];
	size_t at = CRC_DIGITS + 1;
	char crc[CRC_DIGITS + 1];

	at = add(dst, at, row->name);
	for (size_t i = 0; i < FIELDS_MAX && row->fields[i].kind != KIND_END; i++) {
		dst[at++] = ' ';
		at = add_field(dst, at, record, &row->fields[i]);
	}
	snprintf(crc, sizeof crc, "%08" PRIx32,
	    record_crc32c(dst + CRC_DIGITS + 1, at - CRC_DIGITS - 1));
	memcpy(dst, crc, CRC_DIGITS);
	dst[CRC_DIGITS] = ' ';
	dst[at++] = '\n';
	dst[at] = '\0';
	return at;
}

static int
parse_micros(const char *s, size_t len, int64_t *out)
{
	struct timespec when;

	if (len == 1 && s[0] == '-') {
		*out = 0;
		return 0;
	}
	if (parse_time(s, len, &when) < 0)
		return -1;
	*out = (int64_t)when.tv_sec * MICROS + when.tv_nsec / 1000;
	return 0;
}

static int
is_visible(const char *s, size_t len, uint64_t max)
{
	if (len < 1 || len > max)
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < 0x21 || s[i] > 0x7e)
			return 0;
	}
	return 1;
}

static int
is_word(const char *s, size_t len, uint64_t max)
{
	if (len < 1 || len > max || s[0] < 'a' || s[0] > 'z')
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (!(s[i] >= 'a' && s[i] <= 'z') && !(s[i] >= '0' && s[i] <= '9') && s[i] != '-')
			return 0;
	}
	return 1;
}

static int
is_escaped(const char *s, size_t len, uint64_t max)
{
	unsigned char decoded[PROTO_NAME_MAX];

	return len >= 1 && escape_decode(decoded, max, s, len) >= 1;
}

static int
text_is_right(const struct field *field, const char *s, size_t len)
{
	switch (field->kind) {
	case KIND_IDENTITY:
		return is_visible(s, len, field->max);
	case KIND_HEX:
		return is_hex(s, len, field->max);
	case KIND_NAME:
		return is_plain_name(s, len, field->max);
	case KIND_WORD:
		return is_word(s, len, field->max);
	case KIND_ESCAPED:
		return is_escaped(s, len, field->max);
	case KIND_END:
	case KIND_NUMBER:
	case KIND_TIME:
	case KIND_SHA256:
		break;
	}
	return 0;
}

static int
parse_field(const struct field *field, const char *s, size_t len, struct record *out)
{
	char *to = (char *)out + field->offset;
	uint64_t number;
	int64_t time;

	if (field->kind == KIND_NUMBER) {
		if (parse_u64(s, len, field->max, &number) < 0 || number < field->min)
			return -1;
		memcpy(to, &number, sizeof number);
	} else if (field->kind == KIND_TIME) {
		if (parse_micros(s, len, &time) < 0)
			return -1;
		memcpy(to, &time, sizeof time);
	} else if (field->kind == KIND_SHA256) {
		return digest_parse((unsigned char *)to, s, len);
	} else if ((field->kind == KIND_WORD || field->kind == KIND_ESCAPED) && len == 1 &&
	    s[0] == '-') {
		to[0] = '\0';
	} else {
		if (!text_is_right(field, s, len))
			return -1;
		memcpy(to, s, len);
		to[len] = '\0';
	}
	return 0;
}

/* The checksum, and the space behind it. */
static int
checksum_is_right(const char *line, size_t len)
{
	char want[CRC_DIGITS + 1];

	if (len < CRC_DIGITS + 1 || line[CRC_DIGITS] != ' ')
		return 0;
	snprintf(want, sizeof want, "%08" PRIx32,
	    record_crc32c(line + CRC_DIGITS + 1, len - CRC_DIGITS - 1));
	return memcmp(line, want, CRC_DIGITS) == 0;
}

/* Takes the next field off the line at *s: all up to a space, which goes too,
 * or to the end, which makes *s NULL. */
static size_t
take_field(const char **s, const char *end, const char **field)
{
	const char *space = memchr(*s, ' ', (size_t)(end - *s));

	*field = *s;
	*s = space ? space + 1 : NULL;
	return (size_t)((space ? space : end) - *field);
}

/* A field behind those of the table: one that a later program has added. */
static int
is_added_field(const char *s, size_t len)
{
	const char *equals = memchr(s, '=', len);

	return equals && is_word(s, (size_t)(equals - s), KEY_MAX) &&
	    is_visible(equals + 1, len - (size_t)(equals - s) - 1, RECORD_LINE_MAX);
}

int
record_parse(const char *line, size_t len, struct record *out)
{
	const char *s = line + CRC_DIGITS + 1, *end = line + len, *field;
	const struct row *row = NULL;
	size_t field_len;

	if (len >= RECORD_LINE_MAX || !checksum_is_right(line, len))
		return -1;
	memset(out, 0, sizeof *out);
	field_len = take_field(&s, end, &field);
	for (int i = 0; i < RECORD_TYPES && !row; i++) {
		if (strlen(rows[i].name) == field_len &&
		    memcmp(rows[i].name, field, field_len) == 0) {
			row = &rows[i];
			out->type = (enum record_type)i;
		}
	}
	if (!row)
		return -1;
	for (size_t i = 0; i < FIELDS_MAX && row->fields[i].kind != KIND_END; i++) {
		if (!s)
			return -1;
		field_len = take_field(&s, end, &field);
		if (parse_field(&row->fields[i], field, field_len, out) < 0)
			return -1;
	}
	while (s) {
		field_len = take_field(&s, end, &field);
		if (!is_added_field(field, field_len))
			return -1;
	}
	return out->type == RECORD_GAP && out->to < out->n ? -1 : 0;
}
