/* SPDX-License-Identifier: ISC */
/* inboxctl clients: which are there, how each is, and those that should be. */
#ifndef INBOXCTL_CLIENTS_H
#define INBOXCTL_CLIENTS_H

#include "inboxctl/base/arguments.h"
#include "lib/attr.h"

/* The exit code; what is wrong has been told. */
MUST_CHECK int clients_command(const struct arguments *arguments);

#endif
