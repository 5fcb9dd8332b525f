/* SPDX-License-Identifier: ISC */
/* /inboxes as a table, and how an inbox is, in a word. */
#ifndef INBOXCTL_SCREENS_SHOW_INBOXES_H
#define INBOXCTL_SCREENS_SHOW_INBOXES_H

#include "inboxctl/pages/show.h"
#include "lib/terminal.h"

/* The worst first. */
enum inbox_state { INBOX_UNREAD, INBOX_FULL, INBOX_PAUSED, INBOX_OK, INBOX_STATES };

struct inbox_word {
	const char *word;
	enum tint tint;
};
extern const struct inbox_word inbox_words[INBOX_STATES];

/* By an element of /inboxes. */
enum inbox_state inbox_state_of(const struct json_t *inbox);

show_fn show_inboxes;

/* Its two parts: a sentence for each that takes nothing, of `receiver`, if that is not NULL; and
 * a row for each of the array `list`, those first, its times told at `now`, or at its own "now".
 * `head` is of a column for its "receiver"; NULL: there is none. */
void show_inboxes_closed(const struct json_t *page, const char *receiver,
    const struct showing *showing);
MUST_CHECK int show_inboxes_table(const struct json_t *list, int64_t now, const char *head,
    const struct showing *showing, struct why *why);

#endif
