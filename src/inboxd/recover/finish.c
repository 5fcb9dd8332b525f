/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/recover/finish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "inboxd/drafts/draft.h"
#include "inboxd/recover/fresh.h"
#include "lib/disk.h"
#include "lib/log.h"

int
recovery_fail(struct recovery *r, const char *what, const char *inbox, const char *name)
{
	if (draft_failure(errno) == DRAFT_FULL)
		r->code = EX_TEMPFAIL;
	else if (errno == EACCES || errno == EPERM)
		r->code = EX_CONFIG; /* somebody has changed who may read what */
	return why_say(r->error, "%s %s/%s: %s", what, inbox, name, strerror(errno));
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
			return recovery_fail(r, "rename", item->inbox, item->name);
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
	if (inbox_open(inbox, r->root->fd, name, 1, &why) == 0)
		return inbox;
	log_event(LOG_WARNING, "recover_inbox_gone", "inbox=%s error=\"%s\"", name, why.text);
	return NULL;
}

int
finish_judge(struct recovery *r)
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

int
finish_tell(struct recovery *r, const char *segment)
{
	int fd = openat(r->root->ledger, segment, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return recovery_fail(r, "open", "ledger", segment);
	for (size_t i = 0; i < r->count; i++) {
		if (r->all[i].inbox && disk_sync_dir(r->all[i].inbox->tmp) < 0)
			fatal_sync("folder");
	}
	if ((r->replay.torn_bytes > 0 && ftruncate(fd, (off_t)r->replay.good_bytes) < 0) ||
	    write_verdicts(r, fd) < 0) {
		(void)recovery_fail(r, "write", "ledger", segment);
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
		return recovery_fail(r, "read", item->inbox, item->name);
	if (rc == 0 && size == item->size && memcmp(sha256, item->sha256, DIGEST_SIZE) == 0) {
		if (disk_replace(u->inbox->tmp, item->name, u->inbox->new, item->name) < 0 &&
		    errno != ENOENT)
			return recovery_fail(r, "replace", item->inbox, item->name);
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
				return recovery_fail(r, "publish", item->inbox, item->name);
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
			return recovery_fail(r, "replace", item->inbox, item->name);
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

int
finish_publish(struct recovery *r)
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

void
finish_free(struct recovery *r)
{
	for (size_t i = 0; i < r->closed_count; i++)
		inbox_close(&r->closed[i]);
	free(r->closed);
	free(r->all);
}
