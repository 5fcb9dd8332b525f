/* SPDX-License-Identifier: ISC */
#include "lib/utf8.h"

#include <stddef.h>

/* How many bytes are the character that a text begins with; 0: it is no UTF-8, or its end. */
static size_t
character(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t len = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 :
	    at[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than it had to be, half of a pair, or beyond the last one. */
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return at[0] ? len : 0;
}

int
utf8_is(const char *text)
{
	size_t len;

	while ((len = character(text)) > 0)
		text += len;
	return *text == '\0';
}
