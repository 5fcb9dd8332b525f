/* SPDX-License-Identifier: ISC */
/*
 * Adding, listing, requeueing and removing.  All changes are safe beside a
 * running `inboxq run` and any number of other adders.
 */
#include "config.h"

#include "inboxq/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "inboxq/spool/sentlog.h"
#include "inboxq/spool/intake.h"
#include "inboxq/spool/item.h"
#include "inboxq/spool/spool.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/parse.h"

#define REQUEUE_BATCH 256

/* Says what failed, with errno's text. */
static int
say_trouble(const char *what)
{
	int error = errno;

	log_complain("inboxq", "%s: %s", what, strerror(error));
	return error == EWOULDBLOCK ? EX_TEMPFAIL : EX_IOERR;
}

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

int
command_add(struct spool *spool, const char *inbox, const char *name, char *const *files,
    size_t count)
{
	struct intake *intake = intake_new(spool, inbox);
	enum intake_result result = INTAKE_OK;
	size_t tries = count ? count : 1;
	struct why why;
	int rc = EX_OK, queued;

	if (!intake) {
		log_complain("inboxq", "out of memory");
		return EX_OSERR;
	}
	if (sentlog_take_room(spool) < 0) {
		rc = say_trouble("cannot take room for sent.log; nothing is queued");
		tries = 0;
	}
	for (size_t i = 0; i < tries && result != INTAKE_TROUBLE;) {
		result = intake_copy(intake, count ? files[i] : NULL, name, &why);
		if (result != INTAKE_FULL)
			i++;
		if (result != INTAKE_FULL && why.text[0])
			log_complain("inboxq", "%s", why.text);
		if (result == INTAKE_NOT_TAKEN)
			rc = EX_NOINPUT;
		else if (result == INTAKE_TROUBLE)
			rc = EX_IOERR;
		if (result != INTAKE_FULL && i < tries && result != INTAKE_TROUBLE)
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

/* "5s", "3m", "7h", "12d" */
static void
print_age(char dst[PARSE_TEXT_ROOM], uint64_t then)
{
	uint64_t now = (uint64_t)time(NULL);
	uint64_t age = now > then ? now - then : 0;

	if (age < 120)
		snprintf(dst, PARSE_TEXT_ROOM, "%" PRIu64 "s", age);
	else if (age < 120 * 60)
		snprintf(dst, PARSE_TEXT_ROOM, "%" PRIu64 "m", age / 60);
	else if (age < 48 * 3600)
		snprintf(dst, PARSE_TEXT_ROOM, "%" PRIu64 "h", age / 3600);
	else
		snprintf(dst, PARSE_TEXT_ROOM, "%" PRIu64 "d", age / 86400);
}

static void
print_item(const struct spool *spool, enum spool_part part, uint64_t n)
{
	char age[PARSE_TEXT_ROOM], reason[SPOOL_REASON_MAX + 1] = "";
	struct why why;
	struct spool_item item;
	int fd = item_open(spool, part, n, &item, &why);

	if (fd < 0 && errno == ENOENT)
		return; /* it was sent meanwhile */
	if (part == SPOOL_FAILED)
		item_read_reason(spool, n, reason);
	if (fd < 0 && !item.inbox[0]) {
		printf("%8" PRIu64 "  %-16s %12s %6s  %s\n", n, "-", "-", "-", why.text);
		return;
	}
	if (fd >= 0)
		close(fd);
	print_age(age, item.time);
	printf("%8" PRIu64 "  %-16s %12" PRIu64 " %6s  %s%s%s\n", n, item.inbox, item.size, age,
	    item.name[0] ? item.name : "-", reason[0] ? "  failed: " : "", reason);
}

int
command_list(struct spool *spool)
{
	struct spool_numbers numbers;
	int header = 0;

	for (int part = SPOOL_QUEUE; part <= SPOOL_FAILED; part++) {
		if (spool_list(spool, (enum spool_part)part, &numbers) < 0)
			return say_trouble("cannot read the spool");
		if (numbers.count && !header++)
			printf("%8s  %-16s %12s %6s  %s\n", "NUMBER", "INBOX", "SIZE", "AGE",
			    "NAME");
		for (size_t i = 0; i < numbers.count; i++)
			print_item(spool, (enum spool_part)part, numbers.at[i]);
		free(numbers.at);
	}
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static void
note_stored(void *ctx, const struct sentlog_line *line)
{
	if (line->end == SENTLOG_STORED)
		*(struct sentlog_line *)ctx = *line;
}

int
command_status(struct spool *spool)
{
	struct sentlog_line last = {0};
	struct spool_numbers queue, failed;
	uint64_t bytes = 0, oldest = 0;
	char age[PARSE_TEXT_ROOM] = "-";
	struct why why;
	struct spool_item item;
	off_t from = 0;

	if (spool_list(spool, SPOOL_QUEUE, &queue) < 0)
		return say_trouble("cannot read the spool");
	if (spool_list(spool, SPOOL_FAILED, &failed) < 0 ||
	    sentlog_read(spool, &from, note_stored, &last) < 0) {
		free(queue.at);
		return say_trouble("cannot read the spool");
	}
	for (size_t i = 0; i < queue.count; i++) {
		int fd = item_open(spool, SPOOL_QUEUE, queue.at[i], &item, &why);

		if (fd < 0)
			continue;
		close(fd);
		bytes += item.size;
		if (oldest == 0 || item.time < oldest)
			oldest = item.time;
	}
	if (oldest)
		print_age(age, oldest);
	printf("queue        %s\n", spool_queue_id(spool));
	printf("pending      %zu\n", queue.count);
	printf("bytes        %" PRIu64 "\n", bytes);
	printf("oldest       %s\n", age);
	printf("failed       %zu\n", failed.count);
	printf("last-stored  %s\n", last.time[0] ? last.time : "-");
	free(queue.at);
	free(failed.at);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

/* What became of one item: 0 and its new number, or errno. */
struct requeued {
	uint64_t n;
	int error;
};

static int
sync_both(struct spool *spool)
{
	return item_sync_moves(spool) < 0 ? say_trouble("cannot sync the spool") : EX_OK;
}

/* Once the lock is let go: whoever reads this may take his time. */
static int
tell_requeued(const struct requeued *done, const uint64_t *numbers, size_t count)
{
	int rc = EX_OK;

	for (size_t i = 0; i < count; i++) {
		if (done[i].error == 0) {
			printf("%" PRIu64 "\n", done[i].n);
		} else if (done[i].error == ENOENT) {
			log_complain("inboxq", "no failed item %" PRIu64, numbers[i]);
			rc = EX_NOINPUT;
		} else {
			errno = done[i].error;
			rc = say_trouble("cannot requeue");
		}
	}
	return fflush(stdout) == 0 ? rc : say_trouble("standard output");
}

/* At most REQUEUE_BATCH.  *highest: the highest number ever given, as far as is known. */
static int
requeue_batch(struct spool *spool, const uint64_t *numbers, size_t count, uint64_t *highest)
{
	struct requeued done[REQUEUE_BATCH] = {0};
	uint64_t last;
	int rc, told;

	if (spool_lock(spool) < 0)
		return say_trouble("cannot lock the spool");
	rc = *highest ? 0 : spool_highest(spool, highest);
	if (rc == 0)
		rc = spool_last(spool, &last);
	if (rc < 0) {
		spool_unlock(spool);
		return say_trouble("cannot read the spool");
	}
	/* What others have added since the last batch is in queue/, or `last` is above it. */
	if (*highest < last)
		*highest = last;
	for (size_t i = 0; i < count; i++) {
		done[i].error = item_requeue(spool, numbers[i], highest) < 0 ? errno : 0;
		done[i].n = *highest;
	}
	spool_unlock(spool);
	rc = sync_both(spool);
	told = tell_requeued(done, numbers, count);
	return rc != EX_OK ? rc : told;
}

/* In batches, between which others get at the spool. */
int
command_requeue(struct spool *spool, const uint64_t *numbers, size_t count)
{
	const struct timespec pause = {0, 10 * 1000000};
	struct spool_numbers all = {0};
	uint64_t highest = 0;
	int rc = EX_OK;

	if (count == 0) {
		if (spool_list(spool, SPOOL_FAILED, &all) < 0)
			return say_trouble("cannot read the spool");
		numbers = all.at;
		count = all.count;
	}
	for (size_t at = 0; at < count && (rc == EX_OK || rc == EX_NOINPUT);) {
		size_t batch = count - at < REQUEUE_BATCH ? count - at : REQUEUE_BATCH;
		int one = requeue_batch(spool, numbers + at, batch, &highest);

		if (one != EX_OK)
			rc = one;
		at += batch;
		if (at < count)
			nanosleep(&pause, NULL);
	}
	free(all.at);
	return rc;
}

/* Is item `n` anywhere?  Its header in *item if it can be read. */
static int
has_item(const struct spool *spool, uint64_t n, struct spool_item *item)
{
	struct why why;

	for (int part = SPOOL_QUEUE; part <= SPOOL_FAILED; part++) {
		int fd = item_open(spool, (enum spool_part)part, n, item, &why);

		if (fd >= 0)
			close(fd);
		if (fd >= 0 || errno != ENOENT)
			return 1;
	}
	return 0;
}

/* Under the lock: `last` first, then what became of it, and only then the item.  `run` may
 * set it aside meanwhile, so it is looked for in both, where that takes it to last. */
static int
remove_locked(struct spool *spool, struct sentlog *sentlog, uint64_t n)
{
	struct spool_item item;

	if (!has_item(spool, n, &item)) {
		errno = ENOENT;
		return -1;
	}
	if (spool_raise_last(spool, n) < 0 ||
	    sentlog_add(sentlog, n, SENTLOG_REMOVED, NULL, NULL, &item) < 0 ||
	    sentlog_sync(sentlog) < 0 || item_delete(spool, SPOOL_QUEUE, n) < 0 ||
	    item_delete(spool, SPOOL_FAILED, n) < 0)
		return -1;
	item_drop_reason(spool, n);
	return 0;
}

static int
remove_one(struct spool *spool, struct sentlog *sentlog, uint64_t n)
{
	int error;

	if (spool_lock(spool) < 0)
		return say_trouble("cannot lock the spool");
	error = remove_locked(spool, sentlog, n) < 0 ? errno : 0;
	spool_unlock(spool);
	if (error == 0)
		return EX_OK;
	if (error == ENOENT) {
		log_complain("inboxq", "no item %" PRIu64, n);
		return EX_NOINPUT;
	}
	errno = error;
	return say_trouble("cannot remove");
}

int
command_remove(struct spool *spool, const uint64_t *numbers, size_t count)
{
	struct sentlog *sentlog = sentlog_open(spool);
	int rc = EX_OK, one;

	if (!sentlog)
		return say_trouble("sent.log");
	for (size_t i = 0; i < count && rc != EX_TEMPFAIL; i++) {
		one = remove_one(spool, sentlog, numbers[i]);
		if (one != EX_OK)
			rc = one;
	}
	one = sync_both(spool);
	sentlog_close(sentlog);
	return one != EX_OK ? one : rc;
}
