/* SPDX-License-Identifier: ISC */
#include "inboxd/serve/share.h"

int
share_has_room(const struct share *share, const struct sharer *sharer)
{
	uint64_t others = share->held - share->waiting_held - (sharer->waits ? 0 : sharer->held);
	uint64_t sharers = share->waiting + (sharer->waits ? 0 : 1);

	return sharer->held == 0 ||
	    (share->held < share->room && sharer->held < (share->room - others) / sharers);
}

static void
count(struct share *share, struct sharer *sharer, int difference)
{
	uint64_t change = (uint64_t)(int64_t)difference;

	sharer->held += change;
	share->held += change;
	if (sharer->waits)
		share->waiting_held += change;
}

void
share_take(struct share *share, struct sharer *sharer)
{
	count(share, sharer, 1);
}

void
share_give_back(struct share *share, struct sharer *sharer)
{
	count(share, sharer, -1);
}

void
share_wait(struct share *share, struct sharer *sharer, int waits)
{
	if (waits == sharer->waits)
		return;
	sharer->waits = waits;
	share->waiting += waits ? 1 : UINT64_MAX;
	share->waiting_held += waits ? sharer->held : 0 - sharer->held;
}
