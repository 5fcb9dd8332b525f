/* SPDX-License-Identifier: ISC */
/*
 * What items go into: a row an engine.  An engine is asked one thing alone, whether it has an item
 * for good: its answer has to mean that the item outlives a crash of it.  Where an engine is set
 * up such that it does not mean that, it is refused.
 *
 * An item has a key, root id and name (struct item): the same item given again is the same row, or
 * the same message.  So whoever is in doubt gives it again.
 */
#ifndef INBOX_RELAY_ENGINE_H
#define INBOX_RELAY_ENGINE_H

#include <stddef.h>
#include <stdio.h>

#include "lib/attr.h"
#include "lib/why.h"

struct item;
struct settings;

enum engine_answer {
	ENGINE_DONE,    /* of open: it may be given items; of put: each item has its end */
	ENGINE_AWAY,    /* not now, and why; items that have no end are to be given again */
	ENGINE_REFUSED, /* a person has to change something first: its answers would mean nothing */
};

struct engine {
	/* What it has to have said in the settings.  0, or -1 with what is missing. */
	int (*lacks)(const struct settings *settings, struct why *why);
	/* NULL: out of memory.  `settings` is borrowed. */
	void *(*begin)(const struct settings *settings);
	void (*end)(void *engine);
	/* Connects, and looks whether its answers mean something.  Not where it is open. */
	enum engine_answer (*open)(void *engine, struct why *why);
	/* Afterwards it may be opened again; nothing happens where it is not open. */
	void (*close)(void *engine);
	/* Gives it items that have no end (ITEM_WAITS), of which some get one, whatever the answer
	 * is: ITEM_STORED where the engine has said so, ITEM_UNFIT where it will never take it.
	 * After ENGINE_AWAY it is to be closed. */
	enum engine_answer (*put)(void *engine, struct item *items, size_t count, struct why *why);
	/* What makes the place for the items there, for people to read and run. */
	void (*print_schema)(const struct settings *settings, FILE *out);
};

/* The words for them in the settings, closed by NULL. */
extern const char *const engine_names[];

/* The row for an index into these; NULL: this program was built without it. */
const struct engine *engine_of(int type);

extern const struct engine engine_postgresql, engine_nats;

#endif
