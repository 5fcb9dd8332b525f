/* SPDX-License-Identifier: ISC */
/*
 * What the commit thread tells of a client to those who ask: books_view() makes it,
 * the status pages show it.
 */
#ifndef INBOXD_COMMIT_VIEW_H
#define INBOXD_COMMIT_VIEW_H

#include <stdint.h>

#include "lib/figures.h"
#include "lib/identity.h"
#include "lib/proto.h"

/* One queue of one client, as the commit thread knows it. */
struct client_view {
	char identity[IDENTITY_MAX + 1]; /* already plain: see identity.h */
	char queue[PROTO_QUEUE_LEN + 1];
	int connected;
	uint64_t settled;   /* the mark */
	uint64_t unsettled; /* items remembered above it */
	struct figures figures;
};

#endif
