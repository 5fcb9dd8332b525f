/* SPDX-License-Identifier: ISC */
/* Prints entries of the ledger to standard output. */
#ifndef INBOXCTL_SCREENS_LEDGER_PRINT_H
#define INBOXCTL_SCREENS_LEDGER_PRINT_H

#include "inboxctl/root/history.h"
#include "lib/attr.h"
#include "lib/table.h"

/* Their words. */
extern const char *const ledger_outcomes[OUTCOMES];

enum ledger_form {
	LEDGER_LINES, /* fields with a space between, escaped; cut to the screen, if there is one */
	LEDGER_JSON,  /* an object a line */
	LEDGER_TABLE  /* of accepts alone: columns with heads, names as people wrote them */
};

struct ledger_print {
	enum ledger_form form;
	struct screen screen;
	struct table table;
	size_t widths[TABLE_COLUMNS_MAX];
	int has_widths;
};

void ledger_print_begin(struct ledger_print *print, enum ledger_form form,
    const struct screen *screen);
/* Each returns 0, or -1: memory is out, or standard output has an error.  An entry may be held
 * back until it is flushed. */
MUST_CHECK int ledger_print_entry(struct ledger_print *print, const struct entry *entry);
MUST_CHECK int ledger_print_flush(struct ledger_print *print);
/* Frees what it holds, too. */
MUST_CHECK int ledger_print_end(struct ledger_print *print);

#endif
