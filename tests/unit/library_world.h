/* SPDX-License-Identifier: ISC */
/* A queue for the tests of libinboxq, and its judge, which reads the spool by the daemon's own
 * code: the library's names are hidden, so both may be in one program. */
#ifndef TESTS_UNIT_LIBRARY_WORLD_H
#define TESTS_UNIT_LIBRARY_WORLD_H

#include <stddef.h>
#include <stdint.h>

#include "libinboxq/inboxq.h"

/* A folder with a configuration; world_end() deletes it. */
int world_begin(void **state);
int world_end(void **state);

/* No more than so many items; for handles that are opened afterwards. */
void world_bound(unsigned items);

/* A path in it; valid until the thread's next call but three. */
const char *world_path(const char *name);
#define WORLD_CONF world_path("inboxq.conf")

/* For this inbox. */
struct inboxq_item world_item(const char *inbox);

/* Writes the file, and returns its path. */
const char *world_file(const char *name, const void *bytes, size_t size);

/* A handle, or the end of the test. */
struct inboxq *world_open(void);

/* Is item `n` in the queue, whole, with these bytes? */
int world_has(uint64_t n, const void *bytes, size_t size);
/* How many files are in this folder of the spool; items that are not whole end the test. */
size_t world_queued(void);
size_t world_drafts(void);

/* How many descriptors are open, of the first few hundred. */
int world_descriptors(void);

#endif
