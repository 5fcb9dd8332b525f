/* SPDX-License-Identifier: ISC */
/* Integers as bytes, the least significant one first, on any machine and wherever they lie. */
#ifndef LIB_LITTLE_H
#define LIB_LITTLE_H

#include <stdint.h>

static inline uint32_t
little_get32(const unsigned char *src)
{
	return src[0] | (uint32_t)src[1] << 8 | (uint32_t)src[2] << 16 | (uint32_t)src[3] << 24;
}

static inline uint64_t
little_get64(const unsigned char *src)
{
	return little_get32(src) | (uint64_t)little_get32(src + 4) << 32;
}

static inline void
little_put32(unsigned char *dst, uint32_t value)
{
	for (int i = 0; i < 4; i++, value >>= 8)
		dst[i] = (unsigned char)value;
}

static inline void
little_put64(unsigned char *dst, uint64_t value)
{
	little_put32(dst, (uint32_t)value);
	little_put32(dst + 4, (uint32_t)(value >> 32));
}

#endif
