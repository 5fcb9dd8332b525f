/* SPDX-License-Identifier: ISC */
/* One value of a configuration, from text to its place in a struct and back:
 * what conf.c is made of, for its use alone.  `base` is the target, or the
 * struct of a named section. */
#ifndef LIB_CONF_VALUE_H
#define LIB_CONF_VALUE_H

#include <stdio.h>

#include "lib/attr.h"
#include "lib/conf.h"

#define CONF_WANT_ROOM 512

/* Says what a value of this key looks like ("a number from 1 to 64"). */
void conf_value_want(const struct conf_key *key, char want[CONF_WANT_ROOM]);

/* Sets the value, and frees the one before.  0; or -1 with errno ENOMEM, or
 * with EINVAL and what was expected in `want`. */
MUST_CHECK int conf_value_set(const struct conf_key *key, void *base, const char *text,
    char want[CONF_WANT_ROOM]);

/* Writes "key = value" and a newline; one that is not set as a comment.
 * Errors stay in `out`. */
void conf_value_print(FILE *out, const struct conf_key *key, const void *base);

int conf_value_equal(const struct conf_key *key, const void *a, const void *b);
void conf_value_free(const struct conf_key *key, void *base);

#endif
