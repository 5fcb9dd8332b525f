/* SPDX-License-Identifier: ISC */
/* `inboxq add`: files, or standard input, into the queue.  Safe beside a running `inboxq run` and
 * any number of other adders.  It is a user of libinboxq like any other, but that its spool is
 * open already. */
#include "config.h"

#include "inboxq/commands/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/parse.h"
#include "lib/proto.h"
#include "libinboxq/handle.h"
#include "libinboxq/inboxq.h"

/* Queues what was copied, and prints the numbers. */
static int
queue_batch(struct inboxq_batch *batch)
{
	uint64_t numbers[INBOXQ_BATCH_MAX];
	struct inboxq_error error;
	size_t count;
	enum inboxq_result result = inboxq_batch_queue(batch, numbers, &count, &error);

	for (size_t i = 0; i < count; i++)
		printf("%" PRIu64 "\n", numbers[i]);
	if (fflush(stdout) != 0) {
		log_complain("inboxq", "standard output: %s; items are queued all the same",
		    strerror(errno));
		return EX_IOERR;
	}
	if (result == INBOXQ_OK)
		return EX_OK;
	log_complain("inboxq", "%s", error.text);
	return result == INBOXQ_BUSY || result == INBOXQ_QUEUE_FULL ? EX_TEMPFAIL : EX_IOERR;
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

/* The i-th file, or standard input, into the batch; says what was wrong with it. */
static enum inboxq_result
take(struct inboxq_batch *batch, const struct command_call *call, size_t i)
{
	struct inboxq_item item = INBOXQ_ITEM;
	enum inboxq_result result;
	struct inboxq_error error;

	item.inbox = command_value(call, "inbox");
	item.name = command_value(call, "name");
	if (call->count)
		result = inboxq_batch_file(batch, &item, call->rest[i], &error);
	else
		result = inboxq_batch_fd(batch, &item, STDIN_FILENO, &error);
	if (result != INBOXQ_BATCH_FULL && error.text[0])
		log_complain("inboxq", "%s", error.text);
	return result;
}

/* Takes what there is, and queues it whenever the batch is full, and in the end. */
static int
add_all(struct inboxq_batch *batch, const struct command_call *call)
{
	size_t tries = call->count ? call->count : 1;
	int rc = EX_OK, queued;

	for (size_t i = 0; i < tries;) {
		enum inboxq_result result = take(batch, call, i);

		if (result != INBOXQ_BATCH_FULL)
			i++;
		if (result == INBOXQ_NOT_TAKEN) {
			rc = EX_NOINPUT;
		} else if (result != INBOXQ_OK && result != INBOXQ_BATCH_FULL) {
			rc = EX_IOERR; /* so it would be with the next */
			i = tries;
		}
		if (result != INBOXQ_BATCH_FULL && i < tries)
			continue;
		queued = queue_batch(batch);
		if (queued != EX_OK)
			return queued;
	}
	return rc;
}

static int
run(struct command_call *call)
{
	struct inboxq queue = {call->spool};
	struct inboxq_batch *batch;
	struct inboxq_error error;
	int rc;

	if (inboxq_batch_begin(&batch, &queue, &error) != INBOXQ_OK) {
		log_complain("inboxq", "%s", error.text);
		return EX_OSERR;
	}
	rc = add_all(batch, call);
	inboxq_batch_end(batch);
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
