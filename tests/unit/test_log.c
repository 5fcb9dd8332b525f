/* SPDX-License-Identifier: ISC */
/* One event a line, which nobody can forge, by one write(2); test_log_writer has the waiting. */
#include "config.h"

#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static int real_stderr = -1, file = -1;
static char text[1024 * 1024];

static int
redirect(void **state)
{
	char path[4096];
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(path, sizeof path, "%s/test_log.XXXXXX", tmp ? tmp : "/tmp");
	real_stderr = dup(STDERR_FILENO);
	file = mkstemp(path);
	if (real_stderr < 0 || file < 0)
		return -1;
	unlink(path);
	fcntl(file, F_SETFL, O_APPEND); /* truncated and written in turn */
	return dup2(file, STDERR_FILENO) < 0 ? -1 : 0;
}

static int
restore(void **state)
{
	(void)state;
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(file);
	return 0;
}

/* What was logged since the last call. */
static const char *
logged(void)
{
	ssize_t len = pread(file, text, sizeof text - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	if (ftruncate(file, 0) < 0)
		text[0] = '\0';
	return text;
}

static size_t
count_lines(const char *s)
{
	size_t count = 0;

	while ((s = strchr(s, '\n'))) {
		count++;
		s++;
	}
	return count;
}

static void
assert_matches(const char *s, const char *pattern)
{
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&re, s, 0, NULL, 0) != 0)
		fail_msg("\"%s\" does not match %s", s, pattern);
	regfree(&re);
}

static void
begins_with_time_and_name_where_plain(void **state)
{
	(void)state;
	log_setup(LOG_DEBUG, LOG_FORMAT_PLAIN);
	log_event(LOG_WARNING, "disk_full", "inbox=%s free=%d", "status", 7);
	assert_matches(logged(), "^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]"
	    "\\.[0-9]{3}Z warning event=disk_full inbox=status free=7\n$");
	log_event(LOG_ERR, "a", "%s", "");
	assert_matches(logged(), "Z error event=a\n$");
	log_event(LOG_DEBUG, "b", "%s", "");
	assert_matches(logged(), "Z debug event=b\n$");
}

static void
begins_with_the_priority_under_the_journal(void **state)
{
	(void)state;
	log_setup(LOG_DEBUG, LOG_FORMAT_JOURNAL);
	log_event(LOG_NOTICE, "started", "pid=%d", 1);
	assert_string_equal(logged(), "<5>event=started pid=1\n");
}

static void
knows_the_journal_by_its_stream(void **state)
{
	char stream[64];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_setup(LOG_INFO, LOG_FORMAT_AUTO);
	log_event(LOG_INFO, "a", "%s", "");
	assert_string_equal(logged(), "<6>event=a\n");
	/* inherited, but standard error goes elsewhere */
	snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	log_setup(LOG_INFO, LOG_FORMAT_AUTO);
	log_event(LOG_INFO, "a", "%s", "");
	assert_matches(logged(), "Z info event=a\n$");
	unsetenv("JOURNAL_STREAM");
	log_setup(LOG_INFO, LOG_FORMAT_AUTO);
	log_event(LOG_INFO, "a", "%s", "");
	assert_matches(logged(), "Z info event=a\n$");
}

static void
drops_what_is_above_the_level(void **state)
{
	(void)state;
	log_setup(LOG_WARNING, LOG_FORMAT_JOURNAL);
	log_event(LOG_NOTICE, "a", "%s", "");
	log_event(LOG_WARNING, "b", "%s", "");
	assert_string_equal(logged(), "<4>event=b\n");
	log_set_level(LOG_DEBUG);
	log_event(LOG_DEBUG, "c", "%s", "");
	assert_string_equal(logged(), "<7>event=c\n");
}

static void
lets_nobody_forge_a_line(void **state)
{
	(void)state;
	log_setup(LOG_INFO, LOG_FORMAT_JOURNAL);
	log_event(LOG_INFO, "a", "name=%s", "x\n<0>event=forged\r\x1b[31m\x7f\xc3\xa4\t%0A");
	assert_string_equal(logged(),
	    "<6>event=a name=x%0A<0>event=forged%0D%1B[31m%7F%C3%A4%09%0A\n");
	log_event(LOG_INFO, "a\nb", "%s", "");
	assert_string_equal(logged(), "<6>event=a%0Ab\n");
}

