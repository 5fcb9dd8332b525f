/* SPDX-License-Identifier: ISC */
/*
 * What inboxd.conf says, as a struct.  settings.c has the table with a row a
 * key; inboxd.conf(5) describes them.
 */
#ifndef INBOXD_BASE_SETTINGS_H
#define INBOXD_BASE_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/base/imprint.h"
#include "lib/conf.h"
#include "lib/conf_rows.h"

/* The ways to sync: the value, and its word. */
#define SETTINGS_SYNCS(X) \
	X(AUTO, auto)     \
	X(FILES, files)   \
	X(FILESYSTEM, filesystem)

enum settings_sync {
#define X(value, word) SYNC_##value,
	SETTINGS_SYNCS(X)
#undef X
};

/* Is the receiver shut in (inboxd/confine.h)?  Where the kernel can; not; or it does not start. */
enum settings_sandbox { CONFINE_AUTO, CONFINE_OFF, CONFINE_REQUIRE };

/* How are consumers told of an item beside it (inboxd/drafts/meta.h)? */
enum settings_meta { META_NONE, META_XATTR, META_JSON };

struct inbox_settings {
	char *name;
	uint64_t size; /* largest item, bytes; 0: as `item` */
	uint64_t waiting_items, waiting_bytes; /* that may wait; 0: no bound */
	char *suffix;
	int meta; /* enum settings_meta */
	char *group; /* may take items out; NULL: none */
	struct conf_list clients; /* globs on the identity */
};

struct settings {
	/* [receiver] */
	struct conf_list listen, listen_proxy;
	struct conf_list proxies; /* networks (lib/network.h) */
	char *host, *root;
	char *id; /* the root's; NULL: any */
	uint64_t workers;
	int sync; /* enum settings_sync */
	int sandbox; /* enum settings_sandbox */
	uint64_t drain, journal, ledger_size, ledger_days; /* bytes: journal, ledger_size */
	/* [tls] */
	struct conf_tls tls;
	int identity; /* enum identity_kind */
	/* [limits] */
	uint64_t connections, handshakes;
	uint64_t address, block; /* connections of one; 0: no bound */
	uint64_t line, session; /* seconds */
	uint64_t rate;          /* bytes a second; 0: no bound */
	uint64_t window, bytes, inline_size, item, queue, idle, hello, partial;
	uint64_t share; /* of what waits, bytes; 0: no bound */
	uint64_t client_connections, client_opens, all_opens;
	uint64_t queues, client_queues, unsettled, client_unsettled, all_unsettled;
	uint64_t forgive, forget, reserve, reserve_large, reserve_inodes;
	/* [clients] */
	struct conf_list expected; /* paths, or patterns of them */
	uint64_t silent, behind;   /* seconds; 0: never */
	/* [status] */
	char *socket, *mode;
	struct conf_list web;
	/* [log] */
	struct conf_log log;
	/* [inbox NAME] */
	struct inbox_settings *inboxes;
	size_t inbox_count;
	/* Not a key: what was read for it, the file itself first. */
	struct imprints files;
};

extern const struct conf_schema settings_schema;

/* Reads `path`; every error goes to `report`.  NULL after at least one. */
MUST_CHECK struct settings *settings_load(const char *path, const struct conf_report *report);
void settings_free(struct settings *settings);

/* The file mode that the key `mode` stands for. */
unsigned settings_socket_mode(const struct settings *settings);

#endif
