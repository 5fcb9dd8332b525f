/* SPDX-License-Identifier: ISC */
/* The disk calls; built twice, the second time with DISK_PORTABLE. */
#include "config.h"

#include "lib/disk.h"
#include "lib/why.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/inotify.h>
#endif

#include <cmocka.h>

static char path[64];
static int dir = -1, sub = -1;

static void
put(int at, const char *name, const char *text)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd != -1);
	assert_int_equal(disk_write(fd, text, strlen(text)), 0);
	close(fd);
}

/* The file's text, "" if it is empty, NULL if it is not there. */
static const char *
get(int at, const char *name)
{
	static char text[64];
	int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return NULL;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static int
setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(path, sizeof(path), "%s/inbox-unit.XXXXXX",
	    tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
	if (mkdtemp(path) == NULL)
		return -1;
	dir = disk_open_dir(AT_FDCWD, path);
	if (dir == -1 || mkdirat(dir, "sub", 0700) == -1)
		return -1;
	sub = disk_open_dir(dir, "sub");
	return sub == -1 ? -1 : 0;
}

static int
teardown(void **state)
{
	static const char *const names[] = {"draft", "item", "file", "lock", "link"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)unlinkat(dir, names[i], 0);
		(void)unlinkat(sub, names[i], 0);
	}
	close(sub);
	(void)unlinkat(dir, "sub", AT_REMOVEDIR);
	close(dir);
	return rmdir(path);
}

/* A pipe takes 64 KiB at a time, and a signal without SA_RESTART interrupts. */
static void
on_alarm(int signo)
{
	(void)signo;
}

static void
writes_all_past_short_writes_and_signals(void **state)
{
	static char data[1 << 20];
	struct sigaction sa = {.sa_handler = on_alarm}, old;
	size_t got = 0;
	int ends[2], status;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child != -1);
	if (child == 0) {
		char chunk[50000];
		ssize_t n;

		close(ends[1]);
		while ((n = read(ends[0], chunk, sizeof(chunk))) > 0) {
			got += (size_t)n;
			usleep(2000);
			kill(getppid(), SIGALRM);
		}
		_exit(got == sizeof(data) ? 0 : 1);
	}
	sigaction(SIGALRM, &sa, &old);
	close(ends[0]);
	assert_int_equal(disk_write(ends[1], data, sizeof(data)), 0);
	close(ends[1]);
	while (waitpid(child, &status, 0) == -1)
		assert_int_equal(errno, EINTR);
	assert_int_equal(status, 0);
	sigaction(SIGALRM, &old, NULL);
}

