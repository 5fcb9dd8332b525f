/* SPDX-License-Identifier: ISC */
/* Is what lies on the disk what was read?  Told by content, by a thread that nobody waits for. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxd/base/imprint.h"
#include "inboxd/base/site.h"
#include "inboxd/status/lookout.h"
#include "lib/clock.h"

#define HOUR 3600

static char folder[96], path[128];
static struct settings settings, others;
static struct site site, other;
static struct mailbox *main_box;
static atomic_int stuck, looks; /* stat(2) does not come back; how often it was called */
static int no_descriptor;
static atomic_int reads;

int __real_stat(const char *name, struct stat *st);
int __wrap_stat(const char *name, struct stat *st);
int __real_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, ...);

int
__wrap_stat(const char *name, struct stat *st)
{
	looks++;
	while (stuck)
		usleep(1000);
	return __real_stat(name, st);
}

int
__wrap_open(const char *name, int flags, ...)
{
	reads++;
	if (no_descriptor) {
		errno = EMFILE;
		return -1;
	}
	return __real_open(name, flags & ~O_CREAT);
}

/* Written `age` seconds ago, as its times say. */
static void
put(const char *text, time_t age)
{
	struct timespec times[2] = {{time(NULL) - age, 0}, {time(NULL) - age, 0}};
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(futimens(fileno(file), times), 0);
	assert_int_equal(fclose(file), 0);
}

static int
set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(folder, sizeof folder, "%.60s/lookout.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/file", folder);
	put("as it was read", HOUR);
	/* Never freed: a reference is ours. */
	site = (struct site){.references = 1, .settings = &settings};
	other = (struct site){.references = 1, .settings = &others};
	main_box = mailbox_new();
	return main_box ? imprints_take(&settings.files, path) : -1;
}

static int
remove_files(void **state)
{
	(void)state;
	unlink(path);
	rmdir(folder);
	return 0;
}

static int
tear_down(void **state)
{
	stuck = no_descriptor = 0;
	imprints_free(&settings.files);
	imprints_free(&others.files);
	mailbox_free(main_box);
	return remove_files(state);
}

static int
differs(struct sight *sight)
{
	imprint_look(&settings.files.items[0], sight);
	return sight->differs;
}

static void
only_another_content_differs(void **state)
{
	struct sight sight = imprint_sight(&settings.files.items[0]);

	(void)state;
	assert_false(differs(&sight));
	put("as it was read", 0); /* touched */
	assert_false(differs(&sight));
	put("as it was r ad", HOUR); /* of the same size */
	assert_true(differs(&sight));
	put("longer than it was when it was read", HOUR);
	assert_true(differs(&sight));
	assert_int_equal(unlink(path), 0);
	assert_true(differs(&sight));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(differs(&sight));
	assert_int_equal(unlink(path), 0);
	put("as it was read", 0); /* another file that says the same */
	assert_false(differs(&sight));
}

/* Written again within a tick of the clock: nothing that stat(2) says has changed. */
static void
change_within_a_tick_is_seen(void **state)
{
	struct sight sight = imprint_sight(&settings.files.items[0]);
	struct sight later = sight;

	(void)state;
	put("as it was r ad", HOUR);
	assert_true(differs(&later));
	sight.stamp = later.stamp;
	assert_true(differs(&sight));
}

static void
old_file_is_read_once(void **state)
{
	struct sight sight = imprint_sight(&settings.files.items[0]);
	int before;

	(void)state;
	sight.stamp.asked += 60 * INT64_C(1000000000); /* as if the first look had been later */
	before = reads;
	assert_false(differs(&sight));
	assert_int_equal(reads, before);
	assert_int_equal(chmod(path, 0640), 0); /* another change time */
	assert_false(differs(&sight));
	assert_int_equal(reads, before + 1);
}

static void
without_descriptors_nothing_is_said_anew(void **state)
{
	struct sight sight = imprint_sight(&settings.files.items[0]);

	(void)state;
	no_descriptor = 1;
	put("another", 0);
	assert_false(differs(&sight));
	no_descriptor = 0;
	assert_true(differs(&sight));
	no_descriptor = 1;
	put("as it was read", 0);
	assert_true(differs(&sight));
	assert_int_equal(imprints_take(&others.files, path), -1);
	assert_int_equal(others.files.count, 0);
}

/* ---- the thread */

static struct looked *
next_look(void)
{
	struct message *message = mailbox_wait(main_box, 10000);

	assert_non_null(message);
	assert_null(message->next);
	assert_int_equal(message->kind, LOOKOUT_LOOKED);
	return (struct looked *)message;
}

static void
looks_at_once_when_asked_and_at_a_new_configuration(void **state)
{
	struct lookout *lookout = lookout_start(&site, main_box);
	struct looked *looked;

	(void)state;
	assert_non_null(lookout);
	looked = next_look();
	assert_ptr_equal(looked->site, &site);
	assert_int_equal(looked->count, 0);
	assert_null(looked_path(looked, 0));
	looked_free(looked);

	put("another", 0);
	lookout_ask(lookout);
	looked = next_look();
	assert_int_equal(looked->count, 1);
	assert_string_equal(looked_path(looked, 0), path);
	assert_null(looked_path(looked, 1));
	looked_free(looked);

	assert_int_equal(imprints_take(&others.files, "/nonexistent"), 0);
	assert_int_equal(imprints_take(&others.files, path), 0);
	lookout_set_site(lookout, &other);
	looked = next_look();
	assert_ptr_equal(looked->site, &other);
	assert_int_equal(looked->count, 0);
	looked_free(looked);
	put("a third", 0);
	lookout_ask(lookout);
	looked = next_look();
	assert_string_equal(looked_path(looked, 0), path);
	assert_null(looked_path(looked, 1));
	looked_free(looked);
	lookout_stop(lookout);
	assert_int_equal(site.references, 1);
	assert_int_equal(other.references, 1);
	assert_null(looked_path(NULL, 0));
	lookout_stop(NULL);
}

static void
stop_does_not_wait_for_a_look_that_is_stuck(void **state)
{
	struct lookout *lookout;
	int64_t began;

	(void)state;
	stuck = 1;
	looks = 0;
	lookout = lookout_start(&site, main_box);
	assert_non_null(lookout);
	for (int i = 0; i < 5000 && looks == 0; i++)
		usleep(1000);
	assert_int_equal(looks, 1);
	began = clock_monotonic();
	lookout_stop(lookout);
	assert_true(clock_monotonic() - began < CLOCK_SECOND);
	stuck = 0; /* its time has come: it is silent */
	assert_null(mailbox_wait(main_box, 300));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	    TEST(only_another_content_differs),
	    TEST(change_within_a_tick_is_seen),
	    TEST(old_file_is_read_once),
	    TEST(without_descriptors_nothing_is_said_anew),
	    TEST(looks_at_once_when_asked_and_at_a_new_configuration),
	    /* Last: what it leaves behind lives on, and looks at what is ours. */
	    cmocka_unit_test_setup_teardown(
	        stop_does_not_wait_for_a_look_that_is_stuck, set_up, remove_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
