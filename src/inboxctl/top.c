/* SPDX-License-Identifier: ISC */
/*
 * Asks for the pages each few seconds, and shows them with what went on in between.  A receiver
 * that does not answer is no end: what it said last stays, with a line that says so, until
 * it is back.
 */
#include "config.h"

#include "inboxctl/top.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/pages/page.h"
#include "inboxctl/pages/show.h"
#include "inboxctl/pages/show_cells.h"
#include "inboxctl/screens/live.h"
#include "inboxctl/screens/top_read.h"
#include "inboxctl/screens/top_screen.h"
#include "lib/clock.h"
#include "lib/parse.h"

#define INTERVAL 2      /* seconds */
#define INTERVAL_MOST 3600
#define PATIENCE 2000   /* milliseconds: so long no key counts */
#define CLIENTS_EVERY 5 /* the list of clients is long to make */
#define CLIENTS_PAGE "/clients?state=missing,behind,silent,never-came"
#define ROWS_ANY 1000   /* where there is no terminal */

struct top {
	const char *socket_path;
	uint64_t interval;
	json_t *status, *inboxes, *clients;
	int64_t inboxes_at;
	double *inbox_rates;
	struct sample last;
	struct rates rates;
	struct why why;
	int64_t answered; /* when it did, microseconds */
	uint64_t asked;
	struct top_view view;
};

/* ---- asking */

static void
take(json_t **at, json_t *page)
{
	json_decref(*at);
	*at = page;
}

static void
remember(struct top_view *view, double rate)
{
	if (view->history_count == TOP_HISTORY) {
		memmove(view->history, view->history + 1,
		    (TOP_HISTORY - 1) * sizeof view->history[0]);
		view->history_count--;
	}
	view->history[view->history_count++] = rate;
}

static void
take_status(struct top *top, json_t *status, int64_t at)
{
	struct sample sample;

	top_read(&sample, status, at);
	top->view.rates = NULL;
	if (top->status && rates_between(&top->last, &sample, &top->rates) == 0) {
		top->view.rates = &top->rates;
		remember(&top->view, top->rates.per_second[RATES_STORED]);
	}
	top->last = sample;
	take(&top->status, status);
}

static const json_t *
find_inbox(const json_t *list, const char *name)
{
	json_t *inbox;
	size_t i;

	json_array_foreach (list, i, inbox) {
		const char *other = json_string_value(json_object_get(inbox, "name"));
		if (other && strcmp(other, name) == 0)
			return inbox;
	}
	return NULL;
}

/* Items a second since it was asked last; below 0: that is not known. */
static double
rate_of(const struct top *top, const json_t *inbox, int64_t at)
{
	const char *name = json_string_value(json_object_get(inbox, "name"));
	const json_t *list = json_object_get(top->inboxes, "inboxes");
	const json_t *before = name ? find_inbox(list, name) : NULL;
	int64_t more = show_integer(inbox, "stored_total") - show_integer(before, "stored_total");

	if (!before || !json_is_integer(json_object_get(inbox, "stored_total")) || more < 0 ||
	    !top->view.rates || at <= top->inboxes_at)
		return -1;
	return (double)more * (double)CLOCK_SECOND / (double)(at - top->inboxes_at);
}

/* Without memory the old ones stay. */
static void
take_inboxes(struct top *top, json_t *page, int64_t at)
{
	json_t *list = json_object_get(page, "inboxes"), *inbox;
	double *rates = calloc(json_array_size(list) + 1, sizeof *rates);
	size_t i;

	if (!rates) {
		json_decref(page);
		return;
	}
	json_array_foreach (list, i, inbox)
		rates[i] = rate_of(top, inbox, at);
	free(top->inbox_rates);
	top->inbox_rates = rates;
	top->inboxes_at = at;
	take(&top->inboxes, page);
}

/* The first part is as many as a screen has room for. */
static void
ask_clients(struct top *top)
{
	struct fetch_page answer;
	json_t *page = NULL;
	struct why why;
	int64_t next = -1;

	if (top->asked++ % CLIENTS_EVERY != 0)
		return;
	if (fetch_page_within(top->socket_path, CLIENTS_PAGE, PATIENCE, &answer) == FETCH_OK) {
		if (show_take(&page, answer.text, answer.len, &next, &why) < 0)
			page = NULL;
		free(answer.text);
	}
	take(&top->clients, page);
}

static void
ask(struct top *top)
{
	json_t *status, *inboxes;
	struct why why;

	if (page_ask(top->socket_path, "/status", PATIENCE, &status, &top->why) != FETCH_OK) {
		top->view.trouble = top->why.text;
		top->view.rates = NULL;
	} else if (show_check(status, "items", JSON_OBJECT, &top->why) < 0) {
		top->view.trouble = top->why.text;
		json_decref(status);
	} else {
		top->view.trouble = NULL;
		top->answered = clock_monotonic();
		take_status(top, status, top->answered);
		if (page_ask(top->socket_path, "/inboxes", PATIENCE, &inboxes, &why) == FETCH_OK)
			take_inboxes(top, inboxes, clock_monotonic());
		ask_clients(top);
	}
	top->view.silent = (clock_monotonic() - top->answered) / CLOCK_SECOND;
	top->view.now = clock_utc() / CLOCK_SECOND;
	top->view.status = top->status;
	top->view.inboxes = top->inboxes;
	top->view.inbox_rates = top->inbox_rates;
	top->view.clients = top->clients;
}

