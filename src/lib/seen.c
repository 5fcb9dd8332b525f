/* SPDX-License-Identifier: ISC */
#include "lib/seen.h"

#define YOUNG 2 /* seconds */

void
seen_note(struct seen *seen, const struct stat *st)
{
	time_t age = time(NULL) - st->st_mtim.tv_sec;

	seen->time = st->st_mtim;
	seen->was_young = age < YOUNG && age > -YOUNG;
}

int
seen_may_differ(const struct seen *seen, const struct stat *st)
{
	return seen->was_young || st->st_mtim.tv_sec != seen->time.tv_sec ||
	    st->st_mtim.tv_nsec != seen->time.tv_nsec;
}
