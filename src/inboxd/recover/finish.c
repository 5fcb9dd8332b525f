/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/recover/finish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "inboxd/drafts/draft.h"
#include "inboxd/recover/ahead.h"
#include "inboxd/recover/beside_item.h"
#include "inboxd/recover/fresh.h"
#include "inboxd/recover/tell.h"
#include "lib/disk.h"
#include "lib/log.h"

/* ---- judged */

/* As was found for all at once, or now. */
static enum standing
look(enum standing found, int dir, const struct tail_item *item)
{
	return found == UNSEEN || found == UNKNOWN ? ahead_look_at(dir, item) : found;
}

static int
carries_bytes(const struct unfinished *u)
{
	return u->frame && u->frame->has_item;
}

/* Acknowledged, and the draft it stood on is not there. */
static int
fail_lost(struct recovery *r, const struct unfinished *u, const char *why)
{
	r->code = EX_DATAERR;
	return why_say(r->error,
	    "%s/tmp/%s: %s, of an item of %llu bytes that was acknowledged (accept %llu). Put it "
	    "back, if you have it", u->item.inbox, u->item.name, why,
	    (unsigned long long)u->item.size, (unsigned long long)u->item.seq);
}

/* Its folder must be there: where else is it to be told from what consumers have taken? */
static int
fail_gone(struct recovery *r, const struct unfinished *u)
{
	struct inbox again;
	struct why why;

	r->code = EX_CONFIG;
	if (inbox_open(&again, r->root->fd, u->item.inbox, 1, &why) == 0) {
		inbox_close(&again);
		why_say(&why, "they were not a moment ago");
	}
	return why_say(r->error,
	    "inbox %s has an item that was acknowledged and is in the journal alone (%s), and its "
	    "folders are not to be used: %s. Give it a section, if it has none, and make them: "
	    "inboxd -m", u->item.inbox, u->item.name, why.text);
}

/* Its draft was on the disk before the mark, or before the frame, said so. */
static int
judge_durable(struct recovery *r, struct unfinished *u)
{
	int may_be_visible = u->item.seq <= r->journal.head.durable;
	enum standing draft = look(u->draft, u->inbox->tmp, &u->item), item;

	if (draft == NOTHING && may_be_visible) {
		item = look(u->in_new, u->inbox->new, &u->item);
		if (item == UNKNOWN)
			return recovery_fail(r, "look at", u->item.inbox, u->item.name);
		u->verdict = item == NOTHING ? CLAIMED : VISIBLE;
		return 0;
	}
	if (draft == UNKNOWN)
		return recovery_fail(r, "look at", u->item.inbox, u->item.name);
	u->verdict = draft == ITS_SIZE ? DRAFT : MEND;
	if (u->verdict == DRAFT || carries_bytes(u))
		return 0;
	return fail_lost(r, u, draft == NOTHING ? "is missing" : "has another size");
}

/* Its frame is damaged, and nothing says that its draft is durable: the digest has to. */
static int
judge_damaged(struct recovery *r, struct unfinished *u)
{
	int rc = fresh_is_right(&u->item, u->inbox->tmp);

	if (rc < 0)
		return recovery_fail(r, "read", u->item.inbox, u->item.name);
	u->verdict = COPY;
	return rc ? 0 : fail_lost(r, u, "is missing or has other bytes, and its frame is damaged");
}

static int
judge_framed(struct recovery *r, struct unfinished *u)
{
	int is_durable = u->item.seq <= r->journal.head.durable;

	if (is_durable || (u->frame && !carries_bytes(u)))
		return judge_durable(r, u);
	if (!u->frame)
		return judge_damaged(r, u);
	u->verdict = ANEW;
	return 0;
}

