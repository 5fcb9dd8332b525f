/* SPDX-License-Identifier: ISC */
#include "inboxd/drafts/space.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/settings.h"
#include "lib/log.h"

#define SECONDS_MIN 60
#define SECONDS_MAX 3600
#define FAILING 300 /* seconds after which a failed write is no longer news of now */

/* The mark of a state: an eighth more while it lasts. */
static uint64_t
mark(uint64_t reserve, int lasts)
{
	return lasts ? reserve + reserve / 8 : reserve;
}

static enum space_state
judge(const struct space *space, const struct settings *settings)
{
	int none = space->state == SPACE_NONE, no_large = space->state != SPACE_ROOM;

	if (space->bytes < mark(settings->reserve, none) ||
	    space->inodes <= mark(settings->reserve_inodes, none))
		return SPACE_NONE;
	return space->bytes < mark(settings->reserve_large, no_large) ? SPACE_NO_LARGE : SPACE_ROOM;
}

static void
enter(struct space *space, enum space_state state, uint64_t now)
{
	if ((space->state == SPACE_ROOM) != (state == SPACE_ROOM))
		space->since = now;
	space->state = state;
}

int
space_look(struct space *space, int root, const struct settings *settings, uint64_t now)
{
	enum space_state before = space->told;
	struct statvfs st;
	int rc;

	do
		rc = fstatvfs(root, &st);
	while (rc < 0 && errno == EINTR);
	if (rc < 0) {
		fatal_if_gone("fstatvfs", "root");
		/* Not knowing is no reason to turn items away: a full disk shows
		 * when it is written to. */
		log_event(LOG_ERR, "space_unknown", "error=\"%s\"", strerror(errno));
		space->bytes = space->inodes = SPACE_UNKNOWN;
	} else {
		space->bytes = (uint64_t)st.f_bavail * st.f_frsize;
		/* btrfs and others count no inodes. */
		space->inodes = st.f_files == 0 ? SPACE_UNKNOWN : st.f_favail;
	}
	enter(space, judge(space, settings), now);
	space->told = space->state;
	return space->state != before;
}

int
space_take(struct space *space, const struct settings *settings, uint64_t size, int is_large,
    uint64_t now)
{
	uint64_t reserve = is_large ? settings->reserve_large : settings->reserve;

	if (space->state == SPACE_NONE || (is_large && space->state == SPACE_NO_LARGE))
		return 0;
	if (space->inodes <= settings->reserve_inodes) {
		enter(space, SPACE_NONE, now);
		return 0;
	}
	if (space->bytes < reserve || space->bytes - reserve < size) {
		/* One that is too large for all that is free says nothing of the others. */
		if (space->bytes < mark(reserve, 1))
			enter(space, is_large ? SPACE_NO_LARGE : SPACE_NONE, now);
		return 0;
	}
	space->bytes -= size;
	space->inodes--;
	return 1;
}

void
space_failed(struct space *space, uint64_t now)
{
	if (space->failed == 0 || now - space->failed > FAILING)
		space->failing = now;
	space->failed = now;
}

uint64_t
space_seconds(const struct space *space, uint64_t now)
{
	uint64_t lasted = 0;

	if (space->state != SPACE_ROOM)
		lasted = now - space->since;
	else if (space->failed && now - space->failed <= FAILING)
		lasted = now - space->failing;
	return lasted < SECONDS_MIN ? SECONDS_MIN : lasted > SECONDS_MAX ? SECONDS_MAX : lasted;
}

const char *
space_text(enum space_state state)
{
	static const char *const texts[] = {"room", "no_large_items", "no_items"};

	return texts[state];
}
