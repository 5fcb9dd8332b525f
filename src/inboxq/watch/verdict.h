/* SPDX-License-Identifier: ISC */
/* What a result of the intake means for a folder that is taken from, hot or an inbox's. */
#ifndef INBOXQ_WATCH_VERDICT_H
#define INBOXQ_WATCH_VERDICT_H

#include "inboxq/spool/intake.h"
#include "lib/attr.h"

struct why;

/* 0: it goes on; 1: nothing is taken for a while, for `why`; -1: for all of us, with errno, and
 * logged as of `command`. */
MUST_CHECK int verdict_of(enum intake_result result, const struct why *why, const char *command);

#endif
