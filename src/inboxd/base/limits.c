/* SPDX-License-Identifier: ISC */
#include "inboxd/base/limits.h"

#include <assert.h>

#include "inboxd/base/settings.h"

static const struct {
	const char *name;
	enum counter counter;
} rows[LIMIT_COUNT] = {
#define X(value, member, name) [LIMIT_##value] = {name, STAT_LIMIT_##value},
    LIMITS(X)
#undef X
};

void
limits_set(struct limits *limits, const struct settings *settings)
{
#define X(value, member, name) limits->most[LIMIT_##value] = settings->member;
	LIMITS(X)
#undef X
	limits->forget = settings->forget;
}

const char *
limit_name(enum limit limit)
{
	assert(rows[limit].name);
	return rows[limit].name;
}

enum counter
limit_counter(enum limit limit)
{
	assert(rows[limit].name);
	return rows[limit].counter;
}
