/* SPDX-License-Identifier: ISC */
#include "inboxd/recover/segments.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/disk.h"
#include "lib/escape.h"
#include "lib/log.h"
#include "lib/walk.h"

/* What is not read: history that nobody can ask for, or a file that is none of ours. */
static void
tell(const char *name, const char *why)
{
	char shown[ESCAPE_ROOM(NAME_MAX)];

	escape_bytes(shown, sizeof shown, name, strlen(name));
	log_event(LOG_WARNING, "ledger_file_not_read", "file=%s error=\"%s\"", shown, why);
}

static int
refuse(const char *name, struct why *error)
{
	why_say(error,
	    "ledger/%s is no regular file, though it is named like one of the ledger's: take it "
	    "away, or put there what belongs there", name);
	return EX_DATAERR;
}

/* How it begins says whose it is. */
static int
look_at_segment(const struct root *root, const char *name, struct why *error)
{
	int fd = segment_open(root->ledger, name);
	enum walk_step step;
	struct record record;
	struct walk walk;

	if (fd < 0 && errno == EBADMSG)
		return refuse(name, error);
	if (fd < 0 && errno != ENOENT)
		tell(name, strerror(errno));
	if (fd < 0)
		return 0; /* or -t looks on, while the receiver deletes it */
	walk_start(&walk, fd, name, root->id);
	step = walk_next(&walk, &record);
	disk_close(fd);
	if (step == WALK_STRANGER) {
		why_say(error,
		    "%s: take it away; or, if it is this root's after all, put back the root's "
		    "file " ID_OF_ROOT " with that id", walk.why.text);
		return EX_DATAERR;
	}
	if (step != WALK_RECORD)
		tell(name, walk.why.text);
	return 0;
}

/* What a crash left is no matter; but no segment can be made where a folder has the name. */
static int
look_at_unfinished(const struct root *root, struct why *error)
{
	int fd = segment_open(root->ledger, SEGMENT_UNFINISHED);

	if (fd < 0 && errno == EBADMSG)
		return refuse(SEGMENT_UNFINISHED, error);
	disk_close(fd);
	return 0;
}

static int
look_at(const struct root *root, const char *name, char newest[SEGMENT_NAME_ROOM],
    struct why *error)
{
	struct timespec when;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (strcmp(name, SEGMENT_UNFINISHED) == 0)
		return look_at_unfinished(root, error);
	if (!segment_is_name(name, &when)) {
		tell(name, "it has no name of the ledger's, and is none of its files");
		return 0;
	}
	if (strcmp(name, newest) > 0)
		memcpy(newest, name, strlen(name) + 1); /* the name of a segment fits */
	return look_at_segment(root, name, error);
}

int
segments_look(const struct root *root, char newest[SEGMENT_NAME_ROOM],
    struct why *error)
{
	DIR *listing = disk_list(root->ledger);
	const struct dirent *file = NULL;
	int code = 0;

	newest[0] = '\0';
	errno = listing ? 0 : errno;
	while (listing && code == 0 && (file = readdir(listing))) {
		code = look_at(root, file->d_name, newest, error);
		errno = 0;
	}
	if (!file && errno) {
		code = errno == EACCES || errno == EPERM ? EX_CONFIG : EX_IOERR;
		why_say(error, "list ledger/: %s", strerror(errno));
	}
	if (listing)
		closedir(listing);
	return code;
}
