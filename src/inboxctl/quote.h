/* SPDX-License-Identifier: ISC */
/*
 * JSON that is written as it comes, line by line and without end: a library
 * would want to hold all of it.
 */
#ifndef INBOXCTL_QUOTE_H
#define INBOXCTL_QUOTE_H

#include <stdint.h>
#include <stdio.h>

/* The text in quotes.  Bytes outside 0x20 to 0x7e are written "%XX". */
void quote_text(FILE *out, const char *text);

/* `,"key":` and the value; an empty text is null. */
void quote_member(FILE *out, const char *key, const char *text);
void quote_number(FILE *out, const char *key, uint64_t number);

#endif
