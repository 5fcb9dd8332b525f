/* SPDX-License-Identifier: ISC */
/*
 * A terminal taken for a screen of one's own: the alternate one, so that what stood there is back
 * afterwards.  Whatever ends the program, by a signal too, the terminal is as it was before.
 *
 * Rejected: curses.  What is drawn is lines from top to bottom, a few times a minute.
 */
#ifndef INBOXCTL_SCREENS_LIVE_H
#define INBOXCTL_SCREENS_LIVE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"

/* Takes the terminal on standard output; keys come from standard input, where that is one, too.
 * From here on the signals that end or stop it, or change its size, come while live_wait() waits,
 * and at no other time.  0, or -1 with errno. */
MUST_CHECK int live_begin(void);
/* Gives it back; before live_begin(), or twice, does nothing. */
void live_end(void);

/* Draws lines, each closed by LF, none wider than the screen: those that find no room are left
 * out.  0, or -1 with errno: the terminal is gone. */
MUST_CHECK int live_draw(const char *text, size_t rows);

enum live_event {
	LIVE_TIME,  /* the time is over */
	LIVE_KEY,   /* *key was typed */
	LIVE_DRAW,  /* the screen is to be drawn anew: it has another size, or was not ours */
	LIVE_ENDED, /* a signal, live_die() */
};
/* Waits up to `milliseconds`, and no less than 0. */
MUST_CHECK enum live_event live_wait(int64_t milliseconds, char *key);

/* Ends by the signal that came, as if it had not been caught. */
void live_die(void);

#endif
