/* SPDX-License-Identifier: ISC */
/* The figures of a run, for people, or as one JSON object. */
#ifndef HERD_REPORT_H
#define HERD_REPORT_H

#include <stdint.h>

#include "idle.h"
#include "judge.h"
#include "options.h"
#include "receiver.h"
#include "tally.h"

struct report {
	struct tally tally;     /* sorted */
	struct receiver receiver;
	struct verdict verdict;
	struct idle idle;       /* of --idle */
	int64_t begin, end, large_end; /* microseconds of clock_monotonic(); 0: never */
};

void report_print(const struct report *report, const struct options *options);

#endif
