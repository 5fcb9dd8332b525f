/* SPDX-License-Identifier: ISC */
#include "inboxd/base/settings.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/journal.h"
#include "lib/name.h"
#include "lib/network.h"
#include "lib/parse.h"
#include "lib/proto.h"

static const char *const sync_choices[] = {
#define X(value, word) #word,
    SETTINGS_SYNCS(X) NULL,
#undef X
};
static const char *const sandbox_choices[] = {"auto", "off", "require", NULL};
static const char *const meta_choices[] = {"none", "xattr", "json", NULL};
static const char *const identity_choices[] = {"san", "cn", NULL};

static const char *
check_host(const char *value)
{
	return is_plain_name(value, strlen(value), 255)
	    ? NULL
	    : "1 to 255 letters, digits, '.', '-' or '_', a letter or digit first";
}

static const char *
check_id(const char *value)
{
	return is_hex(value, strlen(value), PROTO_ID_LEN)
	    ? NULL
	    : "32 digits of lower-case hexadecimal: those in the root's file id";
}

static const char *
check_listen(const char *value)
{
	const char *colon = strrchr(value, ':');
	uint64_t port;

	/* An address of IPv6 has colons of its own: only in brackets is it told from a port. */
	if (colon && colon > value && (value[0] == '[') == (colon[-1] == ']') &&
	    (value[0] == '[' || !memchr(value, ':', (size_t)(colon - value))) &&
	    parse_u64(colon + 1, strlen(colon + 1), 65535, &port) == 0)
		return NULL;
	return "ADDRESS:PORT, for example 192.0.2.1:7117, [::1]:7117 or *:7117";
}

/* An address as it stands, so that nobody opens more than he has written. */
static const char *
check_web(const char *value)
{
	const char *wrong = check_listen(value), *colon = strrchr(value, ':');
	size_t brackets = value[0] == '[', len;
	struct network network;
	char address[64];

	if (!wrong) {
		len = (size_t)(colon - value) - 2 * brackets;
		if (len < sizeof address) {
			memcpy(address, value + brackets, len);
			address[len] = '\0';
			if (!strchr(address, '/') && network_parse(address, &network) == 0)
				return NULL;
		}
	}
	return "an address itself with a port, for example 127.0.0.1:7119 or [::1]:7119";
}

