/* SPDX-License-Identifier: ISC */
/*
 * The client's spool: items come in whole or not at all, numbers come once, and
 * nothing leaves the queue before what became of it is on disk.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxq/commands/rows.h"
#include "inboxq/queue/ends.h"
#include "inboxq/queue/scan.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/spool/copy.h"
#include "inboxq/spool/intake.h"
#include "inboxq/spool/item.h"
#include "inboxq/spool/sentlog.h"
#include "inboxq/spool/spool.h"
#include "inboxq/uplink/skips.h"
#include "lib/conn.h"
#include "lib/why.h"
#include "scratch.h"

/* ---- what stands in for the system: the programs' calls come here */

static time_t clock_off; /* seconds that the clock goes wrong by each time it is asked */
static ino_t fails;      /* the folder whose sync fails */
static ino_t synced[64];
static size_t synced_count;
static char said[4096]; /* to the server */

int
clock_gettime(clockid_t clock, struct timespec *t)
{
	static time_t off;

	if (syscall(SYS_clock_gettime, clock, t) < 0)
		return -1;
	if (clock == CLOCK_REALTIME)
		t->tv_sec += off += clock_off;
	return 0;
}

static void (*before_read)(void); /* what others do to a file that is being read */

ssize_t
read(int fd, void *dst, size_t room)
{
	if (before_read)
		before_read();
	return syscall(SYS_read, fd, dst, room);
}

static int pauses = -1; /* with 0 and more each is over at once, and counted */

int
nanosleep(const struct timespec *span, struct timespec *left)
{
	if (pauses < 0)
		return (int)syscall(SYS_nanosleep, span, left);
	pauses++;
	return 0;
}

static int data_sync_error;
static size_t data_syncs;

int
fdatasync(int fd)
{
	data_syncs++;
	if (data_sync_error) {
		errno = data_sync_error;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	struct stat st = {0};

	if (fstat(fd, &st) == 0 && synced_count < sizeof synced / sizeof *synced)
		synced[synced_count++] = st.st_ino;
	if (fails && st.st_ino == fails) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

void
conn_write(struct conn *conn, const void *data, size_t len)
{
	(void)conn;
	assert_true(strlen(said) + len < sizeof said);
	strncat(said, data, len);
}

/* ---- */

static struct why why;

static int
set_up(void **state)
{
	(void)state;
	return scratch_make("test_spool");
}

static int
tear_down(void **state)
{
	(void)state;
	return scratch_delete();
}

static struct spool *
open_spool(void)
{
	struct spool *spool = spool_open(below("spool"), 1, &why);

	if (!spool)
		print_error("%s\n", why.text);
	assert_non_null(spool);
	return spool;
}

static void
write_file(const char *name, const char *text)
{
	FILE *file = fopen(below(name), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static const struct intake_wish wish = {.inbox = "status"};

/* Queues `count` copies of a file; the last number. */
static uint64_t
add_items(struct spool *spool, unsigned count)
{
	struct intake *intake = intake_new(spool);
	uint64_t numbers[INTAKE_BATCH] = {0};
	size_t queued;

	assert_non_null(intake);
	write_file("item", "foo");
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(intake_file(intake, &wish, below("item"), &why), INTAKE_OK);
	assert_int_equal(intake_queue(intake, numbers, &queued, &why), INTAKE_OK);
	assert_int_equal(queued, count);
	intake_free(intake);
	return numbers[count - 1];
}

static ino_t
inode_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(below(name), &st), 0);
	return st.st_ino;
}

/* Was it synced since synced_count was set to 0? */
static int
was_synced(const char *name)
{
	ino_t inode = inode_of(name);

	for (size_t i = 0; i < synced_count; i++)
		if (synced[i] == inode)
			return 1;
	return 0;
}

static size_t
count_files(const struct spool *spool, enum spool_part part)
{
	struct spool_numbers numbers;

	assert_int_equal(spool_list(spool, part, &numbers), 0);
	free(numbers.at);
	return numbers.count;
}

static void
copies_an_item_whole_with_its_digest(void **state)
{
	struct spool *spool = open_spool();
	struct spool_item item;
	char bytes[8];
	int fd;

	(void)state;
	assert_int_equal(add_items(spool, 1), 1);
	fd = item_open(spool, SPOOL_QUEUE, 1, &item, &why);
	assert_true(fd >= 0);
	assert_string_equal(item.inbox, "status");
	assert_string_equal(item.name, "item");
	assert_int_equal(item.size, 3);
	assert_string_equal(item.sha256,
	    "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae");
	assert_int_equal(read(fd, bytes, sizeof bytes), 3);
	assert_memory_equal(bytes, "foo", 3);
	close(fd);
	assert_false(item_is_damaged(spool, SPOOL_QUEUE, 1));
	spool_close(spool);
}

/* Larger than a file may be there: that is about this one, and not about the spool. */
static void
a_draft_that_no_file_can_hold_is_too_large(void **state)
{
	struct spool *spool = open_spool();
	struct copy *copy = copy_new();
	struct copy_draft draft = {.at = INT64_MAX - 4096};

	(void)state;
	draft.fd = openat(spool_folder(spool, SPOOL_TMP), "1.huge", O_RDWR | O_CREAT, 0600);
	assert_non_null(copy);
	assert_true(draft.fd >= 0);
	assert_int_equal(copy_memory(copy, "x", 1, &draft), COPY_UNWRITABLE);
	assert_int_equal(errno, EFBIG);
	close(draft.fd);
	copy_free(copy);
	spool_close(spool);
}

static void
sees_a_damaged_item(void **state)
{
	static const struct {
		off_t at;
		const char *bytes;
		int opens;
	} cases[] = {{SPOOL_HEADER + 1, "x", 1}, {SPOOL_HEADER + 3, "x", 0}, {0, "X", 0},
	    {12, "2", 0}, {SPOOL_HEADER - 1, "x", 0}};
	struct spool *spool = open_spool();
	char name[SPOOL_NAME_ROOM];
	struct spool_item item;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t n = add_items(spool, 1);
		int fd;

		spool_number_name(name, n);
		fd = openat(spool_folder(spool, SPOOL_QUEUE), name, O_WRONLY);
		assert_int_equal(pwrite(fd, cases[i].bytes, 1, cases[i].at), 1);
		close(fd);
		fd = item_open(spool, SPOOL_QUEUE, n, &item, &why);
		assert_int_equal(fd >= 0, cases[i].opens);
		if (fd >= 0)
			close(fd);
		else
			assert_int_equal(errno, EILSEQ);
		assert_true(item_is_damaged(spool, SPOOL_QUEUE, n));
	}
	assert_false(item_is_damaged(spool, SPOOL_QUEUE, 4711));
	spool_close(spool);
}

static void
header_holds_the_longest_of_all_fields(void **state)
{
	char header[SPOOL_HEADER];
	struct spool_item item = {.size = INT64_MAX, .time = 99999999999, .priority = ITEM_HIGH};
	struct spool_item back;

	(void)state;
	memset(item.inbox, 'i', PROTO_INBOX_MAX);
	memset(item.sha256, 'f', sizeof item.sha256 - 1);
	memset(item.claim, 'c', sizeof item.claim - 1);
	for (int i = 0; i < PROTO_NAME_MAX; i++)
		memcpy(item.name + 3 * i, "%0A", 4);
	item_header_format(header, &item);
	assert_int_equal(header[SPOOL_HEADER - 1], '\n');
	assert_int_equal(item_header_parse(header, &back), 0);
	assert_string_equal(back.inbox, item.inbox);
	assert_string_equal(back.name, item.name);
	assert_string_equal(back.sha256, item.sha256);
	assert_int_equal(back.size, item.size);
	assert_int_equal(back.time, item.time);
	assert_int_equal(back.priority, ITEM_HIGH);
	assert_string_equal(back.claim, item.claim);
}

static void
header_passes_over_what_it_does_not_know(void **state)
{
	static const struct {
		const char *fields;
		enum item_priority priority;
		const char *name;
	} rows[] = {
	    {"", ITEM_NORMAL, ""},
	    {" priority=low", ITEM_LOW, ""},
	    {" priority=urgent name=a", ITEM_NORMAL, "a"},
	    {" name=b claim=4711 priority=high color=blue", ITEM_HIGH, "b"},
	};
	char header[SPOOL_HEADER];
	struct spool_item item;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int len = snprintf(header, sizeof header, "inboxq-item 1 box 3 %064d time=1%s", 0,
		    rows[i].fields);

		memset(header + len, ' ', sizeof header - (size_t)len);
		header[SPOOL_HEADER - 1] = '\n';
		assert_int_equal(item_header_parse(header, &item), 0);
		assert_int_equal(item.priority, rows[i].priority);
		assert_string_equal(item.name, rows[i].name);
	}
	assert_int_equal(item_priority_parse("normal", &item.priority), 0);
	assert_int_equal(item_priority_parse("", &item.priority), -1);
}

