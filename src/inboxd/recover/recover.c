/* SPDX-License-Identifier: ISC */
/*
 * The order of the steps is what makes a crash within recovery harmless: at
 * each moment a second recovery finds either the old state or a whole step.
 *
 *	With a journal:
 *	 1. Ledger and journal are read, held against each other, and what is unfinished is
 *	    judged.  Nothing is changed: what stops here can be mended and tried again.
 *	 2. The journal's newest batch is written again, and synced: after a sync that failed
 *	    the page cache may show what the disk has not.
 *	 3. Strays go: what has no frame was never acknowledged.  Now, and not last, since their
 *	    room may be wanted.
 *	 4. Drafts that nobody knows to be on the disk are made anew, of the journal's bytes, and
 *	    synced.
 *	 5. The old segment is told what it lacks, and synced.
 *	 6. The journal's mark says that all drafts are durable, before any of them can be claimed.
 *	 7. Items are published, folders synced, the old segment told so and synced.
 *	 8. The journal's mark says that all is published: its frames are free.
 *
 *	Of a root that has none yet:
 *	 1. Each unfinished item is looked at; what is whole is written anew, and synced with tmp/.
 *	 2. The old segment is told what was decided, and synced.
 *	 3. Items are published, folders synced, the old segment told so.
 *	 4. Strays go: a record whose draft is gone means that a consumer has the item, and there is
 *	    no record any more that is undecided.
 *	 5. The journal is made.  A start that is cut off here makes it again: it is not used before
 *	    a segment names it.
 *
 *	Then a new segment is begun: from here on all is remembered as stored.
 *
 * After an unclean stop parts of large items go first of all (root.h).
 *
 * Each of these may take long, as where a host hangs, and the root be another's behind it: so
 * before a step that others would feel it is looked at who has it (hold_insist()).
 */
#include "config.h"

#include "inboxd/recover/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxd/base/crew.h"
#include "inboxd/base/hold.h"
#include "inboxd/base/fatal.h"
#include "inboxd/drafts/partial.h"
#include "inboxd/recover/finish.h"
#include "inboxd/recover/frames.h"
#include "inboxd/recover/replay.h"
#include "inboxd/recover/segments.h"
#include "inboxd/recover/tell.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/segment.h"

/* A thread has so many items to do at the least: a start that has a few begins none. */
#define SHARE 8

/* ---- what goes from tmp/ */

enum which { PARTS, STRAYS };

static int
is_to_go(struct recovery *r, const char *name, enum which which)
{
	int is_part = strncmp(name, PARTIAL_PREFIX, strlen(PARTIAL_PREFIX)) == 0;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	return which == PARTS ? is_part : !is_part && !finish_wants(r, name);
}

/* Names in a folder; NULL: it is deleted. */
struct names {
	const struct inbox *inbox; /* in its tmp/ */
	char **all;
	size_t count, room;
};

static void
add_name(struct names *names, const char *name)
{
	names->all = must_grow(names->all, names->count, &names->room, sizeof *names->all);
	names->all[names->count] = must_alloc(strlen(name) + 1);
	memcpy(names->all[names->count++], name, strlen(name));
}

static int
delete_one(void *ctx, size_t i)
{
	struct names *names = ctx;

	if (unlinkat(names->inbox->tmp, names->all[i], 0) < 0) {
		log_event(LOG_WARNING, "recover_stray_stays", "inbox=%s error=\"%s\"",
		    names->inbox->name, strerror(errno));
		return 0;
	}
	free(names->all[i]);
	names->all[i] = NULL;
	return 0;
}

static void
free_names(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->all[i]);
	free(names->all);
}

static void
delete_all(struct recovery *r, const struct inbox *inbox, enum which which)
{
	struct names names = {.inbox = inbox};
	DIR *listing = disk_list(inbox->tmp);
	struct dirent *file;

	if (!listing) {
		log_event(LOG_WARNING, "recover_tmp_not_read", "inbox=%s error=\"%s\"",
		    inbox->name, strerror(errno));
		return;
	}
	while ((file = readdir(listing))) {
		if (is_to_go(r, file->d_name, which))
			add_name(&names, file->d_name);
	}
	closedir(listing);
	(void)!crew_run(r->crew, names.count, delete_one, &names);
	for (size_t i = 0; i < names.count; i++)
		r->strays += !names.all[i];
	free_names(&names);
}

