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
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

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

/* Else SSL_get_error() would say what the call before wanted. */
void
shim_tls_error(void)
{
	static word_call *begin, *set;

	find(&begin, "ERR_new")(0, 0, 0, 0, 0, 0);
	find(&set, "ERR_set_error")(20 /* ERR_LIB_SSL */, 1, 0, 0, 0, 0);
}

/* What a descriptor stands for, where a fault may ask for it. */
static const char *
path_of(long fd, char path[SHIM_PATH_ROOM])
{
	path[0] = '\0';
	if (shim_has_faults())
		shim_path((int)fd, path);
	return path;
}

/* Of a name below a folder. */
static const char *
path_at(long dir, const char *name, char path[SHIM_PATH_ROOM])
{
	size_t len;

	path[0] = '\0';
	if (!shim_has_faults())
		return path;
	if (name[0] != '/' && (int)dir != AT_FDCWD)
		shim_path((int)dir, path);
	len = strlen(path);
	snprintf(path + len, SHIM_PATH_ROOM - len, "%s%s", len > 0 ? "/" : "", name);
	return path;
}

/* `counted` is the name that FAULT knows it by, `failure` what it returns. */
#define ROW_OF(name, counted, path, caller, before, failure) \
	long shim_##name(long a, long b, long c, long d, long e, long f) __asm__(#name); \
	long shim_##name(long a, long b, long c, long d, long e, long f) \
	{ \
		static word_call *known; \
		word_call *real = find(&known, #name); \
		if (shim_judge(counted, path, caller) == SHIM_FAIL) { \
			int error = errno; \
			before; \
			errno = error; \
			return failure; \
		} \
		return real(a, b, c, d, e, f); \
	}
#define PROGRAM __builtin_return_address(0)
#define ROW(name, counted, caller, before, failure) \
	ROW_OF(name, counted, "", caller, before, failure)
/* Its first word is a descriptor. */
#define FILE_ROW(name, counted, before, failure) \
	ROW_OF(name, counted, path_of(a, (char[SHIM_PATH_ROOM]){0}), PROGRAM, before, failure)
#define FILE_CALL(name, counted) FILE_ROW(name, counted, (void)0, -1)
/* One that a network file system may lack. */
#define NETFS_CALL(name, counted) \
	long shim_##name(long a, long b, long c, long d, long e, long f) __asm__(#name); \
	long shim_##name(long a, long b, long c, long d, long e, long f) \
	{ \
		static word_call *known; \
		word_call *real = find(&known, #name); \
		char path[SHIM_PATH_ROOM]; \
		int rc = -1; \
		path_of(a, path); \
		if (shim_judge(counted, path, PROGRAM) == SHIM_FAIL || \
		    shim_netfs_says(counted, path, &rc)) \
			return rc; \
		return real(a, b, c, d, e, f); \
	}
/* Its first word is a path; a folder's descriptor, and its second a name below that; a listing. */
#define PATH_CALL(name, counted) ROW_OF(name, counted, \
	path_at(AT_FDCWD, (const char *)a, (char[SHIM_PATH_ROOM]){0}), PROGRAM, (void)0, -1)
#define AT_CALL(name, counted) ROW_OF(name, counted, \
	path_at(a, (const char *)b, (char[SHIM_PATH_ROOM]){0}), PROGRAM, (void)0, -1)
#define LISTING_ROW(name, counted, before, failure) ROW_OF(name, counted, \
	path_of(dirfd((DIR *)a), (char[SHIM_PATH_ROOM]){0}), PROGRAM, before, failure)
#define CALL(name, counted) ROW(name, counted, PROGRAM, (void)0, -1)
#define MAKES(name, counted) ROW(name, counted, PROGRAM, (void)0, 0) /* NULL or 0 */
#define GIVES_ERRNO(name, counted) ROW(name, counted, PROGRAM, (void)0, errno)

