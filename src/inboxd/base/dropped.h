/* SPDX-License-Identifier: ISC */
/*
 * Inboxes that lost their section, by a slip perhaps: what clients send there is taken no more,
 * and nobody may be looking at what lies there.
 */
#ifndef INBOXD_BASE_DROPPED_H
#define INBOXD_BASE_DROPPED_H

struct site;

/* Warns of each folder of the root (a descriptor) that is an inbox's and has no section in `site`,
 * where items wait, or where clients stored something within a day under `old`, the configuration
 * before (NULL: none is known). */
void dropped_warn(int root, const struct site *site, const struct site *old);

#endif
