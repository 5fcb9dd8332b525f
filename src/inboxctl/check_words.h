/* SPDX-License-Identifier: ISC */
/* What the command line says of a check: from where on what is wrong, and what is looked at. */
#ifndef INBOXCTL_CHECK_WORDS_H
#define INBOXCTL_CHECK_WORDS_H

#include "inboxctl/base/arguments.h"
#include "lib/attr.h"
#include "lib/health.h"

struct checking {
	struct health_limits limits;
	int is_left_out[HEALTH_ROWS];
};

/* Reads it into the zeroed `checking`.  0, or -1 and it has been told. */
MUST_CHECK int check_read(struct checking *checking, const struct arguments *arguments);

#endif
