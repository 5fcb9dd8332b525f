/* SPDX-License-Identifier: ISC */
/* inboxctl status: ten lines, or with -v all of the page. */
#ifndef INBOXCTL_SHOW_STATUS_H
#define INBOXCTL_SHOW_STATUS_H

#include "inboxctl/base/arguments.h"
#include "lib/attr.h"

/* Returns the exit code, its reason told. */
MUST_CHECK int show_status(const struct arguments *arguments);

#endif
