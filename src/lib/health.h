/* SPDX-License-Identifier: ISC */
/*
 * What can be wrong with a receiver, in one table: which figure says so, from where on it is worth
 * a look, and from where on somebody has to be woken up.  The receiver's own word on it (/status,
 * "problems"), inboxctl check, the screens and the rules for Prometheus all go by this table and by
 * its names, so that no two of them say different things.
 *
 * All it knows is the text of the page /metrics, and what time it is; nothing here asks anybody.
 * A figure that is not on the page, as of a receiver that is older, is nothing that is wrong.
 */
#ifndef LIB_HEALTH_H
#define LIB_HEALTH_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/samples.h"

/* Where a metric has a sample for each inbox, the worst of them counts. */
enum health_figure {
	HEALTH_ANSWER,  /* none: does the receiver answer?  Known to who asks it alone */
	HEALTH_VALUE,   /* the metric */
	HEALTH_AGE,     /* seconds since the time that it is; 0 or no sample: of nothing */
	HEALTH_LEFT,    /* seconds until the time that it is: the fewer, the worse; 0: of nothing */
	HEALTH_SHARE,   /* percent of another metric, all samples of which are added up */
	HEALTH_HISTORY, /* what has changed within an hour: Prometheus alone can tell */
};

enum health_severity { HEALTH_OK, HEALTH_WARNING, HEALTH_CRITICAL };

#define HEALTH_NEVER (-1) /* a limit that is never reached */

struct health_row {
	const char *name;
	enum health_figure figure;
	const char *metric;
	const char *label; /* of which of its samples; NULL: of each */
	const char *of;    /* the other metric.  LEFT: the time from which on it is valid: less than
	                      a third of its life is worth a look, less than a tenth is critical,
	                      if that is less than the limits */
	int64_t warning, critical; /* from here on (LEFT: from here down); or HEALTH_NEVER */
	const char *text;  /* a sentence; {} stands for the figure, {label} for whose it is */
	const char *worse; /* of a critical one, or LEFT of what is over; NULL: the same */
};

#define HEALTH_ROWS 38
extern const struct health_row health_rows[HEALTH_ROWS];

/* The row of that name, or -1. */
int health_find(const char *name, size_t len);

struct health_limits {
	int64_t warning[HEALTH_ROWS], critical[HEALTH_ROWS];
};
void health_limits_default(struct health_limits *limits);

#define HEALTH_TEXT_ROOM 256

struct health_verdict {
	enum health_severity severity;
	int is_known;   /* its figure is on the page */
	int64_t figure; /* seconds, percent or a number */
	char label[SAMPLES_LABEL_ROOM]; /* whose it is, the worst one's */
	size_t more; /* others that are beyond the limit, where they have labels */
};

/* `page` is the text of /metrics, `now` seconds since 1970 UTC.  A verdict a row. */
void health_judge(const char *page, int64_t now, const struct health_limits *limits,
    struct health_verdict verdicts[HEALTH_ROWS]);
/* The sentence of a verdict on the row. */
void health_text(char text[HEALTH_TEXT_ROOM], size_t row, const struct health_verdict *verdict);

/* "critical", "warning", "ok". */
const char *health_word(enum health_severity severity);

#endif
