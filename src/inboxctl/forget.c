/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/forget.h"

#include <string.h>
#include <sysexits.h>

#include "inboxctl/asking.h"
#include "inboxctl/complain.h"
#include "lib/identity.h"
#include "lib/parse.h"
#include "lib/proto.h"

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

int
forget(const struct arguments *arguments)
{
	char form[FETCH_FORM_MAX + 1] = "";

	if (check(arguments) < 0)
		return EX_USAGE;
	asking_add(form, "identity", arguments->operand);
	if (arguments->second)
		asking_add(form, "queue", arguments->second);
	if (arguments->force)
		asking_add(form, "force", "1");
	return asking_post(arguments, "/forget", form, show_forgotten);
}
