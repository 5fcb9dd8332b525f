/* SPDX-License-Identifier: ISC */
/* One line on standard error, with "inboxctl: " before it. */
#ifndef INBOXCTL_BASE_COMPLAIN_H
#define INBOXCTL_BASE_COMPLAIN_H

#include "lib/attr.h"

/* Made plain (table_plain()), since it may hold bytes of others. */
void complain(const char *format, ...) PRINTF_LIKE(1, 2);

/* Whose the lines are from here on, which stands before each: borrowed; NULL: nobody's. */
void complain_about(const char *who);
/* From here on nothing is said, or it is again. */
void complain_mute(int is_mute);

/* The first that was said, for who looks at standard output alone; "" if nothing was. */
const char *complain_first(void);

#endif
