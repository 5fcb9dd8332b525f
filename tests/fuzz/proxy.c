/* SPDX-License-Identifier: ISC */
/*
 * A connection's preface: the input is a flag byte and what a proxy sends.  With bit 0 of the flag
 * the checksum of version 2 is put right first: by chance it never would be.
 *
 * However the bytes are cut, the answer is the same: MORE up to some byte, and WHOLE or BAD ever
 * after; a whole one ends where it says, and nothing behind it counts.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "lib/address.h"
#include "lib/crc.h"
#include "lib/proxy.h"

static void
check_why(const struct why *why)
{
	size_t len = strnlen(why->text, WHY_ROOM);

	FUZZ_CHECK(len > 0 && len < WHY_ROOM);
	for (size_t i = 0; i < len; i++)
		FUZZ_CHECK(why->text[i] >= 0x20 && why->text[i] <= 0x7e);
}

/* Of exactly so many bytes, in memory of their own. */
static enum proxy_state
read_some(const uint8_t *data, size_t len, struct proxy_preface *out)
{
	unsigned char *copy = fuzz_copy(data, len);
	char text[ADDRESS_ROOM];
	enum proxy_state state;
	struct why why;

	memset(out, 0xff, sizeof *out);
	memset(&why, 0xff, sizeof why);
	state = proxy_read(copy, len, out, &why);
	if (state == PROXY_BAD) {
		check_why(&why);
	} else if (state == PROXY_WHOLE) {
		FUZZ_CHECK(out->length >= 15 && out->length <= len && out->length <= PROXY_MAX);
		FUZZ_CHECK(out->source.ss_family == AF_UNSPEC || out->source.ss_family == AF_INET ||
		    out->source.ss_family == AF_INET6);
		address_print((struct sockaddr *)&out->source, text);
		FUZZ_CHECK((out->source.ss_family == AF_UNSPEC) == (text[0] == '('));
		FUZZ_CHECK(out->source.ss_family != AF_INET6 || text[0] == '[');
	}
	free(copy);
	return state;
}

/* Of the first checksum that there is, behind addresses of either family. */
static void
put_checksum(uint8_t *data, size_t size)
{
	size_t length, at;
	uint32_t crc;

	if (size < 16)
		return;
	length = 16 + ((size_t)data[14] << 8 | data[15]);
	at = data[13] == 0x21 ? 16 + 36 : 16 + 12;
	while (length <= size && at + 7 <= length) {
		if (data[at] == 3 && data[at + 1] == 0 && data[at + 2] == 4) {
			memset(data + at + 3, 0, 4);
			crc = crc32c(0, data, length);
			for (size_t i = 0; i < 4; i++)
				data[at + 3 + i] = (uint8_t)(crc >> (24 - 8 * i));
			return;
		}
		at += 3 + ((size_t)data[at + 1] << 8 | data[at + 2]);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_preface whole, part;
	enum proxy_state state;
	uint8_t *bytes;

	if (size < 1)
		return 0;
	bytes = fuzz_copy(data + 1, --size);
	if (data[0] & 1)
		put_checksum(bytes, size);
	state = read_some(bytes, size, &whole);
	/* A long one is not cut everywhere: that would be slow. */
	for (size_t len = 0; len < size; len += len < 256 ? 1 : 61) {
		enum proxy_state before = read_some(bytes, len, &part);
		if (state == PROXY_MORE || (state == PROXY_WHOLE && len < whole.length))
			FUZZ_CHECK(before == PROXY_MORE);
		else
			FUZZ_CHECK(before == state || (state == PROXY_BAD && before == PROXY_MORE));
		if (before == PROXY_WHOLE)
			FUZZ_CHECK(memcmp(&part, &whole, sizeof whole) == 0);
	}
	if (state == PROXY_WHOLE && (whole.source.ss_family == AF_UNSPEC || bytes[0] == 'P'))
		FUZZ_CHECK(read_some(bytes, whole.length, &part) == PROXY_WHOLE);
	free(bytes);
	return 0;
}
