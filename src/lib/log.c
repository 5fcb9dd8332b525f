/* SPDX-License-Identifier: ISC */
/*
 * A line is put together on the stack of the thread that logs, and goes to log_writer,
 * which never makes it wait.
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

#include "lib/clock.h"
#include "lib/log_writer.h"
#include "lib/parse.h"

#define CUT_MARK_ROOM 32 /* for "... cut=<bytes>" and the LF */
#define QUOTES 31        /* bytes that may stand for a quote until values are in */

static atomic_int log_level = LOG_INFO;
static atomic_int log_form = LOG_FORMAT_AUTO;

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

/* One byte as it may stand in a line. */
static size_t
put_byte(char dst[4], char byte, char quote)
{
	int is_value = quote && (byte == '"' || byte == '\\');

	if (quote && byte == quote)
		byte = '"';
	if (byte >= 0x20 && byte <= 0x7e && !is_value) {
		dst[0] = byte;
		return 1;
	}
	return (size_t)snprintf(dst, 4, "%%%02X", (unsigned)(unsigned char)byte);
}

/* Adds text, up to `end`, as put_byte() has it.  Returns how many bytes of `text` went
 * in. */
static size_t
put_safely(char *dst, size_t *at, size_t end, const char *text, size_t len, char quote)
{
	size_t i;

	for (i = 0; i < len; i++) {
		char safe[4];
		size_t width = put_byte(safe, text[i], quote);

		if (end - *at < width)
			break;
		memcpy(dst + *at, safe, width);
		*at += width;
	}
	return i;
}

/* What log_event() was given, put together: `quote` stands where `fmt` has a quote, so that
 * one in a value is told from it. */
struct text {
	char at[LOG_LINE_MAX];
	size_t len, left_out;
	char quote;
};

static size_t
print_line(char line[LOG_LINE_MAX + 1], int priority, const char *event, const struct text *text)
{
	size_t at, left_out = text->left_out + strlen(event), end = LOG_LINE_MAX - CUT_MARK_ROOM;

	at = put_prefix(line, LOG_LINE_MAX, priority);
	put_safely(line, &at, end, "event=", 6, 0);
	left_out -= put_safely(line, &at, end, event, strlen(event), 0);
	if (text->len > 0) {
		put_safely(line, &at, end, " ", 1, 0);
		left_out += text->len;
		left_out -= put_safely(line, &at, end, text->at, text->len, text->quote);
	}
	if (left_out > 0)
		at += (size_t)snprintf(line + at, CUT_MARK_ROOM, "... cut=%zu", left_out);
	line[at++] = '\n';
	return at;
}

size_t
log_print_lost(char line[LOG_LINE_MAX + 1], uint64_t count)
{
	struct text text = {.quote = 0};

	text.len = (size_t)snprintf(text.at, sizeof text.at, "count=%" PRIu64, count);
	return print_line(line, LOG_WARNING, "log_lines_lost", &text);
}

static size_t
count_bytes(const char *text, char byte)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == byte;
	return count;
}

/* With `quote` in the place of the quotes of `fmt`. */
static void
print_text(struct text *text, char quote, const char *fmt, va_list args)
{
	char own[LOG_LINE_MAX];
	int want;

	snprintf(own, sizeof own, "%s", fmt);
	for (char *at = own; *at; at++)
		if (*at == '"')
			*at = quote;
	text->quote = quote;
	want = vsnprintf(text->at, sizeof text->at, own, args);
	text->len = want <= 0 ? 0 : (size_t)want < sizeof text->at ? (size_t)want
	                                                           : sizeof text->at - 1;
	text->left_out = want > 0 ? (size_t)want - text->len : 0;
}

static void
log_text(int priority, const char *event, const char *fmt, va_list args)
{
	char line[LOG_LINE_MAX + 1];
	size_t quotes = count_bytes(fmt, '"');
	struct text text;

	/* A control byte that no value has. */
	for (char quote = 1; quote <= QUOTES; quote++) {
		va_list again;

		va_copy(again, args);
		print_text(&text, quote, fmt, again);
		va_end(again);
		if (count_bytes(text.at, quote) <= quotes)
			break;
	}
	log_writer_put(line, print_line(line, priority, event, &text));
}

static int
is_dropped(int priority)
{
	return priority > atomic_load(&log_level);
}

void
log_event_args(int priority, const char *event, const char *fmt, va_list args)
{
	int saved = errno;

	if (!is_dropped(priority))
		log_text(priority & 7, event, fmt, args);
	errno = saved;
}

void
log_event(int priority, const char *event, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_event_args(priority, event, fmt, args);
	va_end(args);
}

void
log_tell_left_out(struct log_gate *gate)
{
	int64_t second = clock_monotonic() / CLOCK_SECOND;

	if (gate->second == second)
		return;
	for (int i = 0; i < LOG_KINDS && gate->left_out[i].count > 0; i++)
		log_event(gate->left_out[i].priority, "log_left_out", "of=%s count=%" PRIu64,
		    gate->left_out[i].event, gate->left_out[i].count);
	*gate = (struct log_gate){.second = second};
}

static void
leave_out(struct log_gate *gate, int priority, const char *event)
{
	struct log_left_out *kind = gate->left_out;

	while (kind < gate->left_out + LOG_KINDS - 1 && kind->count > 0 &&
	    strcmp(kind->event, event) != 0)
		kind++;
	kind->event = kind < gate->left_out + LOG_KINDS - 1 ? event : "others";
	kind->priority = priority;
	kind->count++;
}

void
log_limited(struct log_gate *gate, int priority, const char *event, const char *fmt, ...)
{
	int saved = errno;
	va_list args;

	if (is_dropped(priority))
		return;
	log_tell_left_out(gate);
	if (gate->passed < LOG_BURST) {
		gate->passed++;
		va_start(args, fmt);
		log_text(priority & 7, event, fmt, args);
		va_end(args);
	} else {
		leave_out(gate, priority, event);
	}
	errno = saved;
}

void
log_complain(const char *program, const char *fmt, ...)
{
	int is_journal = settled_format(LOG_FORMAT_AUTO) == LOG_FORMAT_JOURNAL;
	char text[LOG_LINE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	/* Names of files may have any other byte. */
	for (char *at = text; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
	fprintf(stderr, "%s%s: %s\n", is_journal ? "<3>" : "", program, text);
}

int
log_start(void)
{
	if (log_writer_start() < 0)
		log_event(LOG_WARNING, "log_without_thread", "error=\"%s\"", strerror(errno));
	return atexit(log_writer_drain);
}
