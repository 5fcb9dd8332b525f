/* SPDX-License-Identifier: ISC */
/*
 * The lines of interest are gathered, sorted by number, and the last one of each
 * number is judged: an item may have been refused by one server and stored by
 * another, or removed while it was on its way.
 */
#include "inboxq/uplink/skips.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inboxq/queue/ends.h"
#include "inboxq/queue/life.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/spool/sentlog.h"
#include "inboxq/uplink/say.h"

#define SKIPS_AT_ONCE 100 /* a receiver must remember each until SETTLED */

struct lost {
	uint64_t n;
	size_t order;
	const char *reason; /* NULL: the server has it */
	int is_removed;
};

struct gathering {
	uint64_t first;
	const char *server;
	struct lost *lost;
	size_t count, room;
	int failed;
};

static const char *
reason_of(const struct sentlog_line *line, const char *server)
{
	switch (line->end) {
	case SENTLOG_STORED:
		return sentlog_is_same(line->server, server) ? NULL : "elsewhere";
	case SENTLOG_REFUSED:
		return "refused";
	case SENTLOG_REMOVED:
		return "removed";
	case SENTLOG_RENAMED:
	case SENTLOG_ENDS:
		break;
	}
	return NULL;
}

/* All so far was said under another id of the queue, which is another queue to the server. */
static void
lose_all(struct gathering *gathering)
{
	for (size_t i = 0; i < gathering->count; i++)
		if (!gathering->lost[i].reason)
			gathering->lost[i].reason = "elsewhere";
}

static void
on_line(void *ctx, const struct sentlog_line *line)
{
	struct gathering *gathering = ctx;

	if (line->end == SENTLOG_RENAMED)
		lose_all(gathering);
	if (line->end == SENTLOG_RENAMED || line->n < gathering->first || gathering->failed)
		return;
	if (gathering->count == gathering->room) {
		size_t room = gathering->room ? 2 * gathering->room : 256;
		struct lost *more = realloc(gathering->lost, room * sizeof *more);

		if (!more) {
			gathering->failed = 1;
			return;
		}
		gathering->lost = more;
		gathering->room = room;
	}
	gathering->lost[gathering->count] =
	    (struct lost){line->n, gathering->count, reason_of(line, gathering->server),
	        line->end == SENTLOG_REMOVED};
	gathering->count++;
}

static int
compare(const void *a, const void *b)
{
	const struct lost *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

/* A line is written before its item leaves queue/: where that is there still, since it
 * could not leave or a crash came between, the last word is not spoken.  One that was
 * removed may be there for us, but has no file. */
static int
is_lost(const struct schedule *schedule, const struct lost *lost)
{
	return lost->reason && (lost->is_removed || !schedule_holds(schedule, lost->n));
}

/* `settled`: how far the queue's mark allows. */
static void
tell(const struct gathering *gathering, const struct schedule *schedule, struct skips_told *told,
    uint64_t settled, struct conn *conn)
{
	unsigned said = 0;

	for (size_t i = 0; i < gathering->count; i++) {
		const struct lost *lost = &gathering->lost[i];

		if ((i + 1 < gathering->count && lost[1].n == lost->n) || !is_lost(schedule, lost))
			continue;
		if (said >= SKIPS_AT_ONCE && lost->n > told->settled && lost->n <= settled) {
			say_settled(conn, lost->n);
			told->settled = lost->n;
			said = 0;
		}
		say_skip(conn, lost->n, lost->reason);
		life_skipped(lost->n, gathering->server, lost->reason);
		said++;
	}
	if (settled > told->settled) {
		say_settled(conn, settled);
		told->settled = settled;
	}
}

int
skips_hello(const struct spool *spool, const struct schedule *schedule, struct skips_told *told,
    struct conn *conn)
{
	if (ends_sync(spool) < 0)
		return -1;
	say_look(spool, schedule, &told->failed, &told->backlog);
	say_hello(conn, spool, schedule, &told->backlog);
	told->settled = schedule_settled(schedule);
	return 0;
}

int
skips_settle(const struct spool *spool, const struct schedule *schedule, struct skips_told *told,
    const char *server, struct conn *conn)
{
	struct gathering gathering = {.first = told->settled, .server = server};
	uint64_t settled = schedule_settled(schedule);
	int rc;

	if (settled > told->settled && ends_sync(spool) < 0)
		return -1;
	rc = sentlog_read(spool, &told->sentlog, on_line, &gathering);
	if (rc == 0 && gathering.failed) {
		errno = ENOMEM;
		rc = -1;
	}
	if (rc == 0 && gathering.count)
		qsort(gathering.lost, gathering.count, sizeof *gathering.lost, compare);
	if (rc == 0)
		tell(&gathering, schedule, told, settled, conn);
	free(gathering.lost);
	return rc;
}
