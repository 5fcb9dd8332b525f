/* SPDX-License-Identifier: ISC */
/* The commands that look at the spool or change it, and talk to nobody.  Each
 * returns its exit code (sysexits.h), having said what went wrong. */
#ifndef INBOXQ_COMMANDS_H
#define INBOXQ_COMMANDS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"

struct spool;

/* Takes in `files`, or standard input (count 0) as `name` (or NULL). */
MUST_CHECK int command_add(struct spool *spool, const char *inbox, const char *name,
    char *const *files, size_t count);
MUST_CHECK int command_list(struct spool *spool);
MUST_CHECK int command_status(struct spool *spool);
/* Failed items back into the queue under new numbers; count 0: all. */
MUST_CHECK int command_requeue(struct spool *spool, const uint64_t *numbers, size_t count);
/* Items out of queue/ or failed/ for good. */
MUST_CHECK int command_remove(struct spool *spool, const uint64_t *numbers, size_t count);

#endif
