/* SPDX-License-Identifier: ISC */
/*
 * The order of the steps is what makes a crash within recovery harmless: at
 * each moment a second recovery finds either the old state or a whole step.
 *
 *	0. After an unclean stop parts of large items go (root.h): room for the rest.
 *	1. Each unfinished item is looked at; what is whole is written anew and
 *	   synced, since after a failed sync or a crash nothing read back is
 *	   known to be on the disk.
 *	2. The old segment is told what was decided, and synced.
 *	3. Items are published, folders synced.
 *	4. The new segment is begun: from here on all is remembered as stored.
 *	5. Only now are drafts deleted: a record whose draft is gone means that a
 *	   consumer has the item.
 */
#include "config.h"

#include "inboxd/recover/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "inboxd/recover/fresh.h"
#include "inboxd/drafts/partial.h"
#include "inboxd/recover/replay.h"
#include "inboxd/recover/survey.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/segment.h"

enum verdict {
	FINISH,  /* it lies in tmp/ under its name, written anew */
	REPLACE, /* it is in new/; its fresh copy lies in tmp/ beside it */
	LEAVE,   /* it is in new/, written anew */
	CLAIMED, /* a consumer has it */
	VOID,    /* it was never published */
	VERDICTS
};

struct unfinished {
	struct tail_item *item;
	struct inbox *inbox; /* NULL: its folder is gone */
	enum verdict verdict;
};

struct recovery {
	struct site *site;
	const struct root *root;
	struct replay replay;
	struct unfinished *all;
	size_t count;
	struct inbox *closed; /* folders that are configured no more */
	size_t closed_count;
	size_t verdicts[VERDICTS], strays;
	char *error;
	int code; /* of sysexits(3), for a failure */
};

static int
fail(struct recovery *r, const char *what, const char *inbox, const char *name)
{
	if (draft_failure(errno) == DRAFT_FULL)
		r->code = EX_TEMPFAIL;
	else if (errno == EACCES || errno == EPERM)
		r->code = EX_CONFIG; /* somebody has changed who may read what */
	snprintf(r->error, RECOVER_ERROR_ROOM, "%s %s/%s: %s", what, inbox, name,
	    strerror(errno));
	return -1;
}

/* ---- step 1: what is there */

static int
judge(struct recovery *r, struct unfinished *u)
{
	const struct tail_item *item = u->item;
	char fresh[FRESH_NAME_ROOM];
	enum fresh found = u->inbox ? fresh_copy(item, u->inbox, u->inbox->tmp) : FRESH_ABSENT;

	fresh_name(item, fresh);
	if (found == FRESH_COPIED) {
		if (renameat(u->inbox->tmp, fresh, u->inbox->tmp, item->name) < 0)
			return fail(r, "rename", item->inbox, item->name);
		u->verdict = FINISH;
		return 0;
	}
	if (found == FRESH_MENDED) {
		u->verdict = FINISH;
		return 0;
	}
	if (found == FRESH_ABSENT && u->inbox) {
		found = fresh_copy(item, u->inbox, u->inbox->new);
		if (found == FRESH_COPIED || found == FRESH_MENDED) {
			u->verdict = found == FRESH_COPIED ? REPLACE : LEAVE;
			return 0;
		}
	}
	if (found == FRESH_FAILED)
		return fail(r, "read or copy", item->inbox, item->name);
	/* It is nowhere.  Where a mark says that it was on disk as a draft, it
	 * was published, and a consumer has it.  Else it may never have reached
	 * the disk: its client keeps it, at the worst for a second time (P7).
	 * So, too, where its folder cannot be looked into: the draft may lie
	 * there still, and who calls it claimed has lost it. */
	u->verdict = VOID;
	if (found == FRESH_CLAIMED ||
	    (u->inbox && found == FRESH_ABSENT && item->seq <= r->replay.synced))
		u->verdict = CLAIMED;
	return 0;
}

