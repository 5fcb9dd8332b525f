/* SPDX-License-Identifier: ISC */
/*
 * A batch, from claims to items: the claims are made durable, copied, queued together, and
 * deleted; claim.h says why in this order.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "inboxq/spool/intake.h"
#include "inboxq/spool/item.h"
#include "inboxq/spool/spool.h"
#include "inboxq/watch/folder_parts.h"
#include "inboxq/watch/ready.h"
#include "inboxq/watch/verdict.h"
#include "lib/disk.h"
#include "lib/log.h"

#define COMPARED 16384 /* bytes in one go */

/* No item may name a claim that a power cut takes back. */
static int
sync_claims(struct folder *folder, struct batch *batch)
{
	const char *synced = NULL;

	for (size_t i = 0; i < batch->count; i++) {
		struct claim *claim = batch->at[i];

		if (claim->is_synced)
			continue;
		if (!synced || strcmp(synced, claim->id) != 0) {
			if (claims_sync(&folder->claims, claim->id, 1) < 0)
				return -1;
			synced = claim->id;
		}
		claim->is_synced = 1;
	}
	return 0;
}

/* Another one than was queued: as a whole, under another ID. */
static void
claim_anew(struct folder *folder, struct claim *claim)
{
	char id[ID_ROOM], printed[ESCAPE_ROOM(NAME_MAX)];

	claim->sight = (struct sight){.due = clock_monotonic() + FOLDER_SOON};
	if (claims_begin(&folder->claims, id) < 0)
		return;
	if (claims_renew(&folder->claims, claim, id) < 0) {
		claims_end(&folder->claims, id);
		return;
	}
	escape_bytes(printed, sizeof printed, claim->name, strlen(claim->name));
	log_event(LOG_WARNING, "watch_changed",
	    "folder=%s file=%s note=\"written to after it was queued: queued again, as a whole\"",
	    folder->printed, printed);
}

/* Claims of one batch stand side by side. */
static int
is_alone(const struct claim *claim)
{
	return (!claim->next || strcmp(claim->next->id, claim->id) != 0) &&
	    (!claim->before || strcmp(claim->before->id, claim->id) != 0);
}

static void
delete_claim(struct folder *folder, struct claim *claim)
{
	if (claims_delete(&folder->claims, claim) < 0 && errno != ENOENT) {
		folder_say(folder, &claim->sight, claim->name, errno, strerror(errno));
		claim->sight.due = clock_monotonic() + FOLDER_LATER;
		return;
	}
	if (is_alone(claim))
		claims_end(&folder->claims, claim->id);
	claim_free(&folder->claimed, claim);
	folder->must_settle = 1;
}

/* Reads both on, from their places. */
static int
begins_like(int item, int claim)
{
	char ours[COMPARED], theirs[COMPARED];
	ssize_t len, other;

	while ((len = read(claim, theirs, sizeof theirs)) > 0) {
		/* Of regular files, so that a short read is the end. */
		other = read(item, ours, (size_t)len);
		if (other != len || memcmp(ours, theirs, (size_t)len) != 0)
			return 0;
	}
	return len == 0;
}

/* Found at the start, is it the beginning of its item, as a power cut leaves it? */
static int
is_beginning(struct folder *folder, const struct claim *claim, int fd)
{
	char printed[ESCAPE_ROOM(NAME_MAX)];
	int item = -1, is_so;
	struct spool_item header;
	struct why why;

	for (int part = SPOOL_QUEUE; claim->n && part <= SPOOL_FAILED && item < 0; part++)
		item = item_open(
		    folder->setup.spool, (enum spool_part)part, claim->n, &header, &why);
	if (item < 0)
		return 0;
	is_so = strcmp(header.sha256, claim->sha256) == 0 && lseek(fd, 0, SEEK_SET) == 0 &&
	    begins_like(item, fd);
	close(item);
	if (!is_so)
		return 0;
	escape_bytes(printed, sizeof printed, claim->name, strlen(claim->name));
	log_event(LOG_NOTICE, "watch_cut",
	    "folder=%s file=%s n=%" PRIu64 " note=\"a power cut left its beginning: it is queued "
	    "as a whole\"", folder->printed, printed, claim->n);
	return 1;
}

/* Does the claim have the bytes of its item?  -1: it cannot be read. */
static int
is_as_queued(const struct claim *claim, int fd)
{
	unsigned char sha256[DIGEST_SIZE];
	char text[DIGEST_TEXT_ROOM];
	unsigned long long size;

	if (digest_file(fd, 0, sha256, &size) < 0)
		return -1;
	digest_print(text, sha256);
	return strcmp(text, claim->sha256) == 0;
}

/* What is queued goes once it is known that nobody has written to it since it was copied. */
static void
end_claim(struct folder *folder, struct claim *claim)
{
	int64_t settle = (int64_t)folder->settings->settle * CLOCK_SECOND;
	enum ready ready = READY_UNKNOWN;
	int is_same, is_as_it_was;
	struct look look;
	struct stat st;
	int fd = claims_read(&folder->claims, claim, &st);

	if (fd < 0 && errno == ENOENT) {
		claim_free(&folder->claimed, claim);
		return;
	}
	claim->sight.due = clock_monotonic() + FOLDER_SOON;
	if (fd < 0)
		return;
	if (folder->tells)
		ready = ready_ask(fd);
	look = look_of(&st);
	is_as_it_was = look_is_same(&look, &claim->sight.look);
	is_same = is_as_it_was || ready == READY_WRITER ? 1 : is_as_queued(claim, fd);
	if (is_same == 0)
		is_same = is_beginning(folder, claim, fd);
	close(fd);
	if (is_same < 0 || ready == READY_WRITER)
		return;
	if (!is_same) {
		claim_anew(folder, claim);
	} else if (ready == READY_YES || is_as_it_was) {
		delete_claim(folder, claim);
	} else {
		claim->sight.look = look;
		claim->sight.due = clock_monotonic() + settle;
	}
}

