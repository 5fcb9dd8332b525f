/* SPDX-License-Identifier: ISC */
/*
 * Lists by the rank, linked both ways by the items' places; which inboxes have one that is not
 * empty is kept as bits.  So a choice costs the same, however many wait.
 */
#include "inboxq/queue/turns.h"

#include <stdlib.h>
#include <string.h>

#include "lib/proto.h"

#define CLASSES 4
#define WORDS (TURNS_INBOXES / 64)

enum { /* lists beside those by rank */
	LIST_RANKED = SCHEDULE_LANES * SCHEDULE_PRIORITIES * TURNS_INBOXES * CLASSES,
	LIST_UNKNOWN = LIST_RANKED, /* one a lane */
	LIST_ASIDE = LIST_UNKNOWN + SCHEDULE_LANES,
	LISTS,
	LIST_NONE = UINT16_MAX,
};

_Static_assert(LISTS < LIST_NONE, "a list's number has 16 bits");

static const uint64_t class_max[CLASSES] = {
    4 * 1024, 64 * 1024, 16 * 1024 * 1024, UINT64_MAX}; /* bytes */

struct node {
	uint32_t before, behind;
	uint16_t list;
};

struct list {
	uint32_t head, tail;
	uint32_t passed; /* how often in a row the turn went to a smaller size of its inbox */
};

struct queue { /* of one lane and priority */
	uint64_t full[WORDS]; /* a bit an inbox: has it items? */
	unsigned turn;        /* the inbox that had the last one */
	unsigned passed;
};

struct turns {
	struct node *nodes;
	size_t room;
	struct queue queues[SCHEDULE_LANES][SCHEDULE_PRIORITIES];
	struct list lists[LISTS];
	char inboxes[TURNS_INBOXES][PROTO_INBOX_MAX + 1];
	unsigned inbox_count;
};

struct turns *
turns_new(void)
{
	struct turns *turns = calloc(1, sizeof *turns);

	if (turns)
		turns_clear(turns);
	return turns;
}

void
turns_free(struct turns *turns)
{
	if (!turns)
		return;
	free(turns->nodes);
	free(turns);
}

int
turns_reserve(struct turns *turns, size_t room)
{
	struct node *more;

	if (room <= turns->room)
		return 0;
	more = realloc(turns->nodes, room * sizeof *more);
	if (!more)
		return -1;
	for (size_t i = turns->room; i < room; i++)
		more[i].list = LIST_NONE;
	turns->nodes = more;
	turns->room = room;
	return 0;
}

void
turns_clear(struct turns *turns)
{
	for (size_t i = 0; i < LISTS; i++)
		turns->lists[i].head = turns->lists[i].tail = TURNS_NONE;
	for (size_t i = 0; i < turns->room; i++)
		turns->nodes[i].list = LIST_NONE;
	for (int lane = 0; lane < SCHEDULE_LANES; lane++)
		for (int i = 0; i < SCHEDULE_PRIORITIES; i++)
			memset(turns->queues[lane][i].full, 0,
			    sizeof turns->queues[lane][i].full);
}

unsigned
turns_inbox(struct turns *turns, const char *name)
{
	unsigned sum = 0, i;

	for (i = 0; i < turns->inbox_count; i++)
		if (strcmp(turns->inboxes[i], name) == 0)
			return i;
	if (i < TURNS_INBOXES && strlen(name) < sizeof turns->inboxes[i]) {
		strcpy(turns->inboxes[i], name);
		return turns->inbox_count++;
	}
	for (; *name; name++)
		sum = 31 * sum + (unsigned char)*name;
	return sum % TURNS_INBOXES;
}

/* Of a rank: lanes, in them priorities, in them inboxes, in them sizes. */
static unsigned
list_of(enum schedule_lane lane, enum schedule_priority priority, unsigned inbox, unsigned class)
{
	return (((unsigned)lane * SCHEDULE_PRIORITIES + (unsigned)priority) * TURNS_INBOXES +
	           inbox) * CLASSES + class;
}

static struct queue *
queue_of(struct turns *turns, unsigned list)
{
	unsigned queue = list / (TURNS_INBOXES * CLASSES);

	return &turns->queues[queue / SCHEDULE_PRIORITIES][queue % SCHEDULE_PRIORITIES];
}

static unsigned
inbox_of(unsigned list)
{
	return list / CLASSES % TURNS_INBOXES;
}

static int
is_empty(const struct turns *turns, unsigned list)
{
	return turns->lists[list].head == TURNS_NONE;
}

static void
append(struct turns *turns, uint32_t item, unsigned which)
{
	struct list *list = &turns->lists[which];

	turns->nodes[item] = (struct node){list->tail, TURNS_NONE, (uint16_t)which};
	if (list->tail == TURNS_NONE)
		list->head = item;
	else
		turns->nodes[list->tail].behind = item;
	list->tail = item;
}

/* As it was sent before those: its place is below theirs. */
static void
prepend(struct turns *turns, uint32_t item, unsigned which)
{
	struct list *list = &turns->lists[which];

	turns->nodes[item] = (struct node){TURNS_NONE, list->head, (uint16_t)which};
	turns->nodes[list->head].before = item;
	list->head = item;
}

