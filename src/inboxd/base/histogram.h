/* SPDX-License-Identifier: ISC */
/*
 * How long things take, and how many there are at once: counts by size, in buckets whose bounds
 * never change, so that those of all threads, of all receivers and of all times can be added.
 */
#ifndef INBOXD_BASE_HISTOGRAM_H
#define INBOXD_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/* name in C, metric, unit, help.  None may be called as a counter without its "_total". */
#define HISTOGRAMS(X)                                                                           \
	X(ACKNOWLEDGE, "inboxd_acknowledge_seconds", HISTOGRAM_TIME,                            \
	    "From an item's last byte, its digest right, until STORED was given to its "        \
	    "connection.")                                                                      \
	X(PUBLISH_LAG, "inboxd_publish_lag_seconds", HISTOGRAM_TIME,                            \
	    "From the sync that an item was acknowledged by until it was visible.")              \
	X(BATCH, "inboxd_batch_items", HISTOGRAM_COUNTS, "Items that a sync of the journal took.") \
	X(SYNC, "inboxd_journal_sync_seconds", HISTOGRAM_TIME, "Syncs of the journal.")         \
	X(PUBLISH_ROUND, "inboxd_publish_round_seconds", HISTOGRAM_TIME,                        \
	    "Syncs of files and their names.")

enum histogram {
#define X(name, metric, unit, help) HISTOGRAM_##name,
	HISTOGRAMS(X)
#undef X
	HISTOGRAM_COUNT
};

#define HISTOGRAM_BOUNDS 18                     /* at most */
#define HISTOGRAM_CELLS (HISTOGRAM_BOUNDS + 2)  /* a count each, one of what is above, the sum */
#define HISTOGRAM_SUM (HISTOGRAM_CELLS - 1)

struct histogram_row {
	const char *metric, *help;
	enum histogram_unit {
		HISTOGRAM_TIME,  /* microseconds, told in seconds */
		HISTOGRAM_COUNTS
	} unit;
};
extern const struct histogram_row histogram_rows[HISTOGRAM_COUNT];

/* The upper bounds of its buckets, ascending, in its unit; a value that is one belongs below.
 * Returns how many they are. */
size_t histogram_bounds(enum histogram_unit unit, const uint64_t **bounds);
/* Which cell counts the value: 0 to the number of bounds. */
size_t histogram_cell(enum histogram_unit unit, uint64_t value);

#endif
