/* SPDX-License-Identifier: ISC */
/* What a client's lines do: a table says which verb may come in which state. */
#ifndef INBOXD_INBOX1_LINES_H
#define INBOXD_INBOX1_LINES_H

#include <stddef.h>

struct session;

/* Takes one line: returns its length with the LF, or 0 if more bytes are needed
 * (or the line was wrong, and the session is LEAVING). */
size_t lines_take(struct session *s, const unsigned char *data, size_t len);

#endif
