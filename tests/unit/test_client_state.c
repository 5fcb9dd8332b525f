/* SPDX-License-Identifier: ISC */
/* How a client is: at each boundary, and which of two words is the worse. */
#include "lib/client_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOW INT64_C(1795359600)
#define DAY 86400
#define HOUR 3600

static const struct client_rules rules = {DAY, HOUR};

static enum client_state
state_of(const struct client_facts *facts)
{
	return client_state_worst(client_states_of(facts, &rules, NOW));
}

static void
is_silent_when_unseen_for_longer_and_no_sooner(void **state)
{
	struct client_facts facts = {.seen = NOW - DAY, .client_seen = NOW - DAY};

	(void)state;
	assert_int_equal(state_of(&facts), CLIENT_UP_TO_DATE);
	facts.seen = facts.client_seen = NOW - DAY - 1;
	assert_int_equal(state_of(&facts), CLIENT_SILENT);
	facts.seen = facts.client_seen = 0;
	assert_int_equal(state_of(&facts), CLIENT_SILENT);
	facts.seen = facts.client_seen = INT64_MIN;
	assert_int_equal(state_of(&facts), CLIENT_SILENT);
	facts.seen = facts.client_seen = NOW + DAY; /* the clock was set back since */
	assert_int_equal(state_of(&facts), CLIENT_UP_TO_DATE);
}

static void
old_queue_of_a_machine_that_is_there_is_silent_only_with_items(void **state)
{
	struct client_facts facts = {.seen = NOW - 2 * DAY, .client_seen = NOW};

	(void)state;
	assert_int_equal(state_of(&facts), CLIENT_UP_TO_DATE);
	facts.pending = 1;
	assert_int_equal(state_of(&facts), CLIENT_SILENT);
	facts.pending = 0;
	facts.client_seen = NOW - DAY - 1;
	assert_int_equal(state_of(&facts), CLIENT_SILENT);
}

static void
is_behind_when_the_oldest_waits_for_longer(void **state)
{
	struct client_facts facts = {.seen = NOW, .client_seen = NOW, .pending = 1,
	    .oldest = NOW - HOUR};

	(void)state;
	assert_int_equal(state_of(&facts), CLIENT_UP_TO_DATE);
	facts.oldest--;
	assert_int_equal(state_of(&facts), CLIENT_BEHIND);
	facts.pending = 0;
	assert_int_equal(state_of(&facts), CLIENT_UP_TO_DATE);
	facts.pending = 1;
	facts.oldest = NOW + HOUR; /* by its own clock */
	assert_int_equal(state_of(&facts), CLIENT_UP_TO_DATE);
}

static void
client_that_does_not_say_since_when_is_judged_by_what_was_stored(void **state)
{
	struct client_facts facts = {.seen = NOW, .client_seen = NOW, .pending = 1,
	    .last_stored = NOW - HOUR};

	(void)state;
	assert_int_equal(state_of(&facts), CLIENT_UP_TO_DATE);
	facts.last_stored--;
	assert_int_equal(state_of(&facts), CLIENT_BEHIND);
	facts.oldest = NOW;
	assert_int_equal(state_of(&facts), CLIENT_UP_TO_DATE);
	facts.oldest = NOW + 1; /* its clock is ahead: that says nothing */
	assert_int_equal(state_of(&facts), CLIENT_BEHIND);
	facts.last_stored++;
	assert_int_equal(state_of(&facts), CLIENT_UP_TO_DATE);
	facts.oldest = facts.last_stored = 0; /* nothing is known */
	assert_int_equal(state_of(&facts), CLIENT_UP_TO_DATE);
}

