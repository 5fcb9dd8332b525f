/* SPDX-License-Identifier: ISC */
#include "inboxd/recover/recovery.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "lib/disk.h"

int
recovery_said(struct recovery *r)
{
	if (disk_is_full(errno))
		r->code = EX_TEMPFAIL;
	else if (errno == EACCES || errno == EPERM)
		r->code = EX_CONFIG; /* somebody has changed who may read what */
	return -1;
}

int
recovery_fail(struct recovery *r, const char *what, const char *inbox, const char *name)
{
	(void)recovery_said(r);
	return why_say(r->error, "%s %s/%s: %s", what, inbox, name, strerror(errno));
}
