/* SPDX-License-Identifier: ISC */
/* Who comes in at the door, at times that the test makes up. */
#include "inboxd/arrive/door.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "inboxd/arrive/sources.h"
#include "lib/clock.h"

#define SECOND CLOCK_SECOND
#define MANY 100000

static struct door *door;
static int64_t now;
static struct knock knock;

static void
begin(uint64_t handshakes)
{
	const struct door_limits limits = {.connections = 1000, .handshakes = handshakes};

	door = door_new(4711);
	door_set_limits(door, &limits);
	now = 77 * SECOND;
}

/* Somebody at host `host` of 10.0.0.0/8. */
static enum door_verdict
come_from(uint32_t host, struct place *place)
{
	struct sockaddr_in client = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(10u << 24 | host)};

	memset(place, 0, sizeof *place);
	knock = (struct knock){.client = (struct sockaddr *)&client, .now = now, .place = place};
	return door_knock(door, &knock);
}

static enum door_verdict
come_from_ipv6(const char *text, struct place *place)
{
	struct sockaddr_in6 client = {.sin6_family = AF_INET6};

	assert_int_equal(inet_pton(AF_INET6, text, &client.sin6_addr), 1);
	memset(place, 0, sizeof *place);
	knock = (struct knock){.client = (struct sockaddr *)&client, .now = now, .place = place};
	return door_knock(door, &knock);
}

static void
fill(uint32_t host, struct place *places, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(come_from(host, &places[i]), DOOR_OPEN);
		now++;
	}
}

static void
leave(struct place *place, int is_fault)
{
	door_left(door, place, is_fault, now);
}

static void
silent_strangers_are_asked_to_make_way_once_they_have_had_their_time(void **state)
{
	struct place strangers[8], one, client, other;
	int64_t first;

	(void)state;
	begin(9);
	fill(2, &one, 1);
	first = now;
	fill(1, strangers, 8);
	now = first + SECOND / 2;
	assert_int_equal(come_from(3, &client), DOOR_WAIT);
	assert_null(knock.ask);
	assert_int_equal(knock.again, first + DOOR_PATIENCE);
	assert_int_equal(door_handshakes(door), 9);
	/* Of the address with most, the oldest; not the oldest of all, or of the newcomer's own. */
	now = first + DOOR_PATIENCE;
	assert_int_equal(come_from(2, &client), DOOR_WAIT);
	assert_ptr_equal(knock.ask, &strangers[0]);
	assert_int_equal(knock.again, first + 1 + DOOR_PATIENCE);
	leave(&strangers[0], 1);
	assert_int_equal(come_from(3, &client), DOOR_OPEN);
	/* For one from the strangers' own address, too. */
	now = first + DOOR_PATIENCE + 1;
	assert_int_equal(come_from(1, &other), DOOR_WAIT);
	assert_ptr_equal(knock.ask, &strangers[1]);
	door_free(door);
}

static void
who_stays_is_not_asked_again_at_once(void **state)
{
	struct place busy[3], next;

	(void)state;
	begin(3);
	fill(1, busy, 3);
	now += 2 * SECOND;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(come_from(2, &next), DOOR_WAIT);
		assert_ptr_equal(knock.ask, &busy[i]);
	}
	assert_int_equal(come_from(2, &next), DOOR_WAIT);
	assert_null(knock.ask);
	assert_int_equal(knock.again, now + DOOR_PATIENCE);
	now += DOOR_PATIENCE;
	assert_int_equal(come_from(2, &next), DOOR_WAIT);
	assert_ptr_equal(knock.ask, &busy[0]);
	/* Another one's end makes room as well. */
	door_shaken(door, &busy[2], now);
	assert_int_equal(come_from(2, &next), DOOR_OPEN);
	assert_null(knock.ask);
	door_free(door);
}

