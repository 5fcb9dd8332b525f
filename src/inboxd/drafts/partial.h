/* SPDX-License-Identifier: ISC */
/*
 * A large item that comes in pieces: a file in tmp/ whose name tells the item
 * (part-<digest of its key>), so that whoever opens the item again, after a cut
 * or a restart, goes on where it ends.  When all bytes are there and the digest
 * over the whole of them is right, it becomes a draft like any other.
 *
 * The digest is taken of the bytes as they come.  After a resume the older
 * bytes are read back first, in steps, since reading 4 GiB at once would hold
 * up everyone else on the worker.
 *
 * One session at a time has it: the file is locked (flock(2)).
 */
#ifndef INBOXD_DRAFTS_PARTIAL_H
#define INBOXD_DRAFTS_PARTIAL_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/drafts/draft.h"
#include "lib/attr.h"
#include "lib/digest.h"

#define PARTIAL_PREFIX "part-"

struct partial {
	struct site *site; /* a reference; keeps `inbox` open */
	struct inbox *inbox;
	int fd;
	char name[sizeof PARTIAL_PREFIX + 2 * DIGEST_SIZE];
	uint64_t size, written, hashed; /* bytes: declared, there, in the digest */
	uint64_t pushed;                /* bytes whose write-out has been started */
	int is_resumed;
	unsigned char sha256[DIGEST_SIZE];
	struct digest *digest;
};

/* The key of an item: inbox-protocol(7), PUT. */
struct partial_key {
	const char *identity, *queue_id;
	uint64_t number, size;
	const unsigned char *sha256;
};

enum partial_result {
	PARTIAL_OK,
	PARTIAL_BUSY, /* another session has it; or it had another mode, and has gone */
	PARTIAL_FULL,
	PARTIAL_TROUBLE, /* logged */
};

/* Opens or creates it; `written` is from where on bytes are wanted. */
MUST_CHECK enum partial_result partial_open(struct partial *partial, struct site *site,
    struct inbox *inbox, const struct partial_key *key);

/* Takes room for all of it on the disk now, rather than meet a full one at its last
 * byte.  On failure the partial stays what it was. */
MUST_CHECK enum partial_result partial_reserve(struct partial *partial);

/* Adds bytes at its end. */
MUST_CHECK enum partial_result partial_write(struct partial *partial, const void *data, size_t len);

/* Takes a step of the digest's arrears.  1: there is more to do; 0: none; -1: it
 * cannot be read (logged). */
MUST_CHECK int partial_catch_up(struct partial *partial);

enum partial_state {
	PARTIAL_INCOMPLETE, /* bytes or the digest's arrears are missing */
	PARTIAL_RIGHT,
	PARTIAL_WRONG, /* all is there, and the digest is another */
};
enum partial_state partial_check(struct partial *partial);

/* PARTIAL_RIGHT: sets what its inbox wants beside it. */
MUST_CHECK enum partial_result partial_describe(struct partial *partial, const struct meta *meta);
/* And then it becomes `draft`, under a name of its own.  On failure the
 * partial stays what it was. */
MUST_CHECK enum draft_result partial_to_draft(struct partial *partial, struct namer *namer,
    const char *identity, struct draft *draft);

/* Back to no bytes, with room for all of them. */
MUST_CHECK enum partial_result partial_restart(struct partial *partial);

/* Keeps what has come for the next time. */
void partial_close(struct partial *partial);
/* Deletes it. */
void partial_discard(struct partial *partial);

/* Syncs the partials in tmp/, each by itself.  0, or -1 with errno. */
MUST_CHECK int partial_sync_all(const struct inbox *inbox);

/* Deletes the partials in tmp/ that nobody has open and that were last written
 * more than `seconds` ago. */
void partial_expire(const struct inbox *inbox, uint64_t seconds);

#endif
