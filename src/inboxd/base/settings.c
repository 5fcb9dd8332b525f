/* SPDX-License-Identifier: ISC */
#include "inboxd/base/settings.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "lib/name.h"
#include "lib/parse.h"
#include "lib/proto.h"

static const char *const sync_choices[] = {"files", "filesystem", NULL};
static const char *const identity_choices[] = {"san", "cn", NULL};
static const char *const minimum_choices[] = {"1.3", "1.2", NULL};
static const char *const level_choices[] = {"error", "warning", "notice", "info", "debug", NULL};
static const char *const format_choices[] = {"auto", "journal", "plain", NULL};

static const char *
check_host(const char *value)
{
	return is_plain_name(value, strlen(value), 255)
	    ? NULL
	    : "1 to 255 letters, digits, '.', '-' or '_', a letter or digit first";
}

static const char *
check_listen(const char *value)
{
	const char *colon = strrchr(value, ':');
	uint64_t port;

	if (colon && colon > value && parse_u64(colon + 1, strlen(colon + 1), 65535, &port) == 0)
		return NULL;
	return "ADDRESS:PORT, for example 192.0.2.1:7117, [::1]:7117 or *:7117";
}

static const char *
check_suffix(const char *value)
{
	size_t len = strlen(value);

	for (size_t i = 0; i < len; i++) {
		if (!is_plain_name(&value[i], 1, 1) && !strchr(".-_", value[i]))
			len = NAME_SUFFIX_MAX + 1;
	}
	return len <= NAME_SUFFIX_MAX ? NULL : "up to 32 letters, digits, '.', '-' or '_'";
}

static const char *
check_mode(const char *value)
{
	size_t len = strlen(value);

	if ((len == 3 || (len == 4 && value[0] == '0')) && strspn(value, "01234567") == len)
		return NULL;
	return "an octal file mode, for example 0660";
}

static const char *
check_inbox(const char *name)
{
	if (strcmp(name, "ledger") == 0 || strcmp(name, "lock") == 0)
		return "another name: the receiver itself uses \"ledger\" and \"lock\"";
	return is_plain_name(name, strlen(name), PROTO_INBOX_MAX)
	    ? NULL
	    : "1 to 64 letters, digits, '.', '-' or '_', a letter or digit first";
}

#define AT(member) offsetof(struct settings, member)
#define INBOX_AT(member) offsetof(struct inbox_settings, member)
#define TEBI (UINT64_C(1) << 40)
#define YEAR (UINT64_C(365) * 86400)

