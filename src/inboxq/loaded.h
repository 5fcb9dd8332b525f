/* SPDX-License-Identifier: ISC */
/*
 * A configuration read whole, as a reload needs it: settings, the TLS context that they
 * name, and the servers.  It comes in force as a whole (cycle.c) or not at all.
 */
#ifndef INBOXQ_LOADED_H
#define INBOXQ_LOADED_H

#include "inboxq/base/settings.h"
#include "inboxq/queue/servers.h"
#include "lib/attr.h"
#include "lib/tls.h"

struct loaded {
	struct settings settings;
	struct tls *tls;
	struct servers *servers;
};

/* Reads the file `config`; keys that need a restart must be as in `now`.  NULL with the
 * reason; each error of the file has been logged. */
MUST_CHECK struct loaded *loaded_read(const char *config, const struct settings *now,
    struct why *reason);
/* With all that is in it.  NULL is fine. */
void loaded_free(struct loaded *loaded);

/* Its parts alone: the context, as tls_new(); the servers in the order of
 * who `tls` says we are, NULL: out of memory. */
MUST_CHECK struct tls *loaded_tls(const struct settings *settings, struct why *error);
MUST_CHECK struct servers *loaded_servers(const struct settings *settings,
    const struct tls *tls);

#endif
