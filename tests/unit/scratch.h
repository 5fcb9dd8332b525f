/* SPDX-License-Identifier: ISC */
/* A folder of its own for each test, and paths in it. */
#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

/* Makes it, below TMPDIR, with `name` in its own name.  0, or -1. */
int scratch_make(const char *name);
/* Deletes it with all that is in it.  0, or not. */
int scratch_delete(void);

const char *scratch_path(void);
/* Of what is in it; valid until the next call but one. */
const char *below(const char *name);

#endif
