/* SPDX-License-Identifier: ISC */
/*
 * What is wrong, as the receiver judges it itself ("problems" of /status).  An older one has no
 * such list: then it is what its page shows in any case, that nobody can overlook.
 */
#ifndef INBOXCTL_SCREENS_PROBLEMS_H
#define INBOXCTL_SCREENS_PROBLEMS_H

#include <stddef.h>

#include "lib/terminal.h"

struct json_t;

#define PROBLEMS_MAX 64
#define PROBLEM_ROOM 512

struct problem {
	int is_critical; /* else a warning */
	/* Its name, which the manual explains, and a sentence; may hold bytes of others. */
	char text[PROBLEM_ROOM];
};

/* Fills `problems`, the most severe first, and returns how many there are. */
size_t problems_find(const struct json_t *status, struct problem problems[PROBLEMS_MAX]);

/* Prints up to `most` lines, each cut to the screen; the last one says how many more there are,
 * if so. */
void problems_show(const struct problem *problems, size_t count, size_t most, FILE *out,
    const struct screen *screen);

/* "all is well" or "2 problems", and how that is tinted. */
#define PROBLEMS_VERDICT_ROOM 32
enum tint problems_verdict(const struct problem *problems, size_t count,
    char verdict[PROBLEMS_VERDICT_ROOM]);

#endif
