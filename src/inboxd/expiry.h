/* SPDX-License-Identifier: ISC */
/*
 * Certificates and revocation lists run out, and then clients are turned away: who reads
 * the log, the metrics or /healthz knows of it before.
 */
#ifndef INBOXD_EXPIRY_H
#define INBOXD_EXPIRY_H

#include <stdint.h>

#include "inboxd/base/stats.h"
#include "lib/attr.h"
#include "lib/tls.h"

struct expiry {
	int64_t told[TLS_KINDS]; /* by days left; 0: nothing has been told */
};

/* Sets the gauges, and tells the log, once a day, what has less than two weeks, or less
 * than a third of its time; an error where it is over.  Returns after how many seconds to
 * look again. */
uint64_t expiry_look(struct expiry *expiry, const struct tls *tls, struct stats *stats);

/* Is one of them over?  Then `why` says which. */
MUST_CHECK int expiry_is_over(const struct tls *tls, struct why *why);

#endif
