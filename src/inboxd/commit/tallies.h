/* SPDX-License-Identifier: ISC */
/*
 * Which answers other than a plain STORED a queue gets: counted for its figures, which say whose
 * items are put off or refused.
 *
 * The commit thread counts those that it gives; a worker's own come in batches, with what is sent
 * anyway.
 */
#ifndef INBOXD_COMMIT_TALLIES_H
#define INBOXD_COMMIT_TALLIES_H

#include "inboxd/commit/clients.h"
#include "inboxd/commit/request.h"

/* The item is answered so; and what came with it. */
void tallies_count(const struct item *item);
/* These were given elsewhere. */
void tallies_take(struct queue *queue, const struct untold *untold);

#endif
