/* SPDX-License-Identifier: ISC */
/* `inboxq add`: files, or standard input, into the queue.  Safe beside a running `inboxq run` and
 * any number of other adders. */
#include "config.h"

#include "inboxq/commands/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "inboxq/commands/adding.h"
#include "lib/log.h"

static int
print_number(void *ctx, uint64_t n, const char *file)
{
	(void)ctx, (void)file;
	printf("%" PRIu64 "\n", n);
	if (fflush(stdout) == 0)
		return EX_OK;
	log_complain("inboxq", "standard output: %s; items are queued all the same",
	    strerror(errno));
	return EX_IOERR;
}

static int
run(struct command_call *call)
{
	return adding_run(call, print_number, NULL, NULL);
}

static const struct command_option options[] = {
    ADDING_OPTIONS,
    {0, NULL, NULL, NULL},
};

const struct command command_add = {
    .name = "add",
    .synopsis = "-i INBOX [FILE...]",
    .help = "takes files, or standard input, into the queue, and prints their numbers",
    .options = options,
    .rest_max = SIZE_MAX,
    .spool = COMMAND_MAKES_SPOOL,
    .check = adding_check,
    .run = run,
};
