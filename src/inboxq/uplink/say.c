/* SPDX-License-Identifier: ISC */
/* Every line goes through proto_format(), so what we say is what the grammar allows. */
#include "config.h"

#include "inboxq/uplink/say.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "inboxq/queue/schedule.h"
#include "inboxq/spool/item.h"
#include "inboxq/spool/spool.h"
#include "lib/conn.h"
#include "lib/figures.h"

static void
write_line(struct conn *conn, const struct proto_line *line)
{
	char text[PROTO_LINE_MAX + 1];

	conn_write(conn, text, proto_format(line, text));
}

/* Many may lie there, and be there for long. */
static uint64_t
count_failed(const struct spool *spool, struct say_failed *failed)
{
	struct spool_numbers found;
	struct seen seen;
	struct stat st;

	if (fstat(spool_folder(spool, SPOOL_FAILED), &st) < 0 ||
	    !seen_may_differ(&failed->seen, &st))
		return failed->count;
	seen_note(&seen, &st);
	if (spool_list(spool, SPOOL_FAILED, &found) < 0)
		return failed->count;
	failed->count = found.count;
	failed->seen = seen;
	free(found.at);
	return failed->count;
}

/* Bytes that our user may still fill; 0: it is full, or the system does not tell. */
static uint64_t
look_for_room(const struct spool *spool)
{
	struct statvfs fs;

	if (fstatvfs(spool_folder(spool, SPOOL_QUEUE), &fs) < 0)
		return 0;
	if (fs.f_frsize && fs.f_bavail > PROTO_NUMBER_MAX / fs.f_frsize)
		return PROTO_NUMBER_MAX;
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

void
say_look(const struct spool *spool, const struct schedule *schedule, struct say_failed *failed,
    struct backlog *backlog)
{
	const struct schedule_counts *counts = schedule_counts(schedule);
	uint64_t first = schedule_first(schedule);
	struct why why;
	struct spool_item item;
	int fd = first ? item_open(spool, SPOOL_QUEUE, first, &item, &why) : -1;

	backlog->pending = counts->waiting + counts->sent;
	backlog->pending_oldest = fd >= 0 ? item.time : 0;
	if (fd >= 0)
		close(fd);
	backlog->failed = count_failed(spool, failed);
	backlog->free = look_for_room(spool);
}

int
say_is_news(const struct backlog *backlog, const struct backlog *told)
{
	uint64_t more = backlog->free > told->free ? backlog->free - told->free
	                                           : told->free - backlog->free;

	return backlog->pending != told->pending || backlog->failed != told->failed ||
	    backlog->pending_oldest != told->pending_oldest || more > told->free / 16;
}

static void
set_backlog(struct proto_line *line, const struct backlog *backlog)
{
	proto_set_number(line, FIELD_PENDING, backlog->pending);
	if (backlog->pending_oldest)
		proto_set_number(line, FIELD_OLDEST, backlog->pending_oldest);
	proto_set_number(line, FIELD_FAILED, backlog->failed);
	proto_set_number(line, FIELD_FREE, backlog->free);
}

void
say_hello(struct conn *conn, const struct spool *spool, const struct schedule *schedule,
    const struct backlog *backlog)
{
	struct proto_line line;

	proto_line_start(&line, VERB_HELLO);
	proto_set_number(&line, FIELD_VERSION, PROTO_VERSION);
	proto_set_text(&line, FIELD_QUEUE, spool_queue_id(spool));
	proto_set_number(&line, FIELD_SETTLED, schedule_settled(schedule));
	set_backlog(&line, backlog);
	proto_set_text(&line, FIELD_AGENT, "inboxq/" PACKAGE_VERSION);
	write_line(conn, &line);
}

void
say_state(struct conn *conn, const struct backlog *backlog)
{
	struct proto_line line;

	proto_line_start(&line, VERB_STATE);
	set_backlog(&line, backlog);
	write_line(conn, &line);
}

void
say_item(struct conn *conn, enum proto_verb verb, uint64_t n, const struct spool_item *item)
{
	struct proto_line line;

	proto_line_start(&line, verb);
	proto_set_number(&line, FIELD_NUMBER, n);
	proto_set_text(&line, FIELD_INBOX, item->inbox);
	proto_set_number(&line, FIELD_SIZE, item->size);
	proto_set_text(&line, FIELD_SHA256, item->sha256);
	if (item->name[0])
		proto_set_text(&line, FIELD_HINT, item->name);
	proto_set_number(&line, FIELD_TIME, item->time);
	write_line(conn, &line);
}

void
say_data(struct conn *conn, uint64_t n, uint64_t offset, size_t len)
{
	struct proto_line line;

	proto_line_start(&line, VERB_DATA);
	proto_set_number(&line, FIELD_NUMBER, n);
	proto_set_number(&line, FIELD_OFFSET, offset);
	proto_set_number(&line, FIELD_LENGTH, len);
	write_line(conn, &line);
}

void
say_skip(struct conn *conn, uint64_t n, const char *reason)
{
	struct proto_line line;

	proto_line_start(&line, VERB_SKIP);
	proto_set_number(&line, FIELD_NUMBER, n);
	proto_set_text(&line, FIELD_CODE, reason);
	write_line(conn, &line);
}

void
say_settled(struct conn *conn, uint64_t n)
{
	struct proto_line line;

	proto_line_start(&line, VERB_SETTLED);
	proto_set_number(&line, FIELD_NUMBER, n);
	write_line(conn, &line);
}

void
say_word(struct conn *conn, enum proto_verb verb)
{
	struct proto_line line;

	proto_line_start(&line, verb);
	write_line(conn, &line);
}
