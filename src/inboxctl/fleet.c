/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/fleet.h"

#include <time.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/pages/answers.h"
#include "inboxctl/pages/page.h"
#include "inboxctl/screens/merge.h"

static int
take(void *ctx, const struct json_t *part, struct why *why)
{
	return roll_take(ctx, part, why);
}

/* 0, or -1: memory is out. */
static int
read_one(struct roll *roll, struct answer *status, size_t i)
{
	struct roll one = {.wish = {.match = roll->wish.match,
	                       .keeps_json = roll->wish.keeps_json, .keeps_gaps = 1}};
	char path[PAGE_PATH_ROOM];
	int rc = 0;

	roll_path(&one.wish, path);
	status->result = page_parts(status->receiver->socket, path, take, &one, &status->why);
	if (status->result == FETCH_OK)
		rc = merge_take(roll, &one, i, (int64_t)time(NULL));
	roll_free(&one);
	return rc;
}

int
fleet_read(struct roll *roll, struct answer *status, const struct receivers *receivers)
{
	roll->receivers = receivers;
	for (size_t i = 0; i < receivers->count; i++) {
		if (!answers_is_one(&status[i]))
			continue;
		if (read_one(roll, &status[i], i) < 0) {
			complain("out of memory");
			return -1;
		}
	}
	merge_finish(roll);
	return 0;
}
