/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/base/places.h"

#include <stddef.h>

#include "inboxctl/base/complain.h"
#include "lib/conf.h"
#include "lib/conf_rows.h"

static const struct conf_key keys[] = {
    CONF_ROOT_ROWS(offsetof(struct places, root)),
    CONF_SOCKET_ROWS(offsetof(struct places, socket)),
    {0},
};
static const struct conf_schema schema = {.keys = keys, .others = 1};

static void
on_error(void *ctx, const char *message)
{
	(void)ctx;
	complain("%s", message);
}

int
places_read(struct places *places, const char *config)
{
	const struct conf_report report = {on_error, NULL};

	return conf_read(config, &schema, places, &report);
}

void
places_free(struct places *places)
{
	conf_free(&schema, places);
}