/* ---- a file that others write to while it is copied */

static unsigned reads;
static int written; /* the file, as they have it open */

/* One that was written long ago. */
static void
make_source(char byte, size_t size)
{
	static const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
	static char bytes[1024 * 1024];

	assert_true(size <= sizeof bytes);
	memset(bytes, byte, size);
	written = open(below("item"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(written >= 0);
	assert_int_equal(write(written, bytes, size), size);
	assert_int_equal(futimens(written, old), 0);
	reads = 0;
}

static int must_hold_still;

/* Adds it while `others` do something before each read. */
static enum intake_result
add_beside(struct spool *spool, void (*others)(void))
{
	const struct intake_wish asked = {.inbox = "status", .holds_still = must_hold_still};
	struct intake *intake = intake_new(spool);
	enum intake_result result;
	uint64_t numbers[INTAKE_BATCH];
	size_t queued;

	assert_non_null(intake);
	before_read = others;
	result = intake_file(intake, &asked, below("item"), &why);
	before_read = NULL;
	if (result == INTAKE_OK) {
		struct why remark = why;

		assert_int_equal(intake_queue(intake, numbers, &queued, &why), INTAKE_OK);
		assert_int_equal(queued, 1);
		assert_false(item_is_damaged(spool, SPOOL_QUEUE, numbers[0]));
		why = remark;
	}
	intake_free(intake);
	close(written);
	assert_int_equal(count_files(spool, SPOOL_TMP), 0);
	return result;
}

/* What item `n` has at `at`; its size in *size. */
static char
byte_of_item(const struct spool *spool, uint64_t n, off_t at, uint64_t *size)
{
	struct spool_item item;
	char byte = 0;
	int fd = item_open(spool, SPOOL_QUEUE, n, &item, &why);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, SPOOL_HEADER + at), 1);
	close(fd);
	*size = item.size;
	return byte;
}

static void
append_much(void)
{
	static char more[256 * 1024];

	memset(more, 'x', sizeof more);
	assert_true(pwrite(written, more, sizeof more, 500000 + (off_t)sizeof more * reads++) > 0);
}

static void
takes_a_file_that_grows_as_it_was(void **state)
{
	struct spool *spool = open_spool();
	uint64_t size;

	(void)state;
	make_source('a', 500000);
	assert_int_equal(add_beside(spool, append_much), INTAKE_OK);
	assert_non_null(strstr(why.text, "item: grew while it was copied"));
	assert_int_equal(byte_of_item(spool, 1, 499999, &size), 'a');
	assert_in_range(size, 500000, 500000 + 256 * 1024);
	/* one that was empty to begin with */
	make_source('a', 0);
	reads = 0;
	assert_int_equal(ftruncate(written, 0), 0);
	assert_int_equal(add_beside(spool, append_much), INTAKE_OK);
	byte_of_item(spool, 2, 0, &size);
	assert_in_range(size, 1, 4 * 1024 * 1024);
	spool_close(spool);
}

static void
takes_a_standard_input_that_grows_as_it_was(void **state)
{
	struct spool *spool = open_spool();
	struct intake *intake = intake_new(spool);
	int saved = dup(STDIN_FILENO);

	(void)state;
	make_source('a', 500000);
	assert_int_equal(lseek(written, 0, SEEK_SET), 0);
	dup2(written, STDIN_FILENO);
	before_read = append_much;
	assert_int_equal(intake_fd(intake, &wish, STDIN_FILENO, "hint", &why), INTAKE_OK);
	before_read = NULL;
	assert_non_null(strstr(why.text, "hint: grew while it was copied"));
	dup2(saved, STDIN_FILENO);
	close(saved);
	close(written);
	intake_free(intake);
	spool_close(spool);
}

static void
rewrite_once(void)
{
	static char zeros[500000];

	if (++reads == 3)
		assert_int_equal(pwrite(written, zeros, sizeof zeros, 0), sizeof zeros);
}

