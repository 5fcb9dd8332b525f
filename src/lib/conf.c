/* SPDX-License-Identifier: ISC */
/*
 * inih is given one line at a time, and only lines that should be "key =
 * value": whatever inih would pass over in silence (a long line, a NUL, a
 * continuation, a section without keys, a section name of 50 bytes) has been
 * judged before.  Whether a line then reaches the handler tells whether it was
 * one, so every error has its line.
 *
 * Rejected: a grammar of our own, which would differ from the INI that people
 * know in some corner.
 */
#include "config.h"

#include "lib/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/conf_value.h"

struct reader {
	const char *path;
	const struct conf_schema *schema;
	const struct conf_report *report;
	void *target;
	char *text; /* the file */
	size_t len, at;
	unsigned line;    /* of the file, from 1 */
	int expects_pair; /* inih has a line that has not reached on_pair() */
	const char *section; /* "" before the first, NULL: one to be passed over */
	int is_others;       /* that one is another program's, */
	int passed_over;     /* and so was what is wrong in it */
	const char *name;    /* of a named section, or NULL */
	void *base;          /* where the section's values go */
	unsigned *first;     /* a row of the table: the line where it stood, 0: nowhere */
	size_t errors;
};

/* line 0: the file as a whole */
static void PRINTF_LIKE(3, 4)
say(struct reader *r, unsigned line, const char *fmt, ...)
{
	char message[8192]; /* a path is at most 4,096 bytes */
	va_list args;
	int at;

	if (line > 0)
		at = snprintf(message, sizeof message, "%s:%u: ", r->path, line);
	else
		at = snprintf(message, sizeof message, "%s: ", r->path);
	if (at < 0 || (size_t)at >= sizeof message)
		at = 0;
	va_start(args, fmt);
	vsnprintf(message + at, sizeof message - (size_t)at, fmt, args);
	va_end(args);
	r->report->error(r->report->ctx, message);
	r->errors++;
}

/* Of a line: nothing where it stands in a section that is another program's, unless it may be
 * meant to end that. */
static void PRINTF_LIKE(3, 4)
say_line(struct reader *r, const char *line, const char *fmt, ...)
{
	char message[512];
	va_list args;

	if (r->is_others && line[strspn(line, " \t")] != '[') {
		r->passed_over = 1;
		return;
	}
	va_start(args, fmt);
	vsnprintf(message, sizeof message, fmt, args);
	va_end(args);
	say(r, r->line, "%s", message);
}

/* ---- the file */

static int
read_all(struct reader *r, int fd)
{
	struct stat st;
	ssize_t got;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		say(r, 0, "not a regular file");
		return -1;
	}
	r->text = malloc(CONF_FILE_MAX + 1);
	if (!r->text) {
		say(r, 0, "out of memory");
		return -1;
	}
	while ((got = read(fd, r->text + r->len, CONF_FILE_MAX + 1 - r->len)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			say(r, 0, "%s", strerror(errno));
			return -1;
		}
		r->len += (size_t)got;
		if (r->len > CONF_FILE_MAX) {
			say(r, 0, "larger than %d bytes", CONF_FILE_MAX);
			return -1;
		}
	}
	r->text[r->len] = '\0';
	if (r->len >= 3 && memcmp(r->text, "\xef\xbb\xbf", 3) == 0)
		r->at = 3; /* a byte order mark, as some editors put it */
	return 0;
}

static int
read_file(struct reader *r)
{
	/* O_NONBLOCK: a FIFO must not hold us up. */
	int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int rc;

	if (fd < 0) {
		say(r, 0, "%s", strerror(errno));
		return -1;
	}
	rc = read_all(r, fd);
	close(fd);
	return rc;
}

/* The next line without its end; what has no place in any line is refused. */
static int
take_line(struct reader *r, char line[CONF_LINE_MAX + 1])
{
	const char *start = r->text + r->at;
	const char *lf = memchr(start, '\n', r->len - r->at);
	size_t len = lf ? (size_t)(lf - start) : r->len - r->at;

	r->at += len + (lf != NULL);
	r->line++;
	line[0] = '\0';
	if (len > 0 && start[len - 1] == '\r')
		len--;
	if (len > CONF_LINE_MAX) {
		say_line(r, start, "%zu bytes; a line has at most %d", len, CONF_LINE_MAX);
		return -1;
	}
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)start[i];

		if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
			say_line(r, start, "byte 0x%02x at position %zu, want text", byte, i + 1);
			return -1;
		}
	}
	memcpy(line, start, len);
	line[len] = '\0';
	return 0;
}

/* ---- names that may be misspelt */

