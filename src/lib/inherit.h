/* SPDX-License-Identifier: ISC */
/* What a process inherits from whoever starts it, made such that a program can rely on it. */
#ifndef LIB_INHERIT_H
#define LIB_INHERIT_H

#include <stdint.h>
#include <sys/resource.h> /* RLIMIT_NOFILE ... */

#include "lib/attr.h"

/*
 * The standard descriptors are open.  One that was not would be given to the next file that
 * is opened, and what is said there be written into an item.  In its place stands /dev/null,
 * opened so that to use it fails with EBADF, as it would have: nothing is read as
 * empty, or written into nothing, without a word.  First thing in main().  0, or -1, and
 * there is nobody to be told.
 */
MUST_CHECK int inherit_descriptors(void);

/*
 * No signal is blocked but SIGHUP, if `holds_hangup`: a reload that is asked for before the
 * program can take it must not end it.  SIGPIPE and SIGXFSZ (a limit of the size
 * of files) are ignored: the call that caused them fails, and says why.
 */
void inherit_signals(int holds_hangup);

/* Raises a limit as far as it may be, and says where it is then: UINT64_MAX where there is
 * none. */
uint64_t inherit_limit(int which);

#endif