static struct inbox *
find_folder(struct recovery *r, const char *name)
{
	struct inbox *inbox = site_find_inbox(r->site, name, strlen(name));
	char why[SITE_ERROR_ROOM];

	if (inbox)
		return inbox;
	for (size_t i = 0; i < r->closed_count; i++) {
		if (strcmp(r->closed[i].name, name) == 0)
			return r->closed[i].tmp >= 0 ? &r->closed[i] : NULL;
	}
	/* As many rooms as items: never moved while items point into it. */
	inbox = &r->closed[r->closed_count++];
	if (inbox_open(inbox, r->root->fd, name, 1, why) == 0)
		return inbox;
	log_event(LOG_WARNING, "recover_inbox_gone", "inbox=%s error=\"%s\"", name, why);
	return NULL;
}

static int
judge_all(struct recovery *r)
{
	struct tail_item *item;

	for (item = r->replay.tail; item; item = item->next)
		r->count++;
	r->all = must_alloc((r->count + 1) * sizeof *r->all);
	r->closed = must_alloc((r->count + 1) * sizeof *r->closed);
	r->count = 0;
	for (item = r->replay.tail; item; item = item->next) {
		struct unfinished *u = &r->all[r->count++];
		u->item = item;
		u->inbox = find_folder(r, item->inbox);
		if (judge(r, u) < 0)
			return -1;
	}
	return 0;
}

/* ---- step 2: the old segment is told */

static int
write_verdicts(struct recovery *r, int fd)
{
	struct record record = {.type = RECORD_VOID};
	char line[RECORD_LINE_MAX + 1];
	uint64_t last = r->replay.synced;

	for (size_t i = 0; i < r->count; i++) {
		if (r->all[i].item->seq > last)
			last = r->all[i].item->seq;
		if (r->all[i].verdict != VOID)
			continue;
		record.seq = r->all[i].item->seq;
		if (disk_write(fd, line, record_format(&record, line)) < 0)
			return -1;
	}
	/* Whatever stands before a mark must be on the disk before the mark is: torn
	 * with the mark behind it, it would look like damage. */
	if (disk_sync_data(fd) < 0)
		fatal_sync("ledger");
	record.type = RECORD_MARK;
	record.synced = last;
	record.stored = r->replay.stored;
	return disk_write(fd, line, record_format(&record, line));
}

