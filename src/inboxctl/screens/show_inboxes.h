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

#endif
