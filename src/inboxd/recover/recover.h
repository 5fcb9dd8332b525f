/* SPDX-License-Identifier: ISC */
/*
 * What a start does before the first connection: reads the ledger's newest
 * segment and the journal, makes what was acknowledged visible and voids what
 * never was, and begins a new segment.  See inbox-spool(5), "RECOVERY".
 */
#ifndef INBOXD_RECOVER_RECOVER_H
#define INBOXD_RECOVER_RECOVER_H

#include "inboxd/base/root.h"
#include "inboxd/base/site.h"
#include "inboxd/commit/clients.h"
#include "inboxd/commit/ledger.h"
#include "inboxd/commit/writer.h"
#include "lib/attr.h"

struct recovered {
	struct ledger *ledger; /* open for writing */
	struct writer *writer; /* likewise; all its frames are published */
};

/*
 * The root must be locked, and gets its id and its journal where it has none; it is borrowed.
 * Fills the empty `clients` and *out, which is the caller's.
 * 0; or one of sysexits(3) with the reason in `error`, and nothing in *out: EX_DATAERR
 * (ledger or journal is damaged, missing, in part another root's, or the two do not belong to
 * each other; nothing was changed), EX_CONFIG (a file may not be read, or the folders of an inbox
 * are gone that has items), EX_TEMPFAIL (there is no room: nothing is lost), EX_IOERR.  A failed
 * sync ends the program.
 */
MUST_CHECK int recover_run(struct site *site, struct root *root, struct clients *clients,
    struct recovered *out, struct why *error);

#endif
