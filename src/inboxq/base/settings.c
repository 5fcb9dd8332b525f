/* SPDX-License-Identifier: ISC */
/* The table of inboxq.conf's keys, and the checks that a type alone cannot make. */
#include "inboxq/base/settings.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/parse.h"

int
settings_split_server(const char *server, char host[SETTINGS_HOST_ROOM], char port[8])
{
	const char *at = server, *end = server + strcspn(server, ":");
	uint64_t number;
	size_t len;

	if (*server == '[') {
		at = server + 1;
		end = strchr(at, ']');
		if (!end)
			return -1;
	}
	len = (size_t)(end - at);
	if (len == 0 || len >= SETTINGS_HOST_ROOM)
		return -1;
	if (*server != '[' && !is_plain_name(at, len, SETTINGS_HOST_ROOM - 1))
		return -1;
	memcpy(host, at, len);
	host[len] = '\0';
	if (strstr(host, "..")) /* no name has an empty part */
		return -1;
	end += *server == '[';
	if (*end == '\0') {
		strcpy(port, SETTINGS_PORT);
		return 0;
	}
	if (*end != ':' || parse_u64(end + 1, strlen(end + 1), 65535, &number) < 0 || number == 0)
		return -1;
	strcpy(port, end + 1);
	return 0;
}

static const char *
check_server(const char *value)
{
	char host[SETTINGS_HOST_ROOM], port[8];

	return settings_split_server(value, host, port) == 0
	    ? NULL
	    : "HOST, HOST:PORT or [ADDRESS]:PORT, with PORT 1 to 65535";
}

#define AT(field) offsetof(struct settings, field)

static const struct conf_key keys[] = {
    {"queue", "spool", CONF_PATH, AT(spool), .fallback = LOCALSTATEDIR "/spool/inboxq",
        .restart = 1},
    {"queue", "offer-again", CONF_SECONDS, AT(offer_again), .fallback = "1d", .max = 31536000},
    {"server", "servers", CONF_LIST, AT(servers), .required = 1, .check = check_server},
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
