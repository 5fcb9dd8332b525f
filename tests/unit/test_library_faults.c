/* SPDX-License-Identifier: ISC */
/*
 * Each call that an add or an opening makes is made to fail, one after another until none is left,
 * in each way that matters.  The judge: a number that was told is that of an item that is there,
 * whole; after a failure nothing is queued, but for INBOXQ_UNSURE, where it is; nothing
 * is left behind, no descriptor and no draft; and the next add goes well.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "library_world.h"

#define CALLS_MAX 400 /* that one scenario makes */

/* ---- the calls: the `due`th fails, once */

static int due, error_of; /* due 0: none */
static const char *failed;

static int
fails(const char *call)
{
	if (due == 0 || --due > 0)
		return 0;
	failed = call;
	errno = error_of;
	return 1;
}

#define SHIM(type, call, parameters, arguments, failure) \
	type __real_##call parameters; \
	type __wrap_##call parameters; \
	type __wrap_##call parameters \
	{ \
		return fails(#call) ? (failure) : __real_##call arguments; \
	}

SHIM(int, open, (const char *path, int flags, unsigned mode), (path, flags, mode), -1)
SHIM(int, openat, (int dir, const char *name, int flags, unsigned mode),
    (dir, name, flags, mode), -1)
SHIM(ssize_t, read, (int fd, void *to, size_t len), (fd, to, len), -1)
SHIM(ssize_t, pread, (int fd, void *to, size_t len, off_t at), (fd, to, len, at), -1)
SHIM(ssize_t, write, (int fd, const void *from, size_t len), (fd, from, len), -1)
SHIM(off_t, lseek, (int fd, off_t at, int whence), (fd, at, whence), -1)
SHIM(int, ftruncate, (int fd, off_t size), (fd, size), -1)
SHIM(int, fallocate, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size), -1)
SHIM(int, fstat, (int fd, struct stat *st), (fd, st), -1)
SHIM(int, fdatasync, (int fd), (fd), -1)
SHIM(int, fsync, (int fd), (fd), -1)
SHIM(int, renameat2, (int from, const char *name, int to, const char *other, unsigned flags),
    (from, name, to, other, flags), -1)
SHIM(int, renameat, (int from, const char *name, int to, const char *other),
    (from, name, to, other), -1)
SHIM(int, mkdir, (const char *path, mode_t mode), (path, mode), -1)
SHIM(int, mkdirat, (int dir, const char *name, mode_t mode), (dir, name, mode), -1)
SHIM(int, faccessat, (int dir, const char *name, int mode, int flags), (dir, name, mode, flags),
    -1)
SHIM(int, getentropy, (void *to, size_t len), (to, len), -1)
SHIM(void *, malloc, (size_t size), (size), NULL)
SHIM(void *, calloc, (size_t count, size_t size), (count, size), NULL)
SHIM(void *, realloc, (void *old, size_t size), (old, size), NULL)

/* ---- scenarios: each adds `count` items or says why not */

static struct inboxq_error error;

struct done {
	enum inboxq_result result;
	uint64_t numbers[3];
	size_t told;
};

static struct inboxq_item item;
static char bytes[10000]; /* a hole in the middle */

static void
add_memory(struct inboxq *queue, struct done *done)
{
	done->result = inboxq_add_memory(
	    queue, &item, bytes, sizeof bytes, &done->numbers[0], &error);
	done->told = done->numbers[0] != 0;
}

static void
add_file(struct inboxq *queue, struct done *done)
{
	done->result = inboxq_add_file(
	    queue, &item, world_path("source"), &done->numbers[0], &error);
	done->told = done->numbers[0] != 0;
}

static void
add_batch(struct inboxq *queue, struct done *done)
{
	struct inboxq_batch *batch;

	done->result = inboxq_batch_begin(&batch, queue, &error);
	if (done->result != INBOXQ_OK)
		return;
	for (int i = 0; i < 3 && done->result == INBOXQ_OK; i++)
		done->result = inboxq_batch_memory(batch, &item, bytes, sizeof bytes, &error);
	if (done->result == INBOXQ_OK)
		done->result = inboxq_batch_queue(batch, done->numbers, &done->told, &error);
	inboxq_batch_end(batch);
}

static const struct {
	const char *name;
	void (*add)(struct inboxq *queue, struct done *done);
	size_t count;
} scenarios[] = {{"memory", add_memory, 1}, {"file", add_file, 1}, {"batch", add_batch, 3}};

static const int errors[] = {EIO, ENOSPC, EMFILE, ENOMEM};

