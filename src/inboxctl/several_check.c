/* SPDX-License-Identifier: ISC */
/*
 * inboxctl check of several receivers: one line, each word of it with whose it is, and the worst
 * code of all.  What is wrong with clients is judged over all receivers, since each alone sees as
 * silent who uses another; but that takes a list of them, so it is asked for only where one of the
 * receivers has a complaint of that kind.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/check.h"
#include "inboxctl/check_line.h"
#include "inboxctl/fleet.h"
#include "inboxctl/pages/answers.h"
#include "inboxctl/pages/fetch.h"
#include "inboxctl/several.h"
#include "lib/clock.h"

/* Milliseconds: who runs us gives us ten seconds, mostly. */
#define PATIENCE 8000
#define PATIENCE_PAGE 3000 /* for each of two pages, of all receivers together */

struct part {
	const struct answer *status;
	int is_silent; /* it does not answer */
	int is_judged; /* it has verdicts */
	int code;      /* of `trouble`, what else is wrong with it */
	char trouble[WHY_ROOM + 128];
	struct health_verdict verdicts[HEALTH_ROWS];
};

struct all {
	struct checking checking;
	const char *only;
	const struct receivers *receivers;
	struct answer *status;
	struct part *parts;
	size_t count;
	/* What is judged over all of them, and no more of each. */
	int is_of_all[HEALTH_ROWS];
	struct health_verdict verdicts[HEALTH_ROWS];
};

/* ---- each of them */

static void
trouble(struct part *part, int code, const char *what, const char *why)
{
	part->code = code;
	snprintf(part->trouble, sizeof part->trouble, "%s%s", what, why);
}

static void
note_silent(const struct all *all, struct part *part, enum fetch_result result, const char *why)
{
	const char *socket_path = part->status->receiver->socket;
	int row = health_find("down", 4);

	part->is_silent = 1;
	if (result == FETCH_PROTOCOL || all->checking.is_left_out[row])
		trouble(part, CHECK_UNKNOWN, "", why);
	else if (access(socket_path, R_OK | W_OK) < 0 && errno == EACCES)
		trouble(part, CHECK_UNKNOWN, "its socket may not be opened by who runs this", "");
	else
		trouble(part, CHECK_CRITICAL, "down: the receiver does not answer: ", why);
}

static void
judge(const struct all *all, struct part *part, const struct fetch_page *page)
{
	const char *unknown;

	if (page->result != FETCH_OK) {
		note_silent(all, part, page->result, page->why.text);
	} else if (!check_is_page(page->text)) {
		trouble(part, CHECK_UNKNOWN, "what answers there is no receiver", "");
	} else {
		unknown = check_find_unknown(&all->checking, page->text, all->only);
		if (unknown)
			trouble(part, CHECK_UNKNOWN, unknown, ": this receiver does not tell it");
		health_judge(page->text, (int64_t)time(NULL), &all->checking.limits,
		    part->verdicts);
		part->is_judged = 1;
	}
}

/* 0, or -1: memory is out. */
static int
judge_each(struct all *all)
{
	const char **sockets = calloc(all->count, sizeof *sockets);
	struct fetch_page *pages = calloc(all->count, sizeof *pages);
	size_t asked = 0;
	int rc = sockets && pages ? 0 : -1;

	for (size_t i = 0; i < all->count && rc == 0; i++) {
		all->parts[i].status = &all->status[i];
		if (all->status[i].result != FETCH_OK)
			note_silent(all, &all->parts[i], all->status[i].result,
			    all->status[i].why.text);
		else if (all->status[i].is_waiting && !all->status[i].same)
			trouble(&all->parts[i], CHECK_WARNING, ANSWERS_WAITS, "");
		if (answers_is_one(&all->status[i]))
			sockets[asked++] = all->status[i].receiver->socket;
	}
	if (rc == 0 && asked > 0)
		rc = fetch_pages(sockets, asked, "/metrics", PATIENCE_PAGE, pages);
	asked = 0;
	for (size_t i = 0; i < all->count && rc == 0; i++)
		if (answers_is_one(&all->status[i])) {
			judge(all, &all->parts[i], &pages[asked]);
			free(pages[asked++].text);
		}
	free(sockets);
	free(pages);
	return rc;
}

/* ---- their clients */

