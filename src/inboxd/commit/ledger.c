/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/commit/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "inboxd/commit/missing.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/parse.h"
#include "lib/segment.h"
#include "lib/walk.h"

/* Room is taken ahead, in steps, so that where there was room for accept records
 * there is room for the marks behind them: without theirs a full disk would leave
 * their items neither stored nor put off for as long as it lasts.  Bytes. */
#define AHEAD_STEP (64 * 1024)
#define AHEAD_MARKS 4096

#define NOTE_EVERY 60 /* seconds */

struct ledger {
	int dir, fd;
	struct ledger_origin origin; /* with the next accept's seq, and the last mark's */
	int64_t since;  /* monotonic microseconds: when the ledger was of origin.age */
	uint64_t noted; /* the age that the file's records tell */
	uint64_t size; /* bytes written to fd */
	uint64_t reserved; /* up to where room has been taken */
	int has_accept; /* among the gathered */
	char *gathered;
	size_t length, room;
	size_t newest; /* where the last line begins */
};

static void
gather(struct ledger *ledger, const struct record *record)
{
	if (ledger->room - ledger->length < RECORD_LINE_MAX + 1) {
		ledger->room = ledger->room ? ledger->room * 2 : 64 * 1024;
		ledger->gathered = realloc(ledger->gathered, ledger->room);
		if (!ledger->gathered)
			fatal(EX_OSERR, "out_of_memory", "bytes=%zu", ledger->room);
	}
	ledger->newest = ledger->length;
	ledger->length += record_format(record, ledger->gathered + ledger->length);
}

size_t
ledger_gathered(const struct ledger *ledger)
{
	return ledger->length;
}

const char *
ledger_newest(const struct ledger *ledger, size_t *size)
{
	*size = ledger->length - ledger->newest;
	return ledger->gathered + ledger->newest;
}

uint64_t
ledger_age(const struct ledger *ledger)
{
	return ledger->origin.age +
	    (uint64_t)((clock_monotonic() - ledger->since) / CLOCK_SECOND);
}

uint64_t
ledger_stored(const struct ledger *ledger)
{
	return ledger->origin.stored;
}

/* A run that is cut off counts up to its last note. */
static void
note_age(struct ledger *ledger, struct record *mark)
{
	uint64_t age = ledger_age(ledger);

	if (age < ledger->noted + NOTE_EVERY)
		return;
	mark->age = ledger->noted = age;
}

void
ledger_append(struct ledger *ledger, struct record *record)
{
	if (record->type == RECORD_MARK) {
		note_age(ledger, record);
		ledger->origin.synced = record->synced;
		ledger->origin.stored = record->stored;
	}
	if (record->type == RECORD_ACCEPT) {
		record->seq = ledger->origin.seq++;
		ledger->has_accept = 1;
	}
	gather(ledger, record);
}

static void
fill_accept(struct record *record, const struct known_item *item)
{
	record->type = RECORD_ACCEPT;
	record->seq = item->seq;
	record->time = item->time;
	record->size = item->size;
	memcpy(record->sha256, item->sha256, DIGEST_SIZE);
	snprintf(record->inbox, sizeof record->inbox, "%s", item->inbox);
	snprintf(record->name, sizeof record->name, "%s", item->name);
}

/* The state of one queue: itself, its items, its skips. */
static int
write_queue(struct ledger *ledger, const struct queue *queue)
{
	struct record record = {.type = RECORD_QUEUE};
	const struct known *known = NULL;

	queue_record(queue, &record);
	gather(ledger, &record);
	while ((known = entries_next(&queue->entries, known))) {
		record.type = RECORD_SKIP;
		record.n = known->number;
		if (!known->is_skip)
			fill_accept(&record, known->item);
		gather(ledger, &record);
		if (ledger->length > 256 * 1024 && ledger_flush(ledger) < 0)
			return -1;
	}
	return ledger->length > 256 * 1024 ? ledger_flush(ledger) : 0;
}

/* Behind the state: a receiver from before gaps were kept takes none within. */
static int
write_gaps(struct ledger *ledger, const struct queue *queue)
{
	struct record record;

	for (size_t i = 0; i < gaps_count(&queue->gaps); i++) {
		missing_record(queue, gaps_at(&queue->gaps, i), &record);
		gather(ledger, &record);
	}
	return ledger->length > 256 * 1024 ? ledger_flush(ledger) : 0;
}

