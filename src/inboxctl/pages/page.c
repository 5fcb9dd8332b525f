/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/pages/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/pages/show.h"

/* Each part goes to `take`; or, where that is NULL, all of them to *whole. */
static enum fetch_result
ask_parts(const char *socket_path, const char *path, int patience, struct json_t **whole,
    page_take *take, void *ctx, struct why *why)
{
	char part[PAGE_PATH_ROOM + 32];
	struct fetch_page answer;
	enum fetch_result result;
	int64_t next = -1;

	snprintf(part, sizeof part, "%s", path);
	do {
		struct json_t *page = NULL;
		result = fetch_page_within(socket_path, part, patience, &answer);
		if (result != FETCH_OK) {
			why_say(why, "%s", answer.why.text);
			break;
		}
		if (show_take(take ? &page : whole, answer.text, answer.len, &next, why) < 0 ||
		    (take && take(ctx, page, why) < 0))
			result = FETCH_PROTOCOL;
		show_free(page);
		free(answer.text);
		snprintf(part, sizeof part, "%s%cfrom=%" PRId64, path,
		    strchr(path, '?') ? '&' : '?', next);
	} while (result == FETCH_OK && next != -1);
	return result;
}

enum fetch_result
page_ask(const char *socket_path, const char *path, int patience, struct json_t **page,
    struct why *why)
{
	enum fetch_result result;

	*page = NULL;
	result = ask_parts(socket_path, path, patience, page, NULL, NULL, why);
	if (result != FETCH_OK) {
		show_free(*page);
		*page = NULL;
	}
	return result;
}

static int
tell(const char *socket_path, enum fetch_result result, const struct why *why)
{
	if (result == FETCH_OK)
		return EX_OK;
	complain("%s: %s", socket_path, why->text);
	if (result == FETCH_UNREACHABLE)
		fputs("Is the receiver running (systemctl status inboxd), is this its [status] "
		      "socket,\nand may you open it (ls -l)?  -s names another one.\n",
		    stderr);
	return result == FETCH_PROTOCOL ? EX_PROTOCOL : EX_UNAVAILABLE;
}

int
page_get(const char *socket_path, const char *path, struct json_t **page)
{
	struct why why = {""};
	enum fetch_result result = page_ask(socket_path, path, FETCH_PATIENCE, page, &why);

	return tell(socket_path, result, &why);
}

enum fetch_result
page_parts(const char *socket_path, const char *path, int patience, page_take *take, void *ctx,
    struct why *why)
{
	return ask_parts(socket_path, path, patience, NULL, take, ctx, why);
}

int
page_each(const char *socket_path, const char *path, page_take *take, void *ctx)
{
	struct why why = {""};
	enum fetch_result result = page_parts(socket_path, path, FETCH_PATIENCE, take, ctx, &why);

	return tell(socket_path, result, &why);
}
