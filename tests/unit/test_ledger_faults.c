/* SPDX-License-Identifier: ISC */
/*
 * The ledger when calls fail: what it was told before is kept whole, it goes on in
 * one segment or the other, and where it cannot, the process ends.
 *
 * Calls go through the __wrap_ functions below (ld --wrap); what ends the process
 * is tried in a child.
 */
#include "config.h"

#include "inboxd/commit/ledger.h"

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
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/log.h"
#include "lib/segment.h"
#include "sample.h"

#define SEQ 10000 /* the first item behind the state */
#define DAYS 30
#define BEFORE "20200101T000000.000000Z.log" /* a segment whose days are over */
#define BEHIND "20200102T000000.000000Z.log"

/* ---- the hooks */

enum fault {
	NONE,
	FAIL,  /* a call that is no sync */
	HALVE, /* a write does half of it, and the next one fails */
	SYNC,
	RESERVE, /* fallocate(), as long as this is set */
	MEMORY,
};

static struct {
	enum fault fault;
	int at, count;
	int error;
	int is_met;
	int write_fails;     /* the next one */
	int take_back_fails; /* ftruncate() */
	int old_is_synced;   /* the segment in use */
	int is_early;        /* a file was made before it was */
} hook;

int __real_openat(int at, const char *name, int flags, ...);
int __wrap_openat(int at, const char *name, int flags, ...);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
int __real_ftruncate(int fd, off_t len);
int __wrap_ftruncate(int fd, off_t len);
int __real_unlinkat(int at, const char *name, int flags);
int __wrap_unlinkat(int at, const char *name, int flags);
int __real_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags);
int __wrap_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags);
int __real_linkat(int fromdir, const char *from, int todir, const char *to, int flags);
int __wrap_linkat(int fromdir, const char *from, int todir, const char *to, int flags);
int __real_fallocate(int fd, int mode, off_t from, off_t len);
int __wrap_fallocate(int fd, int mode, off_t from, off_t len);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);

static void
set_hook(enum fault fault, int at, int error)
{
	memset(&hook, 0, sizeof hook);
	hook.fault = fault;
	hook.at = at;
	hook.error = error;
}

static int
trips(enum fault fault)
{
	if (hook.fault != fault || (++hook.count != hook.at && fault != RESERVE))
		return 0;
	hook.is_met = 1;
	errno = hook.error;
	return 1;
}

int
__wrap_openat(int at, const char *name, int flags, ...)
{
	int mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & O_CREAT)
		mode = va_arg(args, int);
	va_end(args);
	if (flags & O_CREAT && !hook.old_is_synced)
		hook.is_early = 1;
	return trips(FAIL) ? -1 : __real_openat(at, name, flags, mode);
}

ssize_t
__wrap_write(int fd, const void *data, size_t len)
{
	if (hook.write_fails) {
		hook.write_fails = 0;
		errno = hook.error;
		return -1;
	}
	if (trips(HALVE)) {
		hook.write_fails = 1;
		return __real_write(fd, data, len / 2);
	}
	return trips(FAIL) ? -1 : __real_write(fd, data, len);
}

int
__wrap_ftruncate(int fd, off_t len)
{
	if (hook.take_back_fails) {
		errno = EIO;
		return -1;
	}
	return trips(FAIL) ? -1 : __real_ftruncate(fd, len);
}

int
__wrap_unlinkat(int at, const char *name, int flags)
{
	return trips(FAIL) ? -1 : __real_unlinkat(at, name, flags);
}

#ifdef HAVE_RENAMEAT2
int
__wrap_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags)
{
	return trips(FAIL) ? -1 : __real_renameat2(fromdir, from, todir, to, flags);
}
#endif

int
__wrap_linkat(int fromdir, const char *from, int todir, const char *to, int flags)
{
	return trips(FAIL) ? -1 : __real_linkat(fromdir, from, todir, to, flags);
}

#ifdef HAVE_FALLOCATE
int
__wrap_fallocate(int fd, int mode, off_t from, off_t len)
{
	return trips(RESERVE) || trips(FAIL) ? -1 : __real_fallocate(fd, mode, from, len);
}
#endif

static struct ledger *ledger;

int
__wrap_fdatasync(int fd)
{
	if (ledger && fd == ledger_fd(ledger))
		hook.old_is_synced = 1;
	return trips(SYNC) ? -1 : 0;
}

