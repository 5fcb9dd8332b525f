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

#include "lib/crc.h"
#include "lib/field.h"
#include "lib/parse.h"

struct row {
	const char *name;
	struct member fixed[12];    /* up to one without a name */
	const struct member *keyed; /* likewise; NULL: none */
};

#define NUMBER_MAX ((uint64_t)PROTO_NUMBER_MAX)
#define M(name, kind, member, min, max) \
	{{name, KIND_##kind, min, max}, offsetof(struct record, member)}
#define COUNT(member) M(#member, NUMBER, member, 0, NUMBER_MAX)
#define FROM_1(member) M(#member, NUMBER, member, 1, NUMBER_MAX)
#define TIME(member) M(#member, TIME, member, 0, 0)
#define QUEUE \
	M("client", VISIBLE, identity, 1, IDENTITY_MAX), \
	    M("queue", HEX, queue, PROTO_QUEUE_LEN, PROTO_QUEUE_LEN)

static const struct member of_queue[] = {
#define X(member, kind, most, name, head) M(name, kind, figures.member, 0, most),
    FIGURES(X)
#undef X
    COUNT(age),
    TIME(forgotten),
    M("reason", WORD, reason, 1, RECORD_REASON_ROOM - 1),
    {{0}, 0},
};

_Static_assert(sizeof of_queue / sizeof of_queue[0] <= 33, "parse_key() has a bit for each");

static const struct member origin[] = {
    M("root", HEX, root, PROTO_ID_LEN, PROTO_ID_LEN),
    M("journal", HEX, journal, PROTO_ID_LEN, PROTO_ID_LEN),
    COUNT(age),
    {{0}, 0},
};
static const struct member of_gap[] = {
    TIME(since),
    M("known", NUMBER, known, 0, 1),
    TIME(time),
    M("kept", NUMBER, kept, 0, 1),
    COUNT(missing),
    COUNT(gaps),
    {{0}, 0},
};
static const struct member aged[] = {COUNT(age), {{0}, 0}};

static const struct row rows[RECORD_TYPES] = {
    [RECORD_BEGIN] = {"begin",
        {M("version", NUMBER, version, 1, UINT32_MAX), TIME(time), FROM_1(seq)}, origin},
    [RECORD_QUEUE] = {"queue", {QUEUE, FROM_1(settled)}, of_queue},
    [RECORD_ACCEPT] = {"accept",
        {FROM_1(seq), TIME(time), QUEUE, FROM_1(n),
            M("inbox", NAME, inbox, 1, PROTO_INBOX_MAX),
            M("size", BYTES, size, 0, NUMBER_MAX), M("sha256", SHA256, sha256, 0, 0),
            M("name", NAME, name, 1, NAME_ROOM - 1),
            M("sent", SECONDS, sent, 0, NUMBER_MAX),
            M("hint", ESCAPED, hint, 1, PROTO_NAME_MAX)}, NULL},
    [RECORD_MARK] = {"mark", {COUNT(synced), COUNT(stored)}, aged},
    [RECORD_VOID] = {"void", {FROM_1(seq)}, NULL},
    [RECORD_RENAMED] = {"renamed", {FROM_1(seq), M("name", NAME, name, 1, NAME_ROOM - 1)}, NULL},
    [RECORD_SKIP] = {"skip",
        {QUEUE, FROM_1(n), M("reason", WORD, reason, 1, RECORD_REASON_ROOM - 1)}, NULL},
    [RECORD_SETTLED] = {"settled", {QUEUE, FROM_1(n)}, NULL},
    [RECORD_GAP] = {"gap", {QUEUE, FROM_1(n), FROM_1(to)}, of_gap},
    [RECORD_STATE] = {"state", {{{0}, 0}}, NULL},
    [RECORD_END] = {"end", {M("next", NAME, name, 1, NAME_ROOM - 1)}, NULL},
};

#define MICROS 1000000
#define CRC_DIGITS 8

const char *
record_type_name(enum record_type type)
{
	return rows[type].name;
}

const struct member *
record_member(enum record_type type, size_t i)
{
	const struct member *member = rows[type].fixed;

	for (; member->field.name; member++, i--) {
		if (i == 0)
			return member;
	}
	member = rows[type].keyed;
	for (; member && member->field.name; member++, i--) {
		if (i == 0)
			return member;
	}
	return NULL;
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
add_field(char *dst, size_t at, const struct record *record, const struct member *member)
{
	const char *text = member_of(member, record);

	if (member_is_number(member))
		return at +
		    (size_t)snprintf(dst + at, 21, "%" PRId64, member_number(member, record));
	if (member->field.kind == KIND_TIME)
		return add_time(dst, at, member_number(member, record));
	if (member->field.kind == KIND_SHA256) {
		digest_print(dst + at, (const unsigned char *)text);
		return at + DIGEST_TEXT_ROOM - 1;
	}
	if (text[0] == '\0')
		return add(dst, at, "-");
	return add(dst, at, strcmp(text, "-") == 0 ? "%2D" : text);
}

static size_t
add_key(char *dst, size_t at, const struct record *record, const struct member *member)
{
	if (member_is_empty(member, record))
		return at;
	dst[at++] = ' ';
	at = add(dst, at, member->field.name);
	dst[at++] = '=';
	return add_field(dst, at, record, member);
}

size_t
record_format(const struct record *record, char dst[RECORD_LINE_MAX + 1])
{
	const struct row *row = &rows[record->type];
	size_t at = CRC_DIGITS + 1;
	char crc[CRC_DIGITS + 1];

	at = add(dst, at, row->name);
	for (const struct member *member = row->fixed; member->field.name; member++) {
		dst[at++] = ' ';
		at = add_field(dst, at, record, member);
	}
	for (const struct member *member = row->keyed; member && member->field.name; member++)
		at = add_key(dst, at, record, member);
	snprintf(crc, sizeof crc, "%08" PRIx32,
	    crc32c(0, dst + CRC_DIGITS + 1, at - CRC_DIGITS - 1));
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
parse_field(const struct member *member, const char *s, size_t len, struct record *out)
{
	char *to = (char *)out + member->offset;
	enum field_kind kind = member->field.kind;
	uint64_t number;
	int64_t time;

	if (kind == KIND_TIME) {
		if (parse_micros(s, len, &time) < 0)
			return -1;
		memcpy(to, &time, sizeof time);
	} else if (kind == KIND_SHA256) {
		return digest_parse((unsigned char *)to, s, len);
	} else if ((kind == KIND_WORD || kind == KIND_ESCAPED) && len == 1 && s[0] == '-') {
		to[0] = '\0';
	} else if (!field_fits(&member->field, s, len, &number)) {
		return -1;
	} else if (member_is_number(member)) {
		memcpy(to, &number, sizeof number);
	} else {
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
	    crc32c(0, line + CRC_DIGITS + 1, len - CRC_DIGITS - 1));
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

/* At most FIELD_KEY_MAX lower-case letters, digits, '-' or '_', a letter first. */
static int
is_key(const char *s, size_t len)
{
	return len >= 1 && len <= FIELD_KEY_MAX && *s >= 'a' && *s <= 'z' &&
	    strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") == len;
}

/* A field behind the fixed ones, "key=value".  *known gets a bit for each keyed field met. */
static int
parse_key(const struct row *row, const char *s, size_t len, struct record *out, unsigned *known)
{
	static const struct field any = {"value", KIND_VISIBLE, 1, RECORD_LINE_MAX};
	const char *equals = memchr(s, '=', len), *value;
	size_t key_len = equals ? (size_t)(equals - s) : 0;

	if (!equals || !is_key(s, key_len))
		return -1;
	value = equals + 1;
	len -= key_len + 1;
	if (!field_fits(&any, value, len, NULL))
		return -1;
	for (unsigned i = 0; row->keyed && row->keyed[i].field.name; i++) {
		const struct member *member = &row->keyed[i];
		if (strlen(member->field.name) != key_len ||
		    memcmp(member->field.name, s, key_len) != 0)
			continue;
		if (*known & 1u << i)
			return -1;
		*known |= 1u << i;
		return parse_field(member, value, len, out);
	}
	return 0; /* one of a later day */
}

int
record_parse(const char *line, size_t len, struct record *out)
{
	const char *s = line + CRC_DIGITS + 1, *end = line + len, *field;
	const struct row *row = NULL;
	unsigned known = 0;
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
	for (const struct member *member = row->fixed; member->field.name; member++) {
		if (!s)
			return -1;
		field_len = take_field(&s, end, &field);
		if (parse_field(member, field, field_len, out) < 0)
			return -1;
	}
	while (s) {
		field_len = take_field(&s, end, &field);
		if (parse_key(row, field, field_len, out, &known) < 0)
			return -1;
	}
	return out->type == RECORD_GAP && out->to < out->n ? -1 : 0;
}
