/* SPDX-License-Identifier: ISC */
/* It does nothing else, and still wants --known: a word too few must not end an alarm. */
#include "config.h"

#include "inboxctl/gap.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/pages/asking.h"
#include "inboxctl/pages/show_cells.h"
#include "lib/parse.h"
#include "lib/proto.h"

static int
parse_number(const char *text, size_t len, uint64_t *out)
{
	return parse_u64(text, len, PROTO_NUMBER_MAX, out) == 0 && *out > 0 ? 0 : -1;
}

/* "7" or "7-9".  0, or -1, and it is told. */
static int
parse_range(const char *text, uint64_t *first, uint64_t *last)
{
	size_t len = strcspn(text ? text : "", "-");

	if (text && parse_number(text, len, first) == 0) {
		*last = *first;
		if (!text[len])
			return 0;
		text += len + 1;
		if (parse_number(text, strlen(text), last) == 0 && *last >= *first)
			return 0;
	}
	complain("gap: want the numbers that are missing, FIRST-LAST or one, as client shows them");
	return -1;
}

static int
show_confirmed(const json_t *page, const struct showing *showing, struct why *why)
{
	const char *queue = json_string_value(json_object_get(page, "queue"));

	if (show_check(page, "gaps", JSON_INTEGER, why) == -1)
		return -1;
	int64_t gaps = show_integer(page, "gaps");
	if (gaps == 0)
		fprintf(showing->out, "queue %.*s: confirmed already\n", PROTO_QUEUE_SHOWN,
		    queue ? queue : "-");
	else
		fprintf(showing->out, "queue %.*s: confirmed, %" PRId64 " gap%s\n",
		    PROTO_QUEUE_SHOWN, queue ? queue : "-", gaps, gaps == 1 ? "" : "s");
	return 0;
}

int
gap(const struct arguments *arguments)
{
	const char *range = arguments->third ? arguments->third : arguments->second;
	const char *queue = arguments->third ? arguments->second : NULL;
	char form[FETCH_FORM_MAX + 1] = "", number[24];
	uint64_t first, last;

	if (asking_check_client(arguments->operand, queue) < 0 ||
	    parse_range(range, &first, &last) < 0)
		return EX_USAGE;
	if (!arguments->known) {
		complain("gap: want --known: somebody knows what became of these numbers");
		return EX_USAGE;
	}
	fetch_add(form, sizeof form, "identity", arguments->operand);
	if (queue)
		fetch_add(form, sizeof form, "queue", queue);
	snprintf(number, sizeof number, "%" PRIu64, first);
	fetch_add(form, sizeof form, "first", number);
	snprintf(number, sizeof number, "%" PRIu64, last);
	fetch_add(form, sizeof form, "last", number);
	return asking_post(arguments, "/gap", form, show_confirmed);
}
