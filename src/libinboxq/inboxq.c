/* SPDX-License-Identifier: ISC */
/*
 * The library is a thin coat over inboxq/spool/intake.h: it checks what a program says, gives each
 * call an intake of its own, which is why threads need not wait for each other, and
 * puts results into words that stay.
 *
 * Rejected: one thread that syncs for all others: where many add at once, the file system's own
 * journal makes one commit of their syncs.
 */
#include "config.h"

#include "libinboxq/inboxq.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxq/base/settings.h"
#include "inboxq/spool/intake.h"
#include "inboxq/spool/spool.h"
#include "lib/disk.h"
#include "lib/parse.h"
#include "lib/proto.h"
#include "libinboxq/handle.h"

_Static_assert(INBOXQ_ERROR_ROOM == WHY_ROOM, "a reason fits");
_Static_assert(INBOXQ_BATCH_MAX == INTAKE_BATCH, "a batch is one of the intake's");

struct inboxq_batch {
	struct intake *intake;
};

const char *
inboxq_version(void)
{
	return PACKAGE_VERSION;
}

const char *
inboxq_result_text(enum inboxq_result result)
{
	static const char *const texts[] = {
	    [INBOXQ_OK] = "queued",
	    [INBOXQ_MISUSED] = "an argument is wrong",
	    [INBOXQ_NO_MEMORY] = "out of memory or descriptors",
	    [INBOXQ_BAD_CONFIG] = "the configuration is wrong",
	    [INBOXQ_NO_SPOOL] = "the queue cannot be opened",
	    [INBOXQ_NOT_TAKEN] = "the item cannot be taken",
	    [INBOXQ_QUEUE_FULL] = "the queue is full",
	    [INBOXQ_DISK_FULL] = "the disk is full",
	    [INBOXQ_BUSY] = "the queue is locked by others",
	    [INBOXQ_BROKEN] = "the queue cannot be read or written",
	    [INBOXQ_UNSURE] = "queued, but a power cut may take it",
	    [INBOXQ_BATCH_FULL] = "the batch is full",
	};

	if ((unsigned)result >= sizeof texts / sizeof *texts)
		return "an unknown result";
	return texts[result];
}

/* A reason of ours to the caller, if he wants it. */
static enum inboxq_result
tell(struct inboxq_error *error, enum inboxq_result result, const char *text)
{
	if (error)
		snprintf(error->text, sizeof error->text, "%s", text);
	return result;
}

static enum inboxq_result
result_of(enum intake_result result)
{
	switch (result) {
	case INTAKE_OK:
		return INBOXQ_OK;
	case INTAKE_FULL:
		return INBOXQ_BATCH_FULL;
	case INTAKE_NOT_TAKEN:
	case INTAKE_MOVING:
		return INBOXQ_NOT_TAKEN;
	case INTAKE_TROUBLE:
		return INBOXQ_BROKEN;
	case INTAKE_SHORT:
		return INBOXQ_NO_MEMORY;
	case INTAKE_NO_ROOM:
		return INBOXQ_DISK_FULL;
	case INTAKE_UNSURE:
		return INBOXQ_UNSURE;
	case INTAKE_BUSY:
		return INBOXQ_BUSY;
	case INTAKE_FULL_QUEUE:
		return INBOXQ_QUEUE_FULL;
	}
	return INBOXQ_BROKEN;
}

/* ---- a handle */

/* The first error of a configuration stands for all. */
static void
keep_first(void *ctx, const char *message)
{
	struct why *why = ctx;

	if (!why->text[0])
		why_say(why, "%s", message);
}

static enum inboxq_result
open_spool(struct inboxq *queue, const struct settings *settings, const char *config,
    struct why *why)
{
	queue->spool = spool_open(settings->spool, 1, why);
	if (queue->spool) {
		spool_set_limits(queue->spool,
		    &(struct spool_limits){settings->items, settings->bytes, config});
		return INBOXQ_OK;
	}
	if (disk_is_full(errno))
		return INBOXQ_DISK_FULL;
	return disk_is_shortage(errno) ? INBOXQ_NO_MEMORY : INBOXQ_NO_SPOOL;
}

