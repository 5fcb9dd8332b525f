/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "sample.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxd/commit/missing.h"
#include "lib/disk.h"
#include "lib/segment.h"
#include "lib/why.h"

#define MEMORY_MIN ((uint64_t)1 << 30) /* bytes */

#define TIME (INT64_C(1795356663) * 1000000 + 123456)

uint64_t sample_version = RECORD_VERSION;
const char *sample_journal = SAMPLE_JOURNAL;

void
sample_text(struct sample *segment, const char *text, size_t len)
{
	assert_true(len < sizeof segment->text - segment->len);
	memcpy(segment->text + segment->len, text, len);
	segment->len += len;
}

void
sample_add(struct sample *segment, struct record *record)
{
	char line[RECORD_LINE_MAX + 1];

	snprintf(record->identity, sizeof record->identity, "%s", SAMPLE_CLIENT);
	snprintf(record->queue, sizeof record->queue, "%s", SAMPLE_QUEUE);
	sample_text(segment, line, record_format(record, line));
}

void
sample_begin(struct sample *segment, uint64_t seq)
{
	struct record record = {
	    .type = RECORD_BEGIN, .version = sample_version, .time = TIME, .seq = seq};

	segment->len = 0;
	if (record.version >= RECORD_VERSION_JOURNAL)
		snprintf(record.journal, sizeof record.journal, "%s", sample_journal);
	sample_add(segment, &record);
}

void
sample_state(struct sample *segment)
{
	struct record record = {.type = RECORD_STATE};

	sample_add(segment, &record);
}

void
sample_queue(struct sample *segment, uint64_t settled)
{
	struct record record = {.type = RECORD_QUEUE, .settled = settled,
	    .figures.hello = {.seen = TIME, .agent = "inboxq/1"}};

	sample_add(segment, &record);
}

void
sample_forget(struct sample *segment, uint64_t settled)
{
	struct record record = {.type = RECORD_QUEUE, .settled = settled, .forgotten = TIME,
	    .reason = "age"};

	sample_add(segment, &record);
}

void
sample_each_kind(struct sample *segment)
{
	sample_begin(segment, 40);
	sample_queue(segment, 3);
	sample_accept(segment, 38, 3, "status", "name-38", "stored in the last segment");
	sample_skip(segment, 4);
	sample_state(segment);
	sample_queue(segment, 3);
	sample_accept(segment, 40, 5, "status", "name-40", "forty");
	sample_accept(segment, 41, 6, "dumps", "name-41", "forty-one");
	sample_mark(segment, 41, 39);
	sample_skip(segment, 9);
	sample_settled(segment, 5);
	sample_void(segment, 41);
	sample_accept(segment, 42, 6, "dumps", "name-42", "forty-one");
	sample_mark(segment, 42, 40);
	sample_accept(segment, 43, 7, "status", "name-43", "");
	sample_settled(segment, 6);
}

void
sample_gaps(struct sample *segment)
{
	struct record gap = {
	    .type = RECORD_GAP, .n = 1, .to = 2, .since = 1795358000000000, .kept = 1};

	sample_add(segment, &gap);
	gap = (struct record){.type = RECORD_GAP, .n = 8, .to = 8, .since = 1795359000000000};
	sample_add(segment, &gap);
	sample_settled(segment, 9);
	gap = (struct record){.type = RECORD_GAP, .n = 2, .to = 2, .known = 1, .time = 7};
	sample_add(segment, &gap);
}

void
sample_digest(const char *bytes, unsigned char sha256[DIGEST_SIZE])
{
	struct digest *digest = digest_new();

	assert_non_null(digest);
	assert_int_equal(digest_start(digest), 0);
	assert_int_equal(digest_add(digest, bytes, strlen(bytes)), 0);
	assert_int_equal(digest_end(digest, sha256), 0);
	digest_free(digest);
}

void
sample_accept(struct sample *segment, uint64_t seq, uint64_t n, const char *inbox,
    const char *name, const char *bytes)
{
	struct record record = {.type = RECORD_ACCEPT, .seq = seq, .n = n, .time = TIME};

	record.size = strlen(bytes);
	sample_digest(bytes, record.sha256);
	snprintf(record.inbox, sizeof record.inbox, "%s", inbox);
	snprintf(record.name, sizeof record.name, "%s", name);
	sample_add(segment, &record);
}

void
sample_mark(struct sample *segment, uint64_t synced, uint64_t stored)
{
	struct record record = {.type = RECORD_MARK, .synced = synced, .stored = stored};

	sample_add(segment, &record);
}

