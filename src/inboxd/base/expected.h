/* SPDX-License-Identifier: ISC */
/*
 * Which clients should come ([clients] expected): identities from files, one a line.  Blanks
 * around one do not count, and '#' begins a comment where a line begins, or behind a blank: an
 * identity may have one within.  All of it is read whole or not at all, at a start and by a
 * reload; nothing changes after that.
 */
#ifndef INBOXD_BASE_EXPECTED_H
#define INBOXD_BASE_EXPECTED_H

#include <stddef.h>

#include "lib/attr.h"
#include "lib/conf.h"
#include "lib/why.h"

#define EXPECTED_FILE_MAX (64 * 1024 * 1024) /* bytes of one file */
#define EXPECTED_FILES_MAX 1000
#define EXPECTED_MAX 1000000 /* identities, those that stand there twice counted so */

struct expected;
struct imprints;

/*
 * `patterns` are absolute paths, or patterns of them (glob(7)).  A file that is named must be
 * there; a pattern may fit none, which is logged.  `imprints` gets each that is read.  NULL, with
 * the reason: which file, which line, and what would be right.
 */
MUST_CHECK struct expected *expected_read(const struct conf_list *patterns,
    struct imprints *imprints, struct why *why);
/* The same of one file's bytes; `file` is what it is called in the reason. */
MUST_CHECK struct expected *expected_parse(const char *bytes, size_t len, const char *file,
    struct why *why);
void expected_free(struct expected *expected);

/* In the order of strcmp(), each once. */
size_t expected_count(const struct expected *expected);
const char *expected_at(const struct expected *expected, size_t i);
/* Where the first one stands that is not before `identity`; expected_count(): there is none. */
size_t expected_from(const struct expected *expected, const char *identity);
int expected_has(const struct expected *expected, const char *identity);

#endif
