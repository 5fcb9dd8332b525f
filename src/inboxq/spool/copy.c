/* SPDX-License-Identifier: ISC */
/*
 * Rejected: size and time before and after as the judges, by which no file of /proc and no
 * busy log was ever taken; the size before as the end, which is 0 in /proc.
 */
#include "config.h"

#include "inboxq/spool/copy.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/disk.h"

#define CHUNK (128 * 1024) /* bytes */
#define BLOCK 4096         /* bytes that a hole has at least, on most file systems */
#define TRIES 3

struct copy {
	struct digest *digest;
	int (*is_stopped)(void); /* or NULL */
	unsigned char chunk[CHUNK];
};

struct copy *
copy_new(void)
{
	struct copy *copy = calloc(1, sizeof *copy);

	if (!copy)
		return NULL;
	copy->digest = digest_new();
	if (copy->digest)
		return copy;
	free(copy);
	return NULL;
}

void
copy_free(struct copy *copy)
{
	if (!copy)
		return;
	digest_free(copy->digest);
	free(copy);
}

void
copy_set_stop(struct copy *copy, int (*is_stopped)(void))
{
	copy->is_stopped = is_stopped;
}

/* Asked before each chunk. */
static int
is_stopped(const struct copy *copy)
{
	if (!copy->is_stopped || !copy->is_stopped())
		return 0;
	errno = ECANCELED;
	return 1;
}

/* How many bytes to the next block of the draft, at most `len`. */
static size_t
to_block_end(off_t at, size_t len)
{
	size_t left = BLOCK - (size_t)(at % BLOCK);

	return left < len ? left : len;
}

/* To where the file system can hold no byte of a file lseek(2) does not go at all: EINVAL. */
static int
write_at(int to, off_t at, const unsigned char *bytes, size_t len)
{
	if (lseek(to, at, SEEK_SET) < 0) {
		errno = errno == EINVAL ? EFBIG : errno;
		return -1;
	}
	return disk_write(to, bytes, len);
}

/* Writes `len` bytes at `at`, where `to` has nothing, but for blocks of zeros. */
static int
write_sparsely(int to, off_t at, const unsigned char *bytes, size_t len)
{
	static const unsigned char zeros[BLOCK];
	size_t part, run;

	for (; len > 0; bytes += run, at += (off_t)run, len -= run) {
		for (run = 0; run < len; run += part) {
			part = to_block_end(at + (off_t)run, len - run);
			if (memcmp(bytes + run, zeros, part) == 0)
				break;
		}
		if (run > 0 && write_at(to, at, bytes, run) < 0)
			return -1;
		if (run == 0)
			run = to_block_end(at, len);
	}
	return 0;
}

/* Whether all has been read that a file had when it was first seen to have something, and it
 * grows: its end may run away from us.  What is no file has no size. */
static int
has_grown_beyond(int from, uint64_t size, off_t *first)
{
	struct stat st;

	if (fstat(from, &st) < 0)
		return 0;
	if (*first == 0)
		*first = st.st_size;
	return *first > 0 && size >= (uint64_t)*first && st.st_size > *first;
}

/* read(2), past signals; one that does not block is waited for. */
static ssize_t
read_some(int from, unsigned char *chunk, size_t room)
{
	struct pollfd ready = {from, POLLIN, 0};

	for (;;) {
		ssize_t len = read(from, chunk, room);

		if (len >= 0 || (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK))
			return len;
		if (errno != EINTR && poll(&ready, 1, -1) < 0 && errno != EINTR)
			return -1;
	}
}

