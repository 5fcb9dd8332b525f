/* SPDX-License-Identifier: ISC */
/* What those who show pages share: members of a page as cells of a table. */
#ifndef INBOXCTL_PAGES_SHOW_CELLS_H
#define INBOXCTL_PAGES_SHOW_CELLS_H

#include <stdint.h>

#include "lib/attr.h"
#include "lib/client_state.h"
#include "lib/terminal.h"
#include "lib/why.h"

struct json_t;
struct table;

/* Each adds the cell of `key`, "-" where the object has none of that type. */
void show_add_text(struct table *table, const struct json_t *object, const char *key);
void show_add_number(struct table *table, const struct json_t *object, const char *key);
void show_add_size(struct table *table, const struct json_t *object, const char *key);
/* "3m", of a time before `now`. */
void show_add_span(struct table *table, const struct json_t *object, const char *key, int64_t now);

/* Frees the table.  0, or -1 and `why`: memory was out, and cells are missing. */
MUST_CHECK int show_end(struct table *table, struct why *why);

/* The number, or 0. */
int64_t show_integer(const struct json_t *object, const char *key);
/* The number, or the sum of the numbers of an object. */
int64_t show_sum(const struct json_t *object, const char *key);
/* How the word for a client's state is tinted. */
enum tint show_state_tint(enum client_state state);

/* A text of any bytes, made plain (lib/table.h), as JSON; NULL: out of memory. */
struct json_t *show_plain(const char *text);

/* Is it an object of our schema that has `key` of `type` (jansson's json_type)?  0, or -1 and
 * `why`. */
MUST_CHECK int show_check(const struct json_t *page, const char *key, int type, struct why *why);

#endif
