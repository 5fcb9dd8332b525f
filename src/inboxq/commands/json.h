/* SPDX-License-Identifier: ISC */
/*
 * JSON for programs, written as it goes, so that a list of any length takes no memory.
 *
 * Rejected: libjansson, which builds a page in memory first, and would be one more library on
 * every client.
 */
#ifndef INBOXQ_COMMANDS_JSON_H
#define INBOXQ_COMMANDS_JSON_H

#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	int has_some; /* a comma goes before what comes next */
};

/* Keys are ours: plain words; NULL within a list. */
void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);
void json_number(struct json *json, const char *key, uint64_t value);
/* NULL: null.  A byte outside 0x20 to 0x7e is written as the character of that number. */
void json_text(struct json *json, const char *key, const char *value);
void json_truth(struct json *json, const char *key, int value);
/* Opens an object in a list, on a line of its own. */
void json_row(struct json *json);

#endif
