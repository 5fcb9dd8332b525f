/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/commands/numbers.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/log.h"
#include "lib/parse.h"
#include "lib/proto.h"

int
numbers_read(const struct command_call *call, uint64_t **numbers)
{
	*numbers = calloc(call->count ? call->count : 1, sizeof **numbers);
	if (!*numbers)
		return EX_OSERR;
	for (size_t i = 0; i < call->count; i++) {
		const char *text = call->rest[i];

		if (parse_u64(text, strlen(text), PROTO_NUMBER_MAX, &(*numbers)[i]) < 0) {
			log_complain("inboxq", "%s: not a number", text);
			return EX_USAGE;
		}
	}
	return EX_OK;
}
