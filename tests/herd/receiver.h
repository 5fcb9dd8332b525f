/* SPDX-License-Identifier: ISC */
/* What a run costs the receiver, seen from outside: /proc, its status socket, and the kernel's
 * count of its system calls where we may have that. */
#ifndef HERD_RECEIVER_H
#define HERD_RECEIVER_H

#include <stdint.h>

#include "options.h"

#define RECEIVER_THREADS_MAX 256
#define RECEIVER_UNKNOWN UINT64_MAX

struct receiver {
	/* Of the run; RECEIVER_UNKNOWN where it cannot be had. */
	uint64_t cpu;                 /* microseconds of processor time, all threads */
	uint64_t own_cpu;             /* the load's own */
	uint64_t calls;               /* system calls */
	uint64_t syncs, rounds;       /* of the journal; of files and names */
	uint64_t rss, peak;           /* bytes now; at most (VmHWM) */
	uint64_t rss_before;
	/* receiver.c's own */
	int counter[RECEIVER_THREADS_MAX];
	unsigned counters;
};

void receiver_begin(struct receiver *receiver, const struct options *options);
void receiver_end(struct receiver *receiver, const struct options *options);

/* Bytes that process `pid` has in memory; RECEIVER_UNKNOWN.  `what` is VmRSS or VmHWM. */
uint64_t receiver_memory(uint64_t pid, const char *what);
/* Microseconds of processor time that it has used. */
uint64_t receiver_cpu(uint64_t pid);

#endif
