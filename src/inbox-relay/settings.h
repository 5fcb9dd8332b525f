/* SPDX-License-Identifier: ISC */
/* inbox-relay.conf: inbox-relay(8) says what each key means. */
#ifndef INBOX_RELAY_SETTINGS_H
#define INBOX_RELAY_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/conf.h"
#include "lib/conf_rows.h"

#define SETTINGS_DEFAULT SYSCONFDIR "/inbox-relay.conf"

/* What an administrator vouches for, as an engine cannot be asked, or would be refused for it. */
#define TRUST_SYNC_ALWAYS "sync-always"
#define TRUST_FULL_PAGES "full-page-writes"
#define TRUST_MAX_AGE "max-age"

struct settings_inbox {
	char *name, *folder, *root; /* root: its id; NULL: the file beside the folder has it */
};

struct settings {
	int type;         /* the index into engine_names */
	uint64_t timeout; /* seconds */
	uint64_t item;    /* bytes */
	struct conf_list trust;
	char *connection, *table;                             /* [postgresql] */
	struct conf_list servers;                             /* [nats] */
	char *stream, *subject, *credentials, *ca, *certificate, *key;
	struct settings_inbox *inboxes;
	size_t inbox_count;
	struct conf_log log;
};

extern const struct conf_schema settings_schema;

/* Reads the file into *settings, which is to be freed in any case.  0, or -1 once each error was
 * reported. */
MUST_CHECK int settings_read(const char *path, struct settings *settings,
    const struct conf_report *report);
void settings_free(struct settings *settings);

/* Does the administrator vouch for it? */
int settings_trust(const struct settings *settings, const char *what);

#endif