static void
worst_word_is_said(void **state)
{
	struct client_facts facts = {.seen = NOW - 2 * DAY, .client_seen = NOW - 2 * DAY,
	    .pending = 1, .oldest = NOW - 2 * DAY, .gaps = 1};

	(void)state;
	assert_int_equal(state_of(&facts), CLIENT_MISSING);
	assert_int_equal(client_states_of(&facts, &rules, NOW),
	    1 << CLIENT_MISSING | 1 << CLIENT_SILENT | 1 << CLIENT_BEHIND);
	assert_int_equal(client_state_worst(1 << CLIENT_NEVER_CAME), CLIENT_NEVER_CAME);
	facts.gaps = 0;
	assert_int_equal(state_of(&facts), CLIENT_SILENT);
	facts.seen = facts.client_seen = NOW;
	assert_int_equal(state_of(&facts), CLIENT_BEHIND);
	assert_true(CLIENT_UP_TO_DATE < CLIENT_BEHIND && CLIENT_BEHIND < CLIENT_SILENT &&
	    CLIENT_SILENT < CLIENT_MISSING && CLIENT_MISSING < CLIENT_NEVER_CAME);
}

static void
rule_of_zero_is_none(void **state)
{
	const struct client_rules none = {0, 0}, most = {UINT64_MAX, UINT64_MAX};
	const struct client_facts facts = {.pending = 1, .oldest = 1};

	(void)state;
	assert_int_equal(client_states_of(&facts, &none, NOW), 1 << CLIENT_UP_TO_DATE);
	assert_int_equal(client_states_of(&facts, &most, NOW), 1 << CLIENT_UP_TO_DATE);
}

static void
names_are_read_back(void **state)
{
	(void)state;
	for (int i = 0; i < CLIENT_STATES; i++) {
		const char *name = client_state_name((enum client_state)i);
		assert_int_equal(client_state_parse(name, strlen(name)), i);
		assert_int_equal(client_state_parse(name, strlen(name) - 1), CLIENT_STATES);
	}
	assert_int_equal(client_state_parse("", 0), CLIENT_STATES);
	assert_int_equal(client_state_parse("silently", 8), CLIENT_STATES);
	assert_string_equal(client_state_name(CLIENT_NEVER_CAME), "never-came");
}

static void
ages_are_classes_without_gaps(void **state)
{
	(void)state;
	assert_int_equal(client_age_of(NOW + 5, NOW), CLIENT_AGE_HOUR);
	assert_int_equal(client_age_of(NOW - HOUR, NOW), CLIENT_AGE_HOUR);
	assert_int_equal(client_age_of(NOW - HOUR - 1, NOW), CLIENT_AGE_DAY);
	assert_int_equal(client_age_of(NOW - DAY, NOW), CLIENT_AGE_DAY);
	assert_int_equal(client_age_of(NOW - DAY - 1, NOW), CLIENT_AGE_WEEK);
	assert_int_equal(client_age_of(NOW - 7 * DAY, NOW), CLIENT_AGE_WEEK);
	assert_int_equal(client_age_of(NOW - 7 * DAY - 1, NOW), CLIENT_AGE_MONTH);
	assert_int_equal(client_age_of(NOW - 30 * DAY, NOW), CLIENT_AGE_MONTH);
	assert_int_equal(client_age_of(NOW - 30 * DAY - 1, NOW), CLIENT_AGE_OLDER);
	assert_int_equal(client_age_of(0, NOW), CLIENT_AGE_OLDER);
	assert_int_equal(client_age_of(INT64_MIN, NOW), CLIENT_AGE_OLDER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(is_silent_when_unseen_for_longer_and_no_sooner),
	    cmocka_unit_test(old_queue_of_a_machine_that_is_there_is_silent_only_with_items),
	    cmocka_unit_test(is_behind_when_the_oldest_waits_for_longer),
	    cmocka_unit_test(client_that_does_not_say_since_when_is_judged_by_what_was_stored),
	    cmocka_unit_test(worst_word_is_said),
	    cmocka_unit_test(rule_of_zero_is_none),
	    cmocka_unit_test(names_are_read_back),
	    cmocka_unit_test(ages_are_classes_without_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
