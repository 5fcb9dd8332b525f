/* SPDX-License-Identifier: ISC */
#include "inboxd/serve/share.h"

int
share_has_room(const struct share *share, uint64_t held, int waits)
{
	uint64_t others = share->items - share->waiting_items - (waits ? 0 : held);
	uint64_t sharers = share->waiting + (waits ? 0 : 1);

	return held == 0 ||
	    (share->items < share->room && held < (share->room - others) / sharers);
}

void
share_count_item(struct share *share, int difference, int waits)
{
	share->items += (uint64_t)(int64_t)difference;
	if (waits)
		share->waiting_items += (uint64_t)(int64_t)difference;
}

void
share_count_waiting(struct share *share, int difference, uint64_t held)
{
	share->waiting += (uint64_t)(int64_t)difference;
	share->waiting_items += difference > 0 ? held : 0 - held;
}
