/* SPDX-License-Identifier: ISC */
/* The line of a check as the Monitoring Plugins have it, and the page that it goes by. */
#ifndef INBOXCTL_CHECK_LINE_H
#define INBOXCTL_CHECK_LINE_H

#include "inboxctl/check_words.h"
#include "lib/attr.h"

enum { CHECK_OK, CHECK_WARNING, CHECK_CRITICAL, CHECK_UNKNOWN };

/* Their words. */
extern const char *const check_codes[];

/* Without what steers a terminal, and without the stroke that ends the text. */
void check_put_plain(const char *text);
/* The whole line, and returns `code`. */
int check_end(int code, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The figures that are known, behind `before`, and the end of the line: each as
 * name=figure[unit];warning;critical. */
void check_put_figures(const struct checking *checking,
    const struct health_verdict verdicts[HEALTH_ROWS], const char *before);

/* Is it the page of a receiver?  One of something else has nothing that could be wrong. */
int check_is_page(const char *page);
/* The first that is asked for by name (`only`, or NULL) and is not told by the page; or NULL. */
const char *check_find_unknown(const struct checking *checking, const char *page,
    const char *only);

#endif
