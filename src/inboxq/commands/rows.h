/* SPDX-License-Identifier: ISC */
/* The commands, each in the file of its name. */
#ifndef INBOXQ_COMMANDS_ROWS_H
#define INBOXQ_COMMANDS_ROWS_H

#include "inboxq/commands/command.h"

extern const struct command command_add;
extern const struct command command_send;
extern const struct command command_run;
extern const struct command command_watch;
extern const struct command command_relay;
extern const struct command command_list;
extern const struct command command_status;
extern const struct command command_requeue;
extern const struct command command_remove;
extern const struct command command_check;
extern const struct command command_reload;
extern const struct command command_fsck;

#endif