/* ---- showing */

/* The lines as text, to be freed; NULL: memory is out. */
static char *
make_text(const struct top *top, size_t rows)
{
	struct screen screen = terminal_screen(STDOUT_FILENO);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	int rc = top_show(&top->view, rows, &screen, out);
	if (fclose(out) == EOF || rc < 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* 0, or an exit code. */
static int
draw(const struct top *top)
{
	size_t rows = terminal_height(STDOUT_FILENO);
	char *text = make_text(top, rows);
	int rc = text ? live_draw(text, rows) : -1;
	int code = rc == 0 ? EX_OK : text ? EX_IOERR : EX_OSERR;

	free(text);
	return code;
}

/* One key or the time that is left; 0 goes on, 'q' ends. */
static int
on_key(struct top *top, char key, int64_t *next)
{
	if (key == 'q' || key == 'Q' || key == 4) /* or the end of a file, as typed */
		return 'q';
	if (key == ' ')
		*next = clock_monotonic();
	if (key == 'p' || key == 'P') {
		top->view.is_paused = !top->view.is_paused;
		*next = clock_monotonic();
	}
	return 0;
}

static int
run_live(struct top *top)
{
	int64_t next = clock_monotonic() + (int64_t)top->interval * CLOCK_SECOND;
	int code = draw(top);

	while (code == EX_OK) {
		int64_t left = next - clock_monotonic();
		char key = 0;
		switch (live_wait(left > 0 ? left / 1000 + 1 : 0, &key)) {
		case LIVE_ENDED:
			live_die();
			return EX_OK; /* it was ignored after all */
		case LIVE_KEY:
			if (on_key(top, key, &next) == 'q')
				return EX_OK;
			code = draw(top);
			break;
		case LIVE_DRAW:
			code = draw(top);
			break;
		case LIVE_TIME:
			if (clock_monotonic() < next)
				break;
			if (!top->view.is_paused)
				ask(top);
			next = clock_monotonic() + (int64_t)top->interval * CLOCK_SECOND;
			code = draw(top);
			break;
		}
	}
	return code;
}

/* Frames for a log: each tells of the interval before it. */
static int
run_batch(struct top *top, uint64_t frames)
{
	const struct timespec interval = {.tv_sec = (time_t)top->interval};
	size_t rows = terminal_is(STDOUT_FILENO) ? terminal_height(STDOUT_FILENO) : ROWS_ANY;

	for (uint64_t i = 0; i < frames; i++) {
		(void)nanosleep(&interval, NULL);
		ask(top);
		char *text = make_text(top, rows);
		if (!text) {
			complain("out of memory");
			return EX_OSERR;
		}
		printf("%s%s", i > 0 ? "\n" : "", text);
		free(text);
		if (fflush(stdout) == EOF)
			return EX_IOERR;
	}
	return EX_OK;
}

/* ---- the whole */

static int
read_count(const char *name, const char *text, uint64_t most, const char *want, uint64_t *out)
{
	int rc = strcmp(name, "interval") == 0 ? parse_seconds(text, strlen(text), out)
	                                       : parse_u64(text, strlen(text), most, out);

	if (rc == 0 && *out > 0 && *out <= most)
		return 0;
	complain("--%s %s: want %s", name, text, want);
	return -1;
}

int
top(const struct arguments *arguments)
{
	struct top *top = calloc(1, sizeof *top);
	uint64_t frames = arguments->once ? 1 : 0;
	int code = EX_USAGE;

	if (!top) {
		complain("out of memory");
		return EX_OSERR;
	}
	top->interval = INTERVAL;
	top->socket_path = arguments->socket;
	if ((arguments->interval && read_count("interval", arguments->interval, INTERVAL_MOST,
	                                "a time as 2s, up to an hour", &top->interval) < 0) ||
	    (arguments->batch && read_count("batch", arguments->batch, UINT32_MAX,
	                             "how many times, from 1 on", &frames) < 0))
		goto end;
	if (frames == 0 && !terminal_draws(STDOUT_FILENO)) {
		complain("standard output is no terminal that can be drawn on: --batch N prints as "
		         "many screens, one after the other");
		goto end;
	}
	top->view.interval = top->interval;
	/* Where there is no receiver to begin with it is rather the wrong socket. */
	code = page_get(top->socket_path, "/status", &top->status);
	if (code == EX_OK && show_check(top->status, "items", JSON_OBJECT, &top->why) < 0) {
		complain("%s: %s", top->socket_path, top->why.text);
		code = EX_PROTOCOL;
	}
	take(&top->status, NULL);
	if (code != EX_OK)
		goto end;
	ask(top);
	if (frames > 0) {
		code = run_batch(top, frames);
	} else {
		setvbuf(stdout, NULL, _IOFBF, 65536);
		code = EX_IOERR;
		if (live_begin() < 0)
			complain("the terminal: %s", strerror(errno));
		else
			code = run_live(top);
		live_end();
	}
end:
	json_decref(top->status);
	json_decref(top->inboxes);
	json_decref(top->clients);
	free(top->inbox_rates);
	free(top);
	return code;
}