static void
insert(struct turns *turns, uint32_t item, unsigned which)
{
	if (!is_empty(turns, which) && item < turns->lists[which].head)
		prepend(turns, item, which);
	else
		append(turns, item, which);
}

void
turns_put(struct turns *turns, uint32_t item, const struct turns_rank *rank)
{
	unsigned class = 0, list;

	if (rank->is_unknown) {
		insert(turns, item, LIST_UNKNOWN + (unsigned)rank->lane);
		return;
	}
	while (rank->size > class_max[class])
		class++;
	list = list_of(rank->lane, rank->priority, rank->inbox, class);
	if (is_empty(turns, list))
		turns->lists[list].passed = 0;
	insert(turns, item, list);
	queue_of(turns, list)->full[rank->inbox / 64] |= UINT64_C(1) << rank->inbox % 64;
}

void
turns_put_aside(struct turns *turns, uint32_t item)
{
	append(turns, item, LIST_ASIDE);
}

/* Which inboxes have items, once a list has become empty. */
static void
note_empty(struct turns *turns, unsigned list)
{
	unsigned inbox = inbox_of(list), first = list / CLASSES * CLASSES;

	for (unsigned class = 0; class < CLASSES; class++)
		if (!is_empty(turns, first + class))
			return;
	queue_of(turns, list)->full[inbox / 64] &= ~(UINT64_C(1) << inbox % 64);
}

void
turns_take(struct turns *turns, uint32_t item)
{
	struct node *node = &turns->nodes[item];
	struct list *list;

	if (node->list == LIST_NONE)
		return;
	list = &turns->lists[node->list];
	if (node->before == TURNS_NONE)
		list->head = node->behind;
	else
		turns->nodes[node->before].behind = node->behind;
	if (node->behind == TURNS_NONE)
		list->tail = node->before;
	else
		turns->nodes[node->behind].before = node->before;
	if (list->head == TURNS_NONE && node->list < LIST_RANKED)
		note_empty(turns, node->list);
	node->list = LIST_NONE;
}

static int
has_items(const struct queue *queue)
{
	for (int i = 0; i < WORDS; i++)
		if (queue->full[i])
			return 1;
	return 0;
}

void
turns_serve(struct turns *turns, uint32_t item)
{
	unsigned list = turns->nodes[item].list;
	struct queue *queue;

	if (list >= LIST_RANKED) {
		turns_take(turns, item);
		return;
	}
	/* Those below it wait once more. */
	queue = queue_of(turns, list);
	queue->turn = inbox_of(list);
	queue->passed = 0;
	for (unsigned at = list / (TURNS_INBOXES * CLASSES) + 1; at % SCHEDULE_PRIORITIES; at++) {
		struct queue *lower = queue_of(turns, at * TURNS_INBOXES * CLASSES);

		lower->passed = has_items(lower) ? lower->passed + 1 : 0;
	}
	turns->lists[list].passed = 0;
	for (unsigned bigger = list + 1; bigger % CLASSES; bigger++)
		if (!is_empty(turns, bigger))
			turns->lists[bigger].passed++;
	turns_take(turns, item);
}

/* The inbox behind the one that had the last turn; there is one. */
static unsigned
next_inbox(const struct queue *queue)
{
	for (unsigned i = 1; i <= TURNS_INBOXES; i++) {
		unsigned inbox = (queue->turn + i) % TURNS_INBOXES;
		uint64_t word = queue->full[inbox / 64] >> inbox % 64;

		if (word & 1)
			return inbox;
		if (word == 0)
			i += 63 - inbox % 64; /* the rest of the word */
	}
	return queue->turn;
}

static uint32_t
next_of_queue(const struct turns *turns, enum schedule_lane lane, enum schedule_priority priority)
{
	unsigned first = list_of(lane, priority, next_inbox(&turns->queues[lane][priority]), 0);
	uint32_t chosen = TURNS_NONE;

	for (unsigned i = first + CLASSES; i-- > first;) {
		const struct list *list = &turns->lists[i];

		if (list->head != TURNS_NONE && list->passed >= TURNS_PASSES)
			return list->head;
		if (list->head != TURNS_NONE)
			chosen = list->head;
	}
	return chosen;
}

uint32_t
turns_next(const struct turns *turns, enum schedule_lane lane)
{
	int chosen = -1;

	for (int i = SCHEDULE_PRIORITIES; i-- > 0;) {
		const struct queue *queue = &turns->queues[lane][i];

		if (!has_items(queue))
			continue;
		chosen = i;
		if (queue->passed >= TURNS_PASSES)
			break;
	}
	if (chosen < 0)
		return turns->lists[LIST_UNKNOWN + lane].head;
	return next_of_queue(turns, lane, (enum schedule_priority)chosen);
}

uint32_t
turns_unknown(const struct turns *turns)
{
	uint32_t small = turns->lists[LIST_UNKNOWN + SCHEDULE_SMALL].head;

	return small != TURNS_NONE ? small : turns->lists[LIST_UNKNOWN + SCHEDULE_LARGE].head;
}

uint32_t
turns_aside(const struct turns *turns)
{
	return turns->lists[LIST_ASIDE].head;
}

uint32_t
turns_behind(const struct turns *turns, uint32_t item)
{
	return turns->nodes[item].behind;
}
