/* SPDX-License-Identifier: ISC */
/*
 * A receiver's root as inbox-spool(5) describes it, read by that page alone: the ledger's accepts,
 * and the files of an inbox with their digests.
 */
#ifndef HERD_SPOOL_H
#define HERD_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/digest.h"
#include "lib/why.h"

struct accept {
	uint64_t seq, n, size;
	char *identity, *queue, *name; /* owned; name: as it stands in new/ */
	unsigned char sha256[DIGEST_SIZE];
	int is_void;
};

struct file {
	char *name; /* owned */
	uint64_t size;
	unsigned char sha256[DIGEST_SIZE];
};

struct spool {
	struct accept *accept; /* by seq, none twice */
	struct file *file;     /* by name */
	size_t accepts, files;
};

/* 0, or -1 with the reason. */
MUST_CHECK int spool_read(struct spool *spool, const char *root, const char *inbox,
    struct why *why);
void spool_free(struct spool *spool);

/* NULL: there is none. */
const struct file *spool_find(const struct spool *spool, const char *name);

#endif
