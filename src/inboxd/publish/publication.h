/* SPDX-License-Identifier: ISC */
/* An item that was acknowledged, on its way to new/. */
#ifndef INBOXD_PUBLISH_PUBLICATION_H
#define INBOXD_PUBLISH_PUBLICATION_H

#include <stdint.h>

#include "inboxd/drafts/draft.h"
#include "lib/journal.h"

struct publication {
	struct publication *next;
	struct draft draft;         /* its own */
	struct journal_frame frame; /* seq, and where its bytes are if it carries them */
	uint64_t size;              /* of the item, bytes */
	int64_t acknowledged;       /* when, UTC microseconds */
	int64_t since;              /* likewise, monotonic microseconds */
	char *beside; /* what is to lie beside it in meta/, malloc'ed; NULL: nothing (beside.h) */
	int beside_fd; /* its file, -1: it is to be written; nothing where `beside` is NULL */
	/* The publisher's. */
	int is_lost; /* the draft has to be made anew, from the journal */
};

#endif
