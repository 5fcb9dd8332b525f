/* SPDX-License-Identifier: ISC */
/* A sample of a receiver's counters, from its page. */
#ifndef INBOXCTL_SCREENS_TOP_READ_H
#define INBOXCTL_SCREENS_TOP_READ_H

#include <stdint.h>

#include "inboxctl/screens/rates.h"

struct json_t;

/* Reads the page /status; `at` is when it came.  What is not there, or is nonsense, is 0 or
 * empty. */
void top_read(struct sample *sample, const struct json_t *status, int64_t at);

#endif
