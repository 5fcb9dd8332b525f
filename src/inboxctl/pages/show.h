/* SPDX-License-Identifier: ISC */
/*
 * Shows a page of the status socket to a person.  The pages' JSON is described
 * in inboxd(8), "STATUS".
 */
#ifndef INBOXCTL_PAGES_SHOW_H
#define INBOXCTL_PAGES_SHOW_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/attr.h"
#include "lib/terminal.h"
#include "lib/why.h"

#define SHOW_SCHEMA 1

struct arguments;
struct json_t;

/* Where a page is shown, and what the command line says of how. */
struct showing {
	FILE *out;
	struct screen screen;
	const struct arguments *arguments;
};

/* Each returns 0; or -1 and the reason in `why`, which may hold bytes of the peer. */

/*
 * Takes a page in.  *page is what has been taken so far, NULL at first: the lists of a page
 * that goes on become longer.  *next gets where the next page begins; -1: this was the last.
 */
MUST_CHECK int show_take(struct json_t **page, const char *text, size_t len, int64_t *next,
    struct why *why);
/* NULL: does nothing. */
void show_free(struct json_t *page);

/* Where the page is not what it should be some lines may be out. */
typedef int show_fn(const struct json_t *page, const struct showing *showing, struct why *why);
show_fn show_json;

#endif
