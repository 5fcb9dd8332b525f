/* SPDX-License-Identifier: ISC */
/*
 * The configuration reader with inboxd's own table: the input is the file.  What
 * it takes it must print as a file that it reads back as the same; what it
 * refuses it must have said a reason for.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "inboxd/base/settings.h"

static char path[160];
static size_t errors;

static void
on_error(void *ctx, const char *message)
{
	(void)ctx;
	errors++;
	FUZZ_CHECK(message[0]);
	/* A tab may come from the file, as may UTF-8; nothing that moves a terminal. */
	for (const char *c = message; *c; c++)
		FUZZ_CHECK(((unsigned char)*c >= 0x20 && *c != 0x7f) || *c == '\t');
}

static const struct conf_report report = {on_error, NULL};

static struct settings *
load(const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct settings *settings;

	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
	errors = 0;
	settings = settings_load(path, &report);
	FUZZ_CHECK((settings == NULL) == (errors > 0));
	return settings;
}

static char *
print(const struct settings *settings, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	FUZZ_CHECK(out);
	FUZZ_CHECK(conf_print(out, &settings_schema, settings) == 0);
	FUZZ_CHECK(fclose(out) == 0);
	return text;
}

static void
check_ranges(const struct settings *settings)
{
	for (const struct conf_key *key = settings_schema.keys; key->section; key++) {
		uint64_t value;

		if (key->type != CONF_NUMBER && key->type != CONF_SIZE && key->type != CONF_SECONDS)
			continue;
		if (strcmp(key->section, "inbox") == 0)
			continue;
		memcpy(&value, (const char *)settings + key->offset, sizeof value);
		FUZZ_CHECK(value >= key->min && (key->max == 0 || value <= key->max));
	}
	FUZZ_CHECK(conf_log_level(&settings->log) >= 0 && conf_log_level(&settings->log) <= 7);
	FUZZ_CHECK(settings_socket_mode(settings) <= 0777);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings *settings, *back;
	char *text, *again;
	size_t len, again_len;
	int fd;

	if (!path[0])
		snprintf(path, sizeof path, "%s/inboxd.conf", fuzz_folder());
	fd = fuzz_lowest_fd();
	settings = load(data, size);
	FUZZ_CHECK(fuzz_lowest_fd() == fd);
	if (!settings)
		return 0;
	check_ranges(settings);
	text = print(settings, &len);
	back = load(text, len);
	FUZZ_CHECK(back);
	again = print(back, &again_len);
	FUZZ_CHECK(len == again_len && memcmp(text, again, len) == 0);
	FUZZ_CHECK(conf_changed(&settings_schema, settings, back, &report) == 0);
	free(text);
	free(again);
	settings_free(settings);
	settings_free(back);
	return 0;
}
