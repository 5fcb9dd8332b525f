/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/expiry.h"

#include <stdio.h>
#include <syslog.h>
#include <time.h>

#include "lib/log.h"
#include "lib/parse.h"

#define DAY 86400
#define WARN_BEFORE (14 * DAY)
#define LOOK_EVERY 3600 /* a clock that is set meanwhile is seen by then */

static const struct row {
	const char *name;
	enum counter expiry, issued;
} rows[TLS_KINDS] = {
    [TLS_CERTIFICATE] = {"certificate", STAT_NOW_CERTIFICATE_EXPIRY,
        STAT_NOW_CERTIFICATE_ISSUED},
    [TLS_CA] = {"ca", STAT_NOW_CA_EXPIRY, STAT_NOW_CA_ISSUED},
    [TLS_CRL] = {"crl", STAT_NOW_CRL_EXPIRY, STAT_NOW_CRL_ISSUED},
};

static void
print_until(char text[PRINT_TIME_ROOM], int64_t until)
{
	const struct timespec when = {.tv_sec = (time_t)until};

	print_time(text, &when);
}

static void
tell(const char *name, struct tls_date date, int64_t now)
{
	char until[PRINT_TIME_ROOM];

	print_until(until, date.until);
	if (date.until > now)
		log_event(LOG_WARNING, "runs_out", "what=%s until=%s days=%lld", name, until,
		    (long long)(date.until - now) / DAY);
	else
		log_event(LOG_ERR, "has_run_out",
		    "what=%s until=%s note=\"clients are turned away: renew it, and reload\"", name,
		    until);
}

uint64_t
expiry_look(struct expiry *expiry, const struct tls *tls, struct stats *stats)
{
	int64_t now = (int64_t)time(NULL), next = LOOK_EVERY;

	for (int kind = 0; kind < TLS_KINDS; kind++) {
		struct tls_date date = tls_date(tls, (enum tls_kind)kind);
		int64_t left = date.until - now, all = date.until - date.from;
		int64_t days = left > 0 ? 1 + left / DAY : left / DAY - 1; /* never 0 */

		stats_set(stats, rows[kind].expiry, (uint64_t)date.until);
		stats_set(stats, rows[kind].issued, (uint64_t)date.from);
		if (date.until == 0)
			continue;
		if (left > 0 && left < next)
			next = left + 1;
		if (left >= WARN_BEFORE || left >= all / 3) {
			expiry->told[kind] = 0;
		} else if (expiry->told[kind] != days) {
			expiry->told[kind] = days;
			tell(rows[kind].name, date, now);
		}
	}
	return (uint64_t)next;
}

int
expiry_is_over(const struct tls *tls, struct why *why)
{
	int64_t now = (int64_t)time(NULL);
	char until[PRINT_TIME_ROOM];

	for (int kind = 0; kind < TLS_KINDS; kind++) {
		struct tls_date date = tls_date(tls, (enum tls_kind)kind);

		if (date.until == 0 || date.until > now)
			continue;
		print_until(until, date.until);
		why_say(why, "clients are turned away: the %s was valid until %s",
		    rows[kind].name, until);
		return 1;
	}
	return 0;
}
