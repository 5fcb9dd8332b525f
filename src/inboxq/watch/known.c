/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/watch/known.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inboxq/spool/item.h"
#include "inboxq/spool/sentlog.h"
#include "inboxq/spool/spool.h"
#include "inboxq/watch/claim.h"

/* What comes into the queue meanwhile names no claim of ours, but for what was requeued during the
 * first round. */
#define ROUNDS 2

struct asked {
	const char *id;
	char name[ESCAPE_ROOM(NAME_MAX)]; /* as items have it */
	struct claim *claim;
	char sha256[DIGEST_TEXT_ROOM]; /* "": not found */
	uint64_t n;                    /* where it lies, or did; 0: nowhere */
};

struct known {
	struct asked *at; /* sorted */
	size_t count;
};

static int
compare(const void *a, const void *b)
{
	const struct asked *x = a, *y = b;
	int ids = strcmp(x->id, y->id);

	return ids ? ids : strcmp(x->name, y->name);
}

static void
note(struct known *known, const char *id, const char *name, const char *sha256, uint64_t n)
{
	struct asked key = {.id = id}, *found;

	if (!id[0])
		return;
	snprintf(key.name, sizeof key.name, "%s", name);
	found = bsearch(&key, known->at, known->count, sizeof key, compare);
	if (!found)
		return;
	snprintf(found->sha256, sizeof found->sha256, "%s", sha256);
	if (n)
		found->n = n;
}

static void
on_line(void *ctx, const struct sentlog_line *line)
{
	note(ctx, line->claim, line->name, line->sha256, 0);
}

static void
on_item(void *ctx, enum spool_part part, uint64_t n, const struct spool_item *item)
{
	(void)part;
	note(ctx, item->claim, item->name, item->sha256, n);
}

/* Who is told of each item. */
struct told {
	struct spool *spool;
	known_item_fn *item;
	void *ctx;
};

/* The header of item `n`, wherever it is; one that cannot be read names no claim: a duplicate
 * then, at worst. */
static void
look_at(const struct told *told, uint64_t n)
{
	struct spool_item item;
	struct why why;
	int fd = -1, part;

	/* In the order in which an item goes. */
	for (part = SPOOL_QUEUE; fd < 0 && part <= SPOOL_FAILED; part++)
		fd = item_open(told->spool, (enum spool_part)part, n, &item, &why);
	if (fd < 0)
		return;
	close(fd);
	told->item(told->ctx, (enum spool_part)(part - 1), n, &item);
}

/* What is in both folders at one moment. */
static int
list_both(struct spool *spool, struct spool_numbers both[2])
{
	int rc;

	memset(both, 0, 2 * sizeof *both);
	if (spool_lock(spool) < 0)
		return -1;
	rc = spool_list(spool, SPOOL_QUEUE, &both[0]);
	if (rc == 0)
		rc = spool_list(spool, SPOOL_FAILED, &both[1]);
	spool_unlock(spool);
	return rc;
}

/*
 * Looks at all numbers above *seen, and raises it.  The lock is let go before, since many headers
 * may take longer than others wait for it: what is requeued meanwhile has a number above.
 */
static int
look_above(const struct told *told, uint64_t *seen)
{
	struct spool_numbers both[2];
	uint64_t highest = *seen;
	int rc = list_both(told->spool, both);

	for (int i = 0; rc == 0 && i < 2; i++) {
		for (size_t k = 0; k < both[i].count; k++)
			if (both[i].at[k] > *seen)
				look_at(told, both[i].at[k]);
		if (both[i].count && both[i].at[both[i].count - 1] > highest)
			highest = both[i].at[both[i].count - 1];
	}
	free(both[0].at);
	free(both[1].at);
	*seen = highest;
	return rc;
}

int
known_items(struct spool *spool, known_item_fn *item, void *ctx)
{
	const struct told told = {spool, item, ctx};
	uint64_t seen = 0;
	int rc = 0;

	for (int i = 0; i < ROUNDS && rc == 0; i++)
		rc = look_above(&told, &seen);
	return rc;
}

static int
look_everywhere(struct known *known, struct spool *spool)
{
	struct sentlog_place from = {0};
	int rc = known_items(spool, on_item, known);

	if (rc == 0)
		rc = sentlog_read(spool, &from, on_line, known);
	/* Who was killed may not have come to that. */
	return rc == 0 ? item_sync_moves(spool) : rc;
}

int
known_tell(struct spool *spool, struct claim *list)
{
	struct known known = {0};
	size_t count = 0;
	int rc;

	for (const struct claim *claim = list; claim; claim = claim->next)
		count += claim->state == CLAIM_UNKNOWN;
	if (count == 0)
		return 0;
	known.at = calloc(count, sizeof *known.at);
	if (!known.at)
		return -1;
	for (struct claim *claim = list; claim; claim = claim->next) {
		struct asked *asked = &known.at[known.count];

		if (claim->state != CLAIM_UNKNOWN)
			continue;
		asked->id = claim->id;
		asked->claim = claim;
		escape_bytes(asked->name, sizeof asked->name, claim->name, strlen(claim->name));
		known.count++;
	}
	qsort(known.at, known.count, sizeof *known.at, compare);
	rc = look_everywhere(&known, spool);
	for (size_t i = 0; rc == 0 && i < known.count; i++) {
		struct claim *claim = known.at[i].claim;

		snprintf(claim->sha256, sizeof claim->sha256, "%s", known.at[i].sha256);
		claim->n = known.at[i].n;
		claim->state = claim->sha256[0] ? CLAIM_QUEUED : CLAIM_HELD;
	}
	free(known.at);
	return rc;
}
