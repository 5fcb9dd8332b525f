/* SPDX-License-Identifier: ISC */
#include "inboxq/loaded.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxq/base/order.h"
#include "lib/conf_log.h"
#include "lib/proto.h"
#include "lib/why.h"

struct tls *
loaded_tls(const struct settings *settings, struct why *error)
{
	static const char *const alpn[] = {PROTO_ALPN, NULL};
	const struct conf_tls *from = &settings->tls;
	struct tls_settings tls = {.alpn = alpn, .certificate = from->certificate,
	    .key = from->key, .ca = from->ca, .crl = from->crl, .tls12 = from->minimum};

	return tls_new(&tls, error);
}

struct servers *
loaded_servers(const struct settings *settings, const struct tls *tls)
{
	char identity[IDENTITY_MAX + 1], **names;
	struct servers *servers = NULL;

	tls_own_identity(tls, identity);
	names = order_words(&settings->servers, (enum order_way)settings->order, identity);
	if (names)
		servers = servers_new(names, settings->servers.count, settings->retry_min,
		    settings->retry_max);
	free(names);
	return servers;
}

void
loaded_free(struct loaded *loaded)
{
	if (!loaded)
		return;
	tls_unref(loaded->tls);
	servers_free(loaded->servers);
	settings_free(&loaded->settings);
	free(loaded);
}

struct loaded *
loaded_read(const char *config, const struct settings *now, struct why *reason)
{
	const struct conf_report report = conf_log(reason);
	struct loaded *loaded = calloc(1, sizeof *loaded);

	if (!loaded)
		goto no_memory;
	/* The spool is open and locked: that one stays. */
	if (settings_read(config, &loaded->settings, &report) < 0 ||
	    conf_changed(&settings_schema, now, &loaded->settings, &report) > 0)
		goto fail;
	loaded->tls = loaded_tls(&loaded->settings, reason);
	if (!loaded->tls)
		goto fail;
	loaded->servers = loaded_servers(&loaded->settings, loaded->tls);
	if (loaded->servers)
		return loaded;
no_memory:
	why_say(reason, "%s", strerror(ENOMEM));
fail:
	loaded_free(loaded);
	return NULL;
}
