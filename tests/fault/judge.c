/* SPDX-License-Identifier: ISC */
/*
 * Which call fails.
 *
 * FAULT is a list, split by commas, of
 *
 *	<call>[@<kind>]:<N>:<errno's name or milliseconds, as in 700ms>:once|on
 *
 * The kind is as in the trace (shim.c), for calls that name a file or its descriptor.
 * The N-th matching call (and, with "on", all after it) fails without being
 * made, or is late.  In place of an error, SHORT writes half of what was asked,
 * KILL ends the process before the call, TORN writes half and ends it; DONE-EIO makes
 * a rename, link or unlink and then says EIO, as a server does whose answer was lost.  Where
 * FAULT_ARM names a file, calls count only while it exists.  A write that fills a
 * segment of the journal, when that is made, is called "fill".
 *
 * The call "root" is each one that may fail, on what lies below FAULT_ROOT: so the whole
 * file system is gone from the N-th on.
 *
 * With FAULT_SCOPE=program only calls count that the program itself makes, not
 * its libraries, but of those all that calls.c lists, whatever they are made on.
 * FAULT_MET names a file that gets a line for each fault's first time: the call,
 * its number, and where in the program it was made (for addr2line).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

#define FAULTS_MAX 8

struct fault {
	char call[32], kind[16];
	unsigned long at, seen;
	int error; /* 0: only late */
	enum shim_verdict verdict;
	int kills;
	long delay_ms;
	int goes_on;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fault faults[FAULTS_MAX];
static size_t fault_count;
static const char *arm, *met;
static int scoped;
static uintptr_t program_base, program_begin, program_end; /* where it lies, and its code */

static const struct {
	const char *name;
	int value;
} errors[] = {
    {"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EMFILE", EMFILE}, {"ENFILE", ENFILE},
    {"ENOSYS", ENOSYS}, {"EINVAL", EINVAL}, {"EEXIST", EEXIST}, {"EINTR", EINTR}, {"EPERM", EPERM},
    {"EACCES", EACCES}, {"EROFS", EROFS}, {"EOPNOTSUPP", EOPNOTSUPP},
    {"ESHUTDOWN", ESHUTDOWN}, {"ENOTCONN", ENOTCONN}, {"ESTALE", ESTALE}, {"ENODEV", ENODEV},
    {"ENOENT", ENOENT}, {"ENOMEM", ENOMEM}, {"EAGAIN", EAGAIN}, {"EXDEV", EXDEV},
    {"ENOLCK", ENOLCK},
};

static void
read_fault(char *text)
{
	struct fault *fault = &faults[fault_count++];
	char what[32], how[16];
	char *kind;

	if (fault_count > FAULTS_MAX ||
	    sscanf(text, "%31[^@:]%*1[@]%15[^:]", fault->call, fault->kind) < 1)
		shim_end("FAULT cannot be read");
	kind = strchr(text, ':');
	if (!kind || sscanf(kind, ":%lu:%31[^:]:%15s", &fault->at, what, how) != 3)
		shim_end("FAULT cannot be read");
	fault->goes_on = strcmp(how, "on") == 0;
	fault->verdict = SHIM_FAIL;
	fault->kills = strcmp(what, "KILL") == 0;
	if (strcmp(what, "SHORT") == 0)
		fault->verdict = SHIM_SHORT;
	else if (strcmp(what, "TORN") == 0)
		fault->verdict = SHIM_TORN;
	if (strncmp(what, "DONE-", 5) == 0) {
		fault->verdict = SHIM_DONE;
		memmove(what, what + 5, strlen(what + 5) + 1);
	}
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (strcmp(errors[i].name, what) == 0)
			fault->error = errors[i].value;
	if (!fault->error && !fault->kills && fault->verdict == SHIM_FAIL &&
	    sscanf(what, "%ldms", &fault->delay_ms) != 1)
		shim_end("FAULT names no error that is known here");
}

