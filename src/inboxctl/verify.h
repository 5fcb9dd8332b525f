/* SPDX-License-Identifier: ISC */
/* inboxctl verify: the inboxes against the ledger. */
#ifndef INBOXCTL_VERIFY_H
#define INBOXCTL_VERIFY_H

#include "inboxctl/base/arguments.h"
#include "lib/attr.h"

/* Prints to standard output.  Returns the exit code, its reason told. */
MUST_CHECK int verify(const struct arguments *arguments);

#endif
