/* SPDX-License-Identifier: ISC */
#include "lib/name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/parse.h"

void
name_show_client(const char *client, char dst[NAME_CLIENT_MAX + 1])
{
	size_t i;

	for (i = 0; client[i] && i < NAME_CLIENT_MAX; i++)
		dst[i] = (char)(is_plain_name(&client[i], 1, 1) || strchr(".-_", client[i])
		        ? client[i]
		        : '_');
	dst[i] = '\0';
}

int
name_read_client(const char *name, const char *suffix, char dst[NAME_CLIENT_MAX + 1])
{
	size_t len, end = strlen(suffix);

	/* Behind time, start and counter. */
	for (int i = 0; name && i < 3; i++) {
		name = strchr(name, '-');
		name += name != NULL;
	}
	len = name ? strlen(name) : 0;
	if (len <= end || strcmp(name + len - end, suffix) != 0 || len - end > NAME_CLIENT_MAX)
		return -1;
	snprintf(dst, NAME_CLIENT_MAX + 1, "%.*s", (int)(len - end), name);
	return 0;
}

void
name_next(struct namer *namer, const char *client, const char *suffix, char dst[NAME_ROOM])
{
	char when[PRINT_TIME_ROOM], shown[NAME_CLIENT_MAX + 1];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	print_time(when, &now);
	name_show_client(client, shown);
	snprintf(dst, NAME_ROOM, "%s-%08" PRIx32 "-%u.%" PRIu64 "-%s%.*s", when, namer->start,
	    namer->worker, ++namer->count, shown, NAME_SUFFIX_MAX, suffix);
}
