/* SPDX-License-Identifier: ISC */
#include "inboxq/watch/verdict.h"

#include <errno.h>

#include "lib/log.h"
#include "lib/why.h"

int
verdict_of(enum intake_result result, const struct why *why, const char *command)
{
	switch (result) {
	case INTAKE_NO_ROOM:
	case INTAKE_FULL_QUEUE:
	case INTAKE_SHORT:
	case INTAKE_BUSY:
		return 1;
	case INTAKE_TROUBLE:
	case INTAKE_UNSURE:
		log_event(LOG_CRIT, "spool_trouble", "in=%s error=\"%s\"", command, why->text);
		errno = EIO;
		return -1;
	case INTAKE_OK:
	case INTAKE_FULL:
	case INTAKE_NOT_TAKEN:
	case INTAKE_MOVING:
		break;
	}
	return 0;
}
