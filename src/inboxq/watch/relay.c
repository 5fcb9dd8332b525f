/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/watch/relay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inboxq/spool/intake.h"
#include "inboxq/watch/kind.h"
#include "inboxq/watch/relay_parts.h"
#include "lib/conf.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/parse.h"
#include "lib/proto.h"

#define OPEN_EVERY (5 * CLOCK_SECOND)  /* until a folder that is not there is tried again */
#define LIST_EVERY (30 * CLOCK_SECOND) /* where inotify tells what comes; else each second */
#define LIST_SHARE 20                  /* listing takes one of so many parts of the time at most */

static const struct settings_watch *
sections(const struct settings *settings, size_t *count)
{
	*count = settings->relay_count;
	return settings->relays;
}

static void
configure(void *folder, const struct settings_watch *settings)
{
	struct relay *relay = folder;

	relay->settings = settings;
	escape_bytes(relay->printed, sizeof relay->printed, settings->folder,
	    strlen(settings->folder));
}

static void
close_relay(struct relay *relay)
{
	if (relay->number >= 0)
		notice_remove(relay->setup.notice, relay->number);
	relay->number = -1;
	disk_close(relay->dir);
	relay->dir = -1;
	relayed_free(relay->relayed);
	relay->relayed = NULL;
	while (relay->waiting && waiting_first(relay->waiting))
		waiting_drop(relay->waiting, waiting_first(relay->waiting));
}

static void
free_relay(void *folder)
{
	struct relay *relay = folder;

	if (!relay)
		return;
	close_relay(relay);
	waiting_free(relay->waiting);
	free(relay);
}

static void *
new_relay(const struct folder_setup *setup, const struct settings_watch *settings)
{
	struct relay *relay = calloc(1, sizeof *relay);

	if (!relay)
		return NULL;
	relay->setup = *setup;
	relay->batch_max = INTAKE_BATCH;
	relay->dir = relay->number = -1;
	configure(relay, settings);
	relay->waiting = waiting_new();
	if (relay->waiting)
		return relay;
	free_relay(relay);
	return NULL;
}

static const char *
path(const void *folder)
{
	const struct relay *relay = folder;

	return relay->settings->folder;
}

static void
count(const void *folder, struct folder_counts *counts)
{
	const struct relay *relay = folder;

	counts->served += relay->dir >= 0;
	counts->full += relay->full_until != 0;
	counts->queued += relay->queued;
	counts->left += waiting_count(relay->waiting);
}

void
relay_complain(struct relay *relay, const char *what, const char *detail)
{
	struct why why;

	why_say(&why, "%s%s", what, detail);
	if (strcmp(why.text, relay->trouble.text) == 0)
		return;
	relay->trouble = why;
	log_event(LOG_ERR, "relay_trouble", "folder=%s error=\"%s\"", relay->printed, why.text);
}

/* new/ of that inbox, which can be written to.  The descriptor, or -1 with errno. */
static int
open_new(const struct settings_watch *settings)
{
	char path[CONF_LINE_MAX + sizeof "/new"];
	int dir, error;

	snprintf(path, sizeof path, "%s/new", settings->folder);
	dir = disk_open_dir(AT_FDCWD, path);
	if (dir < 0 || faccessat(dir, ".", R_OK | W_OK | X_OK, AT_EACCESS) == 0)
		return dir;
	error = errno;
	disk_close(dir);
	errno = error;
	return -1;
}

int
relay_check(const struct settings_watch *settings, struct why *why)
{
	int dir = open_new(settings);

	if (dir < 0)
		return why_say(why, "[relay %s] new in %s: %s", settings->name, settings->folder,
		    strerror(errno));
	disk_close(dir);
	return 0;
}

