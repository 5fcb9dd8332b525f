/* SPDX-License-Identifier: ISC */
/* The lower part of top's screen: inboxes, and below them the clients that are not up to date. */
#ifndef INBOXCTL_SCREENS_TOP_TABLES_H
#define INBOXCTL_SCREENS_TOP_TABLES_H

#include <stdio.h>

#include "inboxctl/screens/top_screen.h"
#include "lib/attr.h"

/* Prints up to `rows` lines.  0, or -1: memory is out. */
MUST_CHECK int top_tables(const struct top_view *view, size_t rows, const struct screen *screen,
    FILE *out);

#endif
