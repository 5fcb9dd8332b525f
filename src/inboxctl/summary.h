/* SPDX-License-Identifier: ISC */
/* What matters of a receiver, in a few lines that status and top share. */
#ifndef INBOXCTL_SUMMARY_H
#define INBOXCTL_SUMMARY_H

#include <stddef.h>

#include "lib/line.h"

struct json_t;

/* "inboxd 0.1.0 on cap1, up 3d 4h", and its state where it is not just running. */
void summary_head(struct line *line, const struct json_t *status);

#define SUMMARY_LINES 6
/* Line `i` of these, from 0; `inboxes` is NULL where it is not known. */
void summary_line(struct line *line, size_t i, const struct json_t *status,
    const struct json_t *inboxes);

#endif
