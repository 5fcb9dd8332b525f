/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/sentence.h"

#include <inttypes.h>
#include <stdio.h>

#define COUNT_ROOM 24

static const char *const verbs[] = {
    [SENTENCE_SERVING] = "Serving",
    [SENTENCE_PAUSED] = "Paused, items are put off:",
    [SENTENCE_DRAINING] = "Stopping:",
};

/* A number as one reads it in passing: 812, 12.3k, 3.2M. */
static const char *
print_count(uint64_t count, char text[COUNT_ROOM])
{
	static const char units[] = "kMGTPE";
	uint64_t tenths;
	int unit = -1;

	if (count < 10000) {
		snprintf(text, COUNT_ROOM, "%" PRIu64, count);
		return text;
	}
	do {
		unit++;
		tenths = count / 100;
		count /= 1000;
	} while (count >= 1000);
	snprintf(text, COUNT_ROOM, "%" PRIu64 ".%" PRIu64 "%c", tenths / 10, tenths % 10,
	    units[unit]);
	return text;
}

void
sentence_print(const struct sentence *sentence, char text[SENTENCE_ROOM])
{
	char connections[COUNT_ROOM], stored[COUNT_ROOM], in_flight[COUNT_ROOM],
	    unpublished[COUNT_ROOM];

	snprintf(text, SENTENCE_ROOM,
	    "%s%s%s %s connection%s; %s item%s stored, %s in flight, %s waiting to be published",
	    sentence->trouble ? sentence->trouble : "", sentence->trouble ? ". " : "",
	    verbs[sentence->state], print_count(sentence->connections, connections),
	    sentence->connections == 1 ? "" : "s", print_count(sentence->stored, stored),
	    sentence->stored == 1 ? "" : "s", print_count(sentence->in_flight, in_flight),
	    print_count(sentence->unpublished, unpublished));
}
