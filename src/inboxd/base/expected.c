/* SPDX-License-Identifier: ISC */
/*
 * The files' bytes are kept as they were read, each identity closed in place by a NUL, and an
 * array of pointers in order: 100,000 machines cost what their names are long, and 800 KB.
 */
#include "inboxd/base/expected.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inboxd/base/imprint.h"
#include "lib/identity.h"
#include "lib/log.h"

struct file {
	char *name, *bytes;
};

struct expected {
	struct file *files;
	size_t file_count;
	const char **names;
	size_t count, room;
	struct imprints *imprints; /* while files are read */
};

static int
no_memory(struct why *why)
{
	return why_say(why, "out of memory");
}

/* ---- lines */

static int
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static int
add_name(struct expected *expected, const char *name, struct why *why)
{
	if (expected->count == expected->room) {
		size_t room = expected->room ? 2 * expected->room : 64;
		const char **more = reallocarray(expected->names, room, sizeof *more);
		if (!more)
			return no_memory(why);
		expected->names = more;
		expected->room = room;
	}
	expected->names[expected->count++] = name;
	return 0;
}

/* What is wrong with it as an identity; NULL: nothing. */
static const char *
judge(const char *name, size_t len)
{
	if (len > IDENTITY_MAX)
		return "an identity of more than 255 bytes, and no certificate has one";
	for (size_t i = 0; i < len; i++)
		if (is_blank(name[i]))
			return "want one identity a line, and a comment behind '#'";
		else if (name[i] < 0x21 || name[i] > 0x7e)
			return "a byte that no identity has: want printable ASCII";
	return NULL;
}

/* One line without its end, which is overwritten.  0, or -1. */
static int
take_line(struct expected *expected, char *line, size_t len, const char **wrong, struct why *why)
{
	size_t at = 0, end;

	for (end = 0; end < len; end++)
		if (line[end] == '#' && (end == 0 || is_blank(line[end - 1])))
			break;
	while (at < end && is_blank(line[at]))
		at++;
	while (end > at && is_blank(line[end - 1]))
		end--;
	if (at == end)
		return 0;
	*wrong = judge(line + at, end - at);
	if (!*wrong && expected->count == EXPECTED_MAX)
		*wrong = "more than 1000000 identities";
	if (*wrong)
		return -1;
	line[end] = '\0';
	return add_name(expected, line + at, why);
}

