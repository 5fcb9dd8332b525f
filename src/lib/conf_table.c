/* SPDX-License-Identifier: ISC */
/* What walks the table of keys without reading a file: writing a configuration
 * out, comparing two, freeing one. */
#include "lib/conf.h"

#include <string.h>

#include "lib/conf_value.h"

int
conf_print(FILE *out, const struct conf_schema *schema, const void *target)
{
	const struct conf_named *named = schema->named;
	const char *section = "", *name;
	const void *base;

	for (const struct conf_key *key = schema->keys; key->section; key++) {
		if (named && strcmp(key->section, named->section) == 0)
			continue;
		if (strcmp(section, key->section) != 0)
			fprintf(out, "%s[%s]\n", section[0] ? "\n" : "", key->section);
		section = key->section;
		conf_value_print(out, key, target);
	}
	for (size_t i = 0; named && (base = named->at(target, i, &name)); i++) {
		fprintf(out, "%s[%s %s]\n", i > 0 || section[0] ? "\n" : "", named->section, name);
		for (const struct conf_key *key = schema->keys; key->section; key++) {
			if (strcmp(key->section, named->section) == 0)
				conf_value_print(out, key, base);
		}
	}
	return fflush(out) == 0 && !ferror(out) ? 0 : -1;
}

void *
conf_add(const struct conf_schema *schema, void *target, const char *name)
{
	void *base = schema->named->add(target, name);
	char want[CONF_WANT_ROOM];

	for (const struct conf_key *key = schema->keys; base && key->section; key++) {
		if (key->fallback && strcmp(key->section, schema->named->section) == 0 &&
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
	const struct conf_named *named = schema->named;
	const void *old_base, *new_base;
	const char *name;
	size_t count = 0;

	for (const struct conf_key *key = schema->keys; key->section; key++) {
		if (!named || strcmp(key->section, named->section) != 0) {
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
conf_free_named(const struct conf_schema *schema, void *base)
{
	for (const struct conf_key *key = schema->keys; key->section; key++)
		if (strcmp(key->section, schema->named->section) == 0)
			conf_value_free(key, base);
}

void
conf_free(const struct conf_schema *schema, void *target)
{
	const struct conf_named *named = schema->named;
	const char *name;
	void *base;

	for (const struct conf_key *key = schema->keys; key->section; key++) {
		if (!named || strcmp(key->section, named->section) != 0) {
			conf_value_free(key, target);
			continue;
		}
		for (size_t i = 0; (base = named->at(target, i, &name)); i++)
			conf_value_free(key, base);
	}
}