/* section, key, type, where, fallback, required, min, max, choices, check, restart */
static const struct conf_key keys[] = {
    {"receiver", "listen", CONF_LIST, AT(listen), "*:7117", 0, 0, 0, NULL, check_listen, 1},
    {"receiver", "host", CONF_TEXT, AT(host), NULL, 0, 0, 0, NULL, check_host, 1},
    {"receiver", "root", CONF_PATH, AT(root), LOCALSTATEDIR "/lib/inboxd", 0, 0, 0, NULL, NULL, 1},
    {"receiver", "workers", CONF_NUMBER, AT(workers), "0", 0, 0, 64, NULL, NULL, 1},
    {"receiver", "sync", CONF_CHOICE, AT(sync), "files", 0, 0, 0, sync_choices, NULL, 1},
    {"receiver", "drain", CONF_SECONDS, AT(drain), "30s", 0, 1, 3600, NULL, NULL, 0},
    {"receiver", "ledger-size", CONF_SIZE, AT(ledger_size), "64M", 0, 65536, TEBI, NULL, NULL, 1},
    {"receiver", "ledger-days", CONF_NUMBER, AT(ledger_days), "90", 0, 1, 36500, NULL, NULL, 1},
    {"tls", "certificate", CONF_PATH, AT(certificate), NULL, 1, 0, 0, NULL, NULL, 0},
    {"tls", "key", CONF_PATH, AT(key), NULL, 1, 0, 0, NULL, NULL, 0},
    {"tls", "ca", CONF_PATH, AT(ca), NULL, 1, 0, 0, NULL, NULL, 0},
    {"tls", "crl", CONF_PATH, AT(crl), NULL, 0, 0, 0, NULL, NULL, 0},
    {"tls", "identity", CONF_CHOICE, AT(identity), "san", 0, 0, 0, identity_choices, NULL, 0},
    {"tls", "minimum", CONF_CHOICE, AT(minimum), "1.3", 0, 0, 0, minimum_choices, NULL, 0},
    {"limits", "connections", CONF_NUMBER, AT(connections), "10000", 0, 1, 1000000, NULL, NULL, 0},
    {"limits", "window", CONF_NUMBER, AT(window), "1024", 0, 1, 65536, NULL, NULL, 0},
    {"limits", "bytes", CONF_SIZE, AT(bytes), "64M", 0, 1024, TEBI, NULL, NULL, 0},
    {"limits", "inline", CONF_SIZE, AT(inline_size), "1M", 0, 1024, 1024 * TEBI, NULL, NULL, 0},
    {"limits", "item", CONF_SIZE, AT(item), "1G", 0, 1, 1024 * TEBI, NULL, NULL, 0},
    {"limits", "queue", CONF_NUMBER, AT(queue), "4096", 0, 64, 1000000, NULL, NULL, 1},
    {"limits", "idle", CONF_SECONDS, AT(idle), "5m", 0, 1, 86400, NULL, NULL, 0},
    {"limits", "hello", CONF_SECONDS, AT(hello), "30s", 0, 1, 3600, NULL, NULL, 0},
    {"limits", "partial", CONF_SECONDS, AT(partial), "7d", 0, 60, YEAR, NULL, NULL, 0},
    {"limits", "unsettled", CONF_NUMBER, AT(unsettled), "100000", 0, 1, 100000000, NULL, NULL, 1},
    {"limits", "queues", CONF_NUMBER, AT(queues), "200000", 0, 1, 100000000, NULL, NULL, 1},
    {"limits", "reserve", CONF_SIZE, AT(reserve), "64M", 0, 0, 1024 * TEBI, NULL, NULL, 0},
    {"limits", "reserve-large", CONF_SIZE, AT(reserve_large), "256M", 0, 0, 1024 * TEBI, NULL,
        NULL, 0},
    {"limits", "reserve-inodes", CONF_NUMBER, AT(reserve_inodes), "1000", 0, 0, 1000000000, NULL,
        NULL, 0},
    {"status", "socket", CONF_PATH, AT(socket), RUNSTATEDIR "/inboxd/status.sock", 0, 0, 0, NULL,
        NULL, 1},
    {"status", "mode", CONF_TEXT, AT(mode), "0660", 0, 0, 0, NULL, check_mode, 1},
    {"log", "level", CONF_CHOICE, AT(level), "info", 0, 0, 0, level_choices, NULL, 0},
    {"log", "format", CONF_CHOICE, AT(format), "auto", 0, 0, 0, format_choices, NULL, 1},
    {"inbox", "size", CONF_SIZE, INBOX_AT(size), "0", 0, 0, 1024 * TEBI, NULL, NULL, 0},
    {"inbox", "suffix", CONF_TEXT, INBOX_AT(suffix), "", 0, 0, 0, NULL, check_suffix, 0},
    {"inbox", "clients", CONF_LIST, INBOX_AT(clients), "*", 0, 0, 0, NULL, NULL, 0},
    {0},
};

static void *
add_inbox(void *target, const char *name)
{
	struct settings *settings = target;
	struct inbox_settings *grown =
	    realloc(settings->inboxes, (settings->inbox_count + 1) * sizeof *grown);
	struct inbox_settings *inbox;

	if (!grown)
		return NULL;
	settings->inboxes = grown;
	inbox = &grown[settings->inbox_count];
	memset(inbox, 0, sizeof *inbox);
	inbox->name = strdup(name);
	if (!inbox->name)
		return NULL;
	settings->inbox_count++;
	return inbox;
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

static const struct conf_named named = {"inbox", add_inbox, inbox_at, check_inbox, 1};

const struct conf_schema settings_schema = {keys, &named};

struct settings *
settings_load(const char *path, const struct conf_report *report)
{
	struct settings *settings = calloc(1, sizeof *settings);

	if (!settings) {
		report->error(report->ctx, "out of memory");
		return NULL;
	}
	if (conf_read(path, &settings_schema, settings, report) == 0)
		return settings;
	settings_free(settings);
	return NULL;
}

void
settings_free(struct settings *settings)
{
	if (!settings)
		return;
	conf_free(&settings_schema, settings);
	for (size_t i = 0; i < settings->inbox_count; i++)
		free(settings->inboxes[i].name);
	free(settings->inboxes);
	free(settings);
}

int
settings_log_level(const struct settings *settings)
{
	static const int levels[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};

	return levels[settings->level];
}

unsigned
settings_socket_mode(const struct settings *settings)
{
	return (unsigned)strtoul(settings->mode, NULL, 8);
}
