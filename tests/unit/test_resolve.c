/* SPDX-License-Identifier: ISC */
/* Lookups beside the loop: who waits for which, for how long, and what he is told. */
#include "config.h"

#include "inboxq/uplink/resolve.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "lib/clock.h"

enum found { NOTHING_NOW, NOTHING_EVER, ONE, THREE };

/* What a lookup finds; with `hangs` not before `go` is posted. */
static struct {
	atomic_int hangs, runs, done;
	_Atomic enum found found;
	sem_t go;
	int no_thread; /* errno */
} played;

int64_t __real_clock_monotonic(void);
int64_t __wrap_clock_monotonic(void);
void __real_lookup_run(struct lookup *lookup);
void __wrap_lookup_run(struct lookup *lookup);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
    void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
    void *(*run)(void *), void *arg);

static int64_t moved; /* the clock, ahead */

int64_t
__wrap_clock_monotonic(void)
{
	return __real_clock_monotonic() + moved;
}

void
__wrap_lookup_run(struct lookup *lookup)
{
	if (lookup->server.is_address) {
		__real_lookup_run(lookup);
		return;
	}
	played.runs++;
	if (played.hangs)
		sem_wait(&played.go);
	lookup->count = played.found == ONE ? 1 : 0;
	if (played.found == THREE) {
		for (int i = 0; i < 3; i++) {
			lookup->at[i].len = 1;
			lookup->at[i].address.ss_family = 0;
			lookup->at[i].port = (unsigned)i;
			snprintf(lookup->at[i].name, sizeof lookup->at[i].name, "cap%d", i);
		}
		lookup->count = 3;
	}
	lookup->is_final = played.found == NOTHING_EVER;
	if (lookup->count == 0)
		why_say(&lookup->why, "nothing");
	played.done++;
}

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
    void *arg)
{
	return played.no_thread ? played.no_thread
	                        : __real_pthread_create(thread, attributes, run, arg);
}

struct asked {
	struct resolve *resolve;
	int answers;
	struct lookup last;
};

static struct event_base *base;
static struct resolver *resolver;

static void
on_answer(void *ctx, const struct lookup *lookup)
{
	struct asked *asked = ctx;

	asked->answers++;
	asked->last = *lookup;
	resolve_free(asked->resolve);
	asked->resolve = NULL;
}

static void
ask(struct asked *asked, const char *word, unsigned seconds)
{
	struct server server;
	struct why why;

	memset(asked, 0, sizeof *asked);
	assert_int_equal(server_parse(word, &server, &why), 0);
	asked->resolve = resolve_new(resolver, &server, "pc1", seconds, on_answer, asked);
	assert_non_null(asked->resolve);
	assert_int_equal(asked->answers, 0);
}

/* Until it is answered; how long that took, milliseconds. */
static int64_t
wait_for(const struct asked *asked)
{
	int64_t begun = clock_monotonic();

	while (asked->answers == 0) {
		assert_true(clock_monotonic() - begun < 20 * CLOCK_SECOND);
		assert_true(event_base_loop(base, EVLOOP_ONCE) >= 0);
	}
	assert_int_equal(asked->answers, 1);
	return (clock_monotonic() - begun) / 1000;
}

static int
set_up(void **state)
{
	(void)state;
	played.hangs = played.runs = played.done = 0;
	played.found = ONE;
	sem_init(&played.go, 0, 0);
	base = event_base_new();
	resolver = resolver_new(base);
	return base && resolver ? 0 : -1;
}

/* A thread that is stuck ends behind the loop, with all that was its own. */
static int
tear_down(void **state)
{
	const struct timespec moment = {.tv_nsec = 1000000};

	(void)state;
	resolver_free(resolver);
	event_base_free(base);
	for (int i = played.done; i < played.runs; i++)
		sem_post(&played.go);
	for (int i = 0; i < 10000 && played.done < played.runs; i++)
		nanosleep(&moment, NULL);
	assert_int_equal(played.done, played.runs);
	return 0;
}

static void
answer_comes_from_the_loop(void **state)
{
	struct asked asked;

	(void)state;
	ask(&asked, "cap1", 5);
	wait_for(&asked);
	assert_int_equal(asked.last.count, 1);
	assert_string_equal(asked.last.why.text, "");
	ask(&asked, "cap1", 5);
	wait_for(&asked);
	assert_int_equal(played.runs, 2); /* anew each time */
}

static void
address_takes_no_lookup(void **state)
{
	struct asked asked;

	(void)state;
	played.no_thread = EAGAIN;
	ask(&asked, "[::1]:7", 5);
	wait_for(&asked);
	played.no_thread = 0;
	assert_int_equal(played.runs, 0);
	assert_int_equal(asked.last.count, 1);
	assert_int_equal(asked.last.at[0].address.ss_family, AF_INET6);
	assert_string_equal(asked.last.at[0].name, "::1");
	assert_int_equal(asked.last.at[0].port, 7);
}

