/* SPDX-License-Identifier: ISC */
/*
 * The one escaping function: bytes that came from a peer, a file name or a
 * certificate reach a log, a ledger, a protocol line or a page only through
 * it.  It is percent-encoding (RFC 3986, section 2.1) with a set of its own:
 * bytes 0x21 to 0x7e but '%' stand for themselves, all others are written
 * as '%' and two digits of upper-case hexadecimal.  So an escaped text is one
 * field: it has no space, no control byte and no NUL, and an empty text stays
 * empty.
 */
#ifndef LIB_ESCAPE_H
#define LIB_ESCAPE_H

#include <stddef.h>
#include <sys/types.h>

#include "lib/attr.h"

/* The room that `len` bytes need at most, with the closing NUL. */
#define ESCAPE_ROOM(len) (3 * (len) + 1)

/*
 * Escapes `len` bytes at `src` into `dst`, which holds `room` bytes (> 0), and
 * closes it with a NUL.  What does not fit is cut at a whole escape.  Returns
 * the length written, without the NUL.
 */
size_t escape_bytes(char *dst, size_t room, const void *src, size_t len);

/*
 * The reverse.  `dst` may be `src` itself.  Adds no NUL: the result may hold
 * any byte.  Returns the length, or -1 if `src` holds a byte that is not
 * allowed unescaped, a broken escape, or if the result needs more than `room`.
 */
MUST_CHECK ssize_t escape_decode(void *dst, size_t room, const char *src, size_t len);

#endif
