/* SPDX-License-Identifier: ISC */
/*
 * What a start does before the first connection: reads the ledger's newest
 * segment, finishes or voids what the last run left between its accept record
 * and its stored mark, and begins a new segment.  See inbox-spool(5),
 * "RECOVERY".
 */
#ifndef INBOXD_RECOVER_RECOVER_H
#define INBOXD_RECOVER_RECOVER_H

#include "inboxd/commit/clients.h"
#include "inboxd/commit/ledger.h"
#include "inboxd/base/root.h"
#include "inboxd/base/site.h"
#include "lib/attr.h"

/*
 * The root must be locked, and gets its id where it has none; it is borrowed.  Fills the
 * empty `clients` and returns the ledger, open for writing.
 * NULL with the reason in `error`, and *code one of sysexits(3): EX_DATAERR
 * (the ledger is damaged or missing, or in part another root's; nothing was changed), EX_CONFIG
 * (a file may not be read), EX_TEMPFAIL (the disk is full), EX_IOERR.  A failed sync ends the
 * program.
 */
MUST_CHECK struct ledger *recover_run(struct site *site, struct root *root,
    struct clients *clients, int *code, struct why *error);

#endif
