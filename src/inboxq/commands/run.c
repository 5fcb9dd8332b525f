/* SPDX-License-Identifier: ISC */
/* `inboxq run`: the service, or one copy cycle (inboxq/run.h). */
#include "config.h"

#include "inboxq/commands/rows.h"

#include <sysexits.h>

#include "inboxq/run.h"

static int
check(struct command_call *call)
{
	/* One cycle reads its configuration once. */
	call->holds_hangup = !command_value(call, "once");
	return EX_OK;
}

static int
run(struct command_call *call)
{
	const struct run_options options = {.once = command_value(call, "once") != NULL,
	    .progress = command_value(call, "progress") != NULL};

	return run_queue(call->config, call->settings, call->spool, &options);
}

static const struct command_option options[] = {
    {0, "once", NULL, "one copy cycle, then the end"},
    {'v', "progress", NULL, "a line a second on standard error"},
    {0, NULL, NULL, NULL},
};

const struct command command_run = {
    .name = "run",
    .synopsis = "",
    .help = "uploads what is in the queue, and what comes into it",
    .options = options,
    .spool = COMMAND_MAKES_SPOOL,
    .logs = 1,
    .check = check,
    .run = run,
};
