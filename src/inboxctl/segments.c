/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inboxctl/complain.h"
#include "inboxctl/lines.h"
#include "lib/segment.h"

struct segments {
	int dir, fd; /* fd: the open segment, or -1 */
	char name[SEGMENT_NAME_ROOM], before[SEGMENT_NAME_ROOM];
	char next[NAME_ROOM]; /* which one follows, as an end record says; "": none does */
	uint64_t count;     /* segments opened */
	int is_followed;    /* the open one is known not to be the newest */
	int at_end;         /* the last one was not followed when it was read to its end */
	uint64_t line;      /* of the record given last, from 1 */
	int in_state;       /* between the begin record and the state record */
	uint64_t marked_to; /* a good mark ends there: all before it was whole */
	uint64_t next_seq;  /* the next accept's, 0: not known */
	uint64_t damage;
	uint64_t damage_here, damage_before; /* at the start of this segment, of the last */
	int64_t began;
	struct lines lines, ahead;
};

struct segments *
segments_open(int dir)
{
	struct segments *segments = calloc(1, sizeof(*segments));

	if (!segments)
		return NULL;
	segments->dir = dir;
	segments->fd = -1;
	segments->began = INT64_MIN;
	return segments;
}

void
segments_close(struct segments *segments)
{
	if (!segments)
		return;
	if (segments->fd >= 0)
		close(segments->fd);
	free(segments);
}

int
segments_is_first(const struct segments *segments)
{
	return segments->count == 1;
}

int
segments_in_state(const struct segments *segments)
{
	return segments->in_state;
}

int64_t
segments_began(const struct segments *segments)
{
	return segments->began;
}

uint64_t
segments_damage(const struct segments *segments)
{
	return segments->damage;
}

static int
fail(const struct segments *s, const char *call)
{
	complain("ledger/%s: %s: %s", s->name, call, strerror(errno));
	return -1;
}

/* Is the segment `found` behind the last one ("": none) the one that followed it?  Where
 * that has expired, the last one is older, and is gone, too. */
