/* SPDX-License-Identifier: ISC */
/*
 * What went on between two samples of a receiver's counters: how much a second, and how long it
 * took half of it and 99 in a hundred.  Counters begin anew with the receiver, so two samples are
 * compared only if they are of one life of it.
 */
#ifndef INBOXCTL_SCREENS_RATES_H
#define INBOXCTL_SCREENS_RATES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"

enum rates_counter {
	RATES_STORED,
	RATES_BYTES, /* of those */
	RATES_AGAIN,
	RATES_LATER,
	RATES_REFUSED,
	RATES_CUT_OFF,
	RATES_SYNCS,
	RATES_COUNTERS
};

enum rates_histogram {
	RATES_ACKNOWLEDGE, /* seconds */
	RATES_PUBLISH,     /* seconds */
	RATES_BATCH,       /* items */
	RATES_SYNC,        /* seconds */
	RATES_HISTOGRAMS
};

#define RATES_BUCKETS 40

/* Values by size: `below[i]` of them are no larger than `bounds[i]`, which ascend. */
struct rates_buckets {
	size_t count;
	double bounds[RATES_BUCKETS];
	uint64_t below[RATES_BUCKETS];
	uint64_t all;
};

struct sample {
	int64_t since; /* when the receiver started */
	int64_t pid;
	int64_t at;    /* microseconds of a clock that nobody sets */
	uint64_t counters[RATES_COUNTERS];
	struct rates_buckets histograms[RATES_HISTOGRAMS];
};

/* A quantile of the values between two samples. */
struct rates_quantile {
	enum rates_known {
		RATES_UNKNOWN, /* there was no value, or none is told */
		RATES_ABOVE,   /* larger than `value`, the largest bound */
		RATES_KNOWN
	} known;
	double value;
};

struct rates {
	double seconds;
	double per_second[RATES_COUNTERS];
	struct rates_quantile half[RATES_HISTOGRAMS], most[RATES_HISTOGRAMS]; /* 50 and 99 % */
};

/* 0; or -1: the samples are of two lives of the receiver, or of one moment, or a counter has gone
 * back. */
MUST_CHECK int rates_between(const struct sample *from, const struct sample *to,
    struct rates *rates);

#endif
