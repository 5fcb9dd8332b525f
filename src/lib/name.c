/* SPDX-License-Identifier: ISC */
#include "lib/name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/parse.h"

void
name_next(struct namer *namer, const char *client, const char *suffix, char dst[NAME_ROOM])
{
	char when[PRINT_TIME_ROOM], shown[NAME_CLIENT_MAX + 1];
	struct timespec now;
	size_t i;

	clock_gettime(CLOCK_REALTIME, &now);
	print_time(when, &now);
	for (i = 0; client[i] && i < NAME_CLIENT_MAX; i++)
		shown[i] = (char)(is_plain_name(&client[i], 1, 1) ||
		            (client[i] && strchr(".-_", client[i]))
		        ? client[i]
		        : '_');
	shown[i] = '\0';
	snprintf(dst, NAME_ROOM, "%s-%08" PRIx32 "-%u.%" PRIu64 "-%s%.*s", when, namer->start,
	    namer->worker, ++namer->count, shown, NAME_SUFFIX_MAX, suffix);
}
