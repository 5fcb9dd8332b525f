/* SPDX-License-Identifier: ISC */
/* libinboxq, used by any number of threads, handles and processes at once. */
#include "config.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "library_world.h"

#define THREADS 8
#define ITEMS 20 /* of each thread */

static struct inboxq_error error;

struct crowd {
	struct inboxq *queue;
	uint64_t numbers[THREADS * ITEMS];
	int failed;
};

struct member {
	struct crowd *crowd;
	int which;
};

static void *
add_many(void *arg)
{
	const struct member *me = arg;
	const struct inboxq_item item = world_item("status");
	struct inboxq_error mine;
	char text[32];

	for (int i = 0; i < ITEMS; i++) {
		uint64_t *n = &me->crowd->numbers[me->which * ITEMS + i];

		snprintf(text, sizeof text, "%04d", me->which * ITEMS + i);
		if (inboxq_add_memory(me->crowd->queue, &item, text, 4, n, &mine) != INBOXQ_OK)
			__atomic_store_n(&me->crowd->failed, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Half of the threads share one handle, half another; 0 if all of them could add. */
static int
add_in_crowds(struct crowd crowds[2])
{
	struct member members[2 * THREADS];
	pthread_t threads[2 * THREADS];

	for (int i = 0; i < 2; i++)
		crowds[i] = (struct crowd){.queue = world_open()};
	for (int i = 0; i < 2 * THREADS; i++) {
		members[i] = (struct member){&crowds[i % 2], i / 2};
		if (pthread_create(&threads[i], NULL, add_many, &members[i]) != 0)
			abort();
	}
	for (int i = 0; i < 2 * THREADS; i++)
		if (pthread_join(threads[i], NULL) != 0)
			abort();
	for (int i = 0; i < 2; i++)
		inboxq_close(crowds[i].queue);
	return crowds[0].failed || crowds[1].failed;
}

static void
each_of_many_threads_handles_and_processes_has_its_numbers(void **state)
{
	const size_t all = THREADS * ITEMS;
	static struct crowd crowds[2];
	char text[32];
	int status;
	pid_t pid;

	(void)state;
	inboxq_close(world_open());
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(add_in_crowds(crowds));
	assert_int_equal(add_in_crowds(crowds), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(world_queued(), 4 * all);
	assert_int_equal(world_drafts(), 0);
	for (size_t i = 0; i < 2 * all; i++) {
		snprintf(text, sizeof text, "%04d", (int)(i % all));
		assert_true(world_has(crowds[i / all].numbers[i % all], text, 4));
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(crowds[i / all].numbers[i % all],
			    crowds[j / all].numbers[j % all]);
	}
}

static void *
open_at_once(void *arg)
{
	struct inboxq *queue;

	while (!__atomic_load_n((int *)arg, __ATOMIC_ACQUIRE))
		;
	if (inboxq_open(&queue, WORLD_CONF, NULL) != INBOXQ_OK)
		return arg;
	inboxq_close(queue);
	return NULL;
}

/* Each makes what the spool consists of, and none makes it while another reads it. */
static void
many_make_the_spool_at_once(void **state)
{
	pthread_t threads[THREADS];
	void *failed;

	for (int i = 0; i < 40; i++) {
		int go = 0;

		if (i > 0)
			assert_int_equal(world_end(state) + world_begin(state), 0);
		for (int j = 0; j < THREADS; j++)
			if (pthread_create(&threads[j], NULL, open_at_once, &go) != 0)
				abort();
		__atomic_store_n(&go, 1, __ATOMIC_RELEASE);
		for (int j = 0; j < THREADS; j++) {
			assert_int_equal(pthread_join(threads[j], &failed), 0);
			assert_null(failed);
		}
		assert_int_equal(world_drafts(), 0);
	}
}

#define BOUND 50 /* items */

static void *
add_up_to_the_bound(void *arg)
{
	const struct inboxq_item item = world_item("status");
	struct inboxq *queue = world_open();
	struct inboxq_error mine;
	enum inboxq_result result;
	uint64_t n;

	do
		result = inboxq_add_memory(queue, &item, "x", 1, &n, &mine);
	while (result == INBOXQ_OK && n < 10 * BOUND);
	if (result != INBOXQ_QUEUE_FULL || !strstr(mine.text, "the queue is full: 50 items"))
		__atomic_store_n((int *)arg, 1, __ATOMIC_RELAXED);
	inboxq_close(queue);
	return NULL;
}

static void
none_of_many_goes_over_the_bounds(void **state)
{
	pthread_t threads[THREADS];
	int failed = 0;

	(void)state;
	world_bound(BOUND);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, add_up_to_the_bound, &failed), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_false(failed);
	assert_int_equal(world_queued(), BOUND);
	assert_int_equal(world_drafts(), 0);
}

static void
a_child_goes_on_with_the_handle(void **state)
{
	const struct inboxq_item item = world_item("status");
	struct inboxq *queue = world_open();
	uint64_t n;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(inboxq_add_memory(queue, &item, "parent", 6, &n, &error), INBOXQ_OK);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int failed =
		    inboxq_add_memory(queue, &item, "child", 5, &n, &error) != INBOXQ_OK;

		inboxq_close(queue);
		_exit(failed);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(inboxq_add_memory(queue, &item, "parent", 6, &n, &error), INBOXQ_OK);
	assert_int_equal(n, 3);
	assert_true(world_has(2, "child", 5));
	inboxq_close(queue);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(each_of_many_threads_handles_and_processes_has_its_numbers),
	    TEST(many_make_the_spool_at_once),
	    TEST(none_of_many_goes_over_the_bounds),
	    TEST(a_child_goes_on_with_the_handle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
