/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/commands/command.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "inboxq/spool/item.h"
#include "lib/log.h"
#include "lib/parse.h"
#include "lib/proto.h"

const char *
command_value(const struct command_call *call, const char *name)
{
	const struct command_option *option = call->command->options;

	assert(option);
	for (size_t i = 0;; i++) {
		assert(option[i].name); /* a command asks for its own options */
		if (strcmp(option[i].name, name) == 0)
			return call->values[i];
	}
}

int
command_misused(const struct command_call *call, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	log_complain("inboxq", "%s: %s", call->command->name, text);
	fprintf(stderr, "Try 'inboxq %s -h'.\n", call->command->name);
	return EX_USAGE;
}

int
command_check_inbox(const struct command_call *call)
{
	const char *inbox = command_value(call, "inbox");

	if (!inbox)
		return command_misused(call, "-i INBOX is missing");
	if (!is_plain_name(inbox, strlen(inbox), PROTO_INBOX_MAX))
		return command_misused(call, "an inbox is " PROTO_INBOX_WANT);
	return EX_OK;
}

int
command_check_priority(const struct command_call *call)
{
	const char *word = command_value(call, "priority");
	enum item_priority priority;

	if (word && item_priority_parse(word, &priority) < 0)
		return command_misused(call, "%s: want low, normal or high", word);
	return EX_OK;
}

int
command_trouble(const char *what)
{
	int error = errno;

	log_complain("inboxq", "%s: %s", what, strerror(error));
	return error == EWOULDBLOCK ? EX_TEMPFAIL : EX_IOERR;
}

int
command_finish(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EX_OK;
	return errno == EPIPE ? EX_IOERR : command_trouble("standard output");
}
