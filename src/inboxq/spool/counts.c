/* SPDX-License-Identifier: ISC */
/*
 * The file is `counts`:
 *
 *	counts 1 boot=<id> count=<hex> items=<n> bytes=<n> seen=<times of queue/ and failed/>
 *
 * `count` is drawn whenever all is counted.  What left before that is in it already: who deletes
 * without the lock notes the count beforehand, and does not lower another one.
 *
 * `seen` is what the folders' times were when all was counted, "-" once more was let in: as long
 * as they are that, counting again would find the same, and a program that adds again and
 * again to a full queue costs little.  A folder's time is too coarse to tell two changes of one
 * moment apart: so where it was young, "~" and the seconds of the count stand behind it, and such
 * a count is believed for a moment only.  (Else an item that leaves in that moment is counted
 * for good where nothing else changes, and nothing does while all is refused.)
 *
 * Rejected: to lower the counts without the lock, each process in a file of its own: what is
 * lowered late is a refusal too many at most, and that is looked into.
 */
#include "config.h"

#include "inboxq/spool/counts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inboxq/spool/mark.h"
#include "inboxq/spool/spool_parts.h"
#include "lib/disk.h"

#define FILE_NAME "counts"
#define SEEN_ROOM 96
#define YOUNG 2 /* seconds */

struct counts {
	uint64_t items, bytes;
	unsigned count;
	char boot[DISK_BOOT_ROOM];
	char seen[SEEN_ROOM];
};

void
spool_set_limits(struct spool *spool, const struct spool_limits *limits)
{
	snprintf(spool->limits_file, sizeof spool->limits_file, "%s", limits->file);
	spool->limits = *limits;
	spool->limits.file = spool->limits_file;
}

static int
read_counts(const struct spool *spool, struct counts *counts)
{
	char text[MARK_TEXT];

	if (mark_read(spool->folder[SPOOL_TOP], FILE_NAME, text) == 0 &&
	    sscanf(text,
	        "counts 1 boot=%39s count=%x items=%" SCNu64 " bytes=%" SCNu64 " seen=%95s",
	        counts->boot, &counts->count, &counts->items, &counts->bytes, counts->seen) == 5)
		return 0;
	return -1;
}

/* Where they cannot be written none may stand that is believed: it would be too low. */
static int
write_counts(const struct spool *spool, const struct counts *counts)
{
	char text[MARK_TEXT];

	snprintf(text, sizeof text,
	    "counts 1 boot=%s count=%x items=%" PRIu64 " bytes=%" PRIu64 " seen=%s",
	    counts->boot, counts->count, counts->items, counts->bytes, counts->seen);
	if (mark_write(spool->folder[SPOOL_TOP], FILE_NAME, text) == 0)
		return 0;
	if (unlinkat(spool->folder[SPOOL_TOP], FILE_NAME, 0) < 0 && errno != ENOENT) {
		int error = errno;
		struct counts old;

		if (read_counts(spool, &old) == 0) {
			errno = error;
			return -1;
		}
	}
	return 0;
}

/* Of this boot of the system, as far as that can be told. */
static int
is_of_now(const struct counts *counts)
{
	char boot[DISK_BOOT_ROOM];

	disk_boot_id(boot);
	return strcmp(boot, DISK_BOOT_UNKNOWN) != 0 && strcmp(boot, counts->boot) == 0;
}

static int
is_young(time_t changed)
{
	time_t age = time(NULL) - changed;

	return age > -YOUNG && age < YOUNG;
}

/* 0; 1 where one of the folders has changed just now; -1. */
static int
print_seen(const struct spool *spool, char seen[SEEN_ROOM])
{
	struct stat queue, failed;

	if (fstat(spool->folder[SPOOL_QUEUE], &queue) < 0 ||
	    fstat(spool->folder[SPOOL_FAILED], &failed) < 0)
		return -1;
	snprintf(seen, SEEN_ROOM, "%jd.%09ld,%jd.%09ld", (intmax_t)queue.st_mtim.tv_sec,
	    queue.st_mtim.tv_nsec, (intmax_t)failed.st_mtim.tv_sec, failed.st_mtim.tv_nsec);
	return is_young(queue.st_mtim.tv_sec) || is_young(failed.st_mtim.tv_sec);
}

