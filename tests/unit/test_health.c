/* SPDX-License-Identifier: ISC */
/* What is wrong with a receiver, by its page of metrics; and that page, read. */
#include "lib/health.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define NOW INT64_C(1795356000)
#define DAY INT64_C(86400)

static struct health_verdict verdicts[HEALTH_ROWS];

static const struct health_verdict *
judge(const char *name, const char *page)
{
	struct health_limits limits;
	int row = health_find(name, strlen(name));

	assert_true(row >= 0);
	health_limits_default(&limits);
	health_judge(page, NOW, &limits, verdicts);
	return &verdicts[row];
}

static void
assert_text(const char *name, const char *page, const char *want)
{
	char text[HEALTH_TEXT_ROOM];
	const struct health_verdict *verdict = judge(name, page);

	health_text(text, (size_t)health_find(name, strlen(name)), verdict);
	assert_string_equal(text, want);
}

/* ---- samples */

static void
finds_samples_of_a_metric(void **state)
{
	static const char page[] = "# HELP a Something.\n# TYPE a gauge\n"
	                           "a 1\n"
	                           "ab 2\n"
	                           "a{k=\"x\"} 3\n"
	                           "a{k=\"y z\"} 4.75\n"
	                           "a{k=\"x\"} 9223372036854775807\n"
	                           "b{k=\"x\"} 6";
	static const struct {
		const char *metric, *label, *label_value;
		int64_t value;
	} cases[] = {{"a", NULL, "", 1}, {"a", NULL, "x", 3}, {"a", NULL, "y z", 4},
	    {"a", NULL, "x", INT64_MAX}, {"ab", NULL, "", 2}, {"a", "k=\"y z\"", "y z", 4},
	    {"b", "k=\"x\"", "x", 6}};
	const char *at = page;
	struct sample sample;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (i > 3)
			at = page;
		assert_int_equal(samples_next(&at, cases[i].metric, cases[i].label, &sample), 0);
		assert_int_equal(sample.value, cases[i].value);
		assert_string_equal(sample.label, cases[i].label_value);
	}
	assert_int_equal(samples_next(&at, "b", NULL, &sample), -1);
	at = page;
	assert_int_equal(samples_next(&at, "a", "k=\"z\"", &sample), -1);
	at = page;
	assert_int_equal(samples_next(&at, "c", NULL, &sample), -1);
}

static void
passes_over_what_is_no_sample(void **state)
{
	static const char *const pages[] = {"", "\n", "a", "a ", "a\n", "a x\n", "a -1\n",
	    "a 1e3\n",
	    "a +Inf\n", "a  1\n", "a{} 1\n", "a{k=\"x\"}1\n", "a{k=\"x\" 1\n", "a{k=x} 1\n",
	    "a{k=\"} 1\n", "a{k=\"\033[1m\"} 1\n", "a{k=\"x\",l=\"y\"} 1\n", "a{k=\"\\\"\"} 1\n",
	    "a 12345678901234567890\n", "a 01\n", "a{", "a{k=\"x", "a{k=\"x\"", "a{k=\"x\"}",
	    "# a 1\n", " a 1\n", "a\t1\n", "aa 1\n"};
	char longest[2 * SAMPLES_LABEL_ROOM];
	struct sample sample;
	const char *at;

	(void)state;
	for (size_t i = 0; i < COUNT(pages); i++) {
		at = pages[i];
		if (samples_next(&at, "a", NULL, &sample) == 0)
			fail_msg("a sample: %s", pages[i]);
		assert_int_equal(*at, '\0');
	}
	for (int room = -1; room <= 0; room++) {
		snprintf(longest, sizeof longest, "a{k=\"%0*d\"} 1\n", SAMPLES_LABEL_ROOM + room,
		    0);
		at = longest;
		assert_int_equal(samples_next(&at, "a", NULL, &sample), -1 - room);
	}
}

/* ---- the table */

/* A page on which the row has this figure. */
static void
put_page(char page[512], const struct health_row *row, int64_t figure)
{
	char label[64] = "";

	if (row->label)
		snprintf(label, sizeof label, "{%s}", row->label);
	switch (row->figure) {
	case HEALTH_AGE:
		snprintf(page, 512, "%s%s %" PRId64 "\n", row->metric, label, NOW - figure);
		break;
	case HEALTH_LEFT:
		snprintf(page, 512, "%s%s %" PRId64 "\n%s %" PRId64 "\n", row->metric, label,
		    NOW + figure, row->of, NOW - 1000 * DAY);
		break;
	case HEALTH_SHARE:
		if (strcmp(row->metric, row->of) == 0)
			snprintf(page, 512, "%s%s %" PRId64 "\n%s{x=\"y\"} %" PRId64 "\n",
			    row->metric, label, figure, row->of, 100 - figure);
		else
			snprintf(page, 512, "%s%s %" PRId64 "\n%s 100\n", row->metric, label,
			    figure, row->of);
		break;
	default:
		snprintf(page, 512, "%s%s %" PRId64 "\n", row->metric, label, figure);
		break;
	}
}