/* Locks are a name of their own, and so are leases. */
static const char *
fcntl_name(long what)
{
	switch (what) {
	case F_SETLEASE:
		return "lease";
	case F_SETLK:
	case F_SETLKW:
	case F_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
	case F_OFD_GETLK:
		return "lock";
	default:
		return "fcntl";
	}
}

/* Files.  open() of what is there; what makes files is counted in shim.c. */
PATH_CALL(open, "open")
PATH_CALL(open64, "open")
FILE_CALL(fstat, "fstat")
FILE_CALL(fstat64, "fstat")
AT_CALL(fstatat, "fstatat")
AT_CALL(fstatat64, "fstatat")
PATH_CALL(lstat, "fstatat")
PATH_CALL(lstat64, "fstatat")
AT_CALL(faccessat, "fstatat")
FILE_CALL(fstatvfs, "statvfs")
FILE_CALL(fstatvfs64, "statvfs")
PATH_CALL(statvfs, "statvfs")
PATH_CALL(statvfs64, "statvfs")
FILE_CALL(ftruncate, "ftruncate")
FILE_CALL(ftruncate64, "ftruncate")
NETFS_CALL(fallocate, "fallocate")
NETFS_CALL(fallocate64, "fallocate")
/* What kind of file system it is. */
#define FUSE_MAGIC 0x65735546
#define STATFS(name, type) \
	int shim_##name(int fd, struct type *out) __asm__(#name); \
	int shim_##name(int fd, struct type *out) \
	{ \
		static word_call *known; \
		word_call *real = find(&known, #name); \
		char path[SHIM_PATH_ROOM]; \
		int rc = 0; \
		path_of(fd, path); \
		if (shim_judge("statfs", path, PROGRAM) == SHIM_FAIL) \
			return -1; \
		rc = (int)real(fd, (long)out, 0, 0, 0, 0); \
		if (rc == 0 && shim_netfs_says("statfs", path, &rc)) \
			out->f_type = FUSE_MAGIC; \
		return rc; \
	}
STATFS(fstatfs, statfs)
STATFS(fstatfs64, statfs64)
FILE_ROW(posix_fallocate, "fallocate", (void)0, errno)
FILE_ROW(posix_fallocate64, "fallocate", (void)0, errno)
FILE_CALL(sync_file_range, "sync_file_range")
PATH_CALL(unlink, "unlinkat")
PATH_CALL(mkdir, "mkdirat")
AT_CALL(mkdirat, "mkdirat")
FILE_CALL(read, "read")
FILE_CALL(pread, "read")
FILE_CALL(pread64, "read")
FILE_CALL(lseek, "lseek")
FILE_CALL(lseek64, "lseek")
CALL(fseeko, "lseek")
CALL(fseeko64, "lseek")
FILE_CALL(flock, "flock")
FILE_CALL(dup, "dup")
CALL(fflush, "fflush")
#ifdef __GLIBC__
/* getline(): that it was an error is told by the stream. */
ROW(__getdelim, "read", PROGRAM, ((FILE *)d)->_flags |= 0x20, -1)
#endif
FILE_CALL(fcntl, fcntl_name(b))
FILE_CALL(ioctl, "ioctl")
FILE_CALL(fcntl64, fcntl_name(b))
CALL(inotify_init1, "inotify")
CALL(inotify_add_watch, "inotify")
MAKES(fdopen, "fdopendir")
FILE_ROW(fdopendir, "fdopendir", (void)0, 0)
LISTING_ROW(readdir, "readdir", (void)0, 0)
LISTING_ROW(readdir64, "readdir", (void)0, 0)
/* Linux has given the descriptor back, whatever it says. */
FILE_ROW(close, "close", real(a, b, c, d, e, f), -1)
ROW(closedir, "close", PROGRAM, real(a, b, c, d, e, f), -1)
ROW(fclose, "close", PROGRAM, real(a, b, c, d, e, f), -1)

/* Memory. */
MAKES(malloc, "malloc")
MAKES(calloc, "malloc")
MAKES(realloc, "malloc")
MAKES(strdup, "malloc")
MAKES(strndup, "malloc")
MAKES(mmap, "mmap")
MAKES(open_memstream, "malloc")
MAKES(tsearch, "malloc")
MAKES(json_object, "malloc")
MAKES(json_integer, "malloc")
MAKES(json_string, "malloc")
MAKES(json_dumps, "malloc")
CALL(json_dumpf, "malloc")
ROW(ini_parse_stream, "malloc", PROGRAM, (void)0, -2)
CALL(getrlimit, "system")
CALL(setrlimit, "system")
CALL(gethostname, "system")
CALL(setegid, "seteuid")
CALL(seteuid, "seteuid")

/* Threads, and what wakes them. */
CALL(eventfd, "eventfd")
CALL(pipe2, "eventfd")
CALL(poll, "poll")
GIVES_ERRNO(pthread_create, "pthread_create")
GIVES_ERRNO(pthread_mutex_init, "pthread_create")

/* The network: libevent accepts for us. */
ROW(accept4, "accept4", NULL, (void)0, -1)
CALL(socket, "socket")
CALL(bind, "socket")
CALL(listen, "socket")
CALL(connect, "connect")
CALL(setsockopt, "setsockopt")
CALL(getsockopt, "setsockopt")
CALL(getpeername, "setsockopt")
CALL(shutdown, "setsockopt")
CALL(recv, "read")
ROW(getaddrinfo, "getaddrinfo", PROGRAM, (void)0, EAI_MEMORY)
CALL(evutil_make_socket_nonblocking, "fcntl")
CALL(evutil_make_socket_closeonexec, "fcntl")
MAKES(event_new, "event")
MAKES(event_base_new, "event")
MAKES(event_base_new_with_config, "event")
MAKES(event_config_new, "event")
MAKES(evconnlistener_new, "event")
CALL(evconnlistener_enable, "event")
CALL(evconnlistener_disable, "event")
CALL(event_add, "event")
CALL(event_assign, "event")
CALL(event_base_dispatch, "event")

/* TLS and digests. */
MAKES(SSL_new, "SSL_new")
MAKES(SSL_CTX_new, "SSL_new")
MAKES(SSL_set_fd, "SSL_new")
MAKES(BIO_new, "SSL_new")
MAKES(BIO_new_fp, "SSL_new")
MAKES(PEM_read_bio_X509, "SSL_new")
MAKES(PEM_read_bio_X509_AUX, "SSL_new")
MAKES(PEM_read_bio_PrivateKey, "SSL_new")
MAKES(PEM_X509_INFO_read_bio, "SSL_new")
MAKES(SSL_CTX_use_certificate, "SSL_new")
MAKES(SSL_CTX_use_PrivateKey, "SSL_new")
MAKES(SSL_CTX_add_client_CA, "SSL_new")
MAKES(SSL_CTX_set_cipher_list, "SSL_new")
ROW(SSL_CTX_set_alpn_protos, "SSL_new", PROGRAM, (void)0, 1)
MAKES(X509_STORE_add_cert, "SSL_new")
MAKES(X509_STORE_CTX_new, "SSL_new")
MAKES(X509_STORE_CTX_init, "SSL_new")
MAKES(X509_get_ext_d2i, "SSL_new")
MAKES(X509_VERIFY_PARAM_set1_ip_asc, "SSL_new")
MAKES(SSL_set1_host, "SSL_new")
MAKES(SSL_get1_peer_certificate, "SSL_new")
ROW(SSL_do_handshake, "SSL_io", PROGRAM, shim_tls_error(), -1)
ROW(SSL_read, "SSL_io", PROGRAM, shim_tls_error(), -1)
ROW(SSL_shutdown, "SSL_io", PROGRAM, shim_tls_error(), -1)
CALL(getentropy, "digest")
MAKES(EVP_MD_fetch, "digest")
MAKES(EVP_MD_CTX_new, "digest")
MAKES(EVP_DigestInit_ex2, "digest")
MAKES(EVP_DigestInit_ex, "digest")
MAKES(EVP_DigestUpdate, "digest")
MAKES(EVP_DigestFinal_ex, "digest")
