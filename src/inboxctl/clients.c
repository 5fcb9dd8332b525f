/* SPDX-License-Identifier: ISC */
/* inboxctl clients. */
#include "config.h"

#include "inboxctl/clients.h"

#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/pages/page.h"
#include "inboxctl/pages/show.h"
#include "inboxctl/screens/roll.h"
#include "inboxctl/screens/roll_show.h"

/* As the receiver's page is, but that all is in one. */
static void
show_text(const struct roll *roll)
{
	printf("{\"schema\": %d, \"now\": %" PRId64 ", \"next\": null, \"clients\": [", SHOW_SCHEMA,
	    roll->now);
	for (size_t i = 0; i < roll->count; i++)
		printf("%s%s", i ? ",\n" : "\n", roll->rows[i].json);
	fputs("\n]}\n", stdout);
}

static int
take(void *ctx, const struct json_t *part, struct why *why)
{
	return roll_take(ctx, part, why);
}

int
clients_command(const struct arguments *arguments)
{
	struct roll roll = {.rows = NULL};
	char path[PAGE_PATH_ROOM];
	struct why why;
	int code;

	if (roll_read(arguments, &roll.wish, &why) < 0) {
		complain("%s", why.text);
		return EX_USAGE;
	}
	roll_path(&roll.wish, path);
	code = page_each(arguments->socket, path, take, &roll);
	if (code == EX_OK) {
		roll_sort(&roll);
		if (arguments->json)
			show_text(&roll);
		else
			code = roll_show(&roll, arguments->verbose != NULL) == 0 ? EX_OK : EX_OSERR;
	}
	roll_free(&roll);
	return code;
}
