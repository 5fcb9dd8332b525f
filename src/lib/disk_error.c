/* SPDX-License-Identifier: ISC */
/*
 * What an errno of the disk means for who has to go on, or not.
 *
 * "Gone" is what no file of one's own can have by itself.  Rejected: to look a second time, at the
 * root, whether it is only this file.  What is cached there answers for a disk that is not; and who
 * ends for a single bad sector loses a second, while one that stays on a dead disk turns all its
 * clients away for as long as nobody looks.
 */
#include "config.h"

#include "lib/disk.h"

#include <errno.h>
#include <stddef.h>

/* In the order in which they are met. */
static const int gone[] = {
    EIO,       /* the disk, or a file system that has shut itself down */
    EROFS,     /* ext4 with errors=remount-ro */
    ESHUTDOWN, /* Ceph: the cluster has shut this host out; a file system forced down */
    ENOTCONN,  /* the program behind a FUSE mount has ended */
    ECONNABORTED, /* likewise, while it was asked */
    ESTALE,    /* NFS, Ceph: what is open here is none of that server's any more */
    EBADF,     /* Ceph, after it has let the host in again: nor is what was open before */
    ENODEV, ENXIO, /* the device was taken away */
    ETIMEDOUT, EHOSTDOWN, EHOSTUNREACH, /* a mount that gives up waiting for its server */
    ENOLINK, EREMOTEIO, /* the way to the disk is cut; the disk says no */
    EBADE,     /* the disk is reserved for another host */
};

int
disk_is_gone(int error)
{
	for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
		if (gone[i] == error)
			return 1;
	}
	return 0;
}

int
disk_is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM;
}

int
disk_is_full(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}
