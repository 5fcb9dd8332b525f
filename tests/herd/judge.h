/* SPDX-License-Identifier: ISC */
/*
 * Holds what lies in an inbox and what the ledger says to the book of what was acknowledged:
 *
 *	lost        acknowledged, and not in new/, or not in the ledger
 *	torn        other bytes, or another length, than what was acknowledged or recorded
 *	twice       one item under two names: as answered, in the ledger, or as files
 *	unexpected  a file or record of what nobody sent
 *
 * Nothing may have taken items out of new/.
 */
#ifndef HERD_JUDGE_H
#define HERD_JUDGE_H

#include <stdint.h>

#include "book.h"
#include "lib/attr.h"
#include "lib/why.h"
#include "options.h"

struct verdict {
	uint64_t lost, torn, twice, unexpected;
	uint64_t acknowledged, files, records; /* what was looked at */
};

/* Each finding is told on standard error, the first ones.  Waits a while for what is not
 * visible yet.  Sorts the book.  0, or -1 with the reason: it could not be looked at. */
MUST_CHECK int judge(struct verdict *verdict, struct book *book, const struct options *options,
    struct why *why);

#endif
