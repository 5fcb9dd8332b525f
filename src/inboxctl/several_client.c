/* SPDX-License-Identifier: ISC */
/*
 * inboxctl client of several receivers: what each has to tell of it, one after the other, so that a
 * number that is missing at one is seen to be stored at another.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <sysexits.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/client.h"
#include "inboxctl/pages/show.h"
#include "inboxctl/pages/show_cells.h"
#include "inboxctl/several.h"
#include "lib/table.h"

/* What stands before it: its receiver's name. */
static void
put_head(const char *name, int json, int is_first)
{
	json_t *text;

	if (!json) {
		fputs(is_first ? "== " : "\n== ", stdout);
		table_plain(stdout, name);
		putchar('\n');
		return;
	}
	text = show_plain(name);
	printf("%s{\"receiver\": ", is_first ? "\n" : ",\n");
	if (!text || json_dumpf(text, stdout, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) < 0)
		fputs("null", stdout);
	json_decref(text);
	fputs(", \"story\":\n", stdout);
}

int
several_client(const struct arguments *arguments, const struct receivers *receivers)
{
	int json = arguments->json != NULL, is_known = 0, code = EX_OK, its;
	enum client_told told;

	if (json)
		printf("{\"schema\": %d, \"receivers\": [", SHOW_SCHEMA);
	for (size_t i = 0; i < receivers->count; i++) {
		const struct receiver *receiver = &receivers->all[i];
		put_head(receiver->name, json, i == 0);
		complain_about(receiver->name);
		its = client_tell(
		    arguments->operand, receiver->socket, receiver->root, json, &told);
		complain_about(NULL);
		if (json)
			fputs(told == CLIENT_SHOWN ? "}" : "null}", stdout);
		is_known |= told == CLIENT_SHOWN;
		/* That one does not know it is no news, if another does. */
		if (code == EX_OK && told != CLIENT_UNKNOWN)
			code = its;
	}
	if (json)
		fputs("\n]}\n", stdout);
	return code == EX_OK && !is_known ? EX_NOINPUT : code;
}
