/* SPDX-License-Identifier: ISC */
/*
 * SHA-256 (FIPS 180-4).  By OpenSSL's EVP (digest_evp.c) in the programs, by libmd (digest_md.c)
 * in libinboxq: which, is decided where it is linked.
 */
#ifndef LIB_DIGEST_H
#define LIB_DIGEST_H

#include <stddef.h>

#include "lib/attr.h"

#define DIGEST_SIZE 32                      /* bytes */
#define DIGEST_TEXT_ROOM (2 * DIGEST_SIZE + 1) /* lower-case hex and NUL */

struct digest;

/* NULL: out of memory. */
MUST_CHECK struct digest *digest_new(void);
void digest_free(struct digest *d);

/* Begins anew; one struct serves any number of items, one after another. */
MUST_CHECK int digest_start(struct digest *d);
MUST_CHECK int digest_add(struct digest *d, const void *data, size_t len);
MUST_CHECK int digest_end(struct digest *d, unsigned char out[DIGEST_SIZE]);

/* Of bytes at hand.  0, or -1 with errno ENOMEM. */
MUST_CHECK int digest_of(const void *data, size_t len, unsigned char out[DIGEST_SIZE]);

/* Of all bytes of an open file, read by pread() from offset `from`; *size gets
 * how many there were.  0, or -1 with errno set. */
MUST_CHECK int digest_file(int fd, long long from, unsigned char out[DIGEST_SIZE],
    unsigned long long *size);

void digest_print(char dst[DIGEST_TEXT_ROOM], const unsigned char digest[DIGEST_SIZE]);

/* From exactly 64 digits of lower-case hexadecimal.  0, or -1. */
MUST_CHECK int digest_parse(unsigned char out[DIGEST_SIZE], const char *hex, size_t len);

#endif
