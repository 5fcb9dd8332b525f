/* SPDX-License-Identifier: ISC */
/*
 * Percent-encoding.  Rejected: C's backslash escapes, which need quotes or a
 * second rule for the space before a text is one field.
 */
#include "lib/escape.h"

static int
is_plain(unsigned char byte)
{
	return byte >= 0x21 && byte <= 0x7e && byte != '%';
}

size_t
escape_bytes(char *dst, size_t room, const void *src, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";
	const unsigned char *bytes = src;
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		if (room - at <= (is_plain(bytes[i]) ? 1 : 3))
			break; /* not even a shorter one behind it: a cut text is a prefix */
		if (is_plain(bytes[i])) {
			dst[at++] = (char)bytes[i];
		} else {
			dst[at++] = '%';
			dst[at++] = digits[bytes[i] >> 4];
			dst[at++] = digits[bytes[i] & 0xf];
		}
	}
	dst[at] = '\0';
	return at;
}

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

ssize_t
escape_decode(void *dst, size_t room, const char *src, size_t len)
{
	unsigned char *out = dst;
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)src[i];

		if (byte == '%') {
			int high, low;

			if (len - i < 3)
				return -1;
			high = digit_value(src[i + 1]);
			low = digit_value(src[i + 2]);
			if (high < 0 || low < 0)
				return -1;
			byte = (unsigned char)(high << 4 | low);
			i += 2;
		} else if (!is_plain(byte)) {
			return -1;
		}
		if (at == room)
			return -1;
		out[at++] = byte;
	}
	return (ssize_t)at;
}
