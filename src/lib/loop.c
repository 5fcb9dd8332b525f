/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "lib/loop.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sysexits.h>

#include "lib/log.h"

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
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	event_set_log_callback(log_word);
	event_set_fatal_callback(end_program);
	if (config && event_config_set_flag(config, flags | EVENT_BASE_FLAG_IGNORE_ENV) == 0)
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}
