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
	KIND_NUMBER,  /* `min` to `max` */
	KIND_VISIBLE, /* all others: `min` to `max` bytes.  0x21 to 0x7e */
	KIND_HEX,     /* lower-case digits, as many as `max` */
	KIND_NAME,    /* a plain name: is_plain_name() */
	KIND_WORD,    /* lower-case letters, digits or '-', a letter first */
	KIND_ESCAPED, /* see escape.h; counted decoded, FIELD_ESCAPED_MAX at most */
	KIND_REST,    /* whatever a line may hold, blanks too */
	KIND_TIME,    /* these two are the ledger's own, and not for field_fits(): as ... */
	KIND_SHA256,  /* ... print_time() and digest_print() have it */
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

#endif