/* Levenshtein's distance. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[CONF_LINE_MAX + 2];
	size_t len = strnlen(b, CONF_LINE_MAX + 1);

	for (size_t k = 0; k <= len; k++)
		row[k] = k;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t k = 0; k < len; k++) {
			size_t best = diagonal + (a[i] != b[k]);

			diagonal = row[k + 1];
			if (row[k] + 1 < best)
				best = row[k] + 1;
			if (diagonal + 1 < best)
				best = diagonal + 1;
			row[k + 1] = best;
		}
	}
	return row[len];
}

static void
say_unknown_key(struct reader *r, const char *name)
{
	const struct conf_key *nearest = NULL, *elsewhere = NULL;

	for (const struct conf_key *key = r->schema->keys; key->section; key++) {
		if (strcmp(key->section, r->section) != 0) {
			if (strcmp(key->key, name) == 0)
				elsewhere = key;
		} else if (!nearest || distance(key->key, name) < distance(nearest->key, name)) {
			nearest = key;
		}
	}
	if (elsewhere)
		say(r, r->line, "unknown key \"%s\" in [%s]; it belongs in [%s]", name, r->section,
		    elsewhere->section);
	else if (nearest)
		say(r, r->line, "unknown key \"%s\" in [%s]; the nearest known is \"%s\"", name,
		    r->section, nearest->key);
	else
		say(r, r->line, "unknown key \"%s\" in [%s], which has no keys", name, r->section);
}

/* ---- sections */

/* The table's own copy of a section's name, which lasts; *nearest gets the
 * name that is most like it. */
static const char *
find_section(const struct reader *r, const char *name, const char **nearest)
{
	*nearest = NULL;
	for (const struct conf_key *key = r->schema->keys; key->section; key++) {
		if (!*nearest || distance(key->section, name) < distance(*nearest, name))
			*nearest = key->section;
	}
	return *nearest && strcmp(*nearest, name) == 0 ? *nearest : NULL;
}

static void
set_fallback(struct reader *r, const struct conf_key *key, const char *name, void *base)
{
	const char *blank = name[0] ? " " : "";
	char want[CONF_WANT_ROOM];

	if (key->required) {
		conf_value_want(key, want);
		say(r, 0, "[%s%s%s] %s is missing: want %s", key->section, blank, name, key->key,
		    want);
	} else if (key->fallback && conf_value_set(key, base, key->fallback, want) < 0) {
		say(r, 0, "[%s%s%s] %s: the default \"%s\": %s%s", key->section, blank, name,
		    key->key, key->fallback, errno == ENOMEM ? "" : "want ",
		    errno == ENOMEM ? "out of memory" : want);
	}
}

/* Gives a named section what the file left out, once its last line is past. */
static void
leave_section(struct reader *r)
{
	if (!r->name)
		return;
	for (size_t i = 0; r->schema->keys[i].section; i++) {
		const struct conf_key *key = &r->schema->keys[i];

		if (strcmp(key->section, r->section) != 0)
			continue;
		if (r->first[i] == 0)
			set_fallback(r, key, r->name, r->base);
		r->first[i] = 0;
	}
	r->name = NULL;
}

static void
enter_named(struct reader *r, const struct conf_named *named, const char *name)
{
	const char *section = named->section;
	const char *want = named->check ? named->check(name) : NULL;
	const char *other;

	if (want) {
		say(r, r->line, "[%s %s]: want %s", section, name, want);
		return;
	}
	for (size_t i = 0; named->at(r->target, i, &other); i++) {
		if (strcmp(other, name) == 0) {
			say(r, r->line, "[%s %s] stands there twice", section, name);
			return;
		}
	}
	r->base = named->add(r->target, name);
	if (!r->base) {
		say(r, r->line, "out of memory");
		return;
	}
	for (size_t i = 0; !r->name && named->at(r->target, i, &other); i++) {
		if (strcmp(other, name) == 0)
			r->name = other;
	}
	r->section = section;
}

/* A line that begins with '['; may change it.  After an error the section's
 * keys are passed over: what they should be is not known. */
static void
enter_section(struct reader *r, char *line)
{
	static const char blanks[] = " \t";
	char *end = strchr(line, ']'), *rest, *kind, *name = NULL;
	const char *section, *nearest;
	const struct conf_named *named;

	leave_section(r);
	r->section = NULL;
	r->is_others = 0;
	rest = end ? end + 1 + strspn(end + 1, blanks) : NULL;
	if (!rest || (*rest != '\0' && *rest != ';')) {
		say(r, r->line, "want [section] and nothing else on the line");
		return;
	}
	*end = '\0';
	kind = strtok_r(line + 1, blanks, &rest);
	if (kind)
		name = strtok_r(NULL, blanks, &rest);
	if (!kind || strtok_r(NULL, blanks, &rest)) {
		say(r, r->line, "want [section] or [section NAME]");
		return;
	}
	section = find_section(r, kind, &nearest);
	named = section ? conf_named_find(r->schema, section) : NULL;
	if (!section && r->schema->others) {
		r->is_others = 1;
		return;
	}
	if (!section) {
		say(r, r->line, "unknown section [%s]; the nearest known is [%s]", kind,
		    nearest ? nearest : "");
	} else if (named && name) {
		enter_named(r, named, name);
	} else if (named) {
		say(r, r->line, "[%s] has no name: want [%s NAME]", section, section);
	} else if (name) {
		say(r, r->line, "[%s %s]: want [%s], it takes no name", section, name, section);
	} else {
		r->section = section;
		r->base = r->target;
	}
}

