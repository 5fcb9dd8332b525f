/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/footing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/hold.h"
#include "inboxd/drafts/partial.h"
#include "inboxd/publish/sync.h"
#include "lib/disk.h"
#include "lib/log.h"

/* Below the root.  No inbox is called so. */
#define FOLDER ".trial"
#define FOLDER_OF_CHECK ".trial-check" /* beside a start that comes meanwhile */

static int
hold(int root, const struct settings *settings, const struct trial *found, struct why *error)
{
	if (!found->error && !found->can[TRIAL_LOCKS])
		return why_say(error,
		    "root %s: its file system, %s, gives locks of fcntl(2) that keep nobody out: "
		    "two receivers could take it at once", settings->root, found->type);
	return sync_check(root, settings->sync, error);
}

/* What was not tried may do anything. */
static int
flags_are_good(const struct trial *found)
{
	return !found->error && found->rename == TRIAL_NOREPLACE;
}

/* What is to be said of it beside; 0: nothing. */
static int
remark(const struct trial *found, struct why *note)
{
	if (found->error == ECANCELED)
		why_say(note, "a receiver runs there: not tried all");
	else if (found->error == EBUSY)
		why_say(note, "another check is at work there: not tried all");
	else if (found->error)
		why_say(note, "not tried all: %s", strerror(found->error));
	else if (found->is_volatile)
		why_say(note, "it keeps nothing when the power fails");
	else
		return 0;
	return 1;
}

int
footing_try(int root, const struct settings *settings, struct trial *found, struct why *error)
{
	char text[TRIAL_ROOM];
	struct why note;

	trial_run(root, FOLDER, found);
	errno = found->error;
	fatal_if_gone("trial", FOLDER);
	if (!flags_are_good(found))
		disk_rename_by_look();
	trial_print(found, text);
	if (remark(found, &note))
		log_event(LOG_WARNING, "filesystem", "%s note=\"%s\"", text, note.text);
	else
		log_event(LOG_NOTICE, "filesystem", "%s", text);
	return hold(root, settings, found, error);
}

int
footing_look(int root, const struct settings *settings, struct why *error)
{
	char text[TRIAL_ROOM];
	struct trial found;
	struct why note;

	if (disk_lock_holder(root, HOLD_FILE) == 0)
		trial_run(root, FOLDER_OF_CHECK, &found);
	else
		trial_look(root, &found);
	trial_print(&found, text);
	if (remark(&found, &note))
		printf("filesystem: %s (%s)\n", text, note.text);
	else
		printf("filesystem: %s\n", text);
	return hold(root, settings, &found, error);
}

int
footing_sync_parts(int root, const struct site *site)
{
	if (filesystem_trusts_syncfs(root))
		return disk_sync_fs(root);
	for (size_t i = 0; i < site->inbox_count; i++)
		if (partial_sync_all(&site->inboxes[i]) < 0)
			return -1;
	return 0;
}