static void
each_row_turns_at_its_limits(void **state)
{
	(void)state;
	for (size_t i = 0; i < HEALTH_ROWS; i++) {
		const struct health_row *row = &health_rows[i];
		int64_t step = row->figure == HEALTH_LEFT ? -1 : 1;
		const struct {
			int64_t figure;
			enum health_severity severity;
		} cases[] = {
		    {row->warning - step, HEALTH_OK},
		    {row->warning, HEALTH_WARNING},
		    {row->critical - step,
		        row->warning == HEALTH_NEVER ? HEALTH_OK : HEALTH_WARNING},
		    {row->critical, HEALTH_CRITICAL},
		};
		char page[512], text[HEALTH_TEXT_ROOM];

		if (row->figure == HEALTH_ANSWER || row->figure == HEALTH_HISTORY)
			continue;
		for (size_t k = 0; k < COUNT(cases); k++) {
			if ((k < 2 ? row->warning : row->critical) == HEALTH_NEVER)
				continue;
			put_page(page, row, cases[k].figure);
			const struct health_verdict *verdict = judge(row->name, page);
			if (verdict->severity != cases[k].severity || !verdict->is_known ||
			    verdict->figure != cases[k].figure)
				fail_msg("%s: case %zu: %s %" PRId64, row->name, k,
				    health_word(verdict->severity), verdict->figure);
			health_text(text, i, verdict);
			if (strpbrk(text, "{}") || strlen(text) < 10)
				fail_msg("%s: %s", row->name, text);
			for (size_t other = 0; other < HEALTH_ROWS; other++)
				if (other != i && verdicts[other].severity != HEALTH_OK)
					fail_msg("%s: also %s", row->name, health_rows[other].name);
		}
	}
}

static void
the_table_is_sound(void **state)
{
	(void)state;
	assert_int_equal(health_find("disk", 4), -1);
	assert_int_equal(health_find("", 0), -1);
	for (size_t i = 0; i < HEALTH_ROWS; i++) {
		const struct health_row *row = &health_rows[i];
		assert_int_equal(health_find(row->name, strlen(row->name)), i);
		assert_true(row->warning != HEALTH_NEVER || row->critical != HEALTH_NEVER);
		assert_true((row->metric == NULL) == (row->figure == HEALTH_ANSWER));
		assert_true((row->of == NULL) ==
		    (row->figure != HEALTH_SHARE && row->figure != HEALTH_LEFT));
		for (int k = 0; k < 2; k++) {
			const char *at = k == 0 ? row->text : row->worse ? row->worse : "";
			for (; (at = strchr(at, '{')); at++)
				assert_true(!strncmp(at, "{}", 2) || !strncmp(at, "{label}", 7));
		}
	}
}

static void
what_is_not_told_is_not_wrong(void **state)
{
	struct health_limits limits;

	(void)state;
	health_limits_default(&limits);
	health_judge("", NOW, &limits, verdicts);
	for (size_t i = 0; i < HEALTH_ROWS; i++) {
		assert_int_equal(verdicts[i].severity, HEALTH_OK);
		assert_int_equal(verdicts[i].is_known, 0);
	}
	assert_int_equal(judge("publish-lag", "inboxd_unpublished_oldest_timestamp_seconds 0\n")
	    ->is_known, 1);
	assert_int_equal(verdicts[health_find("publish-lag", 11)].severity, HEALTH_OK);
	assert_int_equal(
	    judge("crl-expiry", "inboxd_crl_expiry_timestamp_seconds 0\n")->is_known, 0);
	assert_int_equal(judge("queues-limit", "inboxd_queues 5\n")->is_known, 0);
	assert_int_equal(
	    judge("queues-limit", "inboxd_queues 5\ninboxd_queues_limit 0\n")->is_known, 0);
	/* A clock that was set back. */
	assert_int_equal(judge("inbox-unclaimed",
	    "inboxd_inbox_oldest_timestamp_seconds{inbox=\"a\"} 1795357000\n")->figure, 0);
}

