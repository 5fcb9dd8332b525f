/* SPDX-License-Identifier: ISC */
/*
 * The end of a process in a build for coverage.
 *
 * By _exit() gcov's figures would be lost: the linker sends each one here (--wrap), and they
 * are written first.  And the faults of tests/fault end before that, by whichever way:
 * gcov's own calls are not what is to be tried, and it does not bear their failing.
 *
 * Rejected: a call before each _exit() in src, which would then not be what is shipped.
 */
#include <pthread.h>
#include <unistd.h>

void __gcov_dump(void);
void __real__exit(int code) __attribute__((noreturn));
void __wrap__exit(int code) __attribute__((noreturn));
void shim_lift(void) __attribute__((weak)); /* there if tests/fault/shim.so is preloaded */

/* Never unlocked: the figures are written once, and a second thread that comes here waits
 * for the end. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Before gcov's own destructor, which has the priority 100. */
__attribute__((destructor)) static void
lift_faults(void)
{
	if (shim_lift)
		shim_lift();
}

void
__wrap__exit(int code)
{
	pthread_mutex_lock(&lock);
	lift_faults();
	__gcov_dump();
	__real__exit(code);
}
