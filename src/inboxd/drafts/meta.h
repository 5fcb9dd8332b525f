/* SPDX-License-Identifier: ISC */
/*
 * What is told of an item beside it, where its inbox wants that ([inbox NAME] meta): whose it is
 * and what it was called there, for consumers that do not read the ledger.  inbox-spool(5),
 * METADATA, has it for them.
 *
 * As extended attributes it is part of the draft: set before the sync that covers that, so an item
 * that can be seen has it.  Of a draft that is made anew it comes from the accept's record, of
 * which it has its time, too.
 */
#ifndef INBOXD_DRAFTS_META_H
#define INBOXD_DRAFTS_META_H

#include <stdint.h>

#include "inboxd/base/inbox.h"
#include "lib/attr.h"

struct meta {
	const char *client, *queue, *inbox;
	uint64_t number;
	const char *hint;            /* as the record has it: escaped, "": none */
	const unsigned char *sha256; /* DIGEST_SIZE bytes */
	int64_t received;            /* UTC microseconds */
};

/* Sets the attributes of a draft that is open.  0, at once where the inbox wants none; or -1 with
 * errno. */
MUST_CHECK int meta_attach(const struct inbox *inbox, int fd, const struct meta *meta);
/* The same by the accept's line (record.h, with its LF and a NUL).  EBADMSG: it is none. */
MUST_CHECK int meta_attach_of(const struct inbox *inbox, int fd, const char *accept);
/* Those of one file to another, as far as it has them. */
MUST_CHECK int meta_copy(const struct inbox *inbox, int from, int to);

/* A draft's bytes onto the disk, and with them its attributes, if it has any: fdatasync(2) need not
 * write those. */
MUST_CHECK int meta_sync(const struct inbox *inbox, int fd);

#endif
