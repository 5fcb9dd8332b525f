/* SPDX-License-Identifier: ISC */
/*
 * What a field may hold: one grammar for the lines of the protocol (proto.h) and those of the
 * ledger (record.h), each of which has its tables of fields.  Pure, as these are.
 */
#ifndef LIB_FIELD_H
#define LIB_FIELD_H

#include <stddef.h>
#include <stdint.h>

enum field_kind {
	KIND_NUMBER,  /* `min` to `max`; so are the next two */
	KIND_BYTES,   /* a size */
	KIND_SECONDS, /* a time that a peer said, UTC since 1970; 0: none */
	KIND_VISIBLE, /* all others: `min` to `max` bytes.  0x21 to 0x7e */
	KIND_HEX,     /* lower-case digits, as many as `max` */
	KIND_NAME,    /* a plain name: is_plain_name() */
	KIND_WORD,    /* lower-case letters, digits or '-', a letter first */
	KIND_ESCAPED, /* see escape.h; counted decoded, FIELD_ESCAPED_MAX at most */
	KIND_REST,    /* whatever a line may hold, blanks too */
	KIND_TIME,    /* UTC microseconds, 0: never.  This and the next are the ledger's ... */
	KIND_SHA256,  /* ... own, as print_time() and digest_print() have it: no field_fits() */
};

#define FIELD_ESCAPED_MAX 255

struct field {
	const char *name;
	enum field_kind kind;
	uint64_t min, max;
};

/* May the field hold the `len` bytes at `s`?  A number's value goes to *number. */
int field_fits(const struct field *field, const char *s, size_t len, uint64_t *number);

/* Is it a word of 1 to `max` bytes?  So is a key, in either kind of line. */
int field_is_word(const char *s, size_t len, uint64_t max);
#define FIELD_KEY_MAX 32 /* bytes */

/* A field that is kept in a struct: a uint64_t, a KIND_TIME an int64_t, a KIND_SHA256 its bytes,
 * any other a text with room for `max` bytes (escaped, if it is). */
struct member {
	struct field field;
	size_t offset;
};

/* Where it lies in `of`, and the value of a number or time (as it stands; none is negative
 * but a time before 1970). */
const void *member_of(const struct member *member, const void *of);
int64_t member_number(const struct member *member, const void *of);
int member_is_number(const struct member *member);
/* 0, never, or "". */
int member_is_empty(const struct member *member, const void *of);

#endif
