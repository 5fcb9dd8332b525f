/* SPDX-License-Identifier: ISC */
/* A handful as a rule: a list is looked through. */
#include "inboxq/queue/holders.h"

#include <stdlib.h>
#include <string.h>

void
holders_free(struct holders *holders)
{
	for (size_t i = 0; i < holders->count; i++)
		free(holders->names[i]);
	free(holders->names);
	*holders = (struct holders){0};
}

/* From the slash on, so that no address is taken for an id. */
static const char *
key_of(const char *name)
{
	const char *slash = strchr(name, '/');

	return slash ? slash : name;
}

uint16_t
holders_number(struct holders *holders, const char *name)
{
	char **more;

	for (size_t i = 0; i < holders->count; i++)
		if (strcmp(key_of(holders->names[i]), key_of(name)) == 0)
			return (uint16_t)(i + 1);
	if (holders->count == HOLDERS_MAX)
		return HOLDERS_NONE;
	more = realloc(holders->names, (holders->count + 1) * sizeof *more);
	if (!more)
		return HOLDERS_NONE;
	holders->names = more;
	more[holders->count] = strdup(name);
	return more[holders->count] ? (uint16_t)++holders->count : HOLDERS_NONE;
}

const char *
holders_name(const struct holders *holders, uint16_t number)
{
	return holders->names[number - 1];
}