/* `bytes` are closed by a NUL, which the last line may need. */
static int
take_lines(struct expected *expected, char *bytes, size_t len, const char *file, struct why *why)
{
	const char *wrong = NULL;
	size_t number = 0, at = 0;

	while (at < len) {
		char *end = memchr(bytes + at, '\n', len - at);
		size_t line = end ? (size_t)(end - bytes) - at : len - at;
		number++;
		if (take_line(expected, bytes + at, line, &wrong, why) < 0)
			return wrong ? why_say(why, "%s:%zu: %s", file, number, wrong) : -1;
		at += line + 1;
	}
	return 0;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
put_in_order(struct expected *expected)
{
	size_t kept = 0;

	if (expected->count == 0)
		return;
	qsort(expected->names, expected->count, sizeof *expected->names, compare);
	for (size_t i = 1; i < expected->count; i++)
		if (strcmp(expected->names[kept], expected->names[i]) != 0)
			expected->names[++kept] = expected->names[i];
	expected->count = kept + 1;
}

/* ---- files */

/* Non-blocking, so that a FIFO by mistake does not hold up the start. */
static char *
read_bytes(int fd, size_t size, size_t *len, struct why *why)
{
	char *bytes = malloc(size + 2); /* a byte more, to see that it has grown */
	ssize_t n = 1;

	if (!bytes) {
		no_memory(why);
		return NULL;
	}
	for (*len = 0; n != 0 && *len <= size;) {
		n = read(fd, bytes + *len, size + 1 - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			why_say(why, "%s", strerror(errno));
			free(bytes);
			return NULL;
		}
		*len += (size_t)n;
	}
	if (*len > size) {
		why_say(why, "it was written to while it was read: reload once it is whole");
		free(bytes);
		return NULL;
	}
	bytes[*len] = '\0';
	return bytes;
}

static char *
open_and_read(const char *name, size_t *len, struct why *why)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	char *bytes = NULL;

	if (fd == -1 || fstat(fd, &st) == -1)
		why_say(why, "%s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		why_say(why, "is not a regular file; one with an identity a line is needed");
	else if (st.st_size > EXPECTED_FILE_MAX)
		why_say(why, "is larger than 64 MiB");
	else
		bytes = read_bytes(fd, (size_t)st.st_size, len, why);
	if (fd != -1)
		close(fd);
	return bytes;
}

/* Takes `bytes`. */
static struct file *
add_file(struct expected *expected, const char *name, char *bytes)
{
	struct file *more = reallocarray(expected->files, expected->file_count + 1, sizeof *more);
	struct file *file;

	if (!more) {
		free(bytes);
		return NULL;
	}
	expected->files = more;
	file = &more[expected->file_count++];
	*file = (struct file){strdup(name), bytes};
	return file->name ? file : NULL;
}

static int
take_file(struct expected *expected, const char *name, struct why *why)
{
	struct why what;
	size_t len;
	char *bytes;
	struct file *file;

	if (expected->file_count == EXPECTED_FILES_MAX)
		return why_say(why, "[clients] expected: more than %d files", EXPECTED_FILES_MAX);
	if (imprints_take(expected->imprints, name) < 0)
		return no_memory(why);
	bytes = open_and_read(name, &len, &what);
	if (!bytes)
		return why_say(why, "%s: %s", name, what.text);
	file = add_file(expected, name, bytes);
	if (!file)
		return no_memory(why);
	return take_lines(expected, file->bytes, len, name, why);
}

static int
take_pattern(struct expected *expected, const char *pattern, struct why *why)
{
	glob_t found = {0};
	int rc = 0, code;

	if (!strpbrk(pattern, "*?["))
		return take_file(expected, pattern, why);
	code = glob(pattern, GLOB_ERR | GLOB_NOESCAPE, NULL, &found);
	if (code == GLOB_NOMATCH)
		log_event(LOG_WARNING, "expected_none",
		    "pattern=%s note=\"no file fits it, so it names no client\"", pattern);
	else if (code != 0)
		rc = why_say(why, "%s: %s", pattern,
		    code == GLOB_NOSPACE ? "out of memory" : strerror(errno));
	for (size_t i = 0; code == 0 && rc == 0 && i < found.gl_pathc; i++)
		rc = take_file(expected, found.gl_pathv[i], why);
	globfree(&found);
	return rc;
}

/* ---- the whole */

static struct expected *
finish(struct expected *expected, int rc)
{
	if (rc < 0) {
		expected_free(expected);
		return NULL;
	}
	put_in_order(expected);
	return expected;
}

struct expected *
expected_read(const struct conf_list *patterns, struct imprints *imprints, struct why *why)
{
	struct expected *expected = calloc(1, sizeof *expected);
	int rc = 0;

	if (!expected) {
		no_memory(why);
		return NULL;
	}
	expected->imprints = imprints;
	for (size_t i = 0; i < patterns->count && rc == 0; i++)
		rc = take_pattern(expected, patterns->items[i], why);
	return finish(expected, rc);
}

struct expected *
expected_parse(const char *bytes, size_t len, const char *file, struct why *why)
{
	struct expected *expected = calloc(1, sizeof *expected);
	char *copy = malloc(len + 1);

	if (!expected || !copy) {
		free(copy);
		free(expected);
		no_memory(why);
		return NULL;
	}
	memcpy(copy, bytes, len);
	copy[len] = '\0';
	if (!add_file(expected, file, copy))
		return finish(expected, no_memory(why));
	return finish(expected, take_lines(expected, copy, len, file, why));
}

void
expected_free(struct expected *expected)
{
	if (!expected)
		return;
	for (size_t i = 0; i < expected->file_count; i++) {
		free(expected->files[i].name);
		free(expected->files[i].bytes);
	}
	free(expected->files);
	free(expected->names);
	free(expected);
}

size_t
expected_count(const struct expected *expected)
{
	return expected->count;
}

const char *
expected_at(const struct expected *expected, size_t i)
{
	return expected->names[i];
}

size_t
expected_from(const struct expected *expected, const char *identity)
{
	size_t low = 0, high = expected->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(expected->names[middle], identity) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int
expected_has(const struct expected *expected, const char *identity)
{
	size_t i = expected_from(expected, identity);

	return i < expected->count && strcmp(expected->names[i], identity) == 0;
}
