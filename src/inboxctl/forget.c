/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/forget.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <sysexits.h>

#include "inboxctl/pages/asking.h"
#include "inboxctl/pages/show_cells.h"

static int
show_forgotten(const json_t *page, const struct showing *showing, struct why *why)
{
	FILE *out = showing->out;

	if (show_check(page, "queues", JSON_INTEGER, why) == -1)
		return -1;
	int64_t queues = show_integer(page, "queues"), items = show_integer(page, "unsettled");
	fprintf(out, "forgotten: %" PRId64 " queue%s\n", queues, queues == 1 ? "" : "s");
	if (items > 0)
		fprintf(out,
		    "%" PRId64 " item%s may be stored twice: the client has not said that it knows "
		    "the answer\n",
		    items, items == 1 ? "" : "s");
	return 0;
}

int
forget(const struct arguments *arguments)
{
	char form[FETCH_FORM_MAX + 1] = "";

	if (asking_check_client(arguments->operand, arguments->second) < 0)
		return EX_USAGE;
	fetch_add(form, sizeof form, "identity", arguments->operand);
	if (arguments->second)
		fetch_add(form, sizeof form, "queue", arguments->second);
	if (arguments->force)
		fetch_add(form, sizeof form, "force", "1");
	return asking_post(arguments, "/forget", form, show_forgotten);
}
