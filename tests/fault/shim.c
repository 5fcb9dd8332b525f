/* SPDX-License-Identifier: ISC */
/*
 * Stands between a program and the calls that durability hangs on (LD_PRELOAD).
 * It writes down their order, and makes chosen ones fail or dawdle.
 *
 * TRACE names a file to which each call adds a line, fields split by tabs:
 *
 *	<sequence> <thread> begin|end <call> <kind> <path> <result> <detail>
 *
 * A sync and a publication have a line when they begin and one when they have
 * returned: a sync covers only what was written before it began, and promises
 * something only once it is over.  So has a write to the journal, with what it
 * says (batch.c); any other write has a line at its end, an SSL_write of answers
 * one at its beginning for each STORED.  The kind tells what of the root's the
 * path is: draft, tmpdir, item, newdir, curdir, ledger, ledgerdir, unfinished (the
 * ledger's next segment), journal, journaldir, meta or other.  The lines lie in the order in which
 * things happened, since one lock is held while the number is taken and the line is
 * written.
 *
 * FAULT, and what goes with it, stands in judge.c.
 *
 * Rejected: ptrace and seccomp, which need rights that a test may not have;
 * a hook in the program, which would test another program than the one shipped.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include "shim.h"

#define PATH_ROOM SHIM_PATH_ROOM
/* What a segment of the journal holds, as text: 2,000 frames have 30 bytes more each. */
#define DETAIL_MAX (2 * 1024 * 1024)

/* <openssl/ssl.h> is not needed for two prototypes. */
int SSL_write(void *ssl, const void *data, int len);
int SSL_write_ex(void *ssl, const void *data, size_t len, size_t *written);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned long sequence;
static int trace = -1;

void
shim_end(const char *what)
{
	fprintf(stderr, "fault shim: %s\n", what);
	_exit(127);
}

