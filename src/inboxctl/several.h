/* SPDX-License-Identifier: ISC */
/* Commands of several receivers at a time.  One that does not answer is told of, and counts as what
 * is wrong: none is left out. */
#ifndef INBOXCTL_SEVERAL_H
#define INBOXCTL_SEVERAL_H

#include "inboxctl/base/arguments.h"
#include "inboxctl/base/receivers.h"

/* Each returns an exit code, several_check() one of check's; receivers have their sockets. */
int several_status(const struct arguments *arguments, const struct receivers *receivers);
int several_check(const struct arguments *arguments, const struct receivers *receivers);
int several_client(const struct arguments *arguments, const struct receivers *receivers);
int several_clients(const struct arguments *arguments, const struct receivers *receivers);
int several_inboxes(const struct arguments *arguments, const struct receivers *receivers);

#endif
