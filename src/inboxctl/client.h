/* SPDX-License-Identifier: ISC */
/* inboxctl client NAME: one client's story, by the receiver and by the ledger. */
#ifndef INBOXCTL_CLIENT_H
#define INBOXCTL_CLIENT_H

#include "inboxctl/base/arguments.h"
#include "lib/attr.h"

/* The exit code; what is wrong has been told. */
MUST_CHECK int client_command(const struct arguments *arguments);

#endif
