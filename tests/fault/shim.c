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
 * something only once it is over.  A write has a line at its end, an
 * SSL_write of answers one at its beginning for each STORED.  The kind tells
 * what of an inbox's the path is: draft, tmpdir, item, newdir, ledger,
 * ledgerdir or other.  The lines lie in the order in which things happened,
 * since one lock is held while the number is taken and the line is written.
 *
 * FAULT is a list, split by commas, of
 *
 *	<call>[@<kind>]:<N>:<errno's name or milliseconds, as in 700ms>:once|on
 *
 * The N-th matching call (and, with "on", all after it) fails without being
 * made, or is late.  Where FAULT_ARM names a file, calls count only once it exists.
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
#include <time.h>
#include <unistd.h>

#define PATH_ROOM 4200
#define DETAIL_MAX 65536
#define FAULTS_MAX 8

/* <openssl/ssl.h> is not needed for two prototypes. */
int SSL_write(void *ssl, const void *data, int len);
int SSL_write_ex(void *ssl, const void *data, size_t len, size_t *written);

struct fault {
	char call[32], kind[16];
	unsigned long at, seen;
	int error; /* 0: only late */
	long delay_ms;
	int goes_on;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct fault faults[FAULTS_MAX];
static size_t fault_count;
static unsigned long sequence;
static int trace = -1;
static const char *arm;

static const struct {
	const char *name;
	int value;
} errors[] = {
    {"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EMFILE", EMFILE}, {"ENFILE", ENFILE},
    {"ENOSYS", ENOSYS}, {"EINVAL", EINVAL}, {"EEXIST", EEXIST}, {"EINTR", EINTR}, {"EPERM", EPERM},
    {"EACCES", EACCES}, {"EROFS", EROFS}, {"EOPNOTSUPP", EOPNOTSUPP},
};

static void
die(const char *what)
{
	fprintf(stderr, "fault shim: %s\n", what);
	_exit(127);
}

static void
read_fault(char *text)
{
	struct fault *fault = &faults[fault_count++];
	char what[32], how[16];
	char *kind;

	if (fault_count > FAULTS_MAX ||
	    sscanf(text, "%31[^@:]%*1[@]%15[^:]", fault->call, fault->kind) < 1)
		die("FAULT cannot be read");
	kind = strchr(text, ':');
	if (!kind || sscanf(kind, ":%lu:%31[^:]:%15s", &fault->at, what, how) != 3)
		die("FAULT cannot be read");
	fault->goes_on = strcmp(how, "on") == 0;
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (strcmp(errors[i].name, what) == 0)
			fault->error = errors[i].value;
	if (!fault->error && sscanf(what, "%ldms", &fault->delay_ms) != 1)
		die("FAULT names no error that is known here");
}

static void
set_up(void)
{
	const char *path = getenv("TRACE"), *list = getenv("FAULT");
	char *copy, *rest, *part;

	arm = getenv("FAULT_ARM");
	if (path)
		trace = (int)syscall(SYS_openat, AT_FDCWD, path,
		    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (path && trace < 0)
		die("TRACE cannot be opened");
	if (!list)
		return;
	copy = rest = strdup(list);
	while (copy && (part = strsep(&rest, ",")) != NULL)
		read_fault(part);
	free(copy);
}

/* The next definition of a function. */
static void *
next(const char *name)
{
	void *found;

	pthread_once(&once, set_up);
	found = dlsym(RTLD_NEXT, name);
	if (!found)
		die(name);
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

static void
path_of(int fd, char path[PATH_ROOM])
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
	path_of(dirfd, path);
	len = strlen(path);
	snprintf(path + len, PATH_ROOM - len, "/%s", name);
}

static int
is_part(const char *from, const char *to, const char *name)
{
	size_t len = strlen(name);

	return (size_t)(to - from) == len && memcmp(from, name, len) == 0;
}

static const char *
kind_of(const char *path)
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
	if (is_part(last + 1, end, "ledger"))
		return "ledgerdir";
	if (is_part(before, last, "tmp"))
		return "draft";
	if (is_part(before, last, "new"))
		return "item";
	if (is_part(before, last, "ledger"))
		return "ledger";
	return "other";
}

/* ---- trace and faults */

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
	    call, kind_of(path), path, result);
	for (size_t i = 0; i < detail_len; i++)
		line[len++] = detail[i] == '\n' ? '\036' : detail[i];
	line[len++] = '\n';
	if (syscall(SYS_write, trace, line, len) != (long)len)
		die("TRACE cannot be written");
	pthread_mutex_unlock(&lock);
	errno = saved;
}

