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
#include <unistd.h>

#include "inboxq/spool/intake.h"
#include "lib/log.h"
#include "lib/parse.h"
#include "lib/proto.h"

/* Queues what was copied, and prints the numbers. */
static int
queue_batch(struct intake *intake)
{
	uint64_t numbers[INTAKE_BATCH];
	struct why why;
	size_t count;
	enum intake_result result = intake_queue(intake, numbers, &count, &why);

	for (size_t i = 0; i < count; i++)
		printf("%" PRIu64 "\n", numbers[i]);
	if (fflush(stdout) != 0) {
		log_complain("inboxq", "standard output: %s; items are queued all the same",
		    strerror(errno));
		return EX_IOERR;
	}
	if (result == INTAKE_OK)
		return EX_OK;
	log_complain("inboxq", "%s", why.text);
	return result == INTAKE_BUSY ? EX_TEMPFAIL : EX_IOERR;
}

static int
check(struct command_call *call)
{
	const char *inbox = command_value(call, "inbox");

	if (!inbox)
		return command_misused(call, "-i INBOX is missing");
	if (!is_plain_name(inbox, strlen(inbox), PROTO_INBOX_MAX))
		return command_misused(call,
		    "an inbox is 1 to 64 letters, digits, dots, hyphens or underscores, a letter "
		    "or digit first");
	if (command_value(call, "name") && call->count)
		return command_misused(
		    call, "-n is for standard input; files have their own names");
	return EX_OK;
}

/* The i-th file, or standard input. */
static enum intake_result
take(struct intake *intake, const struct command_call *call, size_t i, struct why *why)
{
	const struct intake_wish wish = {.inbox = command_value(call, "inbox"),
	    .name = command_value(call, "name")};

	if (call->count)
		return intake_file(intake, &wish, call->rest[i], why);
	return intake_fd(intake, &wish, STDIN_FILENO, wish.name ? wish.name : "standard input",
	    why);
}

static int
run(struct command_call *call)
{
	struct intake *intake = intake_new(call->spool);
	enum intake_result result = INTAKE_OK;
	size_t tries = call->count ? call->count : 1;
	struct why why;
	int rc = EX_OK, queued, is_hopeless = 0;

	if (!intake) {
		log_complain("inboxq", "out of memory");
		return EX_OSERR;
	}
	for (size_t i = 0; i < tries && !is_hopeless;) {
		result = take(intake, call, i, &why);
		if (result != INTAKE_FULL)
			i++;
		if (result != INTAKE_FULL && why.text[0])
			log_complain("inboxq", "%s", why.text);
		is_hopeless = result == INTAKE_TROUBLE || result == INTAKE_NO_ROOM;
		if (result == INTAKE_NOT_TAKEN)
			rc = EX_NOINPUT;
		else if (is_hopeless)
			rc = EX_IOERR;
		if (result != INTAKE_FULL && i < tries && !is_hopeless)
			continue;
		queued = queue_batch(intake);
		if (queued != EX_OK) {
			rc = queued;
			break;
		}
	}
	intake_free(intake);
	return rc;
}

static const struct command_option options[] = {
    {'i', "inbox", "INBOX", "the receiver's inbox"},
    {'n', "name", "NAME", "the name of what comes from standard input"},
    {0, NULL, NULL, NULL},
};

const struct command command_add = {
    .name = "add",
    .synopsis = "-i INBOX [FILE...]",
    .help = "takes files, or standard input, into the queue, and prints their numbers",
    .options = options,
    .rest_max = SIZE_MAX,
    .spool = COMMAND_MAKES_SPOOL,
    .check = check,
    .run = run,
};
