/* SPDX-License-Identifier: ISC */
/* How large items are: some sizes with weights ("100:70,1K:25,64K:5"), or log-normal between
 * bounds ("lognormal:MEDIAN:SIGMA:MOST": half are below the median; sigma of the logarithm). */
#ifndef HERD_SIZES_H
#define HERD_SIZES_H

#include <stdint.h>

#include "lib/why.h"

#define SIZES_MAX 32

struct sizes {
	unsigned count; /* 0: log-normal */
	uint64_t size[SIZES_MAX], weight[SIZES_MAX], total;
	double median, sigma;
	uint64_t most;  /* the largest that can come */
};

/* 0, or -1 with the reason. */
MUST_CHECK int sizes_parse(struct sizes *sizes, const char *text, struct why *why);

/* By a random number: the same one gives the same size. */
uint64_t sizes_draw(const struct sizes *sizes, uint64_t chance);

#endif
