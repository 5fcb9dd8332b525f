/* SPDX-License-Identifier: ISC */
/*
 * What tells one queue, or one receiver's root, from all others: 128 bits, drawn once, and
 * kept in a file of its folder as 32 digits of lower-case hexadecimal and an LF.
 */
#ifndef LIB_ID_H
#define LIB_ID_H

#include "lib/attr.h"
#include "lib/proto.h"

#define ID_ROOM (PROTO_ID_LEN + 1)
#define ID_OF_ROOT "id" /* the file of a root */

/* The id in file `name` of folder `dir`.  0, or -1 with errno, and id "": ENOENT: there is
 * none; EILSEQ: the file holds something else. */
MUST_CHECK int id_read(int dir, const char *name, char id[ID_ROOM]);

/* Draws one.  0, or -1 with errno. */
MUST_CHECK int id_draw(char id[ID_ROOM]);

/* Draws an id for file `name` of folder `dir`, unless there is one, and makes it last; it
 * comes by way of a file `draft` in folder `drafts`.  0, or -1 with errno. */
MUST_CHECK int id_make(int drafts, const char *draft, int dir, const char *name);

#endif