uint64_t
counts_bytes(off_t size)
{
	return size > SPOOL_HEADER ? (uint64_t)size - SPOOL_HEADER : 0;
}

static int
count_folder(const struct spool *spool, enum spool_part part, struct counts *counts)
{
	DIR *dir = disk_list(spool->folder[part]);
	struct dirent *entry;
	struct stat st;
	int error;

	if (!dir)
		return -1;
	while (errno = 0, (entry = readdir(dir))) {
		if (spool_name_number(entry->d_name) == 0)
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue; /* it has just gone */
		counts->items++;
		counts->bytes += counts_bytes(st.st_size);
	}
	error = errno;
	closedir(dir);
	errno = error;
	return error ? -1 : 0;
}

/* Which boot it is.  Where the system does not say (a unit may hide it), what stands there
 * stays: if that is of this boot, it is right, and if not, nobody believes it. */
static void
set_boot(const struct spool *spool, struct counts *counts)
{
	struct counts old;

	disk_boot_id(counts->boot);
	if (strcmp(counts->boot, DISK_BOOT_UNKNOWN) == 0 && read_counts(spool, &old) == 0)
		memcpy(counts->boot, old.boot, sizeof counts->boot);
}

static int
count_all(const struct spool *spool, struct counts *counts)
{
	size_t len;
	int young;

	memset(counts, 0, sizeof *counts);
	set_boot(spool, counts);
	while (counts->count == 0)
		if (getentropy(&counts->count, sizeof counts->count) < 0)
			return -1;
	young = print_seen(spool, counts->seen);
	if (young < 0)
		return -1;
	len = strlen(counts->seen);
	if (young)
		snprintf(counts->seen + len, sizeof counts->seen - len, "~%jd",
		    (intmax_t)time(NULL));
	for (int part = SPOOL_QUEUE; part <= SPOOL_FAILED; part++)
		if (count_folder(spool, (enum spool_part)part, counts) < 0)
			return -1;
	return 0;
}

static int
is_over(const struct spool *spool, const struct counts *counts, uint64_t items, uint64_t bytes)
{
	const struct spool_limits *limits = &spool->limits;

	if (limits->items && (counts->items >= limits->items ||
	                         items > limits->items - counts->items))
		return 1;
	return limits->bytes && (counts->bytes > limits->bytes ||
	                            bytes > limits->bytes - counts->bytes);
}

static int
say_full(const struct spool *spool, const struct counts *counts, uint64_t items, uint64_t bytes,
    struct why *why)
{
	const struct spool_limits *limits = &spool->limits;

	if (limits->items && counts->items + items > limits->items)
		why_say(why, "the queue is full: %" PRIu64 " items of at most %" PRIu64
		    ", those set aside included ([queue] items in %s)",
		    counts->items, limits->items, limits->file);
	else
		why_say(why, "the queue is full: %" PRIu64 " bytes of at most %" PRIu64
		    ", those set aside included, and %" PRIu64 " more to come ([queue] bytes in "
		    "%s)", counts->bytes, limits->bytes, bytes, limits->file);
	errno = EDQUOT;
	return -1;
}

static int
has_limits(const struct spool *spool)
{
	return spool->limits.items || spool->limits.bytes;
}

/* As counted last, or else now.  *is_fresh: now. */
static int
get_counts(const struct spool *spool, struct counts *counts, int *is_fresh)
{
	*is_fresh = 0;
	if (read_counts(spool, counts) == 0 && is_of_now(counts))
		return 0;
	*is_fresh = 1;
	return count_all(spool, counts);
}

