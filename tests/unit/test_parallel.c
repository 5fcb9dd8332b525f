/* SPDX-License-Identifier: ISC */
/* One thing done to many, by several threads: each once, and all of them before it returns. */
#include "config.h"

#include "inboxd/publish/parallel.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define ITEMS 500
#define THREADS 7

int __real_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);

static int threads_left = THREADS; /* that can be started */

int
__wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	if (threads_left == 0)
		return EAGAIN;
	threads_left--;
	return __real_pthread_create(thread, attr, run, arg);
}

static int counts[ITEMS]; /* no atomics: each is one thread's, and then ours */
static void *all[ITEMS];

static void
count(void *item)
{
	++*(int *)item;
}

static void
does_each_once_and_all_before_it_returns(void **state)
{
	struct parallel *parallel = parallel_start(THREADS);

	(void)state;
	for (size_t i = 0; i < ITEMS; i++)
		all[i] = &counts[i];
	for (int round = 1; round <= 100; round++) {
		size_t some = (size_t)round * 5;
		for (size_t i = 0; i < ITEMS; i++)
			counts[i] = 0;
		parallel_do(parallel, count, all, some);
		for (size_t i = 0; i < ITEMS; i++)
			assert_int_equal(counts[i], i < some);
	}
	parallel_do(parallel, count, NULL, 0);
	parallel_do(parallel, count, all, 1);
	assert_int_equal(counts[0], 2);
	parallel_stop(parallel);
	parallel_stop(NULL);
}

static atomic_int waiting;

static pthread_t ours;

/* Returns once as many are in it as there are threads, else after five seconds; and a while later
 * in all threads but the caller's, which has to wait for them. */
static void
meet(void *item)
{
	const struct timespec pause = {0, 1000000}, a_while = {0, 50000000};

	atomic_fetch_add(&waiting, 1);
	for (int i = 0; i < 5000 && atomic_load(&waiting) < THREADS + 1; i++)
		nanosleep(&pause, NULL);
	if (!pthread_equal(pthread_self(), ours))
		nanosleep(&a_while, NULL);
	*(int *)item = atomic_load(&waiting);
}

static void
waits_for_many_at_once(void **state)
{
	struct parallel *parallel;

	(void)state;
	ours = pthread_self();
	threads_left = THREADS;
	parallel = parallel_start(THREADS);
	parallel_do(parallel, meet, all, THREADS + 1);
	for (size_t i = 0; i <= THREADS; i++)
		assert_int_equal(counts[i], THREADS + 1);
	parallel_stop(parallel);
}

static void
does_without_threads_that_are_not_to_be_had(void **state)
{
	(void)state;
	for (int can = 0; can < 3; can++) {
		struct parallel *parallel;

		threads_left = can;
		parallel = parallel_start(THREADS);
		for (size_t i = 0; i < ITEMS; i++)
			counts[i] = 0;
		parallel_do(parallel, count, all, ITEMS);
		for (size_t i = 0; i < ITEMS; i++)
			assert_int_equal(counts[i], 1);
		parallel_stop(parallel);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(does_each_once_and_all_before_it_returns),
	    cmocka_unit_test(waits_for_many_at_once),
	    cmocka_unit_test(does_without_threads_that_are_not_to_be_had),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