/* What is counted of them, and in which row it is judged. */
enum { OF_GAPS, OF_MISSING, OF_SILENT, OF_BEHIND, OF_NEVER_CAME, OF_FAILED, OF_ROWS };
static const char *const of_clients[OF_ROWS] = {[OF_GAPS] = "items-missing",
    [OF_MISSING] = "clients-missing", [OF_SILENT] = "clients-silent",
    [OF_BEHIND] = "clients-behind", [OF_NEVER_CAME] = "clients-never-came",
    [OF_FAILED] = "clients-failed"};

static int
row_of(int which)
{
	return health_find(of_clients[which], strlen(of_clients[which]));
}

static int
has_complaint(const struct all *all)
{
	for (int which = 0; which < OF_ROWS; which++)
		for (size_t i = 0; i < all->count; i++)
			if (all->parts[i].is_judged &&
			    !all->checking.is_left_out[row_of(which)] &&
			    all->parts[i].verdicts[row_of(which)].severity != HEALTH_OK)
				return 1;
	return 0;
}

/* Each client once, by the worst of its queues; returns how many they are.  A client's rows stand
 * in turn. */
static int64_t
count_clients(const struct roll *roll, int64_t counts[OF_ROWS])
{
	static const int of_state[CLIENT_STATES] = {[CLIENT_MISSING] = OF_MISSING,
	    [CLIENT_SILENT] = OF_SILENT, [CLIENT_BEHIND] = OF_BEHIND,
	    [CLIENT_NEVER_CAME] = OF_NEVER_CAME};
	int failed = roll_column_of("failed");
	int64_t clients = 0;
	size_t next;

	for (size_t i = 0; i < roll->count; i = next) {
		enum client_state worst = CLIENT_UP_TO_DATE;
		int has_failed = 0;
		for (next = i; next < roll->count &&
		     strcmp(roll->rows[i].values[ROLL_CLIENT].text,
		         roll->rows[next].values[ROLL_CLIENT].text) == 0; next++) {
			const struct roll_row *row = &roll->rows[next];
			enum client_state state = client_state_worst(row->states);
			worst = state > worst ? state : worst;
			has_failed |= row->values[failed].number > 0;
			if (row->values[ROLL_GAPS].number > 0)
				counts[OF_GAPS] += row->values[ROLL_GAPS].number;
		}
		clients++;
		counts[OF_FAILED] += has_failed;
		if (worst != CLIENT_UP_TO_DATE)
			counts[of_state[worst]]++;
	}
	return clients;
}

static void
judge_clients(struct all *all, const struct roll *roll)
{
	int64_t counts[OF_ROWS] = {0}, clients = count_clients(roll, counts);

	for (int which = 0; which < OF_ROWS; which++) {
		int row = row_of(which);
		int64_t critical = all->checking.limits.critical[row];
		int64_t warning = all->checking.limits.warning[row];
		struct health_verdict *verdict = &all->verdicts[row];

		all->is_of_all[row] = 1;
		*verdict = (struct health_verdict){.severity = HEALTH_OK, .is_known = 1,
		    .figure = counts[which]};
		if (which != OF_GAPS)
			verdict->figure = clients ? 100 * counts[which] / clients : 0;
		if (critical != HEALTH_NEVER && verdict->figure >= critical)
			verdict->severity = HEALTH_CRITICAL;
		else if (warning != HEALTH_NEVER && verdict->figure >= warning)
			verdict->severity = HEALTH_WARNING;
	}
}

/* Where one of them does not tell its clients in time, each keeps its own complaint: better one too
 * many than none.  0, or -1: memory is out. */
static int
look_at_clients(struct all *all, int patience)
{
	struct answer *status = calloc(all->count, sizeof *status);
	struct roll roll = {.rows = NULL};
	int rc = -1, is_whole = 1;

	if (status) {
		memcpy(status, all->status, all->count * sizeof *status);
		rc = fleet_read(&roll, status, all->receivers, patience);
	}
	for (size_t i = 0; rc == 0 && i < all->count; i++)
		is_whole &= status[i].result == all->status[i].result;
	if (rc == 0 && is_whole)
		judge_clients(all, &roll);
	roll_free(&roll);
	free(status);
	return rc;
}

/* ---- the line */

