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
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxd/drafts/partial.h"
#include "inboxd/recover/finish.h"
#include "inboxd/recover/replay.h"
#include "inboxd/recover/segments.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/segment.h"

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
	int fd = segment_open(r->root->ledger, segment);
	int rc;

	if (fd < 0)
		return recovery_fail(r, "open", "ledger", segment);
	rc = replay_segment(fd, segment, clients, &r->replay, r->error);
	if (rc < 0)
		r->code = errno == EBADMSG ? EX_DATAERR : EX_IOERR;
	close(fd);
	if (rc == 0 && r->replay.next[0]) {
		r->code = EX_DATAERR;
		return why_say(r->error,
		    "ledger/%s is missing: ledger/%s says that it followed. Put it back; or, to go "
		    "on without it, which may store again what was stored in its time and is sent "
		    "again, delete the last line of ledger/%s",
		    r->replay.next, segment, segment);
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
	if (finish_judge(r) < 0 || finish_tell(r, segment) < 0)
		return -1;
	return finish_publish(r);
}

static struct ledger *
begin_new(struct recovery *r, struct clients *clients, const char *segment)
{
	const struct ledger_origin origin = {
	    .root = r->root->id, .seq = r->replay.next_seq, .age = r->replay.age};
	struct ledger *ledger = ledger_start(r->root->ledger, clients, &origin);

	if (!ledger) {
		(void)recovery_fail(r, "begin a segment in", "ledger", "");
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
	return why_say(r->error,
	    "ledger/ is empty, though this root has been used. Put its files back; or, to go on "
	    "without them, which may store again what was stored and is sent again, empty the file "
	    "lock beside it");
}

struct ledger *
recover_run(struct site *site, struct root *root, struct clients *clients, int *code,
    struct why *error)
{
	struct recovery r = {
	    .site = site, .root = root, .error = error, .code = EX_IOERR};
	char segment[SEGMENT_NAME_ROOM];
	struct ledger *ledger = NULL;
	int rc = 0;

	r.replay.next_seq = 1;
	*code = segments_look(root, segment, error);
	if (*code)
		return NULL;
	if (segment[0])
		rc = finish_last_run(&r, segment, clients);
	else if (root->was_used)
		rc = fail_empty(&r);
	if (rc == 0 && !root->id[0] && (rc = root_make_id(root)) < 0)
		(void)recovery_fail(&r, "make", "the root's", ID_OF_ROOT);
	if (rc == 0)
		ledger = begin_new(&r, clients, segment);
	*code = r.code;
	finish_free(&r);
	replay_free(&r.replay);
	return ledger;
}
