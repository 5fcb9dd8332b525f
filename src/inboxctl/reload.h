/* SPDX-License-Identifier: ISC */
/* A reload that tells its end: SIGHUP, and then what the status socket says of it. */
#ifndef INBOXCTL_RELOAD_H
#define INBOXCTL_RELOAD_H

#include "inboxctl/base/arguments.h"
#include "lib/attr.h"

/* Has the receiver behind the socket reload.  Returns the exit code, its reason told. */
MUST_CHECK int reload(const struct arguments *arguments);

#endif