static void
reads_anew_what_was_rewritten(void **state)
{
	struct spool *spool = open_spool();
	uint64_t size;

	(void)state;
	make_source('a', 500000);
	assert_int_equal(add_beside(spool, rewrite_once), INTAKE_OK);
	assert_string_equal(why.text, "");
	/* nothing of the first try shows through a hole */
	for (off_t at = 0; at < 500000; at += 1000)
		assert_int_equal(byte_of_item(spool, 1, at, &size), 0);
	assert_int_equal(size, 500000);
	spool_close(spool);
}

static void
rewrite_always(void)
{
	char byte = (char)++reads;

	assert_int_equal(pwrite(written, &byte, 1, 0), 1);
}

static void
takes_only_what_holds_still_where_that_is_asked(void **state)
{
	struct spool *spool = open_spool();
	uint64_t size;

	(void)state;
	must_hold_still = 1;
	make_source('a', 500000);
	assert_int_equal(add_beside(spool, append_much), INTAKE_MOVING);
	assert_non_null(strstr(why.text, "item: grew while it was copied: not taken"));
	make_source('b', 500000);
	assert_int_equal(add_beside(spool, rewrite_always), INTAKE_MOVING);
	assert_int_equal(count_files(spool, SPOOL_QUEUE), 0);
	make_source('c', 500000);
	assert_int_equal(add_beside(spool, NULL), INTAKE_OK);
	assert_int_equal(byte_of_item(spool, 1, 499999, &size), 'c');
	must_hold_still = 0;
	spool_close(spool);
}

static void
says_that_a_file_is_rewritten_under_its_hands(void **state)
{
	struct spool *spool = open_spool();

	(void)state;
	make_source('a', 500000);
	assert_int_equal(add_beside(spool, rewrite_always), INTAKE_NOT_TAKEN);
	assert_non_null(strstr(why.text, "rewritten while it is read"));
	spool_close(spool);
}

static void
cut_it(void)
{
	if (++reads == 2)
		assert_int_equal(ftruncate(written, 7), 0);
}

static void
takes_a_file_that_was_cut_as_it_is(void **state)
{
	struct spool *spool = open_spool();
	uint64_t size;

	(void)state;
	make_source('a', 500000);
	assert_int_equal(add_beside(spool, cut_it), INTAKE_OK);
	assert_int_equal(byte_of_item(spool, 1, 6, &size), 'a');
	assert_int_equal(size, 7);
	spool_close(spool);
}

static void
touch_it(void)
{
	assert_int_equal(futimens(written, NULL), 0);
}

static void
takes_a_file_that_is_only_touched(void **state)
{
	struct spool *spool = open_spool();

	(void)state;
	make_source('a', 500000);
	assert_int_equal(add_beside(spool, touch_it), INTAKE_OK);
	assert_string_equal(why.text, "");
	spool_close(spool);
}

static void
takes_no_room_for_zeros(void **state)
{
	static const off_t places[] = {0, 1, 3071, 3072, 4096, 131071, 131072, 20000000, 33554431};
	struct spool *spool = open_spool();
	char name[SPOOL_NAME_ROOM];
	struct stat st;
	uint64_t size;

	(void)state;
	make_source('a', 0);
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		assert_int_equal(pwrite(written, "x", 1, places[i]), 1);
	assert_int_equal(add_beside(spool, NULL), INTAKE_OK);
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		assert_int_equal(byte_of_item(spool, 1, places[i], &size), 'x');
	assert_int_equal(size, 33554432);
	spool_number_name(name, 1);
	assert_int_equal(fstatat(spool_folder(spool, SPOOL_QUEUE), name, &st, 0), 0);
	assert_true(st.st_blocks * 512 < 1024 * 1024);
	/* a hole at the end, and one that is all */
	make_source('a', 10);
	assert_int_equal(ftruncate(written, 1000000), 0);
	assert_int_equal(add_beside(spool, NULL), INTAKE_OK);
	assert_int_equal(byte_of_item(spool, 2, 9, &size), 'a');
	assert_int_equal(size, 1000000);
	make_source('a', 0);
	assert_int_equal(ftruncate(written, 1000000), 0);
	assert_int_equal(add_beside(spool, NULL), INTAKE_OK);
	assert_int_equal(byte_of_item(spool, 3, 999999, &size), 0);
	assert_int_equal(size, 1000000);
	spool_close(spool);
}

static void
takes_only_regular_files_with_short_names(void **state)
{
	struct spool *spool = open_spool();
	struct intake *intake = intake_new(spool);
	char name[300];
	const struct intake_wish long_name = {.inbox = "status", .name = name};
	uint64_t numbers[INTAKE_BATCH];
	size_t queued;

	(void)state;
	memset(name, 'x', sizeof name);
	name[256] = '\0';
	assert_int_equal(mkfifo(below("fifo"), 0600), 0);
	assert_int_equal(intake_file(intake, &wish, below("fifo"), &why), INTAKE_NOT_TAKEN);
	assert_int_equal(intake_file(intake, &wish, scratch_path(), &why), INTAKE_NOT_TAKEN);
	assert_int_equal(intake_file(intake, &wish, below("nothing"), &why), INTAKE_NOT_TAKEN);
	assert_int_equal(intake_fd(intake, &long_name, STDIN_FILENO, name, &why), INTAKE_NOT_TAKEN);
	assert_int_equal(intake_queue(intake, numbers, &queued, &why), INTAKE_OK);
	assert_int_equal(queued, 0);
	intake_free(intake);
	assert_int_equal(count_files(spool, SPOOL_QUEUE), 0);
	spool_close(spool);
}

static void
never_gives_a_number_twice(void **state)
{
	struct spool *spool = open_spool();
	uint64_t last;

	(void)state;
	assert_int_equal(add_items(spool, 3), 3);
	/* All leave the queue, the last one to failed/, and from there as well. */
	assert_int_equal(spool_raise_last(spool, 3), 0);
	for (uint64_t n = 1; n <= 3; n++)
		assert_int_equal(item_delete(spool, SPOOL_QUEUE, n), 0);
	assert_int_equal(add_items(spool, 1), 4);
	assert_int_equal(item_set_aside(spool, 4), 0);
	assert_int_equal(add_items(spool, 1), 5);
	assert_int_equal(spool_raise_last(spool, 2), 0);
	assert_int_equal(spool_last(spool, &last), 0);
	assert_int_equal(last, 3);
	spool_close(spool);
	spool = open_spool();
	assert_int_equal(add_items(spool, 1), 6);
	spool_close(spool);
}

