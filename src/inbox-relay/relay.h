/* SPDX-License-Identifier: ISC */
/*
 * From inboxes into an engine, a batch at a time:
 *
 *	in new/ -> claimed, in cur/ -> given -> the engine has it -> deleted
 *	                 ^                |
 *	                 +-- no answer ---+
 *
 * Whatever ends us on the way, an item stands in cur/ until the engine has said that it has it, and
 * so the worst that comes of it is that it is given again, under the same key.
 */
#ifndef INBOX_RELAY_RELAY_H
#define INBOX_RELAY_RELAY_H

#include "inbox-relay/settings.h"
#include "lib/attr.h"

/* Until a signal stops it; `once`: until there is nothing left to take.  An exit code. */
MUST_CHECK int relay_run(const struct settings *settings, int once);

/* What a start would find, told on standard error where it is not fine.  An exit code. */
MUST_CHECK int relay_check(const struct settings *settings);

#endif
