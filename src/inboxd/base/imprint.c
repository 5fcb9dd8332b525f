/* SPDX-License-Identifier: ISC */
#include "inboxd/base/imprint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/disk.h"

#define NANOSECONDS INT64_C(1000000000)
/* File systems tell times by the tick, some by two seconds, and other machines' clocks go wrong. */
#define FRESH (10 * NANOSECONDS)

static int64_t
nanoseconds(struct timespec time)
{
	return time.tv_sec * NANOSECONDS + time.tv_nsec;
}

static struct stamp
stamp_of(const struct stat *st)
{
	struct timespec now = {0, 0};

	clock_gettime(CLOCK_REALTIME, &now);
	return (struct stamp){
	    .is_file = S_ISREG(st->st_mode),
	    .device = st->st_dev,
	    .inode = st->st_ino,
	    .size = (uint64_t)st->st_size,
	    .modified = nanoseconds(st->st_mtim),
	    .changed = nanoseconds(st->st_ctim),
	    .asked = nanoseconds(now),
	};
}

/* A file that was written to shortly before the first look may have been so again behind it,
 * within one tick. */
static int
says_same(const struct stamp *before, const struct stamp *now)
{
	return before->is_file && now->is_file && before->device == now->device &&
	    before->inode == now->inode && before->size == now->size &&
	    before->modified == now->modified && before->changed == now->changed &&
	    before->changed + FRESH < before->asked;
}

/* Non-blocking, so that a FIFO by mistake holds nobody up.  0, with a stamp that may say that there
 * is no file; -1: memory or descriptors are out, and nothing is known. */
static int
read_file(const char *path, struct stamp *stamp, unsigned char digest[DIGEST_SIZE])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc = 0;
	unsigned long long size;
	struct stat st;

	*stamp = (struct stamp){0};
	if (fd < 0)
		return disk_is_shortage(errno) ? -1 : 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		*stamp = stamp_of(&st);
		if (digest_file(fd, 0, digest, &size) < 0) {
			*stamp = (struct stamp){0};
			rc = disk_is_shortage(errno) ? -1 : 0;
		}
	}
	disk_close(fd);
	return rc;
}

int
imprints_take(struct imprints *imprints, const char *path)
{
	struct imprint *grown =
	    realloc(imprints->items, (imprints->count + 1) * sizeof *grown), *imprint;

	if (!grown)
		return -1;
	imprints->items = grown;
	imprint = &grown[imprints->count];
	memset(imprint, 0, sizeof *imprint);
	imprint->path = strdup(path);
	if (!imprint->path || read_file(path, &imprint->stamp, imprint->digest) < 0) {
		free(imprint->path);
		return -1;
	}
	imprints->count++;
	return 0;
}

void
imprints_free(struct imprints *imprints)
{
	for (size_t i = 0; i < imprints->count; i++)
		free(imprints->items[i].path);
	free(imprints->items);
	*imprints = (struct imprints){0};
}

struct sight
imprint_sight(const struct imprint *imprint)
{
	return (struct sight){.stamp = imprint->stamp};
}

void
imprint_look(const struct imprint *imprint, struct sight *sight)
{
	unsigned char digest[DIGEST_SIZE];
	struct stamp stamp;
	struct stat st;

	if (stat(imprint->path, &st) == 0) {
		stamp = stamp_of(&st);
		if (says_same(&sight->stamp, &stamp))
			return;
	}
	if (read_file(imprint->path, &stamp, digest) < 0)
		return;
	sight->stamp = stamp;
	sight->differs = stamp.is_file != imprint->stamp.is_file ||
	    (stamp.is_file && memcmp(digest, imprint->digest, DIGEST_SIZE) != 0);
}
