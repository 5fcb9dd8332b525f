/* SPDX-License-Identifier: ISC */
/* Errors of a configuration that is read while the program runs, for a reload. */
#ifndef LIB_CONF_LOG_H
#define LIB_CONF_LOG_H

#include "lib/conf.h"
#include "lib/why.h"

/* Each goes to the log; the first stands in *reason as well, which is "" until then.  Borrowed. */
struct conf_report conf_log(struct why *reason);

#endif
