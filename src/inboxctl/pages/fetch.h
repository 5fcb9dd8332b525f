/* SPDX-License-Identifier: ISC */
/*
 * Gets one page of the receiver's status socket, or has it do what is asked by POST.
 */
#ifndef INBOXCTL_PAGES_FETCH_H
#define INBOXCTL_PAGES_FETCH_H

#include <stddef.h>

#include "lib/attr.h"
#include "lib/why.h"

enum fetch_result {
	FETCH_OK,
	FETCH_UNREACHABLE, /* nobody listens, not allowed, or too slow */
	FETCH_REFUSED,     /* the receiver cannot answer now; asking again may help */
	FETCH_PROTOCOL,    /* what came is not the page of a receiver; or `code` says what it is */
};

struct fetch_page {
	enum fetch_result result; /* as it is returned, too */
	char *text; /* closed by NUL, to be freed; NULL unless FETCH_OK */
	size_t len;
	int code; /* of HTTP; 0: no answer came */
	int is_sent; /* what was asked went out, so it may be done without an answer */
	long pid; /* of who listens, as the system has it; 0: not in our sight; -1: it cannot say */
	struct why why; /* may hold bytes of the peer, unescaped */
};

#define FETCH_PATIENCE 15000 /* milliseconds, for all of it */

/* `path` is "/status" and the like. */
MUST_CHECK enum fetch_result fetch_page(const char *socket_path, const char *path,
    struct fetch_page *page);
/* Likewise, and waits no more than `patience` milliseconds. */
MUST_CHECK enum fetch_result fetch_page_within(const char *socket_path, const char *path,
    int patience, struct fetch_page *page);
/* Likewise of several receivers, all at once, so that `patience` is for all together; each page has
 * its result, and its text is to be freed.  0, or -1: memory is out, and none was asked. */
MUST_CHECK int fetch_pages(const char *const *sockets, size_t count, const char *path,
    int patience, struct fetch_page *pages);
/* Likewise; `form` is what is asked, as name=value&..., of FETCH_FORM_MAX bytes at most. */
MUST_CHECK enum fetch_result fetch_post(const char *socket_path, const char *path,
    const char *form, struct fetch_page *page);
#define FETCH_FORM_MAX 2048
/* Adds name=value to a form, which begins as "", or to a path, behind its '?'.  What has no room
 * is cut. */
void fetch_add(char *text, size_t room, const char *name, const char *value);

#endif
