/* SPDX-License-Identifier: ISC */
#include "inboxd/recover/ahead.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "inboxd/base/crew.h"
#include "inboxd/drafts/draft.h"
#include "lib/disk.h"
#include "lib/record.h"

/* A part of them, for a step. */
struct stretch {
	const struct recovery *r;
	struct unfinished *first;
};

static void
run(struct recovery *r, size_t from, size_t to, int (*step)(void *ctx, size_t i))
{
	struct stretch stretch = {r, r->all + from};

	/* What failed is noted with the item. */
	(void)!crew_run(r->crew, to - from, step, &stretch);
}

/* In stretches, between which the supervisor hears of it. */
static void
run_all(struct recovery *r, const char *what, int (*step)(void *ctx, size_t i))
{
	for (size_t from = 0; from < r->count; from += AHEAD_MAX) {
		size_t left = r->count - from;
		recovery_tell(r, what, from, r->count);
		run(r, from, from + (left < AHEAD_MAX ? left : AHEAD_MAX), step);
	}
}

/* ---- looked at */

enum standing
ahead_look_at(int dir, const struct tail_item *item)
{
	struct stat st;

	if (fstatat(dir, item->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NOTHING : UNKNOWN;
	return S_ISREG(st.st_mode) && (uint64_t)st.st_size == item->size ? ITS_SIZE : SOMETHING;
}

static int
look(void *ctx, size_t i)
{
	const struct stretch *stretch = ctx;
	struct unfinished *u = &stretch->first[i];
	int is_durable = u->item.seq <= stretch->r->journal.head.durable;

	if (!u->was_framed || !u->inbox || (!is_durable && (!u->frame || u->frame->has_item)))
		return 0;
	u->draft = ahead_look_at(u->inbox->tmp, &u->item);
	if (u->draft == NOTHING && is_durable)
		u->in_new = ahead_look_at(u->inbox->new, &u->item);
	return 0;
}

void
ahead_look(struct recovery *r)
{
	run_all(r, "looked at", look);
}

/* ---- written anew */

int
ahead_is_written(const struct unfinished *u)
{
	return u->verdict == ANEW;
}

static int
write_anew(void *ctx, size_t i)
{
	const struct stretch *stretch = ctx;
	struct unfinished *u = &stretch->first[i];
	char accept[RECORD_LINE_MAX + 1];
	unsigned char bytes[JOURNAL_ITEM_MAX];

	if (!ahead_is_written(u))
		return 0;
	if (journal_read_frame(stretch->r->root->journal, u->frame, accept, bytes) == 0)
		u->fd = draft_make_of(
		    u->inbox, u->item.name, accept, bytes, u->frame->item_size);
	u->error = u->fd < 0 ? errno : 0;
	return u->fd < 0 ? -1 : 0;
}

void
ahead_write(struct recovery *r, size_t from, size_t to)
{
	run(r, from, to, write_anew);
}

void
ahead_write_one(struct recovery *r, struct unfinished *u)
{
	struct stretch stretch = {r, u};

	(void)write_anew(&stretch, 0);
}

void
ahead_give_up(struct recovery *r)
{
	for (size_t i = 0; i < r->count; i++) {
		disk_close(r->all[i].fd);
		r->all[i].fd = -1;
	}
}

/* ---- published */

static int
publish(void *ctx, size_t i)
{
	const struct stretch *stretch = ctx;
	struct unfinished *u = &stretch->first[i];

	if (u->verdict != DRAFT && u->verdict != ANEW && u->verdict != MEND &&
	    u->verdict != COPY && u->verdict != FINISH)
		return 0;
	u->is_published = disk_publish(
	    u->inbox->tmp, u->item.name, u->inbox->new, u->item.name) == 0;
	u->error = u->is_published ? 0 : errno;
	return u->is_published || u->error == EEXIST ? 0 : -1;
}

void
ahead_publish(struct recovery *r)
{
	run_all(r, "made visible", publish);
}
