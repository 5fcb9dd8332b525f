/* SPDX-License-Identifier: ISC */
/*
 * How a client is, in one word: of a queue by what is known of it, of a client the worst of its
 * queues.  Pure: the time is an argument.
 */
#ifndef LIB_CLIENT_STATE_H
#define LIB_CLIENT_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"

/* The later, the worse. */
#define CLIENT_STATES_LIST(X)          \
	X(UP_TO_DATE, "up-to-date")    \
	X(BEHIND, "behind")            \
	X(SILENT, "silent")            \
	X(MISSING, "missing")          \
	X(NEVER_CAME, "never-came")

enum client_state {
#define X(name, word) CLIENT_##name,
	CLIENT_STATES_LIST(X)
#undef X
	CLIENT_STATES
};

/* From when on, in seconds; 0: never. */
struct client_rules {
	uint64_t silent; /* nothing was heard of it for longer */
	uint64_t behind; /* what it has to send waits for longer */
};

/* What is known of a queue.  Times are UTC seconds; 0: not known. */
struct client_facts {
	int64_t seen;        /* when it was connected last; now, where it is */
	int64_t client_seen; /* the same of any queue of its client */
	uint64_t pending;    /* items at the client */
	int64_t oldest;      /* since when the oldest of them waits, by the client's own clock */
	int64_t last_stored; /* stands in for it where that is not known, or still to come */
	uint64_t gaps;       /* gaps that nobody has confirmed */
};

/*
 * All that holds, 1 << enum client_state or'ed; CLIENT_UP_TO_DATE where nothing else does, and
 * CLIENT_NEVER_CAME never, as a queue has come.  An old queue of a machine that has a newer one
 * (it was made anew) is silent only if something waited there: that one may be lost.
 */
unsigned client_states_of(const struct client_facts *facts, const struct client_rules *rules,
    int64_t now);
/* The worst of them. */
enum client_state client_state_worst(unsigned states);

/* "up-to-date" and so on. */
const char *client_state_name(enum client_state state);
/* The state of this name, or CLIENT_STATES. */
enum client_state client_state_parse(const char *name, size_t len);

/* How long ago clients were seen, in classes: within so many seconds, and longer than the class
 * before; the last one has no end. */
#define CLIENT_AGES_LIST(X)         \
	X(HOUR, "1h", 3600)         \
	X(DAY, "24h", 86400)        \
	X(WEEK, "7d", 604800)       \
	X(MONTH, "30d", 2592000)    \
	X(OLDER, "older", INT64_MAX)

enum client_age {
#define X(name, word, seconds) CLIENT_AGE_##name,
	CLIENT_AGES_LIST(X)
#undef X
	CLIENT_AGES
};

enum client_age client_age_of(int64_t seen, int64_t now);

#endif
