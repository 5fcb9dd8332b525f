/* SPDX-License-Identifier: ISC */
/*
 * Each function is a switch over conf_type, so the compiler says which one lacks a
 * type that is added.  Rejected: a table of functions for each type; nobody says
 * which of them is missing.
 */
#include "lib/conf_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/parse.h"
#include "lib/why.h"

static uint64_t
largest(const struct conf_key *key)
{
	return key->max ? key->max : UINT64_MAX;
}

static void
want_choice(const struct conf_key *key, char want[CONF_WANT_ROOM])
{
	size_t at = 0;

	for (size_t i = 0; key->choices[i] && at < CONF_WANT_ROOM; i++)
		at += (size_t)snprintf(want + at, CONF_WANT_ROOM - at, "%s%s",
		    i == 0 ? "one of: " : ", ", key->choices[i]);
}

void
conf_value_want(const struct conf_key *key, char want[CONF_WANT_ROOM])
{
	const char *said = key->check ? key->check("") : NULL;
	const struct conf_list none = {NULL, 0};
	struct why why;
	char min[PARSE_TEXT_ROOM], max[PARSE_TEXT_ROOM];

	switch (key->type) {
	case CONF_TEXT:
		snprintf(want, CONF_WANT_ROOM, "%s", said ? said : "a text");
		break;
	case CONF_PATH:
		snprintf(want, CONF_WANT_ROOM, "an absolute path");
		break;
	case CONF_NUMBER:
		if (key->max)
			snprintf(want, CONF_WANT_ROOM, "a number from %" PRIu64 " to %" PRIu64,
			    key->min, key->max);
		else
			snprintf(want, CONF_WANT_ROOM, "a number from %" PRIu64, key->min);
		break;
	case CONF_SIZE:
		print_size(min, key->min);
		print_size(max, largest(key));
		snprintf(want, CONF_WANT_ROOM, "a size from %s%s%s, in bytes or with K, M, G or T",
		    min, key->max ? " to " : "", key->max ? max : "");
		break;
	case CONF_SECONDS:
		print_seconds(min, key->min);
		print_seconds(max, largest(key));
		snprintf(want, CONF_WANT_ROOM,
		    "a time from %s%s%s, in seconds or with s, m, h or d", min,
		    key->max ? " to " : "", key->max ? max : "");
		break;
	case CONF_CHOICE:
		want_choice(key, want);
		break;
	case CONF_LIST:
		if (key->judge && key->judge(&none, &why) < 0)
			said = why.text;
		snprintf(want, CONF_WANT_ROOM, "a list, split at blanks or commas%s%.400s",
		    said ? ", of " : "", said ? said : "");
		break;
	}
}

static void
free_list(struct conf_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	list->items = NULL;
	list->count = 0;
}

static int
refuse(const char *why, char want[CONF_WANT_ROOM])
{
	snprintf(want, CONF_WANT_ROOM, "%.*s", CONF_WANT_ROOM - 1, why);
	errno = EINVAL;
	return -1;
}

static int
set_text(const struct conf_key *key, char **to, const char *text, char want[CONF_WANT_ROOM])
{
	const char *said;
	char *copy;

	if (key->type == CONF_PATH && text[0] != '/')
		return refuse("an absolute path", want);
	said = key->check ? key->check(text) : NULL;
	if (said)
		return refuse(said, want);
	copy = strdup(text);
	if (!copy)
		return -1;
	free(*to);
	*to = copy;
	return 0;
}

static int
add_item(const struct conf_key *key, struct conf_list *list, const char *s, size_t len,
    char want[CONF_WANT_ROOM])
{
	char **grown = realloc(list->items, (list->count + 1) * sizeof *grown);
	const char *said = NULL;
	struct why why;

	if (!grown)
		return -1;
	list->items = grown;
	grown[list->count] = strndup(s, len);
	if (!grown[list->count])
		return -1;
	list->count++;
	/* conf_value_print() puts a blank before each item, and " ;" begins a comment:
	 * what it writes could not be read back. */
	if (s[0] == ';')
		return refuse("no item that begins with \";\"", want);
	if (key->judge && key->judge(list, &why) < 0)
		said = why.text;
	else if (key->check)
		said = key->check(grown[list->count - 1]);
	return said ? refuse(said, want) : 0;
}

static int
set_list(const struct conf_key *key, struct conf_list *to, const char *text,
    char want[CONF_WANT_ROOM])
{
	struct conf_list list = {NULL, 0};

	if (key->repeats) {
		list = *to;
		*to = (struct conf_list){NULL, 0};
	}
	for (;;) {
		size_t len;

		text += strspn(text, " \t,");
		if (*text == '\0')
			break;
		len = strcspn(text, " \t,");
		if (add_item(key, &list, text, len, want) < 0) {
			int saved = errno;

			free_list(&list);
			errno = saved;
			return -1;
		}
		text += len;
	}
	if (key->required && list.count == 0) {
		conf_value_want(key, want);
		errno = EINVAL;
		return -1;
	}
	free_list(to);
	*to = list;
	return 0;
}

