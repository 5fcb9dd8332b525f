/* SPDX-License-Identifier: ISC */
/* inboxctl top: what a receiver does, as it does it. */
#ifndef INBOXCTL_TOP_H
#define INBOXCTL_TOP_H

#include "inboxctl/base/arguments.h"
#include "lib/attr.h"

/* Shows it until somebody is tired of it.  Returns the exit code, its reason told. */
MUST_CHECK int top(const struct arguments *arguments);

#endif
