/* SPDX-License-Identifier: ISC */
/*
 * inboxctl check: one line and an exit code, as Nagios and its kin want it, by lib/health.h.  It
 * asks for one page that the receiver's main thread gives at once, so it never waits long.
 *
 * Who cannot be asked and who does not answer are two things: a receiver that is down is CRITICAL,
 * whatever keeps us from knowing (a wrong option, an unreadable configuration, a socket that we may
 * not open) is UNKNOWN.
 */
#ifndef INBOXCTL_CHECK_H
#define INBOXCTL_CHECK_H

#include "inboxctl/base/arguments.h"
#include "lib/attr.h"

/* Returns one of their codes (check_line.h). */
MUST_CHECK int check(const struct arguments *arguments);
/* The exit code where `code` is that of the program, as it got no further than its command line or
 * configuration: says so in one line, on standard output, where these look. */
MUST_CHECK int check_exit(int code);

#endif
