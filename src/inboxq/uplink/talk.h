/* SPDX-License-Identifier: ISC */
/*
 * What is said and heard in a session, once there is a connection: our half of
 * inbox-protocol(7).  It writes to the connection and reads what came; when one is
 * made, closed, or waited for no longer is uplink.c's to say.
 */
#ifndef INBOXQ_UPLINK_TALK_H
#define INBOXQ_UPLINK_TALK_H

#include <stddef.h>
#include <stdint.h>

#include "inboxq/spool/sentlog.h"
#include "inboxq/uplink/pulse.h"
#include "inboxq/uplink/skips.h"
#include "lib/attr.h"
#include "lib/log.h"
#include "lib/spread.h"

struct conn;
struct ends;
struct outgoing;
struct schedule;
struct spool;

enum talk_state {
	TALK_HELLO, /* READY is due */
	TALK_OPEN,
	TALK_LEAVING, /* no new item: answers that are due are waited for */
	TALK_AWAY,    /* GOAWAY came: likewise, and nothing at all is said */
	TALK_QUIT,    /* BYE is due */
};

enum talk_verdict {
	TALK_GOES_ON,
	TALK_LOST,    /* the connection cannot go on, or need not; `why` says why */
	TALK_TROUBLE, /* our own spool: errno says what */
};

struct talk {
	struct spool *spool;
	struct schedule *schedule;
	struct ends *ends;
	int once;         /* as in struct uplink_setup */
	int is_wary;      /* likewise */
	uint64_t bandwidth; /* bytes a second; 0: no bound */
	const char *host; /* whom we dial */
	enum talk_state state;
	int is_open; /* the connection stands */
	int has_parted; /* it ended behind GOAWAY in order: what it owed us has been said */
	struct outgoing *outgoing;
	struct pulse pulse;
	char server[SENTLOG_SERVER_ROOM]; /* who READY says it is, as in sent.log; "": nobody yet */
	struct skips_told told;
	uint64_t state_every; /* READY's state, seconds; 0: it takes none */
	int64_t state_due;    /* monotonic seconds */
	uint64_t seconds; /* GOAWAY's */
	int was_idle, was_superseded; /* that is its reason */
	int64_t puts_off; /* since when it has done nothing but put items off; 0: it has */
	unsigned in_vain; /* items that it has put off in a row */
	int64_t tried;    /* when the last one began since these are many */
	struct log_gate gate;
	struct spread lots;
	const char *why;      /* of TALK_LOST; NULL: the session came to its end in order */
	char said[PROTO_LINE_MAX]; /* what `why` may be, in the server's words */
};

/* Begins anew for another connection: what had been written for the one before was never
 * sent.  0, or -1: out of memory. */
MUST_CHECK int talk_begin(struct talk *talk);
void talk_end(struct talk *talk);

/* The connection stands. */
void talk_opened(struct talk *talk);
/* The first words on a connection, which may be written before it stands. */
MUST_CHECK enum talk_verdict talk_hello(struct talk *talk, struct conn *conn);
/* Says what is now to be said. */
MUST_CHECK enum talk_verdict talk_say(struct talk *talk, struct conn *conn);
/* When there may be more to say though nothing happens, microseconds; 0: nothing is held. */
int64_t talk_wait(const struct talk *talk);
/* As talk_say(), every second: is the server still there, and does it know that we are?  What it
 * owes us may take `limit` seconds; 0: it cannot answer yet. */
MUST_CHECK enum talk_verdict talk_tick(struct talk *talk, struct conn *conn, uint64_t limit);
/* Nobody has listened for so many seconds: they do not count, but is the server still there? */
void talk_wake(struct talk *talk, struct conn *conn, int64_t seconds);
/* Is nothing on its way, and nothing to be sent now? */
int talk_is_at_rest(struct talk *talk);
/* Takes what came: whole lines, of *used bytes. */
MUST_CHECK enum talk_verdict talk_hear(struct talk *talk, const unsigned char *data, size_t len,
    size_t *used);

#endif