/* Of a root without a journal: what is whole is written anew at once. */
static int
judge_found(struct recovery *r, struct unfinished *u)
{
	const struct tail_item *item = &u->item;
	enum fresh found = u->inbox ? fresh_copy(item, u->inbox, u->inbox->tmp) : FRESH_ABSENT;

	if (found == FRESH_COPIED && fresh_take(item, u->inbox) < 0)
		return recovery_fail(r, "rename", item->inbox, item->name);
	if (found == FRESH_COPIED || found == FRESH_MENDED) {
		u->verdict = FINISH;
		return 0;
	}
	if (found == FRESH_ABSENT && item->is_renamed) {
		u->verdict = VISIBLE; /* by a start that was cut off */
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
		return recovery_fail(r, "read or copy", item->inbox, item->name);
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

static int
judge(struct recovery *r, struct unfinished *u)
{
	if (!recovery_has_journal(r))
		return judge_found(r, u);
	u->verdict = VOID;
	if (!u->was_framed)
		return 0;
	return u->inbox ? judge_framed(r, u) : fail_gone(r, u);
}

static struct inbox *
find_folder(struct recovery *r, const char *name)
{
	struct inbox *inbox = site_find_inbox(r->site, name, strlen(name));
	struct why why;

	if (inbox)
		return inbox;
	for (size_t i = 0; i < r->closed_count; i++) {
		if (strcmp(r->closed[i].name, name) == 0)
			return r->closed[i].tmp >= 0 ? &r->closed[i] : NULL;
	}
	/* As many rooms as items: never moved while items point into it. */
	inbox = &r->closed[r->closed_count++];
	inbox->suffix = "";
	if (inbox_open(inbox, r->root->fd, name, 1, &why) == 0)
		return inbox;
	fatal_if_gone("open", name);
	log_event(LOG_WARNING, "recover_inbox_gone", "inbox=%s error=\"%s\"", name, why.text);
	return NULL;
}

int
finish_judge(struct recovery *r)
{
	r->closed = must_alloc((r->count + 1) * sizeof *r->closed);
	for (size_t i = 0; i < r->count; i++)
		r->all[i].inbox = find_folder(r, r->all[i].item.inbox);
	if (recovery_has_journal(r))
		ahead_look(r);
	for (size_t i = 0; i < r->count; i++) {
		recovery_tell(r, "looked at", i, r->count);
		if (judge(r, &r->all[i]) < 0)
			return -1;
	}
	return 0;
}

/* ---- written anew */

/* A draft of the journal's bytes takes the place of what has its name: where nothing in tmp/ means
 * that a consumer has it, there is never nothing. */
static int
mend(struct recovery *r, const struct unfinished *u)
{
	char line[RECORD_LINE_MAX + 1];
	unsigned char bytes[JOURNAL_ITEM_MAX];

	if (journal_read_frame(r->root->journal, u->frame, line, bytes) < 0)
		return recovery_fail(r, "read the frame of", u->item.inbox, u->item.name);
	if (fresh_replace(&u->item, u->inbox, line, bytes, u->frame->item_size) < 0)
		return recovery_fail(r, "write", u->item.inbox, u->item.name);
	return 0;
}

/* It was written with others; or for want of descriptors, which those have, it is now. */
static int
keep_written(struct recovery *r, struct unfinished *u, struct fresh_sync *sync)
{
	int fd;

	if (u->fd < 0 && (u->error == 0 || disk_is_shortage(u->error))) {
		if (fresh_let_go(sync) < 0)
			return recovery_fail(r, "sync", "what was written anew", "");
		ahead_write_one(r, u);
	}
	fd = u->fd;
	u->fd = -1; /* fresh_keep() takes it */
	errno = u->error;
	if (fd < 0 || fresh_keep(sync, u->inbox, fd) < 0)
		return recovery_fail(r, "write", u->item.inbox, u->item.name);
	return 0;
}

static int
write_copy(struct recovery *r, const struct unfinished *u)
{
	const struct tail_item *item = &u->item;
	enum fresh found = fresh_copy(item, u->inbox, u->inbox->tmp);

	if (found == FRESH_WRONG || found == FRESH_ABSENT)
		return fail_lost(r, u, "has changed meanwhile");
	if (found == FRESH_FAILED || (found == FRESH_COPIED && fresh_take(item, u->inbox) < 0))
		return recovery_fail(r, "copy", item->inbox, item->name);
	return 0;
}

static int
write_all(struct recovery *r, struct fresh_sync *sync)
{
	for (size_t i = 0; i < r->count; i++) {
		struct unfinished *u = &r->all[i];
		recovery_tell(r, "written", i, r->count);
		if (i % AHEAD_MAX == 0)
			ahead_write(r, i, r->count - i < AHEAD_MAX ? r->count : i + AHEAD_MAX);
		if (ahead_is_written(u) && keep_written(r, u, sync) < 0)
			return -1;
		if (u->verdict == MEND && mend(r, u) < 0)
			return -1;
		if (u->verdict == COPY && write_copy(r, u) < 0)
			return -1;
		if (beside_item_write(r, u, sync) < 0)
			return -1;
	}
	if (fresh_end(sync) < 0)
		return recovery_fail(r, "sync", "what was written anew", "");
	return 0;
}

/* Each folder once; `and_new`: new/, too. */
static void
sync_folders(struct recovery *r, int and_new)
{
	size_t open = r->site->inbox_count;

	for (size_t i = 0; i < open + r->closed_count; i++) {
		const struct inbox *inbox =
		    i < open ? &r->site->inboxes[i] : &r->closed[i - open];
		if (inbox->tmp >= 0 && (disk_sync_dir(inbox->tmp) < 0 ||
		                           (and_new && disk_sync_dir(inbox->new) < 0)))
			fatal_sync("folder");
		if (inbox->meta_dir >= 0 && disk_sync_dir(inbox->meta_dir) < 0)
			fatal_sync("folder");
	}
}

int
finish_write(struct recovery *r)
{
	struct fresh_sync sync;
	int rc;

	fresh_begin(&sync, r->root->fd, r->site->settings->sync, r->crew);
	rc = write_all(r, &sync);
	fresh_give_up(&sync);
	ahead_give_up(r);
	if (rc == 0)
		sync_folders(r, 0);
	return rc;
}

/* ---- published */

/* Where a rename was done and said that it was not (NFS), or link() stood in for one, and we died
 * before the unlink, what is in new/ is the item itself.  1: it is; 0: it is not; -1 with errno,
 * ENOENT: there is nothing any more. */
static int
is_itself(const struct unfinished *u)
{
	const struct tail_item *item = &u->item;
	unsigned char sha256[DIGEST_SIZE];
	unsigned long long size = 0;
	int fd = openat(u->inbox->new, item->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int rc = fd >= 0 ? digest_file(fd, 0, sha256, &size) : -1;

	disk_close(fd);
	/* Only what is no file at all is a stranger's for that it cannot be read. */
	if (rc < 0)
		return errno == ELOOP || errno == EISDIR || errno == ENXIO ? 0 : -1;
	return size == item->size && memcmp(sha256, item->sha256, DIGEST_SIZE) == 0;
}

/* Somebody else made a file of that name: the item gets another one there. */
static int
publish_renamed(struct recovery *r, struct unfinished *u)
{
	const struct tail_item *item = &u->item;
	char name[NAME_ROOM];

	do {
		name_next(&r->namer, item->queue->identity, u->inbox->suffix, name);
		if (tell_renamed(r, item->seq, name) < 0 || beside_item_rename(r, u, name) < 0)
			return -1;
		if (disk_publish(u->inbox->tmp, item->name, u->inbox->new, name) == 0) {
			log_event(LOG_WARNING, "name_taken", "inbox=%s name=%s instead=%s",
			    item->inbox, item->name, name);
			return 0;
		}
	} while (errno == EEXIST);
	return recovery_fail(r, "publish", item->inbox, item->name);
}

/* It is there already, whole; or it was a moment ago, and a consumer has it now. */
static int
publish_over(struct recovery *r, struct unfinished *u)
{
	const struct tail_item *item = &u->item;

	if (disk_replace(u->inbox->tmp, item->name, u->inbox->new, item->name) < 0) {
		if (errno != ENOENT)
			return recovery_fail(r, "replace", item->inbox, item->name);
		u->verdict = CLAIMED;
	}
	/* rename(2) leaves a second link of the same file alone. */
	(void)unlinkat(u->inbox->tmp, item->name, 0);
	return 0;
}

/* With the others, which is known once, or now; 0 with errno. */
static int
is_done(struct unfinished *u)
{
	const struct tail_item *item = &u->item;

	if (u->is_published)
		return 1;
	if (u->error == 0)
		return disk_publish(u->inbox->tmp, item->name, u->inbox->new, item->name) == 0;
	errno = u->error;
	u->error = 0;
	return 0;
}

static int
publish_draft(struct recovery *r, struct unfinished *u)
{
	const struct tail_item *item = &u->item;
	int rc;

	while (!is_done(u)) {
		if (errno != EEXIST)
			return recovery_fail(r, "publish", item->inbox, item->name);
		rc = is_itself(u);
		if (rc < 0 && errno != ENOENT)
			return recovery_fail(r, "read", item->inbox, item->name);
		if (rc >= 0)
			return rc ? publish_over(r, u) : publish_renamed(r, u);
	}
	return 0;
}

static int
publish(struct recovery *r, struct unfinished *u)
{
	const struct tail_item *item = &u->item;
	char fresh[FRESH_NAME_ROOM];

	switch (u->verdict) {
	case DRAFT:
	case ANEW:
	case MEND:
	case COPY:
	case FINISH:
		return publish_draft(r, u);
	case REPLACE:
		fresh_name(item, fresh);
		if (disk_replace(u->inbox->tmp, fresh, u->inbox->new, item->name) == 0)
			return 0;
		if (errno != ENOENT)
			return recovery_fail(r, "replace", item->inbox, item->name);
		u->verdict = CLAIMED; /* while we looked */
		return 0;
	case VOID:
		tail_void(&u->item);
		return 0;
	case LEAVE:
	case VISIBLE:
	case CLAIMED:
	case VERDICTS:
		break;
	}
	return 0;
}

int
finish_publish(struct recovery *r)
{
	ahead_publish(r);
	for (size_t i = 0; i < r->count; i++) {
		struct unfinished *u = &r->all[i];
		recovery_tell(r, "made visible", i, r->count);
		if (publish(r, u) < 0)
			return -1;
		r->verdicts[u->verdict]++;
		if (u->was_framed && !u->frame)
			log_event(LOG_WARNING, "journal_damaged",
			    "seq=%llu inbox=%s name=%s note=\"the ledger has its accept, and the "
			    "folders what became of it\"",
			    (unsigned long long)u->item.seq, u->item.inbox, u->item.name);
	}
	sync_folders(r, 1);
	return 0;
}

/* ---- what stays in tmp/ */

static int
by_name(const void *left, const void *right)
{
	const struct unfinished *const *a = left, *const *b = right;

	return strcmp((*a)->item.name, (*b)->item.name);
}

/* Those whose drafts are wanted as they are, by name. */
static void
sort_wanted(struct recovery *r)
{
	r->wanted = must_alloc((r->count + 1) * sizeof *r->wanted);
	for (size_t i = 0; i < r->count; i++) {
		enum verdict verdict = r->all[i].verdict;
		if (verdict == DRAFT || verdict == MEND || verdict == COPY)
			r->wanted[r->wanted_count++] = &r->all[i];
	}
	if (r->wanted_count > 0)
		qsort(r->wanted, r->wanted_count, sizeof *r->wanted, by_name);
}

static int
compare_name(const void *name, const void *entry)
{
	const struct unfinished *const *u = entry;

	return strcmp(name, (*u)->item.name);
}

int
finish_wants(struct recovery *r, const char *name)
{
	if (!r->wanted)
		sort_wanted(r);
	return r->wanted_count > 0 &&
	    bsearch(name, r->wanted, r->wanted_count, sizeof *r->wanted, compare_name) != NULL;
}

void
finish_free(struct recovery *r)
{
	for (size_t i = 0; i < r->closed_count; i++)
		inbox_close(&r->closed[i]);
	free(r->closed);
	free(r->wanted);
	free(r->all);
	free(r->remembered);
}
