/* SPDX-License-Identifier: ISC */
/* inboxctl print: an item's bytes, by its name, wherever they are by now. */
#ifndef INBOXCTL_PRINT_H
#define INBOXCTL_PRINT_H

#include "inboxctl/base/arguments.h"
#include "lib/attr.h"

/* Prints to standard output: all of the item's bytes or, where they are not what its record
 * says, none.  Returns the exit code, its reason told. */
MUST_CHECK int print_item(const struct arguments *arguments);

#endif
