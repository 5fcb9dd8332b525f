/* SPDX-License-Identifier: ISC */
/* A client's story on a screen, or as JSON. */
#ifndef INBOXCTL_SCREENS_CLIENT_SHOW_H
#define INBOXCTL_SCREENS_CLIENT_SHOW_H

#include <stddef.h>
#include <stdint.h>

#include "inboxctl/root/history.h"
#include "lib/attr.h"

struct json_t;

#define CLIENT_RECORDS 20 /* shown, at most: the last ones */

/* What is shown. */
struct client_story {
	const char *client;
	struct json_t *queues; /* an array, each as /clients has it; what is not known is null */
	int is_live;           /* by the receiver; else by the ledger */
	int64_t now;           /* UTC seconds: when that was so */
	const struct entry *records[CLIENT_RECORDS]; /* in order */
	size_t count;
};

/* To standard output.  0, or -1: memory is out. */
MUST_CHECK int client_show(const struct client_story *story);
MUST_CHECK int client_show_json(const struct client_story *story);

#endif
