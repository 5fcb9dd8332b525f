/* SPDX-License-Identifier: ISC */
/* The words of the key `servers`: each is right, or is refused with what would be. */
#include "inboxq/base/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PART63 "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-012345678"
#define NAME253 PART63 "." PART63 "." PART63 "." \
	"abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-0123456"

static void
right_words_are_taken_apart(void **state)
{
	static const struct {
		const char *word, *host, *name;
		unsigned port, weight;
		int is_srv, is_address;
	} rows[] = {
	    {"cap1", "cap1", "cap1", 7117, 0, 0, 0},
	    {"cap1:1", "cap1", "cap1", 1, 0, 0, 0},
	    {"CAP1.Example.org:65535", "CAP1.Example.org", "cap1.example.org", 65535, 0, 0, 0},
	    {"cap1.example.org.", "cap1.example.org.", "cap1.example.org", 7117, 0, 0, 0},
	    {"cap1.example.org.:99", "cap1.example.org.", "cap1.example.org", 99, 0, 0, 0},
	    {"xn--bcher-kva.example", "xn--bcher-kva.example", "xn--bcher-kva.example", 7117, 0,
	        0, 0},
	    {"cap_1.example", "cap_1.example", "cap_1.example", 7117, 0, 0, 0},
	    {"_x", "_x", "_x", 7117, 0, 0, 0},
	    {"3com", "3com", "3com", 7117, 0, 0, 0},
	    {"1.2.3.a4", "1.2.3.a4", "1.2.3.a4", 7117, 0, 0, 0},
	    {"192.0.2.1", "192.0.2.1", "192.0.2.1", 7117, 0, 0, 1},
	    {"192.0.2.1:80*3", "192.0.2.1", "192.0.2.1", 80, 3, 0, 1},
	    {"[192.0.2.1]:80", "192.0.2.1", "192.0.2.1", 80, 0, 0, 1},
	    {"[::1]", "::1", "::1", 7117, 0, 0, 1},
	    {"[2001:DB8:0::1]:7118", "2001:db8::1", "2001:db8::1", 7118, 0, 0, 1},
	    {"[fe80::1%eth0]", "fe80::1%eth0", "fe80::1", 7117, 0, 0, 1},
	    {"[fe80::1%br-lan.7]:1*65535", "fe80::1%br-lan.7", "fe80::1", 1, 65535, 0, 1},
	    {"cap1*1", "cap1", "cap1", 7117, 1, 0, 0},
	    {"srv:example.org", "example.org", "example.org", 0, 0, 1, 0},
	    {"SRV:_inbox._tcp.Example.org.*7", "_inbox._tcp.Example.org.",
	        "_inbox._tcp.example.org", 0, 7, 1, 0},
	    {"srv:7117", "srv", "srv", 7117, 0, 0, 0},
	    {"srv", "srv", "srv", 7117, 0, 0, 0},
	    {NAME253 ".:7", NAME253 ".", NAME253, 7, 0, 0, 0},
	};
	struct server server;
	struct why want;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (server_parse(rows[i].word, &server, &want) < 0)
			fail_msg("%s: want %s", rows[i].word, want.text);
		assert_string_equal(server.host, rows[i].host);
		assert_string_equal(server.name, rows[i].name);
		assert_int_equal(server.port, rows[i].port);
		assert_int_equal(server.weight, rows[i].weight);
		assert_int_equal(server.is_srv, rows[i].is_srv);
		assert_int_equal(server.is_address, rows[i].is_address);
	}
}

