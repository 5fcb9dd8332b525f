/* SPDX-License-Identifier: ISC */
/*
 * Is a server there again?  It is called as for a session, but no further than the handshake:
 * HELLO would supersede our own session where two names lead to one receiver.
 */
#ifndef INBOXQ_UPLINK_PROBE_H
#define INBOXQ_UPLINK_PROBE_H

#include "lib/attr.h"

struct probe;
struct uplink_setup;

enum probe_state {
	PROBE_GOES_ON,
	PROBE_GOOD, /* it has proved who it is, and taken us for who we are */
	PROBE_BAD,  /* none of its addresses did, or in time; the log says why */
};

/* `setup` is borrowed.  NULL: out of memory. */
MUST_CHECK struct probe *probe_new(const struct uplink_setup *setup, const char *server);
/* At any time; closes at once. */
void probe_free(struct probe *probe);

/* To be asked every second. */
enum probe_state probe_look(struct probe *probe);

#endif
