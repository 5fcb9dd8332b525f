/* SPDX-License-Identifier: ISC */
/*
 * An inbox whose items go on to a receiver further up: they are copied into the queue, `inboxq run`
 * sends them, and once sent.log says STORED, the item is deleted from new/, which is its claim
 * (inbox-spool(5)).
 *
 * The item's header and its line in sent.log say "claim=KEY name=NAME": NAME is that in new/, which
 * no other item ever has, KEY is made of the folder's path and NAME.  So whoever starts finds out
 * what was done, and there is nothing else to remember:
 *
 *	state    new/NAME  queue/ or failed/  sent.log  who finds it so
 *	waiting  is there  -                  -         copies it
 *	queued   is there  has it             -         waits for its end
 *	stored   is there  -, or has it       STORED    deletes it from new/
 *	done     -         -, or has it       STORED    has nothing to do
 *	removed  is there  -                  REMOVED   copies it anew: it is in new/
 *
 * Another consumer may take the item in any of these: then there is nothing to delete, and what is
 * in the queue goes up all the same.  A power cut may bring a deleted name back: that is "stored"
 * again.  Twice up there comes an item whose line in sent.log or whose copy is lost, with the spool
 * or with lines older than sent.log keeps, while new/NAME is there.
 *
 * Neither the disk nor the memory has to hold an inbox twice: so many items and bytes are on their
 * way at once; those that were set aside count for neither.
 *
 * Rejected: to rename items into cur/ first, from where whoever finds a dead consumer's items takes
 * them; a list of what was copied, which a crash can part from the queue.
 */
#ifndef INBOXQ_WATCH_RELAY_H
#define INBOXQ_WATCH_RELAY_H

#include "lib/attr.h"

struct settings_watch;
struct why;

/* Could it be served, by what can be seen without changing anything?  0, or -1 with the reason. */
MUST_CHECK int relay_check(const struct settings_watch *settings, struct why *why);

#endif
