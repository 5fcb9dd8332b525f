/* SPDX-License-Identifier: ISC */
#include "inboxd/ebb.h"

int
ebb_look(struct ebb *ebb, uint64_t connections, uint64_t ever)
{
	uint64_t most = ebb->last + (ever - ebb->ever);
	uint64_t gone = most > connections ? most - connections : 0;
	int is_quiet;

	if (most > ebb->high)
		ebb->high = most;
	is_quiet = ever - ebb->ever <= ebb->high / 16 && gone <= ebb->high / 16;
	ebb->last = connections;
	ebb->ever = ever;
	if (ebb->high < EBB_LEAST || connections > ebb->high / 2 || !is_quiet)
		return 0;
	ebb->high = connections;
	return 1;
}
