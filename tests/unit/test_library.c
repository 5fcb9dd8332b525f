/* SPDX-License-Identifier: ISC */
/*
 * libinboxq, the static one, as a program meets it: what it says is done is done, and it keeps
 * its hands off the program.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "library_world.h"

static struct inboxq_error error;

/* ---- where items come from */

static void
adds_from_memory_a_file_and_a_descriptor(void **state)
{
	const struct inboxq_item item = world_item("status");
	struct inboxq *queue = world_open();
	const char *path = world_file("some.txt", "from a file", 11);
	int fd = open(path, O_RDONLY);
	uint64_t n;

	(void)state;
	assert_int_equal(inboxq_add_memory(queue, &item, "from memory", 11, &n, &error), INBOXQ_OK);
	assert_int_equal(n, 1);
	assert_string_equal(error.text, "");
	assert_int_equal(inboxq_add_file(queue, &item, path, &n, &error), INBOXQ_OK);
	assert_int_equal(n, 2);
	assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
	assert_int_equal(inboxq_add_fd(queue, &item, fd, &n, &error), INBOXQ_OK);
	assert_int_equal(n, 3);
	assert_int_equal(inboxq_add_memory(queue, &item, NULL, 0, NULL, NULL), INBOXQ_OK);
	assert_true(world_has(1, "from memory", 11));
	assert_true(world_has(2, "from a file", 11));
	assert_true(world_has(3, "a file", 6));
	assert_true(world_has(4, "", 0));
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 11);
	close(fd);
	inboxq_close(queue);
}

/* Zeros become holes, whole blocks and parts of them. */
static void
keeps_each_byte_of_what_has_zeros(void **state)
{
	const struct inboxq_item item = world_item("status");
	static const size_t sizes[] = {1, 3071, 3072, 3073, 70000, 300000};
	struct inboxq *queue = world_open();
	unsigned char *bytes = calloc(1, 300000);
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		bytes[sizes[i] / 2] ^= 1;
		assert_int_equal(
		    inboxq_add_memory(queue, &item, bytes, sizes[i], &n, &error), INBOXQ_OK);
		assert_true(world_has(n, bytes, sizes[i]));
	}
	free(bytes);
	inboxq_close(queue);
}

static void *
say_slowly(void *arg)
{
	int fd = *(int *)arg;

	for (int i = 0; i < 5; i++) {
		usleep(20000);
		assert_int_equal(write(fd, "word ", 5), 5);
	}
	close(fd);
	return NULL;
}

