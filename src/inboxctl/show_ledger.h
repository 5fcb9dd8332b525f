/* SPDX-License-Identifier: ISC */
/* inboxctl ledger: the records that a filter lets through, a line each. */
#ifndef INBOXCTL_SHOW_LEDGER_H
#define INBOXCTL_SHOW_LEDGER_H

#include "inboxctl/base/arguments.h"
#include "lib/attr.h"

/* Prints to standard output.  Returns the exit code, its reason told. */
MUST_CHECK int show_ledger(const struct arguments *arguments);

#endif
