/* SPDX-License-Identifier: ISC */
/*
 * What several receivers answer, asked all at once.  One that does not is kept with the reason: it
 * is a part of the answer.
 */
#ifndef INBOXCTL_PAGES_ANSWERS_H
#define INBOXCTL_PAGES_ANSWERS_H

#include <stddef.h>
#include <stdint.h>

#include "inboxctl/base/receivers.h"
#include "inboxctl/pages/fetch.h"
#include "lib/attr.h"
#include "lib/why.h"

struct json_t;

/* What is said of one that waits for a root that is none of the others'. */
#define ANSWERS_WAITS "waits for its root, which none of the others has"

struct answer {
	const struct receiver *receiver; /* borrowed */
	enum fetch_result result;
	struct json_t *page; /* NULL unless FETCH_OK */
	struct why why;      /* may hold bytes of the receiver */
	/* Of /status alone: it waits for its root, which another process holds. */
	int is_waiting;
	/* Likewise: the one with the same root, of which this is another name, or for which it
	 * waits; NULL: none. */
	const struct answer *same;
};

/*
 * Asks all for /status, and waits no more than `patience` milliseconds in all.  An array of as many
 * answers as there are receivers, to be freed by answers_free(); NULL: out of memory, which has
 * been told.
 */
MUST_CHECK struct answer *answers_status(const struct receivers *receivers, int patience);
/* Is there more to be asked?  It has answered, and is not told of under another name. */
int answers_is_one(const struct answer *status);
/* Likewise for `path`, a page of one part with an array `key`, those of which there is more to be
 * asked by `status`; of the others the answer is that one, without a page. */
MUST_CHECK struct answer *answers_more(const struct answer *status, size_t count,
    const char *path, const char *key);
void answers_free(struct answer *answers, size_t count);

/* Who was asked, and who did not answer, as an array: each with `name`, `socket`, `error` and
 * `same`.  With its page under `key`, if that is not NULL.  NULL: out of
 * memory. */
struct json_t *answers_json(const struct answer *answers, size_t count, const char *key);
/* The exit code: EX_OK where all answered; those that did not are told on standard error. */
int answers_tell(const struct answer *answers, size_t count);

#endif
