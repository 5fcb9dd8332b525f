/* SPDX-License-Identifier: ISC */
/*
 * What the disk alone can do with items of 1 KiB, without network, TLS or
 * digests: the limits that the receiver is measured against, in the same run
 * and in the same folder.
 *
 *	one       create, write, fsync, rename, fsync of the directory; one
 *	          item at a time, as a careful program without batches does it
 *	batchN    N items are created and written, and their lines in a log;
 *	          one syncfs; then they are renamed.  The syncfs of the next batch
 *	          makes the renames last, so that each batch costs one.
 *	logN      no files: N frames (an item and its record) are written in place, into
 *	          64 MiB whose blocks were written before, with one fdatasync
 *	takenN    likewise where the blocks were only taken (fallocate),
 *	growN     and where the file grows
 *	journalN  the receiver's whole order: frames as in logN, the files made behind
 *	          them (raw_journal.c)
 *
 * usage: raw FOLDER SECONDS ITEMS MEASURE...    (each ends with either; those without
 * files, of which there can be no end, with SECONDS)
 *
 * Prints "<measure> <items> <seconds> <batches> <p50> <p99>" a line, the latter two of the time
 * to a batch's acknowledgement, in microseconds; each is begun where the one before ended.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/journal.h"
#include "raw.h"

#define RING_SIZE (64 * JOURNAL_SEGMENT)
#define BATCH_MAX 4096

double
raw_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void
raw_die(const char *what)
{
	fprintf(stderr, "raw: %s: %s\n", what, strerror(errno));
	exit(71);
}

static void *
get_memory(size_t size)
{
	void *memory = malloc(size);

	if (!memory)
		raw_die("memory");
	return memory;
}

int
raw_goes_on(const struct raw *raw, double begin)
{
	return raw->done < raw->most && raw_now() - begin < raw->seconds;
}

void
raw_add_lap(struct raw *raw, double *last)
{
	double t = raw_now();

	if (raw->lap_count == raw->lap_room) {
		raw->lap_room = raw->lap_room ? 2 * raw->lap_room : 4096;
		raw->laps = realloc(raw->laps, raw->lap_room * sizeof *raw->laps);
		if (!raw->laps)
			raw_die("memory");
	}
	raw->laps[raw->lap_count++] = (uint32_t)((t - *last) * 1e6);
	*last = t;
}

/* ---- files */

static int
make_dir(int at, const char *name)
{
	int fd;

	if (mkdirat(at, name, 0700) < 0)
		raw_die(name);
	fd = disk_open_dir(at, name);
	if (fd < 0)
		raw_die(name);
	return fd;
}

static int
make_file(int dir, const char *name, int flags)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | flags, 0600);

	if (fd < 0)
		raw_die(name);
	return fd;
}

static void
item_name(char dst[32], unsigned long i)
{
	snprintf(dst, 32, "%012lu", i);
}

static void
item_bytes(char dst[ITEM_SIZE], unsigned long i)
{
	memset(dst, (int)('a' + i % 26), ITEM_SIZE);
}

int
raw_create(const struct raw *raw, unsigned long i)
{
	char name[32], bytes[ITEM_SIZE];
	int fd;

	item_name(name, i);
	item_bytes(bytes, i);
	fd = make_file(raw->tmp, name, 0);
	if (disk_write(fd, bytes, sizeof bytes) < 0)
		raw_die(name);
	return fd;
}

void
raw_publish(const struct raw *raw, unsigned long i)
{
	char name[32];

	item_name(name, i);
	if (disk_publish(raw->tmp, name, raw->new, name) < 0)
		raw_die(name);
}

int
raw_open_lines(const struct raw *raw)
{
	return make_file(raw->dir, "lines", O_APPEND);
}

void
raw_add_lines(int fd, unsigned long count)
{
	static char lines[BATCH_MAX * RECORD_SIZE];

	memset(lines, 'r', count * RECORD_SIZE);
	if (disk_write(fd, lines, count * RECORD_SIZE) < 0)
		raw_die("lines");
}

/* ---- the journal's file */

static size_t
batch_size(unsigned long count)
{
	size_t size = JOURNAL_HEAD_SIZE + count * (JOURNAL_ROW_SIZE + RECORD_SIZE + ITEM_SIZE);

	return (size + JOURNAL_BLOCK - 1) / JOURNAL_BLOCK * JOURNAL_BLOCK;
}

static void
write_at(int fd, const char *data, size_t len, off_t at)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			raw_die("ring");
		data += n;
		len -= (size_t)n;
		at += n;
	}
}

void
ring_open(struct ring *ring, const struct raw *raw, enum ring_blocks blocks)
{
	size_t room = batch_size(raw->batch);

	ring->fd = make_file(raw->dir, "ring", 0);
	ring->blocks = blocks;
	ring->at = 0;
	ring->buffer = get_memory(room);
	memset(ring->buffer, 0, room);
	for (off_t at = 0; blocks == RING_WRITTEN && at < RING_SIZE; at += JOURNAL_BLOCK)
		write_at(ring->fd, ring->buffer, JOURNAL_BLOCK, at);
	if (blocks == RING_TAKEN)
		errno = posix_fallocate(ring->fd, 0, RING_SIZE);
	if (blocks == RING_TAKEN && errno)
		raw_die("fallocate");
	if (disk_sync_fs(ring->fd) < 0)
		raw_die("syncfs");
}

