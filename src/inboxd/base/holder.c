/* SPDX-License-Identifier: ISC */
#include "inboxd/base/holder.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/parse.h"

static const char *const words[HOLDER_STATES] = {[HOLDER_NONE] = "",
    [HOLDER_STARTING] = "starting", [HOLDER_RUNNING] = "running", [HOLDER_STOPPED] = "stopped"};

#define TEXT(key, member) {key, offsetof(struct holder, member), sizeof((struct holder *)0)->member}

/* In their order. */
static const struct {
	const char *key;
	size_t at, room;
} texts[] = {
    TEXT("run=", run),
    TEXT("id=", id),
    TEXT("host=", host),
    TEXT("machine=", machine),
    TEXT("boot=", boot),
};

#define TEXTS (sizeof texts / sizeof texts[0])

const char *
holder_word(enum holder_state state)
{
	return words[state];
}

__attribute__((format(printf, 3, 4))) static size_t
add(char *line, size_t len, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(line + len, HOLDER_LINE_ROOM - len, format, args);
	va_end(args);
	return len + strlen(line + len);
}

size_t
holder_print(const struct holder *holder, char line[HOLDER_LINE_ROOM])
{
	char when[PRINT_TIME_ROOM];
	size_t len = add(line, 0, "%s", words[holder->state]);

	for (size_t i = 0; i < TEXTS; i++) {
		const char *text = (const char *)holder + texts[i].at;

		if (text[0])
			len = add(line, len, " %s%s", texts[i].key, text);
	}
	if (holder->pid > 0)
		len = add(line, len, " pid=%" PRIu64, holder->pid);
	if (holder->since.tv_sec > 0) {
		print_time(when, &holder->since);
		len = add(line, len, " since=%s", when);
	}
	return add(line, len, "\n");
}

static void
read_text(char *dst, size_t room, const char *text, size_t len)
{
	if (len < room && is_plain_name(text, len, len)) {
		memcpy(dst, text, len);
		dst[len] = '\0';
	}
}

static void
read_field(const char *field, size_t len, struct holder *out)
{
	for (size_t i = 0; i < TEXTS; i++) {
		size_t key = strlen(texts[i].key);

		if (len > key && strncmp(field, texts[i].key, key) == 0)
			read_text((char *)out + texts[i].at, texts[i].room, field + key, len - key);
	}
	if (len > 4 && strncmp(field, "pid=", 4) == 0 &&
	    parse_u64(field + 4, len - 4, INT32_MAX, &out->pid) < 0)
		out->pid = 0;
	if (len > 6 && strncmp(field, "since=", 6) == 0 &&
	    parse_time(field + 6, len - 6, &out->since) < 0)
		out->since = (struct timespec){0, 0};
}

static void
read_state(const char *word, size_t len, struct holder *out)
{
	for (int state = HOLDER_STARTING; state < HOLDER_STATES; state++) {
		if (len == strlen(words[state]) && strncmp(word, words[state], len) == 0) {
			out->state = (enum holder_state)state;
			return;
		}
	}
	out->state = HOLDER_RUNNING;
	read_text(out->boot, sizeof out->boot, word, len);
}

static size_t
word_length(const char *text, size_t len)
{
	const char *blank = memchr(text, ' ', len);

	return blank ? (size_t)(blank - text) : len;
}

void
holder_read(const char *line, size_t len, struct holder *out)
{
	size_t word = word_length(line, len);

	*out = (struct holder){.state = HOLDER_NONE};
	if (len == 0)
		return;
	read_state(line, word, out);
	while (word < len) {
		line += word + 1;
		len -= word + 1;
		word = word_length(line, len);
		read_field(line, word, out);
	}
}

static int
is_known(const char *boot)
{
	return boot[0] && strcmp(boot, DISK_BOOT_UNKNOWN) != 0;
}

int
holder_may_be_of_boot(const struct holder *holder, const char *boot)
{
	return !is_known(holder->boot) || !is_known(boot) || strcmp(holder->boot, boot) == 0;
}

int
holder_is_elsewhere(const struct holder *holder, const struct holder *own)
{
	if (holder->machine[0] && own->machine[0] && strcmp(holder->machine, own->machine) != 0)
		return 1;
	return !holder_may_be_of_boot(holder, own->boot);
}
