/* SPDX-License-Identifier: ISC */
/*
 * The digest is taken from the bytes as they are copied, so what is sent is
 * what was read.  The header is written last, when the digest is known.
 */
#include "config.h"

#include "inboxq/spool/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inboxq/spool/copy.h"
#include "inboxq/spool/item.h"
#include "lib/digest.h"
#include "lib/disk.h"

#define DRAFT_ROOM 64
#define SPARE 8 /* descriptors */

struct draft {
	int fd, is_of_file;
	char name[DRAFT_ROOM];
};

struct intake {
	struct spool *spool;
	const char *inbox;
	struct copy *copy;
	unsigned counter;
	struct draft drafts[INTAKE_BATCH];
	size_t count;
};

struct intake *
intake_new(struct spool *spool, const char *inbox)
{
	struct intake *intake = calloc(1, sizeof *intake);

	if (!intake)
		return NULL;
	intake->spool = spool;
	intake->inbox = inbox;
	intake->copy = copy_new();
	if (!intake->copy) {
		free(intake);
		return NULL;
	}
	return intake;
}

/* Closes and deletes drafts from `first` on. */
static void
drop_drafts(struct intake *intake, size_t first)
{
	for (size_t i = first; i < intake->count; i++) {
		close(intake->drafts[i].fd);
		unlinkat(spool_folder(intake->spool, SPOOL_TMP), intake->drafts[i].name, 0);
	}
	if (first < intake->count)
		intake->count = first;
}

void
intake_free(struct intake *intake)
{
	if (!intake)
		return;
	drop_drafts(intake, 0);
	copy_free(intake->copy);
	free(intake);
}

static enum intake_result
say(struct why *why, enum intake_result result, const char *file, const char *what)
{
	why_say(why, "%s: %s", file, what);
	return result;
}

