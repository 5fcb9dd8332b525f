/* SPDX-License-Identifier: ISC */
/* What walks the table of keys without reading a file: writing a configuration
 * out, comparing two, freeing one. */
#include "lib/conf.h"

#include <string.h>

#include "lib/conf_value.h"

const struct conf_named *
conf_named_find(const struct conf_schema *schema, const char *section)
{
	for (const struct conf_named *named = schema->named; named && named->section; named++)
		if (strcmp(named->section, section) == 0)
			return named;
	return NULL;
}

static int
is_of(const struct conf_key *key, const struct conf_named *named)
{
	return strcmp(key->section, named->section) == 0;
}

/* All sections of a kind; `blank`: an empty line stands before the first as well. */
static void
print_named(FILE *out, const struct conf_schema *schema, const struct conf_named *named,
    const void *target, int blank)
{
	const char *name;
	const void *base;

	for (size_t i = 0; (base = named->at(target, i, &name)); i++) {
		fprintf(out, "%s[%s %s]\n", i > 0 || blank ? "\n" : "", named->section, name);
		for (const struct conf_key *key = schema->keys; key->section; key++)
			if (is_of(key, named))
				conf_value_print(out, key, base);
	}
}

int
conf_print(FILE *out, const struct conf_schema *schema, const void *target)
{
	const struct conf_named *named = schema->named;
	const char *section = "", *name;

	for (const struct conf_key *key = schema->keys; key->section; key++) {
		if (conf_named_find(schema, key->section))
			continue;
		if (strcmp(section, key->section) != 0)
			fprintf(out, "%s[%s]\n", section[0] ? "\n" : "", key->section);
		section = key->section;
		conf_value_print(out, key, target);
	}
	for (int blank = section[0] != '\0'; named && named->section; named++) {
		print_named(out, schema, named, target, blank);
		blank |= named->at(target, 0, &name) != NULL;
	}
	return fflush(out) == 0 && !ferror(out) ? 0 : -1;
}

void *
conf_add(const struct conf_schema *schema, const struct conf_named *named, void *target,
    const char *name)
{
	void *base = named->add(target, name);
	char want[CONF_WANT_ROOM];

	for (const struct conf_key *key = schema->keys; base && key->section; key++) {
		if (key->fallback && is_of(key, named) &&
		    conf_value_set(key, base, key->fallback, want) < 0)
			return NULL;
	}
	return base;
}

/* The struct of the named section `name`, or NULL. */
static const void *
find_named(const struct conf_named *named, const void *target, const char *name)
{
	const char *other;
	const void *base;

	for (size_t i = 0; (base = named->at(target, i, &other)); i++) {
		if (strcmp(other, name) == 0)
			return base;
	}
	return NULL;
}

static size_t
key_changed(const struct conf_key *key, const char *name, const void *old, const void *new,
    const struct conf_report *report)
{
	char message[512];

	if (!key->restart || conf_value_equal(key, old, new))
		return 0;
	snprintf(message, sizeof message, "[%s%s%s] %s has changed, which needs a restart",
	    key->section, name ? " " : "", name ? name : "", key->key);
	report->error(report->ctx, message);
	return 1;
}

size_t
conf_changed(const struct conf_schema *schema, const void *old, const void *new,
    const struct conf_report *report)
{
	const void *old_base, *new_base;
	const char *name;
	size_t count = 0;

	for (const struct conf_key *key = schema->keys; key->section; key++) {
		const struct conf_named *named = conf_named_find(schema, key->section);

		if (!named) {
			count += key_changed(key, NULL, old, new, report);
			continue;
		}
		for (size_t i = 0; (old_base = named->at(old, i, &name)); i++) {
			new_base = find_named(named, new, name);
			if (new_base)
				count += key_changed(key, name, old_base, new_base, report);
		}
	}
	return count;
}

void
conf_free_named(const struct conf_schema *schema, const struct conf_named *named, void *base)
{
	for (const struct conf_key *key = schema->keys; key->section; key++)
		if (is_of(key, named))
			conf_value_free(key, base);
}

void
conf_free(const struct conf_schema *schema, void *target)
{
	const char *name;
	void *base;

	for (const struct conf_key *key = schema->keys; key->section; key++) {
		const struct conf_named *named = conf_named_find(schema, key->section);

		if (!named) {
			conf_value_free(key, target);
			continue;
		}
		for (size_t i = 0; (base = named->at(target, i, &name)); i++)
			conf_value_free(key, base);
	}
}
