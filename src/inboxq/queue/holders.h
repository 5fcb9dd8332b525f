/* SPDX-License-Identifier: ISC */
/*
 * Who may have an item already, as a small number: a receiver, by its id in READY, whatever
 * address it has at the moment; or where READY has not come, whoever answers at an address.
 */
#ifndef INBOXQ_QUEUE_HOLDERS_H
#define INBOXQ_QUEUE_HOLDERS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"

#define HOLDERS_NONE 0
#define HOLDERS_MAX 4096 /* that are told apart as long as a program runs */

/* Zeroed at first. */
struct holders {
	char **names;
	size_t count;
};

void holders_free(struct holders *holders);

/* The number of `name`: "host/id", of which the id alone counts, or without a slash the whole of
 * it.  HOLDERS_NONE: there are too many, or out of memory. */
uint16_t holders_number(struct holders *holders, const char *name);
/* As it was named first. */
const char *holders_name(const struct holders *holders, uint16_t number);

#endif
