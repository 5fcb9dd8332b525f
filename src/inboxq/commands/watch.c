/* SPDX-License-Identifier: ISC */
/* `inboxq watch`: the hot folders of the configuration, or one (inboxq/watch/watch.h). */
#include "config.h"

#include "inboxq/commands/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "inboxq/base/settings.h"
#include "inboxq/spool/item.h"
#include "inboxq/watch/kind.h"
#include "inboxq/watch/watch.h"
#include "lib/log.h"

static int
check(struct command_call *call)
{
	int rc = EX_OK;

	if (!call->count && (command_value(call, "inbox") || command_value(call, "priority")))
		return command_misused(call, "-i and -p are for a DIR; sections name their own");
	if (call->count)
		rc = command_check_inbox(call);
	if (rc == EX_OK && call->count)
		rc = command_check_priority(call);
	call->holds_hangup = 1;
	return rc;
}

static int
start_failed(int code, const char *what, const char *why)
{
	log_event(LOG_CRIT, "start_failed", "error=\"%s: %s\" exit=%d", what, why, code);
	return code;
}

/* The one folder, and no section. */
static int
run_one(struct command_call *call)
{
	const char *inbox = command_value(call, "inbox"), *text = command_value(call, "priority");
	enum item_priority priority = ITEM_NORMAL;
	char *path = realpath(call->rest[0], NULL);
	int rc;

	if (!path)
		return start_failed(EX_NOINPUT, call->rest[0], strerror(errno));
	rc = settings_watch_only(call->settings, path, inbox);
	free(path);
	if (rc < 0)
		return start_failed(EX_OSERR, "DIR", strerror(ENOMEM));
	if (text && item_priority_parse(text, &priority) == 0)
		call->settings->watches[0].priority = (int)priority;
	return watch_folders(&watch_hot, NULL, call->settings, call->spool);
}

static int
run(struct command_call *call)
{
	if (call->count)
		return run_one(call);
	if (call->settings->watch_count == 0)
		return start_failed(EX_CONFIG, call->config, "no [watch NAME] in it, and no DIR");
	return watch_folders(&watch_hot, call->config, call->settings, call->spool);
}

static const struct command_option options[] = {
    {'i', "inbox", "INBOX", "the receiver's inbox for what is in DIR"},
    {'p', "priority", "PRIORITY", "how urgent that is: low, normal or high"},
    {0, NULL, NULL, NULL},
};

const struct command command_watch = {
    .name = "watch",
    .synopsis = "[DIR -i INBOX]",
    .help = "takes files from hot folders into the queue as they are written",
    .options = options,
    .rest_max = 1,
    .spool = COMMAND_MAKES_SPOOL,
    .logs = 1,
    .check = check,
    .run = run,
};