static void
ends_a_value_where_its_quotes_end(void **state)
{
	(void)state;
	log_setup(LOG_INFO, LOG_FORMAT_JOURNAL);
	log_event(LOG_INFO, "a", "error=\"%s\" n=%d note=\"%s\"", "want \"7\" or C:\\", 7,
	    "\" forged=\"1");
	assert_string_equal(logged(), "<6>event=a error=\"want %227%22 or C:%5C\" n=7 "
	                              "note=\"%22 forged=%221\"\n");
	/* bytes that would do for a quote until the values are in, all but one */
	log_event(LOG_INFO, "a", "v=\"%s\"", "\x01\x02\x1e\"");
	assert_string_equal(logged(), "<6>event=a v=\"%01%02%1E%22\"\n");
}

/* Logs `len` bytes `byte`, and holds the line to what it should be. */
static void
check_long_text(char byte, size_t len)
{
	static char value[8192];
	unsigned long cut = 0;
	size_t width = byte == 'x' ? 1 : 3;
	const char *line, *mark;

	memset(value, byte, len);
	value[len] = '\0';
	log_event(LOG_INFO, "a", "v=%s", value);
	line = logged();
	assert_true(strlen(line) <= 2048);
	assert_int_equal(count_lines(line), 1);
	assert_int_equal(line[strlen(line) - 1], '\n');
	mark = strstr(line, "... cut=");
	if (mark)
		cut = strtoul(mark + 8, NULL, 10);
	else
		mark = line + strlen(line) - 1;
	assert_int_equal((size_t)(mark - line) - strlen("<6>event=a v="), (len - cut) * width);
	if (strlen("<6>event=a v=") + len * width < 2000)
		assert_int_equal(cut, 0);
	if (strlen("<6>event=a v=") + len * width > 2048)
		assert_true(cut > 0);
}

static void
says_where_a_line_is_cut(void **state)
{
	(void)state;
	log_setup(LOG_INFO, LOG_FORMAT_JOURNAL);
	for (size_t len = 1; len < 2100; len += len < 1950 ? 97 : 1) {
		check_long_text('x', len);
		check_long_text('\n', len);
	}
	check_long_text('x', 8000);
}

static void
leaves_errno_alone(void **state)
{
	struct log_gate gate = {0};

	(void)state;
	log_setup(LOG_INFO, LOG_FORMAT_JOURNAL);
	errno = ENOSPC;
	log_event(LOG_INFO, "a", "%s", "k=v");
	assert_int_equal(errno, ENOSPC);
	assert_string_equal(logged(), "<6>event=a k=v\n");
	log_limited(&gate, LOG_INFO, "a", "%s", "k=v");
	assert_int_equal(errno, ENOSPC);
	assert_string_equal(logged(), "<6>event=a k=v\n");
	close(STDERR_FILENO);
	log_event(LOG_INFO, "lost", "%s", "");
	assert_int_equal(errno, ENOSPC);
	dup2(file, STDERR_FILENO);
	log_event(LOG_INFO, "b", "%s", "");
	logged();
}

static void
tells_of_lines_that_could_not_be_written(void **state)
{
	(void)state;
	log_setup(LOG_INFO, LOG_FORMAT_JOURNAL);
	close(STDERR_FILENO);
	log_event(LOG_INFO, "a", "%s", "");
	log_event(LOG_INFO, "b", "%s", "");
	dup2(file, STDERR_FILENO);
	log_event(LOG_INFO, "c", "%s", "");
	log_event(LOG_INFO, "d", "%s", "");
	assert_string_equal(logged(),
	    "<6>event=c\n<4>event=log_lines_lost count=2\n<6>event=d\n");
}

