/* SPDX-License-Identifier: ISC */
/*
 * The clients that inboxctl clients shows: a row a queue, in columns, of which some are shown;
 * which rows, by options, and in which order.  What is read of a page is kept in a tenth of what
 * its JSON takes, as a fleet may have 100,000.  Asks nobody.
 */
#ifndef INBOXCTL_SCREENS_ROLL_H
#define INBOXCTL_SCREENS_ROLL_H

#include <stddef.h>
#include <stdint.h>

#include "inboxctl/pages/page.h"
#include "lib/attr.h"
#include "lib/client_state.h"
#include "lib/field.h"
#include "lib/figures.h"
#include "lib/why.h"

struct arguments;
struct json_t;
struct receivers;

enum roll_column { ROLL_CLIENT, ROLL_QUEUE, ROLL_STATE, ROLL_GAPS, ROLL_ON, ROLL_MARK,
	ROLL_UNSETTLED, ROLL_FIGURES, ROLL_COLUMNS = (int)ROLL_FIGURES + (int)FIGURES_COUNT };

struct roll_column_row {
	const char *head, *key; /* of the column, and in JSON */
	enum field_kind kind;
};
struct roll_column_row roll_column(int column);
/* The column with this head, in any case, or ROLL_COLUMNS. */
int roll_find(const char *head, size_t len);
/* The column with this key, which there is. */
int roll_column_of(const char *key);

#define ROLL_NONE INT64_MIN

struct roll_value {
	int64_t number; /* ROLL_NONE: it has none */
	char *text;     /* NULL: none */
};

struct roll_gap {
	int64_t first, last;
	int is_known; /* somebody has confirmed it */
};

/* What one of several receivers says of a queue (screens/merge.h). */
struct roll_at {
	struct roll_at *next;
	size_t receiver;
	int64_t seen, settled;
	int64_t unknown; /* gaps that nobody has confirmed */
	struct roll_gap *gaps;
	size_t gap_count;
	char *json;
};

struct roll_row {
	struct roll_value values[ROLL_COLUMNS];
	unsigned states; /* all that hold: 1 << enum client_state, or'ed */
	int64_t gaps_total;
	int is_repeated; /* its client has another one in this list: set by roll_sort() */
	char *json;      /* what came, if that is to be shown */
	struct roll_gap *gaps; /* if they are kept */
	size_t gap_count;
	struct roll_at *at; /* of several receivers: who knows it, and who saw it last the first */
};

/* What is wanted.  Those that any of the first four lets through, or all if none is set. */
struct roll_wish {
	unsigned states;       /* 1 << enum client_state, or'ed */
	uint64_t silent;       /* unseen for longer than so many seconds; 0: not asked */
	int gaps, failed;      /* with gaps, known or not; with items set aside */
	const char *match;     /* a pattern of identities; NULL: any */
	uint64_t limit;        /* rows at most; 0: all */
	int keeps_json, keeps_gaps;
	struct roll_key {
		int column, is_turned;
	} keys[ROLL_COLUMNS];
	size_t key_count;      /* 0: the worst state first */
};

struct roll {
	struct roll_wish wish;
	struct roll_row *rows;
	size_t count, room;
	int64_t now; /* by the receiver's clock, UTC seconds */
	const struct receivers *receivers; /* borrowed; NULL: of one alone */
};

/* Reads the options.  0, or -1 and `why`. */
MUST_CHECK int roll_read(const struct arguments *arguments, struct roll_wish *out, struct why *why);
/* The page that brings what is wanted, and as little else as the receiver can be told. */
void roll_path(const struct roll_wish *wish, char path[PAGE_PATH_ROOM]);

/* Takes a part of /clients.  0, or -1 and `why`. */
MUST_CHECK int roll_take(struct roll *roll, const struct json_t *part, struct why *why);
/* Drops the rows that are not wanted, as roll_take() does before they are rows. */
void roll_filter(struct roll *roll);
/* Sorts, and cuts to the limit. */
void roll_sort(struct roll *roll);
void roll_free_row(struct roll_row *row);
void roll_free(struct roll *roll);

#endif
