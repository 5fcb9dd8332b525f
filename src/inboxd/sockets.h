/* SPDX-License-Identifier: ISC */
/*
 * Which sockets a supervisor may pass (lib/passed.h), by their names: "proxy" stands in place of
 * what the setting listen-proxy says, "status" of the status socket, "web" of the console's
 * addresses, any other of listen.  A setting in whose place none is passed is in force.
 */
#ifndef INBOXD_SOCKETS_H
#define INBOXD_SOCKETS_H

#include "lib/attr.h"
#include "lib/passed.h"

enum socket_kind { SOCKET_PROXY, SOCKET_STATUS, SOCKET_WEB, SOCKET_LISTEN, SOCKET_KINDS };

/* As passed_take(): first thing in main(), or nearly so. */
MUST_CHECK int sockets_take(struct passed *passed, struct why *why);
/* The setting in whose place they are. */
const char *sockets_setting(enum socket_kind kind);
/* Logs how many stand in place of which setting, if there are any. */
void sockets_log(const struct passed *passed);

#endif
