/* SPDX-License-Identifier: ISC */
/*
 * Has a folder changed since it was looked through?  By its time, which is too coarse to tell two
 * changes of one moment apart: one that was young counts as changed.  A time of the future was
 * written before the clock was set back; the next change has another.
 */
#ifndef LIB_SEEN_H
#define LIB_SEEN_H

#include <sys/stat.h>
#include <time.h>

/* A look, zeroed before the first. */
struct seen {
	struct timespec time; /* the folder's then */
	int was_young;
};

/* Notes the folder as it is; before it is looked through. */
void seen_note(struct seen *seen, const struct stat *st);
/* May it, as it is now, hold what was not seen? */
int seen_may_differ(const struct seen *seen, const struct stat *st);

#endif
