/* SPDX-License-Identifier: ISC */
/* As a mark: "LOW HIGH UNTIL HOLDER". */
#include "inboxq/spool/held.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "inboxq/spool/mark.h"
#include "inboxq/spool/spool.h"
#include "lib/parse.h"
#include "lib/proto.h"

_Static_assert(3 * 21 + HELD_HOLDER_ROOM <= MARK_TEXT, "it fits a mark");

void
held_set_holder(struct held *held, const char *holder)
{
	size_t len = strlen(holder), id = PROTO_ID_LEN + 1;

	if (len < sizeof held->holder)
		memcpy(held->holder, holder, len + 1);
	else if (holder[len - id] == '/')
		snprintf(held->holder, sizeof held->holder, "%.*s%s",
		    (int)(sizeof held->holder - 1 - id), holder, holder + len - id);
	else
		*held = (struct held){0};
}

/* The next number of *text, and the blank behind it. */
static int
take_number(const char **text, uint64_t *number)
{
	size_t len = strcspn(*text, " ");

	if ((*text)[len] != ' ' || parse_u64(*text, len, INT64_MAX, number) < 0)
		return -1;
	*text += len + 1;
	return 0;
}

int
held_read(const struct spool *spool, struct held *held)
{
	char text[MARK_TEXT];
	const char *at = text;

	*held = (struct held){0};
	if (mark_read(spool_folder(spool, SPOOL_TOP), HELD_NAME, text) < 0)
		return -1;
	if (take_number(&at, &held->low) == 0 && take_number(&at, &held->high) == 0 &&
	    take_number(&at, &held->until) == 0 && strlen(at) < sizeof held->holder) {
		strcpy(held->holder, at);
		return 0;
	}
	*held = (struct held){0};
	errno = EILSEQ;
	return -1;
}

int
held_write(const struct spool *spool, const struct held *held)
{
	char text[MARK_TEXT];

	snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %s", held->low, held->high,
	    held->until, held->low ? held->holder : "-");
	return mark_write(spool_folder(spool, SPOOL_TOP), HELD_NAME, text);
}
