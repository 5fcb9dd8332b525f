/* SPDX-License-Identifier: ISC */
/* How the receiver is, in a line for "systemctl status": what is wrong first, then what it does. */
#ifndef INBOXD_SENTENCE_H
#define INBOXD_SENTENCE_H

#include <stdint.h>

#define SENTENCE_ROOM 512

enum sentence_state { SENTENCE_SERVING, SENTENCE_PAUSED, SENTENCE_DRAINING };

struct sentence {
	enum sentence_state state;
	const char *trouble; /* a sentence without its full stop; NULL: none */
	uint64_t connections, stored, in_flight, unpublished;
};

void sentence_print(const struct sentence *sentence, char text[SENTENCE_ROOM]);

#endif
