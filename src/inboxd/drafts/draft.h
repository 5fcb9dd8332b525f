/* SPDX-License-Identifier: ISC */
/*
 * An item while it is not promised yet: a file in tmp/ under the name that it
 * will have in new/.  A worker creates and fills it, and hands it to the commit thread; of an
 * item that is acknowledged it is the publisher's.  Whoever holds it disposes of it by
 * draft_close() once it is published, or draft_discard() if it never was.
 */
#ifndef INBOXD_DRAFTS_DRAFT_H
#define INBOXD_DRAFTS_DRAFT_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/base/site.h"
#include "lib/attr.h"
#include "lib/name.h"

struct meta;

struct draft {
	struct site *site; /* a reference; keeps `inbox` open */
	struct inbox *inbox;
	int fd; /* -1: no file.  Stays open until the draft is synced: errors of
	           writing back are told to descriptors that were open */
	char name[NAME_ROOM];
};

/* All that can go wrong has two meanings for the client: no room now, or
 * trouble of ours, which has been logged.  A file system that is gone ends the program
 * (fatal_if_gone()). */
enum draft_result { DRAFT_OK, DRAFT_FULL, DRAFT_TROUBLE };
enum draft_result draft_failure(int error);

/* Creates it with O_EXCL, under the next free name of `namer`. */
MUST_CHECK enum draft_result draft_create(struct draft *draft, struct site *site,
    struct inbox *inbox, struct namer *namer, const char *identity);
/* Opens an empty file `name` in tmp/ for writing, made anew: what had that name goes.  The
 * descriptor; or -1 with errno. */
MUST_CHECK int draft_make(const struct inbox *inbox, const char *name);
/* Likewise, of these bytes, and with what its inbox wants beside it by the accept's line. */
MUST_CHECK int draft_make_of(const struct inbox *inbox, const char *name, const char *accept,
    const void *bytes, size_t size);
/* Takes room for `size` bytes before the first comes, where that is worth a
 * system call. */
MUST_CHECK enum draft_result draft_reserve(struct draft *draft, uint64_t size);
MUST_CHECK enum draft_result draft_write(struct draft *draft, const void *data, size_t len);
/* Sets what its inbox wants beside it: behind the last byte, before it is handed over. */
MUST_CHECK enum draft_result draft_describe(struct draft *draft, const struct meta *meta);

void draft_close(struct draft *draft);
void draft_discard(struct draft *draft);

#endif
