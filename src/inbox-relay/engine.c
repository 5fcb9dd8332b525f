/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inbox-relay/engine.h"

const char *const engine_names[] = {"postgresql", "nats", NULL};

static const struct engine *const engines[] = {
#ifdef HAVE_POSTGRESQL
    [0] = &engine_postgresql,
#endif
#ifdef HAVE_NATS
    [1] = &engine_nats,
#endif
    [2] = NULL,
};

const struct engine *
engine_of(int type)
{
	return engines[type];
}
