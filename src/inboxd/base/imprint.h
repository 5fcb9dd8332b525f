/* SPDX-License-Identifier: ISC */
/*
 * A file as it was when it was read, so that one can tell later whether what lies on the disk is
 * still that.  What counts is the content: a file that was only touched, or replaced by one that
 * says the same, is the same.  (Rejected: inotify, which hears nothing of another machine's changes
 * on a network file system, nor of a link further up that leads elsewhere now.)
 */
#ifndef INBOXD_BASE_IMPRINT_H
#define INBOXD_BASE_IMPRINT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/digest.h"

/* What stat(2) says of a file, and when it was asked.  A file whose stamp is the same has not been
 * written to, unless that was about when it was asked. */
struct stamp {
	int is_file; /* 0: there was none that could be read */
	uint64_t device, inode, size;
	int64_t modified, changed, asked; /* UTC nanoseconds */
};

struct imprint {
	char *path;
	struct stamp stamp;
	unsigned char digest[DIGEST_SIZE];
};

/* Zeroed: none. */
struct imprints {
	struct imprint *items;
	size_t count;
};

/* Adds the file that is at `path` now; take it before the file is read, so that a change amid that
 * is told as one.  One that cannot be read is remembered as that.  0, or -1: out of memory. */
MUST_CHECK int imprints_take(struct imprints *imprints, const char *path);
void imprints_free(struct imprints *imprints);

/* What a later look knows of one of them. */
struct sight {
	struct stamp stamp;
	int differs;
};
/* Before the first look. */
struct sight imprint_sight(const struct imprint *imprint);
/* Looks again, and sets `differs`: is there another content, or none to be read?  It stays as it
 * is where descriptors or memory are out.  Reads a file only where its stamp is new. */
void imprint_look(const struct imprint *imprint, struct sight *sight);

#endif