static void
a_fleet_that_comes_at_once_waits_and_is_let_in(void **state)
{
	struct place fleet[4], next;

	(void)state;
	begin(4);
	fill(1, fleet, 4);
	assert_int_equal(come_from(1, &next), DOOR_WAIT);
	door_shaken(door, &fleet[2], now);
	assert_int_equal(come_from(1, &next), DOOR_OPEN);
	assert_int_equal(come_from(2, &next), DOOR_WAIT);
	leave(&fleet[0], 1);
	assert_int_equal(come_from(2, &next), DOOR_OPEN);
	door_free(door);
}

static void
fail_often(uint32_t host, size_t times)
{
	struct place place;

	for (size_t i = 0; i < times; i++) {
		assert_int_equal(come_from(host, &place), DOOR_OPEN);
		leave(&place, 1);
	}
}

static void
who_keeps_failing_is_held_to_half(void **state)
{
	struct place half[4], others[4], next;

	(void)state;
	begin(8);
	fail_often(1, DOOR_FAULTS);
	fill(1, half, 4);
	assert_int_equal(come_from(1, &next), DOOR_PENALTY);
	assert_null(knock.ask);
	/* Others find the rest free. */
	fill(2, others, 4);
	assert_int_equal(come_from(1, &next), DOOR_PENALTY);
	assert_int_equal(door_handshakes(door), 8);
	/* In a quarter of the time, its own are asked to make way for the next one. */
	now = half[0].since + DOOR_PATIENCE / 4;
	assert_int_equal(come_from(1, &next), DOOR_PENALTY);
	assert_ptr_equal(knock.ask, &half[0]);
	leave(&half[0], 1);
	assert_int_equal(come_from(1, &next), DOOR_OPEN);
	door_free(door);
}

static void
faults_are_made_good_and_forgotten(void **state)
{
	struct place half[4], good, next;

	(void)state;
	begin(8);
	fail_often(1, DOOR_FAULTS);
	assert_int_equal(come_from(1, &good), DOOR_OPEN);
	door_shaken(door, &good, now);
	fill(1, half, 4);
	assert_int_equal(come_from(1, &next), DOOR_OPEN);
	leave(&next, 0);
	fail_often(1, 7);
	assert_int_equal(come_from(1, &next), DOOR_OPEN);
	leave(&next, 1);
	assert_int_equal(come_from(1, &next), DOOR_PENALTY);
	now += 60 * SECOND;
	for (size_t i = 0; i < 4; i++)
		leave(&half[i], 0);
	fill(1, half, 4);
	assert_int_equal(come_from(1, &next), DOOR_OPEN);
	door_free(door);
}

static void
a_failing_address_is_not_held_short_where_there_is_room(void **state)
{
	struct place places[200];

	(void)state;
	begin(512);
	fail_often(1, 10 * DOOR_FAULTS);
	fill(1, places, 200);
	door_free(door);
}

static void
an_address_and_a_block_have_bounds_of_their_own(void **state)
{
	struct door_limits limits = {
	    .connections = 1000, .handshakes = 100, .address = 2, .block = 3};
	struct place place[8], next;

	(void)state;
	begin(100);
	door_set_limits(door, &limits);
	fill(0x0101, place, 2);
	assert_int_equal(come_from(0x0101, &next), DOOR_ADDRESS);
	/* Connections count, not handshakes alone. */
	door_shaken(door, &place[0], now);
	assert_int_equal(come_from(0x0101, &next), DOOR_ADDRESS);
	fill(0x0102, place + 2, 1);
	assert_int_equal(come_from(0x0103, &next), DOOR_BLOCK);
	assert_int_equal(come_from(0x0203, &place[3]), DOOR_OPEN);
	leave(&place[0], 0);
	assert_int_equal(come_from(0x0101, &place[0]), DOOR_OPEN);
	/* The same IPv4 address in the form of IPv6. */
	assert_int_equal(come_from_ipv6("::ffff:10.0.1.1", &next), DOOR_ADDRESS);
	/* A host has a whole /64, a site a /48. */
	assert_int_equal(come_from_ipv6("2001:db8:1:1::1", &place[4]), DOOR_OPEN);
	assert_int_equal(come_from_ipv6("2001:db8:1:1::2", &place[5]), DOOR_OPEN);
	assert_int_equal(come_from_ipv6("2001:db8:1:1:9::3", &next), DOOR_ADDRESS);
	assert_int_equal(come_from_ipv6("2001:db8:1:2::1", &place[6]), DOOR_OPEN);
	assert_int_equal(come_from_ipv6("2001:db8:1:3::1", &next), DOOR_BLOCK);
	assert_int_equal(come_from_ipv6("2001:db8:2:1::1", &place[7]), DOOR_OPEN);
	door_free(door);
}

