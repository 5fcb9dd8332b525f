/* SPDX-License-Identifier: ISC */
/*
 * The calls that can fail and whose order tells nothing: each is counted against
 * the faults (shim.c) where the program itself makes it, and fails as it says it
 * would in its manual page.
 *
 * One row a call, with no prototype: six words go through as they came, which
 * suits every call here on the systems where words travel in registers.  An
 * own wrapper for each would be five hundred lines that say the same.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "shim.h"

typedef long word_call(long, long, long, long, long, long);

static word_call *
find(word_call **known, const char *name)
{
	word_call *found = __atomic_load_n(known, __ATOMIC_ACQUIRE);

	if (found)
		return found;
	*(void **)&found = dlsym(RTLD_NEXT, name);
	if (!found) {
		fprintf(stderr, "fault shim: no %s\n", name);
		abort();
	}
	__atomic_store_n(known, found, __ATOMIC_RELEASE);
	return found;
}

/* `counted` is the name that FAULT knows it by, `failure` what it returns. */
#define ROW(name, counted, caller, before, failure) \
	long shim_##name(long a, long b, long c, long d, long e, long f) __asm__(#name); \
	long shim_##name(long a, long b, long c, long d, long e, long f) \
	{ \
		static word_call *known; \
		word_call *real = find(&known, #name); \
		if (shim_judge(counted, "", caller) == SHIM_FAIL) { \
			int error = errno; \
			before; \
			errno = error; \
			return failure; \
		} \
		return real(a, b, c, d, e, f); \
	}
#define PROGRAM __builtin_return_address(0)
#define CALL(name, counted) ROW(name, counted, PROGRAM, (void)0, -1)
#define MAKES(name, counted) ROW(name, counted, PROGRAM, (void)0, 0) /* NULL or 0 */
#define GIVES_ERRNO(name, counted) ROW(name, counted, PROGRAM, (void)0, errno)

/* Files.  open() of what is there; what makes files is counted in shim.c. */
CALL(open, "open")
CALL(open64, "open")
CALL(fstat, "fstat")
CALL(fstat64, "fstat")
CALL(fstatat, "fstatat")
CALL(fstatat64, "fstatat")
CALL(lstat, "fstatat")
CALL(lstat64, "fstatat")
CALL(fstatvfs, "statvfs")
CALL(fstatvfs64, "statvfs")
CALL(statvfs, "statvfs")
CALL(statvfs64, "statvfs")
CALL(ftruncate, "ftruncate")
CALL(ftruncate64, "ftruncate")
CALL(fallocate, "fallocate")
CALL(fallocate64, "fallocate")
GIVES_ERRNO(posix_fallocate, "fallocate")
GIVES_ERRNO(posix_fallocate64, "fallocate")
CALL(sync_file_range, "sync_file_range")
CALL(unlinkat, "unlinkat")
CALL(unlink, "unlinkat")
CALL(mkdir, "mkdirat")
CALL(mkdirat, "mkdirat")
CALL(read, "read")
CALL(pread, "read")
CALL(pread64, "read")
CALL(lseek, "lseek")
CALL(lseek64, "lseek")
CALL(fcntl, "fcntl")
CALL(fcntl64, "fcntl")
MAKES(fdopendir, "fdopendir")
MAKES(readdir, "readdir")
MAKES(readdir64, "readdir")
/* Linux has given the descriptor back, whatever it says. */
ROW(close, "close", PROGRAM, real(a, b, c, d, e, f), -1)

/* Memory. */
MAKES(malloc, "malloc")
MAKES(calloc, "malloc")
MAKES(realloc, "malloc")
MAKES(strdup, "malloc")
MAKES(strndup, "malloc")
MAKES(mmap, "mmap")
MAKES(open_memstream, "malloc")
MAKES(tsearch, "malloc")

/* Threads, and what wakes them. */
CALL(eventfd, "eventfd")
CALL(pipe2, "eventfd")
CALL(poll, "poll")
GIVES_ERRNO(pthread_create, "pthread_create")

/* The network: libevent accepts for us. */
ROW(accept4, "accept4", NULL, (void)0, -1)
CALL(socket, "socket")
CALL(bind, "socket")
CALL(listen, "socket")
CALL(connect, "connect")
CALL(setsockopt, "setsockopt")
MAKES(event_new, "event")
MAKES(event_base_new, "event")
MAKES(event_base_new_with_config, "event")
MAKES(event_config_new, "event")
MAKES(evconnlistener_new, "event")
MAKES(evhttp_new, "event")
MAKES(evbuffer_new, "event")
CALL(event_add, "event")
CALL(event_assign, "event")

/* TLS and digests. */
MAKES(SSL_new, "SSL_new")
MAKES(SSL_CTX_new, "SSL_new")
MAKES(SSL_set_fd, "SSL_new")
MAKES(BIO_new, "SSL_new")
MAKES(RAND_bytes, "digest")
CALL(getentropy, "digest")
MAKES(EVP_MD_fetch, "digest")
MAKES(EVP_MD_CTX_new, "digest")
MAKES(EVP_DigestInit_ex2, "digest")
MAKES(EVP_DigestInit_ex, "digest")
MAKES(EVP_DigestUpdate, "digest")
MAKES(EVP_DigestFinal_ex, "digest")
