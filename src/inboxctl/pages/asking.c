/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/pages/asking.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "inboxctl/base/complain.h"
#include "lib/identity.h"
#include "lib/parse.h"
#include "lib/proto.h"

int
asking_check_client(const char *client, const char *queue)
{
	size_t len = queue ? strlen(queue) : 0;

	if (!client[0] || strlen(client) > IDENTITY_MAX) {
		complain("\"%s\": want a client's identity, as clients shows it", client);
		return -1;
	}
	if (queue && (len == 0 || len > PROTO_QUEUE_LEN || !is_hex(queue, len, len))) {
		complain("%s: want the first digits of a queue's identifier, as clients shows them",
		    queue);
		return -1;
	}
	return 0;
}

/* The receiver's word for a code. */
static int
exit_code(enum fetch_result result, int code)
{
	if (result == FETCH_UNREACHABLE || result == FETCH_REFUSED)
		return EX_UNAVAILABLE;
	switch (code) {
	case 403:
		return EX_NOPERM;
	case 404:
		return EX_NOINPUT;
	case 409:
		return EX_TEMPFAIL;
	case 500:
		return EX_IOERR;
	}
	return EX_PROTOCOL;
}

/* What was done. */
static int
tell(const struct fetch_page *page, const struct arguments *arguments, show_fn *show)
{
	const struct showing showing = {.out = stdout, .arguments = arguments};
	struct json_t *whole = NULL;
	struct why why = {""};
	int64_t next = -1;
	int rc = show_take(&whole, page->text, page->len, &next, &why);

	if (rc == 0)
		rc = (arguments->json ? show_json : show)(whole, &showing, &why);
	if (rc < 0)
		complain("%s: %s", arguments->socket, why.text);
	show_free(whole);
	return rc < 0 ? EX_PROTOCOL : EX_OK;
}

/* What it says itself to people stands behind path and code, which are none of theirs. */
static void
complain_of(const struct arguments *arguments, const char *path, const struct fetch_page *page)
{
	char head[32];
	int len = snprintf(head, sizeof head, "%s: %d ", path, page->code);
	int is_word = page->code == 403 || page->code == 404 || page->code == 409;

	if (is_word && strncmp(page->why.text, head, (size_t)len) == 0)
		complain("%s: %s", arguments->operand ? arguments->operand : arguments->socket,
		    page->why.text + len);
	else
		complain("%s: %s%s", arguments->socket, page->why.text,
		    page->is_sent && page->code == 0
		        ? "; it may be done all the same: look first"
		        : "");
}

int
asking_post(const struct arguments *arguments, const char *path, const char *form, show_fn *show)
{
	struct fetch_page page;
	enum fetch_result result = fetch_post(arguments->socket, path, form, &page);
	int code;

	if (result != FETCH_OK) {
		complain_of(arguments, path, &page);
		return exit_code(result, page.code);
	}
	code = tell(&page, arguments, show);
	free(page.text);
	return code;
}
