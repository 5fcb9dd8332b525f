/* SPDX-License-Identifier: ISC */
#include "inboxd/fronts.h"

#include <stddef.h>

#include "inboxd/inbox1/inbox1.h"

const struct front *const fronts[] = {&inbox1_front, NULL};

#define COUNT (sizeof fronts / sizeof fronts[0])

const char *const *
fronts_alpn(void)
{
	static const char *names[COUNT];

	/* Once, at the start: TLS contexts that are in use keep pointing to it. */
	for (size_t i = 0; i + 1 < COUNT && !names[i]; i++)
		names[i] = fronts[i]->alpn;
	return names;
}
