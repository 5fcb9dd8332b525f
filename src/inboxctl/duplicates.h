/* SPDX-License-Identifier: ISC */
/* inboxctl duplicates: items that were stored more than once, on several receivers or one. */
#ifndef INBOXCTL_DUPLICATES_H
#define INBOXCTL_DUPLICATES_H

#include "inboxctl/base/arguments.h"
#include "inboxctl/base/receivers.h"

/* Returns an exit code. */
int duplicates(const struct arguments *arguments, const struct receivers *receivers);

#endif
