/* SPDX-License-Identifier: ISC */
/*
 * SPOOL/run.state: what `inboxq run` says of itself to `inboxq status` and `inboxq send`.  It is
 * written in place, a block with a checksum, and never synced: it takes no room on a full disk, and
 * says nothing to anybody once its writer is gone.  Whether it is, run.lock says: what a process
 * has written that no longer holds that lock is history.
 *
 * Rejected: a file replaced by rename(2), which many file systems sync; a socket, which would
 * have to be served.
 */
#ifndef INBOXQ_SPOOL_RUNSTATE_H
#define INBOXQ_SPOOL_RUNSTATE_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/attr.h"

struct spool;

#define RUNSTATE_SERVER_ROOM 272
#define RUNSTATE_TROUBLE_ROOM 512
#define RUNSTATE_RELOAD_ROOM 256
#define RUNSTATE_ORDER_ROOM 108
#define RUNSTATE_UPLOADS 2 /* large items under way */

enum runstate_phase {
	RUNSTATE_STARTING,
	RUNSTATE_WAITING,    /* for the next try */
	RUNSTATE_RESTING,    /* for an item: a server sent it away with nothing to send */
	RUNSTATE_CONNECTING, /* READY is due */
	RUNSTATE_CONNECTED,
	RUNSTATE_STOPPING,
	RUNSTATE_ENDED,
	RUNSTATE_PHASES
};

/* All times are seconds since 1970 UTC; 0: none. */
struct runstate {
	uint64_t process;
	uint64_t phase; /* enum runstate_phase */
	uint64_t began; /* the process */
	uint64_t once;  /* it does one cycle, and ends */
	uint64_t next;  /* when a server is tried, for who waits */
	uint64_t waits; /* how often it has come to wait: a cycle was over */
	uint64_t hurries;     /* how often it was told to try now (SIGUSR1) */
	uint64_t hurry_waits; /* `waits` when it was, last */
	uint64_t reloads;     /* how often it was told to reload, and has answered */
	uint64_t waiting, sent; /* items: not under way; under way */
	uint64_t stored, refused;
	uint64_t trouble_time;
	struct runstate_upload {
		uint64_t n, bytes; /* bytes that the server has, or is being sent; n 0: none */
	} upload[RUNSTATE_UPLOADS];
	char server[RUNSTATE_SERVER_ROOM];   /* as it is set, of the session that is, or was last */
	char trouble[RUNSTATE_TROUBLE_ROOM]; /* what keeps items from being stored; "": nothing */
	char order[RUNSTATE_ORDER_ROOM]; /* in which servers are tried, as servers_print() */
	char reload_error[RUNSTATE_RELOAD_ROOM]; /* why the last reload was not taken; "": it was */
};

const char *runstate_phase_text(uint64_t phase);

/* Opens it for writing; -1 with errno set. */
MUST_CHECK int runstate_open(const struct spool *spool);
/* 0, or -1 with errno set. */
MUST_CHECK int runstate_write(int fd, const struct runstate *state);
/* What was written last, by whomever.  0, or -1: there is none that can be read. */
MUST_CHECK int runstate_read(const struct spool *spool, struct runstate *state);
/* Who holds run.lock: 0 if nobody does, -1 if it is not known who.  Not for the holder. */
pid_t runstate_holder(const struct spool *spool);

#endif
