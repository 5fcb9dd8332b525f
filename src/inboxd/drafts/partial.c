/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/drafts/partial.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "inboxd/drafts/meta.h"
#include "lib/disk.h"
#include "lib/log.h"

#define STEP (1024 * 1024)  /* bytes of the digest's arrears at a time */
/* Bytes after which write-out is started: few, since whoever syncs waits behind them. */
#define PUSH (256 * 1024)
#define NAMES_TRIED 100

static enum partial_result
say_failure(const struct partial *partial, const char *what)
{
	int error = errno;

	fatal_if_gone(what, partial->name);
	log_event(LOG_ERR, "partial_failed", "call=%s inbox=%s name=%s error=\"%s\"", what,
	    partial->inbox->name, partial->name, strerror(error));
	return draft_failure(error) == DRAFT_FULL ? PARTIAL_FULL : PARTIAL_TROUBLE;
}

static void
name_partial(struct partial *partial, const struct partial_key *key)
{
	unsigned char sha256[DIGEST_SIZE];
	char text[DIGEST_TEXT_ROOM], numbers[64];
	struct digest *digest = digest_new();

	snprintf(numbers, sizeof numbers, " %" PRIu64 " %" PRIu64 " ", key->number, key->size);
	if (!digest || digest_start(digest) < 0 ||
	    digest_add(digest, key->identity, strlen(key->identity) + 1) < 0 ||
	    digest_add(digest, key->queue_id, strlen(key->queue_id) + 1) < 0 ||
	    digest_add(digest, numbers, strlen(numbers)) < 0 ||
	    digest_add(digest, key->sha256, DIGEST_SIZE) < 0 || digest_end(digest, sha256) < 0)
		fatal(EX_OSERR, "digest_failed", "call=name");
	digest_free(digest);
	digest_print(text, sha256);
	snprintf(partial->name, sizeof partial->name, PARTIAL_PREFIX "%s", text);
}

/* It was begun when the inbox had no group, who could not read the item now; or had one. */
static int
is_of_other_mode(const struct partial *partial, const struct stat *st)
{
	return st->st_size > 0 && (st->st_mode & 0777) != partial->inbox->file_mode;
}

