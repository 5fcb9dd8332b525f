/* SPDX-License-Identifier: ISC */
/* Many calls at once: each is made, once, whatever fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "inboxd/base/crew.h"

#define MANY 1000

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
    void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
    void *arg);

static atomic_int done[MANY], at_once, most, made;
static int threads_left;
static size_t failing;

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
    void *arg)
{
	return threads_left-- > 0 ? __real_pthread_create(thread, attr, run, arg) : EAGAIN;
}

static int
set_up(void **state)
{
	(void)state;
	memset(done, 0, sizeof done);
	at_once = most = made = 0;
	threads_left = 100;
	failing = MANY;
	return 0;
}

static int
step(void *ctx, size_t i)
{
	int now = atomic_fetch_add(&at_once, 1) + 1, before = atomic_load(&most);

	assert_ptr_equal(ctx, done);
	while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
		;
	atomic_fetch_add(&done[i], 1);
	atomic_fetch_add(&made, 1);
	if (i % 20 == 0 || i > failing)
		usleep(5000);
	atomic_fetch_sub(&at_once, 1);
	errno = i == failing ? ESTALE : 0;
	return i == failing ? -1 : 0;
}

static void
makes_each_once_and_many_at_a_time(void **state)
{
	(void)state;
	assert_int_equal(crew_run(MANY, step, done), 0);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(done[i], 1);
	assert_in_range(most, 2, 16);
	assert_int_equal(crew_run(0, step, done), 0);
	assert_int_equal(made, MANY);
}

/* No thread is worth it. */
static void
makes_few_by_itself(void **state)
{
	(void)state;
	assert_int_equal(crew_run(2 * CREW_SHARE - 1, step, done), 0);
	assert_int_equal(threads_left, 100);
	assert_int_equal(made, 2 * CREW_SHARE - 1);
	assert_int_equal(crew_run(2 * CREW_SHARE, step, done), 0);
	assert_int_equal(threads_left, 99);
}

static void
makes_all_without_threads(void **state)
{
	(void)state;
	for (int threads = 0; threads < 3; threads++) {
		set_up(NULL);
		threads_left = threads;
		assert_int_equal(crew_run(MANY, step, done), 0);
		assert_int_equal(made, MANY);
		assert_in_range(most, 1, threads + 1);
	}
}

static void
begins_no_more_after_a_failure(void **state)
{
	(void)state;
	failing = 100;
	assert_int_equal(crew_run(MANY, step, done), -1);
	assert_int_equal(errno, ESTALE);
	for (size_t i = 0; i <= failing; i++)
		assert_int_equal(done[i], 1);
	assert_true(made < MANY);
	assert_int_equal(at_once, 0); /* all have come to their end */
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(makes_each_once_and_many_at_a_time),
	    TEST(makes_few_by_itself),
	    TEST(makes_all_without_threads),
	    TEST(begins_no_more_after_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
