/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "lib/loop.h"

#include <event2/event.h>

struct event_base *
loop_new(int flags)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config && event_config_set_flag(config, flags | EVENT_BASE_FLAG_IGNORE_ENV) == 0)
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}
