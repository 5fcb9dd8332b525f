/* SPDX-License-Identifier: ISC */
/*
 * What a queue is missing: its gaps (gaps.h), in step with its figure and with how many there are
 * of all.  As clients.h it knows no disk: losses.h makes it last, replay.h restores it.
 */
#ifndef INBOXD_COMMIT_MISSING_H
#define INBOXD_COMMIT_MISSING_H

#include <stdint.h>

#include "inboxd/commit/clients.h"
#include "inboxd/commit/gaps.h"

struct client_view;
struct record;

/* A gap that queue_settle() tells of; its figure is the caller's. */
void missing_add(struct queue *queue, uint64_t first, uint64_t last, int64_t since);
/* The number is below the mark, and has come after all, or is skipped.  1: it was missing, and is
 * so no more; *was is what it was. */
int missing_end(struct queue *queue, uint64_t number, struct gap *was);
/* It has not, after all: what missing_end() has said holds again. */
void missing_undo(struct queue *queue, const struct gap *was);
/* As gaps_confirm(). */
enum gaps_confirmed missing_confirm(struct queue *queue, uint64_t first, uint64_t last,
    uint64_t *count);

/* The record by which a new segment keeps the gap; and the reverse. */
void missing_record(const struct queue *queue, const struct gap *gap, struct record *out);
void missing_restore(struct queue *queue, const struct record *record);

/* For /clients: the gaps of the view, and their sums. */
void missing_show(const struct queue *queue, struct client_view *out);

#endif
