/* SPDX-License-Identifier: ISC */
/*
 * Certificate, key, CA and list as they stand on the disk now, for each connection anew: who
 * renews them needs to tell nobody.  What does not do (half written, key and certificate of two
 * pairs, run out) leaves those in use that were read last.
 *
 * They are read each time: that costs less than the handshake behind it (0.9 ms of processor
 * time, against 1.4), and there is at most one a second.  Rejected: looking at the files' times
 * first, which are the same for what is written twice in one tick of the clock.
 */
#ifndef INBOXQ_CREDENTIALS_H
#define INBOXQ_CREDENTIALS_H

#include "lib/why.h"

struct settings;
struct tls;

/* Zeroed to begin with. */
struct credentials {
	struct why trouble; /* why what stands there does not do, as was logged; "": it does */
};

/* Replaces *tls by what stands there, or leaves it.  A change is logged, once. */
void credentials_read(struct credentials *credentials, const struct settings *settings,
    struct tls **tls);

#endif
