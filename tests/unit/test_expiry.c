/* SPDX-License-Identifier: ISC */
/* What runs out is told in time, once a day, and when it has. */
#include "config.h"

#include "inboxd/expiry.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "certs.h"
#include "lib/log.h"
#include "lib/proto.h"
#include "lib/why.h"

#define DAY 86400

static char dir[64];
static FILE *said; /* what the log has said */

/* The clock that expiry.c reads: `ahead` of the true one. */
static int64_t ahead;
time_t __real_time(time_t *out);
time_t __wrap_time(time_t *out);

time_t
__wrap_time(time_t *out)
{
	time_t now = __real_time(NULL) + (time_t)ahead;

	if (out)
		*out = now;
	return now;
}

static struct tls *
load(const char *crl)
{
	static const char *const alpn[] = {PROTO_ALPN, NULL};
	char paths[4][128];
	struct why error;
	struct tls_settings settings = {.alpn = alpn, .certificate = paths[0], .key = paths[1],
	    .ca = paths[2], .crl = crl ? paths[3] : NULL, .server = 1};
	struct tls *tls;

	snprintf(paths[0], sizeof paths[0], "%s/server.crt", dir);
	snprintf(paths[1], sizeof paths[1], "%s/server.key", dir);
	snprintf(paths[2], sizeof paths[2], "%s/ca.crt", dir);
	snprintf(paths[3], sizeof paths[3], "%s/%s", dir, crl ? crl : "");
	tls = tls_new(&settings, &error);
	if (!tls)
		fail_msg("%s", error.text);
	return tls;
}

/* Looks, with the clock so far ahead: how many lines of the log, and one of them. */
static int
look(struct expiry *expiry, const struct tls *tls, int64_t when, char line[512])
{
	struct stats stats = {0};
	char text[512];
	uint64_t next;
	int lines = 0;

	ahead = when;
	assert_int_equal(ftruncate(fileno(said), 0), 0);
	rewind(said);
	next = expiry_look(expiry, tls, &stats);
	assert_in_range(next, 1, 3600);
	rewind(said);
	line[0] = '\0';
	while (fgets(text, sizeof text, said)) {
		snprintf(line, 512, "%s", text);
		lines++;
	}
	assert_int_equal(stats_get(&stats, STAT_NOW_CRL_EXPIRY), tls_date(tls, TLS_CRL).until);
	assert_int_equal(stats_get(&stats, STAT_NOW_CRL_ISSUED), tls_date(tls, TLS_CRL).from);
	assert_int_equal(stats_get(&stats, STAT_NOW_CERTIFICATE_EXPIRY),
	    tls_date(tls, TLS_CERTIFICATE).until);
	return lines;
}

/* Certificate and CA last from a day ago until a day from now: two thirds of that are over in
 * eight hours. */
static void
tells_once_a_day_and_when_it_is_over(void **state)
{
	struct tls *tls = load(NULL);
	struct expiry expiry = {0};
	char line[512];
	struct why why;

	(void)state;
	assert_int_equal(look(&expiry, tls, 0, line), 0);
	assert_int_equal(look(&expiry, tls, DAY / 3 - 600, line), 0);
	assert_int_equal(look(&expiry, tls, DAY / 3 + 600, line), 2);
	assert_non_null(strstr(line, "warning event=runs_out what=ca until=20"));
	assert_non_null(strstr(line, " days=0"));
	assert_int_equal(look(&expiry, tls, DAY - 60, line), 0);
	assert_int_equal(expiry_is_over(tls, &why), 0);
	assert_int_equal(look(&expiry, tls, DAY + 60, line), 2);
	assert_non_null(strstr(line, "error event=has_run_out what=ca until=20"));
	assert_int_equal(expiry_is_over(tls, &why), 1);
	assert_non_null(strstr(why.text, "the certificate was valid until 20"));
	assert_int_equal(look(&expiry, tls, DAY + 3600, line), 0);
	assert_int_equal(look(&expiry, tls, 2 * DAY + 3600, line), 2);
	/* The clock was wrong, or what is new came by a reload. */
	assert_int_equal(look(&expiry, tls, 0, line), 0);
	assert_int_equal(expiry_is_over(tls, &why), 0);
	tls_unref(tls);
}

static void
tells_of_the_list_alone(void **state)
{
	struct tls *tls = load("short.crl");
	struct expiry expiry = {0};
	char line[512];
	struct why why;

	(void)state;
	assert_int_equal(look(&expiry, tls, 0, line), 1);
	assert_non_null(strstr(line, "warning event=runs_out what=crl until=20"));
	assert_int_equal(look(&expiry, tls, 10, line), 1);
	assert_non_null(strstr(line, "error event=has_run_out what=crl"));
	assert_int_equal(expiry_is_over(tls, &why), 1);
	assert_non_null(strstr(why.text, "the crl was valid until 20"));
	tls_unref(tls);
}

static int
setup(void **state)
{
	(void)state;
	certs_make_dir(dir);
	certs_write_set(dir);
	said = tmpfile();
	assert_non_null(said);
	assert_int_equal(dup2(fileno(said), STDERR_FILENO), STDERR_FILENO);
	log_setup(LOG_DEBUG, LOG_FORMAT_PLAIN);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	certs_remove_dir(dir);
	return fclose(said);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tells_of_the_list_alone), /* first: it lasts two seconds */
	    cmocka_unit_test(tells_once_a_day_and_when_it_is_over),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