static int
write_state(struct ledger *ledger, const struct clients *clients, const struct timespec *now)
{
	struct record record = {.type = RECORD_BEGIN, .version = RECORD_VERSION};
	const struct queue *queue = NULL;

	record.seq = ledger->origin.seq;
	snprintf(record.root, sizeof record.root, "%s", ledger->origin.root);
	if (ledger->origin.journal)
		snprintf(record.journal, sizeof record.journal, "%s", ledger->origin.journal);
	record.age = ledger->noted = ledger_age(ledger);
	record.time = (int64_t)now->tv_sec * 1000000 + now->tv_nsec / 1000;
	gather(ledger, &record);
	while ((queue = clients_next(clients, queue))) {
		if (write_queue(ledger, queue) < 0)
			return -1;
	}
	record.type = RECORD_STATE;
	gather(ledger, &record);
	while ((queue = clients_next(clients, queue))) {
		if (write_gaps(ledger, queue) < 0)
			return -1;
	}
	record = (struct record){.type = RECORD_MARK, .synced = ledger->origin.synced,
	    .stored = ledger->origin.stored};
	gather(ledger, &record);
	return ledger_flush(ledger);
}

/* Gives the finished segment its name, and tells which was the `newest` before
 * ("": none).  Names must sort after it even if the clock has been set back:
 * then its time counts on. */
static int
publish_segment(int dir, struct timespec now, char newest[SEGMENT_NAME_ROOM],
    char name[SEGMENT_NAME_ROOM])
{
	char when[PRINT_TIME_ROOM];
	struct timespec last;

	if (segment_find_newest(dir, newest) < 0)
		return -1;
	if (newest[0] && parse_time(newest, strlen(newest) - 4, &last) == 0 &&
	    (last.tv_sec > now.tv_sec ||
	        (last.tv_sec == now.tv_sec && last.tv_nsec / 1000 >= now.tv_nsec / 1000))) {
		now = last;
		now.tv_sec += 1;
	}
	print_time(when, &now);
	snprintf(name, SEGMENT_NAME_ROOM, "%s.log", when);
	return disk_publish(dir, SEGMENT_UNFINISHED, dir, name);
}

/*
 * Tells the segment before that it is no longer the newest, so that a start can
 * say when the newest is gone.  It needs no sync, since the new segment is
 * durable by now; and where it cannot be written, only that warning is lost.
 */