static void
gives_each_of_many_adders_numbers_of_its_own(void **state)
{
	enum { ADDERS = 4, ITEMS = 60 };
	struct spool *spool = open_spool();
	struct spool_numbers numbers;
	pid_t adders[ADDERS];

	(void)state;
	write_file("item", "foo");
	for (int i = 0; i < ADDERS; i++) {
		adders[i] = fork();
		assert_true(adders[i] >= 0);
		if (adders[i] == 0) {
			struct spool *mine = spool_open(below("spool"), 1, &why);
			uint64_t given[INTAKE_BATCH];
			size_t queued;

			alarm(60);
			for (int k = 0; mine && k < ITEMS; k++) {
				struct intake *intake = intake_new(mine);

				if (intake_file(intake, &wish, below("item"), &why) != INTAKE_OK ||
				    intake_queue(intake, given, &queued, &why) != INTAKE_OK)
					_exit(1);
				intake_free(intake);
			}
			_exit(mine ? 0 : 1);
		}
	}
	for (int i = 0; i < ADDERS; i++) {
		int status;

		assert_int_equal(waitpid(adders[i], &status, 0), adders[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(spool_list(spool, SPOOL_QUEUE, &numbers), 0);
	assert_int_equal(numbers.count, ADDERS * ITEMS);
	for (size_t i = 0; i < numbers.count; i++)
		assert_int_equal(numbers.at[i], i + 1);
	free(numbers.at);
	spool_close(spool);
}

static void
opens_no_spool_that_others_may_write_to(void **state)
{
	struct spool *spool = open_spool();

	(void)state;
	spool_close(spool);
	assert_int_equal(chmod(below("spool/queue"), 0770), 0);
	assert_null(spool_open(below("spool"), 1, &why));
	assert_non_null(strstr(why.text, "queue"));
	assert_null(spool_open(below("elsewhere"), 0, &why));
	assert_int_equal(errno, ENOENT);
}

struct lines_read {
	unsigned count;
	struct sentlog_line last;
};

static void
on_line(void *ctx, const struct sentlog_line *line)
{
	struct lines_read *seen = ctx;

	seen->count++;
	seen->last = *line;
}

static void
sentlog_goes_on_after_a_cut_line(void **state)
{
	struct spool *spool = open_spool();
	struct sentlog *sentlog = sentlog_open(spool);
	struct spool_item item = {.inbox = "status", .size = 3, .sha256 = "00", .name = "a%20b"};
	struct lines_read seen = {0};
	struct sentlog_place from = {0}, middle;
	FILE *file;

	(void)state;
	assert_int_equal(sentlog_add(sentlog, 1, SENTLOG_STORED, "cap1", "name", &item), 0);
	assert_int_equal(sentlog_sync(sentlog), 0);
	assert_int_equal(sentlog_read(spool, &from, on_line, &seen), 0);
	assert_int_equal(seen.count, 1);
	middle = from;
	file = fopen(below("spool/sent.log"), "a");
	fputs("20261122T141103.123456Z 2 STORED cap1 na", file);
	fclose(file);
	assert_int_equal(sentlog_read(spool, &from, on_line, &seen), 0);
	assert_int_equal(from.at, middle.at);
	assert_int_equal(sentlog_add(sentlog, 3, SENTLOG_REMOVED, NULL, NULL, &item), 0);
	assert_int_equal(sentlog_sync(sentlog), 0);
	assert_int_equal(sentlog_read(spool, &from, on_line, &seen), 0);
	assert_int_equal(seen.last.n, 3);
	assert_int_equal(seen.last.end, SENTLOG_REMOVED);
	sentlog_close(sentlog);
	spool_close(spool);
}

#define ONE "0123456789abcdef0123456789abcdef"
#define TWO "6d0f3b5ac2e94a1f8b7c6d5e4f3a2b1c"

static void
servers_are_told_apart_by_id_else_by_host(void **state)
{
	(void)state;
	assert_true(sentlog_is_same("cap1/" ONE, "cap1/" ONE));
	assert_true(sentlog_is_same("cap1/" ONE, "renamed/" ONE));
	assert_false(sentlog_is_same("cap1/" ONE, "cap1/" TWO));
	assert_true(sentlog_is_same("cap1", "cap1/" ONE));
	assert_true(sentlog_is_same("cap1/" ONE, "cap1"));
	assert_true(sentlog_is_same("cap1", "cap1"));
	assert_false(sentlog_is_same("cap1", "cap2/" ONE));
	assert_false(sentlog_is_same("cap1", "cap"));
	assert_false(sentlog_is_same("cap/" ONE, "cap1"));
	assert_false(sentlog_is_same("-", "cap1/" ONE));
}

/* A watch that was killed finds the ends of its claims there. */
static void
sentlog_gives_back_claims(void **state)
{
	struct spool *spool = open_spool();
	struct sentlog *sentlog = sentlog_open(spool);
	struct spool_item item = {.inbox = "status", .size = 3, .name = "a%20b", .claim = ONE};
	struct lines_read seen = {0};
	struct sentlog_place from = {0};

	(void)state;
	memset(item.sha256, 'a', sizeof item.sha256 - 1);
	assert_int_equal(sentlog_add(sentlog, 1, SENTLOG_STORED, "cap1", "name", &item), 0);
	assert_int_equal(sentlog_sync(sentlog), 0);
	assert_int_equal(sentlog_read(spool, &from, on_line, &seen), 0);
	assert_string_equal(seen.last.claim, ONE);
	assert_string_equal(seen.last.name, item.name);
	assert_string_equal(seen.last.sha256, item.sha256);
	/* A name that looks like one is a name. */
	item.claim[0] = '\0';
	snprintf(item.name, sizeof item.name, "claim=" ONE);
	assert_int_equal(sentlog_add(sentlog, 2, SENTLOG_STORED, "cap1", "name", &item), 0);
	item.name[0] = item.sha256[0] = '\0';
	assert_int_equal(sentlog_sync(sentlog), 0);
	assert_int_equal(sentlog_read(spool, &from, on_line, &seen), 0);
	assert_string_equal(seen.last.name, "claim=" ONE);
	assert_string_equal(seen.last.claim, "");
	assert_int_equal(sentlog_add(sentlog, 3, SENTLOG_REMOVED, NULL, NULL, &item), 0);
	assert_int_equal(sentlog_sync(sentlog), 0);
	assert_int_equal(sentlog_read(spool, &from, on_line, &seen), 0);
	assert_string_equal(seen.last.sha256, "");
	assert_string_equal(seen.last.name, "");
	sentlog_close(sentlog);
	spool_close(spool);
}

/* As long as a host and an id can be. */
static void
sentlog_gives_back_the_longest_server(void **state)
{
	struct spool *spool = open_spool();
	struct sentlog *sentlog = sentlog_open(spool);
	struct spool_item item = {.inbox = "status", .size = 3, .sha256 = "00"};
	char server[SENTLOG_SERVER_ROOM];
	struct lines_read seen = {0};
	struct sentlog_place from = {0};

	(void)state;
	memset(server, 'h', 255);
	snprintf(server + 255, sizeof server - 255, "/" ONE);
	assert_int_equal(strlen(server), sizeof server - 1);
	assert_int_equal(sentlog_add(sentlog, 1, SENTLOG_STORED, server, "name", &item), 0);
	assert_int_equal(sentlog_sync(sentlog), 0);
	assert_int_equal(sentlog_read(spool, &from, on_line, &seen), 0);
	assert_string_equal(seen.last.server, server);
	sentlog_close(sentlog);
	spool_close(spool);
}

static void
runner_sees_the_mark_move_as_answers_come(void **state)
{
	struct spool *spool = open_spool();
	struct sentlog *sentlog = sentlog_open(spool);
	struct schedule *schedule = schedule_new();
	struct ends *ends = ends_new(spool, sentlog, schedule);
	struct scan scan = {0};
	char reason[SPOOL_REASON_MAX + 1];
	struct lines_read seen = {0};
	uint64_t size;
	struct sentlog_place from = {0};

	(void)state;
	assert_int_equal(add_items(spool, 3), 3);
	assert_int_equal(scan_queue(&scan, spool, schedule), 0);
	assert_int_equal(schedule_settled(schedule), 1);
	for (uint64_t n = 1; n <= 3; n++) {
		assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 100), n);
		schedule_mark_sent(schedule, n, 3);
	}
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 100), 0);
	assert_int_equal(ends_stored(ends, 2, "cap1", "name2"), 0);
	assert_int_equal(ends_refused(ends, 1, "cap1", "no-inbox", "no inbox status"), 0);
	assert_false(schedule_is_sent(schedule, 2, &size));
	/* Answers alone move nothing. */
	assert_int_equal(schedule_settled(schedule), 1);
	assert_int_equal(count_files(spool, SPOOL_QUEUE), 3);
	assert_int_equal(ends_commit(ends), 0);
	assert_int_equal(schedule_settled(schedule), 3);
	assert_int_equal(count_files(spool, SPOOL_QUEUE), 1);
	assert_int_equal(count_files(spool, SPOOL_FAILED), 1);
	item_read_reason(spool, 1, reason);
	assert_string_equal(reason, "no-inbox: no inbox status (cap1)");
	assert_int_equal(sentlog_read(spool, &from, on_line, &seen), 0);
	assert_int_equal(seen.count, 2);

	schedule_take_back(schedule);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 0), 3);
	schedule_mark_sent(schedule, 3, 3);
	assert_int_equal(ends_stored(ends, 3, "cap1", "name3"), 0);
	assert_int_equal(ends_commit(ends), 0);
	assert_int_equal(schedule_settled(schedule), 4);
	assert_int_equal(ends_counts(ends)->stored, 2);
	assert_int_equal(add_items(spool, 1), 4);
	ends_free(ends);
	schedule_free(schedule);
	sentlog_close(sentlog);
	spool_close(spool);
}

