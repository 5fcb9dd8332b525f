/* SPDX-License-Identifier: ISC */
/*
 * What the pages of the status socket say: numbers and views in, text out.
 * It knows no HTTP; status.c serves what is made here.  The shapes are at the
 * head of pages.c.
 */
#ifndef INBOXD_STATUS_PAGES_H
#define INBOXD_STATUS_PAGES_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/base/stats.h"
#include "inboxd/status/source.h"
#include "lib/attr.h"

struct client_view;
struct confirm_answer;
struct forget_answer;

/* Each returns a text to be freed, closed by NUL, or NULL where memory is out.
 * `since` and `now` are seconds since 1970 UTC. */
MUST_CHECK char *pages_status(const struct status_source *source,
    const uint64_t values[STATS_CELLS], int64_t since, int64_t now);
MUST_CHECK char *pages_inboxes(const struct status_source *source, int64_t now);
/* `next`: as of status_clients(). */
MUST_CHECK char *pages_clients(const struct client_view *views, size_t count, uint64_t next,
    int64_t now);
/* `inbox`: "" for all; `pause`: what holds it up now; NULL: nothing does. */
MUST_CHECK char *pages_paused(const char *inbox, int changed, const struct pause *pause,
    int64_t now);
MUST_CHECK char *pages_forgotten(const struct forget_answer *answer, int64_t now);
MUST_CHECK char *pages_confirmed(const struct confirm_answer *answer, int64_t now);

#endif
