/* SPDX-License-Identifier: ISC */
/*
 * The items of an inbox that have a copy in the queue, each by its key (relay.h): these are not
 * copied again.  How much of them is on its way; what was set aside is not, and holds up nothing.
 */
#ifndef INBOXQ_WATCH_RELAYED_H
#define INBOXQ_WATCH_RELAYED_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"

struct relayed;

/* NULL: out of memory. */
MUST_CHECK struct relayed *relayed_new(void);
void relayed_free(struct relayed *relayed);

/* Again: its size and place are these now.  0, or -1: out of memory. */
MUST_CHECK int relayed_add(struct relayed *relayed, const char *key, uint64_t size, int is_aside);
int relayed_has(const struct relayed *relayed, const char *key);
/* One that is not there is fine for both. */
void relayed_set_aside(struct relayed *relayed, const char *key);
void relayed_drop(struct relayed *relayed, const char *key);

/* What is on its way. */
size_t relayed_items(const struct relayed *relayed);
uint64_t relayed_bytes(const struct relayed *relayed);

#endif
