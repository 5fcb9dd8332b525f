/* SPDX-License-Identifier: ISC */
/* One run: what all threads share.  Nothing in it changes while they run but the atomics. */
#ifndef HERD_RUN_H
#define HERD_RUN_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>

#include "item.h"
#include "lib/attr.h"
#include "mint.h"
#include "options.h"

struct run {
	const struct options *options;
	struct items items;
	struct mint *mint;
	struct sockaddr_storage to; /* the receiver */
	socklen_t to_len;
	atomic_uint_fast64_t ready; /* clients that have heard READY, once each */
	/* When items are due: clock_monotonic(); 0: not known yet (--all-ready). */
	atomic_int_fast64_t begin;
	atomic_int_fast64_t end;    /* when the last STORED was heard */
	atomic_int_fast64_t large_end; /* when --large was stored; 0: not yet */
	atomic_int complaints;
};

/* Says it on standard error and ends the program with 69. */
NO_RETURN void run_die(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Says what a receiver should not have done; the first few only. */
void run_complain(struct run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Has the time for new items passed? */
int run_is_over(const struct run *run, int64_t now);

#endif
