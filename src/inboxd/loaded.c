/* SPDX-License-Identifier: ISC */
#include "inboxd/loaded.h"

#include <stddef.h>

#include "inboxd/base/dropped.h"
#include "inboxd/base/site.h"
#include "inboxd/fronts.h"
#include "lib/log.h"

static void
log_error(void *ctx, const char *message)
{
	(void)ctx;
	log_event(LOG_ERR, "config_error", "note=\"%s\"", message);
}

struct site *
loaded_read(const char *config, const struct site *old, int root)
{
	static const struct conf_report report = {log_error, NULL};
	char error[SITE_ERROR_ROOM];
	struct settings *settings = settings_load(config, &report);
	struct site *site;
	int code;

	if (!settings)
		return NULL;
	/* Keys that need a restart must be as they were. */
	if (conf_changed(&settings_schema, old->settings, settings, &report) != 0) {
		settings_free(settings);
		return NULL;
	}
	site = site_new(settings, root, fronts_alpn(), &code, error);
	if (!site || site_try(site, error) < 0) {
		log_error(NULL, error);
		site_unref(site);
		return NULL;
	}
	site_succeed(site, old);
	dropped_warn(root, site, old);
	return site;
}
