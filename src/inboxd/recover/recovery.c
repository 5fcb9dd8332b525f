/* SPDX-License-Identifier: ISC */
#include "inboxd/recover/recovery.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "inboxd/drafts/draft.h"

int
recovery_fail(struct recovery *r, const char *what, const char *inbox, const char *name)
{
	if (draft_failure(errno) == DRAFT_FULL)
		r->code = EX_TEMPFAIL;
	else if (errno == EACCES || errno == EPERM)
		r->code = EX_CONFIG; /* somebody has changed who may read what */
	return why_say(r->error, "%s %s/%s: %s", what, inbox, name, strerror(errno));
}
