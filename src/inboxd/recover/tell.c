/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/recover/tell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "lib/disk.h"

/* Lines on their way to the segment: there may be as many as the journal has frames.  Behind what
 * could not be written nothing more is. */
struct lines {
	int fd;
	int error; /* errno of what could not; 0: all could */
	size_t len;
	char text[16 * 1024];
};

static int
flush(struct lines *lines)
{
	if (lines->error == 0 && disk_write(lines->fd, lines->text, lines->len) < 0)
		lines->error = errno;
	lines->len = 0;
	errno = lines->error;
	return lines->error ? -1 : 0;
}

/* Room for one more, with a NUL. */
static char *
room_for_line(struct lines *lines)
{
	if (sizeof lines->text - lines->len < RECORD_LINE_MAX + 1)
		(void)flush(lines);
	return lines->text + lines->len;
}

static void
add(struct lines *lines, const struct record *record)
{
	lines->len += record_format(record, room_for_line(lines));
}

static void
add_void(struct lines *lines, uint64_t seq)
{
	const struct record record = {.type = RECORD_VOID, .seq = seq};

	add(lines, &record);
}

/* The frame's own line, byte for byte: it may know more than this program. */
static int
add_accept(const struct recovery *r, struct lines *lines, const struct journal_frame *frame)
{
	if (journal_read_frame(r->root->journal, frame, room_for_line(lines), NULL) < 0)
		return -1;
	lines->len += frame->record_size;
	return 0;
}

/* Those that were never acknowledged: what the ledger says of them does not count. */
static void
add_voids(const struct recovery *r, struct lines *lines)
{
	for (size_t i = 0; i < r->count; i++) {
		if (r->all[i].verdict == VOID)
			add_void(lines, r->all[i].item.seq);
	}
}

/* The journal's accepts that the segment lacks.  A number between them that is no item gets a
 * void, since the numbers leave none out. */
static int
add_accepts(const struct recovery *r, struct lines *lines)
{
	uint64_t due = r->due_seq;

	for (size_t i = 0; i < r->count; i++) {
		const struct unfinished *u = &r->all[i];
		if (u->item.seq < due)
			continue;
		for (; due < u->item.seq; due++)
			add_void(lines, due);
		if (add_accept(r, lines, u->frame) < 0)
			return -1;
		due = u->item.seq + 1;
	}
	return 0;
}

static void
sync_ledger(int fd)
{
	if (disk_sync_data(fd) < 0)
		fatal_sync("ledger");
}

/* Before there was a journal a mark vouched for all before it, so that had to be on the disk
 * first; and without the mark nobody could tell "a consumer has it" once it is published. */
static int
add_synced(const struct recovery *r, struct lines *lines)
{
	const struct record mark = {
	    .type = RECORD_MARK, .synced = r->last, .stored = r->replay.stored};

	if (flush(lines) < 0)
		return -1;
	sync_ledger(lines->fd);
	add(lines, &mark);
	return 0;
}

/*
 * The segment's end once more, over itself: after a sync that failed the page cache shows lines
 * that the disk has not, and a sync of what was only added would never bring them there.  What
 * `told` writes is appended, so it is done by another descriptor; the next sync is of the file.
 */
static int
write_again(const struct recovery *r)
{
	int fd = openat(r->root->ledger, r->segment, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	int rc = fd < 0 ? -1
	                : disk_write_again(fd, (off_t)r->replay.synced_bytes,
	                      (off_t)r->replay.good_bytes);

	disk_close(fd);
	return rc;
}

static int
write_all(const struct recovery *r, struct lines *lines)
{
	if (r->replay.torn_bytes > 0 &&
	    ftruncate(lines->fd, (off_t)r->replay.good_bytes) < 0)
		return -1;
	if (r->root->was_cut && recovery_has_journal(r) && write_again(r) < 0)
		return -1;
	add_voids(r, lines);
	if ((recovery_has_journal(r) ? add_accepts(r, lines) : add_synced(r, lines)) < 0)
		return -1;
	return flush(lines);
}

int
tell_accepts(struct recovery *r)
{
	struct lines lines;

	r->told = openat(
	    r->root->ledger, r->segment, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	if (r->told < 0)
		return recovery_fail(r, "open", "ledger", r->segment);
	lines.fd = r->told;
	lines.error = 0;
	lines.len = 0;
	if (write_all(r, &lines) < 0)
		return recovery_fail(r, "write", "ledger", r->segment);
	sync_ledger(r->told);
	return 0;
}

static int
tell(struct recovery *r, const struct record *record)
{
	char line[RECORD_LINE_MAX + 1];

	if (disk_write(r->told, line, record_format(record, line)) < 0)
		return recovery_fail(r, "write", "ledger", r->segment);
	return 0;
}

int
tell_renamed(struct recovery *r, uint64_t seq, const char *name)
{
	struct record record = {.type = RECORD_RENAMED, .seq = seq};

	snprintf(record.name, sizeof record.name, "%s", name);
	if (tell(r, &record) < 0)
		return -1;
	sync_ledger(r->told);
	return 0;
}

int
tell_stored(struct recovery *r)
{
	const struct record record = {
	    .type = RECORD_MARK, .synced = r->last, .stored = r->last};

	if (tell(r, &record) < 0)
		return -1;
	sync_ledger(r->told);
	return 0;
}

void
tell_close(struct recovery *r)
{
	disk_close(r->told);
	r->told = -1;
}
