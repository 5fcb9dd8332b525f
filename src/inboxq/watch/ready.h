/* SPDX-License-Identifier: ISC */
/*
 * Has anybody a file open for writing?  A read lease says so (F_SETLEASE, fcntl(2)): the kernel
 * grants none while there is a writer, whoever that is.  It is given back at once: a program that
 * opens the file in this moment waits for that long, and is none the wiser.
 *
 * The kernel asks for the file's owner, or CAP_LEASE.  Where others write through another kernel
 * (NFS, SMB, FUSE) no answer can be trusted; there, and where leases are missing, nothing is
 * known, and who asks looks at sizes and times instead.
 *
 * Rejected: to search /proc for descriptors, which takes root and misses what is mapped.
 */
#ifndef INBOXQ_WATCH_READY_H
#define INBOXQ_WATCH_READY_H

#include "lib/attr.h"

enum ready {
	READY_YES,     /* nobody has it open for writing */
	READY_WRITER,  /* somebody has */
	READY_UNKNOWN,
};

/* `fd` is open for reading.  Call ready_begin() first. */
enum ready ready_ask(int fd);

/* Once, before any other call: the kernel may send SIGIO for a lease, which is ignored. */
void ready_begin(void);

/* May the folder's file system be written to by other machines, or by programs that this kernel
 * does not see?  Then neither leases nor inotify tell of them. */
int ready_is_shared(int dirfd);

/* Do leases tell of writers there?  Tried with a file `name` that it makes in `dirfd`, a folder
 * of our own, and deletes. */
int ready_tells(int dirfd, const char *name);

#endif
