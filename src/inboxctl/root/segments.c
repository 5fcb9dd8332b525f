/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/root/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inboxctl/base/complain.h"
#include "lib/segment.h"
#include "lib/walk.h"

struct segments {
	int dir, fd; /* fd: the open segment, or -1 */
	const char *root;
	char name[SEGMENT_NAME_ROOM], before[SEGMENT_NAME_ROOM];
	char next[NAME_ROOM]; /* which one follows, as an end record says; "": none does */
	uint64_t count;     /* segments opened */
	int is_partial;     /* older segments were passed over */
	int follows;        /* what is not there yet is waited for */
	int is_followed;    /* the open one is known not to be the newest */
	int at_end;         /* the last one was not followed when it was read to its end */
	uint64_t next_seq;  /* the next accept's, when the last segment ended; 0: not known */
	uint64_t damage;
	uint64_t damage_here, damage_before; /* at the start of this segment, of the last */
	int64_t began;
	struct walk walk;
};

struct segments *
segments_open(int dir, const char *root)
{
	struct segments *segments = calloc(1, sizeof *segments);

	if (!segments)
		return NULL;
	segments->dir = dir;
	segments->root = root;
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
	return segments->count == 1 && !segments->is_partial;
}

void
segments_after(struct segments *segments, const char *name)
{
	snprintf(segments->name, sizeof segments->name, "%s", name);
	segments->is_partial = name[0] != '\0';
}

void
segments_follow(struct segments *segments)
{
	segments->follows = 1;
}

int
segments_in_state(const struct segments *segments)
{
	return segments->walk.in_state;
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
	    fstatat(s->dir, s->next, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
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

	memcpy(s->before, s->name, sizeof s->before);
	for (;;) {
		name[0] = '\0';
		if (!s->at_end && segment_find_next(s->dir, s->name, name) < 0)
			return fail(s, "list");
		check_next(s, name);
		if (name[0] == '\0')
			return 0;
		memcpy(s->name, name, sizeof s->name);
		s->fd = segment_open(s->dir, name);
		if (s->fd >= 0)
			break;
		if (errno == EBADMSG) {
			s->damage++;
			complain("ledger/%s: is no regular file", name);
		} else if (errno != ENOENT) { /* else it was deleted between the two calls */
			return fail(s, "open");
		}
	}
	if (s->count++ == 0 && segment_is_name(name, &when))
		s->began = (int64_t)when.tv_sec * 1000000 + when.tv_nsec / 1000;
	s->is_followed = 0;
	s->damage_before = s->damage_here;
	s->damage_here = s->damage;
	walk_start(&s->walk, s->fd, s->name, s->root);
	return 1;
}

static void
end_segment(struct segments *s)
{
	close(s->fd);
	s->fd = -1;
	if (s->walk.next_seq != 0)
		s->next_seq = s->walk.next_seq;
}

static void
tell_torn(const struct segments *s)
{
	struct stat st;

	if (fstat(s->fd, &st) < 0 || (uint64_t)st.st_size < s->walk.offset)
		return; /* the receiver has cut it off meanwhile */
	complain("ledger/%s:%" PRIu64 ": torn: the last %" PRIu64 " bytes %s", s->name,
	    s->walk.line, (uint64_t)st.st_size - s->walk.offset,
	    s->walk.version >= RECORD_VERSION_JOURNAL ?
	        "were never synced, and do not count: what was promised of them stands in the "
	        "journal" :
	        "were never promised, and do not count");
}

/* The file ends, perhaps within a line.  0: it goes on after all. */
static int
is_end(struct segments *s)
{
	/* Longer than the receiver takes for one write(). */
	const struct timespec moment = {.tv_nsec = 50000000};
	struct stat st;
	uint64_t rest = walk_rest(&s->walk);

	if (rest == 0)
		return 1;
	nanosleep(&moment, NULL);
	if (fstat(s->fd, &st) == 0 && (uint64_t)st.st_size > s->walk.offset + rest)
		return 0;
	tell_torn(s);
	return 1;
}

/* All that stood in the file has been read.  Whether it is followed is asked before
 * its end is read for the last time: the receiver may have written to it, and gone
 * on in the next, since we read.  0; 1: there is no more for now; -1: failed. */
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
		if (s->follows)
			return 1;
	}
	if (is_end(s)) {
		s->at_end = !s->is_followed;
		end_segment(s);
	}
	return 0;
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
}

int
segments_next(struct segments *s, struct record *out)
{
	int rc;

	for (;;) {
		if (s->fd < 0 && (rc = open_next(s)) <= 0)
			return rc;
		switch (walk_next(&s->walk, out)) {
		case WALK_RECORD:
			if (out->type == RECORD_BEGIN)
				check_begin(s, out);
			if (out->type == RECORD_END)
				snprintf(s->next, sizeof s->next, "%s", out->name);
			return 1;
		case WALK_DAMAGED:
		case WALK_STRANGER:
			s->damage++;
			complain("%s", s->walk.why.text);
			break;
		case WALK_TORN:
			tell_torn(s);
			end_segment(s);
			break;
		case WALK_END:
			rc = on_end(s);
			if (rc != 0)
				return rc < 0 ? -1 : 0;
			break;
		case WALK_FAILED:
			complain("%s", s->walk.why.text);
			return -1;
		}
	}
}
