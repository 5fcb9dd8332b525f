/* SPDX-License-Identifier: ISC */
/* What queue.c and queue_scan.c share, and nobody else knows. */
#ifndef INBOXQ_QUEUE_QUEUE_PARTS_H
#define INBOXQ_QUEUE_QUEUE_PARTS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "inboxq/spool/history.h"
#include "inboxq/queue/queue.h"

/* Answers in a batch, a line of sent.log each: it never needs more room there than
 * is taken ahead. */
#define QUEUE_BATCH (HISTORY_AHEAD / 2 / HISTORY_LINE_ROOM)

enum entry_state { ENTRY_WAITING, ENTRY_SENT, ENTRY_ANSWERED, ENTRY_GONE };

struct entry {
	uint64_t n;
	union {
		int64_t due;   /* WAITING: monotonic seconds; 0: at once */
		uint64_t size; /* SENT: bytes */
	};
	uint8_t state; /* enum entry_state */
	uint8_t lane;  /* enum queue_lane */
	uint8_t is_fixed, busy;
};

struct lane {
	size_t cursor; /* nothing below it can be sent before `recheck` */
	int64_t recheck;
};

struct answer {
	uint64_t n, size;
	int is_refused;
};

struct queue {
	struct spool *spool;
	struct history *history;
	struct entry *entries;
	size_t count;
	size_t low; /* nothing below it is in the queue */
	struct lane lanes[QUEUE_LANES];
	uint64_t highest; /* number ever seen */
	struct answer batch[QUEUE_BATCH];
	size_t batch_count;
	struct queue_counts counts;
	int is_patient; /* what is stuck is tried again within the session */
	/* The last scan: the folder's time then, and whether that was young; when it began
	 * (monotonic) and what it cost, seconds. */
	struct timespec seen;
	int was_young;
	double looked, cost;
};

/* Each lane is looked through from the begin now, and again at `recheck`. */
void queue_reset_lanes(struct queue *queue, int64_t recheck);

#endif
