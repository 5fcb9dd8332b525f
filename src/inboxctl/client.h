/* SPDX-License-Identifier: ISC */
/* inboxctl client NAME: one client's story, by the receiver and by the ledger. */
#ifndef INBOXCTL_CLIENT_H
#define INBOXCTL_CLIENT_H

#include "inboxctl/base/arguments.h"
#include "lib/attr.h"

/* The exit code; what is wrong has been told. */
MUST_CHECK int client_command(const struct arguments *arguments);

enum client_told { CLIENT_SHOWN, CLIENT_UNKNOWN, CLIENT_FAILED };
/* Likewise of the receiver at this socket, with its root; NULL: what its ledger says is not asked.
 * *told: whether anything was printed, or why not. */
MUST_CHECK int client_tell(const char *client, const char *socket_path, const char *root, int json,
    enum client_told *told);

#endif
