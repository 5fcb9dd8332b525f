/* SPDX-License-Identifier: ISC */
/*
 * How much of what waits for its consumers is whose: bytes by client, as the files' names show
 * it (name.h).  Clients whose names look alike there share one entry.
 */
#ifndef INBOXD_BASE_SHARES_H
#define INBOXD_BASE_SHARES_H

#include <stdint.h>

struct shares;

/* Ends the program when memory runs out, as shares_add() does. */
struct shares *shares_new(void);
/* NULL is fine. */
void shares_free(struct shares *shares);

/* A file of `size` bytes more.  Each counts for SHARES_LEAST bytes at least: a disk runs out of
 * inodes, too. */
#define SHARES_LEAST 4096
void shares_add(struct shares *shares, const char *client, uint64_t size);
/* May the client have a file of `size` more, if all may have `most`?  One that has nothing may,
 * whatever the size. */
int shares_allow(const struct shares *shares, const char *client, uint64_t size, uint64_t most);

#endif
