/* SPDX-License-Identifier: ISC */
/* Has the receiver forget a client's queues: POST /forget, as inboxd(8) has it. */
#ifndef INBOXCTL_FORGET_H
#define INBOXCTL_FORGET_H

#include "inboxctl/base/arguments.h"
#include "lib/attr.h"

/* Returns the exit code, its reason told. */
MUST_CHECK int forget(const struct arguments *arguments);

#endif