static const char *
check_proxy(const char *value)
{
	struct network network;

	return network_parse(value, &network) == 0
	    ? NULL
	    : "addresses or networks, for example 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32";
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
check_expected(const char *value)
{
	return value[0] == '/' ? NULL : "absolute paths of files, or patterns of them such as "
	                                "/etc/inboxd/clients/*.list";
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
check_group(const char *name)
{
	errno = 0;
	if (getgrnam(name))
		return NULL;
	/* inboxd/confine.h: they are within reach where an inbox had one at the start. */
	return errno == EACCES
	    ? "a restart: the sandbox keeps the groups out of reach until an inbox has one"
	    : "the name of a group of this system";
}

static const char *
check_inbox(const char *name)
{
	if (strcmp(name, "ledger") == 0 || strcmp(name, JOURNAL_FOLDER) == 0 ||
	    strcmp(name, "lock") == 0 || strcmp(name, "id") == 0 || strcmp(name, "paused") == 0)
		return "another name: the receiver itself uses \"ledger\", \"journal\", \"lock\", "
		       "\"id\" and \"paused\"";
	return is_plain_name(name, strlen(name), PROTO_INBOX_MAX)
	    ? NULL
	    : "1 to 64 letters, digits, '.', '-' or '_', a letter or digit first";
}

#define AT(member) offsetof(struct settings, member)
#define INBOX_AT(member) offsetof(struct inbox_settings, member)
#define TEBI (UINT64_C(1) << 40)
#define YEAR (UINT64_C(365) * 86400)

static const struct conf_key keys[] = {
    {"receiver", "listen", CONF_LIST, AT(listen), .fallback = "*:7117", .check = check_listen,
        .restart = 1},
    {"receiver", "listen-proxy", CONF_LIST, AT(listen_proxy), .fallback = "",
        .check = check_listen, .restart = 1},
    {"receiver", "proxies", CONF_LIST, AT(proxies), .fallback = "", .check = check_proxy},
    {"receiver", "host", CONF_TEXT, AT(host), .check = check_host, .restart = 1},
    CONF_ROOT_ROWS(AT(root)),
    {"receiver", "id", CONF_TEXT, AT(id), .check = check_id, .restart = 1},
    {"receiver", "workers", CONF_NUMBER, AT(workers), .fallback = "0", .max = 64, .restart = 1},
    {"receiver", "sync", CONF_CHOICE, AT(sync), .fallback = "auto", .choices = sync_choices,
        .restart = 1},
    {"receiver", "sandbox", CONF_CHOICE, AT(sandbox), .fallback = "auto",
        .choices = sandbox_choices, .restart = 1},
    {"receiver", "drain", CONF_SECONDS, AT(drain), .fallback = "30s", .min = 1, .max = 3600},
    {"receiver", "journal", CONF_SIZE, AT(journal), .fallback = "64M",
        .min = JOURNAL_SEGMENTS_MIN * JOURNAL_SEGMENT,
        .max = (uint64_t)JOURNAL_SEGMENTS_MAX * JOURNAL_SEGMENT, .restart = 1},
    {"receiver", "ledger-size", CONF_SIZE, AT(ledger_size), .fallback = "64M", .min = 65536,
        .max = TEBI, .restart = 1},
    {"receiver", "ledger-days", CONF_NUMBER, AT(ledger_days), .fallback = "90", .min = 1,
        .max = 36500, .restart = 1},
    CONF_TLS_ROWS(AT(tls)),
    {"tls", "identity", CONF_CHOICE, AT(identity), .fallback = "san", .choices = identity_choices},
    {"limits", "connections", CONF_NUMBER, AT(connections), .fallback = "10000", .min = 1,
        .max = 1000000},
    {"limits", "handshakes", CONF_NUMBER, AT(handshakes), .fallback = "512", .min = 1,
        .max = 1000000},
    {"limits", "address", CONF_NUMBER, AT(address), .fallback = "0", .max = 1000000},
    {"limits", "block", CONF_NUMBER, AT(block), .fallback = "0", .max = 1000000},
    {"limits", "window", CONF_NUMBER, AT(window), .fallback = "1024", .min = 1, .max = 65536},
    {"limits", "bytes", CONF_SIZE, AT(bytes), .fallback = "64M", .min = 1024, .max = TEBI},
    {"limits", "inline", CONF_SIZE, AT(inline_size), .fallback = "1M", .min = 1024,
        .max = 1024 * TEBI},
    {"limits", "item", CONF_SIZE, AT(item), .fallback = "1G", .min = 1, .max = 1024 * TEBI},
    {"limits", "queue", CONF_NUMBER, AT(queue), .fallback = "4096", .min = 64, .max = 1000000,
        .restart = 1},
    {"limits", "idle", CONF_SECONDS, AT(idle), .fallback = "5m", .min = 1, .max = 86400},
    {"limits", "hello", CONF_SECONDS, AT(hello), .fallback = "30s", .min = 1, .max = 3600},
    {"limits", "line", CONF_SECONDS, AT(line), .fallback = "30s", .min = 1, .max = 3600},
    {"limits", "rate", CONF_SIZE, AT(rate), .fallback = "1K", .max = TEBI},
    {"limits", "session", CONF_SECONDS, AT(session), .fallback = "1d", .min = 1, .max = YEAR},
    {"limits", "partial", CONF_SECONDS, AT(partial), .fallback = "7d", .min = 60, .max = YEAR},
    {"limits", "forgive", CONF_SECONDS, AT(forgive), .fallback = "1d", .max = YEAR},
    {"limits", "share", CONF_SIZE, AT(share), .fallback = "0", .max = 1024 * TEBI},
    {"limits", "client-connections", CONF_NUMBER, AT(client_connections), .fallback = "100",
        .min = 1, .max = 1000000},
    {"limits", "queues", CONF_NUMBER, AT(queues), .fallback = "200000", .min = 1, .max = 100000000},
    {"limits", "client-queues", CONF_NUMBER, AT(client_queues), .fallback = "1000", .min = 1,
        .max = 100000000},
    {"limits", "unsettled", CONF_NUMBER, AT(unsettled), .fallback = "100000", .min = 1,
        .max = 100000000},
    {"limits", "client-unsettled", CONF_NUMBER, AT(client_unsettled), .fallback = "1000000",
        .min = 1, .max = 1000000000},
    {"limits", "all-unsettled", CONF_NUMBER, AT(all_unsettled), .fallback = "5000000", .min = 1,
        .max = 1000000000},
    {"limits", "client-opens", CONF_NUMBER, AT(client_opens), .fallback = "64", .min = 1,
        .max = 1000000},
    {"limits", "all-opens", CONF_NUMBER, AT(all_opens), .fallback = "4096", .min = 1,
        .max = 1000000},
    {"limits", "forget", CONF_SECONDS, AT(forget), .fallback = "90d", .max = 100 * YEAR},
    {"limits", "reserve", CONF_SIZE, AT(reserve), .fallback = "64M", .max = 1024 * TEBI},
    {"limits", "reserve-large", CONF_SIZE, AT(reserve_large), .fallback = "256M",
        .max = 1024 * TEBI},
    {"limits", "reserve-inodes", CONF_NUMBER, AT(reserve_inodes), .fallback = "1000",
        .max = 1000000000},
    {"clients", "expected", CONF_LIST, AT(expected), .fallback = "", .check = check_expected},
    {"clients", "silent", CONF_SECONDS, AT(silent), .fallback = "1d", .max = 100 * YEAR},
    {"clients", "behind", CONF_SECONDS, AT(behind), .fallback = "1h", .max = 100 * YEAR},
    CONF_SOCKET_ROWS(AT(socket)),
    {"status", "mode", CONF_TEXT, AT(mode), .fallback = "0660", .check = check_mode, .restart = 1},
    {"status", "web", CONF_LIST, AT(web), .fallback = "", .check = check_web, .restart = 1},
    CONF_LOG_ROWS(AT(log), 1),
    {"inbox", "size", CONF_SIZE, INBOX_AT(size), .fallback = "0", .max = 1024 * TEBI},
    {"inbox", "waiting-items", CONF_NUMBER, INBOX_AT(waiting_items), .fallback = "0",
        .max = 1000000000},
    {"inbox", "waiting-bytes", CONF_SIZE, INBOX_AT(waiting_bytes), .fallback = "0",
        .max = 1024 * TEBI},
    {"inbox", "suffix", CONF_TEXT, INBOX_AT(suffix), .fallback = "", .check = check_suffix},
    {"inbox", "meta", CONF_CHOICE, INBOX_AT(meta), .fallback = "none", .choices = meta_choices},
    {"inbox", "group", CONF_TEXT, INBOX_AT(group), .check = check_group},
    {"inbox", "clients", CONF_LIST, INBOX_AT(clients), .fallback = "*"},
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

static const struct conf_named named[] = {{"inbox", add_inbox, inbox_at, check_inbox, 1}, {0}};

const struct conf_schema settings_schema = {.keys = keys, .named = named};

/* What the keys say together.  0, or -1 after an error was reported. */
static int
check_together(const char *path, const struct settings *settings,
    const struct conf_report *report)
{
	char message[4096 + 128]; /* a path, and what is wrong */
	const char *wrong = NULL;

	if (settings->listen.count == 0 && settings->listen_proxy.count == 0)
		wrong = "listen and listen-proxy name no address: want one in either";
	else if (settings->listen_proxy.count > 0 && settings->proxies.count == 0)
		wrong = "listen-proxy needs proxies: the addresses whose word is believed there";
	if (!wrong)
		return 0;
	snprintf(message, sizeof message, "%s: [receiver] %s", path, wrong);
	report->error(report->ctx, message);
	return -1;
}

struct settings *
settings_load(const char *path, const struct conf_report *report)
{
	struct settings *settings = calloc(1, sizeof *settings);

	if (!settings) {
		report->error(report->ctx, "out of memory");
		return NULL;
	}
	if (imprints_take(&settings->files, path) < 0)
		report->error(report->ctx, "out of memory or descriptors");
	else if (conf_read(path, &settings_schema, settings, report) == 0 &&
	    check_together(path, settings, report) == 0)
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
	imprints_free(&settings->files);
	for (size_t i = 0; i < settings->inbox_count; i++)
		free(settings->inboxes[i].name);
	free(settings->inboxes);
	free(settings);
}

unsigned
settings_socket_mode(const struct settings *settings)
{
	return (unsigned)strtoul(settings->mode, NULL, 8);
}
