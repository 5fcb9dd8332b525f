/* SPDX-License-Identifier: ISC */
/* SHA-256 against the vectors of FIPS 180-4's examples, and its text form. */
#include "lib/digest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define MILLION_A "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

static void
check(const unsigned char digest[DIGEST_SIZE], const char *expected)
{
	char text[DIGEST_TEXT_ROOM];

	digest_print(text, digest);
	assert_string_equal(text, expected);
}

static void
gives_the_standard_vectors(void **state)
{
	struct digest *d = digest_new();
	unsigned char out[DIGEST_SIZE];
	char chunk[1000];

	(void)state;
	assert_non_null(d);
	assert_int_equal(digest_start(d), 0);
	assert_int_equal(digest_end(d, out), 0);
	check(out, EMPTY);

	assert_int_equal(digest_start(d), 0);
	assert_int_equal(digest_add(d, "a", 1), 0);
	assert_int_equal(digest_add(d, "", 0), 0);
	assert_int_equal(digest_add(d, "bc", 2), 0);
	assert_int_equal(digest_end(d, out), 0);
	check(out, ABC);

	memset(chunk, 'a', sizeof(chunk));
	assert_int_equal(digest_start(d), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(digest_add(d, chunk, sizeof(chunk)), 0);
	assert_int_equal(digest_end(d, out), 0);
	check(out, MILLION_A);
	digest_free(d);
	digest_free(NULL);

	assert_int_equal(digest_of("abc", 3, out), 0);
	check(out, ABC);
	assert_int_equal(digest_of("abc", 0, out), 0);
	check(out, EMPTY);
}

static void
begins_anew_in_the_middle(void **state)
{
	struct digest *d = digest_new();
	unsigned char out[DIGEST_SIZE];

	(void)state;
	assert_int_equal(digest_start(d), 0);
	assert_int_equal(digest_add(d, "left over", 9), 0);
	assert_int_equal(digest_start(d), 0);
	assert_int_equal(digest_add(d, "abc", 3), 0);
	assert_int_equal(digest_end(d, out), 0);
	check(out, ABC);
	digest_free(d);
}

static void
reads_a_file_whole_from_an_offset(void **state)
{
	FILE *file = tmpfile();
	unsigned char out[DIGEST_SIZE];
	unsigned long long size = 7;
	int fd;

	(void)state;
	assert_non_null(file);
	fd = fileno(file);
	fputs("head", file);
	for (int i = 0; i < 1000000; i++)
		fputc('a', file);
	fflush(file);
	assert_int_equal(digest_file(fd, 4, out, &size), 0);
	assert_int_equal(size, 1000000);
	check(out, MILLION_A);
	assert_int_equal(digest_file(fd, 1000004, out, &size), 0);
	assert_int_equal(size, 0);
	check(out, EMPTY);
	fclose(file);
}

static void
tells_errno_of_a_file_it_cannot_read(void **state)
{
	unsigned char out[DIGEST_SIZE];
	unsigned long long size;
	int ends[2];

	(void)state;
	errno = 0;
	assert_int_equal(digest_file(-1, 0, out, &size), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(digest_file(ends[0], 0, out, &size), -1);
	assert_int_equal(errno, ESPIPE);
	close(ends[0]);
	close(ends[1]);
}

static void
parses_what_it_prints(void **state)
{
	unsigned char in[DIGEST_SIZE], out[DIGEST_SIZE];
	char text[DIGEST_TEXT_ROOM];

	(void)state;
	for (int i = 0; i < DIGEST_SIZE; i++)
		in[i] = (unsigned char)(i * 37 + 200);
	digest_print(text, in);
	assert_int_equal(strlen(text), 64);
	assert_int_equal(digest_parse(out, text, 64), 0);
	assert_memory_equal(in, out, DIGEST_SIZE);
}

static void
refuses_what_is_not_64_lower_case_digits(void **state)
{
	unsigned char out[DIGEST_SIZE];
	char text[] = ABC "0";

	(void)state;
	assert_int_equal(digest_parse(out, text, 64), 0);
	assert_int_equal(digest_parse(out, text, 63), -1);
	assert_int_equal(digest_parse(out, text, 65), -1);
	assert_int_equal(digest_parse(out, text, 0), -1);
	for (int i = 0; i < 64; i++) {
		const char *odd = "AFGg/:`@ \n\xff";
		char kept = text[i];

		for (; *odd != '\0'; odd++) {
			text[i] = *odd;
			assert_int_equal(digest_parse(out, text, 64), -1);
		}
		text[i] = '\0';
		assert_int_equal(digest_parse(out, text, 64), -1);
		text[i] = kept;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_the_standard_vectors),
	    cmocka_unit_test(begins_anew_in_the_middle),
	    cmocka_unit_test(reads_a_file_whole_from_an_offset),
	    cmocka_unit_test(tells_errno_of_a_file_it_cannot_read),
	    cmocka_unit_test(parses_what_it_prints),
	    cmocka_unit_test(refuses_what_is_not_64_lower_case_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
