/* SPDX-License-Identifier: ISC */
/* The table of inboxq.conf's keys, and the checks that a type alone cannot make. */
#include "inboxq/base/settings.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxq/base/server.h"
#include "lib/parse.h"
#include "lib/proto.h"
#include "lib/why.h"

/* The last one, beside those before it. */
static int
judge_server(const struct conf_list *list, struct why *want)
{
	struct server server, other;
	const char *word;
	struct why none;

	if (list->count == 0)
		return why_say(want, "HOST, HOST:PORT, [ADDRESS]:PORT or srv:DOMAIN");
	word = list->items[list->count - 1];
	if (server_parse(word, &server, want) < 0)
		return -1;
	for (size_t i = 0; i + 1 < list->count; i++) {
		if (server_parse(list->items[i], &other, &none) == 0 &&
		    server_equal(&server, &other))
			return why_say(want, "each server once; \"%s\" is \"%s\" again", word,
			    list->items[i]);
	}
	return 0;
}

static const char *
check_inbox(const char *value)
{
	return is_plain_name(value, strlen(value), PROTO_INBOX_MAX)
	    ? NULL
	    : PROTO_INBOX_WANT;
}

static const char *
check_name(const char *name)
{
	return is_plain_name(name, strlen(name), PROTO_INBOX_MAX)
	    ? NULL
	    : "a NAME of 1 to 64 letters, digits, dots, hyphens or underscores";
}

/* As enum item_priority. */
static const char *const priority_choices[] = {"normal", "low", "high", NULL};

/* As enum order_way. */
static const char *const order_choices[] = {"preferred", "spread", NULL};

#define AT(field) offsetof(struct settings, field)
#define WATCH_AT(field) offsetof(struct settings_watch, field)

static const struct conf_key keys[] = {
    {"queue", "spool", CONF_PATH, AT(spool), .fallback = LOCALSTATEDIR "/spool/inboxq",
        .restart = 1},
    {"queue", "offer-again", CONF_SECONDS, AT(offer_again), .fallback = "1d", .max = 31536000},
    {"queue", "items", CONF_NUMBER, AT(items), .fallback = "0"},
    {"queue", "bytes", CONF_SIZE, AT(bytes), .fallback = "0"},
    {"queue", "sent-log", CONF_SIZE, AT(sent_log), .fallback = "10M", .min = 1024 * 1024},
    {"server", "servers", CONF_LIST, AT(servers), .required = 1, .judge = judge_server,
        .repeats = 1},
    {"server", "order", CONF_CHOICE, AT(order), .fallback = "preferred", .choices = order_choices},
    {"server", "patience", CONF_SECONDS, AT(patience), .fallback = "3m", .max = 86400},
    {"server", "connect-timeout", CONF_SECONDS, AT(connect_timeout), .fallback = "15s", .min = 1,
        .max = 3600},
    {"server", "timeout", CONF_SECONDS, AT(timeout), .fallback = "60s", .min = 1, .max = 86400},
    {"server", "retry-min", CONF_SECONDS, AT(retry_min), .fallback = "5s", .min = 1, .max = 86400},
    {"server", "retry-max", CONF_SECONDS, AT(retry_max), .fallback = "15m", .min = 1,
        .max = 604800},
    {"server", "report", CONF_SECONDS, AT(report), .fallback = "1d", .min = 1, .max = 31536000},
    {"server", "bandwidth", CONF_SIZE, AT(bandwidth), .fallback = "0", .max = UINT64_C(1) << 40},
    CONF_TLS_ROWS(AT(tls)),
    CONF_LOG_ROWS(AT(log), 0),
    {"watch", "folder", CONF_PATH, WATCH_AT(folder), .required = 1},
    {"watch", "inbox", CONF_TEXT, WATCH_AT(inbox), .required = 1, .check = check_inbox},
    {"watch", "priority", CONF_CHOICE, WATCH_AT(priority), .fallback = "normal",
        .choices = priority_choices},
    {"watch", "settle", CONF_SECONDS, WATCH_AT(settle), .fallback = "5s", .min = 1, .max = 86400},
    {"watch", "after-close", CONF_SECONDS, WATCH_AT(after_close), .fallback = "0", .max = 86400},
    {"watch", "ignore", CONF_LIST, WATCH_AT(ignore), .fallback = "*.tmp *.part *~"},
    {"relay", "folder", CONF_PATH, WATCH_AT(folder), .required = 1},
    {"relay", "inbox", CONF_TEXT, WATCH_AT(inbox), .required = 1, .check = check_inbox},
    {"relay", "priority", CONF_CHOICE, WATCH_AT(priority), .fallback = "normal",
        .choices = priority_choices},
    {0},
};

