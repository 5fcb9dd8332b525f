/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/check_line.h"
#include "inboxctl/check_words.h"
#include "inboxctl/pages/fetch.h"

#define PATIENCE 8000 /* milliseconds: who runs us gives us ten seconds, mostly */

int
check_exit(int code)
{
	if (code >= CHECK_OK && code <= CHECK_UNKNOWN)
		return code;
	return check_end(CHECK_UNKNOWN, "not asked: %s", complain_first()[0] != '\0'
	        ? complain_first()
	        : "what is wrong stands on standard error");
}

static int
put_problems(const struct checking *checking, const struct health_verdict verdicts[HEALTH_ROWS])
{
	static const int codes[] = {[HEALTH_OK] = CHECK_OK, [HEALTH_WARNING] = CHECK_WARNING,
	    [HEALTH_CRITICAL] = CHECK_CRITICAL};
	int code = CHECK_OK;
	char text[HEALTH_TEXT_ROOM];

	for (int severity = HEALTH_CRITICAL; severity > HEALTH_OK; severity--) {
		for (size_t i = 0; i < HEALTH_ROWS; i++) {
			const struct health_verdict *verdict = &verdicts[i];
			if (checking->is_left_out[i] || (int)verdict->severity != severity)
				continue;
			if (code == CHECK_OK)
				printf("INBOXD %s: ", check_codes[code = codes[severity]]);
			else
				fputs("; ", stdout);
			health_text(text, i, verdict);
			printf("%s: ", health_rows[i].name);
			check_put_plain(text);
		}
	}
	return code;
}

/* The exit code where there is no page. */
static int
tell_no_page(const struct checking *checking, const char *socket_path,
    enum fetch_result result, const struct fetch_page *page)
{
	int row = health_find("down", 4);

	if (result == FETCH_PROTOCOL)
		return check_end(CHECK_UNKNOWN, "%s: %s", socket_path, page->why.text);
	if (access(socket_path, R_OK | W_OK) < 0 && errno == EACCES)
		return check_end(CHECK_UNKNOWN, "%s: may not be opened by who runs this",
		    socket_path);
	if (checking->is_left_out[row])
		return check_end(CHECK_UNKNOWN, "%s: %s", socket_path, page->why.text);
	return check_end(CHECK_CRITICAL, "down: %s: %s: %s", health_rows[row].text, socket_path,
	    page->why.text);
}

int
check(const struct arguments *arguments)
{
	struct health_verdict verdicts[HEALTH_ROWS];
	struct checking checking = {0};
	enum fetch_result result;
	struct fetch_page page;
	const char *unknown;
	int code;

	if (check_read(&checking, arguments) < 0)
		return check_exit(-1);
	result = fetch_page_within(arguments->socket, "/metrics", PATIENCE, &page);
	if (result != FETCH_OK)
		return tell_no_page(&checking, arguments->socket, result, &page);
	if (!check_is_page(page.text)) {
		free(page.text);
		return check_end(CHECK_UNKNOWN, "%s: what answers there is no receiver",
		    arguments->socket);
	}
	unknown = check_find_unknown(&checking, page.text, arguments->only);
	health_judge(page.text, (int64_t)time(NULL), &checking.limits, verdicts);
	free(page.text);
	if (unknown)
		return check_end(CHECK_UNKNOWN, "%s: this receiver does not tell it", unknown);
	code = put_problems(&checking, verdicts);
	if (code == CHECK_OK)
		fputs("INBOXD OK: nothing is wrong", stdout);
	check_put_figures(&checking, verdicts, " | ");
	return code;
}
