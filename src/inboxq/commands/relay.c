/* SPDX-License-Identifier: ISC */
/* `inboxq relay`: inboxes whose items go on to a receiver further up (inboxq/watch/relay.h). */
#include "config.h"

#include "inboxq/commands/rows.h"

#include <sysexits.h>

#include "inboxq/base/settings.h"
#include "inboxq/watch/kind.h"
#include "inboxq/watch/watch.h"
#include "lib/log.h"

static int
check(struct command_call *call)
{
	call->holds_hangup = 1;
	return EX_OK;
}

static int
run(struct command_call *call)
{
	if (call->settings->relay_count > 0)
		return watch_folders(&watch_relays, call->config, call->settings, call->spool);
	log_event(LOG_CRIT, "start_failed", "error=\"%s: no [relay NAME] in it\" exit=%d",
	    call->config, EX_CONFIG);
	return EX_CONFIG;
}

const struct command command_relay = {
    .name = "relay",
    .synopsis = "",
    .help = "takes items of inboxes here into the queue for a receiver further up",
    .spool = COMMAND_MAKES_SPOOL,
    .logs = 1,
    .check = check,
    .run = run,
};
