/* SPDX-License-Identifier: ISC */
/*
 * What `inboxq send` shows: on a terminal a bar that is drawn over, elsewhere a line now and
 * then, or events for programs; and a line for each item that has ended.  Lines about items go to
 * standard output, all else to standard error; events all to standard output.
 */
#ifndef INBOXQ_COMMANDS_PROGRESS_H
#define INBOXQ_COMMANDS_PROGRESS_H

#include <stdint.h>

#include "inboxq/commands/sending.h"

enum progress_form { PROGRESS_PLAIN, PROGRESS_BAR, PROGRESS_JSON };

#define PROGRESS_SAMPLES 10 /* seconds that the rate is taken over */

struct progress {
	enum progress_form form;
	int is_shown;      /* the bar stands there */
	int64_t began, told, drawn; /* clock_monotonic(); began with the first tick */
	int64_t moved;     /* when bytes came last */
	uint64_t bytes;    /* that had come then */
	struct {
		int64_t time;
		uint64_t bytes;
	} samples[PROGRESS_SAMPLES];
	unsigned sample; /* the next one */
	char trouble[RUNSTATE_TROUBLE_ROOM]; /* the last that was told */
};

/* Zeroes it.  `json`: events. */
void progress_begin(struct progress *progress, int json);
/* An item is in the queue. */
void progress_queued(struct progress *progress, const struct sent_item *item);
/* A file was not taken; standard error has the reason already. */
void progress_missed(struct progress *progress, const char *file, const char *reason);
void progress_ended(struct progress *progress, const struct sent_end *end);
/* Draws or tells how far it is, when it is time to. */
void progress_tick(struct progress *progress, const struct sending *sending);
/* What keeps items from being stored; "": nothing.  Told when it is another than before. */
void progress_trouble(struct progress *progress, const char *text);
/* The last word: what stays in the queue, and why; `note` NULL: no more than that. */
void progress_finish(struct progress *progress, const struct sending *sending, const char *note,
    int code);

#endif
