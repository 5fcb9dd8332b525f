/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/screens/live.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define ENTER "\x1b[?1049h\x1b[?25l\x1b[2J" /* the alternate screen, no cursor, empty */
#define LEAVE "\x1b[0m\x1b[?25h\x1b[?1049l"

static struct {
	int is_begun, has_keys;
	struct termios before;
	sigset_t unblocked;
} live;

static volatile sig_atomic_t ended, resized, suspended;

static void
on_signal(int number)
{
	if (number == SIGWINCH || number == SIGCONT)
		resized = 1;
	else if (number == SIGTSTP)
		suspended = 1;
	else
		ended = number;
}

static int
take_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT};
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked;

	sigemptyset(&blocked);
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		struct sigaction old;
		/* What nohup(1) and the like have set stays so. */
		if (sigaction(numbers[i], NULL, &old) < 0)
			return -1;
		if (old.sa_handler == SIG_IGN)
			continue;
		if (sigaction(numbers[i], &action, NULL) < 0)
			return -1;
		sigaddset(&blocked, numbers[i]);
	}
	return sigprocmask(SIG_BLOCK, &blocked, &live.unblocked);
}

static int
put(const char *text)
{
	return fputs(text, stdout) == EOF || fflush(stdout) == EOF ? -1 : 0;
}

/* Keys come one by one, unseen; signals by keys stay. */
static int
enter(void)
{
	struct termios mine = live.before;

	mine.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	mine.c_cc[VMIN] = 1;
	mine.c_cc[VTIME] = 0;
	if (live.has_keys && tcsetattr(STDIN_FILENO, TCSANOW, &mine) < 0)
		return -1;
	return put(ENTER);
}

static void
leave(void)
{
	(void)put(LEAVE);
	if (live.has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &live.before);
}

int
live_begin(void)
{
	live.has_keys = tcgetattr(STDIN_FILENO, &live.before) == 0;
	if (take_signals() < 0)
		return -1;
	live.is_begun = 1;
	if (enter() < 0) {
		int error = errno;
		live_end();
		errno = error;
		return -1;
	}
	return 0;
}

void
live_end(void)
{
	if (!live.is_begun)
		return;
	leave();
	live.is_begun = 0;
	sigprocmask(SIG_SETMASK, &live.unblocked, NULL);
}

int
live_draw(const char *text, size_t rows)
{
	const char *end;
	size_t i;

	/* A line is emptied before it is written: behind one that is as wide as the screen the
	 * cursor still stands on its last character, which would go. */
	fputs("\x1b[H", stdout);
	for (i = 0; i < rows && (end = strchr(text, '\n')); i++, text = end + 1) {
		fputs(i > 0 ? "\r\n\x1b[K" : "\x1b[K", stdout);
		fwrite(text, 1, (size_t)(end - text), stdout);
	}
	return put(i < rows ? "\r\n\x1b[J" : "");
}

/* Out of the way while it is stopped. */
static void
suspend(void)
{
	suspended = 0;
	leave();
	raise(SIGSTOP);
	(void)enter();
}

enum live_event
live_wait(int64_t milliseconds, char *key)
{
	struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};
	struct pollfd keys = {.fd = live.has_keys ? STDIN_FILENO : -1, .events = POLLIN};

	int rc = ppoll(&keys, 1, &left, &live.unblocked);
	if (ended)
		return LIVE_ENDED;
	if (suspended) {
		suspend();
		resized = 1;
	}
	if (resized) {
		resized = 0;
		return LIVE_DRAW;
	}
	if (rc <= 0)
		return LIVE_TIME;
	if (read(STDIN_FILENO, key, 1) == 1)
		return LIVE_KEY;
	live.has_keys = 0; /* nobody types there any more */
	return LIVE_TIME;
}

void
live_die(void)
{
	int number = ended;

	live_end();
	signal(number, SIG_DFL);
	raise(number);
}
