/* SPDX-License-Identifier: ISC */
/*
 * A configuration read whole, as a reload needs it: settings, the TLS context that they
 * name, and room for what is known of each server.  It comes in force as a whole (run.c)
 * or not at all.
 */
#ifndef INBOXQ_LOADED_H
#define INBOXQ_LOADED_H

#include <stdint.h>

#include "inboxq/base/settings.h"
#include "lib/attr.h"
#include "lib/tls.h"

struct loaded {
	struct settings settings;
	struct tls *tls;
	int64_t *not_before; /* of each server */
};

/* Reads the file `config`; keys that need a restart must be as in `now`.  NULL with the
 * reason; each error of the file has been logged. */
MUST_CHECK struct loaded *loaded_read(const char *config, const struct settings *now,
    struct why *reason);
/* With all that is in it.  NULL is fine. */
void loaded_free(struct loaded *loaded);

/* The context alone, as tls_new(). */
MUST_CHECK struct tls *loaded_tls(const struct settings *settings, struct why *error);

#endif