static void *
add_to(struct settings_watch **all, size_t *count, const char *name)
{
	struct settings_watch *grown = realloc(*all, (*count + 1) * sizeof *grown);
	struct settings_watch *watch;

	if (!grown)
		return NULL;
	*all = grown;
	watch = &grown[*count];
	memset(watch, 0, sizeof *watch);
	watch->name = strdup(name);
	if (!watch->name)
		return NULL;
	++*count;
	return watch;
}

static void *
at(struct settings_watch *all, size_t count, size_t i, const char **name)
{
	if (i >= count)
		return NULL;
	*name = all[i].name;
	return &all[i];
}

static void *
add_watch(void *target, const char *name)
{
	struct settings *settings = target;

	return add_to(&settings->watches, &settings->watch_count, name);
}

static void *
watch_at(const void *target, size_t i, const char **name)
{
	const struct settings *settings = target;

	return at(settings->watches, settings->watch_count, i, name);
}

static void *
add_relay(void *target, const char *name)
{
	struct settings *settings = target;

	return add_to(&settings->relays, &settings->relay_count, name);
}

static void *
relay_at(const void *target, size_t i, const char **name)
{
	const struct settings *settings = target;

	return at(settings->relays, settings->relay_count, i, name);
}

static const struct conf_named named[] = {
    {"watch", add_watch, watch_at, check_name, 0},
    {"relay", add_relay, relay_at, check_name, 0},
    {0},
};

const struct conf_schema settings_schema = {.keys = keys, .named = named};

/* Two sections of one folder would take each other's files. */
static int
check_folders(const char *path, const char *kind, const struct settings_watch *all, size_t count,
    const struct conf_report *report)
{
	char text[512];

	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < i; k++) {
			if (strcmp(all[i].folder, all[k].folder) != 0)
				continue;
			snprintf(text, sizeof text, "%s: [%s %s] folder is that of [%s %s] already",
			    path, kind, all[i].name, kind, all[k].name);
			report->error(report->ctx, text);
			return -1;
		}
	}
	return 0;
}

int
settings_read(const char *path, struct settings *settings, const struct conf_report *report)
{
	char text[512];

	memset(settings, 0, sizeof *settings);
	if (conf_read(path, &settings_schema, settings, report) < 0)
		return -1;
	if (settings->retry_max < settings->retry_min) {
		snprintf(text, sizeof text, "%s: [server] retry-max is below retry-min", path);
		report->error(report->ctx, text);
		return -1;
	}
	if (settings->bandwidth > 0 && settings->bandwidth < SETTINGS_BANDWIDTH_MIN) {
		snprintf(text, sizeof text,
		    "%s: [server] bandwidth is below 4K a second, which receivers give up on "
		    "(0: no bound)", path);
		report->error(report->ctx, text);
		return -1;
	}
	if (check_folders(path, "watch", settings->watches, settings->watch_count, report) < 0)
		return -1;
	return check_folders(path, "relay", settings->relays, settings->relay_count, report);
}

static void
free_all(struct settings_watch **all, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		free((*all)[i].name);
	free(*all);
	*all = NULL;
	*count = 0;
}

void
settings_free(struct settings *settings)
{
	conf_free(&settings_schema, settings);
	free_all(&settings->watches, &settings->watch_count);
	free_all(&settings->relays, &settings->relay_count);
}

int
settings_watch_only(struct settings *settings, const char *folder, const char *inbox)
{
	const struct conf_named *kind = conf_named_find(&settings_schema, "watch");
	struct settings_watch *watch;

	for (size_t i = 0; i < settings->watch_count; i++)
		conf_free_named(&settings_schema, kind, &settings->watches[i]);
	free_all(&settings->watches, &settings->watch_count);
	watch = conf_add(&settings_schema, kind, settings, "DIR");
	if (!watch)
		return -1;
	watch->folder = strdup(folder);
	watch->inbox = strdup(inbox);
	return watch->folder && watch->inbox ? 0 : -1;
}
