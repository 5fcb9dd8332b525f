/* SPDX-License-Identifier: ISC */
/* Items by their numbers, as operands of a command. */
#ifndef INBOXQ_COMMANDS_NUMBERS_H
#define INBOXQ_COMMANDS_NUMBERS_H

#include <stdint.h>

#include "inboxq/commands/command.h"
#include "lib/attr.h"

/* The operands of `call` as numbers, call->count of them, in *numbers, which the caller frees
 * either way.  EX_OK, or an exit code, having said why. */
MUST_CHECK int numbers_read(const struct command_call *call, uint64_t **numbers);

#endif
