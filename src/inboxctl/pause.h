/* SPDX-License-Identifier: ISC */
/* Has an inbox, or all, take nothing, and take items again: POST /pause and /resume; and drains the
 * receiver, so that it can be stopped at once.  inboxctl(8) has them. */
#ifndef INBOXCTL_PAUSE_H
#define INBOXCTL_PAUSE_H

#include "inboxctl/base/arguments.h"
#include "lib/attr.h"

/* Each returns the exit code, its reason told. */
MUST_CHECK int pause_inbox(const struct arguments *arguments);
MUST_CHECK int resume_inbox(const struct arguments *arguments);
MUST_CHECK int drain(const struct arguments *arguments);

#endif