static void
waits_as_long_as_later_says(void **state)
{
	struct spool *spool = open_spool();
	struct schedule *schedule = schedule_new();
	struct scan scan = {0};

	(void)state;
	assert_int_equal(add_items(spool, 3), 3);
	assert_int_equal(scan_queue(&scan, spool, schedule), 0);
	for (uint64_t n = 1; n <= 3; n++)
		schedule_mark_sent(schedule, schedule_next(schedule, SCHEDULE_SMALL, 100), 3);
	schedule_put_off(schedule, 1, 200);
	schedule_put_off(schedule, 2, 160);
	schedule_put_off(schedule, 3, SCHEDULE_NEVER);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 159), 0);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 160), 2);
	schedule_mark_sent(schedule, 2, 3);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 199), 0);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 200), 1);
	schedule_mark_sent(schedule, 1, 3);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 100000), 0);
	/* An operator takes one away. */
	schedule_forget(schedule, 1);
	assert_int_equal(schedule_settled(schedule), 2);
	schedule_take_back(schedule);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 100000), 2);
	schedule_mark_sent(schedule, 2, 3);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 100000), 3);
	assert_int_equal(schedule_counts(schedule)->waiting, 1);
	assert_int_equal(schedule_counts(schedule)->sent, 1);
	schedule_free(schedule);
	spool_close(spool);
}

static void
small_items_pass_large_ones(void **state)
{
	struct spool *spool = open_spool();
	struct schedule *schedule = schedule_new();
	struct scan scan = {0};

	(void)state;
	assert_int_equal(add_items(spool, 4), 4);
	assert_int_equal(scan_queue(&scan, spool, schedule), 0);
	assert_int_equal(schedule_next(schedule, SCHEDULE_LARGE, 100), 0);
	/* 1 and 3 turn out to be large. */
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 100), 1);
	schedule_set_lane(schedule, 1, SCHEDULE_LARGE);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 100), 2);
	schedule_mark_sent(schedule, 2, 3);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 100), 3);
	schedule_set_lane(schedule, 3, SCHEDULE_LARGE);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 100), 4);
	assert_int_equal(schedule_next(schedule, SCHEDULE_LARGE, 100), 1);
	schedule_mark_sent(schedule, 1, 3);
	assert_int_equal(schedule_next(schedule, SCHEDULE_LARGE, 100), 3);
	/* Put off, it comes again in its lane. */
	schedule_put_off(schedule, 1, 200);
	schedule_mark_sent(schedule, 3, 3);
	schedule_mark_sent(schedule, 4, 3);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 199), 0);
	assert_int_equal(schedule_next(schedule, SCHEDULE_LARGE, 199), 0);
	assert_int_equal(schedule_due(schedule), 200);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 200), 0);
	assert_int_equal(schedule_next(schedule, SCHEDULE_LARGE, 200), 1);
	/* The server wants it whole; it may change its mind once. */
	assert_true(schedule_fix_lane(schedule, 1, SCHEDULE_SMALL));
	assert_false(schedule_fix_lane(schedule, 1, SCHEDULE_LARGE));
	assert_true(schedule_is_lane_fixed(schedule, 1));
	assert_int_equal(schedule_next(schedule, SCHEDULE_LARGE, 200), 0);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 200), 1);
	assert_int_equal(schedule_count_busy(schedule, 1), 1);
	assert_int_equal(schedule_count_busy(schedule, 1), 2);
	/* A new session begins anew. */
	schedule_take_back(schedule);
	assert_false(schedule_is_lane_fixed(schedule, 1));
	assert_int_equal(schedule_next(schedule, SCHEDULE_LARGE, 200), 0);
	for (uint64_t n = 1; n <= 4; n++) {
		assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 200), n);
		schedule_mark_sent(schedule, n, 3);
	}
	assert_int_equal(schedule_count_busy(schedule, 1), 1);
	schedule_free(schedule);
	spool_close(spool);
}

