/* SPDX-License-Identifier: ISC */
/*
 * A listening UNIX socket with the right mode from its first moment, which
 * takes over a file that nobody listens on any more, and nothing else.
 */
#ifndef INBOXD_STATUS_LOCAL_H
#define INBOXD_STATUS_LOCAL_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

#include "lib/attr.h"
#include "lib/why.h"

struct local {
	int has_file;
	dev_t dev; /* whose the file is: another receiver's is left alone */
	ino_t ino;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/*
 * Returns the descriptor, listening, non-blocking, closed on exec; or -1 and
 * the reason in `why`.  Sets the umask for a moment, which is the process's:
 * no other thread may make files meanwhile.
 */
MUST_CHECK int local_listen(struct local *local, const char *path, unsigned mode,
    struct why *why);
/* Whose process is at the other end of `fd`, as the kernel has it: the effective user when it
 * connected.  0; -1: the system does not say. */
MUST_CHECK int local_peer(int fd, uid_t *uid);
/* Removes the file, if it is still the one that local_listen() made. */
void local_remove(const struct local *local);

#endif