void
sample_void(struct sample *segment, uint64_t seq)
{
	struct record record = {.type = RECORD_VOID, .seq = seq};

	sample_add(segment, &record);
}

void
sample_skip(struct sample *segment, uint64_t n)
{
	struct record record = {.type = RECORD_SKIP, .n = n, .reason = "removed"};

	sample_add(segment, &record);
}

void
sample_settled(struct sample *segment, uint64_t n)
{
	struct record record = {.type = RECORD_SETTLED, .n = n};

	sample_add(segment, &record);
}

static void
dump_queue(FILE *out, const struct queue *queue)
{
	const struct tally *tally = &queue->figures.tally;
	const struct known *known = NULL;
	struct figures figures;
	char sha256[DIGEST_TEXT_ROOM];

	queue_figures(queue, &figures);
	fprintf(out, "%s %s settled=%" PRIu64 " items=%zu", queue->identity, queue->id,
	    queue->settled, queue->entries.items);
	fprintf(out, " stored=%" PRIu64 " bytes=%" PRIu64 " skipped=%" PRIu64 " missing=%" PRIu64
	    " reused=%" PRIu64,
	    tally->stored, tally->stored_bytes, tally->skipped, tally->missing, tally->reused);
	for (size_t i = 0; i < FIGURES_COUNT; i++) {
		const struct member *figure = &figures_rows[i].member;
		if (figure->field.kind == KIND_ESCAPED || figure->field.kind == KIND_VISIBLE)
			fprintf(out, " %s=%s", figure->field.name,
			    (const char *)member_of(figure, &figures));
		else
			fprintf(out, " %s=%" PRId64, figure->field.name,
			    member_number(figure, &figures));
	}
	fprintf(out, " age=%" PRIu64 "\n", queue->age);
	for (size_t i = 0; i < gaps_count(&queue->gaps); i++) {
		const struct gap *gap = gaps_at(&queue->gaps, i);
		fprintf(out, "  gap %" PRIu64 " to %" PRIu64 " missing=%" PRIu64 " since=%" PRId64
		    " count=%" PRIu64 " known=%" PRIu64 "\n",
		    gap->first, gap->last, gap->missing, gap->since, gap->count, gap->known);
	}
	while ((known = entries_next(&queue->entries, known))) {
		const struct known_item *item = known->item;
		fprintf(out, "  n=%" PRIu64 " skip=%d", known->number, known->is_skip);
		if (!known->is_skip) {
			digest_print(sha256, item->sha256);
			fprintf(out, " seq=%" PRIu64 " size=%" PRIu64 " time=%" PRId64
			    " %s %s %s", item->seq, item->size, item->time, sha256, item->inbox,
			    item->name);
		}
		fputc('\n', out);
	}
}

char *
sample_dump(const struct clients *clients)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	const struct queue *queue = NULL;

	assert_non_null(out);
	while ((queue = clients_next(clients, queue)))
		dump_queue(out, queue);
	assert_int_equal(fclose(out), 0);
	return text;
}

void
sample_write(int dir, const char *name, const void *data, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(disk_write(fd, data, len), 0);
	assert_int_equal(close(fd), 0);
}

char *
sample_read(int dir, const char *name, size_t *len)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text;

	if (fd < 0) {
		assert_int_equal(errno, ENOENT);
		return NULL;
	}
	assert_int_equal(fstat(fd, &st), 0);
	text = malloc((size_t)st.st_size + 1);
	assert_non_null(text);
	assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
	text[st.st_size] = '\0';
	if (len)
		*len = (size_t)st.st_size;
	close(fd);
	return text;
}

/* TMPDIR; or memory, where there is much of it: what is synced here is judged by the calls, and
 * tens of thousands of files take three times as long on a disk. */
static const char *
choose_parent(void)
{
	const char *tmp = getenv("TMPDIR");
	struct statvfs memory;

	if (tmp)
		return tmp;
	return access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &memory) == 0 &&
	        memory.f_bavail > MEMORY_MIN / memory.f_frsize
	    ? "/dev/shm"
	    : "/tmp";
}

int
sample_make_folder(char path[64])
{
	int fd;

	snprintf(path, 64, "%.40s/inbox-books.XXXXXX", choose_parent());
	assert_non_null(mkdtemp(path));
	fd = disk_open_dir(AT_FDCWD, path);
	assert_true(fd >= 0);
	return fd;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st, (void)type, (void)walk;
	return remove(path);
}

