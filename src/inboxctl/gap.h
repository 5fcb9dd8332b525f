/* SPDX-License-Identifier: ISC */
/* inboxctl gap: what a client is missing is confirmed as known. */
#ifndef INBOXCTL_GAP_H
#define INBOXCTL_GAP_H

#include "inboxctl/base/arguments.h"
#include "lib/attr.h"

/* The exit code; what is wrong has been told. */
MUST_CHECK int gap(const struct arguments *arguments);

#endif
