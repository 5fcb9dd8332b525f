/* SPDX-License-Identifier: ISC */
/* The table of inboxq.conf's keys, and the checks that a type alone cannot make. */
#include "inboxq/base/settings.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "inboxq/base/server.h"
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

#define AT(field) offsetof(struct settings, field)

static const struct conf_key keys[] = {
    {"queue", "spool", CONF_PATH, AT(spool), .fallback = LOCALSTATEDIR "/spool/inboxq",
        .restart = 1},
    {"queue", "offer-again", CONF_SECONDS, AT(offer_again), .fallback = "1d", .max = 31536000},
    {"queue", "items", CONF_NUMBER, AT(items), .fallback = "0"},
    {"queue", "bytes", CONF_SIZE, AT(bytes), .fallback = "0"},
    {"server", "servers", CONF_LIST, AT(servers), .required = 1, .judge = judge_server},
    {"server", "connect-timeout", CONF_SECONDS, AT(connect_timeout), .fallback = "15s", .min = 1,
        .max = 3600},
    {"server", "timeout", CONF_SECONDS, AT(timeout), .fallback = "60s", .min = 1, .max = 86400},
    {"server", "retry-min", CONF_SECONDS, AT(retry_min), .fallback = "5s", .min = 1, .max = 86400},
    {"server", "retry-max", CONF_SECONDS, AT(retry_max), .fallback = "15m", .min = 1,
        .max = 604800},
    CONF_TLS_ROWS(AT(tls)),
    CONF_LOG_ROWS(AT(log), 0),
    {0},
};

const struct conf_schema settings_schema = {.keys = keys};

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
	return 0;
}

void
settings_free(struct settings *settings)
{
	conf_free(&settings_schema, settings);
}