/* Has a folder changed since all was counted? */
static int
may_differ(const struct spool *spool, const struct counts *counts)
{
	char seen[SEEN_ROOM];
	const char *counted = strchr(counts->seen, '~');
	size_t len = strcspn(counts->seen, "~");

	if (counted && !is_young((time_t)strtoll(counted + 1, NULL, 10)))
		return 1;
	return print_seen(spool, seen) < 0 || strlen(seen) != len ||
	    memcmp(seen, counts->seen, len) != 0;
}

int
counts_admit(struct spool *spool, uint64_t items, uint64_t bytes, struct why *why)
{
	struct counts counts;
	int is_fresh;

	why->text[0] = '\0';
	if (!has_limits(spool)) {
		/* What nobody keeps in step must not be believed later. */
		(void)unlinkat(spool->folder[SPOOL_TOP], FILE_NAME, 0);
		return 0;
	}
	if (get_counts(spool, &counts, &is_fresh) < 0)
		goto fail;
	if (is_over(spool, &counts, items, bytes) && !is_fresh && may_differ(spool, &counts)) {
		if (count_all(spool, &counts) < 0)
			goto fail;
		is_fresh = 1;
	}
	if (is_over(spool, &counts, items, bytes)) {
		if (is_fresh)
			(void)write_counts(spool, &counts);
		return say_full(spool, &counts, items, bytes, why);
	}
	counts.items += items;
	counts.bytes += bytes;
	snprintf(counts.seen, sizeof counts.seen, "-");
	if (write_counts(spool, &counts) == 0)
		return 0;
fail:
	return why_say(why, "cannot count what is in the queue: %s", strerror(errno));
}

int
counts_refuse(const struct spool *spool, uint64_t bytes, struct why *why)
{
	struct counts counts;

	return has_limits(spool) && read_counts(spool, &counts) == 0 && is_of_now(&counts) &&
	    is_over(spool, &counts, 1, bytes) && !may_differ(spool, &counts) &&
	    say_full(spool, &counts, 1, bytes, why) < 0;
}

void
counts_leaving(struct spool *spool)
{
	struct counts counts;

	if (spool->gone.items == 0)
		spool->gone.count = read_counts(spool, &counts) == 0 ? counts.count : 0;
}

void
counts_left(struct spool *spool, uint64_t bytes)
{
	spool->gone.items++;
	spool->gone.bytes += bytes;
}

static uint64_t
lower(uint64_t count, uint64_t by)
{
	return count > by ? count - by : 0;
}

/* Whose boot it is does not matter: what is not of this one stays so. */
void
counts_settle(struct spool *spool)
{
	struct counts counts;

	if (spool->gone.items == 0)
		return;
	if (read_counts(spool, &counts) == 0 && counts.count == spool->gone.count) {
		counts.items = lower(counts.items, spool->gone.items);
		counts.bytes = lower(counts.bytes, spool->gone.bytes);
		(void)write_counts(spool, &counts); /* else they are too high, or there are none */
	}
	spool->gone.items = spool->gone.bytes = 0;
}

void
counts_try_settle(struct spool *spool)
{
	if (spool->gone.items == 0 || spool_try_lock(spool) < 0)
		return;
	counts_settle(spool);
	spool_unlock(spool);
}

int
counts_renew(struct spool *spool)
{
	struct counts counts;

	if (!has_limits(spool))
		return 0;
	spool->gone.items = spool->gone.bytes = 0;
	return count_all(spool, &counts) < 0 ? -1 : write_counts(spool, &counts);
}

int
counts_now(const struct spool *spool, uint64_t *items, uint64_t *bytes)
{
	struct counts counts;

	if (count_all(spool, &counts) < 0)
		return -1;
	*items = counts.items;
	*bytes = counts.bytes;
	return 0;
}

int
counts_look(const struct spool *spool, uint64_t *items, uint64_t *bytes)
{
	struct counts counts;

	if (read_counts(spool, &counts) < 0 || !is_of_now(&counts))
		return -1;
	*items = counts.items;
	*bytes = counts.bytes;
	return 0;
}
