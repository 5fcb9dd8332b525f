/* SPDX-License-Identifier: ISC */
/* inboxd -t: what a start would find. */
#ifndef INBOXD_CHECK_H
#define INBOXD_CHECK_H

#include "lib/attr.h"

struct passed;
struct settings;

/*
 * Takes `settings`, and looks whether a start with them would do, and a reload: folders,
 * certificates, addresses; says in place of which of these sockets were passed.  Changes nothing,
 * and may be called beside a receiver that runs.  As root it looks as the root folder's owner.
 * 0; or one of sysexits(3), and the reason is on standard error.
 */
MUST_CHECK int check_start(struct settings *settings, const struct passed *passed);

#endif