static void
wrong_words_are_refused_with_what_is_right(void **state)
{
	static const char *const rows[][2] = {
	    {"", "a name or an address"},
	    {":7117", "a name or an address"},
	    {"*3", "a name or an address"},
	    {".", "empty part"},
	    {".cap1", "empty part"},
	    {"cap1..", "empty part"},
	    {"a..b", "empty part"},
	    {"-cap1", "\"-\""},
	    {"cap1.a-:1", "\"-\""},
	    {"cap1:", "a port from 1 to 65535"},
	    {"cap1:0", "a port from 1 to 65535"},
	    {"cap1:65536", "a port from 1 to 65535"},
	    {"cap1:07117", "a port from 1 to 65535"},
	    {"cap1:+1", "a port from 1 to 65535"},
	    {"cap1:http", "a port from 1 to 65535"},
	    {"cap1*", "a weight from 1 to 65535"},
	    {"cap1*0", "a weight from 1 to 65535"},
	    {"cap1*65536", "a weight from 1 to 65535"},
	    {"cap1*3:7117", "a weight from 1 to 65535"},
	    {"*.example.org", "a weight from 1 to 65535"},
	    {"::1", "\"[::1]:7117\""},
	    {"fe80::1%eth0", "\"[fe80::1%eth0]:7117\""},
	    {"2001:db8::1:7117", "\"[2001:db8::1:7117]:7117\""},
	    {"[::1", "[ADDRESS]"},
	    {"[::1]7117", "[ADDRESS]"},
	    {"[::1]:", "a port"},
	    {"[]", "an IPv6 address"},
	    {"[cap1]:7117", "an IPv6 address"},
	    {"[::1::]", "an IPv6 address"},
	    {"[fe80::1]", "[fe80::1%eth0]"},
	    {"[fe80::1%]", "an interface"},
	    {"[fe80::1%0123456789abcdef]", "an interface"},
	    {"[fe80::1%e/h]", "an interface"},
	    {"[::1%lo]", "link-local"},
	    {"[192.0.2.1%lo]", "an IPv6 address"},
	    {"a:b:c", "one colon"},
	    {"inbox://cap1:7117/x", "\"cap1:7117\""},
	    {"https://cap1", "\"cap1\""},
	    {"inbox://", "no URL"},
	    {"user@cap1", "\"cap1\""},
	    {"cap1/inbox", "\"cap1\""},
	    {"cap1/", "\"cap1\""},
	    {"b\xc3\xbc" "cher.example", "xn--"},
	    {"cap 1", "\" \""},
	    {"cap1;x", "\";\""},
	    {"127.1", "four numbers"},
	    {"0x7f000001", "four numbers"},
	    {"2130706433", "four numbers"},
	    {"192.0.2.01", "four numbers"},
	    {"192.0.2.1.", "four numbers"},
	    {"192.0.2.256", "four numbers"},
	    {"cap1.0x1f", "four numbers"},
	    {"srv:", "a domain"},
	    {"srv:*3", "a domain"},
	    {"srv:example.org:7117", "no port"},
	    {"srv:a..b", "empty part"},
	    {"srv:192.0.2.1", "a domain"},
	    {PART63 "x.org", "at most 63"},
	    {NAME253 "x", "at most"},
	};
	struct server server;
	struct why want;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		want.text[0] = '\0';
		if (server_parse(rows[i][0], &server, &want) == 0)
			fail_msg("%s is taken", rows[i][0]);
		if (!strstr(want.text, rows[i][1]))
			fail_msg("%s: want %s, not %s", rows[i][0], rows[i][1], want.text);
	}
}

static void
same_server_is_known_again(void **state)
{
	static const struct {
		const char *a, *b;
		int same;
	} rows[] = {
	    {"cap1", "CAP1.:7117*3", 1},
	    {"[::1]", "[0:0::1]:7117*2", 1},
	    {"cap1", "cap1:7118", 0},
	    {"cap1", "cap2", 0},
	    {"[fe80::1%a]", "[fe80::1%b]", 0},
	    {"srv:example.org", "srv:Example.org.", 1},
	    {"srv:example.org", "example.org", 0},
	};
	struct server a, b;
	struct why want;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(server_parse(rows[i].a, &a, &want), 0);
		assert_int_equal(server_parse(rows[i].b, &b, &want), 0);
		assert_int_equal(server_equal(&a, &b), rows[i].same);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(right_words_are_taken_apart),
	    cmocka_unit_test(wrong_words_are_refused_with_what_is_right),
	    cmocka_unit_test(same_server_is_known_again),
	};

	return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
