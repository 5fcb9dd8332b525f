/* SPDX-License-Identifier: ISC */
/* The table of inbox-relay.conf's keys, and the checks that a type alone cannot make. */
#include "inbox-relay/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inbox-relay/engine.h"
#include "lib/parse.h"
#include "lib/proto.h"
#include "lib/why.h"

#define IDENTIFIER_MAX 63 /* bytes: what PostgreSQL makes of more it cuts */

static const char *
check_inbox(const char *value)
{
	return is_plain_name(value, strlen(value), PROTO_INBOX_MAX) ? NULL : PROTO_INBOX_WANT;
}

static const char *
check_root(const char *value)
{
	return is_hex(value, strlen(value), PROTO_ID_LEN)
	    ? NULL : "32 digits of lower-case hexadecimal, as the root's file id has them";
}

/* It goes into statements as it is. */
static const char *
check_table(const char *value)
{
	static const char want[] = "TABLE or SCHEMA.TABLE, each of up to 63 lower-case letters, "
	    "digits and underscores, no digit first";
	size_t parts = 0, len;

	do {
		len = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_");
		if (len == 0 || len > IDENTIFIER_MAX || (*value >= '0' && *value <= '9') ||
		    ++parts > 2)
			return want;
		value += len;
	} while (*value++ == '.');
	return value[-1] ? want : NULL;
}

/* What has a dot, a star or a blank to say of its own is none of ours. */
static const char *
check_stream(const char *value)
{
	size_t len = strcspn(value, " \t.*>/\\");

	return len > 0 && !value[len] ? NULL : "a stream's name, without blanks and . * > / \\";
}

static const char *
check_subject(const char *value)
{
	size_t len = strlen(value);

	return len > 0 && strcspn(value, " \t*>") == len && value[0] != '.' &&
	        value[len - 1] != '.' && !strstr(value, "..")
	    ? NULL : "a subject, without blanks, * and >";
}

static int
judge_trust(const struct conf_list *list, struct why *want)
{
	static const char *const known[] = {TRUST_SYNC_ALWAYS, TRUST_FULL_PAGES, TRUST_MAX_AGE};

	for (size_t i = 0; list->count > 0 && i < sizeof known / sizeof known[0]; i++)
		if (strcmp(list->items[list->count - 1], known[i]) == 0)
			return 0;
	return why_say(want, TRUST_SYNC_ALWAYS ", " TRUST_FULL_PAGES " or " TRUST_MAX_AGE);
}

#define AT(field) offsetof(struct settings, field)
#define INBOX_AT(field) offsetof(struct settings_inbox, field)

static const struct conf_key keys[] = {
    {"engine", "type", CONF_CHOICE, AT(type), .required = 1, .choices = engine_names},
    {"engine", "timeout", CONF_SECONDS, AT(timeout), .fallback = "30s", .min = 1, .max = 3600},
    {"engine", "item", CONF_SIZE, AT(item), .fallback = "64M", .min = 1, .max = 256 << 20},
    {"engine", "trust", CONF_LIST, AT(trust), .fallback = NULL, .judge = judge_trust},
    {"postgresql", "connection", CONF_TEXT, AT(connection), .fallback = NULL},
    {"postgresql", "table", CONF_TEXT, AT(table), .fallback = "inbox_items",
        .check = check_table},
    {"nats", "servers", CONF_LIST, AT(servers), .fallback = NULL},
    {"nats", "stream", CONF_TEXT, AT(stream), .fallback = NULL, .check = check_stream},
    {"nats", "subject", CONF_TEXT, AT(subject), .fallback = "inbox", .check = check_subject},
    {"nats", "credentials", CONF_PATH, AT(credentials), .fallback = NULL},
    {"nats", "ca", CONF_PATH, AT(ca), .fallback = NULL},
    {"nats", "certificate", CONF_PATH, AT(certificate), .fallback = NULL},
    {"nats", "key", CONF_PATH, AT(key), .fallback = NULL},
    CONF_LOG_ROWS(AT(log), 0),
    {"inbox", "folder", CONF_PATH, INBOX_AT(folder), .required = 1},
    {"inbox", "root", CONF_TEXT, INBOX_AT(root), .fallback = NULL, .check = check_root},
    {0},
};

static void *
add_inbox(void *target, const char *name)
{
	struct settings *settings = target;
	struct settings_inbox *grown =
	    realloc(settings->inboxes, (settings->inbox_count + 1) * sizeof *grown);

	if (!grown)
		return NULL;
	settings->inboxes = grown;
	grown += settings->inbox_count;
	*grown = (struct settings_inbox){.name = strdup(name)};
	if (!grown->name)
		return NULL;
	settings->inbox_count++;
	return grown;
}

static void *
inbox_at(const void *target, size_t i, const char **name)
{
	const struct settings *settings = target;

	if (i >= settings->inbox_count)
		return NULL;
	*name = settings->inboxes[i].name;
	return &settings->inboxes[i];
}

static const struct conf_named named[] = {
    {"inbox", add_inbox, inbox_at, check_inbox, 1},
    {0},
};

const struct conf_schema settings_schema = {.keys = keys, .named = named};

static int
complain(const char *path, const char *what, const struct conf_report *report)
{
	struct why why;

	why_say(&why, "%s: %s", path, what);
	report->error(report->ctx, why.text);
	return -1;
}

int
settings_read(const char *path, struct settings *settings, const struct conf_report *report)
{
	const struct engine *engine;
	struct why why;

	memset(settings, 0, sizeof *settings);
	if (conf_read(path, &settings_schema, settings, report) < 0)
		return -1;
	engine = engine_of(settings->type);
	if (!engine) {
		why_say(&why, "[engine] type = %s: this program was built without it",
		    engine_names[settings->type]);
		return complain(path, why.text, report);
	}
	if (!settings->certificate != !settings->key)
		return complain(path, "[nats] certificate and key go together", report);
	return engine->lacks(settings, &why) < 0 ? complain(path, why.text, report) : 0;
}

void
settings_free(struct settings *settings)
{
	conf_free(&settings_schema, settings);
	for (size_t i = 0; i < settings->inbox_count; i++)
		free(settings->inboxes[i].name);
	free(settings->inboxes);
	memset(settings, 0, sizeof *settings);
}

int
settings_trust(const struct settings *settings, const char *what)
{
	for (size_t i = 0; i < settings->trust.count; i++)
		if (strcmp(settings->trust.items[i], what) == 0)
			return 1;
	return 0;
}
