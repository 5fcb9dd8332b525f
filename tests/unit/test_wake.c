/* SPDX-License-Identifier: ISC */
/* New items are heard of at once, and found where nothing is heard. */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxq/queue/schedule.h"
#include "inboxq/queue/wake.h"
#include "inboxq/spool/item.h"
#include "inboxq/spool/spool.h"
#include "scratch.h"

static int is_deaf;   /* the system has no inotify for us */
static int loses;     /* so many reads of it say that news were lost */
static int told;      /* on_news was called */

int
inotify_init1(int flags)
{
	if (is_deaf) {
		errno = EMFILE;
		return -1;
	}
	return (int)syscall(SYS_inotify_init1, flags);
}

ssize_t
read(int fd, void *dst, size_t room)
{
	struct inotify_event lost = {.wd = -1, .mask = IN_Q_OVERFLOW};
	ssize_t len = syscall(SYS_read, fd, dst, room);

	if (!loses || len < (ssize_t)sizeof lost || room < 16384)
		return len;
	loses--;
	memcpy(dst, &lost, sizeof lost);
	return sizeof lost;
}

static struct spool *spool;
static struct schedule *schedule;
static struct event_base *base;
static struct wake *wake;

static void
on_news(void *ctx, int error)
{
	(void)ctx;
	assert_int_equal(error, 0);
	told++;
}

static int
begin(void **state)
{
	struct wake_setup setup = {.on_news = on_news};
	struct why why;

	(void)state;
	told = 0;
	if (scratch_make("test_wake") < 0)
		return -1;
	spool = spool_open(scratch_path(), 1, &why);
	schedule = schedule_new();
	base = event_base_new();
	setup.base = base;
	setup.spool = spool;
	setup.schedule = schedule;
	wake = spool && schedule && base ? wake_new(&setup) : NULL;
	return wake && wake_look(wake) == 0 ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	wake_free(wake);
	event_base_free(base);
	schedule_free(schedule);
	spool_close(spool);
	is_deaf = loses = 0;
	return scratch_delete();
}

/* As an add leaves it. */
static void
put(uint64_t n, enum item_priority priority)
{
	struct spool_item item = {.inbox = "status", .size = 1, .time = 1, .priority = priority};
	char header[SPOOL_HEADER], name[SPOOL_NAME_ROOM];
	int fd;

	memset(item.sha256, '0', sizeof item.sha256 - 1);
	item_header_format(header, &item);
	fd = openat(spool_folder(spool, SPOOL_TMP), "draft", O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, header, sizeof header), sizeof header);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	spool_number_name(name, n);
	assert_int_equal(renameat(spool_folder(spool, SPOOL_TMP), "draft",
	                     spool_folder(spool, SPOOL_QUEUE), name), 0);
}

static void
take(uint64_t n)
{
	assert_int_equal(item_delete(spool, SPOOL_QUEUE, n), 0);
}

/* Runs the loop until so many wait; with `looks`, it is looked as by the second. */
static void
expect(uint64_t waiting, int looks)
{
	const struct timeval moment = {.tv_usec = 10000};

	for (int i = 0; i < 500 && schedule_counts(schedule)->waiting != waiting; i++) {
		if (looks)
			assert_int_equal(wake_look(wake), 0);
		event_base_loopexit(base, &moment);
		event_base_dispatch(base);
	}
	assert_int_equal(schedule_counts(schedule)->waiting, waiting);
}

#ifndef DISK_PORTABLE
static void
hears_of_what_comes_and_goes(void **state)
{
	(void)state;
	put(1, ITEM_LOW);
	put(2, ITEM_NORMAL);
	put(3, ITEM_HIGH);
	expect(3, 0);
	assert_true(told > 0);
	/* Their headers have been read. */
	assert_int_equal(schedule_unknown(schedule), 0);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 0), 3);
	take(1);
	take(3);
	expect(1, 0);
	assert_int_equal(schedule_settled(schedule), 2);
	/* What came and went before anybody looked, and what is no item. */
	put(4, ITEM_NORMAL);
	take(4);
	assert_int_equal(mkdirat(spool_folder(spool, SPOOL_QUEUE), "other", 0700), 0);
	put(5, ITEM_NORMAL);
	expect(2, 0);
	assert_int_equal(schedule_settled(schedule), 2);
}

/* An item that was sent and has left does not come again by what is heard of it late. */
static void
late_news_bring_nothing_back(void **state)
{
	(void)state;
	put(1, ITEM_NORMAL);
	put(2, ITEM_NORMAL);
	expect(2, 0);
	put(3, ITEM_NORMAL);
	assert_int_equal(schedule_add(schedule, 3), 0); /* another look has found it */
	schedule_mark_sent(schedule, 3, 1);
	schedule_mark_answered(schedule, 3);
	take(3);
	schedule_forget(schedule, 3);
	told = 0;
	for (int i = 0; i < 100 && !told; i++)
		expect(2, 0), event_base_loop(base, EVLOOP_ONCE);
	assert_true(told);
	assert_int_equal(schedule_counts(schedule)->waiting, 2);
	assert_false(schedule_holds(schedule, 3));
}

static void
looks_at_all_where_news_were_lost(void **state)
{
	(void)state;
	put(1, ITEM_NORMAL);
	expect(1, 0);
	loses = 1;
	put(2, ITEM_NORMAL);
	take(1);
	put(3, ITEM_NORMAL);
	expect(2, 1);
	assert_int_equal(loses, 0);
	assert_int_equal(schedule_settled(schedule), 2);
	/* And hears again. */
	put(4, ITEM_NORMAL);
	expect(3, 0);
}

#endif

static void
looks_by_the_second_where_it_hears_nothing(void **state)
{
	(void)state;
	put(1, ITEM_NORMAL);
	put(2, ITEM_NORMAL);
	expect(2, 1);
	take(1);
	expect(1, 1);
	assert_int_equal(told, 0);
}

static int
begin_deaf(void **state)
{
	is_deaf = 1;
	return begin(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#ifndef DISK_PORTABLE
	    cmocka_unit_test_setup_teardown(hears_of_what_comes_and_goes, begin, end),
	    cmocka_unit_test_setup_teardown(late_news_bring_nothing_back, begin, end),
	    cmocka_unit_test_setup_teardown(looks_at_all_where_news_were_lost, begin, end),
#endif
	    cmocka_unit_test_setup_teardown(
	        looks_by_the_second_where_it_hears_nothing, begin_deaf, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
