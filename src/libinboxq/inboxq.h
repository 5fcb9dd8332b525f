/* SPDX-License-Identifier: ISC */
/*
 * libinboxq: items into the copy queue of inboxq(1), without a process for each.  The queue is
 * the one that `inboxq run` sends from; inboxq(3) says the same as this page, with an example.
 *
 * Durable.  INBOXQ_OK from a call that gives a number means: the item's bytes, their number and
 * the entry in the queue are on stable storage.  The item survives the end of the program and a
 * power cut, and stays until a receiver has acknowledged it, or an administrator removes it.
 * Nothing else means that; a call that has not returned has promised nothing.
 *
 * Failure.  The result says what to do.  But for INBOXQ_UNSURE, after a failure nothing of the
 * item is queued, and nothing is left that would grow: it may be added again, which is worth
 * while after INBOXQ_QUEUE_FULL, _DISK_FULL, _BUSY and _NO_MEMORY.  After INBOXQ_UNSURE the item
 * is in the queue, whole, but a power cut may take it: added again, it may be sent twice; not
 * added again, it may be lost.  So, too, where the program ends within a call.
 *
 * Threads.  A handle may be used by any number of threads at once, which wait for each other only
 * while a number is given; a batch is one thread's at a time.  Several handles, other processes
 * and `inboxq run` may use the same queue.  inboxq_close() is for when no other call is under way.
 *
 * Processes.  The queue belongs to one user, and the program has to run as that user, by its
 * effective user id.  After fork() the child may use the handle,
 * if no other thread was in a call of it at that moment, or open one of its own; a batch stays
 * the parent's.  All descriptors are closed by exec.  A thread is not to be cancelled in a call.
 *
 * The library writes nothing to standard error, changes no signal, no umask and no locale, starts
 * no thread, keeps nothing outside of its handles, and never ends the program.  Files are made
 * with mode 0600 and folders with 0700, less the umask.  Where a program has closed the three
 * standard descriptors, none of them becomes a file of the queue.  errno means nothing after a
 * call.
 *
 * Sizes are bytes.  All that a call is given stays the caller's, and is not needed after it.
 */
#ifndef LIBINBOXQ_INBOXQ_H
#define LIBINBOXQ_INBOXQ_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers stay; there may be more of them in time to come, and what a program does not
 * know is a failure. */
enum inboxq_result {
	INBOXQ_OK = 0,
	INBOXQ_MISUSED = 1,    /* an argument is wrong: a mistake of the program */
	INBOXQ_NO_MEMORY = 2,  /* or no descriptor that is free */
	INBOXQ_BAD_CONFIG = 3, /* the configuration cannot be read, or is wrong */
	INBOXQ_NO_SPOOL = 4,   /* the queue's folder cannot be made or opened, or is not ours */
	INBOXQ_NOT_TAKEN = 5,  /* what was to be added cannot be read, or is too large */
	INBOXQ_QUEUE_FULL = 6, /* the bounds that the configuration sets: later */
	INBOXQ_DISK_FULL = 7,  /* space, inodes, a quota: later */
	INBOXQ_BUSY = 8,       /* others kept the queue locked for half a minute: later */
	INBOXQ_BROKEN = 9,     /* reading or writing the queue failed */
	INBOXQ_UNSURE = 10,    /* it is queued, and a power cut may take it */
	INBOXQ_BATCH_FULL = 11 /* inboxq_batch_queue() first, then add this one again */
};

/* Why, in a sentence for people, of the last call that was given it; "" where all is well.  With
 * INBOXQ_OK it may hold a remark (a file grew while it was copied).  The caller's; NULL for who
 * does not want to know. */
#define INBOXQ_ERROR_ROOM 640
struct inboxq_error {
	char text[INBOXQ_ERROR_ROOM];
};

enum inboxq_priority { INBOXQ_NORMAL = 0, INBOXQ_LOW = 1, INBOXQ_HIGH = 2 };

