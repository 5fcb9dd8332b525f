/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/forget.h"

#include <sysexits.h>

#include "inboxctl/asking.h"

int
forget(const struct arguments *arguments)
{
	char form[FETCH_FORM_MAX + 1] = "";

	if (asking_check_client(arguments->operand, arguments->second) < 0)
		return EX_USAGE;
	asking_add(form, "identity", arguments->operand);
	if (arguments->second)
		asking_add(form, "queue", arguments->second);
	if (arguments->force)
		asking_add(form, "force", "1");
	return asking_post(arguments, "/forget", form, show_forgotten);
}