/* Opens it and finds out what was copied from there.  -1 with the reason. */
static int
open_parts(struct relay *relay, struct why *why)
{
	struct stat st;

	relay->dir = open_new(relay->settings);
	if (relay->dir < 0 || fstat(relay->dir, &st) < 0)
		return why_say(why, "new in it: %s", strerror(errno));
	relay->device = st.st_dev;
	relay->inode = st.st_ino;
	/* Where there are no such locks (NFS), one has to see to it that it has one relay. */
	if (flock(relay->dir, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return why_say(why, "another relay has it");
	relay->relayed = relayed_new();
	if (!relay->relayed || relay_find(relay) < 0)
		return why_say(why, "cannot look into the spool for what was copied: %s",
		    strerror(relay->relayed ? errno : ENOMEM));
	return 0;
}

static void
open_relay(struct relay *relay)
{
	struct why why;

	relay->open_due = clock_monotonic() + OPEN_EVERY;
	if (open_parts(relay, &why) < 0) {
		relay_complain(relay, why.text, "");
		close_relay(relay);
		return;
	}
	if (relay->setup.notice)
		relay->number = notice_add(relay->setup.notice, relay->dir);
	relay->must_list = 1;
	relay->list_due = 0;
	relay->is_odd_said = 0;
	relay->trouble.text[0] = '\0';
	log_event(LOG_NOTICE, "relay_began", "folder=%s inbox=%s by=%s queued=%zu", relay->printed,
	    relay->settings->inbox, relay->number >= 0 ? "inotify" : "listing",
	    relayed_items(relay->relayed));
}

/* It is remembered unless it has a copy; where there is no room, it is listed later. */
static void
see(struct relay *relay, const char *name)
{
	char key[ID_ROOM], printed[ESCAPE_ROOM(NAME_MAX)];

	if (name[0] == '.')
		return;
	if (!is_plain_name(name, strlen(name), PROTO_NAME_MAX)) {
		if (relay->is_odd_said++)
			return;
		escape_bytes(printed, sizeof printed, name, strlen(name));
		log_event(LOG_WARNING, "relay_not_taken",
		    "folder=%s file=%s reason=\"no item has such a name\"", relay->printed,
		    printed);
		return;
	}
	if (relay_key(relay, name, key) < 0 ||
	    (!relayed_has(relay->relayed, key) && !waiting_see(relay->waiting, name)))
		relay->must_list = 1;
}

static void
notice(void *folder, enum notice_kind kind, int number, const char *name)
{
	struct relay *relay = folder;

	if (kind == NOTICE_MISSED) {
		relay->must_list = 1;
		relay->list_due = 0;
		return;
	}
	if (relay->dir < 0 || number != relay->number)
		return;
	if (kind == NOTICE_GONE) {
		relay->number = -1;
		relay_complain(relay, "it is gone", "");
		close_relay(relay);
		relay->open_due = 0;
	} else if (name[0]) {
		see(relay, name);
	}
}

/* May there be what no listing and no notice has shown? */
static int
is_list_due(const struct relay *relay, const struct stat *st)
{
	if (clock_monotonic() < relay->list_due)
		return 0;
	/* Where there are more than there is room for, once some of these have gone. */
	if (relay->must_list)
		return waiting_count(relay->waiting) <= WAITING_MAX / 2 || relay->is_idle;
	return seen_may_differ(&relay->listed, st);
}

static void
list(struct relay *relay, const struct stat *st)
{
	int64_t begin = clock_monotonic(), next;
	DIR *dir = disk_list(relay->dir);
	struct dirent *entry;

	if (!dir) {
		relay_complain(relay, "cannot list it: ", strerror(errno));
		relay->list_due = begin + OPEN_EVERY;
		return;
	}
	relay->must_list = 0;
	seen_note(&relay->listed, st);
	while ((errno = 0, entry = readdir(dir)))
		see(relay, entry->d_name);
	if (errno != 0) {
		relay_complain(relay, "cannot list it: ", strerror(errno));
		relay->must_list = 1;
	}
	closedir(dir);
	next = LIST_SHARE * (clock_monotonic() - begin);
	if (next < LIST_EVERY && relay->number >= 0 && !relay->must_list)
		next = LIST_EVERY;
	relay->list_due = begin + (next < CLOCK_SECOND ? CLOCK_SECOND : next);
}

/* Does the path still lead to what is open? */
static int
is_there(const struct relay *relay)
{
	int dir = open_new(relay->settings), rc;
	struct stat st;

	rc = dir >= 0 && fstat(dir, &st) == 0 && st.st_dev == relay->device &&
	    st.st_ino == relay->inode;
	disk_close(dir);
	return rc;
}

static void
tick(void *folder)
{
	struct relay *relay = folder;
	struct stat st;

	if (relay->dir >= 0 && !is_there(relay)) {
		relay_complain(relay, "it is gone, or another one has its name", "");
		close_relay(relay);
		relay->open_due = 0;
	}
	if (relay->dir < 0 && clock_monotonic() >= relay->open_due)
		open_relay(relay);
	if (relay->dir >= 0 && fstat(relay->dir, &st) == 0 && is_list_due(relay, &st))
		list(relay, &st);
}

const struct watch_kind watch_relays = {sections, new_relay, free_relay, configure, path, count,
    tick, notice, relay_take};
