/* SPDX-License-Identifier: ISC */
#include "lib/walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- lines */

static void
lines_start(struct walk_lines *lines, int fd, uint64_t offset, uint64_t count)
{
	lines->fd = fd;
	lines->offset = offset;
	lines->count = count;
	lines->start = lines->held = 0;
	lines->skipped = 0;
}

/* Bytes got, 0 at the end, -1 with errno. */
static ssize_t
read_more(struct walk_lines *lines)
{
	ssize_t got;

	if (lines->start > 0)
		memmove(lines->buffer, lines->buffer + lines->start, lines->held);
	lines->start = 0;
	if (lines->held == sizeof lines->buffer) {
		lines->skipped += lines->held;
		lines->held = 0;
	}
	do {
		got = pread(lines->fd, lines->buffer + lines->held,
		    sizeof lines->buffer - lines->held,
		    (off_t)(lines->offset + lines->skipped + lines->held));
	} while (got < 0 && errno == EINTR);
	if (got > 0)
		lines->held += (size_t)got;
	return got;
}

/* 1: the next line, which stays the next one until it is taken, without its LF; one
 * that is too long has a len above RECORD_LINE_MAX and not its beginning.  0: there
 * is no whole line; -1 with errno. */
static int
lines_look(struct walk_lines *lines, const char **text, size_t *len)
{
	const char *end;
	ssize_t got;

	while (!(end = memchr(lines->buffer + lines->start, '\n', lines->held))) {
		got = read_more(lines);
		if (got <= 0)
			return (int)got;
	}
	*text = lines->buffer + lines->start;
	*len = lines->skipped > 0 ? sizeof lines->buffer : (size_t)(end - *text);
	return 1;
}

/* Goes on behind the line that lines_look() has shown. */
static void
lines_take(struct walk_lines *lines)
{
	const char *from = lines->buffer + lines->start;
	size_t whole = (size_t)((const char *)memchr(from, '\n', lines->held) - from) + 1;

	lines->offset += lines->skipped + whole;
	lines->start += whole;
	lines->held -= whole;
	lines->skipped = 0;
	lines->count++;
}

/* ---- what is told */

__attribute__((format(printf, 2, 3))) static void
say(struct walk *walk, const char *format, ...)
{
	struct why what;
	va_list args;

	va_start(args, format);
	vsnprintf(what.text, sizeof what.text, format, args);
	va_end(args);
	why_say(&walk->why, "ledger/%s:%" PRIu64 ": %s", walk->name, walk->line, what.text);
}

static enum walk_step
fail(struct walk *walk)
{
	why_say(&walk->why, "ledger/%s: read: %s", walk->name, strerror(errno));
	return WALK_FAILED;
}

/* ---- what is not good */

/* Up to which accept's line it says that all was on the disk. */
static uint64_t
vouches_for(const struct walk *walk, const struct record *mark)
{
	return walk->version < RECORD_VERSION_JOURNAL ? UINT64_MAX : mark->stored;
}

/* Does a good mark that vouches for the accept due here, and so for all before it, stand in the
 * next line, or behind it?  1, 0, or -1 with errno. */
static int
find_mark(struct walk *walk)
{
	struct walk_lines ahead;
	struct record record;
	const char *text;
	size_t len;
	int rc;

	if (walk->lines.offset < walk->marked_to && walk->marked_seq >= walk->next_seq)
		return 1;
	lines_start(&ahead, walk->lines.fd, walk->lines.offset, walk->lines.count);
	while ((rc = lines_look(&ahead, &text, &len)) == 1) {
		lines_take(&ahead);
		if (record_parse(text, len, &record) < 0 || record.type != RECORD_MARK ||
		    vouches_for(walk, &record) < walk->next_seq)
			continue;
		walk->marked_to = ahead.offset;
		walk->mark_line = ahead.count;
		walk->marked_seq = vouches_for(walk, &record);
		return 1;
	}
	return rc;
}

/* Something is wrong at this line: `what`, which is the end of a sentence. */
static enum walk_step
judge(struct walk *walk, const char *what)
{
	int rc;

	if (walk->line == 1) {
		say(walk, "want a begin record with a right checksum");
		return WALK_DAMAGED;
	}
	if (walk->in_state) {
		say(walk, "%s within the state", what);
		return WALK_DAMAGED;
	}
	rc = find_mark(walk);
	if (rc < 0)
		return fail(walk);
	if (rc == 0) {
		walk->is_over = 1;
		return WALK_TORN;
	}
	say(walk, "%s, and the mark in line %" PRIu64 " says that it was whole", what,
	    walk->mark_line);
	return WALK_DAMAGED;
}

/* The line is bad: it counts for nothing, but excuses what is missing behind it. */
static enum walk_step
pass_over(struct walk *walk, const char *what)
{
	enum walk_step step;

	lines_take(&walk->lines);
	step = judge(walk, what);
	if (step == WALK_DAMAGED)
		walk->offset = walk->lines.offset;
	walk->is_excused = 1;
	return step;
}

/* ---- where a record may stand */

/* Does it say that its own number is taken, by an item or by none? */
static int
takes_seq(const struct walk *walk, const struct record *record)
{
	return record->type == RECORD_ACCEPT ||
	    (record->type == RECORD_VOID && walk->version >= RECORD_VERSION_JOURNAL);
}