static void
judge(const struct done *done, size_t count, size_t before)
{
	size_t queued = world_queued() - before;

	for (size_t i = 0; i < done->told; i++)
		assert_true(world_has(done->numbers[i], bytes, sizeof bytes));
	if (done->result == INBOXQ_OK)
		assert_int_equal(done->told, count);
	if (done->result == INBOXQ_UNSURE) {
		assert_int_equal(done->told, 0);
		assert_in_range(queued, 1, count);
	} else {
		assert_int_equal(queued, done->told);
		assert_true(done->result == INBOXQ_OK || done->told < count);
	}
	if (done->result != INBOXQ_OK && !error.text[0])
		fail_msg("%s failed: %s, without a reason", failed ? failed : "nothing",
		    inboxq_result_text(done->result));
	assert_int_equal(world_drafts(), 0);
}

/* Makes call `n` of a scenario fail; 0: it does not make so many. */
static int
fail_at(size_t which, int n)
{
	int descriptors = world_descriptors();
	struct inboxq *queue = world_open();
	size_t before = world_queued();
	struct done done = {0}, next = {0};
	int reached;

	failed = NULL;
	due = n;
	scenarios[which].add(queue, &done);
	due = 0;
	reached = failed != NULL;
	judge(&done, scenarios[which].count, before);
	add_memory(queue, &next);
	assert_int_equal(next.result, INBOXQ_OK);
	for (size_t i = 0; i < done.told; i++)
		assert_true(next.numbers[0] > done.numbers[i]);
	inboxq_close(queue);
	assert_int_equal(world_descriptors(), descriptors);
	return reached;
}

static void
tells_no_number_that_is_not_there(void **state)
{
	int n, calls = 0;

	(void)state;
	memset(bytes, 'x', 2000);
	memset(bytes + 9000, 'y', 1000);
	item = world_item("status");
	world_file("source", bytes, sizeof bytes);
	for (size_t which = 0; which < sizeof scenarios / sizeof *scenarios; which++) {
		for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
			error_of = errors[i];
			for (n = 1; n < CALLS_MAX && fail_at(which, n); n++)
				calls++;
			assert_in_range(n, 15, CALLS_MAX - 1);
		}
	}
	print_message("# %d calls failed\n", calls);
}

/* The same of opening a spool that has to be made. */
static void
opens_or_says_why_not(void **state)
{
	int n, reached = 1, descriptors = world_descriptors();
	struct inboxq *queue;

	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
		error_of = errors[i];
		reached = 1;
		for (n = 1; n < CALLS_MAX && reached; n++) {
			struct inboxq_error why;
			enum inboxq_result result;

			assert_int_equal(world_end(state) + world_begin(state), 0);
			failed = NULL;
			due = n;
			result = inboxq_open(&queue, WORLD_CONF, &why);
			due = 0;
			reached = failed != NULL;
			assert_int_equal(result == INBOXQ_OK, queue != NULL);
			assert_int_equal(result == INBOXQ_OK, why.text[0] == '\0');
			inboxq_close(queue);
			assert_int_equal(world_descriptors(), descriptors);
			inboxq_close(world_open());
			assert_int_equal(world_drafts(), 0);
		}
		assert_in_range(n, 20, CALLS_MAX - 1);
	}
}

/* The folder could not be synced: whoever is told so knows that the item is there. */
static void
says_that_an_item_may_be_lost_where_its_folder_cannot_be_synced(void **state)
{
	struct inboxq *queue = world_open();
	struct done done = {0};
	int seen = 0;

	(void)state;
	item = world_item("status");
	error_of = EIO;
	for (int n = 1; n < CALLS_MAX; n++) {
		failed = NULL;
		due = n;
		add_memory(queue, &done);
		due = 0;
		if (!failed)
			break;
		if (strcmp(failed, "fsync") == 0) {
			assert_int_equal(done.result, INBOXQ_UNSURE);
			seen++;
		} else {
			assert_int_not_equal(done.result, INBOXQ_UNSURE);
		}
		if (strcmp(failed, "fdatasync") == 0)
			assert_int_equal(done.result, INBOXQ_BROKEN);
		add_memory(queue, &done); /* else the next looks for its number, a call more */
	}
	assert_int_equal(seen, 1);
	inboxq_close(queue);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(tells_no_number_that_is_not_there),
	    TEST(opens_or_says_why_not),
	    TEST(says_that_an_item_may_be_lost_where_its_folder_cannot_be_synced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
