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
#include "inboxq/spool/counts.h"
#include "inboxq/spool/item.h"
#include "inboxq/spool/sentlog.h"
#include "lib/digest.h"
#include "lib/disk.h"

#define DRAFT_ROOM 64
#define SPARE 8 /* descriptors */
#define NAME_TRIES 100

struct draft {
	int fd;
	uint64_t size; /* bytes, without the header */
	char name[DRAFT_ROOM];
};

/* Where bytes come from: a descriptor, or memory. */
struct source {
	const char *what; /* to people */
	int fd;           /* -1: memory */
	int is_file;      /* read from its beginning */
	const void *data;
	size_t size;
};

struct intake {
	struct spool *spool;
	struct copy *copy;
	unsigned counter;
	struct draft drafts[INTAKE_BATCH];
	size_t count;
};

struct intake *
intake_new(struct spool *spool)
{
	struct intake *intake = calloc(1, sizeof *intake);

	if (!intake)
		return NULL;
	intake->spool = spool;
	intake->copy = copy_new();
	if (!intake->copy) {
		free(intake);
		return NULL;
	}
	return intake;
}

void
intake_set_stop(struct intake *intake, int (*is_stopped)(void))
{
	copy_set_stop(intake->copy, is_stopped);
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

/* A name that is taken (another thread or a process of this number drew it) is no bad luck of
 * the item's: another is drawn. */
static int
open_draft(struct intake *intake, struct draft *draft)
{
	uint32_t random;

	draft->fd = -1;
	for (int i = 0; i < NAME_TRIES && draft->fd < 0; i++) {
		if (getentropy(&random, sizeof random) < 0)
			return -1;
		snprintf(draft->name, sizeof draft->name, "%ld.%u-%08" PRIx32, (long)getpid(),
		    intake->counter++, random);
		draft->fd = openat(spool_folder(intake->spool, SPOOL_TMP), draft->name,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (draft->fd < 0 && errno != EEXIST)
			return -1;
	}
	if (draft->fd < 0)
		return -1;
	draft->fd = disk_lift(draft->fd);
	if (draft->fd < 0) {
		int error = errno;

		(void)unlinkat(spool_folder(intake->spool, SPOOL_TMP), draft->name, 0);
		errno = error;
		return -1;
	}
	return 0;
}

/* What an errno says about the spool. */
static enum intake_result
trouble(int error)
{
	if (disk_is_full(error))
		return INTAKE_NO_ROOM;
	return disk_is_shortage(error) ? INTAKE_SHORT : INTAKE_TROUBLE;
}

static enum intake_result
say_trouble(struct why *why, const char *what)
{
	enum intake_result result = trouble(errno);

	return say(why, result, what, strerror(errno));
}

/* There is no descriptor: those of the batch will be free again. */
static int
is_short(const struct intake *intake)
{
	return intake->count > 0 && disk_is_shortage(errno);
}

static enum intake_result
say_unwritable(struct why *why, const char *what)
{
	/* A limit of the size of a file is met by this one; the next may be smaller. */
	enum intake_result result = errno == EFBIG ? INTAKE_NOT_TAKEN : trouble(errno);

	why_say(why, "%s: cannot write to the spool: %s", what, strerror(errno));
	return result;
}

/* What of `what` could be taken: it was written to meanwhile. */
static enum intake_result
say_moving(struct why *why, const char *what, const struct intake_wish *wish,
    enum copy_result result, uint64_t size)
{
	if (result == COPY_CHANGING)
		return say(why, wish->holds_still ? INTAKE_MOVING : INTAKE_NOT_TAKEN, what,
		    "is rewritten while it is read: not taken; add a copy of it");
	if (wish->holds_still)
		return say(why, INTAKE_MOVING, what, "grew while it was copied: not taken");
	why_say(why, "%s: grew while it was copied: its first %" PRIu64 " bytes are taken", what,
	    size);
	return INTAKE_OK;
}

/* All bytes of the source to behind the header of the last draft. */
static enum intake_result
take_bytes(struct intake *intake, const struct source *source, const struct intake_wish *wish,
    struct spool_item *item, struct why *why)
{
	struct copy_draft draft = {
	    .fd = intake->drafts[intake->count - 1].fd, .at = SPOOL_HEADER};
	enum intake_result moved = INTAKE_OK;
	enum copy_result result;

	if (source->fd >= 0)
		result = copy_bytes(intake->copy, source->fd, source->is_file, &draft);
	else
		result = copy_memory(intake->copy, source->data, source->size, &draft);
	item->size = draft.size;
	switch (result) {
	case COPY_OK:
		break;
	case COPY_GREW:
	case COPY_CHANGING:
		moved = say_moving(why, source->what, wish, result, item->size);
		break;
	case COPY_UNREADABLE:
		return say(why, INTAKE_NOT_TAKEN, source->what, strerror(errno));
	case COPY_UNWRITABLE:
		return say_unwritable(why, source->what);
	case COPY_NO_DIGEST:
		return say(why, INTAKE_TROUBLE, source->what, "SHA-256 failed");
	}
	if (moved == INTAKE_OK)
		digest_print(item->sha256, draft.sha256);
	return moved;
}

static enum intake_result
write_header(int fd, const char *what, const struct spool_item *item, struct why *why)
{
	char header[SPOOL_HEADER];

	item_header_format(header, item);
	if (lseek(fd, 0, SEEK_SET) < 0 || disk_write(fd, header, sizeof header) < 0)
		return say_unwritable(why, what);
	return INTAKE_OK;
}

/* Each draft has a descriptor, the lowest that is free, and to queue them takes some, too. */
static int
is_full(const struct intake *intake)
{
	return intake->count == INTAKE_BATCH ||
	    (intake->count > 0 &&
	        intake->drafts[intake->count - 1].fd + SPARE >= sysconf(_SC_OPEN_MAX));
}

/* What the header says beside size and digest.  `path`: of a file, or NULL. */
static enum intake_result
describe(struct spool_item *item, const struct intake_wish *wish, const char *path,
    const char *what, struct why *why)
{
	const char *name = wish->name, *slash;

	*item = (struct spool_item){.time = (uint64_t)time(NULL), .priority = wish->priority};
	snprintf(item->inbox, sizeof item->inbox, "%s", wish->inbox);
	snprintf(item->claim, sizeof item->claim, "%s", wish->claim ? wish->claim : "");
	if (!name && path) {
		slash = strrchr(path, '/');
		name = slash ? slash + 1 : path;
	}
	if (!name)
		return INTAKE_OK;
	if (strlen(name) > PROTO_NAME_MAX) {
		why_say(why, "%.80s...: its name has %zu bytes, want at most %d",
		    what, strlen(name), PROTO_NAME_MAX);
		return INTAKE_NOT_TAKEN;
	}
	escape_bytes(item->name, sizeof item->name, name, strlen(name));
	return INTAKE_OK;
}

/* As far as it can be told before it is read. */
static uint64_t
size_of(const struct source *source)
{
	struct stat st;

	if (source->fd < 0)
		return source->size;
	return fstat(source->fd, &st) == 0 && S_ISREG(st.st_mode) && source->is_file
	    ? (uint64_t)st.st_size
	    : 0;
}

static enum intake_result
take(struct intake *intake, const struct source *source, const struct intake_wish *wish,
    struct spool_item *item, struct why *why)
{
	struct draft *draft = &intake->drafts[intake->count];
	enum intake_result result;

	/* What will be refused in the end need not be copied first. */
	if (counts_refuse(intake->spool, size_of(source), why))
		return INTAKE_FULL_QUEUE;
	if (intake->count == 0 && sentlog_take_room(intake->spool) < 0)
		return say_trouble(why, "cannot take room for sent.log; nothing is queued");
	if (open_draft(intake, draft) < 0)
		return is_short(intake)
		    ? INTAKE_FULL
		    : say_trouble(why, "cannot make a file in the spool's tmp");
	intake->count++;
	result = take_bytes(intake, source, wish, item, why);
	draft->size = item->size;
	if (result == INTAKE_OK)
		result = write_header(draft->fd, source->what, item, why);
	if (result != INTAKE_OK)
		drop_drafts(intake, intake->count - 1);
	else if (wish->sha256)
		memcpy(wish->sha256, item->sha256, sizeof item->sha256);
	return result;
}

enum intake_result
intake_file(struct intake *intake, const struct intake_wish *wish, const char *path,
    struct why *why)
{
	struct source source = {.what = path, .fd = -1, .is_file = 1};
	enum intake_result result;
	struct spool_item item;
	struct stat st;

	why->text[0] = '\0';
	if (is_full(intake))
		return INTAKE_FULL;
	result = describe(&item, wish, path, path, why);
	if (result != INTAKE_OK)
		return result;
	/* O_NONBLOCK, lest a FIFO without a writer hold us. */
	source.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (source.fd < 0 && is_short(intake))
		return INTAKE_FULL;
	if (source.fd < 0)
		return say(why, disk_is_shortage(errno) ? INTAKE_SHORT : INTAKE_NOT_TAKEN, path,
		    strerror(errno));
	if (fstat(source.fd, &st) < 0)
		result = say(why, INTAKE_NOT_TAKEN, path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		result = say(why, INTAKE_NOT_TAKEN, path, "not a regular file");
	else
		result = take(intake, &source, wish, &item, why);
	close(source.fd);
	return result;
}

enum intake_result
intake_fd(struct intake *intake, const struct intake_wish *wish, int fd, const char *what,
    struct why *why)
{
	struct source source = {.what = what, .fd = fd, .is_file = wish->holds_still};
	enum intake_result result;
	struct spool_item item;

	why->text[0] = '\0';
	if (is_full(intake))
		return INTAKE_FULL;
	if (fd < 0)
		return say(why, INTAKE_NOT_TAKEN, what, strerror(EBADF));
	result = describe(&item, wish, NULL, what, why);
	return result == INTAKE_OK ? take(intake, &source, wish, &item, why) : result;
}

enum intake_result
intake_memory(struct intake *intake, const struct intake_wish *wish, const void *data, size_t size,
    struct why *why)
{
	struct source source = {.what = wish->name ? wish->name : "the item", .fd = -1,
	    .data = data, .size = size};
	enum intake_result result;
	struct spool_item item;

	why->text[0] = '\0';
	if (is_full(intake))
		return INTAKE_FULL;
	result = describe(&item, wish, NULL, source.what, why);
	return result == INTAKE_OK ? take(intake, &source, wish, &item, why) : result;
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

static int
admit_all(const struct intake *intake, struct why *why)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < intake->count; i++)
		bytes += intake->drafts[i].size;
	return counts_admit(intake->spool, intake->count, bytes, why);
}

/* Under the lock.  Those that get none are not counted. */
static int
enqueue_all(struct intake *intake, uint64_t *numbers, size_t *count)
{
	uint64_t n;
	int rc = spool_highest(intake->spool, &n);
	int error;

	while (rc == 0 && *count < intake->count) {
		rc = spool_enqueue(intake->spool, SPOOL_TMP, intake->drafts[*count].name, &n);
		if (rc == 0)
			numbers[(*count)++] = n;
	}
	error = errno;
	counts_leaving(intake->spool);
	for (size_t i = *count; i < intake->count; i++)
		counts_left(intake->spool, intake->drafts[i].size);
	errno = error;
	return rc;
}

/* Gives the numbers; *count: how many. */
static enum intake_result
give_numbers(struct intake *intake, uint64_t *numbers, size_t *count, struct why *why)
{
	enum intake_result result = INTAKE_OK;

	if (spool_lock(intake->spool) < 0) {
		if (errno == EWOULDBLOCK)
			return say(why, INTAKE_BUSY, "not queued",
			    "another program keeps the spool locked");
		return say_trouble(why, "cannot lock the spool");
	}
	if (admit_all(intake, why) < 0)
		result = errno == EDQUOT ? INTAKE_FULL_QUEUE : trouble(errno);
	else if (enqueue_all(intake, numbers, count) < 0)
		result = say_trouble(why, "cannot give a number");
	spool_unlock(intake->spool);
	return result;
}

enum intake_result
intake_queue(struct intake *intake, uint64_t *numbers, size_t *count, struct why *why)
{
	enum intake_result result;

	*count = 0;
	if (intake->count == 0)
		return INTAKE_OK;
	if (sync_drafts(intake) < 0) {
		result = say_trouble(why, "cannot sync the spool; not queued");
		drop_drafts(intake, 0);
		return result;
	}
	result = give_numbers(intake, numbers, count, why);
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
		return INTAKE_UNSURE;
	}
	if (*count)
		spool_note_given(intake->spool, numbers[*count - 1]);
	return result;
}
