/* SPDX-License-Identifier: ISC */
#include "inbox-relay/postgresql_judge.h"

#include <stdio.h>
#include <string.h>

#include "inbox-relay/settings.h"

static int
is_kept(const char *kinds)
{
	char text[64], *at = text;

	/* A table, or a partitioned one and its parts, and each permanent. */
	snprintf(text, sizeof text, "%s", kinds);
	for (; *at; at += strspn(at, " ")) {
		if (!strchr("rp", at[0]) || at[1] != 'p')
			return 0;
		at += 2;
	}
	return 1;
}

enum engine_answer
postgresql_judge(const struct settings *settings, const char *const found[LOOKS], struct why *why)
{
	const char *table = settings->table, *kinds = found[LOOK_KINDS];

	if (strcmp(found[LOOK_FSYNC], "on") != 0)
		why_say(why, "fsync is off there: what is committed is not durable");
	else if (strcmp(found[LOOK_PAGES], "on") != 0 &&
	    !settings_trust(settings, TRUST_FULL_PAGES))
		why_say(why, "full_page_writes is off there: pages may be torn by a crash; where "
		    "the file system sees to that, say [engine] trust = " TRUST_FULL_PAGES);
	else if (strcmp(found[LOOK_SYNC], "on") != 0 &&
	    strcmp(found[LOOK_SYNC], "remote_apply") != 0)
		why_say(why, "synchronous_commit is %s there, and stays so", found[LOOK_SYNC]);
	else if (strcmp(found[LOOK_ENCODING], "UTF8") != 0)
		why_say(why, "the database has the encoding %s: want UTF8", found[LOOK_ENCODING]);
	else if (kinds && !is_kept(kinds))
		why_say(why, "%s is no permanent table (it is a view, foreign, temporary or "
		    "unlogged): what is in it does not outlive a crash", table);
	else if (!kinds || !found[LOOK_MAY]) { /* or somebody drops it right now */
		why_say(why, "there is no table %s: inbox-relay -s prints what makes it", table);
		return ENGINE_AWAY;
	} else if (strcmp(found[LOOK_MAY], "t") != 0) {
		why_say(why, "%s may not be used by %s: GRANT INSERT, SELECT ON %s TO %s", table,
		    found[LOOK_ROLE], table, found[LOOK_ROLE]);
		return ENGINE_AWAY;
	} else
		return ENGINE_DONE;
	return ENGINE_REFUSED;
}

int
postgresql_is_unfit(const char *state)
{
	static const char *const classes[] = {"22", "23", "44", "54", "P0"};

	for (size_t i = 0; state && i < sizeof classes / sizeof classes[0]; i++)
		if (strncmp(state, classes[i], 2) == 0)
			return 1;
	return 0;
}
