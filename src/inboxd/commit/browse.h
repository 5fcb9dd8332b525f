/* SPDX-License-Identifier: ISC */
/*
 * What is known of clients, shown to those who ask: a page of their queues, and how many there are
 * of which state.  Belongs to the commit thread, which acknowledges nothing meanwhile: so each
 * call does a bounded part, and says where the next one goes on.
 */
#ifndef INBOXD_COMMIT_BROWSE_H
#define INBOXD_COMMIT_BROWSE_H

#include <stdint.h>

#include "inboxd/commit/request.h"

struct clients;

/* Looked at for one page: queues, those of one client twice, and clients that never came. */
#define BROWSE_WORK 4000
/* Queues looked at for one part of a census, but always all of one client. */
#define BROWSE_CENSUS_WORK 1000

/* Where a page begins whose first element is the i-th client expected, as none before has a
 * queue: no queue's number of arrival comes there. */
#define BROWSE_EXPECTED (UINT64_C(1) << 62)

/* `now`: UTC microseconds.  Fills in the answer. */
void browse_page(const struct clients *clients, struct view *view, int64_t now);
/* Adds the next part to what has been counted. */
void browse_census(const struct clients *clients, struct census *census, int64_t now);

#endif
