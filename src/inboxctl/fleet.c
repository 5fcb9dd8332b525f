/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/fleet.h"

#include <time.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/pages/answers.h"
#include "inboxctl/pages/page.h"
#include "inboxctl/screens/merge.h"
#include "lib/clock.h"

/* One receiver's clients, as they come. */
struct reading {
	struct roll roll;
	int64_t deadline; /* by the monotonic clock, microseconds; 0: none */
};

static int
take(void *ctx, const struct json_t *part, struct why *why)
{
	struct reading *reading = ctx;

	if (reading->deadline && clock_monotonic() >= reading->deadline)
		return why_say(why, "has more clients than can be asked for in that time");
	return roll_take(&reading->roll, part, why);
}

/* 0, or -1: memory is out. */
static int
read_one(struct roll *roll, struct answer *status, size_t i, int patience, int64_t deadline)
{
	struct reading one = {.deadline = deadline,
	    .roll.wish = {.match = roll->wish.match, .keeps_json = roll->wish.keeps_json,
	        .keeps_gaps = 1}};
	char path[PAGE_PATH_ROOM];
	int rc = 0;

	roll_path(&one.roll.wish, path);
	status->result =
	    page_parts(status->receiver->socket, path, patience, take, &one, &status->why);
	if (status->result == FETCH_OK)
		rc = merge_take(roll, &one.roll, i, (int64_t)time(NULL));
	roll_free(&one.roll);
	return rc;
}

int
fleet_read(struct roll *roll, struct answer *status, const struct receivers *receivers,
    int patience)
{
	int64_t deadline = patience ? clock_monotonic() + (int64_t)patience * 1000 : 0;

	roll->receivers = receivers;
	for (size_t i = 0; i < receivers->count; i++) {
		if (!answers_is_one(&status[i]))
			continue;
		if (read_one(roll, &status[i], i, patience ? patience : FETCH_PATIENCE,
		        deadline) < 0) {
			complain("out of memory");
			return -1;
		}
	}
	merge_finish(roll);
	return 0;
}
