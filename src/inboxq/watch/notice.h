/* SPDX-License-Identifier: ISC */
/*
 * What happens in folders, told by the kernel as it happens (inotify(7)); a hint, no more: what
 * is missed, or where there is no inotify, a listing finds later.
 */
#ifndef INBOXQ_WATCH_NOTICE_H
#define INBOXQ_WATCH_NOTICE_H

#include "lib/attr.h"

struct notice;

enum notice_kind {
	NOTICE_CLOSED,  /* a file was closed after writing, or renamed in */
	NOTICE_MADE,    /* a name appeared: what was known of it was another file's */
	NOTICE_SEEN,    /* owner, rights or times changed */
	NOTICE_MISSED,  /* more happened than is told: list all folders */
	NOTICE_GONE,    /* the folder itself was deleted, moved or unmounted */
};

/* NULL with errno: there is none here. */
MUST_CHECK struct notice *notice_new(void);
void notice_free(struct notice *notice);
/* To wait for. */
int notice_fd(const struct notice *notice);

/* A folder, open as `dirfd`.  Its number, 0 or above, or -1 with errno. */
MUST_CHECK int notice_add(struct notice *notice, int dirfd);
void notice_remove(struct notice *notice, int folder);

/* Calls `on` for what has happened since, and does not wait; `folder` is its number, `name` the
 * file's ("" where it is none). */
void notice_read(struct notice *notice,
    void (*on)(void *ctx, enum notice_kind kind, int folder, const char *name), void *ctx);

#endif
