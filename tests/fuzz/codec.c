/* SPDX-License-Identifier: ISC */
/*
 * The protocol's codec: the input is a stream of lines as either end would read
 * it.  What parses must be written and read back as the same; what does not
 * must have a reason that is safe to send.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "lib/proto.h"

static int
is_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return 0;
	return 1;
}

static void
check_error(const struct proto_error *error)
{
	size_t len = strnlen(error->text, sizeof error->text);

	FUZZ_CHECK(len > 0 && len < sizeof error->text);
	FUZZ_CHECK(is_printable(error->text, len));
	FUZZ_CHECK(error->code < PROTO_CODE_COUNT);
	FUZZ_CHECK(proto_code_verb(error->code) == VERB_ERROR);
}

static void
check_same(const struct proto_line *a, const struct proto_line *b)
{
	FUZZ_CHECK(a->verb == b->verb && a->set == b->set);
	for (enum proto_field f = FIELD_NONE; f < PROTO_FIELDS; f++) {
		if (!proto_has(a, f))
			continue;
		FUZZ_CHECK(a->number[f] == b->number[f]);
		FUZZ_CHECK(a->text[f].len == b->text[f].len);
		if (a->text[f].len)
			FUZZ_CHECK(memcmp(a->text[f].at, b->text[f].at, a->text[f].len) == 0);
	}
}

static void
try_line(const char *text, size_t len, enum proto_side side)
{
	char written[PROTO_LINE_MAX + 1], again[PROTO_LINE_MAX + 1];
	struct proto_line line, back;
	struct proto_error error;
	char *copy;
	size_t n;

	/* A field has a number or a text; the other is left as it was. */
	memset(&line, 0, sizeof line);
	memset(&back, 0, sizeof back);
	memset(&error, 0, sizeof error);
	if (proto_parse(text, len, side, &line, &error) < 0) {
		check_error(&error);
		return;
	}
	FUZZ_CHECK(proto_verb_side(line.verb) == side);
	for (enum proto_field f = FIELD_NONE; f < PROTO_FIELDS; f++) {
		FUZZ_CHECK(!proto_has(&line, f) || line.number[f] <= PROTO_NUMBER_MAX);
		if (!proto_has(&line, f) || line.text[f].len == 0)
			continue;
		FUZZ_CHECK(line.text[f].at >= text);
		FUZZ_CHECK(line.text[f].at + line.text[f].len <= text + len);
		FUZZ_CHECK(is_printable(line.text[f].at, line.text[f].len));
	}
	n = proto_format(&line, written);
	FUZZ_CHECK(n > 0 && n <= PROTO_LINE_MAX && written[n - 1] == '\n' && written[n] == '\0');
	FUZZ_CHECK(proto_find_line((unsigned char *)written, n, &error) == (int)n);
	copy = fuzz_copy(written, n - 1);
	FUZZ_CHECK(proto_parse(copy, n - 1, side, &back, &error) == 0);
	check_same(&line, &back);
	/* What is written is one way to say it, and it stays. */
	FUZZ_CHECK(proto_format(&back, again) == n && memcmp(written, again, n) == 0);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proto_error error;
	char *line;
	int end = 0;

	for (size_t at = 0; at < size; at += (size_t)end) {
		memset(&error, 0, sizeof error);
		end = proto_find_line(data + at, size - at, &error);
		if (end < 0) {
			check_error(&error);
			FUZZ_CHECK(error.code == CODE_ERROR_LINE);
			/* More bytes do not make it right, and it was wrong from a first byte
			 * on: none before it could say so. */
			return 0;
		}
		if (end == 0) {
			FUZZ_CHECK(size - at < PROTO_LINE_MAX);
			FUZZ_CHECK(!memchr(data + at, '\n', size - at));
			return 0;
		}
		FUZZ_CHECK(end <= PROTO_LINE_MAX && (size_t)end <= size - at);
		FUZZ_CHECK(memchr(data + at, '\n', (size_t)end) == data + at + end - 1);
		/* With a byte less it is not a line yet, and not wrong. */
		FUZZ_CHECK(proto_find_line(data + at, (size_t)end - 1, &error) == 0);
		line = fuzz_copy(data + at, (size_t)end - 1);
		try_line(line, (size_t)end - 1, PROTO_CLIENT);
		try_line(line, (size_t)end - 1, PROTO_SERVER);
		free(line);
	}
	return 0;
}