static void
check_next(struct segments *s, const char *found)
{
	struct stat st;

	if (s->next[0] != '\0' && strcmp(s->next, found) != 0 &&
	    fstatat(s->dir, s->before, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		s->damage++;
		complain("ledger/%s is missing: ledger/%s says that it followed", s->next,
		    s->before);
	}
	s->next[0] = '\0';
}

/* 1: the next segment is open; 0: there is none; -1: failed. */
static int
open_next(struct segments *s)
{
	char name[SEGMENT_NAME_ROOM];
	struct timespec when;

	memcpy(s->before, s->name, sizeof(s->before));
	for (;;) {
		name[0] = '\0';
		if (!s->at_end && segment_find_next(s->dir, s->name, name) < 0)
			return fail(s, "list");
		check_next(s, name);
		if (name[0] == '\0')
			return 0;
		memcpy(s->name, name, sizeof(s->name));
		s->fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (s->fd >= 0)
			break;
		if (errno != ENOENT) /* else it was deleted between the two calls */
			return fail(s, "open");
	}
	if (s->count++ == 0 && segment_is_name(name, &when))
		s->began = (int64_t)when.tv_sec * 1000000 + when.tv_nsec / 1000;
	s->is_followed = 0;
	s->line = s->marked_to = 0;
	s->in_state = 1;
	s->damage_before = s->damage_here;
	s->damage_here = s->damage;
	lines_start(&s->lines, s->fd, 0);
	return 1;
}

static void
end_segment(struct segments *s)
{
	close(s->fd);
	s->fd = -1;
}

static void
tell_torn(const struct segments *s, uint64_t line, uint64_t from)
{
	struct stat st;

	if (fstat(s->fd, &st) < 0 || (uint64_t)st.st_size < from)
		return; /* the receiver has cut it off meanwhile */
	complain("ledger/%s:%" PRIu64 ": torn: the last %" PRIu64
	         " bytes were never promised, and do not count",
	    s->name, line, (uint64_t)st.st_size - from);
}

/* The file ends, perhaps within a line.  0: it goes on after all. */
static int
is_end(struct segments *s)
{
	/* Longer than the receiver takes for one write(). */
	const struct timespec moment = {.tv_nsec = 50000000};
	struct stat st;
	uint64_t rest = lines_rest(&s->lines);

	/* Its state was whole before it had its name; a bad line in it has been told. */
	if (s->in_state && s->damage == s->damage_here) {
		s->damage++;
		complain("ledger/%s:%" PRIu64 ": ends within its state", s->name, s->line + 1);
		return 1;
	}
	if (rest == 0)
		return 1;
	nanosleep(&moment, NULL);
	if (fstat(s->fd, &st) == 0 && (uint64_t)st.st_size > s->lines.offset + rest)
		return 0;
	tell_torn(s, s->line + 1, s->lines.offset);
	return 1;
}

/* All that stood in the file has been read.  Whether it is followed is asked before
 * its end is read for the last time: the receiver may have written to it, and gone
 * on in the next, since we read. */
static int
on_end(struct segments *s)
{
	char next[SEGMENT_NAME_ROOM];

	if (!s->is_followed) {
		if (segment_find_next(s->dir, s->name, next) < 0)
			return fail(s, "list");
		s->is_followed = next[0] != '\0';
		if (s->is_followed)
			return 0;
	}
	if (is_end(s)) {
		s->at_end = !s->is_followed;
		end_segment(s);
	}
	return 0;
}

/* Does a good mark stand behind the line read last?  1, 0, or -1 with errno. */
static int
has_mark_behind(struct segments *s)
{
	struct record record;
	const char *text;
	size_t len;
	int rc;

	if (s->lines.offset <= s->marked_to)
		return 1;
	lines_start(&s->ahead, s->fd, s->lines.offset);
	while ((rc = lines_next(&s->ahead, &text, &len)) == 1) {
		if (record_parse(text, len, &record) == 0 && record.type == RECORD_MARK) {
			s->marked_to = s->ahead.offset;
			return 1;
		}
	}
	return rc;
}

/* The line that began at `from` is bad.  1: the segment goes on; 0: what is
 * left of it does not count; -1: failed. */
static int
judge_bad(struct segments *s, uint64_t from)
{
	int is_damage = s->in_state || s->line == 1 ? 1 : has_mark_behind(s);

	if (is_damage < 0)
		return fail(s, "read");
	if (!is_damage) {
		tell_torn(s, s->line, from);
		return 0;
	}
	s->damage++;
	complain("ledger/%s:%" PRIu64 ": a damaged record", s->name, s->line);
	return 1;
}

/* The state is a copy, and a mark stands for its segment only: what joins two
 * segments is the number of the next accept. */
static void
check_begin(struct segments *s, const struct record *begin)
{
	struct stat st;

	if (s->next_seq != 0 && begin->seq < s->next_seq) {
		s->damage++;
		complain("ledger/%s: begins with accept %" PRIu64 ", though accepts up to %" PRIu64
		         " stand before it: was a segment taken away, or put back?",
		    s->name, begin->seq, s->next_seq - 1);
	}
	/* A record that is damaged is told already; one before a segment that
	 * expired meanwhile has gone with it. */
	if (s->next_seq != 0 && begin->seq > s->next_seq && s->damage == s->damage_before &&
	    fstatat(s->dir, s->before, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		s->damage++;
		complain("ledger/%s: begins with accept %" PRIu64 ", but accepts from %" PRIu64
		         " on stand nowhere: is a segment missing before it?",
		    s->name, begin->seq, s->next_seq);
	}
	s->next_seq = begin->seq;
}

/* 1: the record is good where it stands. */
static int
take_record(struct segments *s, const struct record *record)
{
	if ((record->type == RECORD_BEGIN) != (s->line == 1))
		return 0;
	if (record->type == RECORD_BEGIN)
		check_begin(s, record);
	if (record->type == RECORD_STATE)
		s->in_state = 0;
	if (record->type == RECORD_END)
		snprintf(s->next, sizeof(s->next), "%s", record->name);
	if (record->type == RECORD_ACCEPT && record->seq >= s->next_seq)
		s->next_seq = record->seq + 1;
	return 1;
}

static int
has_other_version(struct segments *s, const struct record *record)
{
	if (record->type != RECORD_BEGIN || record->version == RECORD_VERSION)
		return 0;
	s->damage++;
	complain("ledger/%s has version %" PRIu64 "; this inboxctl reads version %d", s->name,
	    record->version, RECORD_VERSION);
	return 1;
}

int
segments_next(struct segments *s, struct record *out)
{
	uint64_t from;
	const char *text;
	size_t len;
	int rc;

	for (;;) {
		if (s->fd < 0 && (rc = open_next(s)) <= 0)
			return rc;
		from = s->lines.offset;
		rc = lines_next(&s->lines, &text, &len);
		if (rc < 0)
			return fail(s, "read");
		if (rc == 0) {
			if (on_end(s) < 0)
				return -1;
			continue;
		}
		s->line++;
		if (record_parse(text, len, out) < 0) {
			rc = judge_bad(s, from);
		} else if (s->line == 1 && has_other_version(s, out)) {
			rc = 0;
		} else {
			if (take_record(s, out))
				return 1;
			rc = judge_bad(s, from);
		}
		if (rc < 0)
			return -1;
		if (rc == 0)
			end_segment(s);
	}
}
