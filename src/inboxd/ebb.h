/* SPDX-License-Identifier: ISC */
/*
 * After a flood of connections: the C library keeps what they had used, some 23 KiB each, between
 * what is still in use, and would give nothing of it back by itself.  Giving back takes a moment in
 * which others wait, so it is done once the flood is over, not while it falls.
 */
#ifndef INBOXD_EBB_H
#define INBOXD_EBB_H

#include <stdint.h>

#define EBB_EVERY 2   /* seconds between two looks */
#define EBB_LEAST 256 /* connections that are worth it */

struct ebb {
	uint64_t high; /* most connections since memory was given back, or a few more */
	uint64_t last; /* those at the last look */
	uint64_t ever; /* all that had come by then */
};

/* `ever`: all that have come so far.  Is it over: have more than half gone of the most there were,
 * and no more than one in sixteen of them come, or gone, since the last look?  Yes only once for
 * each flood; one that came and went between two looks is one, too. */
int ebb_look(struct ebb *ebb, uint64_t connections, uint64_t ever);

#endif
