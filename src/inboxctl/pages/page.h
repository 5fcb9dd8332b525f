/* SPDX-License-Identifier: ISC */
/* A page of the status socket as a tree, all parts of it in one. */
#ifndef INBOXCTL_PAGES_PAGE_H
#define INBOXCTL_PAGES_PAGE_H

#include "inboxctl/pages/fetch.h"
#include "lib/attr.h"
#include "lib/why.h"

struct json_t;

#define PAGE_PATH_ROOM 1100 /* with its query */

/*
 * Asks for `path` ("/clients", with a query behind it or not), and for all that follows.  *page is
 * the tree, to be freed by show_free(), where that is FETCH_OK, and else NULL with the reason in
 * `why`, which may hold bytes of the peer.  `patience` is how many milliseconds each part of it
 * may take.
 */
MUST_CHECK enum fetch_result page_ask(const char *socket_path, const char *path, int patience,
    struct json_t **page, struct why *why);

/* Likewise, for a command: 0, or its exit code, and it has been told why. */
MUST_CHECK int page_get(const char *socket_path, const char *path, struct json_t **page);

/* Likewise, without keeping it: each part goes to `take` as it comes, and is freed behind that;
 * -1 with a reason ends it. */
typedef int page_take(void *ctx, const struct json_t *part, struct why *why);
MUST_CHECK int page_each(const char *socket_path, const char *path, page_take *take, void *ctx);
/* Likewise, each part within `patience` milliseconds; where it fails the reason goes to `why`. */
MUST_CHECK enum fetch_result page_parts(const char *socket_path, const char *path, int patience,
    page_take *take, void *ctx, struct why *why);

#endif