static void
tells_why_it_cannot_write(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	if (fd == -1)
		skip();
	assert_int_equal(disk_write(fd, "x", 1), -1);
	assert_int_equal(errno, ENOSPC);
	close(fd);
	assert_int_equal(disk_write(-1, "x", 1), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(disk_write(-1, "", 0), 0);
}

/* Three blocks and a bit, all but the ends of it. */
static void
writes_again_what_stands_there(void **state)
{
	static char data[3 * 65536 + 10], found[sizeof data + 1];
	const off_t from = 5, to = (off_t)sizeof data - 3;
	int fd, out;

	(void)state;
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (char)(i * 31 + i / 65536);
	put(dir, "file", "");
	fd = openat(dir, "file", O_RDWR | O_CLOEXEC);
	assert_int_equal(disk_write(fd, data, sizeof data), 0);
	assert_int_equal(disk_write_again(fd, from, to), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), to); /* so far has been written */
	assert_int_equal(pread(fd, found, sizeof found, 0), sizeof data);
	assert_memory_equal(found, data, sizeof data);

	assert_int_equal(disk_write_again(fd, from, (off_t)sizeof data + 1), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(pread(fd, found, sizeof found, 0), sizeof data);
	out = openat(dir, "file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(disk_write_again(out, to, to), 0); /* nothing */
	assert_int_equal(disk_write_again(out, from, to), -1);
	assert_int_equal(errno, EBADF);
	close(out);
	close(fd);
}

static void
syncs_and_tells_errors(void **state)
{
	int fd;

	(void)state;
	put(dir, "file", "text");
	fd = openat(dir, "file", O_RDWR | O_CLOEXEC);
	disk_sync_start(fd);
	assert_int_equal(disk_sync_data(fd), 0);
	assert_int_equal(disk_sync_dir(dir), 0);
	if (disk_has_syncfs()) {
		assert_int_equal(disk_sync_fs(dir), 0);
		assert_int_equal(disk_sync_fs(-1), -1);
		assert_int_equal(errno, EBADF);
	} else {
		assert_int_equal(disk_sync_fs(dir), -1);
		assert_int_equal(errno, ENOSYS);
	}
	close(fd);
	assert_int_equal(disk_sync_data(fd), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(disk_sync_dir(fd), -1);
	assert_int_equal(errno, EBADF);
#ifdef DISK_PORTABLE
	assert_int_equal(disk_has_syncfs(), 0);
#endif
}

static void
publishes_once_and_never_over_another(void **state)
{
	(void)state;
	put(dir, "draft", "first");
	assert_int_equal(disk_publish(dir, "draft", sub, "item"), 0);
	assert_null(get(dir, "draft"));
	assert_string_equal(get(sub, "item"), "first");

	put(dir, "draft", "second");
	assert_int_equal(disk_publish(dir, "draft", sub, "item"), -1);
	assert_int_equal(errno, EEXIST);
	assert_string_equal(get(dir, "draft"), "second");
	assert_string_equal(get(sub, "item"), "first");

	assert_int_equal(disk_publish(dir, "missing", sub, "other"), -1);
	assert_int_equal(errno, ENOENT);
	assert_null(get(sub, "other"));
}

static void
never_publishes_over_a_symlink(void **state)
{
	(void)state;
	assert_int_equal(symlinkat("nowhere", sub, "item"), 0);
	put(dir, "draft", "text");
	assert_int_equal(disk_publish(dir, "draft", sub, "item"), -1);
	assert_int_equal(errno, EEXIST);
	assert_string_equal(get(dir, "draft"), "text");
}

#ifdef __linux__
/* Who watches the folder hears of a file that moves in, whole, whatever the system knows. */
static void
publishes_by_a_move(void **state)
{
	union {
		struct inotify_event event;
		char room[1024];
	} got;
	char where[64];
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	(void)state;
	snprintf(where, sizeof where, "/proc/self/fd/%d", sub);
	assert_true(inotify_add_watch(watch, where, IN_MOVED_TO | IN_CREATE) >= 0);
	put(dir, "draft", "text");
	assert_int_equal(disk_publish(dir, "draft", sub, "item"), 0);
	assert_true(read(watch, &got, sizeof got) > 0);
	assert_int_equal(got.event.mask, IN_MOVED_TO);
	assert_string_equal(got.event.name, "item");
	close(watch);
}
#endif

static void
replaces_only_what_is_there(void **state)
{
	(void)state;
	put(dir, "draft", "new");
	assert_int_equal(disk_replace(dir, "draft", sub, "item"), -1);
	assert_int_equal(errno, ENOENT);
	assert_string_equal(get(dir, "draft"), "new");
	assert_null(get(sub, "item"));

	put(sub, "item", "old");
	assert_int_equal(disk_replace(dir, "draft", sub, "item"), 0);
	assert_null(get(dir, "draft"));
	assert_string_equal(get(sub, "item"), "new");

	assert_int_equal(disk_replace(dir, "draft", sub, "item"), -1);
	assert_int_equal(errno, ENOENT);
	assert_string_equal(get(sub, "item"), "new");
}

static void
opens_a_directory_and_nothing_else(void **state)
{
	(void)state;
	put(dir, "file", "");
	assert_int_equal(symlinkat("sub", dir, "link"), 0);
	assert_int_equal(disk_open_dir(dir, "file"), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(disk_open_dir(dir, "link"), -1);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(disk_open_dir(dir, "missing"), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(fcntl(sub, F_GETFD), FD_CLOEXEC);
}

static void
checks_owner_mode_and_device(void **state)
{
	struct why why = {""};
	dev_t dev = 0;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(disk_check_dir(dir, 0, &dev, &why), 0);
	assert_int_equal(fstat(dir, &st), 0);
	assert_true(dev == st.st_dev);
	assert_int_equal(disk_check_dir(sub, dev, NULL, &why), 0);
	assert_int_equal(disk_check_dir(sub, dev + 1, NULL, &why), -1);
	assert_non_null(strstr(why.text, "file system"));
	assert_int_equal(fchmod(sub, 0770), 0);
	assert_int_equal(disk_check_dir(sub, 0, NULL, &why), -1);
	assert_non_null(strstr(why.text, "0770"));
	assert_non_null(strstr(why.text, "0750"));
	assert_int_equal(fchmod(sub, 0702), 0);
	assert_int_equal(disk_check_dir(sub, 0, NULL, &why), -1);
	assert_int_equal(fchmod(sub, 0755), 0);
	assert_int_equal(disk_check_dir(sub, 0, NULL, &why), 0);
	fd = openat(dir, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(disk_check_dir(fd, 0, NULL, &why), -1);
	close(fd);
	assert_int_equal(disk_check_dir(-1, 0, NULL, &why), -1);
}

static void
refuses_a_directory_of_another_user(void **state)
{
	struct why why = {""};
	int fd = disk_open_dir(AT_FDCWD, "/proc/1");
	struct stat st;

	(void)state;
	/* Root owns it: as root, give ours away instead. */
	if (geteuid() == 0) {
		assert_int_equal(fchown(sub, 65534, (gid_t)-1), 0);
		assert_int_equal(disk_check_dir(sub, 0, NULL, &why), -1);
		assert_non_null(strstr(why.text, "65534"));
	} else if (fd != -1 && fstat(fd, &st) == 0 && st.st_uid != geteuid()) {
		assert_int_equal(disk_check_dir(fd, 0, NULL, &why), -1);
		assert_non_null(strstr(why.text, "belongs to"));
	} else
		skip();
	if (fd != -1)
		close(fd);
}

static void
locks_out_a_second_process_and_names_the_first(void **state)
{
	pid_t holder = 1, child;
	int fd, status;

	(void)state;
	fd = disk_lock(dir, "lock", &holder);
	assert_true(fd != -1);
	assert_int_equal(holder, 0);
	child = fork();
	assert_true(child != -1);
	if (child == 0) {
		pid_t told = 0;
		int rc = disk_lock(dir, "lock", &told);

		if (rc != -1 || errno != EWOULDBLOCK)
			_exit(1);
		_exit(told == getppid() ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
	child = fork();
	assert_true(child != -1);
	if (child == 0)
		_exit(disk_lock(dir, "lock", NULL) == -1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void
locks_no_symlink(void **state)
{
	(void)state;
	assert_int_equal(symlinkat("file", dir, "lock"), 0);
	assert_int_equal(disk_lock(dir, "lock", NULL), -1);
	assert_int_equal(errno, ELOOP);
	assert_null(get(dir, "file"));
}

static void
syncs_what_is_above_a_path(void **state)
{
	char below[128];

	(void)state;
	snprintf(below, sizeof(below), "%s/sub", path);
	assert_int_equal(disk_sync_above(below), 0);
	assert_int_equal(symlinkat("sub", dir, "link"), 0);
	snprintf(below, sizeof(below), "%s/link/made//", path);
	assert_int_equal(disk_sync_above(below), 0);
	assert_int_equal(disk_sync_above("/"), 0);
	snprintf(below, sizeof(below), "%s/none/made", path);
	assert_int_equal(disk_sync_above(below), -1);
	assert_int_equal(errno, ENOENT);
}

static void
lists_from_the_beginning_each_time(void **state)
{
	(void)state;
	put(sub, "file", "1");
	for (int i = 0; i < 2; i++) {
		DIR *listing = disk_list(sub);
		int count = 0;

		assert_non_null(listing);
		while (readdir(listing) != NULL)
			count++;
		assert_int_equal(count, 3);
		closedir(listing);
	}
	assert_null(disk_list(-1));
	assert_int_equal(errno, EBADF);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(writes_all_past_short_writes_and_signals),
	    TEST(tells_why_it_cannot_write),
	    TEST(writes_again_what_stands_there),
	    TEST(syncs_and_tells_errors),
	    TEST(syncs_what_is_above_a_path),
	    TEST(lists_from_the_beginning_each_time),
	    TEST(publishes_once_and_never_over_another),
	    TEST(never_publishes_over_a_symlink),
#ifdef __linux__
	    TEST(publishes_by_a_move),
#endif
	    TEST(replaces_only_what_is_there),
	    TEST(opens_a_directory_and_nothing_else),
	    TEST(checks_owner_mode_and_device),
	    TEST(refuses_a_directory_of_another_user),
	    TEST(locks_out_a_second_process_and_names_the_first),
	    TEST(locks_no_symlink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
