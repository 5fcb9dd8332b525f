/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/commands/adding.h"

#include <sysexits.h>
#include <unistd.h>

#include "inboxq/spool/item.h"
#include "lib/log.h"
#include "libinboxq/handle.h"
#include "libinboxq/inboxq.h"

struct adding {
	const struct command_call *call;
	struct inboxq_batch *batch;
	const char *files[INBOXQ_BATCH_MAX]; /* of those in the batch */
	size_t count;
	adding_fn *queued;
	adding_miss_fn *missed; /* or NULL */
	void *ctx;
};

int
adding_check(struct command_call *call)
{
	int rc = command_check_inbox(call);

	if (rc == EX_OK)
		rc = command_check_priority(call);
	if (rc == EX_OK && command_value(call, "name") && call->count)
		return command_misused(
		    call, "-n is for standard input; files have their own names");
	return rc;
}

/* Queues what was copied. */
static int
queue_batch(struct adding *adding)
{
	uint64_t numbers[INBOXQ_BATCH_MAX];
	struct inboxq_error error;
	size_t count;
	enum inboxq_result result =
	    inboxq_batch_queue(adding->batch, numbers, &count, &error);
	int rc = EX_OK;

	for (size_t i = 0; i < count && rc == EX_OK; i++)
		rc = adding->queued(adding->ctx, numbers[i], adding->files[i]);
	adding->count = 0;
	if (rc != EX_OK || result == INBOXQ_OK)
		return rc;
	log_complain("inboxq", "%s", error.text);
	return result == INBOXQ_BUSY || result == INBOXQ_QUEUE_FULL ? EX_TEMPFAIL : EX_IOERR;
}

static int
priority_of(const struct command_call *call)
{
	static const int ours[ITEM_PRIORITIES] = {[ITEM_NORMAL] = INBOXQ_NORMAL,
	    [ITEM_LOW] = INBOXQ_LOW, [ITEM_HIGH] = INBOXQ_HIGH};
	const char *word = command_value(call, "priority");
	enum item_priority priority = ITEM_NORMAL;

	if (word)
		(void)!item_priority_parse(word, &priority); /* it was checked */
	return ours[priority];
}

/* The i-th file, or standard input, into the batch; says what was wrong with it. */
static enum inboxq_result
take(struct adding *adding, size_t i)
{
	const struct command_call *call = adding->call;
	const char *file = call->count ? call->rest[i] : NULL;
	struct inboxq_item item = INBOXQ_ITEM;
	enum inboxq_result result;
	struct inboxq_error error;

	item.inbox = command_value(call, "inbox");
	item.name = command_value(call, "name");
	item.priority = priority_of(call);
	if (file)
		result = inboxq_batch_file(adding->batch, &item, file, &error);
	else
		result = inboxq_batch_fd(adding->batch, &item, STDIN_FILENO, &error);
	if (result != INBOXQ_BATCH_FULL && error.text[0])
		log_complain("inboxq", "%s", error.text);
	if (result != INBOXQ_BATCH_FULL && result != INBOXQ_OK && adding->missed)
		adding->missed(adding->ctx, file, error.text);
	if (result == INBOXQ_OK)
		adding->files[adding->count++] = file;
	return result;
}

/* Takes what there is, and queues it whenever the batch is full, and in the end. */
static int
add_all(struct adding *adding)
{
	size_t tries = adding->call->count ? adding->call->count : 1;
	int rc = EX_OK, queued;

	for (size_t i = 0; i < tries;) {
		enum inboxq_result result = take(adding, i);

		if (result != INBOXQ_BATCH_FULL)
			i++;
		if (result == INBOXQ_NOT_TAKEN) {
			rc = EX_NOINPUT;
		} else if (result != INBOXQ_OK && result != INBOXQ_BATCH_FULL) {
			/* So it would be with the next. */
			rc = result == INBOXQ_QUEUE_FULL ? EX_TEMPFAIL : EX_IOERR;
			i = tries;
		}
		if (result != INBOXQ_BATCH_FULL && i < tries)
			continue;
		queued = queue_batch(adding);
		if (queued != EX_OK)
			return queued;
	}
	return rc;
}

int
adding_run(
    struct command_call *call, adding_fn *queued, adding_miss_fn *missed, void *ctx)
{
	struct adding adding = {.call = call, .queued = queued, .missed = missed, .ctx = ctx};
	struct inboxq queue = {call->spool};
	struct inboxq_error error;
	int rc;

	if (inboxq_batch_begin(&adding.batch, &queue, &error) != INBOXQ_OK) {
		log_complain("inboxq", "%s", error.text);
		return EX_OSERR;
	}
	rc = add_all(&adding);
	inboxq_batch_end(adding.batch);
	return rc;
}
