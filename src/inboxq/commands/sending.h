/* SPDX-License-Identifier: ISC */
/*
 * What `inboxq send` has put into the queue, and what becomes of each: as sent.log tells, whoever
 * uploads them, and run.state, which knows how far a large one is.
 */
#ifndef INBOXQ_COMMANDS_SENDING_H
#define INBOXQ_COMMANDS_SENDING_H

#include <stddef.h>
#include <stdint.h>

#include "inboxq/spool/runstate.h"
#include "inboxq/spool/sentlog.h"
#include "lib/attr.h"
#include "lib/why.h"

struct spool;

enum sent_state { SENT_WAITS, SENT_STORED, SENT_REFUSED, SENT_REMOVED, SENT_STATES };

struct sent_item {
	uint64_t n, size;
	enum sent_state state;
	const char *file; /* borrowed; as it was named */
};

/* How an item has ended. */
struct sent_end {
	const struct sent_item *item;
	const char *server; /* STORED, REFUSED: who said so */
	const char *there;  /* STORED: its name there; REFUSED: the code */
	const char *reason; /* REFUSED: in words, as failed/N.reason has it */
};

struct sending {
	const struct spool *spool;
	struct sent_item *items; /* ascending */
	size_t count, room;
	size_t left;             /* that have not ended */
	uint64_t bytes, ended_bytes;
	uint64_t under_way; /* bytes of those that have not, that a server has */
	struct sentlog_place place; /* of sent.log: what comes from there on */
	void (*on_end)(void *ctx, const struct sent_end *end);
	void *ctx;
};

/* Before the first item is in the queue. */
void sending_begin(struct sending *sending, const struct spool *spool);
void sending_free(struct sending *sending);
/* 0, or -1: out of memory. */
MUST_CHECK int sending_add(struct sending *sending, uint64_t n, const char *file);
/* Reads what has come to sent.log: on_end() for each of ours.  0, or -1 with errno set. */
MUST_CHECK int sending_follow(struct sending *sending);
/* What is under way, as the runner tells. */
void sending_look(struct sending *sending, const struct runstate *state);

#endif
