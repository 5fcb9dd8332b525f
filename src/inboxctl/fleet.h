/* SPDX-License-Identifier: ISC */
/* The clients of several receivers, read of all of them. */
#ifndef INBOXCTL_FLEET_H
#define INBOXCTL_FLEET_H

#include "inboxctl/base/receivers.h"
#include "inboxctl/screens/roll.h"
#include "lib/attr.h"

struct answer;

/*
 * Reads the clients of each receiver that has answered `status`, one after the other, into the
 * empty `roll`: by its wish's pattern, and with JSON as it says, but for all else whole, so that
 * roll_filter() may follow.  Where one does not answer after all, its status says so from then on,
 * and nothing of it counts; so does one for which `patience` has run out, in milliseconds and for
 * all together; 0: each page alone has FETCH_PATIENCE.  0, or -1: memory is out, which has been
 * told.
 */
MUST_CHECK int fleet_read(struct roll *roll, struct answer *status,
    const struct receivers *receivers, int patience);

#endif