/*
 * What is to be said of an item.  To be begun with INBOXQ_ITEM, lest members of a time to come
 * hold anything:
 *
 *	struct inboxq_item item = INBOXQ_ITEM;
 *	item.inbox = "status";
 */
struct inboxq_item {
	size_t size_of;    /* of this struct, as the program knows it: set by INBOXQ_ITEM */
	const char *inbox; /* the receiver's: 1 to 64 letters, digits, '.', '-', '_', a letter or
	                      digit first */
	const char *name;  /* what consumers are told of its name, up to 255 bytes; NULL: none, of
	                      a file its own */
	int priority;      /* enum inboxq_priority */
};
#define INBOXQ_ITEM { sizeof(struct inboxq_item), NULL, NULL, INBOXQ_NORMAL }

struct inboxq;
struct inboxq_batch;

/* Of the library that runs: "0.1.0". */
const char *inboxq_version(void);

/* What a result means, in a few words; never NULL. */
const char *inboxq_result_text(enum inboxq_result result);

/*
 * Opens the queue that a configuration file names (inboxq(1), "CONFIGURATION"; NULL: the
 * system's), and makes its folder if need be.  The file is read once.  *queue is a handle, or
 * NULL after a failure.
 */
enum inboxq_result inboxq_open(struct inboxq **queue, const char *config,
    struct inboxq_error *error);
/* NULL is fine. */
void inboxq_close(struct inboxq *queue);

/*
 * Add one item, and return once that lasts; *number (or NULL) gets its number, 0 after a failure.
 *
 * From memory: `data` may be NULL where `size` is 0.
 * From a descriptor: all that comes up to its end, from where it stands (its position moves); it
 * is waited for, also where it does not block, and not closed.
 * From a regular file: as it is; one that grows meanwhile as it was at some moment; one that is
 * written anew each time it is read is INBOXQ_NOT_TAKEN.  The file stays.
 */
enum inboxq_result inboxq_add_memory(struct inboxq *queue, const struct inboxq_item *item,
    const void *data, size_t size, uint64_t *number, struct inboxq_error *error);
enum inboxq_result inboxq_add_fd(struct inboxq *queue, const struct inboxq_item *item, int fd,
    uint64_t *number, struct inboxq_error *error);
enum inboxq_result inboxq_add_file(struct inboxq *queue, const struct inboxq_item *item,
    const char *path, uint64_t *number, struct inboxq_error *error);

/*
 * Several at once, for the price of few syncs.  What is put into a batch is copied, and is in no
 * queue before inboxq_batch_queue(); an item that cannot be taken leaves the others as they are.
 * A batch may be used again and again.  It keeps a descriptor for each item.
 */
#define INBOXQ_BATCH_MAX 256
enum inboxq_result inboxq_batch_begin(struct inboxq_batch **batch, struct inboxq *queue,
    struct inboxq_error *error);
enum inboxq_result inboxq_batch_memory(struct inboxq_batch *batch, const struct inboxq_item *item,
    const void *data, size_t size, struct inboxq_error *error);
enum inboxq_result inboxq_batch_fd(struct inboxq_batch *batch, const struct inboxq_item *item,
    int fd, struct inboxq_error *error);
enum inboxq_result inboxq_batch_file(struct inboxq_batch *batch, const struct inboxq_item *item,
    const char *path, struct inboxq_error *error);
/*
 * Queues what is in the batch, and empties it.  `numbers` (or NULL) has room for INBOXQ_BATCH_MAX
 * and gets their numbers, in the order in which they were put in; *count (or NULL) says how many
 * are queued so that it lasts.  After a failure these may be the first few, or none: the rest is
 * in no queue (INBOXQ_UNSURE: some are in it).
 */
enum inboxq_result inboxq_batch_queue(struct inboxq_batch *batch, uint64_t *numbers,
    size_t *count, struct inboxq_error *error);
/* Before inboxq_close().  What was not queued is dropped.  NULL is fine. */
void inboxq_batch_end(struct inboxq_batch *batch);

#ifdef __cplusplus
}
#endif

#endif
