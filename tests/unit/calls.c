/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/journal.h"

int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_syncfs(int fd);
int __real_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags);
int __wrap_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags);
int __real_openat(int at, const char *name, int flags, ...);
int __wrap_openat(int at, const char *name, int flags, ...);
int __real_unlinkat(int at, const char *name, int flags);
int __wrap_unlinkat(int at, const char *name, int flags);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);

static const char letters[CALL_COUNT + 1] = "Jdltnsrou----";

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct {
	int is_held, waits;
	unsigned gone; /* how often those that waited went on */
	int error, times;
	unsigned count;
} calls[CALL_COUNT];
static ino_t tmp_inode, new_inode, ledger_inode;
static char trace[4096], asked[4096];
static size_t length;

static ino_t
inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static enum call
which_folder(int fd)
{
	ino_t inode = inode_of(fd);

	return inode == tmp_inode ? CALL_TMP : inode == new_inode ? CALL_NEW : CALL_OTHER;
}

static int
is_ledger(int fd)
{
	return (fcntl(fd, F_GETFL) & O_APPEND) != 0;
}

static enum call
which_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) /* a mailbox's is no file */
		return CALL_OTHER;
	return is_ledger(fd) ? CALL_LEDGER : st.st_size == JOURNAL_SEGMENT ? CALL_JOURNAL
	                                                                   : CALL_DRAFT;
}

/* 0, or -1 if it is to fail. */
static int
meet(enum call call)
{
	unsigned gone;
	int error = 0;

	pthread_mutex_lock(&lock);
	gone = calls[call].gone;
	calls[call].count++;
	if (letters[call] != '-' && length < sizeof trace - 1)
		trace[length++] = letters[call];
	calls[call].waits += calls[call].is_held;
	pthread_cond_broadcast(&changed);
	while (calls[call].is_held && calls[call].gone == gone)
		pthread_cond_wait(&changed, &lock);
	if (calls[call].times != 0) {
		error = calls[call].error;
		calls[call].times -= calls[call].times > 0;
	}
	pthread_mutex_unlock(&lock);
	errno = error;
	return error ? -1 : 0;
}

void
calls_begin(int tmp, int new)
{
	pthread_mutex_lock(&lock);
	memset(calls, 0, sizeof calls);
	length = 0;
	tmp_inode = inode_of(tmp);
	new_inode = inode_of(new);
	pthread_mutex_unlock(&lock);
}

void
calls_hold(enum call call)
{
	pthread_mutex_lock(&lock);
	calls[call].is_held = 1;
	pthread_mutex_unlock(&lock);
}

static void
let_go(enum call call, int is_held)
{
	pthread_mutex_lock(&lock);
	calls[call].is_held = is_held;
	calls[call].gone++;
	calls[call].waits = 0;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

void
calls_go(enum call call)
{
	let_go(call, 0);
}

void
calls_pass(enum call call)
{
	let_go(call, 1);
}

void
calls_await(enum call call)
{
	pthread_mutex_lock(&lock);
	while (!calls[call].waits)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

void
calls_fail(enum call call, int error, int times)
{
	pthread_mutex_lock(&lock);
	calls[call].error = error;
	calls[call].times = times;
	pthread_mutex_unlock(&lock);
}

unsigned
calls_count(enum call call)
{
	unsigned count;

	pthread_mutex_lock(&lock);
	count = calls[call].count;
	pthread_mutex_unlock(&lock);
	return count;
}

ino_t
calls_ledger(void)
{
	ino_t inode;

	pthread_mutex_lock(&lock);
	inode = ledger_inode;
	pthread_mutex_unlock(&lock);
	return inode;
}

const char *
calls_trace(void)
{
	pthread_mutex_lock(&lock);
	memcpy(asked, trace, length);
	asked[length] = '\0';
	length = 0;
	pthread_mutex_unlock(&lock);
	return asked;
}

/* ---- the hooks */

int
__wrap_fdatasync(int fd)
{
	enum call call = which_file(fd);
	int rc = meet(call);

	if (call == CALL_LEDGER) {
		pthread_mutex_lock(&lock);
		ledger_inode = inode_of(fd);
		pthread_mutex_unlock(&lock);
	}
	return rc;
}

int
__wrap_fsync(int fd)
{
	return meet(which_folder(fd));
}

#ifdef HAVE_SYNCFS
int
__wrap_syncfs(int fd)
{
	(void)fd;
	return meet(CALL_FILESYSTEM);
}
#endif

#ifdef HAVE_RENAMEAT2
int
__wrap_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags)
{
	if (which_folder(todir) == CALL_NEW && meet(CALL_RENAME) < 0)
		return -1;
	return __real_renameat2(fromdir, from, todir, to, flags);
}
#endif

int
__wrap_openat(int at, const char *name, int flags, ...)
{
	int mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & O_CREAT)
		mode = va_arg(args, int);
	va_end(args);
	if ((flags & O_CREAT) && which_folder(at) == CALL_TMP && meet(CALL_OPEN) < 0)
		return -1;
	return __real_openat(at, name, flags, mode);
}

int
__wrap_unlinkat(int at, const char *name, int flags)
{
	if (which_folder(at) == CALL_TMP && meet(CALL_UNLINK) < 0)
		return -1;
	return __real_unlinkat(at, name, flags);
}

ssize_t
__wrap_write(int fd, const void *data, size_t len)
{
	static const enum call calls_of[CALL_COUNT] = {[CALL_LEDGER] = CALL_RECORD,
	    [CALL_JOURNAL] = CALL_BATCH, [CALL_DRAFT] = CALL_FILL, [CALL_OTHER] = CALL_OTHER};

	return meet(calls_of[which_file(fd)]) < 0 ? -1 : __real_write(fd, data, len);
}
