/* SPDX-License-Identifier: ISC */
/* What comes by POST as a form, and by GET behind '?': name=value, split by '&'.  Pure. */
#ifndef INBOXD_STATUS_FORM_H
#define INBOXD_STATUS_FORM_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/why.h"

struct view_filter;

/* A value's `len` bytes as text, what is not plain being '%' and two digits in it.  0; or -1: it
 * has others than visible ASCII characters, or too many for `room` with its NUL. */
MUST_CHECK int form_decode(const char *s, size_t len, char *out, size_t room);
/* Likewise, with blanks, and bytes that are not ASCII: a line of text. */
MUST_CHECK int form_decode_line(const char *s, size_t len, char *out, size_t room);

/* What /clients is asked: ?from=N&state=WORD,...&match=GLOB&identity=NAME, each once, or nothing
 * (NULL).  0; or -1, and `why` says what is wrong with it. */
MUST_CHECK int form_read_clients(const char *query, uint64_t *from, struct view_filter *filter,
    struct why *why);

#endif
