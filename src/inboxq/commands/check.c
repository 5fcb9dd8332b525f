/* SPDX-License-Identifier: ISC */
/* `inboxq check`: what a start or a reload reads beside the file of the settings; the spool is not
 * looked at. */
#include "config.h"

#include "inboxq/commands/rows.h"

#include <errno.h>
#include <stdio.h>
#include <sysexits.h>

#include "inboxq/loaded.h"
#include "inboxq/watch/folder.h"
#include "inboxq/watch/relay.h"
#include "lib/log.h"

static int
run(struct command_call *call)
{
	struct why error, folder;
	struct tls *tls = loaded_tls(call->settings, &error);
	int rc = tls ? EX_OK : errno == EAGAIN ? EX_TEMPFAIL : EX_CONFIG;

	/* Said, and no more: folders come and go, and run has nothing to do with them. */
	for (size_t i = 0; i < call->settings->watch_count; i++)
		if (folder_check(&call->settings->watches[i], &folder) < 0)
			log_complain("inboxq", "%s", folder.text);
	for (size_t i = 0; i < call->settings->relay_count; i++)
		if (relay_check(&call->settings->relays[i], &folder) < 0)
			log_complain("inboxq", "%s", folder.text);
	if (tls)
		printf("%s: fine\n", call->config);
	else
		log_complain("inboxq", "%s", error.text);
	tls_unref(tls);
	return rc;
}

const struct command command_check = {
    .name = "check",
    .synopsis = "",
    .help = "reads configuration and certificates as a start does, and ends",
    .run = run,
};
