/* SPDX-License-Identifier: ISC */
#include "lib/client_state.h"

#include <string.h>

static const char *const names[CLIENT_STATES] = {
#define X(name, word) word,
    CLIENT_STATES_LIST(X)
#undef X
};

static const int64_t ends[CLIENT_AGES] = {
#define X(name, word, seconds) seconds,
    CLIENT_AGES_LIST(X)
#undef X
};

/* Are there more than so many seconds between them?  A time that is not known is as old as any,
 * and one that is still to come is none. */
static int
is_over(int64_t since, int64_t now, uint64_t seconds)
{
	return seconds > 0 && now > since && (uint64_t)now - (uint64_t)since > seconds;
}

static int
is_silent(const struct client_facts *facts, const struct client_rules *rules, int64_t now)
{
	return is_over(facts->seen, now, rules->silent) &&
	    (facts->pending > 0 || is_over(facts->client_seen, now, rules->silent));
}

unsigned
client_states_of(const struct client_facts *facts, const struct client_rules *rules, int64_t now)
{
	/* A client whose clock is ahead has said nothing by it. */
	int64_t since = facts->oldest && facts->oldest <= now ? facts->oldest : facts->last_stored;
	unsigned states = 0;

	if (facts->gaps > 0)
		states |= 1u << CLIENT_MISSING;
	if (is_silent(facts, rules, now))
		states |= 1u << CLIENT_SILENT;
	if (facts->pending > 0 && since && is_over(since, now, rules->behind))
		states |= 1u << CLIENT_BEHIND;
	return states ? states : 1u << CLIENT_UP_TO_DATE;
}

enum client_state
client_state_worst(unsigned states)
{
	int state = CLIENT_NEVER_CAME;

	while (state > CLIENT_UP_TO_DATE && !(states & 1u << state))
		state--;
	return (enum client_state)state;
}

const char *
client_state_name(enum client_state state)
{
	return names[state];
}

enum client_state
client_state_parse(const char *name, size_t len)
{
	int state = 0;

	while (state < CLIENT_STATES &&
	    (strlen(names[state]) != len || memcmp(names[state], name, len) != 0))
		state++;
	return (enum client_state)state;
}

enum client_age
client_age_of(int64_t seen, int64_t now)
{
	int age = 0;

	while (age < CLIENT_AGE_OLDER && is_over(seen, now, (uint64_t)ends[age]))
		age++;
	return (enum client_age)age;
}
