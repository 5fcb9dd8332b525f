/* SPDX-License-Identifier: ISC */
/*
 * A main() for the targets where libFuzzer does not bring one: with files or
 * folders as arguments each input is run once, and the result is TAP (that is
 * how `make check` replays the corpora); with none, standard input is the input,
 * as AFL wants it ("afl-fuzz -i corpus -o finds ./codec").
 *
 * Rejected: libFuzzer alone, which needs clang: gcc's build would not see the
 * inputs that once broke something.
 */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_MAX (1024 * 1024) /* bytes */

int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static char running[1024]; /* for the message, should it be the last input */

static void
run(FILE *file)
{
	uint8_t *data = malloc(INPUT_MAX), *exact;
	size_t len = data ? fread(data, 1, INPUT_MAX, file) : 0;

	FUZZ_CHECK(data && !ferror(file));
	exact = fuzz_copy(data, len);
	free(data);
	(void)LLVMFuzzerTestOneInput(exact, len);
	free(exact);
}

static size_t
run_file(const char *path)
{
	FILE *file = fopen(path, "rb");

	if (!file) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(1);
	}
	snprintf(running, sizeof running, "# %s\n", path);
	if (getenv("FUZZ_VERBOSE"))
		fputs(running, stderr);
	run(file);
	fclose(file);
	return 1;
}

static int
is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static size_t
run_folder(const char *path)
{
	struct dirent **files;
	int count = scandir(path, &files, is_visible, alphasort);
	char name[1024];

	if (count < 0)
		return run_file(path);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof name, "%s/%s", path, files[i]->d_name);
		(void)run_file(name);
		free(files[i]);
	}
	free(files);
	return (size_t)count;
}

int
main(int argc, char **argv)
{
	if (LLVMFuzzerInitialize)
		(void)LLVMFuzzerInitialize(&argc, &argv);
	if (argc < 2) {
		run(stdin);
		return 0;
	}
	for (int i = 1; i < argc; i++) {
		size_t count = run_folder(argv[i]);
		printf("%s %d - %s: %zu inputs hold\n", count ? "ok" : "not ok", i, argv[i], count);
		if (count == 0)
			return 1;
	}
	printf("1..%d\n", argc - 1);
	return 0;
}