enum inboxq_result
inboxq_open(struct inboxq **queue, const char *config, struct inboxq_error *error)
{
	struct why why = {""};
	const struct conf_report report = {keep_first, &why};
	enum inboxq_result result;
	struct settings settings;

	if (!queue)
		return tell(error, INBOXQ_MISUSED, "inboxq_open: queue is NULL");
	*queue = calloc(1, sizeof **queue);
	if (!*queue)
		return tell(error, INBOXQ_NO_MEMORY, "out of memory");
	if (!config)
		config = SETTINGS_DEFAULT;
	if (settings_read(config, &settings, &report) < 0)
		result = INBOXQ_BAD_CONFIG;
	else
		result = open_spool(*queue, &settings, config, &why);
	settings_free(&settings);
	if (result != INBOXQ_OK) {
		free(*queue);
		*queue = NULL;
	}
	return tell(error, result, result == INBOXQ_OK ? "" : why.text);
}

void
inboxq_close(struct inboxq *queue)
{
	if (!queue)
		return;
	spool_close(queue->spool);
	free(queue);
}

/* ---- what is said of an item */

static int
is_zero(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return 0;
	return 1;
}

/* The first version's struct, which is the least that a program says.  Members that come later
 * stand behind these, and are zero for who does not know them. */
#define FIRST_SIZE (4 * sizeof(void *))
_Static_assert(sizeof(struct inboxq_item) >= FIRST_SIZE, "it grows");

/* The caller's item as this library knows it: his may be of an older header, or of a newer one
 * that says no more than this. */
static const char *
take_item(struct inboxq_item *ours, const struct inboxq_item *theirs)
{
	const struct inboxq_item none = INBOXQ_ITEM;
	size_t size = theirs ? theirs->size_of : 0;

	*ours = none;
	if (size < FIRST_SIZE)
		return "struct inboxq_item was not begun with INBOXQ_ITEM";
	if (size > sizeof none &&
	    !is_zero((const char *)theirs + sizeof none, size - sizeof none))
		return "struct inboxq_item asks for what this libinboxq does not know";
	memcpy(ours, theirs, size < sizeof none ? size : sizeof none);
	return NULL;
}

static enum inboxq_result
take_wish(struct intake_wish *wish, const struct inboxq_item *theirs, struct inboxq_error *error)
{
	static const enum item_priority priorities[] = {
	    [INBOXQ_NORMAL] = ITEM_NORMAL, [INBOXQ_LOW] = ITEM_LOW, [INBOXQ_HIGH] = ITEM_HIGH};
	struct inboxq_item item;
	const char *wrong = take_item(&item, theirs);

	if (wrong)
		return tell(error, INBOXQ_MISUSED, wrong);
	if (!item.inbox || !is_plain_name(item.inbox, strlen(item.inbox), PROTO_INBOX_MAX))
		return tell(error, INBOXQ_MISUSED, "an inbox is " PROTO_INBOX_WANT);
	if (item.priority < 0 || (size_t)item.priority >= sizeof priorities / sizeof *priorities)
		return tell(error, INBOXQ_MISUSED,
		    "a priority is INBOXQ_NORMAL, INBOXQ_LOW or INBOXQ_HIGH");
	*wish = (struct intake_wish){.inbox = item.inbox, .name = item.name,
	    .priority = priorities[item.priority]};
	return INBOXQ_OK;
}

/* ---- batches */

enum inboxq_result
inboxq_batch_begin(struct inboxq_batch **batch, struct inboxq *queue, struct inboxq_error *error)
{
	if (!batch || !queue)
		return tell(error, INBOXQ_MISUSED, "inboxq_batch_begin: batch or queue is NULL");
	*batch = calloc(1, sizeof **batch);
	if (*batch)
		(*batch)->intake = intake_new(queue->spool);
	if (*batch && (*batch)->intake)
		return tell(error, INBOXQ_OK, "");
	free(*batch);
	*batch = NULL;
	return tell(error, INBOXQ_NO_MEMORY, "out of memory");
}

void
inboxq_batch_end(struct inboxq_batch *batch)
{
	if (!batch)
		return;
	intake_free(batch->intake);
	free(batch);
}

/* What the intake said of an item. */
static enum inboxq_result
answer(struct inboxq_error *error, enum intake_result from, const struct why *why)
{
	enum inboxq_result result = result_of(from);

	return tell(error, result,
	    result == INBOXQ_BATCH_FULL ? inboxq_result_text(result) : why->text);
}

