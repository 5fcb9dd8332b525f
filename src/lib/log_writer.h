/* SPDX-License-Identifier: ISC */
/*
 * Where lines go: they are held in LOG_HELD bytes, and whoever reads standard
 * error may take his time.  No thread that logs waits for him: a line for which
 * there is no room is lost and counted, and once those before it are written
 * the number is told in its place.
 *
 * After log_start() a thread writes, and only it can be held up.  Before, and where it
 * cannot be had, who logs writes what poll(2) says can be written.
 *
 * Rejected: O_NONBLOCK, which everybody gets who shares the open file, the shell
 * of a terminal first; opening it anew by /proc, which no socket allows and
 * no pipe of another user; poll(2) alone, since whoever else writes into the pipe may
 * fill it between that and our write.
 */
#ifndef LIB_LOG_WRITER_H
#define LIB_LOG_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"

#define LOG_LINE_MAX 2048 /* bytes, with the LF; below PIPE_BUF: a pipe takes it whole */
#define LOG_HELD (256 * 1024)

/* 0, or -1 with errno: lines are written all the same, as above. */
MUST_CHECK int log_writer_start(void);
/* Takes a whole line, or loses it. */
void log_writer_put(const char *line, size_t len);
/* Waits until what is held is written, a second at most. */
void log_writer_drain(void);
/* Lines lost since the start. */
uint64_t log_writer_lost(void);

/* log.c's: the line that tells of `count` lost ones.  Its length. */
size_t log_print_lost(char line[LOG_LINE_MAX + 1], uint64_t count);

#endif