/* The first object is the program. */
static int
find_program(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size;
	(void)unused;
	program_base = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_LOAD || !(info->dlpi_phdr[i].p_flags & PF_X))
			continue;
		program_begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		program_end = program_begin + info->dlpi_phdr[i].p_memsz;
	}
	return 1;
}

__attribute__((constructor)) static void
set_up(void)
{
	const char *list = getenv("FAULT");
	char *copy, *rest, *part;

	arm = getenv("FAULT_ARM");
	met = getenv("FAULT_MET");
	if (getenv("FAULT_SCOPE")) {
		scoped = 1;
		dl_iterate_phdr(find_program, NULL);
	}
	if (!list)
		return;
	copy = rest = strdup(list);
	while (copy && (part = strsep(&rest, ",")) != NULL)
		read_fault(part);
	free(copy);
}

static void
note_met(const struct fault *fault, const char *path, const void *caller)
{
	char line[SHIM_PATH_ROOM + 100];
	int fd, len;

	if (!met)
		return;
	fd = (int)syscall(SYS_openat, AT_FDCWD, met,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	len = snprintf(line, sizeof line, "%s %lu 0x%lx %s\n", fault->call, fault->at,
	    (unsigned long)((uintptr_t)caller - program_base), path);
	if (fd < 0 || syscall(SYS_write, fd, line, len) != len)
		shim_end("FAULT_MET cannot be written");
	syscall(SYS_close, fd);
}

void
shim_die_now(void)
{
	for (;;) {
		syscall(SYS_kill, getpid(), SIGKILL);
		pause();
	}
}

int
shim_counts(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;

	return scoped && at >= program_begin && at < program_end;
}

int
shim_has_faults(void)
{
	return fault_count > 0 || shim_netfs_is_slow() || getenv("FAULT_FS") != NULL;
}

void
shim_lift(void)
{
	pthread_mutex_lock(&lock);
	fault_count = 0;
	pthread_mutex_unlock(&lock);
}

/* These are done here, whatever becomes of the server. */
static int
is_of_the_server(const char *call)
{
	static const char *const local[] = {"close", "dup", "lseek", "fcntl", "ioctl",
	    "fdopendir"};

	for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
		if (strcmp(local[i], call) == 0)
			return 0;
	return 1;
}

static int
matches(const struct fault *fault, const char *call, const char *path)
{
	if (strcmp(fault->call, "root") == 0)
		return path[0] && shim_is_on_root(path) && is_of_the_server(call);
	return strcmp(fault->call, call) == 0 &&
	    (!fault->kind[0] || strcmp(fault->kind, shim_kind(path)) == 0);
}

static void
pass_time(long milliseconds)
{
	struct timespec wait = {milliseconds / 1000, milliseconds % 1000 * 1000000};
	int saved = errno;

	if (milliseconds > 0)
		nanosleep(&wait, NULL);
	errno = saved;
}

enum shim_verdict
shim_judge(const char *call, const char *path, const void *caller)
{
	enum shim_verdict verdict = SHIM_GO;
	int error = 0, kills = 0, saved = errno;
	long delay = 0;

	shim_netfs_wait(call, path);
	if (fault_count == 0 || (scoped && caller && !shim_counts(caller)) ||
	    (arm && syscall(SYS_faccessat, AT_FDCWD, arm, F_OK) < 0)) {
		errno = saved;
		return SHIM_GO;
	}
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < fault_count; i++) {
		struct fault *fault = &faults[i];
		if (!matches(fault, call, path))
			continue;
		fault->seen++;
		if (fault->seen == fault->at)
			note_met(fault, path, caller);
		if (fault->seen == fault->at || (fault->goes_on && fault->seen > fault->at)) {
			error = fault->error;
			kills = fault->kills;
			verdict = error || fault->verdict != SHIM_FAIL ? fault->verdict : SHIM_GO;
			delay = fault->delay_ms;
		}
	}
	pthread_mutex_unlock(&lock);
	if (kills)
		shim_die_now();
	pass_time(delay);
	errno = error ? error : saved;
	return verdict;
}
