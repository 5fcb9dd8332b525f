/* SPDX-License-Identifier: ISC */
#include "lib/conf_log.h"

#include "lib/log.h"

static void
on_error(void *ctx, const char *message)
{
	struct why *reason = ctx;

	log_event(LOG_ERR, "config_error", "note=\"%s\"", message);
	if (!reason->text[0])
		why_say(reason, "%s", message);
}

struct conf_report
conf_log(struct why *reason)
{
	reason->text[0] = '\0';
	return (struct conf_report){on_error, reason};
}
