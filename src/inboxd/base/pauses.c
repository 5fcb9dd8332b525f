/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/base/pauses.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/site.h"
#include "lib/disk.h"
#include "lib/log.h"

#define LINE_ROOM (PAUSE_REASON_ROOM + 64)

/* The folder that the file of `inbox` is in; -1 with errno. */
static int
open_folder(const struct pauses *pauses, const char *inbox)
{
	return disk_open_dir(pauses->root, inbox[0] ? inbox : ".");
}

/* ---- the file */

/* A line that is not ours says no more than that there is a pause. */
static void
parse(const char *line, struct pause *out)
{
	int at = 0;

	if (sscanf(line, "since=%" SCNd64 " uid=%" SCNu64 " reason=%n", &out->since, &out->uid,
	        &at) < 2 || at == 0 || out->since <= 0) {
		*out = (struct pause){.since = PAUSE_SINCE_UNKNOWN};
		return;
	}
	snprintf(out->reason, sizeof out->reason, "%.*s", (int)strcspn(line + at, "\n"), line + at);
}

/* Of a file that somebody else has made: since when it is there, and whose it is.  A pause of which
 * nothing is known would never be too long. */
static void
describe(int folder, struct pause *out)
{
	struct stat st;

	if (fstatat(folder, PAUSES_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_mtim.tv_sec <= 1)
		return;
	out->since = st.st_mtim.tv_sec;
	out->uid = st.st_uid;
}

/* 1, or 0: there is none.  Whether there is one and nobody can tell is a 1: to take what was not
 * to be taken cannot be undone. */
static int
read_file(const struct pauses *pauses, const char *inbox, struct pause *out)
{
	int folder = open_folder(pauses, inbox);
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = folder < 0 ? -1 : openat(folder, PAUSES_FILE, flags);
	char line[LINE_ROOM] = "";
	ssize_t len;

	*out = (struct pause){.since = PAUSE_SINCE_UNKNOWN};
	if (folder >= 0 && fd < 0 && errno == ENOENT) {
		disk_close(folder);
		return 0;
	}
	if (fd < 0) {
		if (errno != ENXIO) /* of a socket that somebody has called so */
			fatal_if_gone("open", PAUSES_FILE);
		snprintf(out->reason, sizeof out->reason, "whether it is cannot be told: %s",
		    strerror(errno));
	} else {
		len = read(fd, line, sizeof line - 1);
		line[len > 0 ? len : 0] = '\0';
		parse(line, out);
	}
	if (folder >= 0 && out->since == PAUSE_SINCE_UNKNOWN)
		describe(folder, out);
	disk_close(fd);
	disk_close(folder);
	return 1;
}

static int
write_file(const struct pauses *pauses, const char *inbox, const struct pause *pause)
{
	int folder = open_folder(pauses, inbox), rc, error;
	char line[LINE_ROOM];

	if (folder < 0)
		return -1;
	snprintf(line, sizeof line, "since=%" PRId64 " uid=%" PRIu64 " reason=%s\n", pause->since,
	    pause->uid, pause->reason);
	rc = disk_write_text(folder, PAUSES_FILE, line);
	if (rc == 0)
		rc = disk_sync_dir(folder);
	error = errno;
	disk_close(folder);
	errno = error;
	return rc;
}

static int
remove_file(const struct pauses *pauses, const char *inbox)
{
	int folder = open_folder(pauses, inbox), rc, error;

	if (folder < 0)
		return -1;
	rc = unlinkat(folder, PAUSES_FILE, 0);
	if (rc < 0 && errno == ENOENT)
		rc = 0;
	if (rc == 0)
		rc = disk_sync_dir(folder);
	error = errno;
	disk_close(folder);
	errno = error;
	return rc;
}

/* ---- in force */

/* For the workers: of an inbox or, where `inflow` is NULL, of all. */
static void
set(const struct site *site, struct inflow *inflow, int is_paused)
{
	unsigned bit = inflow ? INFLOW_PAUSED : INFLOW_PAUSED_ALL;

	for (size_t i = 0; i < site->inbox_count; i++) {
		struct inflow *one = site->inboxes[i].inflow;
		if (inflow && inflow != one)
			continue;
		if (is_paused)
			atomic_fetch_or(&one->paused, bit);
		else
			atomic_fetch_and(&one->paused, ~bit);
	}
}

static void
tell(const char *inbox, const struct pause *pause)
{
	log_event(LOG_WARNING, "paused", "inbox=%s since=%" PRId64 " uid=%" PRIu64
	    " reason=\"%s\" note=\"clients keep what they have for it: inboxctl resume\"",
	    inbox[0] ? inbox : "*", pause->since, pause->uid, pause->reason);
}

void
pauses_look(struct pauses *pauses, const struct site *site, int tells)
{
	int is_paused = read_file(pauses, "", &pauses->all);

	if (!is_paused)
		pauses->all = (struct pause){0};
	else if (tells)
		tell("", &pauses->all);
	set(site, NULL, is_paused);
	for (size_t i = 0; i < site->inbox_count; i++) {
		struct inbox *inbox = &site->inboxes[i];

		is_paused = read_file(pauses, inbox->name, &inbox->inflow->pause);
		set(site, inbox->inflow, is_paused);
		if (is_paused && tells)
			tell(inbox->name, &inbox->inflow->pause);
	}
}

/* The inbox's, or NULL: of all.  0, or -1: there is no such. */
static int
find(const struct site *site, const char *name, struct inflow **out)
{
	const struct inbox *inbox = site_find_inbox(site, name, strlen(name));

	*out = inbox ? inbox->inflow : NULL;
	return inbox || !name[0] ? 0 : -1;
}

static int
is_so(const struct pauses *pauses, const struct inflow *inflow)
{
	return inflow ? (inflow_is_paused(inflow) & INFLOW_PAUSED) != 0
	              : pauses->all.since != 0;
}

/* It is, and a restart would know: somebody may have taken the file away since. */
static int
is_kept(const struct pauses *pauses, const char *inbox, const struct inflow *inflow)
{
	struct pause there;

	return is_so(pauses, inflow) && read_file(pauses, inbox, &there);
}

enum pauses_result
pauses_begin(struct pauses *pauses, const struct site *site, const char *inbox,
    const struct pause *pause, struct why *why)
{
	struct inflow *inflow;

	if (find(site, inbox, &inflow) < 0)
		return PAUSES_NO_INBOX;
	if (is_kept(pauses, inbox, inflow))
		return PAUSES_WAS_SO;
	if (write_file(pauses, inbox, pause) < 0) {
		fatal_if_gone("write", PAUSES_FILE);
		why_say(why, "%s, as that cannot be kept: %s%s" PAUSES_FILE ": %s",
		    is_so(pauses, inflow) ? "it is paused until a restart" : "nothing is paused",
		    inbox, inbox[0] ? "/" : "", strerror(errno));
		(void)remove_file(pauses, inbox);
		return PAUSES_FAILED;
	}
	*(inflow ? &inflow->pause : &pauses->all) = *pause;
	set(site, inflow, 1);
	tell(inbox, pause);
	return PAUSES_DONE;
}

enum pauses_result
pauses_end(struct pauses *pauses, const struct site *site, const char *inbox, struct why *why)
{
	struct inflow *inflow;

	if (find(site, inbox, &inflow) < 0)
		return PAUSES_NO_INBOX;
	if (!is_so(pauses, inflow))
		return PAUSES_WAS_SO;
	if (remove_file(pauses, inbox) < 0) {
		fatal_if_gone("unlink", PAUSES_FILE);
		why_say(why, "it is paused still: %s%s" PAUSES_FILE ": %s", inbox,
		    inbox[0] ? "/" : "", strerror(errno));
		return PAUSES_FAILED;
	}
	*(inflow ? &inflow->pause : &pauses->all) = (struct pause){0};
	set(site, inflow, 0);
	log_event(LOG_NOTICE, "resumed", "inbox=%s", inbox[0] ? inbox : "*");
	return PAUSES_DONE;
}

const struct pause *
pauses_find(const struct pauses *pauses, const struct site *site, const char *inbox)
{
	struct inflow *inflow;

	if (find(site, inbox, &inflow) == 0 && inflow && is_so(pauses, inflow))
		return &inflow->pause;
	return pauses->all.since ? &pauses->all : NULL;
}
