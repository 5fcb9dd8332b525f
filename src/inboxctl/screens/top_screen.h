/* SPDX-License-Identifier: ISC */
/*
 * What top shows, line by line in the order in which it matters: first what is wrong.  A screen
 * that is low shows the first lines; one that is high has room for more inboxes and clients.
 */
#ifndef INBOXCTL_SCREENS_TOP_SCREEN_H
#define INBOXCTL_SCREENS_TOP_SCREEN_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "inboxctl/screens/rates.h"
#include "lib/attr.h"
#include "lib/terminal.h"

struct json_t;

#define TOP_HISTORY 400 /* as many rates are kept, for a curve */

struct top_view {
	/* Pages as they came last; NULL: not yet, or the receiver has none such. */
	const struct json_t *status, *inboxes, *clients;
	const char *trouble;   /* why it does not answer; NULL: it does */
	int64_t silent;        /* seconds since it answered */
	const struct rates *rates; /* NULL: not known yet */
	const double *inbox_rates; /* items a second of each of `inboxes`; below 0: not known */
	double history[TOP_HISTORY]; /* items stored a second, the newest last; below 0: none */
	size_t history_count;
	int is_paused;
	int64_t now;           /* UTC, seconds */
	uint64_t interval;     /* seconds */
};

/* Prints up to `rows` lines.  0, or -1: memory is out. */
MUST_CHECK int top_show(const struct top_view *view, size_t rows, const struct screen *screen,
    FILE *out);

#endif