static void
the_worst_inbox_counts_and_is_named(void **state)
{
	(void)state;
	assert_text("inbox-unclaimed",
	    "inboxd_inbox_oldest_timestamp_seconds{inbox=\"one\"} 1795355000\n"
	    "inboxd_inbox_oldest_timestamp_seconds{inbox=\"two\"} 1795183200\n"
	    "inboxd_inbox_oldest_timestamp_seconds{inbox=\"three\"} 1795255000\n",
	    "in inbox two an item has waited 2d for its consumer (and 1 more)");
	assert_text("inbox-over-limit",
	    "inboxd_inbox_over_limit{inbox=\"one\"} 0\ninboxd_inbox_over_limit{inbox=\"two\"} 1\n"
	    "inboxd_inbox_over_limit{inbox=\"three\"} 1\n",
	    "inbox two has reached its limit: its items are put off (and 1 more)");
	assert_text("inbox-over-limit",
	    "inboxd_inbox_over_limit{inbox=\"one\"} 0\ninboxd_inbox_over_limit{inbox=\"two\"} 1\n",
	    "inbox two has reached its limit: its items are put off");
	/* Of one that is never but critical. */
	assert_text("inbox-unreadable",
	    "inboxd_inbox_unreadable{inbox=\"a\"} 1\ninboxd_inbox_unreadable{inbox=\"b\"} 1\n"
	    "inboxd_inbox_unreadable{inbox=\"c\"} 1\n",
	    "what waits in inbox a cannot be counted (and 2 more)");
}

static void
sentences_have_the_figure(void **state)
{
	(void)state;
	assert_text("disk-full", "inboxd_full 1\n", "the disk fills up: large items are put off");
	assert_text("disk-full", "inboxd_full 2\n", "the disk is full: all items are put off");
	assert_text("items-missing", "inboxd_gaps_unknown 3\n",
	    "gaps in what clients sent that nobody has confirmed: 3; inboxctl clients "
	    "--missing says whose");
	assert_text("clients-silent",
	    "inboxd_clients{state=\"up-to-date\"} 50\ninboxd_clients{state=\"silent\"} 25\n"
	    "inboxd_clients{state=\"missing\"} 25\n",
	    "25% of the clients are silent");
	assert_text("certificate-expiry",
	    "inboxd_certificate_expiry_timestamp_seconds 1795528800\n"
	    "inboxd_certificate_issued_timestamp_seconds 1763820000\n",
	    "the receiver's certificate runs out in 2d");
	assert_text("certificate-expiry",
	    "inboxd_certificate_expiry_timestamp_seconds 1795356000\n",
	    "the receiver's certificate has run out: no new client is served");
}

/* One that lives for a day is no reason to worry while it has two thirds of it. */
static void
what_lives_shortly_has_shorter_limits(void **state)
{
	static const struct {
		int64_t since, until;
		enum health_severity severity;
	} cases[] = {
	    {-100 * DAY, 15 * DAY, HEALTH_OK},
	    {-100 * DAY, 14 * DAY, HEALTH_WARNING},
	    {-100 * DAY, 3 * DAY, HEALTH_CRITICAL},
	    {0, DAY, HEALTH_OK},
	    {-DAY * 6 / 10, DAY * 4 / 10, HEALTH_OK},
	    {-DAY * 7 / 10, DAY * 3 / 10, HEALTH_WARNING},
	    {-DAY * 8 / 10, DAY * 2 / 10, HEALTH_WARNING},
	    {-DAY * 91 / 100, DAY * 9 / 100, HEALTH_CRITICAL},
	    {-DAY, 0, HEALTH_CRITICAL},
	    {-DAY, -1, HEALTH_CRITICAL},
	    {-DAY, -100 * DAY, HEALTH_CRITICAL},
	};
	char page[256];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		snprintf(page, sizeof page,
		    "inboxd_crl_expiry_timestamp_seconds %" PRId64
		    "\ninboxd_crl_issued_timestamp_seconds %" PRId64 "\n",
		    NOW + cases[i].until, NOW + cases[i].since);
		if (judge("crl-expiry", page)->severity != cases[i].severity)
			fail_msg("case %zu", i);
	}
}

static void
limits_may_be_others(void **state)
{
	size_t row = (size_t)health_find("disk-full", 9);
	struct health_limits limits;

	(void)state;
	health_limits_default(&limits);
	limits.critical[row] = 1;
	health_judge("inboxd_full 1\n", NOW, &limits, verdicts);
	assert_int_equal(verdicts[row].severity, HEALTH_CRITICAL);
	limits.critical[row] = limits.warning[row] = HEALTH_NEVER;
	health_judge("inboxd_full 2\n", NOW, &limits, verdicts);
	assert_int_equal(verdicts[row].severity, HEALTH_OK);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_samples_of_a_metric),
	    cmocka_unit_test(passes_over_what_is_no_sample),
	    cmocka_unit_test(each_row_turns_at_its_limits),
	    cmocka_unit_test(the_table_is_sound),
	    cmocka_unit_test(what_is_not_told_is_not_wrong),
	    cmocka_unit_test(the_worst_inbox_counts_and_is_named),
	    cmocka_unit_test(sentences_have_the_figure),
	    cmocka_unit_test(what_lives_shortly_has_shorter_limits),
	    cmocka_unit_test(limits_may_be_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
