/* SPDX-License-Identifier: ISC */
/*
 * What several receivers say of their clients, as one roll with a row a queue.
 *
 * A client has one receiver at a time, so who saw it last knows how it is; to the others it is
 * silent, and that is nothing.  A number that is missing at one is no loss where another has stored
 * it, or was told that it will not come: where that one's mark is above it, and no gap of its own
 * is there.  Only whole gaps are explained so, and what no mark is above stays one.
 */
#ifndef INBOXCTL_SCREENS_MERGE_H
#define INBOXCTL_SCREENS_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "inboxctl/screens/roll.h"
#include "lib/attr.h"

/*
 * Takes the rows of `from`, which is what receiver number `receiver` says, and was taken with all
 * its rows and gaps; it is empty behind that.  Its times are told by our clock, which says `now`.
 * 0, or -1: memory is out.
 */
MUST_CHECK int merge_take(struct roll *into, struct roll *from, size_t receiver, int64_t now);

/* All are taken: judges each row by all of it.  roll_filter() and roll_sort() may follow. */
void merge_finish(struct roll *roll);

#endif
