/* SPDX-License-Identifier: ISC */
/*
 * A socket file outlives its process, so a name that is taken says little:
 * connect() tells.  Refused: stale, and removed.  Anything else stays, with
 * an error.
 *
 * Rejected: always unlink first, as most daemons do; it steals the socket of
 * a receiver that runs, and removes a file that was named by mistake.
 */
#include "config.h"

#include "inboxd/status/local.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 64

/* Frees the name.  0; -1 and `why`: what is there stays. */
static int
clear_stale(const struct sockaddr_un *addr, struct why *why)
{
	struct stat st;
	int fd = -1, rc = -1;

	if (lstat(addr->sun_path, &st) == -1) {
		if (errno == ENOENT)
			return 0;
		return why_say(why, "%s: %s", addr->sun_path, strerror(errno));
	}
	if (!S_ISSOCK(st.st_mode)) {
		return why_say(why, "%s: is there and is not a socket", addr->sun_path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1) {
		return why_say(why, "socket: %s", strerror(errno));
	}
	if (connect(fd, (const struct sockaddr *)addr, sizeof *addr) == 0 || errno == EAGAIN)
		why_say(why, "%s: another receiver is listening on it", addr->sun_path);
	else if (errno != ECONNREFUSED)
		why_say(why, "%s: %s", addr->sun_path, strerror(errno));
	else if (unlink(addr->sun_path) == -1 && errno != ENOENT)
		why_say(why, "%s: stale, and cannot be removed: %s", addr->sun_path,
		    strerror(errno));
	else
		rc = 0;
	close(fd);
	return rc;
}

int
local_listen(struct local *local, const char *path, unsigned mode, struct why *why)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;
	size_t len = strlen(path);

	*local = (struct local){0};
	if (len == 0 || len >= sizeof local->path) {
		return why_say(why, "a socket's path has 1 to %zu bytes, not %zu",
		    sizeof local->path - 1, len);
	}
	memcpy(local->path, path, len);
	memcpy(addr.sun_path, path, len);
	if (clear_stale(&addr, why) == -1)
		return -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1) {
		return why_say(why, "socket: %s", strerror(errno));
	}
	mode_t before = umask(0777 & ~(mode_t)mode);
	int rc = bind(fd, (const struct sockaddr *)&addr, sizeof addr);
	int error = errno;
	umask(before);
	if (rc == -1) {
		why_say(why, "%s: %s", path,
		    error == ENOENT ? "its folder is missing" : strerror(error));
		goto fail;
	}
	if (lstat(path, &st) == 0) {
		local->has_file = 1;
		local->dev = st.st_dev;
		local->ino = st.st_ino;
	}
	if (listen(fd, BACKLOG) == -1) {
		why_say(why, "%s: %s", path, strerror(errno));
		goto fail;
	}
	return fd;

fail:
	close(fd);
	return -1;
}

int
local_peer(int fd, uid_t *uid)
{
#if defined(SO_PEERCRED) && !defined(DISK_PORTABLE)
	struct ucred who;
	socklen_t len = sizeof who;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return -1;
	*uid = who.uid;
	return 0;
#elif defined(HAVE_GETPEEREID)
	gid_t gid;

	return getpeereid(fd, uid, &gid);
#else
	(void)fd, (void)uid;
	errno = ENOTSUP;
	return -1;
#endif
}

/* Between lstat and unlink nobody takes the name over: whoever would has to
 * find this socket refusing, and it still listens. */
void
local_remove(const struct local *local)
{
	struct stat st;

	if (local->has_file && lstat(local->path, &st) == 0 && st.st_dev == local->dev &&
	    st.st_ino == local->ino)
		unlink(local->path);
}
