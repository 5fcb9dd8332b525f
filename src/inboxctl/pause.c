/* SPDX-License-Identifier: ISC */
/*
 * A drain is a pause of all, and a look at the gauges until nothing is under way: twice in a row,
 * since a worker may have begun with an item in the moment of the pause.
 */
#include "config.h"

#include "inboxctl/pause.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/pages/asking.h"
#include "inboxctl/pages/page.h"
#include "inboxctl/pages/show_cells.h"
#include "lib/clock.h"
#include "lib/parse.h"
#include "lib/proto.h"

#define DRAIN_TIMEOUT 300 /* seconds */
#define DRAIN_TIMEOUT_MAX 86400
#define DRAIN_EVERY 300000000 /* nanoseconds */
#define DRAIN_LOOKS 2 /* in a row, with nothing under way */

/* ---- pause and resume */

/* How it is now, which need not be what was asked: all may be paused, too. */
static int
show_paused(const json_t *page, const struct showing *showing, struct why *why)
{
	const char *inbox = json_string_value(json_object_get(page, "inbox"));
	const json_t *paused = json_object_get(page, "paused");
	const char *reason = json_string_value(json_object_get(paused, "reason"));
	int is_new = json_is_true(json_object_get(page, "changed"));

	if (show_check(page, "changed", is_new ? JSON_TRUE : JSON_FALSE, why) == -1)
		return -1;
	if (json_is_object(paused))
		fprintf(showing->out, "%s: paused%s%s%s%s; items are told LATER\n",
		    inbox ? inbox : "all inboxes", is_new ? "" : " already", reason ? " (" : "",
		    reason ? reason : "", reason ? ")" : "");
	else
		fprintf(showing->out, "%s: %s\n", inbox ? inbox : "all inboxes",
		    is_new ? "items are taken again" : "is not paused");
	return 0;
}

static int
show_resumed(const json_t *page, const struct showing *showing, struct why *why)
{
	const char *inbox = json_string_value(json_object_get(page, "inbox"));

	if (!json_is_object(json_object_get(page, "paused")))
		return show_paused(page, showing, why);
	fprintf(showing->out, "%s: items are told LATER still, as all inboxes are paused\n",
	    inbox ? inbox : "all inboxes");
	return 0;
}

static int
check(const struct arguments *arguments)
{
	const char *inbox = arguments->operand;

	if (!inbox || is_plain_name(inbox, strlen(inbox), PROTO_INBOX_MAX))
		return 0;
	complain("\"%s\": want an inbox's name, as inboxes shows it", inbox);
	return -1;
}

int
pause_inbox(const struct arguments *arguments)
{
	char form[FETCH_FORM_MAX + 1] = "";

	if (check(arguments) < 0)
		return EX_USAGE;
	if (arguments->operand)
		fetch_add(form, sizeof form, "inbox", arguments->operand);
	if (arguments->reason)
		fetch_add(form, sizeof form, "reason", arguments->reason);
	return asking_post(arguments, "/pause", form, show_paused);
}

int
resume_inbox(const struct arguments *arguments)
{
	char form[FETCH_FORM_MAX + 1] = "";

	if (check(arguments) < 0)
		return EX_USAGE;
	if (arguments->operand)
		fetch_add(form, sizeof form, "inbox", arguments->operand);
	return asking_post(arguments, "/resume", form, show_resumed);
}

/* ---- drain */

struct way {
	int64_t in_flight, unpublished;
};

static int
look(const struct arguments *arguments, struct way *out)
{
	struct json_t *page;
	int code = page_get(arguments->socket, "/status", &page);

	if (code)
		return code;
	out->in_flight = show_integer(json_object_get(page, "items"), "in_flight");
	out->unpublished =
	    show_integer(json_object_get(page, "gauges"), "inboxd_unpublished_items");
	if (strcmp(json_string_value(json_object_get(page, "state"))
	        ? json_string_value(json_object_get(page, "state"))
	        : "", "running") == 0) {
		complain("somebody has it take items again: not drained");
		code = EX_TEMPFAIL;
	}
	show_free(page);
	return code;
}

/* Told when it has changed. */
static void
tell(const struct way *now, struct way *told)
{
	if (now->in_flight == told->in_flight && now->unpublished == told->unpublished)
		return;
	printf("in flight %" PRId64 ", not yet in new/ %" PRId64 "\n", now->in_flight,
	    now->unpublished);
	fflush(stdout);
	*told = *now;
}

static int
wait_until_drained(const struct arguments *arguments, int64_t until)
{
	const struct timespec every = {.tv_nsec = DRAIN_EVERY};
	struct way way, told = {-1, -1};
	int looks = 0, code;

	for (;;) {
		code = look(arguments, &way);
		if (code)
			return code;
		tell(&way, &told);
		looks = way.in_flight == 0 && way.unpublished == 0 ? looks + 1 : 0;
		if (looks == DRAIN_LOOKS)
			break;
		if (clock_monotonic() >= until) {
			complain("not drained in time; it stays paused: inboxctl resume ends that");
			return EX_TEMPFAIL;
		}
		(void)nanosleep(&every, NULL);
	}
	puts("drained: all that was acknowledged is in new/, and clients keep the rest.\n"
	     "The receiver can be stopped now; it stays paused until inboxctl resume.");
	return EX_OK;
}

int
drain(const struct arguments *arguments)
{
	char form[FETCH_FORM_MAX + 1] = "";
	uint64_t timeout = DRAIN_TIMEOUT;
	int code;

	if (arguments->timeout && (parse_seconds(arguments->timeout, strlen(arguments->timeout),
	        &timeout) < 0 || timeout > DRAIN_TIMEOUT_MAX)) {
		complain("--timeout %s: want a time as 5m, up to a day", arguments->timeout);
		return EX_USAGE;
	}
	fetch_add(form, sizeof form, "reason", arguments->reason ? arguments->reason : "drain");
	code = asking_post(arguments, "/pause", form, show_paused);
	if (code)
		return code;
	return wait_until_drained(
	    arguments, clock_monotonic() + (int64_t)timeout * CLOCK_SECOND);
}
