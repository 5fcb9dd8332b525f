/* SPDX-License-Identifier: ISC */
/* A reload that tells its end: SIGHUP, and then what the status socket says of it. */
#ifndef INBOXCTL_RELOAD_H
#define INBOXCTL_RELOAD_H

#include "lib/attr.h"

/* Has the receiver behind the socket reload.  0, or an exit code, and it has been told why. */
MUST_CHECK int reload(const char *socket_path);

#endif
