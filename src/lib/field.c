/* SPDX-License-Identifier: ISC */
#include "lib/field.h"

#include <assert.h>
#include <string.h>
#include <sys/types.h>

#include "lib/escape.h"
#include "lib/parse.h"

int
field_is_word(const char *s, size_t len, uint64_t max)
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
is_visible(const char *s, size_t len, const struct field *field)
{
	if (len < field->min || len > field->max)
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < 0x21 || s[i] > 0x7e)
			return 0;
	}
	return 1;
}

static int
is_escaped(const char *s, size_t len, const struct field *field)
{
	unsigned char decoded[FIELD_ESCAPED_MAX];
	ssize_t got;

	assert(field->max <= sizeof decoded);
	got = escape_decode(decoded, field->max, s, len);
	return got >= 0 && (uint64_t)got >= field->min;
}

int
field_fits(const struct field *field, const char *s, size_t len, uint64_t *number)
{
	switch (field->kind) {
	case KIND_NUMBER:
	case KIND_BYTES:
	case KIND_SECONDS:
		return parse_u64(s, len, field->max, number) == 0 && *number >= field->min;
	case KIND_VISIBLE:
		return is_visible(s, len, field);
	case KIND_HEX:
		return is_hex(s, len, field->max);
	case KIND_NAME:
		return is_plain_name(s, len, field->max);
	case KIND_WORD:
		return field_is_word(s, len, field->max);
	case KIND_ESCAPED:
		return is_escaped(s, len, field);
	case KIND_REST:
		return 1;
	case KIND_TIME:
	case KIND_SHA256:
		break;
	}
	return 0;
}

int
member_is_number(const struct member *member)
{
	enum field_kind kind = member->field.kind;

	return kind == KIND_NUMBER || kind == KIND_BYTES || kind == KIND_SECONDS;
}

const void *
member_of(const struct member *member, const void *of)
{
	return (const char *)of + member->offset;
}

int64_t
member_number(const struct member *member, const void *of)
{
	return *(const int64_t *)member_of(member, of);
}

int
member_is_empty(const struct member *member, const void *of)
{
	if (member_is_number(member) || member->field.kind == KIND_TIME)
		return member_number(member, of) == 0;
	return *(const char *)member_of(member, of) == '\0';
}
