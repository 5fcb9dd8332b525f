/* SPDX-License-Identifier: ISC */
/*
 * One session with one server: dialling (each address that its name has now, in turn),
 * HELLO, items within the window, answers in any order, QUIT.  The client's
 * half of inbox-protocol(7).
 *
 * It streams files in chunks, so memory does not grow with an item's size.  What
 * an answer means for the spool is for ends.h to say; SKIP and SETTLED come
 * from sent.log.
 */
#ifndef INBOXQ_UPLINK_UPLINK_H
#define INBOXQ_UPLINK_UPLINK_H

#include <stdint.h>

#include "lib/attr.h"

struct ends;
struct event_base;
struct resolver;
struct runstate_upload;
struct schedule;
struct settings;
struct spool;
struct tls;
struct uplink;

enum uplink_end {
	UPLINK_DONE,    /* QUIT was answered, or there was nothing left to wait for */
	UPLINK_LOST,    /* not reached, broken off, timed out, or ERROR */
	UPLINK_AWAY,    /* GOAWAY: come back after `seconds` */
	UPLINK_TROUBLE, /* our own spool: errno says what */
};

struct uplink_setup {
	struct event_base *base;
	struct tls *tls;
	struct resolver *resolver;
	const struct settings *settings;
	struct spool *spool;
	struct schedule *schedule;
	struct ends *ends;
	int once; /* QUIT when all is answered; LATER puts an item off for good */
	int is_wary; /* it gets no item before it has said READY */
	/* The last call, once, from the event loop; the owner then calls
	 * uplink_free(), but not within it. */
	void (*on_end)(void *ctx, enum uplink_end end, uint64_t seconds, int error);
	/* After each turn in which all that could be sent now is answered; or NULL.
	 * uplink_stop() may be called within it. */
	void (*on_rest)(void *ctx);
	void *ctx;
};

/* Dials `server`, a word that server_parse() takes (base/server.h).  `setup` is borrowed.  NULL:
 * out of memory. */
MUST_CHECK struct uplink *uplink_new(const struct uplink_setup *setup, const char *server);
/* Closes at once.  What was not answered is to be taken back: schedule_take_back(). */
void uplink_free(struct uplink *uplink);

/* To be called every second. */
void uplink_tick(struct uplink *uplink);
/* The queue has new items. */
void uplink_pump(struct uplink *uplink);

/* Has the server said READY? */
int uplink_is_ready(const struct uplink *uplink);

/* Is nothing on its way, and nothing to be sent now? */
int uplink_is_at_rest(struct uplink *uplink);
/* No further large item begins; is one under way? */
void uplink_open_no_large(struct uplink *uplink);
int uplink_has_large(const struct uplink *uplink);
/* Was it sent away since its place was wanted, or it had been there for long? */
int uplink_was_idle(const struct uplink *uplink);
/* Or since another connection speaks for our queue? */
int uplink_was_superseded(const struct uplink *uplink);
/* Has it ended since we were asleep, or stopped, for longer than the server waits? */
int uplink_has_overslept(const struct uplink *uplink);
/* For how many seconds has it done nothing with items but to put them off?  0: it does. */
uint64_t uplink_puts_off(const struct uplink *uplink);

/* How many bytes of the large items under way the server has or is being sent. */
uint64_t uplink_bytes(const struct uplink *uplink);

/* The large items under way, into RUNSTATE_UPLOADS of them (spool/runstate.h), zeroed. */
void uplink_look(const struct uplink *uplink, struct runstate_upload *uploads);

/* Sends no further item, nor the rest of a large one, waits up to `seconds` for
 * answers that are due, then ends it.  Of two calls the earlier end holds. */
void uplink_stop(struct uplink *uplink, unsigned seconds);

#endif
