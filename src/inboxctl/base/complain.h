/* SPDX-License-Identifier: ISC */
/* One line on standard error, with "inboxctl: " before it. */
#ifndef INBOXCTL_BASE_COMPLAIN_H
#define INBOXCTL_BASE_COMPLAIN_H

#include "lib/attr.h"

/* Made plain (table_plain()), since it may hold bytes of others. */
void complain(const char *format, ...) PRINTF_LIKE(1, 2);

/* The first that was said, for who looks at standard output alone; "" if nothing was. */
const char *complain_first(void);

#endif