void
sample_remove_folder(const char *path)
{
	assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

size_t
sample_count_files(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = fdopendir(fd);
	struct dirent *file;
	size_t count = 0;

	assert_non_null(listing);
	while ((file = readdir(listing)))
		count += file->d_name[0] != '.';
	closedir(listing);
	return count;
}

struct record
sample_accept_record(uint64_t n, const char *bytes)
{
	struct record record = {.type = RECORD_ACCEPT, .n = n, .time = TIME};

	record.size = strlen(bytes);
	sample_digest(bytes, record.sha256);
	snprintf(record.identity, sizeof record.identity, "%s", SAMPLE_CLIENT);
	snprintf(record.queue, sizeof record.queue, "%s", SAMPLE_QUEUE);
	snprintf(record.inbox, sizeof record.inbox, "status");
	snprintf(record.name, sizeof record.name, "name-%s", bytes);
	return record;
}

uint64_t
sample_append(struct ledger *ledger, struct clients *clients, uint64_t n, const char *bytes)
{
	struct record record = sample_accept_record(n, bytes);
	struct queue *queue = clients_find(clients, SAMPLE_CLIENT, SAMPLE_QUEUE);

	if (!queue)
		queue = clients_add(clients, SAMPLE_CLIENT, SAMPLE_QUEUE, 1);
	ledger_append(ledger, &record);
	(void)queue_add_item(queue, &record);
	queue->figures.tally.stored++;
	queue->figures.tally.stored_bytes += record.size;
	queue->figures.tally.last_stored = record.time;
	return record.seq;
}

void
sample_fill_figures(struct figures *figures, size_t seed)
{
	for (size_t i = 0; i < FIGURES_COUNT; i++) {
		const struct member *figure = &figures_rows[i].member;
		uint64_t number = 1000000 * seed + i;
		char *to = (char *)figures + figure->offset;
		if (figure->field.kind == KIND_ESCAPED)
			snprintf(to, figure->field.max, "inboxq%%20/%zu-%zu", seed, i);
		else if (figure->field.kind == KIND_VISIBLE)
			snprintf(to, figure->field.max, "2001:db8::%zu:%zu", seed, i);
		else
			memcpy(to, &number, sizeof number);
	}
}

void
sample_set_figures(struct queue *queue, size_t seed)
{
	struct record record = {.type = RECORD_QUEUE, .settled = queue->settled};

	sample_fill_figures(&record.figures, seed);
	queue_restore(queue, &record);
}

void
sample_fill(struct clients *clients, size_t queues, uint64_t items)
{
	for (size_t i = 0; i < queues; i++) {
		char identity[32], bytes[32];
		struct queue *queue;
		snprintf(identity, sizeof identity, "pc%zu", i);
		queue = clients_add(clients, identity, SAMPLE_QUEUE, 5);
		sample_set_figures(queue, i + 1);
		queue_see(queue, queue->figures.hello.seen, i + 3);
		for (uint64_t n = 5; n < 5 + items; n++) {
			struct record record;
			snprintf(bytes, sizeof bytes, "%zu-%u", i, (unsigned)n);
			record = sample_accept_record(n, bytes);
			record.seq = n;
			(void)queue_add_item(queue, &record);
		}
		assert_int_equal(queue_add_skip(queue, 900000), 1);
		assert_int_equal(queue_add_skip(queue, 900002), 1);
		missing_add(queue, 2, 3, (int64_t)i + 17);
	}
}

struct clients *
sample_replay(int dir, const char *name, struct replay *replay)
{
	struct clients *found = clients_new();
	char newest[SEGMENT_NAME_ROOM];
	struct why why;
	int fd;

	assert_int_equal(segment_find_newest(dir, newest), 0);
	fd = openat(dir, name ? name : newest, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	if (replay_segment(fd, name ? name : newest, found, replay, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(replay->torn_bytes, 0);
	close(fd);
	return found;
}

size_t
sample_unfinished(const struct replay *replay)
{
	size_t count = 0;

	for (size_t i = replay->first; i < replay->count; i++)
		count += !replay->tail[i].is_void;
	return count;
}

void
sample_assert_newest(int dir, const struct clients *wanted, uint64_t next_seq, size_t tail)
{
	struct replay replay;
	struct clients *found = sample_replay(dir, NULL, &replay);
	char *expected = sample_dump(wanted), *got = sample_dump(found);

	assert_string_equal(got, expected);
	assert_int_equal(replay.next_seq, next_seq);
	assert_int_equal(sample_unfinished(&replay), tail);
	replay_free(&replay);
	clients_free(found);
	free(got);
	free(expected);
}
