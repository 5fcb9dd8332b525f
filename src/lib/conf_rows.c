/* SPDX-License-Identifier: ISC */
#include "lib/conf_rows.h"

#include <syslog.h>

const char *const conf_minimum_choices[] = {"1.3", "1.2", NULL};
const char *const conf_level_choices[] = {"error", "warning", "notice", "info", "debug", NULL};
const char *const conf_format_choices[] = {"auto", "journal", "plain", NULL};

int
conf_log_level(const struct conf_log *log)
{
	static const int levels[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};

	return levels[log->level];
}
