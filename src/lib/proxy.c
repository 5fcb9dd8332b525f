/* SPDX-License-Identifier: ISC */
/*
 * What is wrong is told as soon as the bytes that say so are there, but for the fields of a line of
 * version 1, which are looked at when it has its end: it has 107 bytes at most.
 */
#include "lib/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/crc.h"
#include "lib/parse.h"

static enum proxy_state
bad(struct why *why, const char *text)
{
	why_say(why, "%s", text);
	return PROXY_BAD;
}

/* Does it begin with `word`, as far as it is there? */
static int
begins_as(const unsigned char *data, size_t len, const void *word, size_t word_len)
{
	return memcmp(data, word, len < word_len ? len : word_len) == 0;
}

static void
set_in4(struct sockaddr_storage *source, const void *address, uint16_t port)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};

	memcpy(&in4.sin_addr, address, sizeof in4.sin_addr);
	memcpy(source, &in4, sizeof in4);
}

static void
set_in6(struct sockaddr_storage *source, const void *address, uint16_t port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	memcpy(&in6.sin6_addr, address, sizeof in6.sin6_addr);
	if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
		set_in4(source, (const char *)address + 12, port);
	else
		memcpy(source, &in6, sizeof in6);
}

/* ---- version 1: "PROXY TCP4 192.0.2.1 198.51.100.1 4711 7117\r\n" */

#define LINE_MAX_1 107 /* bytes, with the CR and LF */
#define WORD_ROOM (INET6_ADDRSTRLEN + 1)

/* Takes a word of the line, and what it ends with.  0, or -1. */
static int
take_word(const char **at, const char *end, char until, char word[WORD_ROOM])
{
	const char *stop = memchr(*at, until, (size_t)(end - *at));
	size_t len = stop ? (size_t)(stop - *at) : 0;

	if (len < 1 || len >= WORD_ROOM || memchr(*at, '\0', len))
		return -1;
	memcpy(word, *at, len);
	word[len] = '\0';
	*at = stop + 1;
	return 0;
}

static int
take_port(const char **at, const char *end, char until, uint64_t *port)
{
	char word[WORD_ROOM];

	if (take_word(at, end, until, word) < 0)
		return -1;
	return parse_u64(word, strlen(word), 65535, port);
}

/* What stands behind "PROXY TCP4 " or "PROXY TCP6 ", up to and with the CR, which ends it. */
static enum proxy_state
read_addresses(const char *at, const char *end, int family, struct sockaddr_storage *source,
    struct why *why)
{
	struct in6_addr from, to; /* the room of either family */
	char word[WORD_ROOM];
	uint64_t port, other;

	if (take_word(&at, end, ' ', word) < 0 || inet_pton(family, word, &from) != 1)
		return bad(why, "version 1: the source is no address of its family");
	if (take_word(&at, end, ' ', word) < 0 || inet_pton(family, word, &to) != 1)
		return bad(why, "version 1: the destination is no address of its family");
	if (take_port(&at, end, ' ', &port) < 0)
		return bad(why, "version 1: the source's port is none");
	if (take_port(&at, end, '\r', &other) < 0)
		return bad(why, "version 1: the destination's port is none");
	if (family == AF_INET)
		set_in4(source, &from, (uint16_t)port);
	else
		set_in6(source, &from, (uint16_t)port);
	return PROXY_WHOLE;
}

static enum proxy_state
read_line(const unsigned char *data, size_t len, struct proxy_preface *out, struct why *why)
{
	static const char tcp4[] = "PROXY TCP4 ", tcp6[] = "PROXY TCP6 ";
	static const char unknown[] = "PROXY UNKNOWN";
	size_t most = len < LINE_MAX_1 ? len : LINE_MAX_1;
	const unsigned char *cr = memchr(data, '\r', most);
	const char *line = (const char *)data, *end;

	if (memchr(data, '\n', cr ? (size_t)(cr - data) : most))
		return bad(why, "version 1: LF without CR");
	if (!cr && len < LINE_MAX_1)
		return PROXY_MORE;
	if (!cr || cr - data == LINE_MAX_1 - 1)
		return bad(why, "version 1: more than 107 bytes");
	if ((size_t)(cr - data) + 1 == len)
		return PROXY_MORE;
	if (cr[1] != '\n')
		return bad(why, "version 1: CR without LF");
	out->length = (size_t)(cr - data) + 2;
	end = line + out->length - 1;
	if (begins_as(data, out->length, tcp4, sizeof tcp4 - 1))
		return read_addresses(line + sizeof tcp4 - 1, end, AF_INET, &out->source, why);
	if (begins_as(data, out->length, tcp6, sizeof tcp6 - 1))
		return read_addresses(line + sizeof tcp6 - 1, end, AF_INET6, &out->source, why);
	/* What stands behind the word is nobody's. */
	if (begins_as(data, out->length, unknown, sizeof unknown - 1) &&
	    (line[sizeof unknown - 1] == ' ' || line[sizeof unknown - 1] == '\r'))
		return PROXY_WHOLE;
	return bad(why, "version 1: neither TCP4 nor TCP6 nor UNKNOWN");
}

