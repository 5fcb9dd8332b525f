/* SPDX-License-Identifier: ISC */
#include "inboxd/base/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxd/base/hold.h"
#include "lib/disk.h"
#include "lib/journal.h"
#include "lib/log.h"
#include "lib/segment.h"

/* A root that was never made, or one whose file system is not there yet: which it is, a
 * person knows, or time tells. */
static int
fail_missing(const char *path, const char *what, struct why *error)
{
	why_say(error,
	    "root %s%s is missing: mount its file system; or, where it is to be new, make it: "
	    "inboxd -m (with the same -c)", path, what);
	return EX_NOINPUT;
}

/* What the system or the disk refuses may be had the next time; all else, `otherwise`, is for
 * a person to look at. */
static int
code_of(int error_number, int otherwise)
{
	if (disk_is_shortage(error_number))
		return EX_OSERR;
	return disk_is_gone(error_number) ? EX_IOERR : otherwise;
}

/* A mount point may be closed to all, lest somebody write beside what is to be mounted. */
static int
open_root(struct root *root, const char *path, struct why *error)
{
	root->fd = disk_open_dir(AT_FDCWD, path);
	if (root->fd >= 0)
		return 0;
	if (errno == ENOENT)
		return fail_missing(path, "", error);
	why_say(error, "root %s: %s", path, strerror(errno));
	return code_of(errno, errno == EACCES ? EX_NOINPUT : EX_CONFIG);
}

/* By its ledger/ a root is known: on the bare mount point of one there is none, whosesoever
 * that is. */
static int
open_ledger(struct root *root, const char *path, struct why *error)
{
	root->ledger = disk_open_dir(root->fd, "ledger");
	if (root->ledger >= 0)
		return 0;
	if (errno == ENOENT)
		return fail_missing(path, "/ledger", error);
	if (errno == EACCES) {
		why_say(error, "folder %s/ledger may not be opened by the user that this program "
		    "runs as, %lu: the root, with all below it, has to be his (chown -R)", path,
		    (unsigned long)geteuid());
		return EX_CONFIG;
	}
	why_say(error, "folder %s/ledger: %s", path, strerror(errno));
	return code_of(errno, EX_CONFIG);
}

static int
open_journal(struct root *root, const char *path, struct why *error)
{
	root->journal = disk_open_dir(root->fd, JOURNAL_FOLDER);
	if (root->journal >= 0 || errno == ENOENT)
		return 0;
	why_say(error, "folder %s/" JOURNAL_FOLDER ": %s", path, strerror(errno));
	return code_of(errno, EX_CONFIG);
}

static int
check_all(const struct root *root, const char *path, struct why *error)
{
	struct why why;
	dev_t device;

	if (disk_check_dir(root->fd, 0, &device, &why) < 0)
		why_say(error, "root %s: %s", path, why.text);
	else if (disk_check_dir(root->ledger, device, NULL, &why) < 0)
		why_say(error, "folder %s/ledger: %s", path, why.text);
	else if (root->journal >= 0 &&
	    disk_check_dir(root->journal, device, NULL, &why) < 0)
		why_say(error, "folder %s/" JOURNAL_FOLDER ": %s", path, why.text);
	else
		return 0;
	return code_of(errno, EX_CONFIG);
}

/* None yet: a first start makes it (recover.c). */
static int
read_id(struct root *root, const char *path, struct why *error)
{
	if (id_read(root->fd, ID_OF_ROOT, root->id) == 0 || errno == ENOENT)
		return 0;
	why_say(error, "root %s: its file " ID_OF_ROOT ": %s", path,
	    errno == EILSEQ ? "want 32 digits of lower-case hexadecimal: put it back as it was"
	                    : strerror(errno));
	return code_of(errno, EX_DATAERR);
}

int
root_check_id(const char *path, const char *id, const char *wanted, struct why *error)
{
	char found[ID_ROOM + 16] = "no id yet";

	if (!wanted || strcmp(id, wanted) == 0)
		return 0;
	if (id[0])
		snprintf(found, sizeof found, "the id %s", id);
	why_say(error,
	    "root %s has %s, and [receiver] id wants %s: mount the file system that has that "
	    "one; or, if this is the right one, change the setting", path, found, wanted);
	return EX_NOINPUT;
}

