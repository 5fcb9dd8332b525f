/* SPDX-License-Identifier: ISC */
/*
 * Certificates of virtual clients, made in memory at the start by the CA of contrib/pki:
 * vc-000001 and so on.  They share a few keys: what a handshake costs either end is the same, and
 * a hundred thousand are there in seconds.  They are kept as DER, some 500 bytes each.
 */
#ifndef HERD_MINT_H
#define HERD_MINT_H

#include <stdint.h>

#include <openssl/ssl.h>

#include "lib/attr.h"
#include "lib/why.h"

struct mint;

/* Makes `count` of them on `threads` threads.  NULL, with the reason. */
MUST_CHECK struct mint *mint_new(const char *pki, uint64_t count, uint64_t threads,
    struct why *why);
void mint_free(struct mint *mint);

/* The identity of the i-th (from 0). */
void mint_identity(char *dst, size_t room, uint64_t i);
/* `ssl` shows the i-th.  0, or -1.  Any thread. */
MUST_CHECK int mint_use(const struct mint *mint, SSL *ssl, uint64_t i);

#endif