static void
waits_for_a_descriptor_that_does_not_block(void **state)
{
	const struct inboxq_item item = world_item("status");
	struct inboxq *queue = world_open();
	pthread_t thread;
	int ends[2];
	uint64_t n;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(pthread_create(&thread, NULL, say_slowly, &ends[1]), 0);
	assert_int_equal(inboxq_add_fd(queue, &item, ends[0], &n, &error), INBOXQ_OK);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(world_has(n, "word word word word word ", 25));
	assert_int_not_equal(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
	close(ends[0]);
	inboxq_close(queue);
}

/* ---- batches */

static void
queues_a_batch_in_its_order(void **state)
{
	const struct inboxq_item item = world_item("status");
	uint64_t numbers[INBOXQ_BATCH_MAX];
	struct inboxq *queue = world_open();
	struct inboxq_batch *batch;
	char text[32];
	size_t count;

	(void)state;
	assert_int_equal(inboxq_batch_begin(&batch, queue, &error), INBOXQ_OK);
	for (int i = 0; i < INBOXQ_BATCH_MAX; i++) {
		snprintf(text, sizeof text, "item %03d", i);
		assert_int_equal(
		    inboxq_batch_memory(batch, &item, text, 8, &error), INBOXQ_OK);
	}
	assert_int_equal(inboxq_batch_memory(batch, &item, "x", 1, &error), INBOXQ_BATCH_FULL);
	assert_int_equal(world_queued(), 0);
	assert_int_equal(inboxq_batch_queue(batch, numbers, &count, &error), INBOXQ_OK);
	assert_int_equal(count, INBOXQ_BATCH_MAX);
	for (int i = 0; i < INBOXQ_BATCH_MAX; i++) {
		snprintf(text, sizeof text, "item %03d", i);
		assert_int_equal(numbers[i], i + 1);
		assert_true(world_has(numbers[i], text, 8));
	}
	/* one that cannot be taken leaves the others as they are */
	assert_int_equal(inboxq_batch_memory(batch, &item, "a", 1, &error), INBOXQ_OK);
	assert_int_equal(inboxq_batch_file(batch, &item, world_path("nothing"), &error),
	    INBOXQ_NOT_TAKEN);
	assert_non_null(strstr(error.text, "nothing: No such file"));
	assert_int_equal(inboxq_batch_queue(batch, NULL, &count, NULL), INBOXQ_OK);
	assert_int_equal(count, 1);
	/* what is not queued is dropped */
	assert_int_equal(inboxq_batch_memory(batch, &item, "b", 1, &error), INBOXQ_OK);
	assert_int_equal(world_drafts(), 1);
	inboxq_batch_end(batch);
	assert_int_equal(world_drafts(), 0);
	assert_int_equal(world_queued(), INBOXQ_BATCH_MAX + 1);
	inboxq_close(queue);
}

static void
a_batch_ends_where_descriptors_do(void **state)
{
	const struct inboxq_item item = world_item("status");
	struct inboxq *queue = world_open();
	const char *path = world_file("file", "x", 1);
	struct inboxq_batch *batch;
	enum inboxq_result result = INBOXQ_OK;
	struct rlimit limit, few;
	size_t count, taken = 0;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(inboxq_batch_begin(&batch, queue, &error), INBOXQ_OK);
	few = limit;
	few.rlim_cur = 40;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (taken < 100 && result == INBOXQ_OK) {
		result = inboxq_batch_file(batch, &item, path, &error);
		taken += result == INBOXQ_OK;
	}
	assert_int_equal(result, INBOXQ_BATCH_FULL);
	assert_int_equal(inboxq_batch_queue(batch, NULL, &count, &error), INBOXQ_OK);
	assert_int_equal(count, taken);
	/* none at all: its own answer, and it goes on once there are some */
	few.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(inboxq_add_file(queue, &item, path, NULL, &error), INBOXQ_NO_MEMORY);
	assert_int_equal(inboxq_add_memory(queue, &item, "x", 1, NULL, &error), INBOXQ_NO_MEMORY);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(inboxq_add_file(queue, &item, path, NULL, &error), INBOXQ_OK);
	inboxq_batch_end(batch);
	inboxq_close(queue);
}

/* ---- what it keeps its hands off */

static void
leaves_umask_descriptors_and_signals_alone(void **state)
{
	const struct inboxq_item item = world_item("status");
	struct sigaction before[32], after;
	int others = world_descriptors(), is_open[256];
	struct inboxq_batch *batch;
	struct inboxq *queue;
	mode_t old = umask(0);
	struct stat st;

	(void)state;
	for (int fd = 0; fd < 256; fd++)
		is_open[fd] = fcntl(fd, F_GETFD) >= 0;
	for (int i = 1; i < 32; i++)
		assert_int_equal(sigaction(i, NULL, &before[i]), 0);
	queue = world_open();
	assert_int_equal(inboxq_batch_begin(&batch, queue, &error), INBOXQ_OK);
	assert_int_equal(inboxq_batch_memory(batch, &item, "x", 1, &error), INBOXQ_OK);
	for (int fd = 0; fd < 256; fd++)
		if (!is_open[fd] && fcntl(fd, F_GETFD) >= 0)
			assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(world_descriptors() > others);
	assert_int_equal(inboxq_batch_queue(batch, NULL, NULL, &error), INBOXQ_OK);
	inboxq_batch_end(batch);
	inboxq_close(queue);
	assert_int_equal(world_descriptors(), others);
	assert_int_equal(umask(old), 0);
	assert_int_equal(stat(world_path("spool"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(world_path("spool/queue/00000000000000000001"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	for (int i = 1; i < 32; i++) {
		assert_int_equal(sigaction(i, NULL, &after), 0);
		assert_ptr_equal(after.sa_handler, before[i].sa_handler);
	}
}

/* A program that has closed all three, as some daemons do, and prints all the same. */
static void
what_is_printed_to_nobody_is_in_no_item(void **state)
{
	const struct inboxq_item item = world_item("status");
	int kept[3], flags[256];
	struct inboxq_batch *batch;
	struct inboxq *queue;

	(void)state;
	for (int fd = 0; fd < 3; fd++) {
		kept[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
		close(fd);
	}
	queue = world_open();
	for (int fd = 0; fd < 3; fd++)
		flags[fd] = fcntl(fd, F_GETFD);
	flags[3] = (int)inboxq_batch_begin(&batch, queue, &error);
	flags[4] = (int)inboxq_batch_memory(batch, &item, "whole", 5, &error);
	for (int fd = 0; fd < 3; fd++)
		flags[5 + fd] = (int)write(fd, "printed", 7);
	flags[8] = (int)inboxq_batch_queue(batch, NULL, NULL, &error);
	for (int fd = 0; fd < 3; fd++) {
		dup2(kept[fd], fd);
		close(kept[fd]);
	}
	for (int i = 0; i < 9; i++)
		assert_int_equal(flags[i], i < 3 || (i >= 5 && i < 8) ? -1 : 0);
	inboxq_batch_end(batch);
	inboxq_close(queue);
	assert_true(world_has(1, "whole", 5));
}

/* ---- mistakes, and what is not there */

static void
says_what_is_wrong_with_an_item(void **state)
{
	struct inboxq *queue = world_open();
	struct inboxq_item item = world_item("status");
	static char name[300];
	struct {
		struct inboxq_item item;
		const char *more;
	} newer = {world_item("status"), NULL};
	uint64_t n = 7;

	(void)state;
	assert_int_equal(inboxq_add_memory(queue, NULL, "x", 1, &n, &error), INBOXQ_MISUSED);
	assert_int_equal(n, 0);
	item.size_of = 8;
	assert_int_equal(inboxq_add_memory(queue, &item, "x", 1, &n, &error), INBOXQ_MISUSED);
	item = world_item("no/inbox");
	assert_int_equal(inboxq_add_memory(queue, &item, "x", 1, &n, &error), INBOXQ_MISUSED);
	assert_non_null(strstr(error.text, "an inbox is"));
	item = world_item(NULL);
	assert_int_equal(inboxq_add_memory(queue, &item, "x", 1, &n, NULL), INBOXQ_MISUSED);
	item = world_item("status");
	item.priority = 3;
	assert_int_equal(inboxq_add_memory(queue, &item, "x", 1, &n, &error), INBOXQ_MISUSED);
	item.priority = INBOXQ_HIGH;
	memset(name, 'n', sizeof name - 1);
	item.name = name;
	assert_int_equal(inboxq_add_memory(queue, &item, "x", 1, &n, &error), INBOXQ_NOT_TAKEN);
	assert_int_equal(inboxq_add_memory(queue, &item, NULL, 1, &n, &error), INBOXQ_MISUSED);
	assert_int_equal(inboxq_add_file(queue, &item, NULL, &n, &error), INBOXQ_MISUSED);
	assert_int_equal(inboxq_add_memory(NULL, &item, "x", 1, &n, &error), INBOXQ_MISUSED);
	/* the struct of a newer header, which asks for no more; and for more */
	newer.item.size_of = sizeof newer;
	assert_int_equal(inboxq_add_memory(queue, &newer.item, "x", 1, &n, &error), INBOXQ_OK);
	newer.more = "more";
	assert_int_equal(inboxq_add_memory(queue, &newer.item, "x", 1, &n, &error), INBOXQ_MISUSED);
	assert_int_equal(world_queued(), 1);
	assert_int_equal(world_drafts(), 0);
	inboxq_close(queue);
}

static void
says_why_an_item_cannot_be_read(void **state)
{
	const struct inboxq_item item = world_item("status");
	struct inboxq *queue = world_open();
	uint64_t n;

	(void)state;
	assert_int_equal(
	    inboxq_add_file(queue, &item, world_path("spool"), &n, &error), INBOXQ_NOT_TAKEN);
	assert_non_null(strstr(error.text, "spool: not a regular file"));
	assert_int_equal(inboxq_add_fd(queue, &item, -1, &n, &error), INBOXQ_NOT_TAKEN);
	assert_string_equal(error.text, "descriptor -1: Bad file descriptor");
	assert_int_equal(inboxq_add_fd(queue, &item, 250, &n, &error), INBOXQ_NOT_TAKEN);
	assert_int_equal(world_queued(), 0);
	assert_int_equal(world_drafts(), 0);
	inboxq_close(queue);
}

static void
says_why_a_queue_cannot_be_opened(void **state)
{
	struct inboxq *queue;

	(void)state;
	assert_int_equal(
	    inboxq_open(&queue, world_path("nothing"), &error), INBOXQ_BAD_CONFIG);
	assert_null(queue);
	assert_non_null(strstr(error.text, "nothing: No such file"));
	world_file("bad.conf", "[queue]\nspol = /tmp/x\nx = y\n", 28);
	assert_int_equal(inboxq_open(&queue, world_path("bad.conf"), &error), INBOXQ_BAD_CONFIG);
	assert_non_null(strstr(error.text, "bad.conf:2: "));
	world_file("spool", "a file", 6);
	assert_int_equal(inboxq_open(&queue, WORLD_CONF, &error), INBOXQ_NO_SPOOL);
	assert_non_null(strstr(error.text, "Not a directory"));
	assert_int_equal(inboxq_open(NULL, WORLD_CONF, &error), INBOXQ_MISUSED);
	assert_int_equal(inboxq_open(&queue, WORLD_CONF, NULL), INBOXQ_NO_SPOOL);
	inboxq_close(NULL);
	inboxq_batch_end(NULL);
}

static void
has_a_text_for_each_result(void **state)
{
	(void)state;
	for (int i = INBOXQ_OK; i <= INBOXQ_BATCH_FULL; i++)
		assert_string_not_equal(
		    inboxq_result_text((enum inboxq_result)i), "an unknown result");
	assert_string_equal(inboxq_result_text((enum inboxq_result)12), "an unknown result");
	assert_string_equal(inboxq_result_text((enum inboxq_result)-1), "an unknown result");
	assert_string_equal(inboxq_version(), PACKAGE_VERSION);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(adds_from_memory_a_file_and_a_descriptor),
	    TEST(keeps_each_byte_of_what_has_zeros),
	    TEST(waits_for_a_descriptor_that_does_not_block),
	    TEST(queues_a_batch_in_its_order),
	    TEST(a_batch_ends_where_descriptors_do),
	    TEST(leaves_umask_descriptors_and_signals_alone),
	    TEST(what_is_printed_to_nobody_is_in_no_item),
	    TEST(says_what_is_wrong_with_an_item),
	    TEST(says_why_an_item_cannot_be_read),
	    TEST(says_why_a_queue_cannot_be_opened),
	    TEST(has_a_text_for_each_result),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
