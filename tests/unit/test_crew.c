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
#include <time.h>
#include <unistd.h>

#include "inboxd/base/crew.h"

#define MANY 1000
#define SHARE 8

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
    void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
    void *arg);

static atomic_int done[MANY], at_once, most, made;
static int threads_left;
static size_t failing;
static int plain[MANY]; /* no atomics: each is one thread's, and then ours */
static struct crew *crew;

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
	memset(plain, 0, sizeof plain);
	failing = MANY;
	crew = crew_new(CREW_MAX, SHARE);
	return 0;
}

static int
clean_up(void **state)
{
	(void)state;
	crew_free(crew);
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

static int
tally(void *ctx, size_t i)
{
	((int *)ctx)[i]++;
	return 0;
}

static pthread_t ours;

/* Returns once as many are in it as there are threads, else after five seconds; and a while later
 * in all threads but the caller's, which has to wait for them. */
static int
meet(void *ctx, size_t i)
{
	const struct timespec pause = {0, 1000000}, a_while = {0, 50000000};

	atomic_fetch_add(&at_once, 1);
	for (int n = 0; n < 5000 && atomic_load(&at_once) < CREW_MAX; n++)
		nanosleep(&pause, NULL);
	if (!pthread_equal(pthread_self(), ours))
		nanosleep(&a_while, NULL);
	((int *)ctx)[i] = atomic_load(&at_once);
	return 0;
}

static void
makes_each_once_and_many_at_a_time(void **state)
{
	(void)state;
	assert_int_equal(crew_run(crew, MANY, step, done), 0);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(done[i], 1);
	assert_in_range(most, 2, CREW_MAX);
	assert_int_equal(crew_run(crew, 0, step, done), 0);
	assert_int_equal(made, MANY);
}

/* Its threads are begun once, and what one sees of a run is over when that is. */
static void
makes_one_run_after_another(void **state)
{
	(void)state;
	for (int run = 1; run <= 100; run++) {
		assert_int_equal(crew_run(crew, MANY, tally, plain), 0);
		for (size_t i = 0; i < MANY; i++)
			assert_int_equal(plain[i], run);
	}
	assert_int_equal(threads_left, 100 - (CREW_MAX - 1));
}

/* Each waits until all threads are in it. */
static void
waits_for_many_at_once(void **state)
{
	(void)state;
	ours = pthread_self();
	crew_free(crew);
	crew = crew_new(CREW_MAX, 1);
	assert_int_equal(crew_run(crew, CREW_MAX, meet, plain), 0);
	for (size_t i = 0; i < CREW_MAX; i++)
		assert_int_equal(plain[i], CREW_MAX);
}

/* No thread is worth it. */
static void
makes_few_by_itself(void **state)
{
	(void)state;
	assert_int_equal(crew_run(crew, 2 * SHARE - 1, step, done), 0);
	assert_int_equal(threads_left, 100);
	assert_int_equal(made, 2 * SHARE - 1);
	assert_int_equal(crew_run(crew, 2 * SHARE, step, done), 0);
	assert_int_equal(threads_left, 99);
}

static void
makes_all_without_threads(void **state)
{
	(void)state;
	for (int threads = 0; threads < 3; threads++) {
		clean_up(NULL);
		set_up(NULL);
		threads_left = threads;
		assert_int_equal(crew_run(crew, MANY, step, done), 0);
		assert_int_equal(made, MANY);
		assert_in_range(most, 1, threads + 1);
	}
}

static void
begins_no_more_after_a_failure(void **state)
{
	(void)state;
	failing = 100;
	assert_int_equal(crew_run(crew, MANY, step, done), -1);
	assert_int_equal(errno, ESTALE);
	for (size_t i = 0; i <= failing; i++)
		assert_int_equal(done[i], 1);
	assert_true(made < MANY);
	assert_int_equal(at_once, 0); /* all have come to their end */
}

static void
begins_anew_after_a_failure(void **state)
{
	begins_no_more_after_a_failure(state);
	failing = MANY;
	assert_int_equal(crew_run(crew, MANY, tally, plain), 0);
	assert_int_equal(plain[MANY - 1], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, clean_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(makes_each_once_and_many_at_a_time),
	    TEST(makes_one_run_after_another),
	    TEST(waits_for_many_at_once),
	    TEST(makes_few_by_itself),
	    TEST(makes_all_without_threads),
	    TEST(begins_no_more_after_a_failure),
	    TEST(begins_anew_after_a_failure),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
