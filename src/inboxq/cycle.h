/* SPDX-License-Identifier: ISC */
/*
 * The copy cycles: which server has its turn, one session after the other, and the waits between
 * them.  A cycle is over when no server may be tried; servers.h says when the next one may.
 */
#ifndef INBOXQ_CYCLE_H
#define INBOXQ_CYCLE_H

#include <stdint.h>

#include "lib/attr.h"

struct cycle;
struct ends;
struct event_base;
struct loaded;
struct runstate;
struct schedule;
struct settings;
struct spool;
struct tls;

struct cycle_setup {
	struct event_base *base;
	struct settings *settings; /* those in force; a reload replaces what is in them */
	struct spool *spool;
	struct schedule *schedule;
	struct ends *ends;
	int once; /* each server has one turn, for what is there at the begin; then the end */
};

/* Borrows all in `setup`, but takes a reference on `tls` of its own.  NULL: out of memory. */
MUST_CHECK struct cycle *cycle_new(const struct cycle_setup *setup, struct tls *tls);
void cycle_free(struct cycle *cycle);

/* From here on sessions and waits follow each other on the loop, which the last one breaks.  0, or
 * -1: out of memory. */
MUST_CHECK int cycle_begin(struct cycle *cycle);
/* To be called every second. */
void cycle_tick(struct cycle *cycle);
/* Ends it: answers that are due are waited for, up to `seconds`. */
void cycle_stop(struct cycle *cycle, unsigned seconds);
/* Takes `next`, which comes in force before the next session; the one under way ends in order. */
void cycle_reload(struct cycle *cycle, struct loaded *next);
/* Somebody wants what waits to be tried now. */
void cycle_hurry(struct cycle *cycle);

/* Sets phase, next, waits, order, server and upload of *state as they are. */
void cycle_look(const struct cycle *cycle, struct runstate *state);
/* The bytes of large items under way that the server has or is being sent. */
uint64_t cycle_bytes(const struct cycle *cycle);
/* When the loop is over: EX_OK; or with `once` EX_TEMPFAIL where items are left, or the spool could
 * not be looked at, or no server was reached; EX_IOERR, EX_OSERR as run_queue(). */
int cycle_exit_code(const struct cycle *cycle);

#endif
