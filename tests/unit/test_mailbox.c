/* SPDX-License-Identifier: ISC */
/*
 * How threads speak: nothing is lost, mixed up or slept through.  Built twice,
 * for the eventfd and for the pipe (DISK_PORTABLE).
 */
#include "config.h"

#include "inboxd/base/mailbox.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define SENDERS 4
#define EACH 5000
#define ROUNDS 5000
#define PATIENCE 20000 /* milliseconds: longer is a lost wake-up */

struct note {
	struct message message;
	unsigned sender, number;
};

struct sender {
	pthread_t thread;
	struct mailbox *to;
	unsigned number;
};

static long
milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int
is_readable(const struct mailbox *box)
{
	struct pollfd ready = {.fd = mailbox_fd(box), .events = POLLIN};

	return poll(&ready, 1, 0) == 1;
}

static void
hands_out_the_oldest_first(void **state)
{
	struct mailbox *box = mailbox_new();
	struct note notes[50];
	struct message *message;

	(void)state;
	assert_non_null(box);
	assert_null(mailbox_take(box));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 50; i++) {
			notes[i].message.kind = i;
			mailbox_post(box, &notes[i].message);
		}
		message = mailbox_take(box);
		for (int i = 0; i < 50; i++, message = message->next) {
			assert_ptr_equal(message, &notes[i].message);
			assert_int_equal(message->kind, i);
		}
		assert_null(message);
		assert_null(mailbox_take(box));
	}
	mailbox_free(box);
}

static void
is_readable_exactly_while_something_is_there(void **state)
{
	struct mailbox *box = mailbox_new();
	struct message one, two;

	(void)state;
	assert_non_null(box);
	assert_false(is_readable(box));
	mailbox_post(box, &one);
	assert_true(is_readable(box));
	mailbox_post(box, &two);
	assert_true(is_readable(box));
	assert_ptr_equal(mailbox_take(box), &one);
	assert_false(is_readable(box));
	mailbox_post(box, &two);
	assert_true(is_readable(box));
	assert_ptr_equal(mailbox_wait(box, 0), &two);
	assert_false(is_readable(box));
	mailbox_free(box);
	mailbox_free(NULL);
}

static void
waits_no_longer_than_told(void **state)
{
	struct mailbox *box = mailbox_new();
	long began = milliseconds(), took;

	(void)state;
	assert_non_null(box);
	assert_null(mailbox_wait(box, 0));
	assert_null(mailbox_wait(box, 50));
	took = milliseconds() - began;
	assert_true(took >= 49);
	assert_true(took < PATIENCE);
	mailbox_free(box);
}

static void *
send_many(void *arg)
{
	struct sender *sender = arg;

	for (unsigned i = 0; i < EACH; i++) {
		struct note *note = malloc(sizeof *note);
		if (!note)
			abort();
		note->sender = sender->number;
		note->number = i;
		mailbox_post(sender->to, &note->message);
	}
	return NULL;
}

static void
keeps_each_senders_order_and_loses_nothing(void **state)
{
	struct mailbox *box = mailbox_new();
	struct sender senders[SENDERS];
	unsigned next[SENDERS] = {0}, got = 0;
	struct message *message;

	(void)state;
	assert_non_null(box);
	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i].to = box;
		senders[i].number = i;
		assert_int_equal(
		    pthread_create(&senders[i].thread, NULL, send_many, &senders[i]), 0);
	}
	while (got < SENDERS * EACH) {
		message = mailbox_wait(box, PATIENCE);
		assert_non_null(message);
		while (message) {
			struct note *note = (struct note *)message;
			message = message->next;
			assert_true(note->sender < SENDERS);
			assert_int_equal(note->number, next[note->sender]);
			next[note->sender]++;
			got++;
			free(note);
		}
	}
	for (unsigned i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
	assert_null(mailbox_take(box));
	mailbox_free(box);
}

struct pair {
	struct mailbox *there, *back;
};

static void *
echo(void *arg)
{
	struct pair *pair = arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct message *message = mailbox_wait(pair->there, PATIENCE);
		if (!message || message->next)
			abort();
		mailbox_post(pair->back, message);
	}
	return NULL;
}

/* Each side sleeps until the other one has posted: one lost wake-up and the
 * two sleep until their patience ends. */
static void
never_loses_a_wake_up(void **state)
{
	struct pair pair = {mailbox_new(), mailbox_new()};
	pthread_t other;
	struct message ball;

	(void)state;
	assert_non_null(pair.there);
	assert_non_null(pair.back);
	assert_int_equal(pthread_create(&other, NULL, echo, &pair), 0);
	for (int i = 0; i < ROUNDS; i++) {
		ball.kind = i;
		mailbox_post(pair.there, &ball);
		assert_ptr_equal(mailbox_wait(pair.back, PATIENCE), &ball);
		assert_int_equal(ball.kind, i);
	}
	assert_int_equal(pthread_join(other, NULL), 0);
	mailbox_free(pair.there);
	mailbox_free(pair.back);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hands_out_the_oldest_first),
	    cmocka_unit_test(is_readable_exactly_while_something_is_there),
	    cmocka_unit_test(waits_no_longer_than_told),
	    cmocka_unit_test(keeps_each_senders_order_and_loses_nothing),
	    cmocka_unit_test(never_loses_a_wake_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
