/* SPDX-License-Identifier: ISC */
/*
 * Files, or standard input, into the queue: what `inboxq add` and `inboxq send` begin with.  They
 * are users of libinboxq like any other, but that their spool is open already.
 */
#ifndef INBOXQ_COMMANDS_ADDING_H
#define INBOXQ_COMMANDS_ADDING_H

#include <stdint.h>

#include "inboxq/commands/command.h"
#include "lib/attr.h"

/* The options of both. */
#define ADDING_OPTIONS                                                                          \
	{'i', "inbox", "INBOX", "the receiver's inbox"},                                        \
	{'n', "name", "NAME", "the name of what comes from standard input"},                    \
	{'p', "priority", "PRIORITY", "low, normal or high: what goes first"}

/* What can be told of them without a look at any file: as command.check. */
MUST_CHECK int adding_check(struct command_call *call);

/* Items that are in the queue, so that they stay there.  EX_OK, or an exit code, having said why:
 * nothing further is taken then. */
typedef int adding_fn(void *ctx, uint64_t n, const char *file);
/* What was not taken, and the reason, which standard error has already. */
typedef void adding_miss_fn(void *ctx, const char *file, const char *reason);

/* Takes all operands, or standard input.  `queued` is called for each item once it is in the
 * queue, with its file (NULL: standard input); `missed`, if it is not NULL, for each that was not
 * taken.  EX_OK, or an exit code where that was one at least; it has been said. */
MUST_CHECK int adding_run(struct command_call *call, adding_fn *queued, adding_miss_fn *missed,
    void *ctx);

#endif