static enum copy_result
copy_once(struct copy *copy, int from, struct copy_draft *to)
{
	enum copy_result result = COPY_OK;
	off_t first = 0;
	ssize_t len;

	to->size = 0;
	/* Nothing must be where a hole is to be. */
	if (ftruncate(to->fd, to->at) < 0)
		return COPY_UNWRITABLE;
	if (digest_start(copy->digest) < 0)
		return COPY_NO_DIGEST;
	(void)has_grown_beyond(from, 0, &first);
	while (result == COPY_OK &&
	    (len = read_some(from, copy->chunk, sizeof copy->chunk)) != 0) {
		if (len < 0 || is_stopped(copy))
			return COPY_UNREADABLE;
		if (digest_add(copy->digest, copy->chunk, (size_t)len) < 0)
			return COPY_NO_DIGEST;
		if (write_sparsely(to->fd, to->at + (off_t)to->size, copy->chunk, (size_t)len) < 0)
			return COPY_UNWRITABLE;
		to->size += (uint64_t)len;
		if (has_grown_beyond(from, to->size, &first))
			result = COPY_GREW;
	}
	if (ftruncate(to->fd, to->at + (off_t)to->size) < 0)
		return COPY_UNWRITABLE;
	return digest_end(copy->digest, to->sha256) < 0 ? COPY_NO_DIGEST : result;
}

static int
was_written_to(const struct stat *before, const struct stat *after)
{
	return before->st_size != after->st_size ||
	    before->st_mtim.tv_sec != after->st_mtim.tv_sec ||
	    before->st_mtim.tv_nsec != after->st_mtim.tv_nsec;
}

/* Whether the file still begins with what was taken. */
static enum copy_result
compare(struct copy *copy, int from, const struct copy_draft *taken)
{
	unsigned char again[DIGEST_SIZE];
	uint64_t at = 0;

	if (digest_start(copy->digest) < 0)
		return COPY_NO_DIGEST;
	while (at < taken->size) {
		uint64_t left = taken->size - at;
		size_t room = left < CHUNK ? (size_t)left : CHUNK;
		ssize_t len = pread(from, copy->chunk, room, (off_t)at);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 || is_stopped(copy))
			return COPY_UNREADABLE;
		if (len == 0)
			return COPY_CHANGING;
		if (digest_add(copy->digest, copy->chunk, (size_t)len) < 0)
			return COPY_NO_DIGEST;
		at += (uint64_t)len;
	}
	if (digest_end(copy->digest, again) < 0)
		return COPY_NO_DIGEST;
	return memcmp(again, taken->sha256, DIGEST_SIZE) == 0 ? COPY_OK : COPY_CHANGING;
}

static enum copy_result
try_file(struct copy *copy, int from, struct copy_draft *to)
{
	struct stat before, after;
	enum copy_result result;

	if (lseek(from, 0, SEEK_SET) < 0 || fstat(from, &before) < 0)
		return COPY_UNREADABLE;
	result = copy_once(copy, from, to);
	if (result != COPY_OK && result != COPY_GREW)
		return result;
	if (fstat(from, &after) < 0)
		return COPY_UNREADABLE;
	/* Where no size is told, no time means anything either. */
	if (!was_written_to(&before, &after) || (before.st_size == 0 && after.st_size == 0))
		return COPY_OK;
	result = compare(copy, from, to);
	return result == COPY_OK && (uint64_t)after.st_size > to->size ? COPY_GREW : result;
}

enum copy_result
copy_bytes(struct copy *copy, int from, int is_file, struct copy_draft *to)
{
	enum copy_result result = COPY_CHANGING;

	if (!is_file)
		return copy_once(copy, from, to);
	for (int i = 0; i < TRIES && result == COPY_CHANGING; i++)
		result = try_file(copy, from, to);
	return result;
}

enum copy_result
copy_memory(struct copy *copy, const void *data, size_t size, struct copy_draft *to)
{
	to->size = size;
	if (digest_start(copy->digest) < 0 || digest_add(copy->digest, data, size) < 0 ||
	    digest_end(copy->digest, to->sha256) < 0)
		return COPY_NO_DIGEST;
	if (write_sparsely(to->fd, to->at, data, size) < 0 ||
	    ftruncate(to->fd, to->at + (off_t)size) < 0)
		return COPY_UNWRITABLE;
	return COPY_OK;
}