/* What is there, and is it ours alone? */
static enum partial_result
look(struct partial *partial)
{
	struct stat st, named;

	if (flock(partial->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? PARTIAL_BUSY : say_failure(partial, "flock");
	if (fstat(partial->fd, &st) < 0)
		return say_failure(partial, "fstat");
	/* Its last holder may have made it a draft, or deleted it, between our
	 * open and our lock. */
	if (fstatat(partial->inbox->tmp, partial->name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? PARTIAL_BUSY : say_failure(partial, "fstatat");
	if (named.st_ino != st.st_ino)
		return PARTIAL_BUSY;
	if (is_of_other_mode(partial, &st))
		return unlinkat(partial->inbox->tmp, partial->name, 0) == 0
		    ? PARTIAL_BUSY : say_failure(partial, "unlink");
	if ((uint64_t)st.st_size > partial->size && ftruncate(partial->fd, 0) < 0)
		return say_failure(partial, "ftruncate");
	partial->written = (uint64_t)st.st_size > partial->size ? 0 : (uint64_t)st.st_size;
	partial->is_resumed = partial->written > 0;
	partial->pushed = partial->written;
	return PARTIAL_OK;
}

enum partial_result
partial_open(struct partial *partial, struct site *site, struct inbox *inbox,
    const struct partial_key *key)
{
	enum partial_result result;

	memset(partial, 0, sizeof *partial);
	partial->inbox = inbox;
	partial->size = key->size;
	memcpy(partial->sha256, key->sha256, DIGEST_SIZE);
	name_partial(partial, key);
	partial->fd = openat(
	    inbox->tmp, partial->name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
	    inbox->file_mode);
	if (partial->fd < 0)
		return say_failure(partial, "open");
	result = look(partial);
	if (result != PARTIAL_OK) {
		close(partial->fd);
		return result;
	}
	partial->digest = digest_new();
	if (!partial->digest || digest_start(partial->digest) < 0)
		fatal(EX_OSERR, "digest_failed", "call=start");
	partial->site = site_ref(site);
	return PARTIAL_OK;
}

enum partial_result
partial_reserve(struct partial *partial)
{
	if (partial->size > 0 && disk_reserve(partial->fd, partial->size) < 0)
		return say_failure(partial, "fallocate");
	return PARTIAL_OK;
}

/* Large items are written out as they come: else the sync that ends one would
 * have gigabytes to write, and every small item would wait for it. */
static void
push(struct partial *partial)
{
	if (partial->written - partial->pushed < PUSH)
		return;
	disk_sync_start(partial->fd);
	partial->pushed = partial->written;
}

enum partial_result
partial_write(struct partial *partial, const void *data, size_t len)
{
	assert(len <= partial->size - partial->written);
	if (lseek(partial->fd, (off_t)partial->written, SEEK_SET) < 0 ||
	    disk_write(partial->fd, data, len) < 0)
		return say_failure(partial, "write");
	if (partial->hashed == partial->written) {
		if (digest_add(partial->digest, data, len) < 0)
			fatal(EX_OSERR, "digest_failed", "call=add");
		partial->hashed += len;
	}
	partial->written += len;
	push(partial);
	return PARTIAL_OK;
}

int
partial_catch_up(struct partial *partial)
{
	unsigned char buffer[64 * 1024];
	uint64_t end = partial->hashed + STEP;
	size_t want;
	ssize_t got;

	if (end > partial->written)
		end = partial->written;
	while (partial->hashed < end) {
		want = end - partial->hashed < sizeof buffer ? (size_t)(end - partial->hashed)
		                                             : sizeof buffer;
		got = pread(partial->fd, buffer, want, (off_t)partial->hashed);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			if (got == 0)
				errno = ENODATA; /* somebody has made it shorter */
			(void)say_failure(partial, "read");
			return -1;
		}
		if (digest_add(partial->digest, buffer, (size_t)got) < 0)
			fatal(EX_OSERR, "digest_failed", "call=add");
		partial->hashed += (uint64_t)got;
	}
	return partial->hashed < partial->written;
}

enum partial_state
partial_check(struct partial *partial)
{
	unsigned char found[DIGEST_SIZE];

	if (partial->written < partial->size || partial->hashed < partial->size)
		return PARTIAL_INCOMPLETE;
	if (digest_end(partial->digest, found) < 0)
		fatal(EX_OSERR, "digest_failed", "call=end");
	return memcmp(found, partial->sha256, DIGEST_SIZE) == 0 ? PARTIAL_RIGHT : PARTIAL_WRONG;
}

static void
release(struct partial *partial)
{
	digest_free(partial->digest);
	partial->digest = NULL;
	site_unref(partial->site);
	partial->site = NULL;
	partial->fd = -1;
}

enum partial_result
partial_describe(struct partial *partial, const struct meta *meta)
{
	return meta_attach(partial->inbox, partial->fd, meta) == 0
	    ? PARTIAL_OK : say_failure(partial, "fsetxattr");
}

enum draft_result
partial_to_draft(struct partial *partial, struct namer *namer, const char *identity,
    struct draft *draft)
{
	int tmp = partial->inbox->tmp;

	for (int i = 0; i < NAMES_TRIED; i++) {
		name_next(namer, identity, partial->inbox->suffix, draft->name);
		if (disk_publish(tmp, partial->name, tmp, draft->name) == 0) {
			draft->inbox = partial->inbox;
			draft->fd = partial->fd; /* the lock stays with it */
			draft->site = site_ref(partial->site);
			release(partial);
			return DRAFT_OK;
		}
		if (errno != EEXIST)
			break;
	}
	return say_failure(partial, "rename") == PARTIAL_FULL ? DRAFT_FULL : DRAFT_TROUBLE;
}

enum partial_result
partial_restart(struct partial *partial)
{
	if (ftruncate(partial->fd, 0) < 0)
		return say_failure(partial, "ftruncate");
	if (digest_start(partial->digest) < 0)
		fatal(EX_OSERR, "digest_failed", "call=start");
	partial->written = partial->hashed = partial->pushed = 0;
	partial->is_resumed = 0;
	return partial_reserve(partial); /* its room went with its bytes */
}

void
partial_close(struct partial *partial)
{
	/* Room that was taken for bytes that have not come goes back: else who only
	 * says OPEN could fill the disk. */
	if (partial->written == 0 ? unlinkat(partial->inbox->tmp, partial->name, 0) < 0
	                          : ftruncate(partial->fd, (off_t)partial->written) < 0)
		(void)say_failure(partial, "give back");
	close(partial->fd);
	release(partial);
}

void
partial_discard(struct partial *partial)
{
	if (unlinkat(partial->inbox->tmp, partial->name, 0) < 0)
		(void)say_failure(partial, "unlink");
	close(partial->fd);
	release(partial);
}

/* A descriptor that is opened now is told of what went wrong before, unless another has been. */
static int
sync_one(const struct inbox *inbox, const char *name)
{
	int fd = openat(inbox->tmp, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	int rc = fd < 0 ? -1 : disk_sync_data(fd);

	disk_close(fd);
	return rc < 0 && errno == ENOENT ? 0 : rc;
}

int
partial_sync_all(const struct inbox *inbox)
{
	DIR *listing = disk_list(inbox->tmp);
	struct dirent *file;
	int rc = listing ? 0 : -1;

	while (rc == 0 && (file = readdir(listing)))
		if (strncmp(file->d_name, PARTIAL_PREFIX, strlen(PARTIAL_PREFIX)) == 0)
			rc = sync_one(inbox, file->d_name);
	if (listing)
		closedir(listing);
	return rc;
}

/* Under its lock, so that no session takes it up at this moment. */
static void
expire_one(const struct inbox *inbox, const char *name, uint64_t seconds)
{
	int fd = openat(inbox->tmp, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0) {
		fatal_if_gone("open", name);
		return;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0 &&
	    time(NULL) - st.st_mtim.tv_sec >= (time_t)seconds &&
	    unlinkat(inbox->tmp, name, 0) == 0)
		log_event(LOG_NOTICE, "partial_expired", "inbox=%s name=%s bytes=%lld",
		    inbox->name, name, (long long)st.st_size);
	close(fd);
}

void
partial_expire(const struct inbox *inbox, uint64_t seconds)
{
	DIR *listing = disk_list(inbox->tmp);
	struct dirent *file;

	errno = listing ? 0 : errno;
	while (listing && (file = readdir(listing))) {
		if (strncmp(file->d_name, PARTIAL_PREFIX, strlen(PARTIAL_PREFIX)) == 0)
			expire_one(inbox, file->d_name, seconds);
		errno = 0;
	}
	if (errno)
		fatal_if_gone("readdir", "tmp");
	if (listing)
		closedir(listing);
}
