/* SPDX-License-Identifier: ISC */
/*
 * The file of clients that should come: the input is the file.  Each name taken is one that a
 * certificate may have, all stand in order, each is found, and a list of them is read back as the
 * same; what is refused has a reason that is safe to show.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "inboxd/base/expected.h"
#include "lib/identity.h"

static void
check_names(const struct expected *expected)
{
	size_t count = expected_count(expected);

	for (size_t i = 0; i < count; i++) {
		const char *name = expected_at(expected, i);
		size_t len = strnlen(name, IDENTITY_MAX + 1);
		FUZZ_CHECK(len >= 1 && len <= IDENTITY_MAX);
		for (size_t k = 0; k < len; k++)
			FUZZ_CHECK(name[k] >= 0x21 && name[k] <= 0x7e);
		FUZZ_CHECK(i == 0 || strcmp(expected_at(expected, i - 1), name) < 0);
		FUZZ_CHECK(expected_from(expected, name) == i && expected_has(expected, name));
	}
	FUZZ_CHECK(expected_from(expected, "\x7f") == count);
	FUZZ_CHECK(expected_from(expected, "") == 0 && !expected_has(expected, ""));
}

/* A name that begins with '#' stands behind nothing but a blank: it was none. */
static void
check_again(const struct expected *expected)
{
	size_t len, count = expected_count(expected);
	struct expected *again;
	char *text = NULL;
	struct why why;
	FILE *out = open_memstream(&text, &len);

	FUZZ_CHECK(out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s\n", expected_at(expected, i));
	FUZZ_CHECK(fclose(out) == 0);
	again = expected_parse(text, len, "again", &why);
	FUZZ_CHECK(again && expected_count(again) == count);
	for (size_t i = 0; i < count; i++)
		FUZZ_CHECK(strcmp(expected_at(expected, i), expected_at(again, i)) == 0);
	expected_free(again);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);
	struct expected *expected;
	struct why why = {""};

	expected = expected_parse(copy, size, "fleet", &why);
	free(copy);
	FUZZ_CHECK((expected == NULL) == (why.text[0] != '\0'));
	for (const char *c = why.text; *c; c++)
		FUZZ_CHECK(*c >= 0x20 && *c <= 0x7e);
	if (!expected)
		return 0;
	check_names(expected);
	check_again(expected);
	expected_free(expected);
	return 0;
}
