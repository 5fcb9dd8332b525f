/* SPDX-License-Identifier: ISC */
/*
 * The protocols that the receiver speaks, a row each, in the order in which it prefers
 * them.
 */
#ifndef INBOXD_FRONTS_H
#define INBOXD_FRONTS_H

struct front;

/* Both closed by NULL: the fronts, and their names for TLS. */
extern const struct front *const fronts[];
const char *const *fronts_alpn(void);

#endif