static void
says_hello_with_a_mark_that_lasts(void **state)
{
	struct spool *spool = open_spool();
	struct sentlog *sentlog = sentlog_open(spool);
	struct schedule *schedule = schedule_new();
	struct ends *ends = ends_new(spool, sentlog, schedule);
	struct scan scan = {0};
	struct skips_told told = {0};

	(void)state;
	assert_int_equal(add_items(spool, 2), 2);
	assert_int_equal(scan_queue(&scan, spool, schedule), 0);
	schedule_mark_sent(schedule, schedule_next(schedule, SCHEDULE_SMALL, 0), 3);
	assert_int_equal(ends_stored(ends, 1, "cap1", "name1"), 0);
	assert_int_equal(ends_commit(ends), 0);
	synced_count = 0;
	said[0] = '\0';
	fails = inode_of("spool/queue");
	assert_int_equal(skips_hello(spool, schedule, &told, NULL), -1);
	fails = 0;
	assert_string_equal(said, "");
	assert_int_equal(skips_hello(spool, schedule, &told, NULL), 0);
	assert_true(was_synced("spool/queue"));
	assert_memory_equal(said, "HELLO 1 ", 8);
	assert_non_null(strstr(said, " 2 pending=1 "));
	assert_int_equal(told.settled, 2);
	ends_free(ends);
	schedule_free(schedule);
	sentlog_close(sentlog);
	spool_close(spool);
}

static void
item_that_cannot_be_deleted_stays_and_others_go(void **state)
{
	struct spool *spool = open_spool();
	struct sentlog *sentlog = sentlog_open(spool);
	struct schedule *schedule = schedule_new();
	struct ends *ends = ends_new(spool, sentlog, schedule);
	struct scan scan = {0};
	char name[SPOOL_NAME_ROOM];

	(void)state;
	assert_int_equal(add_items(spool, 2), 2);
	assert_int_equal(scan_queue(&scan, spool, schedule), 0);
	for (uint64_t n = 1; n <= 2; n++) {
		schedule_mark_sent(schedule, schedule_next(schedule, SCHEDULE_SMALL, 0), 3);
		assert_int_equal(ends_stored(ends, n, "cap1", "name"), 0);
	}
	/* A file that cannot be unlinked: a folder. */
	spool_number_name(name, 1);
	assert_int_equal(item_delete(spool, SPOOL_QUEUE, 1), 0);
	assert_int_equal(mkdirat(spool_folder(spool, SPOOL_QUEUE), name, 0700), 0);
	assert_int_equal(ends_commit(ends), 0);
	assert_int_equal(schedule_settled(schedule), 1);
	assert_int_equal(ends_counts(ends)->stored, 1);
	assert_int_equal(schedule_counts(schedule)->waiting, 1);
	assert_true(schedule_holds(schedule, 1));
	assert_false(schedule_holds(schedule, 2));
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 100000), 0);
	schedule_take_back(schedule);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 0), 1);
	/* A session that has no end tries it again by itself. */
	ends_be_patient(ends);
	schedule_mark_sent(schedule, 1, 3);
	assert_int_equal(ends_stored(ends, 1, "cap1", "name"), 0);
	assert_int_equal(ends_commit(ends), 0);
	assert_true(schedule_holds(schedule, 1));
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 0), 0);
	assert_int_equal(schedule_next(schedule, SCHEDULE_LARGE, 0), 0);
	assert_int_not_equal(schedule_due(schedule), SCHEDULE_NEVER);
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, schedule_due(schedule)), 1);
	ends_free(ends);
	schedule_free(schedule);
	sentlog_close(sentlog);
	spool_close(spool);
}

/* However many answers come in one turn, sent.log needs no more room than was taken. */
static void
carries_out_a_batch_that_is_full(void **state)
{
	struct spool *spool = open_spool();
	struct sentlog *sentlog = sentlog_open(spool);
	struct schedule *schedule = schedule_new();
	struct ends *ends = ends_new(spool, sentlog, schedule);
	struct scan scan = {0};

	(void)state;
	for (uint64_t left = ENDS_BATCH + 1; left; left -= left > 200 ? 200 : left)
		(void)add_items(spool, left > 200 ? 200 : (unsigned)left);
	assert_int_equal(scan_queue(&scan, spool, schedule), 0);
	for (uint64_t n = 1; n <= ENDS_BATCH; n++) {
		assert_int_equal(ends_counts(ends)->stored, 0);
		schedule_mark_sent(schedule, n, 3);
		assert_int_equal(ends_stored(ends, n, "cap1", "name"), 0);
	}
	assert_int_equal(ends_counts(ends)->stored, ENDS_BATCH);
	assert_int_equal(count_files(spool, SPOOL_QUEUE), 1);
	ends_free(ends);
	schedule_free(schedule);
	sentlog_close(sentlog);
	spool_close(spool);
}

static void
raises_last_without_a_new_file(void **state)
{
	struct spool *spool = open_spool();
	int fd = open(below("spool/last"), O_RDONLY | O_CLOEXEC);
	char text[SPOOL_NAME_ROOM] = "", want[SPOOL_NAME_ROOM];
	uint64_t last;

	(void)state;
	assert_int_equal(spool_last(spool, &last), 0);
	assert_int_equal(last, 0);
	for (uint64_t n = 9; n < PROTO_NUMBER_MAX / 10; n *= 10) {
		assert_int_equal(spool_raise_last(spool, n), 0);
		assert_int_equal(spool_raise_last(spool, n - 1), 0);
		assert_int_equal(spool_last(spool, &last), 0);
		assert_int_equal(last, n);
		/* It is the same file. */
		spool_number_name(want, n);
		assert_int_equal(pread(fd, text, sizeof text - 1, 0), 21);
		assert_memory_equal(text, want, 20);
	}
	close(fd);
	write_file("spool/last", "0000000000000000000x\n");
	assert_int_equal(spool_last(spool, &last), -1);
	assert_int_equal(errno, EILSEQ);
	spool_close(spool);
	spool = open_spool();
	assert_int_equal(spool_raise_last(spool, 8), 0);
	assert_int_equal(spool_last(spool, &last), 0);
	assert_int_equal(last, 8);
	spool_close(spool);
}