void
ring_add(struct ring *ring, unsigned long first, unsigned long count)
{
	size_t size = batch_size(count);
	char *at = ring->buffer + JOURNAL_HEAD_SIZE + count * JOURNAL_ROW_SIZE;

	memset(ring->buffer, 'h', (size_t)(at - ring->buffer));
	for (unsigned long i = first; i < first + count; i++) {
		memset(at, 'r', RECORD_SIZE);
		item_bytes(at + RECORD_SIZE, i);
		at += RECORD_SIZE + ITEM_SIZE;
	}
	if (ring->blocks != RING_GROWS && ring->at + (off_t)size > RING_SIZE)
		ring->at = 0;
	write_at(ring->fd, ring->buffer, size, ring->at);
	ring->at += (off_t)size;
	if (disk_sync_data(ring->fd) < 0)
		raw_die("sync");
}

void
ring_close(struct ring *ring)
{
	close(ring->fd);
	free(ring->buffer);
}

/* ---- the measures */

static void
measure_one(struct raw *raw)
{
	double begin = raw_now(), last = begin;
	int fd;

	for (; raw_goes_on(raw, begin); raw->done++) {
		fd = raw_create(raw, raw->done);
		if (disk_sync_data(fd) < 0 || close(fd) < 0)
			raw_die("sync");
		raw_publish(raw, raw->done);
		if (disk_sync_dir(raw->new) < 0)
			raw_die("sync");
		raw_add_lap(raw, &last);
	}
	raw->took = raw_now() - begin;
}

static void
measure_batch(struct raw *raw)
{
	int lines = raw_open_lines(raw);
	double begin = raw_now(), last = begin;
	unsigned long published = 0;

	while (raw_goes_on(raw, begin)) {
		for (unsigned long i = 0; i < raw->batch; i++) {
			if (close(raw_create(raw, raw->done++)) < 0)
				raw_die("close");
		}
		raw_add_lines(lines, raw->batch);
		if (disk_sync_fs(lines) < 0)
			raw_die("syncfs");
		for (; published < raw->done; published++)
			raw_publish(raw, published);
		raw_add_lap(raw, &last);
	}
	if (disk_sync_fs(lines) < 0)
		raw_die("syncfs");
	raw->took = raw_now() - begin;
	close(lines);
}

static void
measure_ring(struct raw *raw, enum ring_blocks blocks)
{
	struct ring ring;
	double begin, last;

	ring_open(&ring, raw, blocks);
	raw->most = (unsigned long)-1;
	begin = last = raw_now();
	for (; raw_goes_on(raw, begin); raw->done += raw->batch) {
		/* What is taken is written once. */
		if (blocks == RING_TAKEN && ring.at + (off_t)batch_size(raw->batch) > RING_SIZE)
			break;
		ring_add(&ring, raw->done, raw->batch);
		raw_add_lap(raw, &last);
	}
	raw->took = raw_now() - begin;
	ring_close(&ring);
}

static void
measure_log(struct raw *raw)
{
	measure_ring(raw, RING_WRITTEN);
}

static void
measure_taken(struct raw *raw)
{
	measure_ring(raw, RING_TAKEN);
}

static void
measure_grow(struct raw *raw)
{
	measure_ring(raw, RING_GROWS);
}

static const struct {
	const char *name;
	void (*measure)(struct raw *raw);
} measures[] = {
    {"one", measure_one},
    {"batch", measure_batch},
    {"log", measure_log},
    {"taken", measure_taken},
    {"grow", measure_grow},
    {"journal", measure_journal},
};

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
report(const char *name, struct raw *raw)
{
	size_t n = raw->lap_count;

	if (n == 0)
		raw_die("no batch");
	qsort(raw->laps, n, sizeof *raw->laps, compare);
	printf("%s %lu %.6f %zu %u %u\n", name, raw->done, raw->took, n, raw->laps[n / 2],
	    raw->laps[n * 99 / 100]);
	fflush(stdout);
}

/* 0, or -1 where there is no such measure. */
static int
measure(int top, const char *name, double seconds, unsigned long most)
{
	size_t kind = 0, len = strcspn(name, "0123456789");
	struct raw raw = {.seconds = seconds, .most = most};

	raw.batch = name[len] ? strtoul(name + len, NULL, 10) : 1;
	while (kind < sizeof measures / sizeof measures[0] &&
	    (strncmp(measures[kind].name, name, len) != 0 || measures[kind].name[len]))
		kind++;
	if (kind == sizeof measures / sizeof measures[0] || raw.batch == 0 || raw.batch > BATCH_MAX)
		return -1;
	raw.dir = make_dir(top, name);
	raw.tmp = make_dir(raw.dir, "tmp");
	raw.new = make_dir(raw.dir, "new");
	measures[kind].measure(&raw);
	report(name, &raw);
	free(raw.laps);
	close(raw.tmp);
	close(raw.new);
	close(raw.dir);
	return 0;
}

int
main(int argc, char **argv)
{
	double seconds = argc > 4 ? atof(argv[2]) : 0;
	unsigned long most = argc > 4 ? strtoul(argv[3], NULL, 10) : 0;
	int top;

	if (seconds <= 0 || most == 0) {
		fprintf(stderr, "usage: raw FOLDER SECONDS ITEMS MEASURE...\n");
		return 64;
	}
	top = disk_open_dir(AT_FDCWD, argv[1]);
	if (top < 0)
		raw_die(argv[1]);
	for (int i = 4; i < argc; i++) {
		if (measure(top, argv[i], seconds, most) < 0) {
			fprintf(stderr, "raw: no measure %s\n", argv[i]);
			return 64;
		}
	}
	close(top);
	return 0;
}
