/* SPDX-License-Identifier: ISC */
/*
 * The command line by the table of commands: which one it is, its options and operands; and the
 * usage, from the same table.
 */
#ifndef INBOXQ_COMMANDS_ARGUMENTS_H
#define INBOXQ_COMMANDS_ARGUMENTS_H

#include "inboxq/commands/command.h"
#include "lib/attr.h"

enum arguments_result {
	ARGUMENTS_RUN,   /* *call is filled in, but for what a file says */
	ARGUMENTS_SHOWN, /* usage or version were asked for, and are on standard output */
	ARGUMENTS_WRONG, /* and that has been said */
};

/* `commands` ends with NULL.  -c, -h and -V may stand before the command as well.  call->config
 * is the default beforehand. */
MUST_CHECK enum arguments_result arguments_read(const struct command *const *commands,
    struct command_call *call, int argc, char **argv);

#endif
