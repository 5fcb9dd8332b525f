/* SPDX-License-Identifier: ISC */
/* What tells items that wait from one another. */
#ifndef INBOXQ_QUEUE_RANK_H
#define INBOXQ_QUEUE_RANK_H

#define RANK_AHEAD 4096 /* numbers: so many go before an older one, whatever its rank */

enum schedule_lane {
	SCHEDULE_SMALL, /* sent whole, by PUT */
	SCHEDULE_LARGE, /* by OPEN and DATA */
	SCHEDULE_LANES
};

enum schedule_priority { SCHEDULE_HIGH, SCHEDULE_NORMAL, SCHEDULE_LOW, SCHEDULE_PRIORITIES };

#endif