/* ---- version 2: signature, version and command, family, length; addresses; TLVs */

static const unsigned char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

enum {
	AT_COMMAND = 12,
	AT_FAMILY = 13,
	AT_LENGTH = 14,
	AT_ADDRESSES = 16,
	TLV_HEAD = 3, /* type, length */
	TLV_CRC32C = 0x03,
};

/* The bytes that the addresses of a family and its kind of socket take; -1: there is none such. */
static int
addresses_size(unsigned char family)
{
	switch (family) {
	case 0x00:
		return 0;
	case 0x11:
	case 0x12:
		return 12;
	case 0x21:
	case 0x22:
		return 36;
	case 0x31:
	case 0x32:
		return 216;
	default:
		return -1;
	}
}

static int
is_proxied(const unsigned char *data)
{
	return (data[AT_COMMAND] & 15) == 1;
}

static size_t
get16(const unsigned char *at)
{
	return (size_t)at[0] << 8 | at[1];
}

static uint32_t
get32(const unsigned char *at)
{
	return (uint32_t)get16(at) << 16 | (uint32_t)get16(at + 2);
}

/* Of all the preface, with 0 where it stands itself. */
static int
is_checksum_right(const unsigned char *data, size_t length, size_t at)
{
	static const unsigned char none[4];
	uint32_t crc = crc32c(crc32c(0, data, at), none, sizeof none);

	return crc32c(crc, data + at + sizeof none, length - at - sizeof none) == get32(data + at);
}

static enum proxy_state
check_tlvs(const unsigned char *data, size_t length, size_t at, struct why *why)
{
	while (at < length) {
		size_t size;

		if (length - at < TLV_HEAD)
			return bad(why, "version 2: a TLV without its head");
		size = get16(data + at + 1);
		if (size > length - at - TLV_HEAD)
			return bad(why, "version 2: a TLV beyond the end");
		if (data[at] == TLV_CRC32C && size != 4)
			return bad(why, "version 2: a checksum that has not 4 bytes");
		if (data[at] == TLV_CRC32C && !is_checksum_right(data, length, at + TLV_HEAD))
			return bad(why, "version 2: a wrong checksum");
		at += TLV_HEAD + size;
	}
	return PROXY_WHOLE;
}

/* The fixed part, as far as it is there: 0, or -1 and what is wrong. */
static int
check_head(const unsigned char *data, size_t len, struct why *why)
{
	int size = 0; /* of LOCAL all that follows is passed over */

	if (len > AT_COMMAND && data[AT_COMMAND] >> 4 != 2)
		return why_say(why, "neither version 1 nor 2");
	if (len > AT_COMMAND && (data[AT_COMMAND] & 15) > 1)
		return why_say(why, "version 2: a command that is neither LOCAL nor PROXY");
	if (len > AT_FAMILY && is_proxied(data))
		size = addresses_size(data[AT_FAMILY]);
	if (size < 0)
		return why_say(why, "version 2: an unknown family");
	if (len < AT_ADDRESSES)
		return 0;
	if (get16(data + AT_LENGTH) < (size_t)size)
		return why_say(why, "version 2: shorter than its addresses");
	if (get16(data + AT_LENGTH) > PROXY_MAX - AT_ADDRESSES)
		return why_say(why, "version 2: more than %d bytes", PROXY_MAX);
	return 0;
}

static enum proxy_state
read_binary(const unsigned char *data, size_t len, struct proxy_preface *out, struct why *why)
{
	const unsigned char *addresses = data + AT_ADDRESSES;

	if (check_head(data, len, why) < 0)
		return PROXY_BAD;
	if (len < AT_ADDRESSES || len - AT_ADDRESSES < get16(data + AT_LENGTH))
		return PROXY_MORE;
	out->length = AT_ADDRESSES + get16(data + AT_LENGTH);
	if (!is_proxied(data))
		return PROXY_WHOLE;
	/* Source, destination, source port, destination port. */
	if (data[AT_FAMILY] == 0x11)
		set_in4(&out->source, addresses, (uint16_t)get16(addresses + 8));
	else if (data[AT_FAMILY] == 0x21)
		set_in6(&out->source, addresses, (uint16_t)get16(addresses + 32));
	else
		return PROXY_WHOLE;
	return check_tlvs(data, out->length,
	    AT_ADDRESSES + (size_t)addresses_size(data[AT_FAMILY]), why);
}

enum proxy_state
proxy_read(const unsigned char *data, size_t len, struct proxy_preface *out, struct why *why)
{
	static const char word[] = "PROXY ";

	if (len > PROXY_MAX)
		len = PROXY_MAX;
	if (len == 0)
		return PROXY_MORE;
	memset(out, 0, sizeof *out);
	out->source.ss_family = AF_UNSPEC;
	if (begins_as(data, len, signature, sizeof signature))
		return read_binary(data, len, out, why);
	if (begins_as(data, len, word, sizeof word - 1))
		return read_line(data, len, out, why);
	return bad(why, "no preface of the PROXY protocol");
}
