/* SPDX-License-Identifier: ISC */
#include "inboxd/loaded.h"

#include <stdio.h>

#include "inboxd/base/dropped.h"
#include "inboxd/base/site.h"
#include "inboxd/fronts.h"
#include "lib/log.h"

/* A file's errors each have a line; the first is the reload's reason. */
static void
on_error(void *ctx, const char *message)
{
	struct why *reason = ctx;

	log_event(LOG_ERR, "config_error", "note=\"%s\"", message);
	if (!reason->text[0])
		why_say(reason, "%s", message);
}

struct site *
loaded_read(const char *config, const struct site *old, int root,
    struct why *reason)
{
	const struct conf_report report = {on_error, reason};
	struct why error;
	struct settings *settings;
	struct site *site;
	int code;

	reason->text[0] = '\0';
	settings = settings_load(config, &report);
	if (!settings)
		return NULL;
	/* Keys that need a restart must be as they were. */
	if (conf_changed(&settings_schema, old->settings, settings, &report) != 0) {
		settings_free(settings);
		return NULL;
	}
	site = site_new(settings, root, fronts_alpn(), &code, &error);
	if (!site) {
		on_error(reason, error.text);
		return NULL;
	}
	site_succeed(site, old);
	dropped_warn(root, site, old);
	return site;
}