static void
end_claims(struct folder *folder)
{
	int64_t now = clock_monotonic();
	struct claim *next;

	for (struct claim *claim = folder->claimed; claim; claim = next) {
		next = claim->next;
		if (claim->state == CLAIM_QUEUED && claim->sight.due <= now)
			end_claim(folder, claim);
	}
}

/* It is in the queue. */
static void
on_queued(struct folder *folder, struct claim *claim, uint64_t n)
{
	int64_t settle = (int64_t)folder->settings->settle * CLOCK_SECOND;
	char printed[ESCAPE_ROOM(NAME_MAX)];

	escape_bytes(printed, sizeof printed, claim->name, strlen(claim->name));
	log_event(LOG_INFO, "watch_queued", "folder=%s file=%s n=%" PRIu64 " inbox=%s",
	    folder->printed, printed, n, folder->settings->inbox);
	claim->state = CLAIM_QUEUED;
	folder->queued++;
	if (claim->is_sure) {
		end_claim(folder, claim);
		return;
	}
	claim->sight.due = clock_monotonic() + settle;
}

/* One claim into the intake's batch.  INTAKE_OK: it is there, or is left for later. */
static enum intake_result
copy_claim(struct folder *folder, struct claim *claim, int *is_in, struct why *why)
{
	const struct settings_watch *settings = folder->settings;
	const struct intake_wish wish = {.inbox = settings->inbox, .name = claim->name,
	    .priority = (enum item_priority)settings->priority, .claim = claim->id,
	    .holds_still = 1, .sha256 = claim->sha256};
	char printed[ESCAPE_ROOM(NAME_MAX)];
	enum intake_result result;
	int fd = folder_open_claim(folder, claim);

	*is_in = 0;
	if (fd < 0)
		return INTAKE_OK;
	escape_bytes(printed, sizeof printed, claim->name, strlen(claim->name));
	result = intake_fd(folder->setup.intake, &wish, fd, printed, why);
	close(fd);
	*is_in = result == INTAKE_OK;
	if (result == INTAKE_MOVING || folder->setup.is_stopped()) {
		claim->sight.due = clock_monotonic() + FOLDER_SOON;
		return INTAKE_OK;
	}
	if (result == INTAKE_NOT_TAKEN) {
		folder_say(folder, &claim->sight, claim->name, FOLDER_SAY_NOT_TAKEN, why->text);
		claim->sight.due = clock_monotonic() + FOLDER_LATER;
		return INTAKE_OK;
	}
	return result;
}

/* -1: for all of us. */
static int
take_result(struct folder *folder, enum intake_result result, const struct why *why)
{
	int verdict = verdict_of(result, why, "watch");

	if (verdict > 0)
		folder_be_full(folder, why->text);
	return verdict < 0 ? -1 : 0;
}

/* Queues the claims of the batch.  1: some are due still; -1: as folder_take(). */
static int
queue_batch(struct folder *folder, const struct batch *batch)
{
	struct claim *copied[INTAKE_BATCH];
	uint64_t numbers[INTAKE_BATCH];
	enum intake_result result = INTAKE_OK, queued;
	size_t in = 0, count;
	struct why why = {0}, other = {0};
	int is_in, rc;

	for (size_t i = 0; i < batch->count && result == INTAKE_OK && !folder->setup.is_stopped();
	     i++) {
		result = copy_claim(folder, batch->at[i], &is_in, &why);
		if (is_in)
			copied[in++] = batch->at[i];
	}
	/* What is copied is good whatever came behind it. */
	queued = intake_queue(folder->setup.intake, numbers, &count, &other);
	/* A batch is admitted as a whole: where there is room for some, a smaller one is. */
	if (queued == INTAKE_FULL_QUEUE && in > 1) {
		folder->batch_max = in / 2;
		return 1;
	}
	folder->batch_max = count > 0 && 2 * folder->batch_max < INTAKE_BATCH
	    ? 2 * folder->batch_max
	    : INTAKE_BATCH;
	if (count > 0 && folder->full_until) {
		log_event(LOG_NOTICE, "watch_has_room", "folder=%s", folder->printed);
		folder->full_until = 0;
	}
	for (size_t i = 0; i < count; i++)
		on_queued(folder, copied[i], numbers[i]);
	rc = take_result(folder, result, &why);
	if (take_result(folder, queued, &other) < 0 || rc < 0)
		return -1;
	return result == INTAKE_FULL;
}

int
folder_take(struct folder *folder)
{
	struct batch batch = {.id = ""};
	int more, rc;

	folder->is_idle = 0;
	if (folder->dir < 0)
		return 0;
	end_claims(folder);
	if (clock_monotonic() < folder->full_until)
		return 0;
	more = folder_gather_held(folder, &batch);
	/* While there is no room, what is claimed is tried, and nothing else is claimed. */
	if (!folder->full_until || batch.count == 0)
		more |= folder_gather_waiting(folder, &batch);
	folder->is_idle = batch.count == 0 && !more;
	if (batch.count == 0)
		return more;
	if (sync_claims(folder, &batch) < 0) {
		folder_complain(folder, "cannot sync it: ", strerror(errno));
		for (size_t i = 0; i < batch.count; i++)
			if (!batch.at[i]->is_synced)
				batch.at[i]->sight.due = clock_monotonic() + FOLDER_LATER;
		return 0;
	}
	folder->trouble.text[0] = '\0';
	rc = queue_batch(folder, &batch);
	return rc < 0 ? -1 : rc | more;
}
