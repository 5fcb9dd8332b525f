/* SPDX-License-Identifier: ISC */
/*
 * A note that saves work and may be lost: one line of text in a file, written in place and never
 * synced.  It is believed only if it is whole, and of this very file: not where it is damaged,
 * somebody else's, or copied from elsewhere (a spool out of a backup).  Who finds none looks at
 * the truth itself.
 */
#ifndef INBOXQ_SPOOL_MARK_H
#define INBOXQ_SPOOL_MARK_H

#include "lib/attr.h"

#define MARK_ROOM 256 /* bytes: the file's */
#define MARK_TEXT 192 /* with NUL */

/* 0, or -1 with errno: ENOENT: there is none; EILSEQ: it is not to be believed. */
MUST_CHECK int mark_read(int dir, const char *name, char text[MARK_TEXT]);

/* `text` has neither LF nor more than MARK_TEXT - 1 bytes.  -1 with errno: what stood there may
 * still stand there. */
MUST_CHECK int mark_write(int dir, const char *name, const char *text);

#endif
