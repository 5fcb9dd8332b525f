/* SPDX-License-Identifier: ISC */
/*
 * What the fuzzers share.  Each file of this folder but main.c, fuzz.c and
 * fake_conn.c is one target: it defines LLVMFuzzerTestOneInput(), and holds
 * the code to properties with FUZZ_CHECK(); that it does not crash is the
 * least of them.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's entry points; main.c calls them likewise. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Stops the run with the input at hand: libFuzzer and AFL keep it. */
#define FUZZ_CHECK(is_so) \
	do { \
		if (!(is_so)) \
			fuzz_fail(__FILE__, __LINE__, #is_so); \
	} while (0)
void fuzz_fail(const char *file, int line, const char *what) __attribute__((noreturn));

/* A copy of its own for bytes to be read from: AddressSanitizer sees one read
 * too many.  Never NULL; to be freed. */
void *fuzz_copy(const void *data, size_t len);

/* The path of a new folder in memory (/dev/shm, else TMPDIR); it is removed with all that
 * is in it when the process ends in order. */
const char *fuzz_folder(void);
/* How many files lie in the folder `dir`; with `empty` they are deleted. */
size_t fuzz_count_files(int dir, int empty);

/* The lowest descriptor that is free: grows if one leaks. */
int fuzz_lowest_fd(void);

/* The input, taken a piece at a time. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};
/* 0 behind the end. */
uint8_t fuzz_byte(struct fuzz_input *input);

/* For targets linked with --wrap=write: log lines are not shown but looked at.
 * Each must be one line of printable bytes. */
void fuzz_watch_log(void);
/* Likewise: the next write to a file fails with this errno; 0: it does not. */
void fuzz_fail_next_write(int error);

#endif
