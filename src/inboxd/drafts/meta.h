/* SPDX-License-Identifier: ISC */
/*
 * What is told of an item beside it, where its inbox wants that ([inbox NAME] meta): whose it is
 * and what it was called there, for consumers that do not read the ledger.  inbox-spool(5),
 * METADATA, has it for them.
 *
 * As extended attributes it is part of the draft: set before the sync that covers that, so an item
 * that can be seen has it.  Of a draft that is made anew it comes from the accept's record, of
 * which it has its time, too.
 *
 * As JSON it is a file of its own, NAME.json in meta/, for who cannot have attributes.  It is made
 * by whoever makes the item visible, before that (publish/beside.h, recover/beside_item.h), and is
 * the consumer's to delete; what is left over goes by leftovers.h.
 */
#ifndef INBOXD_DRAFTS_META_H
#define INBOXD_DRAFTS_META_H

#include <stdint.h>

#include "inboxd/base/inbox.h"
#include "lib/attr.h"

#define META_SUFFIX ".json" /* behind the item's name, in meta/ */

struct meta {
	const char *client, *queue, *inbox;
	uint64_t number;
	const char *hint;            /* as the record has it: escaped, "": none */
	const unsigned char *sha256; /* DIGEST_SIZE bytes */
	int64_t received;            /* UTC microseconds; 0: not known */
};

/* Sets the attributes of a draft that is open.  0, at once where the inbox wants none; or -1 with
 * errno. */
MUST_CHECK int meta_attach(const struct inbox *inbox, int fd, const struct meta *meta);
/* The same by the accept's line (record.h, with its LF and a NUL).  EBADMSG: it is none. */
MUST_CHECK int meta_attach_of(const struct inbox *inbox, int fd, const char *accept);
/* Those of one file to another, as far as it has them. */
MUST_CHECK int meta_copy(const struct inbox *inbox, int from, int to);

/* What meta/ is to say of it, malloc'ed; NULL: its inbox wants nothing there. */
MUST_CHECK char *meta_text(const struct inbox *inbox, const struct meta *meta);
/* The same by the accept's line; NULL, too, where that is none. */
MUST_CHECK char *meta_text_of(const struct inbox *inbox, const char *accept);
/* Makes the file for the item `name`, in place of what was there.  The descriptor, for the sync; or
 * -1 with errno, and there is none. */
MUST_CHECK int meta_write(const struct inbox *inbox, const char *name, const char *text);
/* Is there one for the item `name`?  1 or 0. */
int meta_is_there(const struct inbox *inbox, const char *name);
void meta_remove(const struct inbox *inbox, const char *name);
/* That of the item `from` becomes that of `to`; one that is not there does not.  Its folder is
 * synced by the caller.  0, or -1 with errno. */
MUST_CHECK int meta_rename(const struct inbox *inbox, const char *from, const char *to);
/* A draft's bytes onto the disk, and with them its attributes, if it has any: fdatasync(2) need not
 * write those. */
MUST_CHECK int meta_sync(const struct inbox *inbox, int fd);

#endif
