/* SPDX-License-Identifier: ISC */
/* What matters of a receiver, in a few lines that status and top share. */
#ifndef INBOXCTL_SCREENS_SUMMARY_H
#define INBOXCTL_SCREENS_SUMMARY_H

#include <stddef.h>

#include "lib/line.h"

struct json_t;

/* "inboxd 0.1.0 on cap1, up 3d 4h", and its state where it is not just running. */
void summary_head(struct line *line, const struct json_t *status);

enum summary {
	SUMMARY_ITEMS,
	SUMMARY_WAY,
	SUMMARY_INBOXES,
	SUMMARY_CLIENTS,
	SUMMARY_DISK,
	SUMMARY_CERTIFICATES,
	SUMMARY_LINES
};
/* One of them; `inboxes` is NULL where it is not known. */
void summary_line(struct line *line, enum summary which, const struct json_t *status,
    const struct json_t *inboxes);

#endif
