/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/forget.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "inboxctl/complain.h"
#include "inboxctl/fetch.h"
#include "inboxctl/show.h"
#include "lib/identity.h"
#include "lib/parse.h"
#include "lib/proto.h"

/* Adds name=value to the form, what is not a letter or digit as '%' and two digits. */
static void
add(char form[FETCH_FORM_MAX + 1], const char *name, const char *value)
{
	size_t at = strlen(form);

	at += (size_t)snprintf(form + at, FETCH_FORM_MAX + 1 - at, "%s%s=", at ? "&" : "", name);
	for (; *value; value++)
		at += (size_t)snprintf(form + at, FETCH_FORM_MAX + 1 - at,
		    is_plain_name(value, 1, 1) ? "%c" : "%%%02X", (unsigned char)*value);
}

/* As far as it can be said without the receiver. */
static int
check(const struct arguments *arguments)
{
	const char *queue = arguments->second;
	size_t len = queue ? strlen(queue) : 0;

	if (!arguments->operand[0] || strlen(arguments->operand) > IDENTITY_MAX) {
		complain("\"%s\": want a client's identity, as clients shows it",
		    arguments->operand);
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
	}
	return EX_PROTOCOL;
}

/* What was done. */
static int
tell(const struct fetch_page *page, const struct arguments *arguments)
{
	const struct showing showing = {.out = stdout, .arguments = arguments};
	struct json_t *whole = NULL;
	struct why why = {""};
	int64_t next = -1;
	int rc = show_take(&whole, page->text, page->len, &next, &why);

	if (rc == 0)
		rc = (arguments->json ? show_json : show_forgotten)(whole, &showing, &why);
	if (rc < 0)
		complain("%s: %s", arguments->socket, why.text);
	show_free(whole);
	return rc < 0 ? EX_PROTOCOL : EX_OK;
}

int
forget(const struct arguments *arguments)
{
	char form[FETCH_FORM_MAX + 1] = "";
	enum fetch_result result;
	struct fetch_page page;
	int code;

	if (check(arguments) < 0)
		return EX_USAGE;
	add(form, "identity", arguments->operand);
	if (arguments->second)
		add(form, "queue", arguments->second);
	if (arguments->force)
		add(form, "force", "1");
	result = fetch_post(arguments->socket, "/forget", form, &page);
	if (result != FETCH_OK) {
		complain("%s: %s", arguments->socket, page.why.text);
		return exit_code(result, page.code);
	}
	code = tell(&page, arguments);
	free(page.text);
	return code;
}
