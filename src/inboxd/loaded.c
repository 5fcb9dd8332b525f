/* SPDX-License-Identifier: ISC */
#include "inboxd/loaded.h"

#include <stdio.h>

#include "inboxd/base/dropped.h"
#include "inboxd/base/fatal.h"
#include "inboxd/base/site.h"
#include "inboxd/confine.h"
#include "inboxd/fronts.h"
#include "lib/conf_log.h"

struct site *
loaded_read(const char *config, const struct site *old, int root,
    const struct confine *confine, struct why *reason)
{
	const struct conf_report report = conf_log(reason);
	struct why error;
	struct settings *settings;
	struct site *site;
	int code;

	if (confine_allows_file(confine, config, &error) < 0) {
		report.error(report.ctx, error.text);
		return NULL;
	}
	settings = settings_load(config, &report);
	if (!settings)
		return NULL;
	/* Keys that need a restart must be as they were. */
	if (conf_changed(&settings_schema, old->settings, settings, &report) != 0) {
		settings_free(settings);
		return NULL;
	}
	if (confine_allows(confine, settings, &error) < 0) {
		report.error(report.ctx, error.text);
		settings_free(settings);
		return NULL;
	}
	site = site_new(settings, root, fronts_alpn(), &code, &error);
	if (!site && code == EX_IOERR)
		fatal(code, "filesystem_gone", "call=reload error=\"%s\"", error.text);
	if (!site) {
		report.error(report.ctx, error.text);
		return NULL;
	}
	site_succeed(site, old);
	dropped_warn(root, site, old);
	return site;
}
