/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/commands/numbers.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "inboxq/spool/item.h"
#include "lib/log.h"
#include "lib/parse.h"
#include "lib/proto.h"

static int
is_all(const struct command_call *call)
{
	return call->count == 1 && strcmp(call->rest[0], "all") == 0;
}

int
numbers_check(const struct command_call *call)
{
	if (command_value(call, "reason") ? call->count != 0 : call->count == 0)
		return command_misused(
		    call, "want numbers as list shows them, or all, or --reason CODE");
	return EX_OK;
}

/* The operands. */
static int
read_numbers(const struct command_call *call, struct spool_numbers *out)
{
	out->at = calloc(call->count, sizeof *out->at);
	if (!out->at)
		return EX_OSERR;
	for (size_t i = 0; i < call->count; i++) {
		const char *text = call->rest[i];

		if (parse_u64(text, strlen(text), PROTO_NUMBER_MAX, &out->at[i]) < 0) {
			log_complain("inboxq", "%s: not a number", text);
			return EX_USAGE;
		}
	}
	out->count = call->count;
	return EX_OK;
}

/* failed/N.reason begins with it: "no-inbox: ...". */
static int
is_for_reason(const struct spool *spool, uint64_t n, const char *code)
{
	char reason[SPOOL_REASON_MAX + 1];
	size_t len = strlen(code);

	item_read_reason(spool, n, reason);
	return strncmp(reason, code, len) == 0 && reason[len] == ':';
}

/* What is in one folder, behind what is in *out. */
static int
append_part(const struct spool *spool, enum spool_part part, const char *reason,
    struct spool_numbers *out)
{
	struct spool_numbers found;
	uint64_t *more;

	if (spool_list(spool, part, &found) < 0)
		return command_trouble("cannot read the spool");
	more = reallocarray(out->at, out->count + found.count + 1, sizeof *more);
	if (!more) {
		free(found.at);
		return EX_OSERR;
	}
	out->at = more;
	for (size_t i = 0; i < found.count; i++)
		if (!reason || is_for_reason(spool, found.at[i], reason))
			out->at[out->count++] = found.at[i];
	free(found.at);
	return EX_OK;
}

int
numbers_choose(const struct command_call *call, enum spool_part first, enum spool_part last,
    struct spool_numbers *out)
{
	const char *reason = command_value(call, "reason");
	int rc = EX_OK;

	*out = (struct spool_numbers){.at = NULL};
	if (reason) {
		rc = append_part(call->spool, SPOOL_FAILED, reason, out);
		if (rc == EX_OK && out->count == 0)
			log_complain("inboxq", "no item was set aside for %s", reason);
		return rc;
	}
	if (!is_all(call))
		return read_numbers(call, out);
	for (enum spool_part part = first; part <= last && rc == EX_OK; part++)
		rc = append_part(call->spool, part, NULL, out);
	return rc;
}
