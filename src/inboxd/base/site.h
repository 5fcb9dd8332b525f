/* SPDX-License-Identifier: ISC */
/*
 * A configuration in force: the settings, their TLS context, their inbox
 * folders opened and checked.  Immutable once built; a reload builds another
 * one, whole or not at all, and what was begun under the old one ends under
 * it: each worker and each draft holds a counted reference.
 */
#ifndef INBOXD_BASE_SITE_H
#define INBOXD_BASE_SITE_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/base/inbox.h"
#include "inboxd/base/settings.h"
#include "lib/attr.h"

struct expected;
struct tls;

struct site {
	_Atomic unsigned references;
	struct settings *settings;
	struct tls *tls;
	struct expected *expected; /* the clients that should come */
	char host[256];
	uint64_t since; /* monotonic seconds: for so long it has been as now who may send what */
	uint64_t item; /* the largest item any inbox takes, bytes */
	struct inbox *inboxes;
	size_t inbox_count;
};


/*
 * `alpn`: the protocols to offer, closed by NULL; borrowed while the site lives.
 * Takes `settings` (also on failure).  `root` is the open root directory, on
 * whose file system every folder must lie.  NULL, with the reason: which
 * folder or file, what is wrong, what would be right; and *code for a start: EX_CONFIG,
 * EX_TEMPFAIL where time mends it (tls.h), or EX_OSERR.
 */
MUST_CHECK struct site *site_new(struct settings *settings, int root, const char *const *alpn,
    int *code, struct why *error);
/* It takes the place of `old`: its inboxes have the inflow of those, and it keeps its `since`
 * where their rules are the same: one who reloads a list of revoked certificates every night
 * has changed none. */
void site_succeed(struct site *site, const struct site *old);
/* What the inboxes' rules forbid at `now` (monotonic seconds) may be an administrator's slip: for
 * how many seconds is it put off?  0: it is refused. */
uint64_t site_forgives(const struct site *site, uint64_t now);
/* Any thread. */
struct site *site_ref(struct site *site);
void site_unref(struct site *site);

struct inbox *site_find_inbox(const struct site *site, const char *name, size_t len);

#endif
