/* SPDX-License-Identifier: ISC */
/* Between the parts of the shim: shim.c traces, batch.c reads the journal's writes for it,
 * judge.c says which call fails, calls.c has the calls that are not traced. */
#ifndef TESTS_FAULT_SHIM_H
#define TESTS_FAULT_SHIM_H

#include <stddef.h>

#define SHIM_PATH_ROOM 4200

enum shim_verdict {
	SHIM_GO,    /* as if nothing were */
	SHIM_FAIL,  /* do not make the call: errno is set */
	SHIM_DONE,  /* make the call, and say errno if it went well */
	SHIM_SHORT, /* half of what is asked */
	SHIM_TORN   /* the same, and then shim_die_now() */
};

/* Was it the program itself that called, and do its calls count (FAULT_SCOPE)? */
int shim_counts(const void *caller);

/* Counts one call against the faults.  `path` may be empty; a NULL caller counts as
 * the program, for what a library does on its behalf. */
enum shim_verdict shim_judge(const char *call, const char *path, const void *caller);

/* Lies the path on the root (FAULT_ROOT), or is that not asked? */
int shim_is_on_root(const char *path);

/* The personality of a network file system (netfs.c): does this one say so of the call, in place of
 * making it?  Then *rc is what, with errno. */
int shim_netfs_says(const char *call, const char *path, int *rc);
/* Takes the time that the call takes there. */
void shim_netfs_wait(const char *call, const char *path);
int shim_netfs_is_slow(void);

/* May any call fail? */
int shim_has_faults(void);

/* No call fails from here on: what gcov writes at the end is none of the program's. */
void shim_lift(void);

/* What of the root's the path is: draft, tmpdir, item, newdir, curdir, ledger, ledgerdir,
 * unfinished, journal, journaldir, meta or other. */
const char *shim_kind(const char *path);
/* The path of what is open there; "" where it has none.  errno stays. */
void shim_path(int fd, char path[SHIM_PATH_ROOM]);

/* Do these bytes begin with a batch's head? */
int shim_is_batch(const void *data, size_t len);
/* A write into a segment of the journal, at `at`, as a text; returns its length.  `room`
 * is 4 KiB more than twice `len`. */
size_t shim_print_batch(char *dst, size_t room, const void *data, size_t len, long long at);

/* Ends the process, which is not as the test wants it. */
void shim_end(const char *what) __attribute__((noreturn));

/* A call of libssl fails: leaves an error behind. */
void shim_tls_error(void);

/* SIGKILL, to ourselves. */
void shim_die_now(void) __attribute__((noreturn));

#endif