static void
put_one(int *code, int its, const char *whose, const char *name, const char *text)
{
	if (*code == CHECK_OK)
		printf("INBOXD %s: ", check_codes[*code = its]);
	else
		fputs("; ", stdout);
	check_put_plain(whose);
	printf(": %s%s", name, name[0] ? ": " : "");
	check_put_plain(text);
}

static void
put_row(const struct all *all, size_t row, enum health_severity severity, int its, int *code)
{
	char text[HEALTH_TEXT_ROOM];

	if (all->checking.is_left_out[row])
		return;
	if (all->is_of_all[row]) {
		if (all->verdicts[row].severity != severity)
			return;
		health_text(text, row, &all->verdicts[row]);
		put_one(code, its, "all", health_rows[row].name, text);
		return;
	}
	for (size_t i = 0; i < all->count; i++) {
		const struct part *part = &all->parts[i];
		if (!part->is_judged || part->verdicts[row].severity != severity)
			continue;
		health_text(text, row, &part->verdicts[row]);
		put_one(code, its, part->status->receiver->name, health_rows[row].name, text);
	}
}

/* As the Monitoring Plugins have it, what is unknown is less than a warning. */
static int
put_problems(const struct all *all)
{
	static const struct {
		int code;
		enum health_severity severity; /* HEALTH_OK: of no verdict */
	} steps[] = {{CHECK_CRITICAL, HEALTH_CRITICAL}, {CHECK_WARNING, HEALTH_WARNING},
	    {CHECK_UNKNOWN, HEALTH_OK}};
	int code = CHECK_OK;

	for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
		for (size_t i = 0; i < all->count; i++)
			if (all->parts[i].code == steps[k].code)
				put_one(&code, steps[k].code, all->parts[i].status->receiver->name,
				    "", all->parts[i].trouble);
		for (size_t row = 0; row < HEALTH_ROWS && steps[k].severity != HEALTH_OK; row++)
			put_row(all, row, steps[k].severity, steps[k].code, &code);
	}
	return code;
}

/* The worst of each figure, of all. */
static void
find_worst(const struct all *all, struct health_verdict worst[HEALTH_ROWS])
{
	memset(worst, 0, HEALTH_ROWS * sizeof *worst);
	for (size_t row = 0; row < HEALTH_ROWS; row++) {
		int is_left = health_rows[row].figure == HEALTH_LEFT;
		if (all->is_of_all[row])
			worst[row] = all->verdicts[row];
		for (size_t i = 0; i < all->count && !all->is_of_all[row]; i++) {
			const struct health_verdict *one = &all->parts[i].verdicts[row];
			if (all->parts[i].is_judged && one->is_known &&
			    (!worst[row].is_known || (is_left ? one->figure < worst[row].figure
			                                      : one->figure > worst[row].figure)))
				worst[row] = *one;
		}
	}
}

static int
put_line(const struct all *all)
{
	struct health_verdict worst[HEALTH_ROWS];
	size_t silent = 0;
	int code = put_problems(all);

	for (size_t i = 0; i < all->count; i++)
		silent += all->parts[i].is_silent != 0;
	if (code == CHECK_OK)
		fputs("INBOXD OK: nothing is wrong", stdout);
	printf(" | receivers=%zu;; down=%zu;;1", all->count, silent);
	find_worst(all, worst);
	check_put_figures(&all->checking, worst, " ");
	return code;
}

int
several_check(const struct arguments *arguments, const struct receivers *receivers)
{
	struct all all = {.only = arguments->only, .receivers = receivers,
	    .count = receivers->count};
	int64_t begin = clock_monotonic(), left;
	int code = -1, rc = -1;

	if (check_read(&all.checking, arguments) < 0)
		return check_exit(-1);
	all.parts = calloc(all.count, sizeof *all.parts);
	all.status = answers_status(receivers, PATIENCE_PAGE);
	if (all.parts && all.status)
		rc = judge_each(&all);
	/* A receiver may take as long again for its last page. */
	left = (PATIENCE - (clock_monotonic() - begin) / 1000) / 2;
	if (rc == 0 && has_complaint(&all))
		rc = look_at_clients(&all, left > 0 ? (int)left : 1);
	if (rc == 0)
		code = put_line(&all);
	else
		complain("out of memory");
	answers_free(all.status, all.count);
	free(all.parts);
	return rc == 0 ? code : check_exit(-1);
}
