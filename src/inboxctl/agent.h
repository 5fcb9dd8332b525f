/* SPDX-License-Identifier: ISC */
/* inboxctl agent: a word for a load balancer. */
#ifndef INBOXCTL_AGENT_H
#define INBOXCTL_AGENT_H

#include "inboxctl/base/arguments.h"
#include "lib/attr.h"

/* Returns the exit code: EX_OK whatever the word, as long as it was said. */
MUST_CHECK int agent(const struct arguments *arguments);

#endif
