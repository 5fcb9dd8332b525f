/* SPDX-License-Identifier: ISC */
/* Between the parts of the shim: shim.c traces, judge.c says which call fails, calls.c has
 * the calls that are not traced. */
#ifndef TESTS_FAULT_SHIM_H
#define TESTS_FAULT_SHIM_H

#define SHIM_PATH_ROOM 4200

enum shim_verdict {
	SHIM_GO,    /* as if nothing were */
	SHIM_FAIL,  /* do not make the call: errno is set */
	SHIM_SHORT, /* half of what is asked */
	SHIM_TORN   /* the same, and then shim_die_now() */
};

/* Was it the program itself that called, and do its calls count (FAULT_SCOPE)? */
int shim_counts(const void *caller);

/* Counts one call against the faults.  `path` may be empty; a NULL caller counts as
 * the program, for what a library does on its behalf. */
enum shim_verdict shim_judge(const char *call, const char *path, const void *caller);

/* No call fails from here on: what gcov writes at the end is none of the program's. */
void shim_lift(void);

/* What of an inbox's the path is: draft, tmpdir, item, newdir, ledger, ledgerdir or other. */
const char *shim_kind(const char *path);

/* Ends the process, which is not as the test wants it. */
void shim_end(const char *what) __attribute__((noreturn));

/* A call of libssl fails: leaves an error behind. */
void shim_tls_error(void);

/* SIGKILL, to ourselves. */
void shim_die_now(void) __attribute__((noreturn));

#endif