/* A root that has lost its id would get another one, and be a stranger to all clients. */
static int
check_last_id(const struct root *root, const char *path, struct why *error)
{
	struct holder last;

	hold_peek(root->fd, &last);
	if (!last.id[0] || strcmp(last.id, root->id) == 0)
		return 0;
	why_say(error, "root %s: its file " ID_OF_ROOT " %s%s, and its file lock says that it was "
	    "%s: put it back as it was", path, root->id[0] ? "has " : "is missing", root->id,
	    last.id);
	return EX_DATAERR;
}

int
root_make_id(struct root *root)
{
	if (id_make(root->ledger, SEGMENT_UNFINISHED, root->fd, ID_OF_ROOT) < 0)
		return -1;
	return id_read(root->fd, ID_OF_ROOT, root->id);
}

static void
close_all(struct root *root)
{
	if (root->journal >= 0)
		close(root->journal);
	if (root->ledger >= 0)
		close(root->ledger);
	if (root->fd >= 0)
		close(root->fd);
	/* The lock goes last: now another receiver may come. */
	hold_release(root->hold);
	root->hold = NULL;
	root->fd = root->ledger = root->journal = -1;
}

static int
fail_lock(struct why *error)
{
	int error_number = errno;

	why_say(error, "the root's lock file: %s", strerror(error_number));
	return disk_is_full(error_number) ? EX_TEMPFAIL : EX_IOERR;
}

/* How did the last run end? */
static void
judge_last_run(struct root *root)
{
	const struct holder *before = hold_before(root->hold), *own = hold_own(root->hold);

	if (strcmp(own->boot, DISK_BOOT_UNKNOWN) == 0)
		log_event(LOG_WARNING, "boot_unknown",
		    "note=\"/proc/sys/kernel/random/boot_id is hidden: what has come of large "
		    "items is dropped after each power failure\"");
	root->was_used = before->state != HOLDER_NONE;
	root->was_cut = before->state == HOLDER_RUNNING && holder_may_be_of_boot(before, own->boot);
}

int
root_mark_running(struct root *root, struct why *error)
{
	/* Recovery may have taken long. */
	hold_insist(root->hold);
	return hold_mark_running(root->hold, root->id) == 0 ? 0 : fail_lock(error);
}

int
root_look(struct root *root, const char *path, const char *wanted, struct why *error)
{
	int code;

	root->ledger = root->journal = -1;
	root->hold = NULL;
	code = open_root(root, path, error);
	if (code == 0)
		code = open_ledger(root, path, error);
	if (code == 0)
		code = open_journal(root, path, error);
	if (code == 0)
		code = check_all(root, path, error);
	if (code == 0)
		code = read_id(root, path, error);
	if (code == 0)
		code = root_check_id(path, root->id, wanted, error);
	if (code == 0)
		code = check_last_id(root, path, error);
	if (code)
		close_all(root);
	return code;
}

int
root_take(struct root *root, const char *path, struct holder *other, struct why *error)
{
	struct holder own;
	int code;

	hold_describe(&own, root->id);
	code = hold_take(&root->hold, root->fd, path, &own, other, error);
	if (code == 0 && root->journal < 0)
		code = open_journal(root, path, error);
	if (code == 0)
		code = read_id(root, path, error);
	if (code == 0)
		judge_last_run(root);
	else if (code != HOLD_ELSEWHERE)
		close_all(root);
	return code;
}

void
root_leave(struct root *root)
{
	close_all(root);
}

void
root_mark_stopped(struct root *root)
{
	struct why why;

	/* What another one has written there by now says that it runs. */
	if (hold_look(root->hold, &why) < 0)
		log_event(LOG_WARNING, "root_not_marked", "error=\"%s\"", why.text);
	else if (hold_mark_stopped(root->hold) < 0)
		log_event(LOG_WARNING, "root_not_marked", "error=\"%s\"", strerror(errno));
}

int
root_become_owner(const char *path, struct why *error)
{
	struct stat st;

	if (geteuid() != 0 || stat(path, &st) < 0 ||
	    (setegid(st.st_gid) == 0 && seteuid(st.st_uid) == 0))
		return 0;
	return why_say(error, "root %s: to act as its owner: %s", path, strerror(errno));
}
