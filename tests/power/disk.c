/* SPDX-License-Identifier: ISC */
/*
 * A disk that remembers: one file, mounted over the file MOUNTPOINT through FUSE, for a loop
 * device to sit on.
 *
 *	disk IMAGE LOG MOUNTPOINT
 *
 * IMAGE holds the disk's bytes.  Each write and each flush that comes is appended to LOG
 * before it is answered, as a header and, for a write, its bytes:
 *
 *	u64 offset  u32 length  u32 kind (1: write, 2: flush)
 *
 * A flush that has been answered stands therefore behind all writes that had been answered
 * when it was sent, and the size of LOG is a point in the disk's time that any process can read.
 * The page cache has no part in it: the file is opened with FOPEN_DIRECT_IO, so that a write of
 * the loop driver is a FUSE_WRITE before it is done, and its flush is a FUSE_FSYNC.
 *
 * It speaks the kernel's protocol itself, which for one file without a folder is less than a
 * library's set-up.  Rejected: dm-log-writes and NBD, which many kernels lack, and a shim over
 * the receiver's calls, which would have to guess what a file system makes of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGES_MAX 256
#define WRITE_MAX (PAGES_MAX * 4096)
#define REQUEST_ROOM (WRITE_MAX + 65536)

enum kind { KIND_WRITE = 1, KIND_FLUSH = 2 };

struct entry {
	uint64_t offset;
	uint32_t length, kind;
};

struct disk {
	int fuse, image, log;
	uint64_t size;
	unsigned char *data; /* of a read */
};

static void
die(const char *what)
{
	fprintf(stderr, "disk: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
reply(const struct disk *disk, uint64_t unique, int error, const void *data, size_t len)
{
	struct fuse_out_header head = {
	    .len = (uint32_t)(sizeof head + len), .error = -error, .unique = unique};
	struct iovec parts[2] = {{&head, sizeof head}, {(void *)(uintptr_t)data, len}};

	/* ENOENT: nobody waits for this answer any more. */
	if (writev(disk->fuse, parts, len ? 2 : 1) < 0 && errno != ENOENT)
		die("answer");
}

/* An append is one writev, so that readers of the log's size see whole entries. */
static void
append(const struct disk *disk, enum kind kind, uint64_t offset, const void *data, uint32_t len)
{
	struct entry entry = {.offset = offset, .length = len, .kind = kind};
	struct iovec parts[2] = {{&entry, sizeof entry}, {(void *)(uintptr_t)data, len}};

	if (writev(disk->log, parts, len ? 2 : 1) != (ssize_t)(sizeof entry + len))
		die("log");
}

static void
on_init(const struct disk *disk, uint64_t unique, const struct fuse_init_in *in)
{
	struct fuse_init_out out = {
	    .major = FUSE_KERNEL_VERSION,
	    .minor = FUSE_KERNEL_MINOR_VERSION,
	    .max_readahead = 0,
	    .flags = in->flags & FUSE_MAX_PAGES,
	    .max_background = 16,
	    .congestion_threshold = 12,
	    .max_write = WRITE_MAX,
	    .time_gran = 1,
	    .max_pages = PAGES_MAX,
	};

	reply(disk, unique, 0, &out, sizeof out);
}

static void
on_getattr(const struct disk *disk, uint64_t unique)
{
	struct fuse_attr_out out = {
	    .attr_valid = 3600,
	    .attr = {.ino = 1, .size = disk->size, .blocks = disk->size / 512,
	        .mode = S_IFREG | 0600, .nlink = 1, .blksize = 4096},
	};

	reply(disk, unique, 0, &out, sizeof out);
}

static void
on_read(const struct disk *disk, uint64_t unique, const struct fuse_read_in *in)
{
	ssize_t got = pread(disk->image, disk->data, in->size < WRITE_MAX ? in->size : WRITE_MAX,
	    (off_t)in->offset);

	reply(disk, unique, got < 0 ? errno : 0, disk->data, got < 0 ? 0 : (size_t)got);
}

static void
on_write(const struct disk *disk, uint64_t unique, const struct fuse_write_in *in)
{
	struct fuse_write_out out = {.size = in->size};
	const void *data = in + 1;

	if (in->offset + in->size > disk->size) {
		reply(disk, unique, ENOSPC, NULL, 0);
		return;
	}
	append(disk, KIND_WRITE, in->offset, data, in->size);
	if (pwrite(disk->image, data, in->size, (off_t)in->offset) != (ssize_t)in->size)
		die("image");
	reply(disk, unique, 0, &out, sizeof out);
}

static void
serve(const struct disk *disk, const struct fuse_in_header *head)
{
	const void *body = head + 1;
	struct fuse_open_out opened = {.fh = 1, .open_flags = FOPEN_DIRECT_IO};
	struct fuse_statfs_out statfs = {.st = {.bsize = 4096, .namelen = 255}};

	switch (head->opcode) {
	case FUSE_INIT:
		on_init(disk, head->unique, body);
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR: /* times, which a disk has not */
		on_getattr(disk, head->unique);
		break;
	case FUSE_OPEN:
		reply(disk, head->unique, 0, &opened, sizeof opened);
		break;
	case FUSE_READ:
		on_read(disk, head->unique, body);
		break;
	case FUSE_WRITE:
		on_write(disk, head->unique, body);
		break;
	case FUSE_FSYNC:
		append(disk, KIND_FLUSH, 0, NULL, 0);
		reply(disk, head->unique, 0, NULL, 0);
		break;
	case FUSE_STATFS:
		reply(disk, head->unique, 0, &statfs, sizeof statfs);
		break;
	case FUSE_RELEASE:
		reply(disk, head->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT: /* never answered */
		break;
	default: /* of these fallocate(2): so a discard is an error the kernel knows */
		reply(disk, head->unique, ENOSYS, NULL, 0);
	}
}

static void
mount_over(struct disk *disk, const char *mountpoint)
{
	char options[128];

	disk->fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (disk->fuse < 0)
		die("/dev/fuse");
	snprintf(options, sizeof options, "fd=%d,rootmode=100600,user_id=0,group_id=0,max_read=%d",
	    disk->fuse, WRITE_MAX);
	if (mount("disk", mountpoint, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
		die(mountpoint);
}

int
main(int argc, char **argv)
{
	struct disk disk = {0};
	unsigned char *request = malloc(REQUEST_ROOM);
	struct stat st;
	ssize_t got;

	if (argc != 4 || !request) {
		fprintf(stderr, "usage: disk IMAGE LOG MOUNTPOINT\n");
		return 64;
	}
	disk.data = malloc(WRITE_MAX);
	disk.image = open(argv[1], O_RDWR | O_CLOEXEC);
	disk.log = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (!disk.data || disk.image < 0 || fstat(disk.image, &st) < 0 || disk.log < 0)
		die("image or log");
	disk.size = (uint64_t)st.st_size;
	mount_over(&disk, argv[3]);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		got = read(disk.fuse, request, REQUEST_ROOM);
		if (got >= (ssize_t)sizeof(struct fuse_in_header))
			serve(&disk, (const void *)request);
		else if (got < 0 && errno == ENODEV)
			return 0; /* unmounted */
		else if (got < 0 && errno != EINTR && errno != ENOENT && errno != EAGAIN)
			die("/dev/fuse");
	}
}
