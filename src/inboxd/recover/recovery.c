/* SPDX-License-Identifier: ISC */
#include "inboxd/recover/recovery.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/notify.h"

int
recovery_said(struct recovery *r)
{
	if (disk_is_full(errno))
		r->code = EX_TEMPFAIL;
	else if (errno == EACCES || errno == EPERM)
		r->code = EX_CONFIG; /* somebody has changed who may read what */
	return -1;
}

void
recovery_tell(struct recovery *r, const char *what, size_t done, size_t count)
{
	char text[128];
	int64_t now = clock_monotonic();

	if (count > 0 && now - r->spoke < CLOCK_SECOND)
		return;
	r->spoke = now;
	if (count > 0)
		snprintf(text, sizeof text, "Recovering: %zu of %zu items %s", done, count, what);
	else
		snprintf(text, sizeof text, "Recovering: %s", what);
	notify_status(text);
}

int
recovery_fail(struct recovery *r, const char *what, const char *inbox, const char *name)
{
	(void)recovery_said(r);
	return why_say(r->error, "%s %s/%s: %s", what, inbox, name, strerror(errno));
}