enum inboxq_result
inboxq_batch_memory(struct inboxq_batch *batch, const struct inboxq_item *item, const void *data,
    size_t size, struct inboxq_error *error)
{
	struct intake_wish wish;
	struct why why;
	enum inboxq_result result;

	if (!batch || (!data && size > 0))
		return tell(error, INBOXQ_MISUSED, "batch or data is NULL");
	result = take_wish(&wish, item, error);
	if (result != INBOXQ_OK)
		return result;
	return answer(
	    error, intake_memory(batch->intake, &wish, data ? data : "", size, &why), &why);
}

enum inboxq_result
inboxq_batch_fd(struct inboxq_batch *batch, const struct inboxq_item *item, int fd,
    struct inboxq_error *error)
{
	struct intake_wish wish;
	enum inboxq_result result;
	char what[32];
	struct why why;

	if (!batch)
		return tell(error, INBOXQ_MISUSED, "batch is NULL");
	result = take_wish(&wish, item, error);
	if (result != INBOXQ_OK)
		return result;
	if (fd == 0)
		snprintf(what, sizeof what, "standard input");
	else
		snprintf(what, sizeof what, "descriptor %d", fd);
	return answer(error,
	    intake_fd(batch->intake, &wish, fd, wish.name ? wish.name : what, &why), &why);
}

enum inboxq_result
inboxq_batch_file(struct inboxq_batch *batch, const struct inboxq_item *item, const char *path,
    struct inboxq_error *error)
{
	struct intake_wish wish;
	struct why why;
	enum inboxq_result result;

	if (!batch || !path)
		return tell(error, INBOXQ_MISUSED, "batch or path is NULL");
	result = take_wish(&wish, item, error);
	if (result != INBOXQ_OK)
		return result;
	return answer(error, intake_file(batch->intake, &wish, path, &why), &why);
}

enum inboxq_result
inboxq_batch_queue(struct inboxq_batch *batch, uint64_t *numbers, size_t *count,
    struct inboxq_error *error)
{
	uint64_t given[INTAKE_BATCH];
	enum intake_result result;
	struct why why = {""};
	size_t queued = 0;

	if (count)
		*count = 0;
	if (!batch)
		return tell(error, INBOXQ_MISUSED, "batch is NULL");
	result = intake_queue(batch->intake, given, &queued, &why);
	if (numbers)
		memcpy(numbers, given, queued * sizeof *given);
	if (count)
		*count = queued;
	return answer(error, result, &why);
}

/* ---- one item: a batch of one */

/* Queues what was copied with `result`, and ends the batch. */
static enum inboxq_result
end_one(struct inboxq_batch *batch, enum inboxq_result result, uint64_t *number,
    struct inboxq_error *error)
{
	uint64_t given[INBOXQ_BATCH_MAX] = {0};
	struct inboxq_error last;

	if (result == INBOXQ_OK) {
		result = inboxq_batch_queue(batch, given, NULL, &last);
		if (result != INBOXQ_OK) /* else the copy's remark stays */
			(void)tell(error, result, last.text);
	}
	if (number)
		*number = result == INBOXQ_OK ? given[0] : 0;
	inboxq_batch_end(batch);
	return result;
}

enum inboxq_result
inboxq_add_memory(struct inboxq *queue, const struct inboxq_item *item, const void *data,
    size_t size, uint64_t *number, struct inboxq_error *error)
{
	struct inboxq_batch *batch = NULL;
	enum inboxq_result result = inboxq_batch_begin(&batch, queue, error);

	if (result == INBOXQ_OK)
		result = inboxq_batch_memory(batch, item, data, size, error);
	return end_one(batch, result, number, error);
}

enum inboxq_result
inboxq_add_fd(struct inboxq *queue, const struct inboxq_item *item, int fd, uint64_t *number,
    struct inboxq_error *error)
{
	struct inboxq_batch *batch = NULL;
	enum inboxq_result result = inboxq_batch_begin(&batch, queue, error);

	if (result == INBOXQ_OK)
		result = inboxq_batch_fd(batch, item, fd, error);
	return end_one(batch, result, number, error);
}

enum inboxq_result
inboxq_add_file(struct inboxq *queue, const struct inboxq_item *item, const char *path,
    uint64_t *number, struct inboxq_error *error)
{
	struct inboxq_batch *batch = NULL;
	enum inboxq_result result = inboxq_batch_begin(&batch, queue, error);

	if (result == INBOXQ_OK)
		result = inboxq_batch_file(batch, item, path, error);
	return end_one(batch, result, number, error);
}
