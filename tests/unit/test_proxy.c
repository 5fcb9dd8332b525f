/* SPDX-License-Identifier: ISC */
/* A connection's preface: every way to say one, every cut of it, every byte of it that is wrong. */
#include "lib/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/address.h"
#include "lib/crc.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
/* 192.0.2.1:4711, 198.51.100.1:7117 */
#define FOUR "\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x67\x1b\xcd"
#define SIX "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02" \
	    "\x12\x67\x1b\xcd"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01" \
	       "\x12\x67\x1b\xcd"
#define NOBODY "(local)" /* as address_print() shows AF_UNSPEC */

#define BYTES(text) text, sizeof(text) - 1

static const struct {
	const char *bytes;
	size_t len;
	const char *source;
} good[] = {
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 4711 7117\r\n"), "192.0.2.1:4711"},
    {BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
        "255.255.255.255:65535"},
    {BYTES("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "0.0.0.0:0"},
    {BYTES("PROXY TCP6 2001:db8::1 2001:db8::2 4711 7117\r\n"), "[2001:db8::1]:4711"},
    {BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
    {BYTES("PROXY TCP6 ::ffff:192.0.2.1 ::1 4711 7117\r\n"), "192.0.2.1:4711"},
    {BYTES("PROXY UNKNOWN\r\n"), NOBODY},
    {BYTES("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
        NOBODY},
    {BYTES(SIGNATURE "\x21\x11\0\x0c" FOUR), "192.0.2.1:4711"},
    {BYTES(SIGNATURE "\x21\x11\0\x12" FOUR "\x04\0\x03xyz"), "192.0.2.1:4711"},
    {BYTES(SIGNATURE "\x21\x11\0\x0f" FOUR "\xee\0\0"), "192.0.2.1:4711"},
    {BYTES(SIGNATURE "\x21\x21\0\x24" SIX), "[2001:db8::1]:4711"},
    {BYTES(SIGNATURE "\x21\x21\0\x24" MAPPED), "192.0.2.1:4711"},
    {BYTES(SIGNATURE "\x21\x12\0\x0c" FOUR), NOBODY},
    {BYTES(SIGNATURE "\x21\x22\0\x24" SIX), NOBODY},
    {BYTES(SIGNATURE "\x21\0\0\0"), NOBODY},
    {BYTES(SIGNATURE "\x21\0\0\x03xyz"), NOBODY},
    {BYTES(SIGNATURE "\x20\0\0\0"), NOBODY},
    {BYTES(SIGNATURE "\x20\x11\0\x0c" FOUR), NOBODY},
    {BYTES(SIGNATURE "\x20\xff\0\x01x"), NOBODY}, /* LOCAL: all else is passed over */
};

static const struct {
	const char *bytes;
	size_t len;
	const char *why;
} wrong[] = {
    {BYTES("\x16\x03\x01\x02\0\x01"), "no preface of the PROXY protocol"},
    {BYTES("GET / HTTP/1.1\r\n"), "no preface of the PROXY protocol"},
    {BYTES("PROXX"), "no preface of the PROXY protocol"},
    {BYTES("\r\n\r\n\r"), "no preface of the PROXY protocol"},
    {BYTES("PROXY UNKNOWN\n"), "version 1: LF without CR"},
    {BYTES("PROXY UNKNOWN\rx"), "version 1: CR without LF"},
    {BYTES("PROXY \r\n"), "version 1: neither TCP4 nor TCP6 nor UNKNOWN"},
    {BYTES("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n"),
        "version 1: neither TCP4 nor TCP6 nor UNKNOWN"},
    {BYTES("PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n"),
        "version 1: neither TCP4 nor TCP6 nor UNKNOWN"},
    {BYTES("PROXY UNKNOWNS\r\n"), "version 1: neither TCP4 nor TCP6 nor UNKNOWN"},
    {BYTES("PROXY UNKNOWN\0\r\n"), "version 1: neither TCP4 nor TCP6 nor UNKNOWN"},
    {BYTES("PROXY TCP4\r\n"), "version 1: neither TCP4 nor TCP6 nor UNKNOWN"},
    {BYTES("PROXY TCP4 \r\n"), "version 1: the source is no address of its family"},
    {BYTES("PROXY TCP4 192.0.2.1\r\n"), "version 1: the source is no address of its family"},
    {BYTES("PROXY TCP4 ::1 ::1 1 2\r\n"), "version 1: the source is no address of its family"},
    {BYTES("PROXY TCP6 192.0.2.1 ::1 1 2\r\n"),
        "version 1: the source is no address of its family"},
    {BYTES("PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n"),
        "version 1: the source is no address of its family"},
    {BYTES("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"),
        "version 1: the source is no address of its family"},
    {BYTES("PROXY TCP6 fe80::1%lo ::1 1 2\r\n"),
        "version 1: the source is no address of its family"},
    {BYTES("PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n"),
        "version 1: the destination is no address of its family"},
    {BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n"), "version 1: the source's port is none"},
    {BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"), "version 1: the source's port is none"},
    {BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"), "version 1: the source's port is none"},
    {BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n"),
        "version 1: the destination's port is none"},
    {BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 -2\r\n"),
        "version 1: the destination's port is none"},
    {BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n"),
        "version 1: the destination's port is none"},
    {BYTES(SIGNATURE "\x11"), "neither version 1 nor 2"},
    {BYTES(SIGNATURE "\x31"), "neither version 1 nor 2"},
    {BYTES(SIGNATURE "\x22"), "version 2: a command that is neither LOCAL nor PROXY"},
    {BYTES(SIGNATURE "\x21\x41"), "version 2: an unknown family"},
    {BYTES(SIGNATURE "\x21\x10"), "version 2: an unknown family"},
    {BYTES(SIGNATURE "\x21\x01"), "version 2: an unknown family"},
    {BYTES(SIGNATURE "\x21\x13"), "version 2: an unknown family"},
    {BYTES(SIGNATURE "\x21\x11\0\x0b"), "version 2: shorter than its addresses"},
    {BYTES(SIGNATURE "\x21\x21\0\x23"), "version 2: shorter than its addresses"},
    {BYTES(SIGNATURE "\x21\x31\0\xd7"), "version 2: shorter than its addresses"},
    {BYTES(SIGNATURE "\x21\x11\x0f\xf1"), "version 2: more than 4096 bytes"},
    {BYTES(SIGNATURE "\x20\0\xff\xff"), "version 2: more than 4096 bytes"},
    {BYTES(SIGNATURE "\x21\x11\0\x0d" FOUR "\x04"), "version 2: a TLV without its head"},
    {BYTES(SIGNATURE "\x21\x11\0\x0f" FOUR "\x04\0\x01"), "version 2: a TLV beyond the end"},
    {BYTES(SIGNATURE "\x21\x11\0\x12" FOUR "\x03\0\x03xyz"),
        "version 2: a checksum that has not 4 bytes"},
    {BYTES(SIGNATURE "\x21\x11\0\x13" FOUR "\x03\0\x04\0\0\0\0"), "version 2: a wrong checksum"},
};

static const char tls[] = "\x16\x03\x01\r\n\0PROXY ";

/* In memory of exactly that size, for a sanitizer to see a read beyond it. */
static enum proxy_state
read_some(const void *bytes, size_t len, struct proxy_preface *out, struct why *why)
{
	unsigned char *copy = test_malloc(len ? len : 1);
	enum proxy_state state;

	if (len)
		memcpy(copy, bytes, len);
	memset(out, 0xff, sizeof *out);
	why->text[0] = '\0';
	state = proxy_read(copy, len, out, why);
	test_free(copy);
	return state;
}

static void
assert_whole(const void *bytes, size_t len, size_t length, const char *source)
{
	struct proxy_preface preface;
	char text[ADDRESS_ROOM];
	struct why why;

	assert_int_equal(read_some(bytes, len, &preface, &why), PROXY_WHOLE);
	assert_int_equal(preface.length, length);
	address_print((struct sockaddr *)&preface.source, text);
	assert_string_equal(text, source);
	assert_int_equal(preface.source.ss_family,
	    source[0] == '(' ? AF_UNSPEC : source[0] == '[' ? AF_INET6 : AF_INET);
}

static void
each_preface_is_read_wherever_it_is_cut(void **state)
{
	struct proxy_preface preface;
	struct why why;
	char bytes[512];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		for (size_t len = 0; len < good[i].len; len++)
			assert_int_equal(
			    read_some(good[i].bytes, len, &preface, &why), PROXY_MORE);
		memcpy(bytes, good[i].bytes, good[i].len);
		memcpy(bytes + good[i].len, tls, sizeof tls);
		for (size_t more = 0; more <= sizeof tls; more++)
			assert_whole(bytes, good[i].len + more, good[i].len, good[i].source);
	}
}

static void
what_is_wrong_is_refused_and_told(void **state)
{
	struct proxy_preface preface;
	struct why why;
	char bytes[512];

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		/* Not before its last byte, and whatever follows. */
		for (size_t len = 0; len < wrong[i].len; len++)
			assert_int_not_equal(
			    read_some(wrong[i].bytes, len, &preface, &why), PROXY_WHOLE);
		memcpy(bytes, wrong[i].bytes, wrong[i].len);
		memcpy(bytes + wrong[i].len, tls, sizeof tls);
		for (size_t more = 0; more <= sizeof tls; more++) {
			assert_int_equal(read_some(bytes, wrong[i].len + more, &preface, &why),
			    PROXY_BAD);
			assert_string_equal(why.text, wrong[i].why);
		}
	}
}

/* Of version 2's head: the signature, version and command, family, length. */
static void
no_flipped_byte_of_the_head_is_believed(void **state)
{
	static const char head[] = SIGNATURE "\x21\x11\0\x0c" FOUR;
	struct proxy_preface preface;
	struct why why;
	char bytes[sizeof head];
	char text[ADDRESS_ROOM];

	(void)state;
	for (size_t at = 0; at < 16; at++) {
		for (unsigned flip = 1; flip < 256; flip++) {
			enum proxy_state found;

			memcpy(bytes, head, sizeof head);
			bytes[at] = (char)(bytes[at] ^ (char)flip);
			found = read_some(bytes, sizeof head - 1, &preface, &why);
			if (found != PROXY_WHOLE)
				continue;
			/* Only as LOCAL, or as a family whose addresses are not taken. */
			assert_true(at == 12 || at == 13);
			address_print((struct sockaddr *)&preface.source, text);
			assert_string_equal(text, NOBODY);
			assert_true((unsigned char)bytes[12] == 0x20 || bytes[13] == 0 ||
			    bytes[13] == 0x12);
		}
	}
}

static void
line_of_107_bytes_is_the_longest(void **state)
{
	struct proxy_preface preface;
	struct why why;
	char line[120];

	(void)state;
	memset(line, 'x', sizeof line);
	memcpy(line, BYTES("PROXY UNKNOWN "));
	memcpy(line + 105, "\r\n", 2);
	assert_whole(line, sizeof line, 107, NOBODY);
	assert_int_equal(read_some(line, 106, &preface, &why), PROXY_MORE);
	memcpy(line + 105, "x\r\n", 3);
	assert_int_equal(read_some(line, 105, &preface, &why), PROXY_MORE);
	for (size_t len = 107; len < sizeof line; len++) {
		assert_int_equal(read_some(line, len, &preface, &why), PROXY_BAD);
		assert_string_equal(why.text, "version 1: more than 107 bytes");
	}
	memset(line + 14, 'x', sizeof line - 14);
	assert_int_equal(read_some(line, 106, &preface, &why), PROXY_MORE);
	assert_int_equal(read_some(line, 107, &preface, &why), PROXY_BAD);
}

static void
put_checksum(unsigned char *bytes, size_t len, size_t at)
{
	uint32_t crc;

	memset(bytes + at, 0, 4);
	crc = crc32c(0, bytes, len);
	for (size_t i = 0; i < 4; i++)
		bytes[at + i] = (unsigned char)(crc >> (24 - 8 * i));
}

static void
checksum_finds_each_flipped_bit(void **state)
{
	unsigned char bytes[] = SIGNATURE
	    "\x21\x11\0\x19" FOUR "\x04\0\x01x\x03\0\x04????\x01\0\x02h2";
	const size_t len = sizeof bytes - 1, at = 16 + 12 + 4 + 3;
	struct proxy_preface preface;
	struct why why;

	(void)state;
	bytes[15] = (unsigned char)(len - 16);
	put_checksum(bytes, len, at);
	assert_whole(bytes, len, len, "192.0.2.1:4711");
	for (size_t bit = 16 * 8; bit < 8 * len; bit++) {
		bytes[bit / 8] = (unsigned char)(bytes[bit / 8] ^ 1u << bit % 8);
		/* A bit of the checksum's own type or length hides it: then nothing is checked. */
		if (bit / 8 < at - 3 || bit / 8 >= at)
			assert_int_equal(read_some(bytes, len, &preface, &why), PROXY_BAD);
		bytes[bit / 8] = (unsigned char)(bytes[bit / 8] ^ 1u << bit % 8);
	}
}

/* As HAProxy 2.6 sent it, with "send-proxy-v2 proxy-v2-options crc32c,unique-id". */
static void
checksum_is_the_one_that_others_send(void **state)
{
	static const char sent[] = SIGNATURE "\x21\x11\0\x1a"
	    "\x7f\0\0\x09\x7f\0\0\x01\x12\x67\x46\xbf"
	    "\x03\0\x04\x17\x37\xda\x62\x05\0\x04" "abc0";

	(void)state;
	assert_whole(BYTES(sent), sizeof sent - 1, "127.0.0.9:4711");
}

static void
longest_preface_has_4096_bytes(void **state)
{
	static unsigned char bytes[PROXY_MAX + 100];
	struct proxy_preface preface;
	struct why why;

	(void)state;
	memcpy(bytes, BYTES(SIGNATURE "\x21\x11\x0f\xf0" FOUR "\x04\x0f\xe1"));
	assert_whole(bytes, PROXY_MAX, PROXY_MAX, "192.0.2.1:4711");
	assert_whole(bytes, sizeof bytes, PROXY_MAX, "192.0.2.1:4711");
	assert_int_equal(read_some(bytes, PROXY_MAX - 1, &preface, &why), PROXY_MORE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_preface_is_read_wherever_it_is_cut),
	    cmocka_unit_test(what_is_wrong_is_refused_and_told),
	    cmocka_unit_test(no_flipped_byte_of_the_head_is_believed),
	    cmocka_unit_test(line_of_107_bytes_is_the_longest),
	    cmocka_unit_test(checksum_finds_each_flipped_bit),
	    cmocka_unit_test(checksum_is_the_one_that_others_send),
	    cmocka_unit_test(longest_preface_has_4096_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
