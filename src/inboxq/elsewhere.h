/* SPDX-License-Identifier: ISC */
/*
 * While a session lives: would our items be better off with another server?  With any that may be
 * tried, where this one puts off all that waits; with one that we prefer, as soon as it is there
 * again; and with one that may have stored what waits for that reason (schedule.h), just for as
 * long as it takes to hear whether it has.
 *
 * That is found out by a probe (uplink/probe.h), whose times are the server's back-off: a server
 * that was away is looked for as often as if there were no other.  Whether it does is shown by an
 * item that it stores; until then its back-off goes on, however good the probe was.
 */
#ifndef INBOXQ_ELSEWHERE_H
#define INBOXQ_ELSEWHERE_H

#include <stddef.h>
#include <stdint.h>

struct credentials;
struct probe;
struct servers;
struct uplink;
struct uplink_setup;

struct elsewhere {
	struct uplink_setup *setup;      /* its owner's */
	struct credentials *credentials; /* likewise: a probe, too, has them read */
	struct servers *servers;         /* likewise; so are these two */
	struct uplink *uplink;
	size_t server; /* whom the session is with */
	uint64_t bytes;     /* of large items, at the last tick */
	int64_t considered; /* when other servers were, monotonic seconds */
	struct probe *probe;
	size_t probed;
	int is_back; /* the one that was probed is there */
};

enum elsewhere_verdict {
	ELSEWHERE_STAY,
	ELSEWHERE_UNUSED, /* this server has no use for what waits, and another may have */
	ELSEWHERE_BETTER, /* one that we prefer is there */
	ELSEWHERE_HOLDER, /* `probed` is there, which may have stored what waits */
};

/* A session has begun, or is over. */
void elsewhere_begin(struct elsewhere *elsewhere, struct uplink *uplink, size_t server);
void elsewhere_end(struct elsewhere *elsewhere);

/* All that could be sent now is answered, and there is work. */
enum elsewhere_verdict elsewhere_at_rest(struct elsewhere *elsewhere);
/* To be asked every second, while the session is not about to end. */
enum elsewhere_verdict elsewhere_tick(struct elsewhere *elsewhere, int has_work);

#endif
