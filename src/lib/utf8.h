/* SPDX-License-Identifier: ISC */
/* Is a text UTF-8 (RFC 3629)?  For those who hand it on as such. */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

/* 1, or 0: it has bytes that are no character, or one written longer than it has to be. */
int utf8_is(const char *text);

#endif
