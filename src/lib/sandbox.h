/* SPDX-License-Identifier: ISC */
/*
 * A process shuts itself in: from then on it reaches the folders that it names and nothing else of
 * the file system, makes no connection by TCP, and gains no privilege, whatever is made to run in
 * it.  By landlock(7) of Linux, where the kernel has it; what is open stays open.
 *
 * Only the calling thread is shut in, and threads that it makes afterwards: call it before there
 * are others.
 */
#ifndef LIB_SANDBOX_H
#define LIB_SANDBOX_H

#include <stddef.h>

#include "lib/attr.h"
#include "lib/why.h"

/* What may be done with a folder, and all below it. */
enum sandbox_use {
	SANDBOX_READ,   /* files read, folders listed */
	SANDBOX_REMOVE, /* files taken away, nothing else */
	SANDBOX_OWN,    /* all that is done with files and folders, but executing them */
};

struct sandbox_rule {
	const char *path; /* one that is not there, or may not be entered, is passed over; of a
	                     file only SANDBOX_READ has a sense */
	enum sandbox_use use;
};

/* Sockets with an abstract name (unix(7)) that others have made stay within reach: without this
 * they do not, where the kernel can. */
#define SANDBOX_ABSTRACT 1

/* Why it cannot be: in `why`, and -1; else 0. */
MUST_CHECK int sandbox_lacks(struct why *why);

/*
 * Shuts the thread in, by as much as the kernel has, for good.  The version of Landlock's interface
 * that it has (2 or more), or -1 with the reason: then nothing has changed, but that no
 * privileges are gained any more.
 */
MUST_CHECK int sandbox_enter(const struct sandbox_rule *rules, size_t count, unsigned flags,
    struct why *why);

#endif
