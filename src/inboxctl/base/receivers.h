/* SPDX-License-Identifier: ISC */
/*
 * Several receivers, as the command line names them: by a file with a section for each, by their
 * configurations, by their status sockets, by their roots.  Each is known by its name in that file,
 * or by the part of its path in which it differs from the others.
 *
 * A pattern may stand for configurations alone: a receiver that is down has one all the same.
 * (Rejected: patterns of sockets.  What is down has none, and would be left out without a word.)
 */
#ifndef INBOXCTL_BASE_RECEIVERS_H
#define INBOXCTL_BASE_RECEIVERS_H

#include <stddef.h>

#include "lib/attr.h"

struct arguments;

#define RECEIVERS_MAX 256

struct receiver {
	char *name;          /* no two have one */
	char *socket, *root; /* NULL: not known */
};

struct receivers {
	struct receiver *all;
	size_t count;
};

/* Does the command line speak of several?  A pattern and a file do, of however many. */
int receivers_are_several(const struct arguments *arguments);

enum receivers_need { RECEIVERS_SOCKET, RECEIVERS_ROOT };

/* Reads who they are into the zeroed `receivers`, in the order of the command line; where it names
 * none, the one that `config` is of.  Each has what is needed.  0, or -1, and it has been told why;
 * receivers_free() is due either way. */
MUST_CHECK int receivers_read(struct receivers *receivers, const struct arguments *arguments,
    const char *config, enum receivers_need need);
void receivers_free(struct receivers *receivers);

#endif
