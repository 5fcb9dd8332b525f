/* SPDX-License-Identifier: ISC */
/* Which items a command is for: their numbers, or "all", or --reason CODE. */
#ifndef INBOXQ_COMMANDS_NUMBERS_H
#define INBOXQ_COMMANDS_NUMBERS_H

#include "inboxq/commands/command.h"
#include "inboxq/spool/spool.h"
#include "lib/attr.h"

/* Is it one of these three, and no more?  As command.check. */
MUST_CHECK int numbers_check(const struct command_call *call);

/* Those of the folders from `first` to `last` where not all are named by number; numbers are
 * given back as they are, whether there is such an item or not.  out->at is the caller's to free
 * either way.  EX_OK, or an exit code, having said why. */
MUST_CHECK int numbers_choose(const struct command_call *call, enum spool_part first,
    enum spool_part last, struct spool_numbers *out);

#endif
