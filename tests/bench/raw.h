/* SPDX-License-Identifier: ISC */
/* What the measures of raw share: the work to do, the items' files, the journal's file, and how
 * long each batch took.  What fails ends the program with 71. */
#ifndef RAW_H
#define RAW_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ITEM_SIZE 1024
#define RECORD_SIZE 400 /* bytes of an accept record, about */

/* One measure: in a folder of its own, until `seconds` or `most` items are over. */
struct raw {
	int dir, tmp, new;
	unsigned long batch; /* items */
	double seconds;
	unsigned long most;
	/* The result: items, seconds in all, and the microseconds of each batch, from the moment
	 * when the one before it was acknowledged. */
	unsigned long done;
	double took;
	uint32_t *laps;
	size_t lap_count, lap_room;
};

double raw_now(void);
void raw_die(const char *what);
/* Is there time, and are there items left?  `begin` by raw_now(). */
int raw_goes_on(const struct raw *raw, double begin);
/* A batch that was begun at *last is acknowledged; *last is when the next one begins. */
void raw_add_lap(struct raw *raw, double *last);

/* Draft `i` in tmp/; returns the descriptor, written and not synced. */
int raw_create(const struct raw *raw, unsigned long i);
void raw_publish(const struct raw *raw, unsigned long i);
/* A file for lines, and `count` of them, in one write that is not synced. */
int raw_open_lines(const struct raw *raw);
void raw_add_lines(int fd, unsigned long count);

/* What a batch's sync has to write beside the data. */
enum ring_blocks {
	RING_GROWS,  /* blocks and length: the file becomes longer with each batch */
	RING_TAKEN,  /* that blocks have been written: they are taken, and no more */
	RING_WRITTEN /* nothing: they were written before, and are used in turn */
};

struct ring {
	int fd;
	enum ring_blocks blocks;
	off_t at;
	char *buffer; /* a batch's */
};

/* In raw->dir, for batches of up to raw->batch frames. */
void ring_open(struct ring *ring, const struct raw *raw, enum ring_blocks blocks);
/* Writes a batch with the frames of `count` items from `first` on, and syncs it. */
void ring_add(struct ring *ring, unsigned long first, unsigned long count);
void ring_close(struct ring *ring);

/* The whole new order, journal and files (raw_journal.c). */
void measure_journal(struct raw *raw);

#endif
