/* SPDX-License-Identifier: ISC */
/*
 * Waits by lot, so that those who were told, or begin, in one moment do not come in one: a
 * fleet that comes back as it left is a herd.  Whoever draws has a sequence of its own, from a
 * seed that tests may set.
 */
#ifndef LIB_SPREAD_H
#define LIB_SPREAD_H

#include <stdint.h>

struct spread {
	uint64_t state; /* begins as the seed */
};

/* From another seed each time. */
void spread_begin(struct spread *spread);

/* `low` to `high`, each as likely. */
uint64_t spread_draw(struct spread *spread, uint64_t low, uint64_t high);
/* `wait` to a quarter more. */
uint64_t spread_wait(struct spread *spread, uint64_t wait);
/* Seconds for all of so many connections to come back in: a second for each 250, so none for
 * few. */
uint64_t spread_crowd(struct spread *spread, uint64_t connections);

#endif
