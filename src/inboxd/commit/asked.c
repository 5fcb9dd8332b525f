/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/asked.h"

#include "inboxd/commit/browse.h"
#include "inboxd/commit/forgetting.h"
#include "inboxd/commit/losses.h"
#include "inboxd/commit/tallies.h"
#include "lib/clock.h"

/* What a session says of itself, whether it speaks for its queue still or not. */
static void
take_notice(struct books *books, enum commit_message kind, struct notice *notice)
{
	tallies_take(notice->queue, &notice->untold);
	if (kind == COMMIT_SETTLED)
		books_settle(books, notice);
	else if (kind == COMMIT_SKIP)
		books_skip(books, notice);
	else if (kind == COMMIT_STATE)
		books_note(notice);
	else
		books_leave(books, notice);
}

void
asked_answer(struct books *books, struct request *request)
{
	switch ((enum commit_message)request->message.kind) {
	case COMMIT_JOIN:
		books_join(books, (struct join *)request);
		break;
	case COMMIT_SETTLED:
	case COMMIT_SKIP:
	case COMMIT_STATE:
	case COMMIT_LEAVE:
		take_notice(books, (enum commit_message)request->message.kind,
		    (struct notice *)request);
		break;
	case COMMIT_VIEW:
		browse_page(books_clients(books), (struct view *)request, clock_utc());
		break;
	case COMMIT_CENSUS:
		browse_census(books_clients(books), (struct census *)request, clock_utc());
		break;
	case COMMIT_FORGET:
		forgetting_by_wish(books_forgetting(books), (struct forget *)request);
		break;
	case COMMIT_CONFIRM:
		losses_confirm(books_losses(books), (struct confirm *)request);
		break;
	case COMMIT_LIMITS:
		books_set_limits(books, &((struct new_limits *)request)->limits);
		break;
	case COMMIT_SHARES:
		books_take_shares(books, (struct shares_news *)request);
		break;
	case COMMIT_ITEM:
	case COMMIT_PROBE:
	case COMMIT_STOP:
	case COMMIT_NEWS:
	case COMMIT_SYNCED:
	case COMMIT_SUPERSEDED:
	case COMMIT_MESSAGES:
		break;
	}
}