static int
set_number(const struct conf_key *key, uint64_t *to, const char *text, char want[CONF_WANT_ROOM])
{
	size_t len = strlen(text);
	uint64_t value;
	int rc;

	if (key->type == CONF_SIZE)
		rc = parse_size(text, len, &value);
	else if (key->type == CONF_SECONDS)
		rc = parse_seconds(text, len, &value);
	else
		rc = parse_u64(text, len, largest(key), &value);
	if (rc < 0 || value < key->min || value > largest(key)) {
		conf_value_want(key, want);
		errno = EINVAL;
		return -1;
	}
	*to = value;
	return 0;
}

static int
set_choice(const struct conf_key *key, int *to, const char *text, char want[CONF_WANT_ROOM])
{
	for (int i = 0; key->choices[i]; i++) {
		if (strcmp(key->choices[i], text) == 0) {
			*to = i;
			return 0;
		}
	}
	conf_value_want(key, want);
	errno = EINVAL;
	return -1;
}

int
conf_value_set(const struct conf_key *key, void *base, const char *text,
    char want[CONF_WANT_ROOM])
{
	void *to = (char *)base + key->offset;

	switch (key->type) {
	case CONF_TEXT:
	case CONF_PATH:
		return set_text(key, to, text, want);
	case CONF_NUMBER:
	case CONF_SIZE:
	case CONF_SECONDS:
		return set_number(key, to, text, want);
	case CONF_CHOICE:
		return set_choice(key, to, text, want);
	case CONF_LIST:
		return set_list(key, to, text, want);
	}
	errno = EINVAL;
	return -1;
}

void
conf_value_print(FILE *out, const struct conf_key *key, const void *base)
{
	const void *at = (const char *)base + key->offset;
	const struct conf_list *list = at;
	char *const *text = at;
	const uint64_t *number = at;
	char shown[PARSE_TEXT_ROOM];

	switch (key->type) {
	case CONF_TEXT:
	case CONF_PATH:
		if (!*text)
			fprintf(out, "# %s is not set\n", key->key);
		else
			fprintf(out, "%s =%s%s\n", key->key, **text ? " " : "", *text);
		break;
	case CONF_NUMBER:
		fprintf(out, "%s = %" PRIu64 "\n", key->key, *number);
		break;
	case CONF_SIZE:
		print_size(shown, *number);
		fprintf(out, "%s = %s\n", key->key, shown);
		break;
	case CONF_SECONDS:
		print_seconds(shown, *number);
		fprintf(out, "%s = %s\n", key->key, shown);
		break;
	case CONF_CHOICE:
		fprintf(out, "%s = %s\n", key->key, key->choices[*(const int *)at]);
		break;
	case CONF_LIST:
		/* Of one that may be longer than a line is, each item has its own. */
		fprintf(out, "%s =", key->key);
		for (size_t i = 0; i < list->count; i++) {
			if (key->repeats && i > 0)
				fprintf(out, "\n%s =", key->key);
			fprintf(out, " %s", list->items[i]);
		}
		fputc('\n', out);
		break;
	}
}

static int
lists_equal(const struct conf_list *a, const struct conf_list *b)
{
	if (a->count != b->count)
		return 0;
	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->items[i], b->items[i]) != 0)
			return 0;
	}
	return 1;
}

int
conf_value_equal(const struct conf_key *key, const void *a, const void *b)
{
	const void *at_a = (const char *)a + key->offset, *at_b = (const char *)b + key->offset;
	char *const *text_a = at_a, *const *text_b = at_b;

	switch (key->type) {
	case CONF_TEXT:
	case CONF_PATH:
		if (!*text_a || !*text_b)
			return *text_a == *text_b;
		return strcmp(*text_a, *text_b) == 0;
	case CONF_NUMBER:
	case CONF_SIZE:
	case CONF_SECONDS:
		return *(const uint64_t *)at_a == *(const uint64_t *)at_b;
	case CONF_CHOICE:
		return *(const int *)at_a == *(const int *)at_b;
	case CONF_LIST:
		return lists_equal(at_a, at_b);
	}
	return 0;
}

void
conf_value_free(const struct conf_key *key, void *base)
{
	void *at = (char *)base + key->offset;
	char **text = at;

	switch (key->type) {
	case CONF_TEXT:
	case CONF_PATH:
		free(*text);
		*text = NULL;
		break;
	case CONF_LIST:
		free_list(at);
		break;
	case CONF_NUMBER:
	case CONF_SIZE:
	case CONF_SECONDS:
	case CONF_CHOICE:
		break;
	}
}
