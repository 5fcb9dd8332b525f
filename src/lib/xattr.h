/* SPDX-License-Identifier: ISC */
/*
 * Extended attributes of an open file (xattr(7)), where the system has them as Linux does; else
 * each call fails with ENOTSUP.
 */
#ifndef LIB_XATTR_H
#define LIB_XATTR_H

#include <stddef.h>
#include <sys/types.h>

#include "lib/attr.h"

/* 0, or -1 with errno: ENOTSUP where the file system has none, ENOSPC or EDQUOT where there is no
 * room for it, on the disk or in what the file system gives one file. */
MUST_CHECK int xattr_set(int fd, const char *name, const void *value, size_t len);
/* The length, or -1 with errno: ENODATA where there is none, ERANGE where `room` is too small. */
MUST_CHECK ssize_t xattr_get(int fd, const char *name, void *value, size_t room);
/* 0, or -1 with errno. */
MUST_CHECK int xattr_remove(int fd, const char *name);

#endif
