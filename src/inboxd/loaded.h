/* SPDX-License-Identifier: ISC */
/* A configuration read whole, for a reload: it is taken, or the old one stays. */
#ifndef INBOXD_LOADED_H
#define INBOXD_LOADED_H

#include "lib/attr.h"
#include "lib/why.h"

struct confine;
struct site;

/* What is to follow `old`, read from `config`, checked and tried; `root` is the open root
 * directory, and `confine` says what may be read.  NULL: it cannot be taken; what is wrong has been
 * logged, and its first line is the `reason`. */
MUST_CHECK struct site *loaded_read(const char *config, const struct site *old, int root,
    const struct confine *confine, struct why *reason);

#endif
