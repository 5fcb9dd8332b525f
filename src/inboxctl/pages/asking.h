/* SPDX-License-Identifier: ISC */
/* What the receiver is asked to do by POST, in its words: a form, and what the answer's code is as
 * an exit code. */
#ifndef INBOXCTL_PAGES_ASKING_H
#define INBOXCTL_PAGES_ASKING_H

#include "inboxctl/base/arguments.h"
#include "inboxctl/pages/fetch.h"
#include "inboxctl/pages/show.h"
#include "lib/attr.h"

/* Whose, as far as it can be said without the receiver: `queue` may be NULL.  0, or -1, and it has
 * been told. */
MUST_CHECK int asking_check_client(const char *client, const char *queue);

/* Asks for it at `path`, and shows what was done by `show`, or as it is by --json.  Returns the
 * exit code, its reason told. */
MUST_CHECK int asking_post(const struct arguments *arguments, const char *path, const char *form,
    show_fn *show);

#endif
