/* SPDX-License-Identifier: ISC */
/* Where the receiver's root and status socket are, by its own configuration. */
#ifndef INBOXCTL_BASE_PLACES_H
#define INBOXCTL_BASE_PLACES_H

#include "lib/attr.h"

struct places {
	char *root, *socket; /* owned */
};

/* Reads `config` (inboxd.conf(5)) into the zeroed `places`.  0, or -1, and it has been told
 * why; places_free() is due either way. */
MUST_CHECK int places_read(struct places *places, const char *config);
void places_free(struct places *places);

#endif
