/* SPDX-License-Identifier: ISC */
/*
 * What clients may use up of the receiver's memory: a row a limit, which is a setting of the same
 * name in [limits].  Each has a counter of how often it was in the way, and whoever meets it is
 * told which it was.
 */
#ifndef INBOXD_BASE_LIMITS_H
#define INBOXD_BASE_LIMITS_H

#include "inboxd/base/stats.h"

struct settings;

/* Value, member of struct settings, name.  CLIENT_ is of one identity, UNSETTLED of one queue, the
 * others of all. */
#define LIMITS(X)                                                       \
	X(CLIENT_CONNECTIONS, client_connections, "client-connections") \
	X(QUEUES, queues, "queues")                                     \
	X(CLIENT_QUEUES, client_queues, "client-queues")                \
	X(UNSETTLED, unsettled, "unsettled")                            \
	X(CLIENT_UNSETTLED, client_unsettled, "client-unsettled")       \
	X(ALL_UNSETTLED, all_unsettled, "all-unsettled")                \
	X(CLIENT_OPENS, client_opens, "client-opens")                   \
	X(ALL_OPENS, all_opens, "all-opens")

/* A skip takes a quarter of the memory that an item does: where so many items may be remembered,
 * so many times as many skips may. */
#define LIMITS_SKIPS_AN_ITEM 4

enum limit {
	LIMIT_NONE, /* none is in the way */
#define X(value, member, name) LIMIT_##value,
	LIMITS(X)
#undef X
	LIMIT_COUNT
};

/* Those that are in force. */
struct limits {
	uint64_t most[LIMIT_COUNT];
	uint64_t forget; /* seconds until a queue is forgotten, unseen; 0: for ever */
};

void limits_set(struct limits *limits, const struct settings *settings);
/* As the setting is called. */
const char *limit_name(enum limit limit);
/* How often it was in the way. */
enum counter limit_counter(enum limit limit);

#endif
