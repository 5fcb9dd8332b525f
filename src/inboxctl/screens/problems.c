/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/screens/problems.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "inboxctl/pages/show_cells.h"
#include "lib/line.h"

static void
add(struct problem *problems, size_t *count, int is_critical, const char *text, const char *more)
{
	if (*count == PROBLEMS_MAX)
		return;
	problems[*count].is_critical = is_critical;
	snprintf(problems[*count].text, sizeof problems[*count].text, "%s%s", text, more);
	++*count;
}

/* Without a word of the receiver's own: what is in its page for all to see. */
static size_t
judge(const json_t *status, struct problem problems[PROBLEMS_MAX])
{
	const json_t *gauges = json_object_get(status, "gauges");
	const char *reload = json_string_value(json_object_get(status, "reload_error"));
	json_int_t full = show_integer(gauges, "inboxd_full");
	size_t count = 0;

	if (show_integer(gauges, "inboxd_publish_trouble") > 0)
		add(problems, &count, 1, "what is acknowledged cannot be made visible, and new "
		                         "items are told LATER: the log says why", "");
	if (full > 1)
		add(problems, &count, 1, "the disk is full: all new items are told LATER", "");
	if (show_integer(gauges, "inboxd_journal_full") > 0)
		add(problems, &count, 1, "the journal has no room to be written", "");
	if (full == 1)
		add(problems, &count, 0, "the disk is nearly full: large items are told LATER", "");
	if (reload)
		add(problems, &count, 0, "the last reload was not taken: ", reload);
	return count;
}

/* What the page knows beside the sentence, as the judge does not: why, and which. */
static const char *
detail(const json_t *status, const char *name)
{
	const json_t *reload = json_object_get(status, "reload");

	if (strcmp(name, "reload-failed") == 0)
		return json_string_value(json_object_get(status, "reload_error"));
	if (strcmp(name, "files-differ") == 0)
		return json_string_value(json_array_get(json_object_get(reload, "files"), 0));
	return NULL;
}

size_t
problems_find(const json_t *status, struct problem problems[PROBLEMS_MAX])
{
	const json_t *list = json_object_get(status, "problems");
	size_t count = 0, i;
	json_t *problem;

	if (!json_is_array(list))
		return judge(status, problems);
	json_array_foreach (list, i, problem) {
		const char *severity = json_string_value(json_object_get(problem, "severity"));
		const char *text = json_string_value(json_object_get(problem, "text"));
		const char *name = json_string_value(json_object_get(problem, "name"));
		const char *more = name ? detail(status, name) : NULL;
		char whole[PROBLEM_ROOM];
		snprintf(whole, sizeof whole, "%s%s%s%s", name ? name : "",
		    name && text ? ": " : "", text ? text : name ? "" : "-", more ? ": " : "");
		add(problems, &count, severity && strcmp(severity, "critical") == 0, whole,
		    more ? more : "");
	}
	return count;
}

void
problems_show(const struct problem *problems, size_t count, size_t most, FILE *out,
    const struct screen *screen)
{
	size_t shown = count <= most ? count : most > 0 ? most - 1 : 0;
	struct line line;

	for (size_t i = 0; i < shown; i++) {
		int is_critical = problems[i].is_critical;
		line_begin(&line, out, screen);
		line_add(&line, is_critical ? TINT_BAD : TINT_WARN, "%s",
		    is_critical ? "CRITICAL" : "warning");
		line_to(&line, 10);
		line_add(&line, TINT_NONE, "%s", problems[i].text);
		line_end(&line);
	}
	if (shown == count || most == 0)
		return;
	line_begin(&line, out, screen);
	line_add(&line, problems[shown].is_critical ? TINT_BAD : TINT_WARN, "and %zu more",
	    count - shown);
	line_end(&line);
}

enum tint
problems_verdict(const struct problem *problems, size_t count, char verdict[PROBLEMS_VERDICT_ROOM])
{
	if (count == 0)
		snprintf(verdict, PROBLEMS_VERDICT_ROOM, "all is well");
	else
		snprintf(verdict, PROBLEMS_VERDICT_ROOM, "%zu problem%s", count,
		    count == 1 ? "" : "s");
	return count == 0 ? TINT_GOOD : problems[0].is_critical ? TINT_BAD : TINT_WARN;
}
