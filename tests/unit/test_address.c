/* SPDX-License-Identifier: ISC */
/* Addresses as text. */
#include "lib/address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

static void
each_family_has_its_form(void **state)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(65535)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(4711)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	char text[ADDRESS_ROOM];

	(void)state;
	inet_pton(AF_INET, "192.0.2.1", &in4.sin_addr);
	address_print((struct sockaddr *)&in4, text);
	assert_string_equal(text, "192.0.2.1:65535");
	inet_pton(AF_INET6, "2001:db8:1111:2222:3333:4444:5555:6666", &in6.sin6_addr);
	address_print((struct sockaddr *)&in6, text);
	assert_string_equal(text, "[2001:db8:1111:2222:3333:4444:5555:6666]:4711");
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr);
	address_print((struct sockaddr *)&in6, text);
	assert_string_equal(text, "192.0.2.1:4711");
	address_print((struct sockaddr *)&un, text);
	assert_string_equal(text, "(local)");
}

static void
a_host_is_its_address_without_the_port(void **state)
{
	static const char longest[] = "2001:db8:1111:2222:3333:4444:5555:6666";
	static const struct {
		const char *text, *host;
	} rows[] = {{"192.0.2.1:4711", "192.0.2.1"}, {"[2001:db8::1]:4711", "2001:db8::1"},
	    {"[2001:db8:1111:2222:3333:4444:5555:6666]:65535", longest}, {"[::]:0", "::"},
	    {"(local)", ""}, {"", ""}};
	char host[ADDRESS_HOST_ROOM];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		address_host(rows[i].text, host);
		assert_string_equal(host, rows[i].host);
	}
}

static void
an_ipv4_address_has_the_same_bytes_in_both_forms(void **state)
{
	static const unsigned char mapped[ADDRESS_BYTES] = {
	    [10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1};
	static const unsigned char long_one[ADDRESS_BYTES] = {0x20, 1, 0xd, 0xb8, [15] = 7};
	static const unsigned char none[ADDRESS_BYTES];
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(65535)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(4711)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	unsigned char bytes[ADDRESS_BYTES];

	(void)state;
	inet_pton(AF_INET, "192.0.2.1", &in4.sin_addr);
	assert_true(address_bytes((struct sockaddr *)&in4, bytes));
	assert_memory_equal(bytes, mapped, sizeof mapped);
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr);
	assert_true(address_bytes((struct sockaddr *)&in6, bytes));
	assert_memory_equal(bytes, mapped, sizeof mapped);
	inet_pton(AF_INET6, "2001:db8::7", &in6.sin6_addr);
	assert_false(address_bytes((struct sockaddr *)&in6, bytes));
	assert_memory_equal(bytes, long_one, sizeof long_one);
	assert_false(address_bytes((struct sockaddr *)&un, bytes));
	assert_memory_equal(bytes, none, sizeof none);
}

static void
a_copy_is_all_of_it(void **state)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(4711)};
	struct sockaddr_in6 in6 = {
	    .sin6_family = AF_INET6, .sin6_port = htons(4711), .sin6_scope_id = 3};
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/socket"};
	struct sockaddr_storage copy;

	(void)state;
	inet_pton(AF_INET, "192.0.2.1", &in4.sin_addr);
	address_copy((struct sockaddr *)&in4, &copy);
	assert_memory_equal(&copy, &in4, sizeof in4);
	inet_pton(AF_INET6, "2001:db8::7", &in6.sin6_addr);
	address_copy((struct sockaddr *)&in6, &copy);
	assert_memory_equal(&copy, &in6, sizeof in6);
	address_copy((struct sockaddr *)&un, &copy);
	assert_int_equal(copy.ss_family, AF_UNIX);
	assert_int_equal(((struct sockaddr_un *)&copy)->sun_path[0], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_family_has_its_form),
	    cmocka_unit_test(a_host_is_its_address_without_the_port),
	    cmocka_unit_test(an_ipv4_address_has_the_same_bytes_in_both_forms),
	    cmocka_unit_test(a_copy_is_all_of_it)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
