/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "lib/log.h"

static char folder[128];
static pid_t owner;
static int watches_log, write_error;

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);

/* Where a target has no --wrap=write, nothing calls this. */
ssize_t __real_write(int fd, const void *data, size_t len) __attribute__((weak));

ssize_t
__wrap_write(int fd, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	if (fd != STDERR_FILENO && write_error) {
		errno = write_error;
		write_error = 0;
		return -1;
	}
	if (fd != STDERR_FILENO || !watches_log)
		return __real_write(fd, data, len);
	FUZZ_CHECK(len > 0 && len <= 2048 && bytes[len - 1] == '\n');
	for (size_t i = 0; i + 1 < len; i++)
		FUZZ_CHECK(bytes[i] >= 0x20 && bytes[i] <= 0x7e);
	return (ssize_t)len;
}

void
fuzz_watch_log(void)
{
	log_setup(LOG_DEBUG, LOG_FORMAT_PLAIN);
	watches_log = 1;
}

void
fuzz_fail_next_write(int error)
{
	write_error = error;
}

void
fuzz_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

void *
fuzz_copy(const void *data, size_t len)
{
	void *copy = malloc(len ? len : 1);

	FUZZ_CHECK(copy);
	if (len)
		memcpy(copy, data, len);
	return copy;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st, (void)type, (void)walk;
	return remove(path);
}

static void
remove_folder(void)
{
	if (getpid() == owner)
		(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *
fuzz_folder(void)
{
	const char *tmp = getenv("TMPDIR");

	if (folder[0])
		return folder;
	if (access("/dev/shm", W_OK | X_OK) == 0)
		tmp = "/dev/shm";
	snprintf(folder, sizeof folder, "%.90s/inbox-fuzz.XXXXXX", tmp ? tmp : "/tmp");
	FUZZ_CHECK(mkdtemp(folder));
	owner = getpid();
	FUZZ_CHECK(atexit(remove_folder) == 0);
	return folder;
}

size_t
fuzz_count_files(int dir, int empty)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *file;
	size_t count = 0;

	FUZZ_CHECK(listing);
	while ((file = readdir(listing))) {
		if (file->d_name[0] == '.')
			continue;
		count++;
		if (empty)
			FUZZ_CHECK(unlinkat(dir, file->d_name, 0) == 0);
	}
	closedir(listing);
	return count;
}

int
fuzz_lowest_fd(void)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);

	FUZZ_CHECK(fd >= 0);
	close(fd);
	return fd;
}

uint8_t
fuzz_byte(struct fuzz_input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->at++;
}