static void
connections_have_room_beside_the_handshakes(void **state)
{
	const struct door_limits limits = {.connections = 2, .handshakes = 100};
	struct place silent[50], served[2 + DOOR_CROWD], next;

	(void)state;
	begin(100);
	door_set_limits(door, &limits);
	fill(1, silent, 50);
	for (uint32_t i = 0; i < 2 + DOOR_CROWD; i++) {
		fill(2 + i, &served[i], 1);
		door_shaken(door, &served[i], now);
	}
	assert_int_equal(come_from(1000, &next), DOOR_CROWDED);
	leave(&served[1], 0);
	assert_int_equal(come_from(1000, &next), DOOR_OPEN);
	door_free(door);
}

static void
assert_fullest(const char *limit, uint64_t count)
{
	struct door_room room = door_fullest(door);

	assert_string_equal(room.limit, limit);
	assert_int_equal(room.now, count);
	assert_int_equal(room.most, 8);
}

static void
short_begins_at_a_share_of_each_room_and_ends_at_a_smaller_one(void **state)
{
	struct place places[8];
	struct door_limits limits = {.connections = 8, .handshakes = 8};

	(void)state;
	begin(8);
	fill(1, places, 6);
	assert_false(door_is_short(door));
	fill(1, places + 6, 1);
	assert_true(door_is_short(door));
	assert_fullest("handshakes", 7);
	leave(&places[0], 0);
	leave(&places[1], 0);
	assert_true(door_is_short(door));
	leave(&places[2], 0);
	assert_false(door_is_short(door));
	door_set_limits(door, &limits);
	for (size_t i = 3; i < 7; i++)
		door_shaken(door, &places[i], now);
	assert_false(door_is_short(door));
	for (size_t i = 0; i < 3; i++) {
		fill(1, &places[i], 1);
		door_shaken(door, &places[i], now);
	}
	assert_false(door_is_short(door));
	fill(1, &places[7], 1);
	door_shaken(door, &places[7], now);
	assert_true(door_is_short(door));
	assert_fullest("connections", 8);
	leave(&places[7], 0);
	assert_true(door_is_short(door));
	leave(&places[6], 0);
	assert_false(door_is_short(door));
	door_free(door);
}

static void
a_bounded_number_of_addresses_is_remembered(void **state)
{
	static const unsigned char address[ADDRESS_BYTES] = {1};
	struct sources *sources = sources_new(7);

	(void)state;
	for (unsigned i = 0; i < SOURCES_REMEMBERED + 100; i++) {
		unsigned char each[ADDRESS_BYTES] = {2, (unsigned char)(i >> 8), (unsigned char)i};
		struct source *source = sources_add(sources, each, 128);

		source_note(source, 1, now);
		sources_drop(sources, source, now);
	}
	assert_int_equal(sources_count(sources), SOURCES_REMEMBERED);
	/* Without a fault it is forgotten with its last connection. */
	sources_drop(sources, sources_add(sources, address, 128), now);
	assert_int_equal(sources_count(sources), SOURCES_REMEMBERED);
	sources_free(sources);
}

