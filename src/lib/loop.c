/* SPDX-License-Identifier: ISC */
/*
 * For each descriptor that it has ever waited for, libevent keeps some bytes until its loop is
 * freed.  Between the blocks of the connection that came with the descriptor they would keep a
 * page of them, in use for those bytes alone, from going back to the system when the
 * connection closes: so they get a place of their own.
 */
#include "config.h"

#include "lib/loop.h"

#include <event2/event.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/log.h"

#define SMALL ((size_t)32)       /* bytes: what it keeps for a descriptor is less */
#define SMALL_MAX ((size_t)131072) /* of them; beyond, they are where all is */

static char *small;               /* only those in use take memory */
static atomic_size_t small_taken; /* never given back: libevent frees them with its loop */

static int
is_small(const void *block)
{
	return small && (uintptr_t)block >= (uintptr_t)small &&
	    (uintptr_t)block < (uintptr_t)small + SMALL * SMALL_MAX;
}

static void *
take_block(size_t size)
{
	size_t number = SMALL_MAX;

	if (small && size <= SMALL && atomic_load(&small_taken) < SMALL_MAX)
		number = atomic_fetch_add(&small_taken, 1);
	return number < SMALL_MAX ? small + SMALL * number : malloc(size);
}

static void
free_block(void *block)
{
	if (!is_small(block))
		free(block);
}

static void *
change_block(void *block, size_t size)
{
	void *other;

	if (!is_small(block))
		return realloc(block, size);
	other = size > SMALL ? malloc(size) : block;
	if (other && other != block)
		memcpy(other, block, SMALL);
	return other;
}

/* What was taken before is freed as ever. */
static void
set_memory(void)
{
#ifdef EVENT_SET_MEM_FUNCTIONS_IMPLEMENTED
	if (small)
		return;
	small = calloc(SMALL_MAX, SMALL);
	event_set_mem_functions(take_block, change_block, free_block);
#endif
}

static void
log_word(int severity, const char *text)
{
	static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR};

	log_event(severity >= 0 && severity < 4 ? priorities[severity] : LOG_ERR, "libevent",
	    "note=\"%s\"", text);
}

/* libevent cannot go on, and has said why. */
static void
end_program(int code)
{
	(void)code;
	exit(EX_OSERR);
}

struct event_base *
loop_new(int flags)
{
	struct event_config *config;
	struct event_base *base = NULL;

	set_memory();
	config = event_config_new();
	event_set_log_callback(log_word);
	event_set_fatal_callback(end_program);
	if (config && event_config_set_flag(config, flags | EVENT_BASE_FLAG_IGNORE_ENV) == 0)
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}
