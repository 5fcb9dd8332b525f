/* SPDX-License-Identifier: ISC */
/*
 * What may be asked to be done by POST: a row a path, with the fields that its body may have, as a
 * form (identity=... queue=... force=1).  Who has it done answers by status_done(), with a code of
 * HTTP.  Root and the receiver's own user may, and nobody else.  Pure.
 *
 * To add one: a kind, its row in wish.c, its function in inboxd/answers.c, and inboxd(8).
 */
#ifndef INBOXD_STATUS_WISH_H
#define INBOXD_STATUS_WISH_H

#include <stdint.h>

#include "inboxd/base/inflow.h"
#include "inboxd/commit/view.h"
#include "lib/attr.h"
#include "lib/why.h"

enum wish_kind { WISH_FORGET, WISH_GAP, WISH_PAUSE, WISH_RESUME, WISH_KINDS };

#define WISH_NUMBER_ROOM 20

/* The fields that are not there are "" and 0. */
struct wish {
	enum wish_kind kind;
	uint64_t uid; /* who asks: status.c */
	struct forget_wish forget; /* identity, queue, force */
	char inbox[PROTO_INBOX_MAX + 1], reason[PAUSE_REASON_ROOM];
	char first[WISH_NUMBER_ROOM], last[WISH_NUMBER_ROOM]; /* digits */
};

struct wish_row {
	const char *path;
	const char *takes; /* its fields, each with a blank behind it; those that it wants first */
	unsigned wants;    /* so many have to be there */
	const char *late;  /* what to say where the answer does not come in time */
};
extern const struct wish_row wish_rows[WISH_KINDS];

/* The kind that is asked at this path; WISH_KINDS: none. */
enum wish_kind wish_find(const char *path);

/* 0; or -1, and `why` says what is wrong with it. */
MUST_CHECK int wish_read(enum wish_kind kind, const char *body, struct wish *out, struct why *why);

/* The code of HTTP for the answer, and a line for people in `text` where it is not 200. */
int wish_tell_forgotten(const struct forget_answer *answer, struct why *text);
int wish_tell_confirmed(const struct confirm_answer *answer, struct why *text);

#endif
