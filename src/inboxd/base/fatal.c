/* SPDX-License-Identifier: ISC */
#include "inboxd/base/fatal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/log.h"
#include "lib/log_writer.h"

void
end_now(int code)
{
	log_writer_drain();
	_exit(code);
}

void
fatal(int code, const char *event, const char *fmt, ...)
{
	char with_code[1024];
	va_list args;

	snprintf(with_code, sizeof with_code, "%s exit=%d", fmt, code);
	va_start(args, fmt);
	log_event_args(LOG_CRIT, event, with_code, args);
	va_end(args);
	end_now(code);
}

void
fatal_sync(const char *what)
{
	fatal(EX_IOERR, "sync_failed",
	    "what=%s error=\"%s\" note=\"nothing that waits for it is acknowledged\"", what,
	    strerror(errno));
}

void
fatal_if_gone(const char *call, const char *what)
{
	if (disk_is_gone(errno))
		fatal(EX_IOERR, "filesystem_gone",
		    "call=%s what=%s error=\"%s\" note=\"what was acknowledged is in the journal; "
		    "clients keep the rest\"", call, what, strerror(errno));
}

int
start_failed(int code, const char *event, const char *why)
{
	log_event(LOG_CRIT, event, "error=\"%s\" exit=%d", why, code);
	return code;
}

void *
must_alloc(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		fatal(EX_OSERR, "out_of_memory", "bytes=%zu", size);
	return p;
}

void *
must_grow(void *array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return array;
	*room = *room ? *room * 2 : 8;
	array = realloc(array, *room * size);
	if (!array)
		fatal(EX_OSERR, "out_of_memory", "bytes=%zu", *room * size);
	return array;
}
