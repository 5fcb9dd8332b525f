/* SPDX-License-Identifier: ISC */
/* What consumers have left in meta/: files beside items that are there no more. */
#ifndef INBOXD_DRAFTS_LEFTOVERS_H
#define INBOXD_DRAFTS_LEFTOVERS_H

#include <stdatomic.h>

#include "inboxd/base/inbox.h"

/* Deletes those of more than a day whose items are neither in tmp/ nor in new/ nor in cur/.  A look
 * at each file: gives up once *stop is set. */
void leftovers_delete(const struct inbox *inbox, const atomic_int *stop);

#endif
