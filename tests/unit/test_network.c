/* SPDX-License-Identifier: ISC */
/* Networks: what is one, and what is in it. */
#include "lib/network.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

static int
has(const char *text, const char *address)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	struct network network;

	assert_int_equal(network_parse(text, &network), 0);
	if (inet_pton(AF_INET, address, &in4.sin_addr) == 1)
		return network_has(&network, (struct sockaddr *)&in4);
	assert_int_equal(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
	return network_has(&network, (struct sockaddr *)&in6);
}

static void
address_is_in_its_network_alone(void **state)
{
	(void)state;
	assert_true(has("192.0.2.7", "192.0.2.7"));
	assert_false(has("192.0.2.7", "192.0.2.6"));
	assert_true(has("192.0.2.0/24", "192.0.2.255"));
	assert_false(has("192.0.2.0/24", "192.0.3.0"));
	assert_true(has("192.0.2.128/25", "192.0.2.128"));
	assert_false(has("192.0.2.128/25", "192.0.2.127"));
	assert_true(has("192.0.2.4/30", "192.0.2.7"));
	assert_false(has("192.0.2.4/30", "192.0.2.8"));
	assert_true(has("0.0.0.0/0", "255.0.0.1"));
	assert_true(has("2001:db8::/32", "2001:db8:ffff::1"));
	assert_false(has("2001:db8::/32", "2001:db9::"));
	assert_true(has("2001:db8::1/128", "2001:db8::1"));
	assert_false(has("2001:db8::1", "2001:db8::2"));
	assert_true(has("2001:db8:0:8000::/49", "2001:db8:0:8001::"));
	assert_false(has("2001:db8:0:8000::/49", "2001:db8:0:7fff::"));
}

static void
one_family_is_not_in_the_other(void **state)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct network network;

	(void)state;
	assert_false(has("::/0", "192.0.2.7"));
	assert_false(has("::/0", "::ffff:192.0.2.7"));
	assert_false(has("0.0.0.0/0", "2001:db8::1"));
	assert_true(has("192.0.2.0/24", "::ffff:192.0.2.7"));
	assert_false(has("192.0.2.0/24", "::ffff:192.0.3.7"));
	assert_int_equal(network_parse("::/0", &network), 0);
	assert_false(network_has(&network, (struct sockaddr *)&un));
}

static void
what_is_none_is_refused(void **state)
{
	static const char *const wrong[] = {"", "/", "/24", "192.0.2", "192.0.2.0/", "192.0.2.0/33",
	    "192.0.2.0/-1", "192.0.2.0/024", "192.0.2.0/24x", "192.0.2.1/24", "192.0.2.0/24/24",
	    "192.0.2.256", "192.0.2.01", "proxy.example.org", "*", "2001:db8::/129",
	    "2001:db8::1/64", "2001:db8::/32x", "[2001:db8::1]", "fe80::1%lo", ":",
	    "2001:db8:1111:2222:3333:4444:5555:6666:7777:8888:9999/128"};
	struct network network;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		if (network_parse(wrong[i], &network) == 0)
			fail_msg("taken: %s", wrong[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(address_is_in_its_network_alone),
	    cmocka_unit_test(one_family_is_not_in_the_other),
	    cmocka_unit_test(what_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