static int
open_draft(struct intake *intake, struct draft *draft)
{
	uint32_t random;

	if (getentropy(&random, sizeof random) < 0)
		return -1;
	snprintf(draft->name, sizeof draft->name, "%ld.%u-%08" PRIx32, (long)getpid(),
	    intake->counter++, random);
	draft->fd = openat(spool_folder(intake->spool, SPOOL_TMP), draft->name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return draft->fd < 0 ? -1 : 0;
}

static enum intake_result
say_unwritable(struct why *why, const char *file)
{
	/* A limit of the size of a file is met by this one; the next may be smaller. */
	enum intake_result result = errno == EFBIG ? INTAKE_NOT_TAKEN : INTAKE_TROUBLE;

	why_say(why, "%s: cannot write to the spool: %s", file, strerror(errno));
	return result;
}

/* All bytes of `from` to behind the draft's header. */
static enum intake_result
take_bytes(struct intake *intake, int from, const struct draft *draft, const char *file,
    struct spool_item *item, struct why *why)
{
	unsigned char sha256[DIGEST_SIZE];
	enum copy_result result = copy_bytes(intake->copy, from, draft->is_of_file, draft->fd,
	    SPOOL_HEADER, &item->size, sha256);

	switch (result) {
	case COPY_GREW:
		why_say(why,
		    "%s: grew while it was copied: its first %" PRIu64 " bytes are taken", file,
		    item->size);
		break;
	case COPY_OK:
		break;
	case COPY_CHANGING:
		return say(why, INTAKE_NOT_TAKEN, file,
		    "is rewritten while it is read: not taken; add a copy of it");
	case COPY_UNREADABLE:
		return say(why, INTAKE_NOT_TAKEN, file, strerror(errno));
	case COPY_UNWRITABLE:
		return say_unwritable(why, file);
	case COPY_NO_DIGEST:
		return say(why, INTAKE_TROUBLE, file, "SHA-256 failed");
	}
	digest_print(item->sha256, sha256);
	return INTAKE_OK;
}

static enum intake_result
write_header(int fd, const char *file, const struct spool_item *item, struct why *why)
{
	char header[SPOOL_HEADER];

	item_header_format(header, item);
	if (lseek(fd, 0, SEEK_SET) < 0 || disk_write(fd, header, sizeof header) < 0)
		return say_unwritable(why, file);
	return INTAKE_OK;
}

/* Opens what is to be copied; standard input may be anything. */
static int
open_source(const char *path, struct why *why)
{
	struct stat st;
	int fd;

	if (!path) {
		fd = dup(STDIN_FILENO);
		if (fd < 0)
			why_say(why, "standard input: %s", strerror(errno));
		return fd;
	}
	/* O_NONBLOCK, lest a FIFO without a writer hold us. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	why_say(why, "%s: %s", path, fd >= 0 ? "not a regular file" : strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Each draft has a descriptor, the lowest that is free, and to queue them takes some, too. */
static int
is_full(const struct intake *intake)
{
	return intake->count == INTAKE_BATCH ||
	    (intake->count > 0 &&
	        intake->drafts[intake->count - 1].fd + SPARE >= sysconf(_SC_OPEN_MAX));
}

static enum intake_result
set_name(struct spool_item *item, const char *path, const char *hint, const char *file,
    struct why *why)
{
	const char *slash;

	if (path) {
		slash = strrchr(path, '/');
		hint = slash ? slash + 1 : path;
	}
	if (!hint)
		return INTAKE_OK;
	if (strlen(hint) > PROTO_NAME_MAX) {
		why_say(why, "%.80s...: its name has %zu bytes, want at most %d",
		    file, strlen(hint), PROTO_NAME_MAX);
		return INTAKE_NOT_TAKEN;
	}
	escape_bytes(item->name, sizeof item->name, hint, strlen(hint));
	return INTAKE_OK;
}

enum intake_result
intake_copy(struct intake *intake, const char *path, const char *hint, struct why *why)
{
	struct draft *draft = &intake->drafts[intake->count];
	const char *file = path ? path : hint ? hint : "standard input";
	struct spool_item item = {.time = (uint64_t)time(NULL)};
	enum intake_result result;
	int from;

	why->text[0] = '\0';
	if (is_full(intake))
		return INTAKE_FULL;
	snprintf(item.inbox, sizeof item.inbox, "%s", intake->inbox);
	result = set_name(&item, path, hint, file, why);
	if (result != INTAKE_OK)
		return result;
	from = open_source(path, why);
	if (from < 0)
		return INTAKE_NOT_TAKEN;
	draft->is_of_file = path != NULL;
	if (open_draft(intake, draft) < 0) {
		result = say(why, INTAKE_TROUBLE, "cannot make a file in the spool's tmp",
		    strerror(errno));
		close(from);
		return result;
	}
	intake->count++;
	result = take_bytes(intake, from, draft, file, &item, why);
	if (result == INTAKE_OK)
		result = write_header(draft->fd, file, &item, why);
	close(from);
	if (result != INTAKE_OK)
		drop_drafts(intake, intake->count - 1);
	return result;
}

/* Waits until all drafts are on stable storage. */
static int
sync_drafts(struct intake *intake)
{
	for (size_t i = 0; i < intake->count; i++)
		disk_sync_start(intake->drafts[i].fd);
	for (size_t i = 0; i < intake->count; i++)
		if (disk_sync_data(intake->drafts[i].fd) < 0)
			return -1;
	return 0;
}

/* Gives the numbers; *count: how many. */
static int
give_numbers(struct intake *intake, uint64_t *numbers, size_t *count)
{
	uint64_t n;
	int rc;

	if (spool_lock(intake->spool) < 0)
		return -1;
	rc = spool_highest(intake->spool, &n);
	while (rc == 0 && *count < intake->count) {
		rc = spool_enqueue(
		    intake->spool, SPOOL_TMP, intake->drafts[*count].name, &n);
		if (rc == 0)
			numbers[(*count)++] = n;
	}
	spool_unlock(intake->spool);
	return rc;
}

static enum intake_result
say_no_number(struct why *why)
{
	if (errno != EWOULDBLOCK)
		return say(why, INTAKE_TROUBLE, "cannot give a number", strerror(errno));
	return say(why, INTAKE_BUSY, "not queued", "another program keeps the spool locked");
}

enum intake_result
intake_queue(struct intake *intake, uint64_t *numbers, size_t *count, struct why *why)
{
	enum intake_result result = INTAKE_OK;

	*count = 0;
	if (intake->count == 0)
		return INTAKE_OK;
	if (sync_drafts(intake) < 0) {
		drop_drafts(intake, 0);
		return say(
		    why, INTAKE_TROUBLE, "cannot sync the spool; not queued", strerror(errno));
	}
	if (give_numbers(intake, numbers, count) < 0)
		result = say_no_number(why);
	for (size_t i = 0; i < *count; i++)
		close(intake->drafts[i].fd);
	memmove(intake->drafts, intake->drafts + *count,
	    (intake->count - *count) * sizeof *intake->drafts);
	intake->count -= *count;
	drop_drafts(intake, 0);
	if (*count && disk_sync_dir(spool_folder(intake->spool, SPOOL_QUEUE)) < 0) {
		why_say(why, "cannot sync the queue's folder: %s; items %" PRIu64 " to %" PRIu64
		    " are in it, and may be lost by a power failure",
		    strerror(errno), numbers[0], numbers[*count - 1]);
		*count = 0;
		return INTAKE_TROUBLE;
	}
	return result;
}
