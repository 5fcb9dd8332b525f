/* SPDX-License-Identifier: ISC */
/* Which file system a folder lies on, and what is known of it without trying (trial.h tries). */
#ifndef LIB_FILESYSTEM_H
#define LIB_FILESYSTEM_H

/* As in /proc/self/mountinfo: "ext4", "fuse.ceph-fuse"; with its NUL. */
#define FILESYSTEM_ROOM 48

/* The name of its type; where the system does not say, its number, as "0xef53", or "unknown". */
void filesystem_name(int fd, char dst[FILESYSTEM_ROOM]);

/* May durability stand on syncfs(2) there?  Not before Linux 5.8, which tells no errors of writing
 * back.  And not on a program (FUSE): the kernel says 0 there, and asks for nothing.  Of all others
 * where it writes all out and tells of each error: those on a block device, and some that are known
 * to.  Not overlayfs, which hears of no error of the file system below it, nor what lies on a
 * network. */
int filesystem_trusts_syncfs(int fd);

/* Does it keep nothing when the power fails, whatever is synced: memory, or an overlay that was
 * mounted `volatile`? */
int filesystem_is_volatile(int fd);

#endif
