/* SPDX-License-Identifier: ISC */
/*
 * The configuration reader: INI text into a struct, by a table with a row a
 * key.  The grammar is inih's; before inih sees a byte, the whole file has
 * been read and every line looked at, since inih by itself cuts long lines in
 * two and says nothing of a NUL, a directory or a read error.
 *
 *	; or # begins a comment, after blanks or none
 *	[section]
 *	key = value ; a comment (behind a blank; '#' begins none here)
 *	[section NAME]
 *
 * ':' may stand for '='.  Blanks around key and value do not count.  A section
 * may come again, a key in it or a named one may not (but a list whose row says
 * so, which then grows).  A value has one line,
 * which does not begin with a blank, and may hold any text in UTF-8 (which is
 * not checked) but control bytes; a value and an item of a list do not begin
 * with ';'.  Lines end with LF or CR LF; a byte order mark is passed over.
 *
 * All errors of a file are found in one run; each names file:line, what is
 * wrong and what would be right (for an unknown key, the nearest known one).
 */
#ifndef LIB_CONF_H
#define LIB_CONF_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/attr.h"

enum conf_type {
	CONF_TEXT,    /* char *, owned; may be empty; NULL if not set and no fallback */
	CONF_PATH,    /* char *, owned; absolute */
	CONF_NUMBER,  /* uint64_t */
	CONF_SIZE,    /* uint64_t, bytes: parse_size() */
	CONF_SECONDS, /* uint64_t: parse_seconds() */
	CONF_CHOICE,  /* int: the index into `choices` */
	CONF_LIST,    /* struct conf_list, owned; split at blanks or commas */
};

struct why;

struct conf_list {
	char **items;
	size_t count;
};

/* One key.  The table is all there is to know of it: the reader, `-T`, the
 * reload check and the lint of manual and sample all walk it. */
struct conf_key {
	const char *section; /* "limits", or "inbox" for every [inbox NAME] */
	const char *key;
	enum conf_type type;
	size_t offset;        /* into the target, or into the section's struct */
	const char *fallback; /* as it would stand in the file; NULL: none */
	int required;
	uint64_t min, max;          /* NUMBER, SIZE, SECONDS; max 0: UINT64_MAX */
	const char *const *choices; /* CHOICE: closed by NULL */
	/* A further check of a text, path or list item; NULL or returns NULL if
	 * fine, else what was expected ("1 to 32 letters ..."). */
	const char *(*check)(const char *value);
	/* Of a list, instead of that: judges its last item, beside those before it, in words that
	 * may depend on them.  0 or -1; a list without items: says what one looks like. */
	int (*judge)(const struct conf_list *list, struct why *want);
	int restart; /* a change needs a restart: refused at reload */
	int repeats; /* of a list: it may come again, and then adds to what it has */
};

/* A kind of sections that stand many times, each with a name of its own: [inbox NAME]. */
struct conf_named {
	const char *section; /* NULL closes a table of kinds */
	/* A new zeroed struct for `name`, owned by `target`; NULL: out of
	 * memory.  May move earlier ones. */
	void *(*add)(void *target, const char *name);
	/* The i-th, and its name; NULL behind the last. */
	void *(*at)(const void *target, size_t i, const char **name);
	/* As conf_key.check, for the section's name. */
	const char *(*check)(const char *name);
	int required; /* at least one */
};

struct conf_schema {
	const struct conf_key *keys; /* closed by a row with section NULL */
	const struct conf_named *named; /* a table of kinds, or NULL */
	/* not 0: a section or key that the table does not have is another program's, and no error;
	 * nor is a line in such a section, but a head that is none. */
	int others;
};

/* Where errors go: a callback for each, with one whole message
 * ("inboxd.conf:12: ..."), no newline. */
struct conf_report {
	void (*error)(void *ctx, const char *message);
	void *ctx;
};

#define CONF_FILE_MAX (1024 * 1024) /* bytes */
#define CONF_LINE_MAX 190           /* bytes; inih's own limit is 199 */

/*
 * Reads `path` into the zeroed `target`; keys that the file leaves out get
 * their fallback.  0, or -1 after at least one error was reported; `target`
 * then still has to be freed by conf_free().
 */
MUST_CHECK int conf_read(const char *path, const struct conf_schema *schema, void *target,
    const struct conf_report *report);

/* The effective configuration as a file that conf_read() reads back.
 * 0, or -1 if `out` could not be written. */
MUST_CHECK int conf_print(FILE *out, const struct conf_schema *schema, const void *target);

/* The kind of `section`, NULL: such a section has no name. */
const struct conf_named *conf_named_find(const struct conf_schema *schema, const char *section);

/* A section of this kind that no file has, added under `name` with the defaults of its keys; those
 * that are required are the caller's to set.  NULL: out of memory. */
MUST_CHECK void *conf_add(const struct conf_schema *schema, const struct conf_named *named,
    void *target, const char *name);

/*
 * Compares two targets: reports each key marked `restart` whose value
 * differs, and returns their count.  Named sections are compared where both
 * targets have them.
 */
size_t conf_changed(const struct conf_schema *schema, const void *old, const void *new,
    const struct conf_report *report);

/* Frees texts and lists (also those within named sections, but not the
 * named structs themselves). */
void conf_free(const struct conf_schema *schema, void *target);
/* The same of one section of this kind. */
void conf_free_named(const struct conf_schema *schema, const struct conf_named *named,
    void *base);

#endif
