/* SPDX-License-Identifier: ISC */
/*
 * What is written into a segment of the journal, as a text for the trace:
 *
 *	<key>=<value> ...            at, size (where, and how many bytes), and of a head all that
 *	                             it says; without a head (a segment is filled) no more
 *	<RS><seq> <bytes> <record>   for each frame; bytes is "bytes" where it has its item's,
 *	                             else "-"
 *
 * Read by the table in lib/journal.h and not by the program's code: what that writes is what
 * is looked at.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shim.h"

#define HEAD 144
#define ROW 24

static uint64_t
get8(const unsigned char *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof value);
	return le64toh(value);
}

static uint32_t
get4(const unsigned char *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof value);
	return le32toh(value);
}

int
shim_is_batch(const void *data, size_t len)
{
	return len >= HEAD && memcmp(data, "inboxd-j", 8) == 0;
}

static size_t
put_head(char *dst, size_t room, const unsigned char *head)
{
	static const struct {
		const char *name;
		int at, is_long;
	} fields[] = {
	    {"number", 80, 1}, {"before", 88, 1}, {"from", 96, 1}, {"last", 104, 1},
	    {"durable", 112, 1}, {"published", 120, 1}, {"segments", 132, 0}, {"count", 136, 0},
	};
	size_t len = 0;

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		const unsigned char *from = head + fields[i].at;
		len += (size_t)snprintf(dst + len, room - len, " %s=%" PRIu64, fields[i].name,
		    fields[i].is_long ? get8(from) : (uint64_t)get4(from));
	}
	return len;
}

size_t
shim_print_batch(char *dst, size_t room, const void *data, size_t len, long long at)
{
	const unsigned char *bytes = data;
	size_t done = (size_t)snprintf(dst, room, "at=%lld size=%zu", at, len);
	uint32_t count;
	size_t frame;

	if (!shim_is_batch(data, len))
		return done;
	done += put_head(dst + done, room - done, bytes);
	count = get4(bytes + 136);
	frame = HEAD + (size_t)count * ROW;
	for (uint32_t i = 0; i < count; i++) {
		const unsigned char *row = bytes + HEAD + (size_t)i * ROW;
		size_t record = get4(row + 8), item = get4(row + 12);
		if (frame + record + item > len || room - done < record + 64)
			shim_end("a batch of the journal is not as its head says, or too long");
		done += (size_t)snprintf(dst + done, room - done, "\036%" PRIu64 " %s %.*s",
		    get8(row), get4(row + 16) ? "bytes" : "-",
		    record > 0 ? (int)record - 1 : 0, (const char *)bytes + frame);
		frame += record + item;
	}
	return done;
}
