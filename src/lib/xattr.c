/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "lib/xattr.h"

#include <errno.h>

#ifdef HAVE_SYS_XATTR_H
#include <sys/xattr.h>
#endif

#if defined(HAVE_SYS_XATTR_H) && defined(__linux__)

int
xattr_set(int fd, const char *name, const void *value, size_t len)
{
	return fsetxattr(fd, name, value, len, 0);
}

ssize_t
xattr_get(int fd, const char *name, void *value, size_t room)
{
	return fgetxattr(fd, name, value, room);
}

int
xattr_remove(int fd, const char *name)
{
	return fremovexattr(fd, name);
}

#else

int
xattr_set(int fd, const char *name, const void *value, size_t len)
{
	(void)fd, (void)name, (void)value, (void)len;
	errno = ENOTSUP;
	return -1;
}

ssize_t
xattr_get(int fd, const char *name, void *value, size_t room)
{
	(void)fd, (void)name, (void)value, (void)room;
	errno = ENOTSUP;
	return -1;
}

int
xattr_remove(int fd, const char *name)
{
	(void)fd, (void)name;
	errno = ENOTSUP;
	return -1;
}

#endif
