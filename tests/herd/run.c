/* SPDX-License-Identifier: ISC */
/* See run.h. */
#include "config.h"

#include "run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/clock.h"

#define COMPLAINTS_MAX 10

static void
say(const char *fmt, va_list args)
{
	fputs("inboxload: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

void
run_die(const char *fmt, ...)
{
	static atomic_flag is_dying = ATOMIC_FLAG_INIT;
	va_list args;

	/* One thread alone may say so; and at once, as the others go on: exit() would take down
	 * beneath them what OpenSSL has. */
	while (atomic_flag_test_and_set(&is_dying))
		pause();
	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
	(void)fflush(stdout);
	_exit(69);
}

void
run_complain(struct run *run, const char *fmt, ...)
{
	va_list args;

	if (atomic_fetch_add(&run->complaints, 1) >= COMPLAINTS_MAX)
		return;
	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
}

int
run_is_over(const struct run *run, int64_t now)
{
	int64_t begin = atomic_load(&run->begin);

	if (begin == 0)
		return 0;
	if (run->options->large)
		return atomic_load(&run->large_end) != 0;
	return run->options->seconds > 0.0 &&
	    now - begin >= (int64_t)(run->options->seconds * (double)CLOCK_SECOND);
}
