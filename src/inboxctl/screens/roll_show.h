/* SPDX-License-Identifier: ISC */
/* A roll of clients as a table. */
#ifndef INBOXCTL_SCREENS_ROLL_SHOW_H
#define INBOXCTL_SCREENS_ROLL_SHOW_H

#include "inboxctl/screens/roll.h"
#include "lib/attr.h"

/* On standard output.  0, or -1: memory is out, which has been told. */
MUST_CHECK int roll_show(const struct roll *roll, int verbose);

#endif
