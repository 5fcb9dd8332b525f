/* SPDX-License-Identifier: ISC */
/* Prints items that were stored more than once, to standard output. */
#ifndef INBOXCTL_SCREENS_COPIES_PRINT_H
#define INBOXCTL_SCREENS_COPIES_PRINT_H

#include "inboxctl/base/receivers.h"
#include "inboxctl/root/copies.h"
#include "lib/attr.h"

/* A line a copy, by columns on a terminal, or an object an item.  `copies` is finished, and its
 * roots are those of `receivers`.  0, or -1: memory is out. */
MUST_CHECK int copies_print(const struct copies *copies, const struct receivers *receivers);
MUST_CHECK int copies_print_json(const struct copies *copies, const struct receivers *receivers);

#endif
