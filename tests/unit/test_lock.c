/* SPDX-License-Identifier: ISC */
/*
 * One at a time, whoever asks: threads that share a lock, threads with locks of their own for
 * the same file, and processes, those that use the older kind of lock among them.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/disk.h"
#include "lib/lock.h"

#define THREADS 3
#define TURNS 200
#define WAIT 60000 /* ms */

static int dir;

/* In memory of all processes: who is within, and how often someone was not alone. */
static struct shared {
	_Atomic int within, turns, together; /* no sanitizer knows locks on files */
} *shared;

static int
setup(void **state)
{
	char path[] = "/tmp/inboxd-lock-XXXXXX";

	(void)state;
	dir = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY) : -1;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	    -1, 0);
	if (dir < 0 || shared == MAP_FAILED)
		return -1;
	return symlinkat(path, dir, "self");
}

static int
teardown(void **state)
{
	char path[64];
	ssize_t len = readlinkat(dir, "self", path, sizeof path - 1);

	(void)state;
	if (len < 0)
		return -1;
	path[len] = '\0';
	unlinkat(dir, "self", 0);
	unlinkat(dir, "lock", 0);
	close(dir);
	munmap(shared, sizeof *shared);
	return rmdir(path);
}

static void *
take_turns(void *arg)
{
	struct lock *lock = arg;

	for (int i = 0; i < TURNS; i++) {
		if (lock_take(lock, dir, "lock", WAIT) < 0)
			return lock;
		if (shared->within)
			shared->together++;
		shared->within = 1;
		shared->turns = shared->turns + 1;
		if (i % 16 == 0)
			sched_yield();
		shared->within = 0;
		lock_release(lock);
	}
	return NULL;
}

/* THREADS that share each of two locks. */
static int
crowd(void)
{
	pthread_t threads[2 * THREADS];
	struct lock locks[2];
	void *failed;
	int rc = 0;

	lock_begin(&locks[0]);
	lock_begin(&locks[1]);
	for (int i = 0; i < 2 * THREADS; i++)
		if (pthread_create(&threads[i], NULL, take_turns, &locks[i % 2]) != 0)
			abort();
	for (int i = 0; i < 2 * THREADS; i++)
		if (pthread_join(threads[i], &failed) != 0 || failed)
			rc = 1;
	lock_end(&locks[0]);
	lock_end(&locks[1]);
	return rc;
}

static void
one_at_a_time(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(crowd());
	assert_int_equal(crowd(), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(shared->together, 0);
	assert_int_equal(shared->turns, 2 * 2 * THREADS * TURNS);
}

/* Does another process get it by the older kind of lock? */
static int
other_gets_it(void)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(disk_lock(dir, "lock", NULL) < 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

static void
programs_with_the_older_kind_are_kept_out(void **state)
{
	struct lock lock;

	(void)state;
	lock_begin(&lock);
	assert_int_equal(lock_take(&lock, dir, "lock", 0), 0);
	assert_false(other_gets_it());
	lock_release(&lock);
	assert_true(other_gets_it());
	lock_end(&lock);
}

/* A process that was forked meanwhile, and lives on. */
static void
a_copy_of_the_descriptor_does_not_hold_it(void **state)
{
	struct lock lock;
	int ends[2], status;
	char byte;
	pid_t pid;

	(void)state;
	lock_begin(&lock);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(lock_take(&lock, dir, "lock", 0), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) != 0);
	}
	lock_release(&lock);
	assert_int_equal(lock_take(&lock, dir, "lock", 0), 0);
	lock_release(&lock);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	lock_end(&lock);
}

static void
says_that_it_is_held_or_why_there_is_none(void **state)
{
	struct lock first, second;

	(void)state;
	lock_begin(&first);
	lock_begin(&second);
	assert_int_equal(lock_take(&first, dir, "lock", 0), 0);
	assert_int_equal(lock_take(&second, dir, "lock", 1), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	errno = 4711;
	lock_release(&first);
	assert_int_equal(errno, 4711);
	assert_int_equal(lock_take(&second, dir, "lock", 1), 0);
	lock_release(&second);
	assert_int_equal(lock_take(&second, dir, "self", WAIT), -1);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(lock_take(&second, dir, "lock", 0), 0);
	lock_release(&second);
	lock_end(&first);
	lock_end(&second);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(one_at_a_time, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        programs_with_the_older_kind_are_kept_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        a_copy_of_the_descriptor_does_not_hold_it, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        says_that_it_is_held_or_why_there_is_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