static void
set_up(void)
{
	const char *path = getenv("TRACE");

	if (path)
		trace = (int)syscall(SYS_openat, AT_FDCWD, path,
		    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (path && trace < 0)
		shim_end("TRACE cannot be opened");
}

/* The next definition of a function. */
static void *
next(const char *name)
{
	void *found;

	pthread_once(&once, set_up);
	found = dlsym(RTLD_NEXT, name);
	if (!found)
		shim_end(name);
	return found;
}
#define NEXT(function) \
	static __typeof__(&function) real; \
	if (!__atomic_load_n(&real, __ATOMIC_ACQUIRE)) { \
		__typeof__(&function) found; \
		*(void **)&found = next(#function); \
		__atomic_store_n(&real, found, __ATOMIC_RELEASE); \
	}

/* ---- what a descriptor stands for */

void
shim_path(int fd, char path[PATH_ROOM])
{
	char link[64];
	ssize_t len;
	int saved = errno;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	len = readlink(link, path, PATH_ROOM - 1);
	path[len < 0 ? 0 : len] = '\0';
	errno = saved;
}

static void
path_at(int dirfd, const char *name, char path[PATH_ROOM])
{
	size_t len;

	if (name[0] == '/' || dirfd == AT_FDCWD) {
		snprintf(path, PATH_ROOM, "%s", name);
		return;
	}
	shim_path(dirfd, path);
	len = strlen(path);
	snprintf(path + len, PATH_ROOM - len, "/%s", name);
}

static int
is_part(const char *from, const char *to, const char *name)
{
	size_t len = strlen(name);

	return (size_t)(to - from) == len && memcmp(from, name, len) == 0;
}

const char *
shim_kind(const char *path)
{
	const char *end = path + strlen(path), *last = strrchr(path, '/');
	const char *before;

	if (!last || last == path)
		return "other";
	for (before = last; before > path && before[-1] != '/';)
		before--;
	if (is_part(last + 1, end, "tmp"))
		return "tmpdir";
	if (is_part(last + 1, end, "new"))
		return "newdir";
	if (is_part(last + 1, end, "cur"))
		return "curdir";
	if (is_part(last + 1, end, "ledger"))
		return "ledgerdir";
	if (is_part(last + 1, end, "journal"))
		return "journaldir";
	if (is_part(before, last, "tmp"))
		return "draft";
	if (is_part(before, last, "new"))
		return "item";
	if (is_part(before, last, "ledger"))
		return is_part(last + 1, end, "unfinished") ? "unfinished" : "ledger";
	if (is_part(before, last, "journal"))
		return "journal";
	if (is_part(before, last, "meta"))
		return "meta";
	return "other";
}

/* ---- trace */

static void
note(const char *when, const char *call, const char *path, long result, const char *detail,
    size_t detail_len)
{
	static char line[DETAIL_MAX + 2 * PATH_ROOM]; /* under the lock */
	int saved = errno;
	size_t len;

	if (trace < 0)
		return;
	if (detail_len > DETAIL_MAX)
		detail_len = DETAIL_MAX;
	pthread_mutex_lock(&lock);
	len = (size_t)snprintf(line, sizeof line - DETAIL_MAX - 1,
	    "%lu\t%ld\t%s\t%s\t%s\t%s\t%ld\t", ++sequence, (long)syscall(SYS_gettid), when,
	    call, shim_kind(path), path, result);
	for (size_t i = 0; i < detail_len; i++)
		line[len++] = detail[i] == '\n' ? '\036' : detail[i];
	line[len++] = '\n';
	if (syscall(SYS_write, trace, line, len) != (long)len)
		shim_end("TRACE cannot be written");
	pthread_mutex_unlock(&lock);
	errno = saved;
}

/* 1: the call must fail, errno is set. */
#define is_faulty(call, path) (shim_judge(call, path, __builtin_return_address(0)) == SHIM_FAIL)

/* ---- syncs */

#define SYNC(function) \
	int \
	function(int fd) \
	{ \
		const char *called = #function; \
		char path[PATH_ROOM]; \
		int rc; \
		NEXT(function) \
		shim_path(fd, path); \
		note("begin", #function, path, 0, "", 0); \
		if (is_faulty(#function, path)) \
			rc = -1; \
		else if (!shim_netfs_says(#function, path, &rc)) \
			rc = real(fd); \
		else \
			called = "nosync"; \
		note("end", called, path, rc, "", 0); \
		return rc; \
	}

SYNC(fdatasync)
SYNC(fsync)
SYNC(syncfs)

/* ---- attributes, which a sync makes durable */

int
fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	char path[PATH_ROOM];
	int rc;
	NEXT(fsetxattr)

	shim_path(fd, path);
	note("begin", "fsetxattr", path, 0, name, strlen(name));
	rc = is_faulty("fsetxattr", path) ? -1 : real(fd, name, value, size, flags);
	note("end", "fsetxattr", path, rc, name, strlen(name));
	return rc;
}

/* ---- publishing */

/* What the call returns: `made` has made it, unless the verdict was that it fails. */
#define publish(verdict, made) \
	do { \
		int error = errno; \
		rc = (verdict) == SHIM_FAIL ? -1 : (made); \
		if ((verdict) == SHIM_DONE && rc == 0) { \
			errno = error; \
			rc = -1; \
		} \
	} while (0)
#define judge(call, path) shim_judge(call, path, __builtin_return_address(0))

int
renameat(int fromdir, const char *from, int todir, const char *to)
{
	char path[PATH_ROOM], target[PATH_ROOM];
	enum shim_verdict verdict;
	int rc;
	NEXT(renameat)

	path_at(fromdir, from, path);
	path_at(todir, to, target);
	note("begin", "renameat", path, 0, target, strlen(target));
	verdict = judge("renameat", path);
	publish(verdict, real(fromdir, from, todir, to));
	note("end", "renameat", path, rc, target, strlen(target));
	return rc;
}

int
renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags)
{
	char path[PATH_ROOM], target[PATH_ROOM];
	enum shim_verdict verdict;
	int rc;
	NEXT(renameat2)

	path_at(fromdir, from, path);
	path_at(todir, to, target);
	note("begin", "renameat2", path, 0, target, strlen(target));
	verdict = judge("renameat2", path);
	if (verdict != SHIM_GO || !flags || !shim_netfs_says("renameat2 with flags", path, &rc))
		publish(verdict, real(fromdir, from, todir, to, flags));
	note("end", "renameat2", path, rc, target, strlen(target));
	return rc;
}

int
linkat(int fromdir, const char *from, int todir, const char *to, int flags)
{
	char path[PATH_ROOM], target[PATH_ROOM];
	enum shim_verdict verdict;
	int rc;
	NEXT(linkat)

	path_at(fromdir, from, path);
	path_at(todir, to, target);
	note("begin", "linkat", path, 0, target, strlen(target));
	verdict = judge("linkat", path);
	publish(verdict, real(fromdir, from, todir, to, flags));
	note("end", "linkat", path, rc, target, strlen(target));
	return rc;
}

/* ---- creating and writing */

/* Only drafts, the ledger and the journal are of interest. */
static int
is_ours(int fd, char path[PATH_ROOM])
{
	const char *kind;

	if (fd <= STDERR_FILENO)
		return 0;
	shim_path(fd, path);
	kind = shim_kind(path);
	return strcmp(kind, "draft") == 0 || strcmp(kind, "ledger") == 0 ||
	    strcmp(kind, "journal") == 0;
}

static int
is_kind(const char *path, const char *kind)
{
	return strcmp(shim_kind(path), kind) == 0;
}

/* A segment is filled by many writes of which one is as the other: they are a call of their
 * own, lest who aims at the N-th write has to go through all of them. */
static const char *
call_of(const char *path, const void *data, size_t len)
{
	return is_kind(path, "journal") && !shim_is_batch(data, len) ? "fill" : "write";
}

static void
note_batch(const char *path, const void *data, size_t len, long long at)
{
	size_t room = 2 * len + 4096;
	char *text = malloc(room);

	if (!text)
		shim_end("no memory");
	note("begin", "write", path, 0, text, shim_print_batch(text, room, data, len, at));
	free(text);
}

static void
note_written(const char *path, long rc, const void *data)
{
	note("end", "write", path, rc, data,
	    rc > 0 && is_kind(path, "ledger") ? (size_t)rc : 0);
}

ssize_t
write(int fd, const void *data, size_t len)
{
	const void *caller = __builtin_return_address(0);
	char path[PATH_ROOM] = "";
	enum shim_verdict verdict;
	int ours;
	ssize_t rc;
	NEXT(write)

	ours = is_ours(fd, path);
	/* To an eventfd nothing can fail but by a full counter, which has woken already. */
	if (!ours && (fd <= STDERR_FILENO || !shim_counts(caller) ||
	    strncmp(path, "anon_inode:", 11) == 0))
		return real(fd, data, len);
	if (is_kind(path, "journal") && trace >= 0)
		note_batch(path, data, len, syscall(SYS_lseek, fd, 0L, SEEK_CUR));
	verdict = shim_judge(call_of(path, data, len), path, caller);
	rc = verdict == SHIM_FAIL ? -1
	                          : real(fd, data, verdict == SHIM_GO || len < 2 ? len : len / 2);
	if (verdict == SHIM_TORN)
		shim_die_now();
	if (ours)
		note_written(path, (long)rc, data);
	return rc;
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
	char path[PATH_ROOM];
	ssize_t rc;
	NEXT(writev)

	if (!is_ours(fd, path))
		return real(fd, parts, count);
	if (is_kind(path, "journal"))
		shim_end("writev to the journal: its trace is not written yet");
	rc = is_faulty("write", path) ? -1 : real(fd, parts, count);
	for (int i = 0; i < count; i++)
		note("end", "write", path, (long)rc, parts[i].iov_base,
		    rc > 0 && is_kind(path, "ledger") ? parts[i].iov_len : 0);
	return rc;
}

#define PWRITE(function, offset_type) \
	ssize_t \
	function(int fd, const void *data, size_t len, offset_type at) \
	{ \
		char path[PATH_ROOM] = ""; \
		ssize_t rc; \
		NEXT(function) \
		if (!is_ours(fd, path) && !shim_counts(__builtin_return_address(0))) \
			return real(fd, data, len, at); \
		if (is_kind(path, "journal") && trace >= 0) \
			note_batch(path, data, len, at); \
		rc = is_faulty(call_of(path, data, len), path) ? -1 : real(fd, data, len, at); \
		note_written(path, (long)rc, data); \
		return rc; \
	}

PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define OPENAT(function) \
	int \
	function(int dirfd, const char *name, int flags, ...) \
	{ \
		char path[PATH_ROOM]; \
		mode_t mode = 0; \
		va_list rest; \
		int rc; \
		NEXT(function) \
		path_at(dirfd, name, path); \
		if (!(flags & O_CREAT) && (flags & O_TMPFILE) != O_TMPFILE) \
			return is_faulty("open", path) ? -1 : real(dirfd, name, flags); \
		va_start(rest, flags); \
		mode = va_arg(rest, mode_t); \
		va_end(rest); \
		rc = is_faulty("openat", path) ? -1 : real(dirfd, name, flags, mode); \
		note("end", "openat", path, rc, "", 0); \
		return rc; \
	}

OPENAT(openat)
OPENAT(openat64)

int
unlinkat(int dirfd, const char *name, int flags)
{
	char path[PATH_ROOM];
	enum shim_verdict verdict;
	int rc;
	NEXT(unlinkat)

	path_at(dirfd, name, path);
	note("begin", "unlinkat", path, 0, "", 0);
	verdict = judge("unlinkat", path);
	publish(verdict, real(dirfd, name, flags));
	return rc;
}

/* ---- answers */

static void
note_answers(const char *data, size_t len)
{
	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t line = end ? (size_t)(end - data) : len;

		if (line > 7 && memcmp(data, "STORED ", 7) == 0)
			note("begin", "SSL_write", "-", 0, data, line);
		if (!end)
			return;
		data += line + 1;
		len -= line + 1;
	}
}

int
SSL_write(void *ssl, const void *data, int len)
{
	NEXT(SSL_write)
	note_answers(data, len > 0 ? (size_t)len : 0);
	if (is_faulty("SSL_io", "")) {
		shim_tls_error();
		return -1;
	}
	return real(ssl, data, len);
}

int
SSL_write_ex(void *ssl, const void *data, size_t len, size_t *written)
{
	NEXT(SSL_write_ex)
	note_answers(data, len);
	return real(ssl, data, len, written);
}
