/* SPDX-License-Identifier: ISC */
/*
 * One event a line on standard error: "event=item_stored key=value ...".
 * Under the journal (or where asked) a line starts with "<N>", its priority,
 * as sd-daemon(3) has it; elsewhere with the time and the priority's name.
 *
 * A line is written by one write(2), so threads do not mix; a byte outside
 * 0x20 to 0x7e is written escaped whatever the caller did, so no peer can
 * forge a line.  Values from peers go through escape_bytes() first, so that
 * they cannot forge a key either.  Text with blanks stands in quotes: those that `fmt` has;
 * a quote or a backslash within is escaped.  A line holds 2,048 bytes; one that is cut
 * ends with "... cut=<bytes left out>".  No call here changes errno.
 *
 * No call here waits for who reads the log, once log_start() has been called: log_writer.h.
 * A line that cannot be held or written is lost, and told of in the first line that can be
 * written afterwards: "event=log_lines_lost count=<lines>".
 *
 * Rejected: syslog(3), which hides a full pipe and cuts lines without a word.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdarg.h>
#include <stdint.h>
#include <syslog.h> /* LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG */

#include "lib/attr.h"

enum log_format {
	LOG_FORMAT_AUTO, /* as for the journal where JOURNAL_STREAM names standard error */
	LOG_FORMAT_JOURNAL,
	LOG_FORMAT_PLAIN,
};

/*
 * What a command has to say to whoever typed it: "<program>: text" on standard error, made
 * printable, and under the journal with the priority of an error before it.  It may wait, as
 * all output of a command may.
 */
void log_complain(const char *program, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Call before the second thread starts.  Events above `level` are dropped.
 * Without it: LOG_INFO, LOG_FORMAT_AUTO. */
void log_setup(int level, enum log_format format);

/* May be changed at any time, from any thread (reload). */
void log_set_level(int level);

/* `fmt` gives the "key=value" part; it may be empty. */
void log_event(int priority, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);
void log_event_args(int priority, const char *event, const char *fmt, va_list args)
    PRINTF_LIKE(3, 0);

/* Call before the second thread starts; from then on none waits.  At exit() what is held
 * is still written, for a second at most; before _exit() it takes log_writer_drain().
 * -1: out of memory. */
MUST_CHECK int log_start(void);

/*
 * For events that a peer can cause at will: at most `LOG_BURST` lines a
 * second through one gate.  Once the second is over, log_tell_left_out(), which the first
 * event of a later one calls, too, says how many were left out of what:
 * "event=log_left_out of=<event> count=<lines>".  A gate belongs to one thread; zero it
 * to begin with.
 */
#define LOG_BURST 20
#define LOG_KINDS 8 /* events that are told apart; the last is for all others */
struct log_gate {
	int64_t second;
	uint64_t passed;
	struct log_left_out {
		const char *event; /* borrowed for ever: a literal */
		int priority;
		uint64_t count;
	} left_out[LOG_KINDS];
};
void log_limited(struct log_gate *gate, int priority, const char *event, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void log_tell_left_out(struct log_gate *gate);

#endif
