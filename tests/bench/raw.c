/* SPDX-License-Identifier: ISC */
/*
 * What the disk alone can do with items of 1 KiB, without network, TLS or
 * digests: the limits that the receiver is measured against, in the same run
 * and in the same folder.
 *
 *	one       create, write, fsync, rename, fsync of the directory; one
 *	          item at a time, as a careful program without batches does it
 *	batchN    N items are created and written, and a line for each in a log;
 *	          one syncfs; then they are renamed.  The syncfs of the next batch
 *	          makes the renames last, so that each batch costs one.
 *
 * usage: raw FOLDER SECONDS ITEMS    (each measurement ends with either)
 * Prints "<name> <items> <seconds>" a line.
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

#define ITEM_SIZE 1024
#define RECORD_SIZE 280 /* bytes of an accept record, about */

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
die(const char *what)
{
	fprintf(stderr, "raw: %s: %s\n", what, strerror(errno));
	exit(71);
}

static int
make_dir(int at, const char *name)
{
	int fd;

	if (mkdirat(at, name, 0700) < 0)
		die(name);
	fd = disk_open_dir(at, name);
	if (fd < 0)
		die(name);
	return fd;
}

static void
item_name(char dst[32], unsigned long i)
{
	snprintf(dst, 32, "%012lu", i);
}

/* Returns the descriptor, written and not synced. */
static int
create_item(int dir, unsigned long i)
{
	char name[32], bytes[ITEM_SIZE];
	int fd;

	item_name(name, i);
	memset(bytes, (int)('a' + i % 26), sizeof bytes);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || disk_write(fd, bytes, sizeof bytes) < 0)
		die(name);
	return fd;
}

static void
publish_item(int tmp, int new, unsigned long i)
{
	char name[32];

	item_name(name, i);
	if (disk_publish(tmp, name, new, name) < 0)
		die(name);
}

static void
measure_one(int tmp, int new, double seconds, unsigned long most)
{
	double begin = now();
	unsigned long i = 0;
	int fd;

	for (; i < most && now() - begin < seconds; i++) {
		fd = create_item(tmp, i);
		if (disk_sync_data(fd) < 0 || close(fd) < 0)
			die("sync");
		publish_item(tmp, new, i);
		if (disk_sync_dir(new) < 0)
			die("sync");
	}
	printf("one %lu %.6f\n", i, now() - begin);
}

static void
measure_batches(int dir, int tmp, int new, unsigned long batch, double seconds, unsigned long most)
{
	char record[RECORD_SIZE];
	double begin = now();
	unsigned long done = 0, i;
	int log = openat(dir, "log", O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);

	if (log < 0)
		die("log");
	memset(record, 'r', sizeof record);
	for (; done < most && now() - begin < seconds; done += batch) {
		for (i = done; i < done + batch; i++) {
			if (close(create_item(tmp, i)) < 0 ||
			    disk_write(log, record, sizeof record) < 0)
				die("write");
		}
		if (disk_sync_fs(log) < 0)
			die("syncfs");
		for (i = done; i < done + batch; i++)
			publish_item(tmp, new, i);
	}
	if (disk_sync_fs(log) < 0)
		die("syncfs");
	close(log);
	printf("batch%lu %lu %.6f\n", batch, done, now() - begin);
}

int
main(int argc, char **argv)
{
	static const unsigned long batches[] = {0, 64, 256, 1024}; /* 0: one at a time */
	double seconds = argc == 4 ? atof(argv[2]) : 0;
	unsigned long most = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	int top;

	if (seconds <= 0 || most == 0) {
		fprintf(stderr, "usage: raw FOLDER SECONDS ITEMS\n");
		return 64;
	}
	top = disk_open_dir(AT_FDCWD, argv[1]);
	if (top < 0)
		die(argv[1]);
	for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++) {
		char name[32];
		int dir, tmp, new;

		if (batches[i] && !disk_has_syncfs())
			continue;
		snprintf(name, sizeof name, "raw%lu", batches[i]);
		dir = make_dir(top, name);
		tmp = make_dir(dir, "tmp");
		new = make_dir(dir, "new");
		if (batches[i])
			measure_batches(dir, tmp, new, batches[i], seconds, most);
		else
			measure_one(tmp, new, seconds, most);
		fflush(stdout);
		close(tmp);
		close(new);
		close(dir);
	}
	close(top);
	return 0;
}
