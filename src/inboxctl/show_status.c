/* SPDX-License-Identifier: ISC */
/*
 * inboxctl status: in ten lines first what is wrong, then what matters.  The same ten say how
 * it is on a good day and on a bad one, so that an eye that knows them needs a glance.
 */
#include "config.h"

#include "inboxctl/show_status.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/pages/page.h"
#include "inboxctl/pages/show.h"
#include "inboxctl/pages/show_cells.h"
#include "inboxctl/screens/problems.h"
#include "inboxctl/screens/show_everything.h"
#include "inboxctl/screens/summary.h"

#define PROBLEMS_SHOWN 3

/* The head's verdict, its state unless it just runs, and what is wrong. */
static void
show_head(const json_t *status, const struct showing *showing)
{
	struct problem problems[PROBLEMS_MAX];
	size_t count = problems_find(status, problems);
	char verdict[PROBLEMS_VERDICT_ROOM];
	struct line line;

	enum tint tint = problems_verdict(problems, count, verdict);
	line_begin(&line, showing->out, &showing->screen);
	summary_head(&line, status);
	line_add(&line, TINT_NONE, ": ");
	line_add(&line, tint, "%s", verdict);
	line_end(&line);
	problems_show(problems, count, PROBLEMS_SHOWN, showing->out, &showing->screen);
}

static void
show_summary(const json_t *status, const json_t *inboxes, const struct showing *showing)
{
	show_head(status, showing);
	for (int i = 0; i < SUMMARY_LINES; i++) {
		struct line line;
		line_begin(&line, showing->out, &showing->screen);
		summary_line(&line, (enum summary)i, status, inboxes);
		line_end(&line);
	}
}

/* The problems in whole, and all of the page. */
static int
show_all(const json_t *status, const struct showing *showing, struct why *why)
{
	const struct screen any = {0, showing->screen.colours};
	struct problem problems[PROBLEMS_MAX];
	size_t count = problems_find(status, problems);

	problems_show(problems, count, PROBLEMS_MAX, showing->out, &any);
	if (count > 0)
		fputc('\n', showing->out);
	return show_everything(status, showing, why);
}

int
show_status(const struct arguments *arguments)
{
	const struct showing showing = {stdout, terminal_screen(STDOUT_FILENO), arguments};
	int is_short = !arguments->json && !arguments->verbose, rc;
	struct json_t *status, *inboxes = NULL;
	struct why why = {""};
	int code = page_get(arguments->socket, "/status", &status);

	if (code == EX_OK) {
		rc = arguments->json ? 0 : show_check(status, "items", JSON_OBJECT, &why);
		/* What matters is told without the inboxes, too. */
		if (rc == 0 && is_short &&
		    page_ask(arguments->socket, "/inboxes", FETCH_PATIENCE, &inboxes, &why) ==
		        FETCH_OK)
			rc = show_check(inboxes, "inboxes", JSON_ARRAY, &why);
		if (rc == 0 && is_short)
			show_summary(status, inboxes, &showing);
		else if (rc == 0)
			rc = arguments->json ? show_json(status, &showing, &why)
			                     : show_all(status, &showing, &why);
		if (rc < 0) {
			complain("%s: %s", arguments->socket, why.text);
			code = EX_PROTOCOL;
		}
	}
	show_free(status);
	show_free(inboxes);
	return code;
}
