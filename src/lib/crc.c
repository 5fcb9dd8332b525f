/* SPDX-License-Identifier: ISC */
/*
 * Eight bytes a step, by eight tables of 256 remainders ("slicing by eight"): ten times as fast as
 * half a byte a step, and a frame of the journal has up to 64 KiB, which take 0.03 ms.  A
 * remainder of a sum is the sum of the remainders, so each table follows from those of its eight
 * bits, and the compiler makes it: nothing to be set up before the first use, by whatever thread.
 *
 * Rejected: the processor's own instruction, four times as fast again.  It would need a second
 * way beside this one, and what the largest frame waits for, a sync, takes longer.
 */
#include "lib/crc.h"

#include "lib/little.h"

#define REMAINDER(x, a, b, c, d, e, f, g, h) \
	((x) & 1 ? a : 0) ^ ((x) & 2 ? b : 0) ^ ((x) & 4 ? c : 0) ^ ((x) & 8 ? d : 0) ^ \
	    ((x) & 16 ? e : 0) ^ ((x) & 32 ? f : 0) ^ ((x) & 64 ? g : 0) ^ ((x) & 128 ? h : 0)
#define OF_4(x, ...) \
	REMAINDER(x, __VA_ARGS__), REMAINDER(x + 1, __VA_ARGS__), \
	    REMAINDER(x + 2, __VA_ARGS__), REMAINDER(x + 3, __VA_ARGS__)
#define OF_16(x, ...) \
	OF_4(x, __VA_ARGS__), OF_4(x + 4, __VA_ARGS__), OF_4(x + 8, __VA_ARGS__), \
	    OF_4(x + 12, __VA_ARGS__)
#define OF_64(x, ...) \
	OF_16(x, __VA_ARGS__), OF_16(x + 16, __VA_ARGS__), OF_16(x + 32, __VA_ARGS__), \
	    OF_16(x + 48, __VA_ARGS__)
#define OF_256(...) \
	OF_64(0, __VA_ARGS__), OF_64(64, __VA_ARGS__), OF_64(128, __VA_ARGS__), \
	    OF_64(192, __VA_ARGS__)

/* tables[k][byte]: the remainder of the byte with k bytes of 0 behind it, by the polynomial
 * 0x82f63b78 (reflected).  A row has those of bytes 1, 2, 4, ... 128. */
static const uint32_t tables[8][256] = {
    {OF_256(0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f, 0x20bd8ede, 0x417b1dbc,
        0x82f63b78)},
    {OF_256(0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181, 0x7f8be302, 0xff17c604,
        0xfbc3faf9)},
    {OF_256(0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a, 0xe144fb14, 0xc76580d9,
        0x8b277743)},
    {OF_256(0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d, 0xd725148b, 0xaba65fe7,
        0x52a0c93f)},
    {OF_256(0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3, 0x1ba8b557, 0x37516aae,
        0x6ea2d55c)},
    {OF_256(0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e, 0x85f4168d, 0x0e045beb,
        0x1c08b7d6)},
    {OF_256(0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a,
        0xf56e0ef4)},
    {OF_256(0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4, 0x0d006599, 0x1a00cb32,
        0x34019664)},
};

uint32_t
crc32c(uint32_t crc, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	crc = ~crc;
	for (; len >= 8; len -= 8, bytes += 8) {
		uint32_t low = crc ^ little_get32(bytes), high = little_get32(bytes + 4);

		crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^
		    tables[5][low >> 16 & 0xff] ^ tables[4][low >> 24] ^
		    tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^
		    tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
	}
	for (; len > 0; len--, bytes++)
		crc = crc >> 8 ^ tables[0][(crc ^ *bytes) & 0xff];
	return ~crc;
}
