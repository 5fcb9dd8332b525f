/* SPDX-License-Identifier: ISC */
/*
 * What the protocol says of items: PUT, OPEN and DATA, and the answers to them.  All else
 * about an item is intake's.
 */
#ifndef INBOXD_INBOX1_ITEMS_H
#define INBOXD_INBOX1_ITEMS_H

#include "inboxd/intake/intake.h"

struct proto_line;
struct session;

/* The session is its ctx. */
extern const struct intake_owner items_owner;

/* In READY; BODY is next, where bytes follow. */
void items_on_put(struct session *s, const struct proto_line *line);
void items_on_open(struct session *s, const struct proto_line *line);
void items_on_data(struct session *s, const struct proto_line *line);

#endif
