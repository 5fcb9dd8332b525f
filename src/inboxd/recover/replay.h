/* SPDX-License-Identifier: ISC */
/*
 * Reading a ledger segment back: into the memory of clients, and a list of
 * what is unfinished.  Changes nothing on disk.
 */
#ifndef INBOXD_RECOVER_REPLAY_H
#define INBOXD_RECOVER_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/commit/clients.h"
#include "lib/attr.h"
#include "lib/id.h"
#include "lib/why.h"

/* An accept that no mark says is stored. */
struct tail_item {
	struct queue *queue; /* held, while it is in the tail */
	uint64_t seq, number, size;
	uint64_t end; /* of its line in the segment; 0: it is not there */
	unsigned char sha256[DIGEST_SIZE];
	int is_reuse; /* as in struct item (request.h) */
	int is_void;
	struct gap was; /* missing, but for this item; count 0: it was not */
	int is_renamed; /* it was to have another name in new/ */
	int is_listed; /* frames.c's */
	char inbox[PROTO_INBOX_MAX + 1];
	char name[NAME_ROOM];
};

/* It was not stored after all: it is known no more, and counts in no figure. */
void tail_void(struct tail_item *item);

struct replay {
	/* By seq; from `first` on those that the last mark does not cover, and no more than as many
	 * before. */
	struct tail_item *tail;
	size_t first, count, room;
	uint64_t version, first_seq; /* of the begin record */
	char journal[ID_ROOM];       /* likewise; "": none */
	uint64_t synced, stored;     /* of the last mark; at first, in version 1: first_seq - 1 */
	uint64_t next_seq;
	uint64_t good_bytes;  /* how far the segment is whole */
	uint64_t synced_bytes; /* of these, what marks say to be on the disk (walk.h) */
	uint64_t torn_bytes;  /* what stands behind, and counts as never written */
	uint64_t records;
	uint64_t age;         /* as last noted: record.h */
	char next[NAME_ROOM]; /* the segment that has followed this one; "": none */
};

/*
 * Reads the open segment `fd` (called `name` in errors) from its beginning, whosever it is.
 * 0; or -1 with the reason in `error` and errno: EBADMSG if the segment is
 * damaged where a sync had vouched for it, else of the failed read.
 *
 * What a power failure may have torn is only what no mark vouches for (walk.h): such
 * a tail is counted in torn_bytes and not used.
 */
MUST_CHECK int replay_segment(int fd, const char *name, struct clients *clients,
    struct replay *replay, struct why *error);
/* Before the clients are freed. */
void replay_free(struct replay *replay);

/* What an accept's record says, for its queue, which is made where it is not known. */
void replay_describe(struct clients *clients, const struct record *record, struct tail_item *out);
/* An accept behind all that was read, which the segment lacks: it counts as if it stood there. */
struct tail_item *replay_add(struct replay *replay, struct clients *clients,
    const struct record *record);
/* The item of the tail with that number, void or not; NULL: there is none. */
struct tail_item *replay_find(const struct replay *replay, uint64_t seq);

#endif
