/* SPDX-License-Identifier: ISC */
/*
 * The receiver shut in (lib/sandbox.h), once it has opened what only a start opens, and before it
 * makes threads: whoever got hold of it by what a client sends would have the root, and could read
 * what it reads itself, but nothing else of the file system, and no way out by TCP.
 *
 *	the root                      all but to execute
 *	the status socket's folder    to take the socket away at the end
 *	the folders of all files that a reload reads: the configuration, those of [tls], expected
 *	                              to read: the folders, since a file is renewed by a rename, and
 *	                              what the kernel would know is the old one; those that links
 *	                              lead to as well
 *	/etc                          to read, where an inbox has a group, which a reload looks up
 */
#ifndef INBOXD_CONFINE_H
#define INBOXD_CONFINE_H

#include <stddef.h>
#include <sys/types.h>

#include "lib/attr.h"
#include "lib/why.h"

struct settings;

struct confine_folder {
	char *path; /* as realpath(3) has it */
	dev_t device;
	ino_t inode;
};

struct confine {
	int version;      /* of Landlock's interface; 0: it is not shut in */
	struct why lacks; /* why not; "": it is */
	struct confine_folder *folders; /* that may be read */
	size_t count;
};

/* As `settings` want it, which were read from `config`.  0, or one of sysexits(3) with the reason:
 * `require` cannot be met. */
MUST_CHECK int confine_enter(struct confine *confine, const char *config,
    const struct settings *settings, struct why *error);
/* May this file be read, at a reload?  And all that `settings` name?  0, or -1 and what would be
 * right. */
MUST_CHECK int confine_allows_file(
    const struct confine *confine, const char *path, struct why *error);
MUST_CHECK int confine_allows(const struct confine *confine, const struct settings *settings,
    struct why *error);
void confine_free(struct confine *confine);

#endif