static void
who_asks_for_the_same_waits_for_the_same_lookup(void **state)
{
	struct asked first, second, other;

	(void)state;
	played.hangs = 1;
	ask(&first, "cap1", 5);
	ask(&second, "CAP1", 5); /* not the same text: the resolver may care */
	ask(&other, "cap1", 5);
	while (played.runs < 2)
		sched_yield();
	sem_post(&played.go);
	sem_post(&played.go);
	wait_for(&first);
	wait_for(&second);
	wait_for(&other);
	assert_int_equal(played.runs, 2);
}

static void
who_does_not_wait_any_more_is_not_called(void **state)
{
	struct asked gone, waits;

	(void)state;
	played.hangs = 1;
	ask(&gone, "cap1", 5);
	ask(&waits, "cap1", 5);
	resolve_free(gone.resolve);
	sem_post(&played.go);
	wait_for(&waits);
	assert_int_equal(gone.answers, 0);
}

static void
stuck_lookup_is_waited_for_once(void **state)
{
	struct asked asked;
	int64_t took;

	(void)state;
	played.hangs = 1;
	ask(&asked, "cap1", 2);
	took = wait_for(&asked);
	assert_in_range(took, 1900, 6000);
	assert_int_equal(asked.last.count, 0);
	assert_string_equal(asked.last.why.text, "no name server has answered within 2 seconds");
	/* It has had its time; the server behind it need not wait as long again. */
	ask(&asked, "cap1", 2);
	took = wait_for(&asked);
	assert_in_range(took, 900, 1900);
	assert_int_equal(played.runs, 1);
	/* What it finds in the end is known from then on. */
	ask(&asked, "cap1", 2);
	sem_post(&played.go);
	wait_for(&asked);
	assert_int_equal(asked.last.count, 1);
}

static void
old_addresses_are_given_while_nobody_answers(void **state)
{
	struct asked asked;

	(void)state;
	ask(&asked, "cap1", 5);
	wait_for(&asked);
	played.found = NOTHING_NOW;
	ask(&asked, "cap1", 5);
	wait_for(&asked);
	assert_int_equal(asked.last.count, 1);
	assert_string_equal(asked.last.why.text, "nothing");
	ask(&asked, "cap2", 5);
	wait_for(&asked);
	assert_int_equal(asked.last.count, 0);
	played.found = NOTHING_EVER;
	ask(&asked, "cap1", 5);
	wait_for(&asked);
	assert_int_equal(asked.last.count, 0);
	assert_string_equal(asked.last.why.text, "nothing");
}

/* Asks, and looks at the order of the three. */
static void
assert_order(unsigned first, unsigned second, unsigned third)
{
	struct asked asked;

	ask(&asked, "cap.example", 5);
	wait_for(&asked);
	assert_int_equal(asked.last.count, 3);
	assert_int_equal(asked.last.at[0].port, first);
	assert_int_equal(asked.last.at[1].port, second);
	assert_int_equal(asked.last.at[2].port, third);
}

static void
who_is_blamed_is_the_last_for_a_time(void **state)
{
	struct server server;
	struct asked asked;
	struct why why;

	(void)state;
	played.found = THREE;
	assert_int_equal(server_parse("cap.example", &server, &why), 0);
	assert_order(0, 1, 2);
	ask(&asked, "cap.example", 5);
	wait_for(&asked);
	resolver_blame(resolver, &server, &asked.last.at[0]);
	assert_order(1, 2, 0);
	resolver_blame(resolver, &server, &asked.last.at[1]);
	assert_order(0, 2, 1);
	moved = 599 * CLOCK_SECOND;
	assert_order(0, 2, 1);
	moved = 601 * CLOCK_SECOND;
	assert_order(0, 1, 2);
	moved = 0;
}

static void
no_thread_is_told(void **state)
{
	struct asked asked;

	(void)state;
	ask(&asked, "cap1", 5);
	wait_for(&asked);
	played.no_thread = EAGAIN;
	ask(&asked, "cap1", 5);
	wait_for(&asked);
	assert_int_equal(asked.last.count, 1);
	assert_non_null(strstr(asked.last.why.text, "no lookup can be begun"));
	ask(&asked, "cap2", 5);
	wait_for(&asked);
	played.no_thread = 0;
	assert_int_equal(asked.last.count, 0);
	assert_non_null(strstr(asked.last.why.text, "no lookup can be begun"));
	ask(&asked, "cap2", 5);
	wait_for(&asked);
	assert_int_equal(asked.last.count, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(answer_comes_from_the_loop, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(address_takes_no_lookup, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(who_asks_for_the_same_waits_for_the_same_lookup, set_up,
	        tear_down),
	    cmocka_unit_test_setup_teardown(who_does_not_wait_any_more_is_not_called, set_up,
	        tear_down),
	    cmocka_unit_test_setup_teardown(stuck_lookup_is_waited_for_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(old_addresses_are_given_while_nobody_answers, set_up,
	        tear_down),
	    cmocka_unit_test_setup_teardown(who_is_blamed_is_the_last_for_a_time, set_up,
	        tear_down),
	    cmocka_unit_test_setup_teardown(no_thread_is_told, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
