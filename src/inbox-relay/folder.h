/* SPDX-License-Identifier: ISC */
/*
 * One inbox, as a consumer has it (inbox-spool(5), Consumers): an item is claimed by moving it from
 * new/ into cur/, and its file is locked for as long as we are at work on it.  What lies in cur/
 * and is not locked is of one that has died, perhaps of ourselves, and comes first.
 *
 * An item leaves cur/ when it has its end, and not before: it is deleted where the engine has it,
 * and moved into failed/ where the engine will never take it.
 */
#ifndef INBOX_RELAY_FOLDER_H
#define INBOX_RELAY_FOLDER_H

#include <stdint.h>

#include "inbox-relay/item.h"
#include "inbox-relay/settings.h"
#include "lib/attr.h"
#include "lib/why.h"

struct folder;

/* `settings` is borrowed; items of more than `largest` bytes are set aside.  NULL with errno, and
 * why: the folder is not there, or its root has no id. */
MUST_CHECK struct folder *folder_open(const struct settings_inbox *settings, uint64_t largest,
    struct why *why);
void folder_close(struct folder *folder);
const char *folder_path(const struct folder *folder);

/* Claims the next item and reads it.  1: it is in *item; 0: there is none now; -1 with errno: the
 * folder cannot be used any more. */
MUST_CHECK int folder_claim(struct folder *folder, struct item *item);

/* Deletes an item that is stored, moves one aside that is unfit, and frees it.  -1 with errno: it
 * could not be deleted; it stays locked, and this is to be called again. */
MUST_CHECK int folder_finish(struct item *item);

/* Lets go of an item that has no end: it stays claimed, for whoever looks into cur/ next. */
void folder_let_go(struct item *item);

#endif