static void
delete_strays(struct recovery *r)
{
	for (size_t i = 0; i < r->site->inbox_count; i++)
		delete_all(r, &r->site->inboxes[i], STRAYS);
	for (size_t i = 0; i < r->closed_count; i++) {
		if (r->closed[i].tmp < 0)
			continue;
		delete_all(r, &r->closed[i], STRAYS);
		if (r->root->was_cut)
			delete_all(r, &r->closed[i], PARTS);
	}
}

/* Parts stay for their clients to go on with, but not after an unclean stop on the same boot
 * (root.h).  They have no record, and their room may be wanted now. */
static void
delete_parts(struct recovery *r)
{
	for (size_t i = 0; r->root->was_cut && i < r->site->inbox_count; i++)
		delete_all(r, &r->site->inboxes[i], PARTS);
}

/* ---- reading */

static int
fail_missing(struct recovery *r)
{
	r->code = EX_DATAERR;
	return why_say(r->error,
	    "ledger/%s is missing: ledger/%s says that it followed. Put it back; or, to go "
	    "on without it, which may store again what was stored in its time and is sent "
	    "again, delete the last line of ledger/%s",
	    r->replay.next, r->segment, r->segment);
}

static int
replay(struct recovery *r)
{
	int fd = segment_open(r->root->ledger, r->segment);
	int rc;

	if (fd < 0)
		return recovery_fail(r, "open", "ledger", r->segment);
	rc = replay_segment(fd, r->segment, r->clients, &r->replay, r->error);
	if (rc < 0)
		r->code = errno == EBADMSG ? EX_DATAERR : EX_IOERR;
	close(fd);
	if (rc == 0 && r->replay.next[0])
		return fail_missing(r);
	if (rc == 0 && r->replay.torn_bytes > 0)
		log_event(LOG_WARNING, "ledger_tail_torn",
		    "segment=%s bytes=%llu note=\"never synced, so nothing stands on it\"",
		    r->segment, (unsigned long long)r->replay.torn_bytes);
	return rc;
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

static int
read_all(struct recovery *r)
{
	recovery_tell(r, "reading the ledger", 0, 0);
	r->replay.next_seq = 1;
	if (r->segment[0] && replay(r) < 0)
		return -1;
	if (!r->segment[0] && r->root->was_used)
		return fail_empty(r);
	recovery_tell(r, "reading the journal", 0, 0);
	return frames_read(r);
}

/* ---- the journal */

static uint32_t
wanted_segments(const struct recovery *r)
{
	return (uint32_t)(r->site->settings->journal / JOURNAL_SEGMENT);
}

static int
make_journal(struct recovery *r, struct recovered *out)
{
	/* Before there was a journal an inbox could have its name. */
	if (r->root->journal >= 0 && faccessat(r->root->journal, "new", F_OK, 0) == 0) {
		r->code = EX_CONFIG;
		return why_say(r->error,
		    "journal/ has the folders of an inbox, and the receiver itself uses that name "
		    "now: move it away");
	}
	recovery_tell(r, "making the journal", 0, 0);
	out->writer = writer_make(
	    r->root->fd, r->root->id, wanted_segments(r), r->replay.next_seq - 1, r->error);
	return out->writer ? 0 : recovery_said(r);
}

/* All is published: nothing stands in the way of another size. */
static int
resize_journal(struct recovery *r, struct writer *writer)
{
	if (writer_resize(writer, wanted_segments(r), r->error) == 0)
		return 0;
	return recovery_said(r);
}

/* ---- the whole */

static int
publish(struct recovery *r)
{
	hold_insist(r->root->hold);
	if (finish_publish(r) < 0)
		return -1;
	return tell_stored(r);
}

static int
recover(struct recovery *r, struct recovered *out)
{
	struct writer *writer;

	if (finish_judge(r) < 0)
		return -1;
	hold_insist(r->root->hold); /* what was read may have become another's meanwhile */
	delete_parts(r);
	writer = out->writer = writer_open(r->root->fd, &r->journal, r->error);
	if (!writer)
		return recovery_said(r);
	delete_strays(r);
	if (r->count > 0 || r->replay.torn_bytes > 0) {
		if (finish_write(r) < 0 || tell_accepts(r) < 0)
			return -1;
		hold_insist(r->root->hold);
		writer_mark(writer, r->last, r->published);
		if (writer_durable(writer) < r->last && writer_sync(writer) < 0)
			return recovery_fail(r, "write", JOURNAL_FOLDER, "");
		if (publish(r) < 0)
			return -1;
	}
	writer_mark(writer, r->last, r->last);
	if (writer_published(writer) < r->last && writer_sync(writer) < 0)
		return recovery_fail(r, "write", JOURNAL_FOLDER, "");
	return resize_journal(r, writer);
}

static int
take_over(struct recovery *r, struct recovered *out)
{
	delete_parts(r);
	if (finish_judge(r) < 0)
		return -1;
	if (r->count > 0 || r->replay.torn_bytes > 0) {
		if (finish_write(r) < 0 || tell_accepts(r) < 0 || publish(r) < 0)
			return -1;
	}
	delete_strays(r);
	if (!r->root->id[0] && root_make_id(r->root) < 0)
		return recovery_fail(r, "make", "the root's", ID_OF_ROOT);
	return make_journal(r, out);
}

/* Of a ledger of before it was noted when each queue was seen: as if now. */
static void
fill_in_ages(struct recovery *r)
{
	struct queue *queue = NULL;

	while ((queue = clients_next(r->clients, queue))) {
		if (queue->age == 0)
			queue_see(queue, queue->figures.hello.seen, r->replay.age);
	}
}

static int
begin_new(struct recovery *r, struct recovered *out)
{
	const struct ledger_origin origin = {
	    .root = r->root->id,
	    .journal = writer_generation(out->writer),
	    .seq = r->replay.next_seq,
	    .synced = writer_last(out->writer),
	    .stored = writer_last(out->writer),
	    .age = r->replay.age,
	};

	hold_insist(r->root->hold);
	fill_in_ages(r);
	out->ledger = ledger_start(r->root->ledger, r->clients, &origin);
	if (!out->ledger)
		return recovery_fail(r, "begin a segment in", "ledger", "");
	ledger_expire(out->ledger, r->site->settings->ledger_days);
	return 0;
}

static void
tell_log(const struct recovery *r)
{
	const size_t *verdicts = r->verdicts;

	log_event(LOG_INFO, "recovered",
	    "segment=%s records=%llu queues=%zu finished=%zu replaced=%zu mended=%zu claimed=%zu "
	    "void=%zu strays=%zu written=%zu visible=%zu",
	    r->segment[0] ? r->segment : "none", (unsigned long long)r->replay.records,
	    clients_count(r->clients), verdicts[DRAFT] + verdicts[COPY] + verdicts[FINISH],
	    verdicts[REPLACE], verdicts[LEAVE], verdicts[CLAIMED], verdicts[VOID], r->strays,
	    verdicts[ANEW] + verdicts[MEND], verdicts[VISIBLE]);
}

/* What the setting, or an upgrade, has made of it. */
static void
tell_journal(const struct recovery *r)
{
	unsigned long long bytes = r->site->settings->journal / JOURNAL_SEGMENT * JOURNAL_SEGMENT;
	unsigned long long before = (unsigned long long)r->journal.head.segments * JOURNAL_SEGMENT;

	if (!recovery_has_journal(r))
		log_event(LOG_NOTICE, "journal_made", "bytes=%llu", bytes);
	if (!recovery_has_journal(r) && r->segment[0])
		log_event(LOG_NOTICE, "root_taken_over",
		    "note=\"of before there was a journal; no version of then takes it any more\"");
	if (recovery_has_journal(r) && before != bytes)
		log_event(LOG_NOTICE, "journal_resized", "bytes=%llu before=%llu", bytes, before);
}

static int
run(struct recovery *r, struct recovered *out)
{
	if (getentropy(&r->namer.start, sizeof r->namer.start) < 0)
		return recovery_fail(r, "draw a number for", "names", "");
	if (read_all(r) < 0 || frames_list(r) < 0)
		return -1;
	if ((recovery_has_journal(r) ? recover(r, out) : take_over(r, out)) < 0)
		return -1;
	return begin_new(r, out);
}

int
recover_run(struct site *site, struct root *root, struct clients *clients,
    struct recovered *out, struct why *error)
{
	char segment[SEGMENT_NAME_ROOM];
	struct recovery r = {.site = site, .root = root, .clients = clients, .segment = segment,
	    .told = -1, .error = error, .code = EX_IOERR};
	int rc, code = segments_look(root, segment, error);

	*out = (struct recovered){NULL, NULL};
	if (code)
		return code;
	r.crew = crew_new(CREW_MAX, SHARE);
	rc = run(&r, out);
	if (rc == 0) {
		tell_log(&r);
		tell_journal(&r);
	} else {
		writer_close(out->writer);
		*out = (struct recovered){NULL, NULL};
	}
	crew_free(r.crew);
	tell_close(&r);
	finish_free(&r);
	replay_free(&r.replay);
	journal_free(&r.journal);
	return rc < 0 ? r.code : 0;
}