/* Held against counts made by walking all places, after each of many steps by chance. */
static void
the_counts_are_right_whatever_comes(void **state)
{
	enum { PLACES = 60, HOSTS = 7, STEPS = 20000 };
	struct place places[PLACES];
	int is_there[PLACES] = {0};
	uint64_t most[HOSTS], handshakes;

	(void)state;
	begin(20);
	srand(4711);
	for (int step = 0; step < STEPS; step++) {
		size_t i = (size_t)(rand() % PLACES);
		uint32_t host = (uint32_t)(rand() % HOSTS);

		now += rand() % (SECOND / 10);
		if (!is_there[i]) {
			is_there[i] = come_from(host, &places[i]) == DOOR_OPEN;
			assert_true(is_there[i] || !knock.ask || !knock.ask->is_served);
		} else if (!places[i].is_served && rand() % 2) {
			door_shaken(door, &places[i], now);
		} else {
			leave(&places[i], rand() % 2);
			is_there[i] = 0;
		}
		memset(most, 0, sizeof most);
		handshakes = 0;
		for (i = 0; i < PLACES; i++) {
			if (is_there[i] && !places[i].is_served) {
				handshakes++;
				most[places[i].address->address[15] % HOSTS]++;
				assert_true(places[i].address->handshakes <= 20);
			}
		}
		assert_int_equal(door_handshakes(door), handshakes);
		assert_true(handshakes <= 20);
		for (i = 0; i < PLACES; i++) {
			if (is_there[i] && !places[i].is_served)
				assert_int_equal(places[i].address->handshakes,
				    most[places[i].address->address[15] % HOSTS]);
		}
	}
	door_free(door);
}

static double
processor_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

/* `count` come while room is short, from so many addresses, and go again. */
static double
cost_of(size_t count, uint32_t hosts)
{
	struct place *places = calloc(count, sizeof *places);
	char *is_in = calloc(count, 1);
	double before = processor_seconds();

	assert_true(places && is_in);
	begin(512);
	for (size_t i = 0; i < count; i++) {
		enum door_verdict verdict = come_from((uint32_t)i % hosts, &places[i]);

		now += DOOR_PATIENCE;
		is_in[i] = verdict == DOOR_OPEN;
		if (knock.ask) {
			is_in[knock.ask - places] = 0;
			leave(knock.ask, 0);
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (is_in[i])
			leave(&places[i], 1);
	}
	door_free(door);
	free(places);
	free(is_in);
	return processor_seconds() - before;
}

static void
a_hundred_thousand_arrivals_take_no_more_than_their_number(void **state)
{
	static const uint32_t hosts[] = {1, 300, MANY};

	(void)state;
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
		double few = cost_of(MANY / 10, hosts[i]), many = cost_of(MANY, hosts[i]);

		print_message("%u addresses: %.0f ns an arrival\n", hosts[i], many / MANY * 1e9);
		/* Quadratic, it would be a hundred times. */
		assert_true(many < 40 * few + 0.2);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(silent_strangers_are_asked_to_make_way_once_they_have_had_their_time),
	    cmocka_unit_test(who_stays_is_not_asked_again_at_once),
	    cmocka_unit_test(a_fleet_that_comes_at_once_waits_and_is_let_in),
	    cmocka_unit_test(who_keeps_failing_is_held_to_half),
	    cmocka_unit_test(faults_are_made_good_and_forgotten),
	    cmocka_unit_test(a_failing_address_is_not_held_short_where_there_is_room),
	    cmocka_unit_test(an_address_and_a_block_have_bounds_of_their_own),
	    cmocka_unit_test(connections_have_room_beside_the_handshakes),
	    cmocka_unit_test(short_begins_at_a_share_of_each_room_and_ends_at_a_smaller_one),
	    cmocka_unit_test(a_bounded_number_of_addresses_is_remembered),
	    cmocka_unit_test(the_counts_are_right_whatever_comes),
	    cmocka_unit_test(a_hundred_thousand_arrivals_take_no_more_than_their_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
