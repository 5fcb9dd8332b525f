/* SPDX-License-Identifier: ISC */
/* The part of the page of Prometheus that is of the inboxes: a sample each, by its name. */
#include "config.h"

#include "inboxd/status/metrics_inboxes.h"

#include <inttypes.h>

#include "inboxd/status/metrics.h"

#define USEC_PER_SEC 1000000

/* Counters end in "_total". */
enum row {
	WAITING, WAITING_BYTES, OLDEST, CLAIMED, CLAIMED_BYTES, CLAIMED_OLDEST, COUNTED, STORED,
	STORED_BYTES, LAST_STORED, LIMIT_ITEMS, LIMIT_BYTES, OVER, UNREADABLE, PAUSED,
	PAUSED_SINCE, ROWS
};

static const struct {
	const char *metric, *help;
} rows[ROWS] = {
    [WAITING] = {"inboxd_inbox_waiting", "Files in new/."},
    [WAITING_BYTES] = {"inboxd_inbox_waiting_bytes", "Their bytes."},
    [OLDEST] = {"inboxd_inbox_oldest_timestamp_seconds",
        "From when the oldest file in new/ is, UTC."},
    [CLAIMED] = {"inboxd_inbox_claimed", "Files in cur/."},
    [CLAIMED_BYTES] = {"inboxd_inbox_claimed_bytes", "Their bytes."},
    [CLAIMED_OLDEST] = {"inboxd_inbox_claimed_oldest_timestamp_seconds",
        "From when the oldest file in cur/ is, UTC."},
    [COUNTED] = {"inboxd_inbox_counted_timestamp_seconds", "When these were counted, UTC."},
    [STORED] = {"inboxd_inbox_stored_total", "Items stored in the inbox."},
    [STORED_BYTES] = {"inboxd_inbox_stored_bytes_total", "Their bytes."},
    [LAST_STORED] = {"inboxd_inbox_last_stored_timestamp_seconds",
        "When the last of them was stored, UTC."},
    [LIMIT_ITEMS] = {"inboxd_inbox_waiting_limit", "Items that may wait there."},
    [LIMIT_BYTES] = {"inboxd_inbox_waiting_limit_bytes", "Bytes that may."},
    [UNREADABLE] = {"inboxd_inbox_unreadable", "1: what waits there could not be counted."},
    [OVER] = {"inboxd_inbox_over_limit", "1: as much waits as may, and items are put off."},
    [PAUSED] = {"inboxd_inbox_paused", "1: it takes nothing, as somebody wants it."},
    [PAUSED_SINCE] = {"inboxd_inbox_paused_timestamp_seconds",
        "Since when it alone takes nothing, UTC."},
};

static int
set_time(int64_t time, uint64_t *value)
{
	*value = (uint64_t)time / USEC_PER_SEC;
	return time > 0;
}

static int
set_number(int known, uint64_t number, uint64_t *value)
{
	*value = number;
	return known;
}

/* 0 where it is not known, or there is no oldest, or no limit: then the sample is left out, so that
 * an alarm on it needs no exception. */
static int
value_of(const struct inbox_view *view, enum row row, uint64_t *value)
{
	const struct inbox_pile *waiting = &view->count.waiting, *claimed = &view->count.claimed;

	switch (row) {
	case WAITING:
		return set_number(waiting->known, waiting->files, value);
	case WAITING_BYTES:
		return set_number(waiting->known, waiting->bytes, value);
	case OLDEST:
		return set_time(waiting->oldest, value);
	case CLAIMED:
		return set_number(claimed->known, claimed->files, value);
	case CLAIMED_BYTES:
		return set_number(claimed->known, claimed->bytes, value);
	case CLAIMED_OLDEST:
		return set_time(claimed->oldest, value);
	case COUNTED:
		return set_time(view->count.begun, value);
	case STORED:
		return set_number(1, view->stored, value);
	case STORED_BYTES:
		return set_number(1, view->stored_bytes, value);
	case LAST_STORED:
		return set_time(view->last_stored, value);
	case LIMIT_ITEMS:
		return set_number(view->most.items > 0, view->most.items, value);
	case LIMIT_BYTES:
		return set_number(view->most.bytes > 0, view->most.bytes, value);
	case OVER:
		return set_number(1, view->over != 0, value);
	case PAUSED:
		return set_number(1, view->paused != NULL, value);
	case PAUSED_SINCE:
		return set_number(view->paused && !view->paused_all &&
		        view->paused->since > PAUSE_SINCE_UNKNOWN,
		    view->paused ? (uint64_t)view->paused->since : 0, value);
	case UNREADABLE:
		return set_number(view->count.begun > 0, view->count.error[0] != '\0', value);
	case ROWS:
		break;
	}
	return 0;
}

void
metrics_put_inboxes(FILE *out, const struct status_source *source, int openmetrics)
{
	struct inbox_view view;
	uint64_t value;

	for (enum row row = 0; row < ROWS; row++) {
		metrics_put_family(out, rows[row].metric, rows[row].help, openmetrics);
		for (size_t i = 0; source->inbox(source->ctx, i, &view) == 0; i++)
			if (value_of(&view, row, &value))
				fprintf(out, "%s{inbox=\"%s\"} %" PRIu64 "\n", rows[row].metric,
				    view.name, value);
	}
}
