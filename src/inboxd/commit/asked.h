/* SPDX-License-Identifier: ISC */
/* What sessions, the status pages and main ask of the books: which request is for which of them. */
#ifndef INBOXD_COMMIT_ASKED_H
#define INBOXD_COMMIT_ASKED_H

#include "inboxd/commit/books.h"
#include "inboxd/commit/request.h"

/* Fills in the answer.  Of other kinds than these there is nothing to do. */
void asked_answer(struct books *books, struct request *request);

#endif