/* The accepts whose numbers are below it must stand before the record: */
static uint64_t
wanted_seq(const struct walk *walk, const struct record *record)
{
	switch (record->type) {
	case RECORD_ACCEPT:
	case RECORD_VOID:
		return takes_seq(walk, record) ? record->seq : record->seq + 1;
	case RECORD_RENAMED:
		return record->seq + 1;
	case RECORD_MARK:
		return (record->synced > record->stored ? record->synced : record->stored) + 1;
	case RECORD_BEGIN:
	case RECORD_QUEUE:
	case RECORD_SKIP:
	case RECORD_SETTLED:
	case RECORD_GAP:
	case RECORD_STATE:
	case RECORD_END:
	case RECORD_TYPES:
		break;
	}
	return 0;
}

static int
is_of_state(const struct walk *walk, const struct record *record)
{
	return record->type == RECORD_QUEUE || record->type == RECORD_SKIP ||
	    record->type == RECORD_STATE ||
	    (record->type == RECORD_ACCEPT &&
	        (walk->next_seq == 0 || record->seq < walk->next_seq));
}

/* No record that is missing could make it right. */
static int
is_misplaced(const struct walk *walk, const struct record *record)
{
	if ((record->type == RECORD_BEGIN) != (walk->line == 1))
		return 1;
	if (walk->in_state)
		return 0;
	return record->type == RECORD_STATE ||
	    (record->type == RECORD_ACCEPT && record->seq < walk->next_seq);
}

/* Accepts that must stand before the record do, or a bad line may have been them. */
static int
is_complete(const struct walk *walk, const struct record *record, struct why *what)
{
	uint64_t wanted = wanted_seq(walk, record), due = walk->next_seq;

	if (walk->in_state || due == 0 || wanted <= due)
		return 1;
	why_say(what,
	    "accepts %" PRIu64 " to %" PRIu64 " are missing before it", due, wanted - 1);
	return walk->is_excused;
}

static void
take(struct walk *walk, const struct record *record)
{
	lines_take(&walk->lines);
	walk->offset = walk->lines.offset;
	if (record->type == RECORD_BEGIN) {
		walk->next_seq = record->seq;
		walk->version = record->version;
	}
	if (record->type == RECORD_STATE)
		walk->in_state = 0;
	if (walk->in_state)
		return;
	if (wanted_seq(walk, record) > walk->next_seq)
		walk->next_seq = wanted_seq(walk, record);
	walk->next_seq += takes_seq(walk, record) && record->seq == walk->next_seq;
	if (record->type == RECORD_ACCEPT || record->type == RECORD_MARK ||
	    record->type == RECORD_STATE)
		walk->is_excused = 0;
}

/* ---- the walk */

void
walk_start(struct walk *walk, int fd, const char *name, const char *root)
{
	memset(walk, 0, offsetof(struct walk, lines));
	walk->name = name;
	walk->root = root;
	walk->in_state = 1;
	lines_start(&walk->lines, fd, 0, 0);
}

/* One that was begun before roots had ids is taken for ours. */
static int
is_strangers(const struct walk *walk, const struct record *record)
{
	return record->type == RECORD_BEGIN && walk->root && record->root[0] &&
	    strcmp(record->root, walk->root) != 0;
}

static enum walk_step
at_end(struct walk *walk)
{
	/* The state was whole before the segment had its name. */
	if (!walk->in_state || walk->is_excused)
		return WALK_END;
	say(walk, "ends within its state");
	walk->is_over = 1;
	return WALK_DAMAGED;
}

enum walk_step
walk_next(struct walk *walk, struct record *out)
{
	struct why what;
	enum walk_step step;
	const char *text;
	size_t len;
	int rc;

	if (walk->is_over)
		return WALK_END;
	rc = lines_look(&walk->lines, &text, &len);
	if (rc < 0)
		return fail(walk);
	walk->line = walk->lines.count + 1;
	if (rc == 0)
		return at_end(walk);
	if (record_parse(text, len, out) < 0)
		return pass_over(walk, "a damaged record");
	if (is_misplaced(walk, out))
		return pass_over(walk, "a record that cannot stand there");
	if (out->type == RECORD_BEGIN && out->version > RECORD_VERSION) {
		say(walk, "has version %" PRIu64 "; this program reads versions up to %d",
		    out->version, RECORD_VERSION);
		walk->is_over = 1;
		return WALK_DAMAGED;
	}
	if (is_strangers(walk, out)) {
		say(walk, "is of the root with the id %s, and this is %s", out->root,
		    walk->root[0] ? walk->root : "one without an id");
		walk->is_over = 1;
		return WALK_STRANGER;
	}
	if (walk->in_state && walk->line > 1 && !is_of_state(walk, out)) {
		walk->in_state = 0;
		say(walk, "the state's last record is missing before it");
		if (!walk->is_excused)
			return WALK_DAMAGED;
	}
	if (!is_complete(walk, out, &what)) {
		step = judge(walk, what.text);
		if (step == WALK_DAMAGED)
			walk->next_seq = wanted_seq(walk, out);
		return step;
	}
	take(walk, out);
	return WALK_RECORD;
}

uint64_t
walk_rest(const struct walk *walk)
{
	return walk->is_over ? 0 : walk->lines.skipped + walk->lines.held;
}