int
__wrap_fsync(int fd)
{
	(void)fd;
	return trips(SYNC) ? -1 : 0;
}

void *
__wrap_realloc(void *p, size_t size)
{
	return trips(MEMORY) ? NULL : __real_realloc(p, size);
}

/* ---- a ledger with something in it */

static char folder[64], first[SEGMENT_NAME_ROOM];
static int dir;
static struct clients *clients;
static size_t records; /* items behind the state */

/* One more item, in the ledger and in what is remembered. */
static void
append_item(void)
{
	(void)sample_append(ledger, clients, 1000 + records, "x");
	records++;
}

static void
make_ledger(size_t queues, uint64_t items)
{
	struct sample behind = {0};

	dir = sample_make_folder(folder);
	clients = clients_new();
	sample_fill(clients, queues, items);
	sample_write(dir, BEFORE, "", 0);
	sample_begin(&behind, SEQ); /* at the age of 0 */
	sample_state(&behind);
	sample_write(dir, BEHIND, behind.text, behind.len);
	ledger = ledger_start(dir, clients,
	    &(struct ledger_origin){.root = "", .seq = SEQ, .age = DAYS * 86400});
	assert_non_null(ledger);
	assert_int_equal(segment_find_newest(dir, first), 0);
	records = 0;
	append_item();
	assert_int_equal(ledger_flush(ledger), 0);
}

static void
remove_ledger(void)
{
	ledger_close(ledger);
	ledger = NULL;
	clients_free(clients);
	close(dir);
	sample_remove_folder(folder);
}

static int
setup(void **state)
{
	(void)state;
	make_ledger(1, 3);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	set_hook(NONE, 0, 0);
	remove_ledger();
	return 0;
}

/* The first segment must be as it was, and of what came behind nothing be half. */
static void
assert_first_is_whole(const char *before, size_t len)
{
	struct clients *found;
	struct replay replay;
	size_t len_after;
	char *after = sample_read(dir, first, &len_after);

	assert_non_null(after);
	assert_true(len_after >= len);
	assert_memory_equal(after, before, len);
	found = sample_replay(dir, first, &replay);
	replay_free(&replay);
	clients_free(found);
	free(after);
}

/* A rotation with a fault; 0: the fault was not met, there are fewer calls. */
static int
rotate_with(enum fault fault, int at)
{
	char newest[SEGMENT_NAME_ROOM];
	size_t len;
	char *before = sample_read(dir, first, &len);
	int rc, is_met;

	set_hook(fault, at, EIO);
	rc = ledger_rotate(ledger, clients, DAYS);
	is_met = hook.is_met;
	/* It alone has what clients have settled since. */
	assert_int_equal(hook.is_early, 0);
	set_hook(NONE, 0, 0);
	assert_int_equal(segment_find_newest(dir, newest), 0);
	assert_first_is_whole(before, len);
	if (rc < 0)
		assert_string_equal(newest, first);
	else
		assert_true(strcmp(newest, first) > 0);
	if (!is_met)
		assert_int_not_equal(faccessat(dir, BEFORE, F_OK, 0), 0);
	/* In the new one what came before is state; in the old one it is a record. */
	append_item();
	assert_int_equal(ledger_flush(ledger), 0);
	sample_assert_newest(dir, clients, SEQ + records, rc < 0 ? records : 1);
	/* Whatever is left lying about is in nobody's way. */
	assert_int_equal(ledger_rotate(ledger, clients, DAYS), 0);
	sample_assert_newest(dir, clients, SEQ + records, 0);
	assert_int_not_equal(faccessat(dir, BEFORE, F_OK, 0), 0);
	assert_int_not_equal(faccessat(dir, "unfinished", F_OK, 0), 0);
	free(before);
	return is_met;
}

/* How many calls there were to be tried. */
static int
rotate_with_each(enum fault fault, size_t queues, uint64_t items)
{
	for (int at = 1;; at++) {
		int is_met;
		make_ledger(queues, items);
		is_met = rotate_with(fault, at);
		remove_ledger();
		if (!is_met)
			return at - 1;
	}
}

/* ---- the tests */

static void
rotates_or_goes_on_as_it_is_whatever_fails(void **state)
{
	(void)state;
	assert_true(rotate_with_each(FAIL, 2, 5) >= 9);
	assert_int_equal(rotate_with_each(HALVE, 2, 5), 2);
}