static void
lets_a_burst_through_and_counts_the_rest(void **state)
{
	struct log_gate gate;
	struct timespec before, after;
	const char *line;

	(void)state;
	log_setup(LOG_INFO, LOG_FORMAT_JOURNAL);
	do { /* until all is in one second */
		memset(&gate, 0, sizeof gate);
		logged();
		clock_gettime(CLOCK_MONOTONIC, &before);
		for (int i = 0; i < 100; i++)
			log_limited(&gate, LOG_WARNING, "refused", "i=%d", i);
		clock_gettime(CLOCK_MONOTONIC, &after);
	} while (before.tv_sec != after.tv_sec);
	line = logged();
	assert_matches(line, "^<4>event=refused i=0\n");
	assert_int_equal(gate.left_out[0].count, 100 - LOG_BURST);
	assert_int_equal(count_lines(line), LOG_BURST);
	gate.second--;
	log_limited(&gate, LOG_WARNING, "refused", "i=%d", 100);
	assert_string_equal(logged(),
	    "<4>event=log_left_out of=refused count=80\n<4>event=refused i=100\n");
	gate.second--;
	log_limited(&gate, LOG_WARNING, "refused", "i=%d", 101);
	assert_string_equal(logged(), "<4>event=refused i=101\n");
	/* what the level drops does not count */
	log_limited(&gate, LOG_DEBUG, "refused", "i=%d", 102);
	assert_string_equal(logged(), "");
	assert_int_equal(gate.left_out[0].count, 0);
}

static void
tells_what_was_left_out(void **state)
{
	static const char *const events[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "a"};
	struct log_gate gate = {0};

	(void)state;
	log_setup(LOG_INFO, LOG_FORMAT_JOURNAL);
	do { /* until all is in one second */
		log_tell_left_out(&gate);
		logged();
		for (int i = 0; i < LOG_BURST; i++)
			log_limited(&gate, LOG_INFO, "passes", "%s", "");
		for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
			log_limited(&gate, i < 2 ? LOG_ERR : LOG_NOTICE, events[i], "%s", "");
	} while (count_lines(logged()) != LOG_BURST);
	gate.second--;
	log_tell_left_out(&gate);
	assert_string_equal(logged(), "<5>event=log_left_out of=a count=2\n"
	                              "<3>event=log_left_out of=b count=1\n"
	                              "<5>event=log_left_out of=c count=1\n"
	                              "<5>event=log_left_out of=d count=1\n"
	                              "<5>event=log_left_out of=e count=1\n"
	                              "<5>event=log_left_out of=f count=1\n"
	                              "<5>event=log_left_out of=g count=1\n"
	                              "<5>event=log_left_out of=others count=2\n");
	log_tell_left_out(&gate);
	assert_string_equal(logged(), "");
}

static void *
log_much(void *arg)
{
	const char *letter = arg;
	char value[200];

	memset(value, letter[0], sizeof value - 1);
	value[sizeof value - 1] = '\0';
	for (int i = 0; i < 500; i++)
		log_event(LOG_INFO, "t", "v=%s", value);
	return NULL;
}

static void
mixes_no_threads(void **state)
{
	static char letters[4][2] = {"a", "b", "c", "d"};
	pthread_t threads[4];
	size_t lines = 0;

	(void)state;
	log_setup(LOG_INFO, LOG_FORMAT_JOURNAL);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_much, letters[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	logged();
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		const char *value = line + strlen("<6>event=t v=");

		assert_int_equal(strlen(line), strlen("<6>event=t v=") + 199);
		assert_int_equal(strspn(value, (char[]){value[0], '\0'}), 199);
		lines++;
	}
	assert_int_equal(lines, 2000);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(begins_with_time_and_name_where_plain),
	    cmocka_unit_test(begins_with_the_priority_under_the_journal),
	    cmocka_unit_test(knows_the_journal_by_its_stream),
	    cmocka_unit_test(drops_what_is_above_the_level),
	    cmocka_unit_test(lets_nobody_forge_a_line),
	    cmocka_unit_test(ends_a_value_where_its_quotes_end),
	    cmocka_unit_test(says_where_a_line_is_cut),
	    cmocka_unit_test(leaves_errno_alone),
	    cmocka_unit_test(tells_of_lines_that_could_not_be_written),
	    cmocka_unit_test(lets_a_burst_through_and_counts_the_rest),
	    cmocka_unit_test(tells_what_was_left_out),
	    cmocka_unit_test(mixes_no_threads),
	};

	return cmocka_run_group_tests(tests, redirect, restore);
}
