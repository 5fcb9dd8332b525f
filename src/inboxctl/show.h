/* SPDX-License-Identifier: ISC */
/*
 * Shows a page of the status socket to a person.  The pages' JSON is described
 * in inboxd(8), "STATUS".
 */
#ifndef INBOXCTL_SHOW_H
#define INBOXCTL_SHOW_H

#include <stddef.h>
#include <stdio.h>

#include "lib/attr.h"

#define SHOW_SCHEMA 1
#define SHOW_WHY_ROOM 256

/* Prints to `out`.  0; or -1 and the reason in `why`, which may hold bytes of
 * the peer: `text` is not the JSON it should be.  Some lines may be out. */
typedef int show_fn(const char *text, size_t len, FILE *out, char why[SHOW_WHY_ROOM]);
show_fn show_status, show_clients, show_inboxes;

/* Is it JSON at all?  0, or -1 and `why`. */
MUST_CHECK int show_check(const char *text, size_t len, char why[SHOW_WHY_ROOM]);

#endif
