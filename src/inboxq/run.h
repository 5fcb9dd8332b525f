/* SPDX-License-Identifier: ISC */
/*
 * `inboxq run`: the copy cycles.  A cycle tries the servers in their order
 * until one has taken all; between cycles it waits, and the wait doubles until
 * an item has been stored.
 */
#ifndef INBOXQ_RUN_H
#define INBOXQ_RUN_H

#include "lib/attr.h"

struct settings;
struct spool;

struct run_options {
	int once;     /* one cycle, then the end */
	int progress; /* a line a second on standard error */
};

/*
 * Runs until SIGTERM or SIGINT, or for one cycle.  But for one cycle, SIGHUP
 * (which the caller has blocked) reads `config` again: *settings, which stays
 * the caller's, is then replaced.  Returns the exit code:
 * EX_OK; EX_DATAERR if --once set items aside, whatever became of others; EX_TEMPFAIL if it left
 * items in the queue, or could not look at it (a full disk, the lock), or no server was
 * reached; EX_CONFIG for a certificate that does not do; EX_UNAVAILABLE if another one runs;
 * EX_IOERR if the spool failed us.
 */
MUST_CHECK int run_queue(const char *config, struct settings *settings, struct spool *spool,
    const struct run_options *options);

#endif