/* Counts the call against the faults.  1: it must fail, errno is set. */
static int
is_faulty(const char *call, const char *path)
{
	int error = 0, saved = errno;
	long delay = 0;

	if (fault_count == 0 || (arm && access(arm, F_OK) < 0)) {
		errno = saved;
		return 0;
	}
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < fault_count; i++) {
		struct fault *fault = &faults[i];
		if (strcmp(fault->call, call) != 0 ||
		    (fault->kind[0] && strcmp(fault->kind, kind_of(path)) != 0))
			continue;
		fault->seen++;
		if (fault->seen == fault->at || (fault->goes_on && fault->seen > fault->at)) {
			error = fault->error;
			delay = fault->delay_ms;
		}
	}
	pthread_mutex_unlock(&lock);
	if (delay > 0) {
		struct timespec wait = {delay / 1000, delay % 1000 * 1000000};
		nanosleep(&wait, NULL);
	}
	errno = error ? error : saved;
	return error != 0;
}

/* ---- syncs */

#define SYNC(function) \
	int \
	function(int fd) \
	{ \
		char path[PATH_ROOM]; \
		int rc; \
		NEXT(function) \
		path_of(fd, path); \
		note("begin", #function, path, 0, "", 0); \
		rc = is_faulty(#function, path) ? -1 : real(fd); \
		note("end", #function, path, rc, "", 0); \
		return rc; \
	}

SYNC(fdatasync)
SYNC(fsync)
SYNC(syncfs)

/* ---- publishing */

int
renameat(int fromdir, const char *from, int todir, const char *to)
{
	char path[PATH_ROOM], target[PATH_ROOM];
	int rc;
	NEXT(renameat)

	path_at(fromdir, from, path);
	path_at(todir, to, target);
	note("begin", "renameat", path, 0, target, strlen(target));
	rc = is_faulty("renameat", path) ? -1 : real(fromdir, from, todir, to);
	note("end", "renameat", path, rc, target, strlen(target));
	return rc;
}

int
renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags)
{
	char path[PATH_ROOM], target[PATH_ROOM];
	int rc;
	NEXT(renameat2)

	path_at(fromdir, from, path);
	path_at(todir, to, target);
	note("begin", "renameat2", path, 0, target, strlen(target));
	rc = is_faulty("renameat2", path) ? -1 : real(fromdir, from, todir, to, flags);
	note("end", "renameat2", path, rc, target, strlen(target));
	return rc;
}

int
linkat(int fromdir, const char *from, int todir, const char *to, int flags)
{
	char path[PATH_ROOM], target[PATH_ROOM];
	int rc;
	NEXT(linkat)

	path_at(fromdir, from, path);
	path_at(todir, to, target);
	note("begin", "linkat", path, 0, target, strlen(target));
	rc = is_faulty("linkat", path) ? -1 : real(fromdir, from, todir, to, flags);
	note("end", "linkat", path, rc, target, strlen(target));
	return rc;
}

/* ---- creating and writing */

/* Only drafts and the ledger are of interest. */
static int
is_ours(int fd, char path[PATH_ROOM])
{
	const char *kind;

	if (fd <= STDERR_FILENO)
		return 0;
	path_of(fd, path);
	kind = kind_of(path);
	return strcmp(kind, "draft") == 0 || strcmp(kind, "ledger") == 0;
}

ssize_t
write(int fd, const void *data, size_t len)
{
	char path[PATH_ROOM];
	ssize_t rc;
	NEXT(write)

	if (!is_ours(fd, path))
		return real(fd, data, len);
	rc = is_faulty("write", path) ? -1 : real(fd, data, len);
	note("end", "write", path, (long)rc, data,
	    rc > 0 && strcmp(kind_of(path), "ledger") == 0 ? (size_t)rc : 0);
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
	rc = is_faulty("write", path) ? -1 : real(fd, parts, count);
	for (int i = 0; i < count; i++)
		note("end", "write", path, (long)rc, parts[i].iov_base,
		    rc > 0 && strcmp(kind_of(path), "ledger") == 0 ? parts[i].iov_len : 0);
	return rc;
}

#define PWRITE(function, offset_type) \
	ssize_t \
	function(int fd, const void *data, size_t len, offset_type at) \
	{ \
		char path[PATH_ROOM]; \
		ssize_t rc; \
		NEXT(function) \
		if (!is_ours(fd, path)) \
			return real(fd, data, len, at); \
		rc = is_faulty("write", path) ? -1 : real(fd, data, len, at); \
		note("end", "write", path, (long)rc, data, \
		    rc > 0 && strcmp(kind_of(path), "ledger") == 0 ? (size_t)rc : 0); \
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
		if (!(flags & O_CREAT) && (flags & O_TMPFILE) != O_TMPFILE) \
			return real(dirfd, name, flags); \
		va_start(rest, flags); \
		mode = va_arg(rest, mode_t); \
		va_end(rest); \
		path_at(dirfd, name, path); \
		rc = is_faulty("openat", path) ? -1 : real(dirfd, name, flags, mode); \
		note("end", "openat", path, rc, "", 0); \
		return rc; \
	}

OPENAT(openat)
OPENAT(openat64)

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
	return real(ssl, data, len);
}

int
SSL_write_ex(void *ssl, const void *data, size_t len, size_t *written)
{
	NEXT(SSL_write_ex)
	note_answers(data, len);
	return real(ssl, data, len, written);
}