/* What it reads may only be in the page cache: another process was killed before its sync, or
 * that sync failed. */
static void
believes_no_last_that_it_has_not_synced(void **state)
{
	struct spool *spool = open_spool();
	uint64_t last;

	(void)state;
	data_sync_error = ENOSPC;
	assert_int_equal(spool_raise_last(spool, 7), -1);
	assert_int_equal(spool_last(spool, &last), 0);
	assert_int_equal(last, 7);
	assert_int_equal(spool_raise_last(spool, 7), -1);
	data_sync_error = 0;
	data_syncs = 0;
	assert_int_equal(spool_raise_last(spool, 5), 0);
	assert_int_equal(data_syncs, 1);
	assert_int_equal(spool_raise_last(spool, 7), 0);
	assert_int_equal(data_syncs, 1);
	assert_int_equal(spool_last(spool, &last), 0);
	assert_int_equal(last, 7);
	spool_close(spool);
	spool = open_spool();
	assert_int_equal(spool_raise_last(spool, 1), 0);
	assert_int_equal(data_syncs, 2);
	spool_close(spool);
}

/* As the look at all does: what is sent is in queue/ for good, and its number never given again. */
static void
takes_no_news_that_a_crash_may_take_back(void **state)
{
	static const struct scan_news news[] = {{2, 0}, {3, 0}, {1, 1}};
	struct spool *spool = open_spool();
	struct schedule *schedule = schedule_new();
	uint64_t last;

	(void)state;
	assert_int_equal(add_items(spool, 3), 3);
	assert_int_equal(item_delete(spool, SPOOL_QUEUE, 1), 0);
	fails = inode_of("spool/queue");
	assert_int_equal(scan_take(spool, schedule, news, 3), -1);
	assert_int_equal(schedule_counts(schedule)->waiting, 0);
	fails = 0;
	data_sync_error = EIO;
	assert_int_equal(scan_take(spool, schedule, news, 3), -1);
	assert_int_equal(schedule_counts(schedule)->waiting, 0);
	data_sync_error = 0;
	synced_count = 0;
	assert_int_equal(scan_take(spool, schedule, news, 3), 0);
	assert_true(was_synced("spool/queue"));
	assert_int_equal(spool_last(spool, &last), 0);
	assert_int_equal(last, 3);
	assert_int_equal(schedule_counts(schedule)->waiting, 2);
	assert_int_equal(schedule_settled(schedule), 2);
	/* What has left since it was heard of does not come again. */
	assert_int_equal(item_delete(spool, SPOOL_QUEUE, 2), 0);
	schedule_forget(schedule, 2);
	assert_int_equal(scan_take(spool, schedule, news, 1), 0);
	assert_int_equal(schedule_settled(schedule), 3);
	schedule_free(schedule);
	spool_close(spool);
}

static void
clock_that_is_set_puts_no_scan_off(void **state)
{
	struct spool *spool = open_spool();
	struct schedule *schedule = schedule_new();
	struct scan scan = {0};

	(void)state;
	for (uint64_t n = 1; n <= 6; n++) {
		/* A day back, and a day forth, with each look at it. */
		clock_off = n % 2 ? -86400 : 86400;
		assert_int_equal(add_items(spool, 1), n);
		/* A scan is not repeated within ten times what it took. */
		for (int i = 0; i < 500 && schedule_counts(schedule)->waiting < n; i++) {
			assert_int_equal(scan_queue(&scan, spool, schedule), 0);
			usleep(10000);
		}
		assert_int_equal(schedule_counts(schedule)->waiting, n);
	}
	clock_off = 0;
	schedule_free(schedule);
	spool_close(spool);
}

static void
prints_no_number_that_a_crash_may_take_back(void **state)
{
	struct spool *spool = open_spool();
	struct intake *intake = intake_new(spool);
	uint64_t numbers[INTAKE_BATCH];
	size_t queued = 1;

	(void)state;
	write_file("item", "foo");
	assert_int_equal(intake_file(intake, &wish, below("item"), &why), INTAKE_OK);
	fails = inode_of("spool/queue");
	assert_int_equal(intake_queue(intake, numbers, &queued, &why), INTAKE_UNSURE);
	fails = 0;
	assert_int_equal(queued, 0);
	assert_non_null(strstr(why.text, "items 1 to 1 are in it"));
	intake_free(intake);
	spool_close(spool);
}

/* Runs a command on what is named, with the first of its options set to `value` (NULL: not). */
static int
call_command(const struct command *command, struct spool *spool, const char *value, char *first,
    char *second)
{
	char *rest[] = {first, second, NULL};
	struct command_call call = {.command = command, .spool = spool, .values = {value},
	    .rest = rest, .count = second ? 2 : 1};

	return command->run(&call);
}

static void
removes_items_for_good(void **state)
{
	struct spool *spool = open_spool();

	(void)state;
	assert_int_equal(add_items(spool, 2), 2);
	assert_int_equal(item_set_aside(spool, 2), 0);
	synced_count = 0;
	assert_int_equal(call_command(&command_remove, spool, NULL, "1", "2"), 0);
	assert_true(was_synced("spool/queue") && was_synced("spool/failed"));
	assert_int_equal(count_files(spool, SPOOL_QUEUE) + count_files(spool, SPOOL_FAILED), 0);
	assert_int_equal(add_items(spool, 1), 3);
	fails = inode_of("spool/queue");
	assert_int_equal(call_command(&command_remove, spool, NULL, "3", NULL), 74);
	fails = 0;
	spool_close(spool);
}

static void
set_aside_meanwhile(void)
{
	char from[600];

	snprintf(from, sizeof from, "%s", below("spool/queue/00000000000000000001"));
	(void)rename(from, below("spool/failed/00000000000000000001"));
}

static void
removes_an_item_that_is_set_aside_meanwhile(void **state)
{
	struct spool *spool = open_spool();

	(void)state;
	assert_int_equal(add_items(spool, 1), 1);
	assert_int_equal(item_write_reason(spool, 1, "inbox: none of that name"), 0);
	before_read = set_aside_meanwhile;
	assert_int_equal(call_command(&command_remove, spool, NULL, "1", NULL), 0);
	before_read = NULL;
	assert_int_equal(count_files(spool, SPOOL_QUEUE), 0);
	assert_int_equal(count_files(spool, SPOOL_FAILED), 0);
	spool_close(spool);
}