static int
tell_old_segment(struct recovery *r, const char *segment)
{
	int fd = openat(r->root->ledger, segment, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return fail(r, "open", "ledger", segment);
	for (size_t i = 0; i < r->count; i++) {
		if (r->all[i].inbox && disk_sync_dir(r->all[i].inbox->tmp) < 0)
			fatal_sync("folder");
	}
	if ((r->replay.torn_bytes > 0 && ftruncate(fd, (off_t)r->replay.good_bytes) < 0) ||
	    write_verdicts(r, fd) < 0) {
		(void)fail(r, "write", "ledger", segment);
		close(fd);
		return -1;
	}
	if (disk_sync_data(fd) < 0)
		fatal_sync("ledger");
	close(fd);
	for (size_t i = 0; i < r->count; i++) {
		if (r->all[i].verdict == VOID)
			tail_void(r->all[i].item);
	}
	return 0;
}

/* ---- step 3: publishing */

/* The name is taken in new/.  Where link() stood in for a rename, and we died
 * before the unlink, it is the item itself.  1: it is taken no more. */
static int
settle_clash(struct recovery *r, struct unfinished *u)
{
	const struct tail_item *item = u->item;
	unsigned char sha256[DIGEST_SIZE];
	unsigned long long size = 0;
	int fd = openat(u->inbox->new, item->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int rc = fd >= 0 ? digest_file(fd, 0, sha256, &size) : -1;

	disk_close(fd);
	if (rc < 0 && errno == ENOENT)
		return 1;
	/* Only what is no file at all is a stranger's for that it cannot be read. */
	if (rc < 0 && errno != ELOOP && errno != EISDIR)
		return fail(r, "read", item->inbox, item->name);
	if (rc == 0 && size == item->size && memcmp(sha256, item->sha256, DIGEST_SIZE) == 0) {
		if (disk_replace(u->inbox->tmp, item->name, u->inbox->new, item->name) < 0 &&
		    errno != ENOENT)
			return fail(r, "replace", item->inbox, item->name);
		return 0;
	}
	log_event(LOG_WARNING, "recover_name_taken",
	    "inbox=%s name=%s note=\"its client sends it again\"", item->inbox, item->name);
	u->verdict = VOID;
	tail_void(item);
	return 0;
}

static int
publish(struct recovery *r, struct unfinished *u)
{
	const struct tail_item *item = u->item;
	char fresh[FRESH_NAME_ROOM];
	int rc;

	if (u->verdict == FINISH) {
		while (disk_publish(u->inbox->tmp, item->name, u->inbox->new, item->name) < 0) {
			if (errno != EEXIST)
				return fail(r, "publish", item->inbox, item->name);
			rc = settle_clash(r, u);
			if (rc <= 0)
				return rc;
		}
		return 0;
	}
	if (u->verdict == REPLACE) {
		fresh_name(item, fresh);
		if (disk_replace(u->inbox->tmp, fresh, u->inbox->new, item->name) == 0)
			return 0;
		if (errno != ENOENT)
			return fail(r, "replace", item->inbox, item->name);
		u->verdict = CLAIMED; /* while we looked */
	}
	return 0;
}

static void
sync_folder(const struct inbox *inbox)
{
	if (inbox->tmp >= 0 &&
	    (disk_sync_dir(inbox->tmp) < 0 || disk_sync_dir(inbox->new) < 0))
		fatal_sync("folder");
}

static int
publish_all(struct recovery *r)
{
	for (size_t i = 0; i < r->count; i++) {
		if (publish(r, &r->all[i]) < 0)
			return -1;
		r->verdicts[r->all[i].verdict]++;
		log_event(LOG_NOTICE, "recover_item", "inbox=%s name=%s verdict=%s",
		    r->all[i].item->inbox, r->all[i].item->name,
		    (const char *const[]){"finished", "replaced", "mended", "claimed",
		        "void"}[r->all[i].verdict]);
	}
	for (size_t i = 0; i < r->site->inbox_count; i++)
		sync_folder(&r->site->inboxes[i]);
	for (size_t i = 0; i < r->closed_count; i++)
		sync_folder(&r->closed[i]);
	return 0;
}

/* ---- steps 0 and 5: what goes from tmp/ */

/* `parts`: parts of large items; else drafts, none of which has a record any more. */
static void
delete_all(struct recovery *r, const struct inbox *inbox, int parts)
{
	DIR *listing = disk_list(inbox->tmp);
	struct dirent *file;

	if (!listing) {
		log_event(LOG_WARNING, "recover_tmp_not_read", "inbox=%s error=\"%s\"",
		    inbox->name, strerror(errno));
		return;
	}
	while ((file = readdir(listing))) {
		if (strcmp(file->d_name, ".") == 0 || strcmp(file->d_name, "..") == 0)
			continue;
		if (parts != !strncmp(file->d_name, PARTIAL_PREFIX, strlen(PARTIAL_PREFIX)))
			continue;
		if (unlinkat(inbox->tmp, file->d_name, 0) == 0)
			r->strays++;
		else
			log_event(LOG_WARNING, "recover_stray_stays", "inbox=%s error=\"%s\"",
			    inbox->name, strerror(errno));
	}
	closedir(listing);
}

/* ---- the whole */

static int
replay(struct recovery *r, const char *segment, struct clients *clients)
{
	char why[REPLAY_ERROR_ROOM];
	int fd = segment_open(r->root->ledger, segment);
	int rc;

	if (fd < 0)
		return fail(r, "open", "ledger", segment);
	rc = replay_segment(fd, segment, clients, &r->replay, why);
	if (rc < 0) {
		r->code = errno == EBADMSG ? EX_DATAERR : EX_IOERR;
		snprintf(r->error, RECOVER_ERROR_ROOM, "%s", why);
	}
	close(fd);
	if (rc == 0 && r->replay.next[0]) {
		r->code = EX_DATAERR;
		snprintf(r->error, RECOVER_ERROR_ROOM,
		    "ledger/%s is missing: ledger/%s says that it followed. Put it back; or, to go "
		    "on without it, which may store again what was stored in its time and is sent "
		    "again, delete the last line of ledger/%s",
		    r->replay.next, segment, segment);
		return -1;
	}
	if (rc == 0 && r->replay.torn_bytes > 0)
		log_event(LOG_WARNING, "ledger_tail_torn",
		    "segment=%s bytes=%llu note=\"never synced, so never promised\"", segment,
		    (unsigned long long)r->replay.torn_bytes);
	return rc;
}

static int
finish_last_run(struct recovery *r, const char *segment, struct clients *clients)
{
	if (replay(r, segment, clients) < 0)
		return -1;
	/* Parts stay for their clients to go on with, but not after an unclean stop on the
	 * same boot (root.h).  They have no record, and their room may be wanted now. */
	for (size_t i = 0; r->root->was_cut && i < r->site->inbox_count; i++)
		delete_all(r, &r->site->inboxes[i], 1);
	if (!r->replay.tail && r->replay.torn_bytes == 0)
		return 0;
	if (judge_all(r) < 0 || tell_old_segment(r, segment) < 0)
		return -1;
	return publish_all(r);
}

static struct ledger *
begin_new(struct recovery *r, struct clients *clients, const char *segment)
{
	const struct ledger_origin origin = {
	    .root = r->root->id, .seq = r->replay.next_seq, .age = r->replay.age};
	struct ledger *ledger = ledger_start(r->root->ledger, clients, &origin);

	if (!ledger) {
		(void)fail(r, "begin a segment in", "ledger", "");
		return NULL;
	}
	for (size_t i = 0; i < r->site->inbox_count; i++)
		delete_all(r, &r->site->inboxes[i], 0);
	for (size_t i = 0; i < r->closed_count; i++) {
		if (r->closed[i].tmp < 0)
			continue;
		delete_all(r, &r->closed[i], 0);
		if (r->root->was_cut)
			delete_all(r, &r->closed[i], 1);
	}
	ledger_expire(ledger, r->site->settings->ledger_days);
	log_event(LOG_INFO, "recovered",
	    "segment=%s records=%llu queues=%zu finished=%zu replaced=%zu mended=%zu claimed=%zu "
	    "void=%zu strays=%zu",
	    segment[0] ? segment : "none", (unsigned long long)r->replay.records,
	    clients_count(clients), r->verdicts[FINISH], r->verdicts[REPLACE], r->verdicts[LEAVE],
	    r->verdicts[CLAIMED], r->verdicts[VOID], r->strays);
	return ledger;
}

static int
fail_empty(struct recovery *r)
{
	r->code = EX_DATAERR;
	snprintf(r->error, RECOVER_ERROR_ROOM,
	    "ledger/ is empty, though this root has been used. Put its files back; or, to go on "
	    "without them, which may store again what was stored and is sent again, empty the file "
	    "lock beside it");
	return -1;
}

struct ledger *
recover_run(struct site *site, struct root *root, struct clients *clients, int *code,
    char error[RECOVER_ERROR_ROOM])
{
	struct recovery r = {
	    .site = site, .root = root, .error = error, .code = EX_IOERR};
	char segment[SEGMENT_NAME_ROOM];
	struct ledger *ledger = NULL;
	int rc = 0;

	r.replay.next_seq = 1;
	*code = survey_ledger(root, segment, error);
	if (*code)
		return NULL;
	if (segment[0])
		rc = finish_last_run(&r, segment, clients);
	else if (root->was_used)
		rc = fail_empty(&r);
	if (rc == 0 && !root->id[0] && (rc = root_make_id(root)) < 0)
		(void)fail(&r, "make", "the root's", ID_OF_ROOT);
	if (rc == 0)
		ledger = begin_new(&r, clients, segment);
	*code = r.code;
	for (size_t i = 0; i < r.closed_count; i++)
		inbox_close(&r.closed[i]);
	free(r.closed);
	free(r.all);
	replay_free(&r.replay);
	return ledger;
}
