/* SPDX-License-Identifier: ISC */
/* An event loop that is the same whatever the environment says: libevent would take
 * EVENT_NOEPOLL and the like for its user's wish, and find no way to wait at all.  What
 * libevent has to say goes to the log; where it cannot go on the program ends with 71. */
#ifndef LIB_LOOP_H
#define LIB_LOOP_H

#include "lib/attr.h"

struct event_base;

/* `flags` of enum event_base_config_flag.  NULL: out of memory or descriptors.  Not from two
 * threads at once: the first call sets up what all share. */
MUST_CHECK struct event_base *loop_new(int flags);

#endif
