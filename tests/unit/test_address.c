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

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_family_has_its_form)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
