/* SPDX-License-Identifier: ISC */
/* What the status pages ask of the rest of the receiver, and nothing else of it. */
#ifndef INBOXD_STATUS_SOURCE_H
#define INBOXD_STATUS_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/base/inbox.h"
#include "inboxd/base/stats.h"

struct holder;
struct trial;
struct view_filter;
struct wish;

#define STATUS_SCHEMA 1 /* of the JSON pages */
#define STATUS_COUNT_PATIENCE 3 /* seconds for a new count; then the last one is told */
#define STATUS_LOOK_PATIENCE 1  /* and for a new look at the files */

struct inbox_view {
	const char *name, *folder, *suffix; /* borrowed until the next event */
	uint64_t size;                      /* largest item */
	struct inbox_count count;           /* the last one */
	uint64_t stored, stored_bytes;      /* since the start */
	int64_t last_stored;                /* UTC microseconds; 0: none was */
	struct inflow_bounds most;          /* that may wait */
	int over;                           /* as much waits */
	const struct pause *paused;         /* why it takes nothing; NULL: it does */
	int paused_all;                     /* as all inboxes */
};

struct reload_view {
	const char *error; /* why the last reload was not taken; NULL: it was, or there was none */
	int64_t at;        /* of the last one that was taken, seconds since 1970 UTC; 0: none */
};

/* Borrowed until the next event. */
struct root_view {
	const char *path;
	const char *id;              /* "": it has none yet */
	const struct holder *holder; /* another host's receiver, for which this one waits; NULL */
	const struct trial *can; /* its file system, as it was tried; NULL: not yet */
};

struct status_source {
	/* The sum over all threads. */
	void (*stats)(void *ctx, uint64_t values[STATS_CELLS]);
	/* Somebody outside asks for them: what is counted now and then may be counted anew. */
	void (*watched)(void *ctx);
	/* The i-th inbox; 0, or -1 behind the last. */
	int (*inbox)(void *ctx, size_t i, struct inbox_view *out);
	/* Asks for a new count of what lies in the inboxes; status_counted() tells of its
	 * end, or, at once, that there will be none in time.  Of each question one is under
	 * way at a time. */
	void (*count)(void *ctx);
	/* Is no client served, though the receiver runs?  Then `why` says it. */
	int (*trouble)(void *ctx, struct why *why);
	void (*reload)(void *ctx, struct reload_view *out);
	/* The receiver's name for itself. */
	const char *(*host)(void *ctx);
	void (*root)(void *ctx, struct root_view *out);
	/* "running", "paused" (all inboxes are), "draining", or "waiting" for the root. */
	const char *(*state)(void *ctx);
	/* The path of the i-th file whose content on the disk is not what is in force, as of the
	 * last look; NULL behind the last. */
	const char *(*differs)(void *ctx, size_t i);
	/* Is the receiver shut in?  Yes: `why` says by what; no: why not. */
	int (*sandbox)(void *ctx, struct why *why);
	/* Asks for a look at them; status_looked() tells of its end, if it ends. */
	void (*look)(void *ctx);
	/* Asks for the clients' queues that the filter wants, from where an answer said on or from
	 * 0, as many as one page has; status_clients() brings the answer. */
	void (*clients)(void *ctx, uint64_t from, const struct view_filter *filter);
	/* Asks for what somebody wishes who may; status_done() brings the answer, perhaps at
	 * once. */
	void (*wish)(void *ctx, const struct wish *wish);
	void *ctx;
};

#endif
