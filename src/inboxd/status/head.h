/* SPDX-License-Identifier: ISC */
/*
 * The head of a request of HTTP/1.1 (RFC 9112), taken apart: as much of it as the status socket
 * and the console need.  Pure.
 */
#ifndef INBOXD_STATUS_HEAD_H
#define INBOXD_STATUS_HEAD_H

#include <stddef.h>

#include "lib/attr.h"

#define HEAD_BODY_MAX 2048 /* bytes */

struct head {
	/* Within the text; `query`: what stood behind the "?", NULL: none. */
	const char *path, *query, *headers;
	const char *host; /* of an absolute form, up to `path`; NULL: as the header says */
	size_t host_len;
	const char *allow; /* the methods that the path has: a constant */
	int is_head;
	size_t body; /* bytes that follow, of a POST; 0 for all others, whatever they say */
};

/* How long the head is, with the empty line that ends it; 0: that is not in the text, which a NUL
 * ends. */
size_t head_find_end(const char *text);

/* Does the path take POST, and nothing else? */
typedef int head_is_posted(const char *path);

/*
 * Takes the head of `len` bytes apart, in place: `out` points into it.  Paths that take no POST
 * take GET and HEAD.  0, or the code that answers it, with why, which
 * is a line; *out tells then what was understood.
 */
MUST_CHECK int head_parse(char *text, size_t len, head_is_posted *is_posted, struct head *out,
    const char **why);

/* Does the client say that it takes this media type? */
int head_accepts(const struct head *head, const char *type);

/*
 * Is the host that is asked for an address, or "localhost", with a port or without?  One with any
 * other name may be somebody's whose page wants to read here with a browser's help, after his name
 * was turned to our address (DNS rebinding); no name can be turned into an address.  1; 0: it is
 * not; -1: it is not said, or more than once.
 */
MUST_CHECK int head_is_for_us(const struct head *head);

/* Does the client have what this tag is of (If-None-Match, RFC 9110, 13.1.2)? */
int head_has_tag(const struct head *head, const char *tag);

#endif