/* The state takes more than one write, within a queue and behind it. */
static void
rotates_a_large_state_or_goes_on_as_it_is(void **state)
{
	(void)state;
	assert_true(rotate_with_each(HALVE, 2, 1500) >= 4);
}

/* Runs it in a child, and holds it to that end and that line in the log. */
static void
assert_ends(int (*run)(void), int code, const char *event)
{
	FILE *log = tmpfile();
	char text[4096];
	size_t len;
	int status;
	pid_t pid;

	assert_non_null(log);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fileno(log), STDERR_FILENO);
		alarm(20);
		(void)run();
		_exit(EX_SOFTWARE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), code);
	rewind(log);
	len = fread(text, 1, sizeof text - 1, log);
	text[len] = '\0';
	if (!strstr(text, event))
		fail_msg("no %s in \"%s\"", event, text);
	fclose(log);
}

static int
rotate(void)
{
	return ledger_rotate(ledger, clients, DAYS);
}

static int
flush(void)
{
	return ledger_flush(ledger);
}

static void
ends_with_74_when_a_sync_fails(void **state)
{
	(void)state;
	for (int at = 1; at <= 2; at++) { /* the new segment, the folder */
		set_hook(SYNC, at, EIO);
		assert_ends(rotate, EX_IOERR, "event=sync_failed what=ledger");
	}
}

/* Half a record in the middle of the ledger would be damage to all who read it. */
static void
ends_with_74_where_half_a_record_cannot_be_taken_back(void **state)
{
	(void)state;
	append_item();
	set_hook(HALVE, 1, ENOSPC);
	assert_int_equal(ledger_flush(ledger), -1); /* this one can */
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(ledger_flush(ledger), 0);
	sample_assert_newest(dir, clients, SEQ + records, records);
	append_item();
	set_hook(HALVE, 1, ENOSPC);
	hook.take_back_fails = 1;
	assert_ends(flush, EX_IOERR, "event=ledger_failed call=ftruncate");
}

static int
append_much(void)
{
	struct record record = sample_accept_record(1, "x");

	for (int i = 0; i < 10000; i++)
		ledger_append(ledger, &record);
	return 0;
}

static void
ends_with_71_without_memory(void **state)
{
	(void)state;
	set_hook(MEMORY, 1, ENOMEM);
	assert_ends(append_much, EX_OSERR, "event=out_of_memory");
}

/* For accepts there must be room for the marks behind them, too. */
static void
takes_no_accept_without_room_for_its_mark(void **state)
{
	struct record mark = {.type = RECORD_MARK, .synced = SEQ, .stored = SEQ};
	static const int errors[] = {ENOSPC, EDQUOT};
	uint64_t size;

	(void)state;
#if !defined(HAVE_FALLOCATE) || defined(DISK_PORTABLE)
	skip();
#endif
	set_hook(RESERVE, 0, ENOSPC);
	assert_int_equal(ledger_rotate(ledger, clients, DAYS), 0);
	ledger_append(ledger, &mark); /* of what was accepted before */
	assert_int_equal(ledger_flush(ledger), 0);
	sample_assert_newest(dir, clients, SEQ + records, 0);
	size = ledger_size(ledger);
	append_item();
	for (int i = 0; i < 2; i++) {
		set_hook(RESERVE, 0, errors[i]);
		assert_int_equal(ledger_flush(ledger), -1);
		assert_int_equal(errno, errors[i]);
		assert_int_equal(ledger_size(ledger), size);
	}
	/* What is no lack of room, writing tells. */
	set_hook(RESERVE, 0, EIO);
	assert_int_equal(ledger_flush(ledger), 0);
	sample_assert_newest(dir, clients, SEQ + records, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rotates_or_goes_on_as_it_is_whatever_fails),
	    cmocka_unit_test(rotates_a_large_state_or_goes_on_as_it_is),
	    TEST(ends_with_74_when_a_sync_fails),
	    TEST(ends_with_74_where_half_a_record_cannot_be_taken_back),
	    TEST(ends_with_71_without_memory),
	    TEST(takes_no_accept_without_room_for_its_mark),
	};

	log_setup(LOG_CRIT, LOG_FORMAT_PLAIN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
