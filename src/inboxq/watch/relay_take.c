/* SPDX-License-Identifier: ISC */
/* A batch of an inbox's items, copied into the queue.  They stay where they are. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inboxq/spool/counts.h"
#include "inboxq/spool/intake.h"
#include "inboxq/watch/relay_parts.h"
#include "inboxq/watch/verdict.h"
#include "lib/disk.h"
#include "lib/log.h"

/* On their way at once; one larger than all of that goes when it is the next. */
#define AHEAD_ITEMS 4096
#define AHEAD_BYTES (UINT64_C(256) << 20)
#define FULL_EVERY (5 * CLOCK_SECOND)
#define LOOKS 4096 /* at what waits, in one go */

enum { SAY_KIND = -1, SAY_SIZE = -2, SAY_NOT_TAKEN = -3 };

/* Copies that are queued together. */
struct copies {
	struct waiting_file *of[INTAKE_BATCH];
	char keys[INTAKE_BATCH][ID_ROOM];
	size_t count;
};

/* It stays, and is looked at again; said once. */
static void
leave(struct relay *relay, struct waiting_file *file, int code, const char *why)
{
	file->sight.due = clock_monotonic() + RELAY_AGAIN;
	if (file->sight.said == code)
		return;
	file->sight.said = code;
	log_event(LOG_WARNING, "relay_not_taken", "folder=%s file=%s reason=\"%s\"",
	    relay->printed, file->name, why);
}

static void
be_full(struct relay *relay, const char *why)
{
	if (!relay->full_until)
		log_event(LOG_ERR, "relay_full", "folder=%s error=\"%s\"", relay->printed, why);
	relay->full_until = clock_monotonic() + FULL_EVERY;
}

/* -1: for all of us. */
static int
take_result(struct relay *relay, enum intake_result result, const struct why *why)
{
	int verdict = verdict_of(result, why, "relay");

	if (verdict > 0)
		be_full(relay, why->text);
	return verdict < 0 ? -1 : 0;
}

/* The item, open, and its size; -1: not now.  Gone: another consumer has it. */
static int
open_item(struct relay *relay, struct waiting_file *file, uint64_t *size)
{
	uint64_t largest = *relay->setup.largest;
	struct stat st;
	int fd = openat(relay->dir, file->name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		waiting_drop(relay->waiting, file);
		return -1;
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		leave(relay, file, errno, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		leave(relay, file, SAY_KIND, "not a regular file");
	} else if (largest && (uint64_t)st.st_size > largest) {
		leave(relay, file, SAY_SIZE, "larger than all of the queue may be ([queue] bytes)");
	} else {
		*size = (uint64_t)st.st_size;
		return fd;
	}
	disk_close(fd);
	return -1;
}

/* One into the batch.  INTAKE_OK: it is there, or is left for later. */
static enum intake_result
copy_item(struct relay *relay, struct copies *copies, struct waiting_file *file, struct why *why)
{
	const struct settings_watch *settings = relay->settings;
	struct intake_wish wish = {.inbox = settings->inbox, .name = file->name,
	    .priority = (enum item_priority)settings->priority, .holds_still = 1};
	char *key = copies->keys[copies->count];
	enum intake_result result;
	uint64_t size;
	int fd;

	if (relay_key(relay, file->name, key) < 0) {
		why_say(why, "%s", strerror(ENOMEM));
		return INTAKE_SHORT;
	}
	if (relayed_has(relay->relayed, key)) {
		waiting_drop(relay->waiting, file);
		return INTAKE_OK;
	}
	fd = open_item(relay, file, &size);
	if (fd < 0)
		return INTAKE_OK;
	wish.claim = key;
	if (counts_refuse(relay->setup.spool, size, why))
		result = INTAKE_FULL_QUEUE;
	else if (relayed_add(relay->relayed, key, size, 0) < 0)
		result = INTAKE_SHORT;
	else
		result = intake_fd(relay->setup.intake, &wish, fd, file->name, why);
	close(fd);
	if (result == INTAKE_OK) {
		copies->of[copies->count++] = file;
		return INTAKE_OK;
	}
	relayed_drop(relay->relayed, key);
	if (relay->setup.is_stopped())
		return INTAKE_OK;
	if (result != INTAKE_NOT_TAKEN && result != INTAKE_MOVING)
		return result;
	leave(relay, file, SAY_NOT_TAKEN, why->text);
	return INTAKE_OK;
}

static int
is_enough(const struct relay *relay, const struct copies *copies)
{
	return copies->count >= relay->batch_max ||
	    relayed_items(relay->relayed) >= AHEAD_ITEMS ||
	    relayed_bytes(relay->relayed) >= AHEAD_BYTES;
}

/* As many as may be.  *more: others are due, too. */
static enum intake_result
copy_items(struct relay *relay, struct copies *copies, int *more, struct why *why)
{
	struct waiting_file *file = waiting_first(relay->waiting), *next;
	enum intake_result result = INTAKE_OK;
	int64_t now = clock_monotonic();

	*more = 0;
	for (int looks = 0; file && result == INTAKE_OK; file = next) {
		next = file->next;
		if (file->sight.due > now)
			continue;
		if (relay->setup.is_stopped())
			break;
		if (is_enough(relay, copies) || looks++ == LOOKS) {
			*more = copies->count > 0 || looks > LOOKS;
			break;
		}
		result = copy_item(relay, copies, file, why);
	}
	*more |= result == INTAKE_FULL;
	return result;
}

static void
on_queued(struct relay *relay, struct waiting_file *file, uint64_t n)
{
	log_event(LOG_INFO, "relay_queued", "folder=%s file=%s n=%" PRIu64 " inbox=%s",
	    relay->printed, file->name, n, relay->settings->inbox);
	relay->queued++;
	waiting_drop(relay->waiting, file);
}

int
relay_take(void *folder)
{
	struct relay *relay = folder;
	struct copies copies = {.count = 0};
	enum intake_result result, queued;
	struct why why = {0}, other = {0};
	uint64_t numbers[INTAKE_BATCH];
	size_t count;
	int more, rc;

	relay->is_idle = 0;
	if (relay->dir < 0)
		return 0;
	if (relay_read_ends(relay) < 0) {
		relay_complain(relay, "cannot read sent.log: ", strerror(errno));
		return 0;
	}
	if (clock_monotonic() < relay->full_until)
		return 0;
	result = copy_items(relay, &copies, &more, &why);
	relay->is_idle = copies.count == 0 && !more;
	/* What is copied is good whatever came behind it. */
	queued = intake_queue(relay->setup.intake, numbers, &count, &other);
	for (size_t i = 0; i < copies.count; i++) {
		if (i < count)
			on_queued(relay, copies.of[i], numbers[i]);
		else
			relayed_drop(relay->relayed, copies.keys[i]);
	}
	/* A batch is admitted as a whole: where there is room for some, a smaller one is. */
	if (queued == INTAKE_FULL_QUEUE && copies.count > 1) {
		relay->batch_max = copies.count / 2;
		return 1;
	}
	relay->batch_max = INTAKE_BATCH;
	if (count > 0 && relay->full_until) {
		log_event(LOG_NOTICE, "relay_has_room", "folder=%s", relay->printed);
		relay->full_until = 0;
	}
	rc = take_result(relay, result, &why);
	if (take_result(relay, queued, &other) < 0 || rc < 0)
		return -1;
	return more && !relay->full_until;
}