/* ---- keys */

static void
set_key(struct reader *r, size_t i, const char *value)
{
	const struct conf_key *key = &r->schema->keys[i];
	char want[CONF_WANT_ROOM];

	if (r->first[i] > 0 && !key->repeats) {
		say(r, r->line, "%s is set twice, first on line %u", key->key, r->first[i]);
		return;
	}
	r->first[i] = r->line;
	/* What conf_print() writes must be read back as the same: it puts a blank
	 * on either side of the '='. */
	if (value[0] == ';')
		say(r, r->line, "%s: a value cannot begin with \";\"", key->key);
	else if (strlen(key->key) + 3 + strlen(value) > CONF_LINE_MAX)
		say(r, r->line, "%s: the value is too long for a line of %d bytes", key->key,
		    CONF_LINE_MAX);
	else if (conf_value_set(key, r->base, value, want) == 0)
		return;
	else if (errno == ENOMEM)
		say(r, r->line, "out of memory");
	else
		say(r, r->line, "%s: want %s, found \"%s\"", key->key, want, value);
}

/* inih's handler; its answer is always "go on". */
static int
on_pair(void *ctx, const char *inih_section, const char *name, const char *value)
{
	struct reader *r = ctx;

	(void)inih_section; /* cut to 49 bytes */
	if (!name || !value)
		return 1; /* inih built to allow a key without '=' */
	r->expects_pair = 0;
	if (!r->section)
		return 1;
	if (r->section[0] == '\0') {
		say(r, r->line, "key \"%s\" stands before the first [section]", name);
		return 1;
	}
	for (size_t i = 0; r->schema->keys[i].section; i++) {
		const struct conf_key *key = &r->schema->keys[i];

		if (strcmp(key->section, r->section) == 0 && strcmp(key->key, name) == 0) {
			set_key(r, i, value);
			return 1;
		}
	}
	if (!r->schema->others)
		say_unknown_key(r, name);
	return 1;
}

static void
expect_no_pair(struct reader *r)
{
	if (r->expects_pair)
		say_line(r, "", "want key = value");
	r->expects_pair = 0;
}

/* inih's reader, after fgets(3). */
static char *
next_pair(char *dst, int room, void *ctx)
{
	struct reader *r = ctx;
	char line[CONF_LINE_MAX + 1];

	expect_no_pair(r);
	while (r->at < r->len) {
		const char *text;

		if (take_line(r, line) < 0)
			continue;
		text = line + strspn(line, " \t");
		if (*text == '\0' || *text == ';' || *text == '#')
			continue;
		if (text > line) {
			say_line(r, text, "begins with a blank; a value has one line");
		} else if (*text == '[') {
			enter_section(r, line);
		} else if (room < (int)sizeof line || (*text & 0x80)) {
			/* The latter may be a byte order mark, which inih would skip. */
			say_line(r, text, "want key = value");
		} else {
			memcpy(dst, line, sizeof line);
			r->expects_pair = 1;
			return dst;
		}
	}
	return NULL;
}

static void
read_sections(struct reader *r)
{
	const struct conf_named *named = r->schema->named;
	const char *name;
	int rc = ini_parse_stream(next_pair, r, on_pair, r);

	expect_no_pair(r); /* inih built to stop at the first error */
	if (rc != 0 && r->errors == 0 && (!r->passed_over || r->at < r->len))
		say(r, 0, "inih gave up (%d)", rc);
	leave_section(r);
	for (size_t i = 0; r->schema->keys[i].section; i++) {
		const struct conf_key *key = &r->schema->keys[i];

		if (!conf_named_find(r->schema, key->section) && r->first[i] == 0)
			set_fallback(r, key, "", r->target);
	}
	for (; named && named->section; named++)
		if (named->required && !named->at(r->target, 0, &name))
			say(r, 0, "no section [%s NAME]: want at least one", named->section);
}

int
conf_read(const char *path, const struct conf_schema *schema, void *target,
    const struct conf_report *report)
{
	struct reader r = {
	    .path = path, .schema = schema, .report = report, .target = target, .section = ""};
	size_t count = 0;

	while (schema->keys[count].section)
		count++;
	r.first = calloc(count + 1, sizeof *r.first);
	if (!r.first)
		say(&r, 0, "out of memory");
	else if (read_file(&r) == 0)
		read_sections(&r);
	free(r.first);
	free(r.text);
	return r.errors == 0 ? 0 : -1;
}
