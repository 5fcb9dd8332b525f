/* SPDX-License-Identifier: ISC */
/* The keys of inboxq.conf; inboxq(1), "CONFIGURATION" and conf/inboxq.conf
 * describe each.  The table in settings.c is all there is to know of them. */
#ifndef INBOXQ_BASE_SETTINGS_H
#define INBOXQ_BASE_SETTINGS_H

#include <stdint.h>

#include "lib/attr.h"
#include "lib/conf.h"
#include "lib/conf_rows.h"

#define SETTINGS_BANDWIDTH_MIN 4096 /* bytes a second: receivers give up on less */
#define SETTINGS_DEFAULT SYSCONFDIR "/inboxq.conf"

/* A section [watch NAME], a hot folder; or [relay NAME], the folder of an inbox, which has none of
 * what follows `priority`. */
struct settings_watch {
	char *name, *folder, *inbox;
	int priority;                 /* enum item_priority */
	uint64_t settle, after_close; /* seconds */
	struct conf_list ignore;      /* patterns, as fnmatch(3) */
};

struct settings {
	char *spool;
	uint64_t offer_again; /* seconds */
	uint64_t items, bytes; /* that may lie in the spool; 0: no bound */
	uint64_t sent_log;     /* bytes at which it is turned over */
	struct conf_list servers; /* server_parse() takes each of them */
	int order;                /* enum order_way (order.h) */
	uint64_t patience; /* seconds */
	uint64_t connect_timeout, timeout, retry_min, retry_max, report; /* seconds */
	uint64_t bandwidth; /* bytes a second; 0: no bound */
	struct conf_tls tls;
	struct conf_log log;
	struct settings_watch *watches, *relays;
	size_t watch_count, relay_count;
};

extern const struct conf_schema settings_schema;

/* Reads `path` into *settings; each error is reported.  0, or -1;
 * settings_free() either way. */
MUST_CHECK int settings_read(const char *path, struct settings *settings,
    const struct conf_report *report);
void settings_free(struct settings *settings);

/* In place of all sections [watch NAME] one for `folder`, with the defaults.  0, or -1: out of
 * memory. */
MUST_CHECK int settings_watch_only(struct settings *settings, const char *folder,
    const char *inbox);

#endif
