/* SPDX-License-Identifier: ISC */
/*
 * What lies in ledger/, looked at before any of it is believed: whatever has a segment's name
 * must be a file, and of this root.  What is none, or cannot be read, is told, since somebody
 * may miss it; only of the newest segment it matters for a start, which finds that out itself.
 */
#ifndef INBOXD_RECOVER_SEGMENTS_H
#define INBOXD_RECOVER_SEGMENTS_H

#include "inboxd/base/root.h"
#include "lib/attr.h"
#include "lib/segment.h"

/* Changes nothing.  0, and the `newest` segment ("": there is none); or one of sysexits(3) with
 * the reason: EX_DATAERR where a person must look, EX_IOERR. */
MUST_CHECK int segments_look(const struct root *root, char newest[SEGMENT_NAME_ROOM],
    struct why *error);

#endif
