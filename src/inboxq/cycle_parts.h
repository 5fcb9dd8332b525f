/* SPDX-License-Identifier: ISC */
/*
 * For the files of the copy cycles alone: cycle.c, which makes them, and cycle_look.c, which tells
 * how they are.
 */
#ifndef INBOXQ_CYCLE_PARTS_H
#define INBOXQ_CYCLE_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "inboxq/credentials.h"
#include "inboxq/cycle.h"
#include "inboxq/doubt_note.h"
#include "inboxq/elsewhere.h"
#include "inboxq/queue/again.h"
#include "inboxq/uplink/uplink.h"
#include "inboxq/waits.h"

struct event;
struct loaded;
struct servers;
struct wake;

/* Why a session ends in order. */
enum leaving {
	LEAVING_NOT,
	LEAVING_ASKED,  /* a stop, or a reload */
	LEAVING_UNUSED, /* as ELSEWHERE_UNUSED */
	LEAVING_BETTER, /* as ELSEWHERE_BETTER, or ELSEWHERE_HOLDER */
};

struct cycle {
	struct cycle_setup with;
	struct again again;
	struct wake *wake;
	struct event *step;
	struct uplink_setup setup;
	struct credentials credentials; /* what setup.tls is made of */
	struct uplink *uplink;
	struct servers *servers;
	struct waits waits;
	size_t server;       /* whom the session is with */
	size_t turn;         /* with once: whose is the next turn */
	size_t wanted;       /* whose turn it is before all others; SERVERS_NONE */
	uint64_t stored;     /* when the session began */
	struct loaded *next; /* to be taken before the next session; or NULL */
	enum leaving leaving;
	struct elsewhere elsewhere;
	struct doubt_note doubts;
	int stopping, has_looked, hurried;
	int reached; /* a server had a word for us */
	uint64_t cycles; /* how often no server might be tried; the last time, until when */
	int64_t told;
	int exit_code;
};

/* Is there anything to be sent, or answered? */
int cycle_has_work(const struct cycle *cycle);

#endif
