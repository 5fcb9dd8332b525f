/* SPDX-License-Identifier: ISC */
/*
 * Ledger segments for the tests: written record by record into memory, so that
 * a test can tear and damage them as it likes, and read back into one text that
 * two memories can be compared by.  A failure here fails the test.
 */
#ifndef UNIT_SAMPLE_H
#define UNIT_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/commit/clients.h"
#include "inboxd/commit/ledger.h"
#include "inboxd/recover/replay.h"
#include "lib/record.h"

/* The client that all these records are of. */
#define SAMPLE_CLIENT "pc17.example.org"
#define SAMPLE_JOURNAL "9b1e60c8f4d75a20e3718a6db5c2f094"
#define SAMPLE_QUEUE "6d0f3b5ac2e94a1f8b7c6d5e4f3a2b1c"

struct sample {
	size_t len;
	char text[32 * 1024];
};

/* Which one segments begin with: RECORD_VERSION, unless a test sets another. */
extern uint64_t sample_version;
/* And the journal that goes with those of version 2. */
extern const char *sample_journal;

/* Begins anew: the begin record, and then whatever is added. */
void sample_begin(struct sample *segment, uint64_t seq);
void sample_add(struct sample *segment, struct record *record);
void sample_state(struct sample *segment);
void sample_queue(struct sample *segment, uint64_t settled);
void sample_forget(struct sample *segment, uint64_t settled);
/* An item whose bytes are the string `bytes`. */
void sample_accept(struct sample *segment, uint64_t seq, uint64_t n, const char *inbox,
    const char *name, const char *bytes);
void sample_mark(struct sample *segment, uint64_t synced, uint64_t stored);
void sample_void(struct sample *segment, uint64_t seq);
void sample_skip(struct sample *segment, uint64_t n);
void sample_settled(struct sample *segment, uint64_t n);
/* Bytes that need not be a record. */
void sample_text(struct sample *segment, const char *text, size_t len);

/* A small segment with a record of each kind. */
void sample_each_kind(struct sample *segment);
/* And behind that records of gaps: one that was kept, one seen, and a part of the first one that
 * was confirmed. */
void sample_gaps(struct sample *segment);

/* The digest of a string. */
void sample_digest(const char *bytes, unsigned char sha256[DIGEST_SIZE]);

/* An item as it comes to the ledger: into the inbox "status", without a `seq`. */
struct record sample_accept_record(uint64_t n, const char *bytes);
/* Such a one, appended and remembered; its `seq`. */
uint64_t sample_append(struct ledger *ledger, struct clients *clients, uint64_t n,
    const char *bytes);

/* What may be remembered of each queue, and how many there may be; the others are in nobody's
 * way. */
#define SAMPLE_LIMITS(unsettled, queues)                                                    \
	{{[LIMIT_CLIENT_CONNECTIONS] = 1000, [LIMIT_QUEUES] = (queues),                     \
	    [LIMIT_CLIENT_QUEUES] = 1000, [LIMIT_UNSETTLED] = (unsettled),                  \
	    [LIMIT_CLIENT_UNSETTLED] = 1000000, [LIMIT_ALL_UNSETTLED] = 1000000}}

/* Each figure with a value of its own, not empty. */
void sample_fill_figures(struct figures *figures, size_t seed);
/* Gives these to a queue. */
void sample_set_figures(struct queue *queue, size_t seed);
/* So many queues with all that there is to remember. */
void sample_fill(struct clients *clients, size_t queues, uint64_t items);

/* Reads a segment in `dir` back, NULL: the newest, into what is remembered; it must not be
 * damaged or torn.  For replay_free() and clients_free(). */
struct clients *sample_replay(int dir, const char *name, struct replay *replay);

/* How many accepts no mark says are stored, and none that they are void. */
size_t sample_unfinished(const struct replay *replay);

/* Reads the newest segment in `dir` back: it must tell what `wanted` remembers, and have
 * so many items behind the last mark. */
void sample_assert_newest(int dir, const struct clients *wanted, uint64_t next_seq, size_t tail);

/* All that is remembered, as malloc'ed text. */
char *sample_dump(const struct clients *clients);

/* Writes `len` bytes to the file `name` in `dir`, anew. */
void sample_write(int dir, const char *name, const void *data, size_t len);
/* The file's bytes as a malloc'ed string; NULL where it is missing. */
char *sample_read(int dir, const char *name, size_t *len);

/* A new folder below TMPDIR; its descriptor.  Removed with all that is in it. */
int sample_make_folder(char path[64]);
void sample_remove_folder(const char *path);
/* How many files lie in `dir`, hidden ones left out. */
size_t sample_count_files(int dir);

#endif
