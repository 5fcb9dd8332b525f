/* SPDX-License-Identifier: ISC */
/* The checksum of the ledger's lines and the journal's frames. */
#ifndef LIB_CRC_H
#define LIB_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Continues the CRC-32C (Castagnoli; RFC 3720, appendix B.4) of what came before, 0: nothing,
 * by `len` bytes. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#endif
