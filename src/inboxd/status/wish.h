/* SPDX-License-Identifier: ISC */
/*
 * POST /forget, in words: what its body asks, as a form (identity=... queue=... force=1), and what
 * is answered where it was not done.  Pure.
 */
#ifndef INBOXD_STATUS_WISH_H
#define INBOXD_STATUS_WISH_H

#include "inboxd/commit/view.h"
#include "lib/attr.h"
#include "lib/why.h"

/* 0; or -1, and `why` says what is wrong with it. */
MUST_CHECK int wish_read(const char *body, struct forget_wish *out, struct why *why);

/* The code of HTTP for the answer, and a line for people in `text` where it is not 200. */
int wish_tell(const struct forget_answer *answer, struct why *text);

#endif