/* A process that holds the spool's lock until its standard input, *says, is closed. */
static pid_t
start_holder(int *says)
{
	int hears[2], ready[2];
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe(hears), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct spool *mine = spool_open(below("spool"), 1, &why);

		close(hears[1]);
		if (!mine || spool_lock(mine) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		_exit(read(hears[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(hears[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*says = hears[1];
	return pid;
}

static void
commands_beside_a_held_lock_say_to_come_again(void **state)
{
	struct spool *spool = open_spool();
	char *file;
	int says, status;
	pid_t holder;

	(void)state;
	assert_int_equal(add_items(spool, 1), 1);
	file = strdup(below("item"));
	holder = start_holder(&says);
	pauses = 0;
	assert_int_equal(call_command(&command_add, spool, "status", file, NULL), 75);
	assert_true(pauses > 1000);
	assert_int_equal(call_command(&command_requeue, spool, NULL, "1", NULL), 75);
	assert_int_equal(call_command(&command_remove, spool, NULL, "1", NULL), 75);
	pauses = -1;
	assert_int_equal(count_files(spool, SPOOL_TMP), 0);
	assert_int_equal(count_files(spool, SPOOL_QUEUE), 1);
	close(says);
	assert_int_equal(waitpid(holder, &status, 0), holder);
	assert_int_equal(status, 0);
	assert_int_equal(add_items(spool, 1), 2);
	free(file);
	spool_close(spool);
}

static void
says_why_standard_input_is_none(void **state)
{
	struct spool *spool = open_spool();
	struct intake *intake = intake_new(spool);
	int saved = dup(STDIN_FILENO);
	enum intake_result result;

	(void)state;
	why_say(&why, "nothing was said");
	close(STDIN_FILENO);
	result = intake_fd(intake, &wish, STDIN_FILENO, "standard input", &why);
	if (saved >= 0) {
		assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
		close(saved);
	}
	assert_int_equal(result, INTAKE_NOT_TAKEN);
	assert_non_null(strstr(why.text, "standard input: "));
	intake_free(intake);
	spool_close(spool);
}

/* A disk that takes no more: a limit on the size of files stands in for it. */
static void
deletes_nothing_when_sent_log_fails(void **state)
{
	struct spool *spool = open_spool();
	struct sentlog *sentlog = sentlog_open(spool);
	struct schedule *schedule = schedule_new();
	struct ends *ends = ends_new(spool, sentlog, schedule);
	struct scan scan = {0};
	struct rlimit old, none;
	int rc;

	(void)state;
	assert_int_equal(add_items(spool, 2), 2);
	assert_int_equal(scan_queue(&scan, spool, schedule), 0);
	schedule_mark_sent(schedule, schedule_next(schedule, SCHEDULE_SMALL, 0), 3);
	assert_int_equal(ends_stored(ends, 1, "cap1", "name1"), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = old;
	none.rlim_cur = 20;
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	rc = ends_commit(ends);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(rc, -1);
	assert_int_equal(count_files(spool, SPOOL_QUEUE), 2);
	assert_int_equal(schedule_settled(schedule), 1);
	/* It is sent again. */
	assert_int_equal(schedule_next(schedule, SCHEDULE_SMALL, 0), 1);
	ends_free(ends);
	schedule_free(schedule);
	sentlog_close(sentlog);
	spool_close(spool);
}

static void
leaves_no_item_half_added_when_killed(void **state)
{
	struct spool *spool = open_spool();
	struct spool_numbers numbers;

	(void)state;
	write_file("item", "foo");
	/* On a slow machine the first ones may be killed before they have queued anything. */
	for (unsigned i = 0; i < 30 || (count_files(spool, SPOOL_QUEUE) == 0 && i < 300); i++) {
		pid_t adder = fork();

		assert_true(adder >= 0);
		if (adder == 0) {
			alarm(60);
			for (;;)
				(void)add_items(spool, 5);
		}
		usleep(1000 + 700 * i);
		kill(adder, SIGKILL);
		assert_int_equal(waitpid(adder, NULL, 0), adder);
	}
	assert_int_equal(spool_list(spool, SPOOL_QUEUE, &numbers), 0);
	assert_true(numbers.count > 0);
	for (size_t i = 0; i < numbers.count; i++) {
		assert_int_equal(numbers.at[i], i + 1);
		assert_false(item_is_damaged(spool, SPOOL_QUEUE, numbers.at[i]));
	}
	free(numbers.at);
	spool_close(spool);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(copies_an_item_whole_with_its_digest),
	    TEST(a_draft_that_no_file_can_hold_is_too_large),
	    TEST(sees_a_damaged_item),
	    TEST(header_holds_the_longest_of_all_fields),
	    TEST(header_passes_over_what_it_does_not_know),
	    TEST(takes_a_file_that_grows_as_it_was),
	    TEST(takes_a_standard_input_that_grows_as_it_was),
	    TEST(reads_anew_what_was_rewritten),
	    TEST(takes_only_what_holds_still_where_that_is_asked),
	    TEST(says_that_a_file_is_rewritten_under_its_hands),
	    TEST(takes_a_file_that_was_cut_as_it_is),
	    TEST(takes_a_file_that_is_only_touched),
	    TEST(takes_no_room_for_zeros),
	    TEST(takes_only_regular_files_with_short_names),
	    TEST(never_gives_a_number_twice),
	    TEST(gives_each_of_many_adders_numbers_of_its_own),
	    TEST(opens_no_spool_that_others_may_write_to),
	    TEST(sentlog_goes_on_after_a_cut_line),
	    TEST(servers_are_told_apart_by_id_else_by_host),
	    TEST(sentlog_gives_back_claims),
	    TEST(sentlog_gives_back_the_longest_server),
	    TEST(runner_sees_the_mark_move_as_answers_come),
	    TEST(waits_as_long_as_later_says),
	    TEST(small_items_pass_large_ones),
	    TEST(says_hello_with_a_mark_that_lasts),
	    TEST(item_that_cannot_be_deleted_stays_and_others_go),
	    TEST(carries_out_a_batch_that_is_full),
	    TEST(raises_last_without_a_new_file),
	    TEST(believes_no_last_that_it_has_not_synced),
	    TEST(clock_that_is_set_puts_no_scan_off),
	    TEST(takes_no_news_that_a_crash_may_take_back),
	    TEST(prints_no_number_that_a_crash_may_take_back),
	    TEST(removes_items_for_good),
	    TEST(removes_an_item_that_is_set_aside_meanwhile),
	    TEST(commands_beside_a_held_lock_say_to_come_again),
	    TEST(says_why_standard_input_is_none),
	    TEST(deletes_nothing_when_sent_log_fails),
	    TEST(leaves_no_item_half_added_when_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
