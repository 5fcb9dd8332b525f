/* SPDX-License-Identifier: ISC */
/*
 * A line is put together on the stack of the thread that logs and leaves by
 * one write(2), which a pipe takes whole (2,048 is below PIPE_BUF): no lock,
 * no buffer to flush in a crash.  A line that cannot be written is counted,
 * and the next that can be is followed by the count.
 *
 * Rejected: stdio, whose lock and buffer a crash or a fork may find half-way.
 */
#include "config.h"

#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/escape.h"
#include "lib/parse.h"

#define LINE_MAX_BYTES 2048 /* with the LF */
#define CUT_MARK_ROOM 32    /* for "... cut=<bytes>" and the LF */

static atomic_int log_level = LOG_INFO;
static atomic_int log_form = LOG_FORMAT_AUTO;
static atomic_uint_least64_t lines_lost;

/* systemd.exec(5): that the variable is there is not enough, since it is
 * inherited by those whose standard error goes elsewhere. */
static int
is_journal_stream(const char *value)
{
	const char *colon = value ? strchr(value, ':') : NULL;
	uint64_t device, inode;
	struct stat st;

	return colon && parse_u64(value, (size_t)(colon - value), UINT64_MAX, &device) == 0 &&
	    parse_u64(colon + 1, strlen(colon + 1), UINT64_MAX, &inode) == 0 &&
	    fstat(STDERR_FILENO, &st) == 0 && (uint64_t)st.st_dev == device &&
	    (uint64_t)st.st_ino == inode;
}

static enum log_format
settled_format(enum log_format format)
{
	if (format != LOG_FORMAT_AUTO)
		return format;
	return is_journal_stream(getenv("JOURNAL_STREAM")) ? LOG_FORMAT_JOURNAL
	                                                   : LOG_FORMAT_PLAIN;
}

void
log_setup(int level, enum log_format format)
{
	log_set_level(level);
	atomic_store(&log_form, (int)settled_format(format));
}

void
log_set_level(int level)
{
	atomic_store(&log_level, level);
}

static size_t
put_prefix(char *dst, size_t room, int priority)
{
	static const char *const names[] = {
	    "emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"};
	enum log_format format = (enum log_format)atomic_load(&log_form);
	char t[PRINT_TIME_ROOM];
	struct timespec now;
	int len;

	if (format == LOG_FORMAT_AUTO) {
		format = settled_format(format);
		atomic_store(&log_form, (int)format);
	}
	if (format == LOG_FORMAT_JOURNAL) {
		len = snprintf(dst, room, "<%d>", priority);
	} else {
		clock_gettime(CLOCK_REALTIME, &now);
		print_time(t, &now);
		len = snprintf(dst, room, "%.4s-%.2s-%.5s:%.2s:%.6sZ %s ", t, t + 4, t + 6, t + 11,
		    t + 13, names[priority]);
	}
	return (size_t)len;
}

/* Adds text with bytes outside 0x20 to 0x7e escaped, up to `end`.  Returns how
 * many bytes of `text` went in. */
static size_t
put_safely(char *dst, size_t *at, size_t end, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		int plain = text[i] >= 0x20 && text[i] <= 0x7e;

		if (end - *at < (plain ? 1U : 3U))
			break;
		if (plain)
			dst[(*at)++] = text[i];
		else
			*at += escape_bytes(dst + *at, 4, &text[i], 1);
	}
	return i;
}

static int
write_line(const char *line, size_t len)
{
	ssize_t done;

	do
		done = write(STDERR_FILENO, line, len);
	while (done < 0 && errno == EINTR);
	return done == (ssize_t)len ? 0 : -1;
}

static void
log_line(int priority, const char *event, const char *text, size_t len, size_t left_out)
{
	/* One byte more: escape_bytes() closes with a NUL. */
	char line[LINE_MAX_BYTES + 1];
	size_t at, end = LINE_MAX_BYTES - CUT_MARK_ROOM;

	at = put_prefix(line, sizeof line, priority);
	put_safely(line, &at, end, "event=", 6);
	left_out += strlen(event);
	left_out -= put_safely(line, &at, end, event, strlen(event));
	if (len > 0) {
		put_safely(line, &at, end, " ", 1);
		left_out += len - put_safely(line, &at, end, text, len);
	}
	if (left_out > 0)
		at += (size_t)snprintf(line + at, CUT_MARK_ROOM, "... cut=%zu", left_out);
	line[at++] = '\n';
	if (write_line(line, at) < 0)
		atomic_fetch_add(&lines_lost, 1);
}

static void
log_text(int priority, const char *event, const char *fmt, va_list args)
{
	char text[LINE_MAX_BYTES];
	uint64_t lost = atomic_load(&lines_lost);
	size_t len = 0, left_out = 0;
	int want;

	want = vsnprintf(text, sizeof text, fmt, args);
	if (want > 0) {
		len = (size_t)want < sizeof text ? (size_t)want : sizeof text - 1;
		left_out = (size_t)want - len;
	}
	log_line(priority, event, text, len, left_out);
	/* Tells of the lines lost before, unless this one was lost as well. */
	if (lost > 0 && atomic_compare_exchange_strong(&lines_lost, &lost, 0)) {
		int n = snprintf(text, sizeof text, "count=%" PRIu64, lost);

		log_line(LOG_WARNING, "log_lines_lost", text, (size_t)n, 0);
	}
}

static int
is_dropped(int priority)
{
	return priority > atomic_load(&log_level);
}

void
log_event(int priority, const char *event, const char *fmt, ...)
{
	int saved = errno;
	va_list args;

	if (is_dropped(priority))
		return;
	va_start(args, fmt);
	log_text(priority & 7, event, fmt, args);
	va_end(args);
	errno = saved;
}

/* Whether a line may pass; *told gets how many were left out in a second that
 * is now over. */
static int
gate_opens(struct log_gate *gate, uint64_t *told)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	*told = 0;
	if (gate->second != now.tv_sec) {
		*told = gate->left_out;
		gate->second = now.tv_sec;
		gate->passed = gate->left_out = 0;
	}
	if (gate->passed < LOG_BURST) {
		gate->passed++;
		return 1;
	}
	gate->left_out++;
	return 0;
}

void
log_limited(struct log_gate *gate, int priority, const char *event, const char *fmt, ...)
{
	int saved = errno;
	uint64_t told;
	va_list args;

	if (is_dropped(priority))
		return;
	if (gate_opens(gate, &told)) {
		if (told > 0)
			log_event(priority, "log_left_out", "count=%" PRIu64, told);
		va_start(args, fmt);
		log_text(priority & 7, event, fmt, args);
		va_end(args);
	}
	errno = saved;
}
