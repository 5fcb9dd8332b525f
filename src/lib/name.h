/* SPDX-License-Identifier: ISC */
/*
 * Server-side names of items:
 *
 *	20261122T141103.123456Z-1f2e3d4c-0.27-pc17.example.org.msg
 *	UTC time                start    counter  client       suffix
 *
 * It sorts by time and shows whose it is.  It is unique without luck: the
 * counter belongs to one worker of one start of the receiver.  Still O_EXCL
 * and RENAME_NOREPLACE are the judges, and EEXIST is answered with the next
 * name.
 */
#ifndef LIB_NAME_H
#define LIB_NAME_H

#include <stdint.h>

#include "lib/attr.h"

#define NAME_ROOM 256       /* bytes, with the NUL */
#define NAME_CLIENT_MAX 64  /* bytes of the identity that a name shows */
#define NAME_SUFFIX_MAX 32  /* bytes */

/* Belongs to one worker. */
struct namer {
	uint32_t start;  /* random, the same for all workers of one start */
	unsigned worker; /* 0, 1, ... */
	uint64_t count;  /* names given so far */
};

/* How names show a client: bytes that is_plain_name() would not take as '_'. */
void name_show_client(const char *client, char dst[NAME_CLIENT_MAX + 1]);

/* Whose item it is, as a name with this suffix shows it.  0, or -1: it is no such name. */
MUST_CHECK int name_read_client(const char *name, const char *suffix,
    char dst[NAME_CLIENT_MAX + 1]);

/* The next name. */
void name_next(struct namer *namer, const char *client, const char *suffix, char dst[NAME_ROOM]);

#endif