static void
end_segment(int dir, const char *segment, const char *next)
{
	struct record record = {.type = RECORD_END};
	char line[RECORD_LINE_MAX + 1];
	struct stat st;
	int fd;

	if (!segment[0])
		return;
	fd = openat(dir, segment, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		goto fail;
	(void)!ftruncate(fd, st.st_size); /* room that was taken ahead, and left by a crash */
	snprintf(record.name, sizeof record.name, "%s", next);
	if (disk_write(fd, line, record_format(&record, line)) == 0) {
		close(fd);
		return;
	}
	(void)!ftruncate(fd, st.st_size); /* of half a line, which counts for nothing */
fail:
	log_event(LOG_WARNING, "ledger_not_ended", "segment=%s error=\"%s\"", segment,
	    strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void
sync_or_end(int rc)
{
	if (rc < 0)
		fatal_sync("ledger");
}

struct ledger *
ledger_start(int dir, const struct clients *clients, const struct ledger_origin *origin)
{
	struct ledger *ledger = must_alloc(sizeof *ledger);
	char before[SEGMENT_NAME_ROOM], name[SEGMENT_NAME_ROOM];
	struct timespec now;
	int error;

	clock_gettime(CLOCK_REALTIME, &now);
	ledger->dir = dir;
	ledger->fd = -1;
	ledger->origin = *origin;
	ledger->since = clock_monotonic();
	if (unlinkat(dir, SEGMENT_UNFINISHED, 0) < 0 && errno != ENOENT)
		goto fail;
	ledger->fd = openat(dir, SEGMENT_UNFINISHED,
	    O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (ledger->fd < 0)
		goto fail;
	if (write_state(ledger, clients, &now) < 0)
		goto fail;
	sync_or_end(disk_sync_data(ledger->fd));
	if (publish_segment(dir, now, before, name) < 0)
		goto fail;
	/* From here on a restart would read the new segment: going on in the old
	 * one would lose what it gets. */
	sync_or_end(disk_sync_dir(dir));
	end_segment(dir, before, name);
	return ledger;
fail:
	error = errno;
	if (ledger->fd >= 0) {
		/* On a full disk its room is what others wait for. */
		(void)unlinkat(dir, SEGMENT_UNFINISHED, 0);
		close(ledger->fd);
	}
	free(ledger->gathered);
	free(ledger);
	errno = error;
	return NULL;
}

/* The room taken ahead; what stays taken is only room. */
static void
give_back(struct ledger *ledger)
{
	if (ledger->reserved > ledger->size)
		(void)!ftruncate(ledger->fd, (off_t)ledger->size);
	ledger->reserved = ledger->size;
}

void
ledger_close(struct ledger *ledger)
{
	if (!ledger)
		return;
	give_back(ledger);
	close(ledger->fd);
	free(ledger->gathered);
	free(ledger);
}

static int
take_ahead(struct ledger *ledger)
{
	uint64_t end = ledger->size + ledger->length;

	if (end + (ledger->has_accept ? AHEAD_MARKS : 0) <= ledger->reserved)
		return 0;
	if (disk_reserve(ledger->fd, end + AHEAD_STEP) == 0)
		ledger->reserved = end + AHEAD_STEP;
	else if (ledger->has_accept && disk_is_full(errno))
		return -1;
	return 0; /* what is really wrong, writing tells */
}

/* Takes back what was written in part.  Where nothing was, nothing is to be done, and
 * must not: to shorten a file needs room, too, where a quota is met on btrfs. */
static int
take_back(struct ledger *ledger)
{
	struct stat st;

	if (fstat(ledger->fd, &st) == 0 && (uint64_t)st.st_size == ledger->size)
		return 0;
	if (ftruncate(ledger->fd, (off_t)ledger->size) < 0)
		return -1;
	ledger->reserved = ledger->size; /* what lay behind was given back */
	return 0;
}

int
ledger_flush(struct ledger *ledger)
{
	int error;

	if (ledger->length == 0)
		return 0;
	if (take_ahead(ledger) < 0)
		return -1;
	if (disk_write(ledger->fd, ledger->gathered, ledger->length) < 0) {
		error = errno;
		if (take_back(ledger) < 0)
			fatal(EX_IOERR, "ledger_failed", "call=ftruncate error=\"%s\"",
			    strerror(errno));
		errno = error;
		return -1;
	}
	ledger->size += ledger->length;
	ledger->length = 0;
	ledger->has_accept = 0;
	return 0;
}

int
ledger_fd(const struct ledger *ledger)
{
	return ledger->fd;
}

uint64_t
ledger_size(const struct ledger *ledger)
{
	return ledger->size;
}

/* A segment became history when the one behind it was begun, which says when that was; one of
 * before ages were noted says 0.  That cannot be read: then nothing may go. */
static int
find_end(int dir, const char *segment, uint64_t *ended)
{
	char next[SEGMENT_NAME_ROOM];
	struct record begin;
	struct walk walk;
	int fd, rc = -1;

	if (segment_find_next(dir, segment, next) < 0 || !next[0])
		return -1; /* the one in use, whatever its age */
	fd = segment_open(dir, next);
	if (fd < 0)
		return -1;
	walk_start(&walk, fd, next, NULL);
	if (walk_next(&walk, &begin) == WALK_RECORD) {
		*ended = begin.age;
		rc = 0;
	}
	close(fd);
	return rc;
}

void
ledger_expire(const struct ledger *ledger, uint64_t days)
{
	char segment[SEGMENT_NAME_ROOM];
	uint64_t ended, age = ledger_age(ledger);

	/* Oldest first, up to one that stays: history is never one with a hole in it. */
	while (segment_find_next(ledger->dir, "", segment) == 0 &&
	    find_end(ledger->dir, segment, &ended) == 0 && ended <= age &&
	    (age - ended) / 86400 >= days) {
		if (unlinkat(ledger->dir, segment, 0) < 0) {
			log_event(LOG_WARNING, "ledger_not_deleted", "segment=%s error=\"%s\"",
			    segment, strerror(errno));
			return;
		}
		log_event(LOG_NOTICE, "ledger_deleted",
		    "segment=%s days=%llu note=\"the receiver has run so long since it ended\"",
		    segment, (unsigned long long)((age - ended) / 86400));
	}
}

int
ledger_rotate(struct ledger *ledger, const struct clients *clients, uint64_t days)
{
	struct ledger_origin origin = ledger->origin;
	struct ledger *next;

	origin.age = ledger_age(ledger);
	sync_or_end(disk_sync_data(ledger->fd));
	give_back(ledger); /* first: what follows adds its last line */
	next = ledger_start(ledger->dir, clients, &origin);
	if (!next)
		return -1;
	close(ledger->fd);
	ledger->fd = next->fd;
	ledger->noted = next->noted;
	ledger->size = next->size;
	ledger->reserved = next->reserved;
	free(next->gathered);
	free(next);
	ledger_expire(ledger, days);
	return 0;
}
