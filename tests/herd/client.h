/* SPDX-License-Identifier: ISC */
/*
 * A virtual client: a queue of so many items, and what it takes to have each acknowledged: a
 * connection, one more when that ends, and all that was not answered sent again.
 *
 * client.c has its connections and waits, sending.c what it says, hearing.c what it is told,
 * faults.c what it does wrong on purpose.
 */
#ifndef HERD_CLIENT_H
#define HERD_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include <event2/event_struct.h>

#include "crew.h"
#include "lib/digest.h"
#include "lib/proto.h"
#include "options.h"

struct wire;

enum client_state {
	CLIENT_RESTING, /* until `wake` */
	CLIENT_IN_LINE, /* for a place: crew.h */
	CLIENT_JOINING, /* connecting, handshake, HELLO */
	CLIENT_READY,
	CLIENT_LEAVING, /* QUIT has been said */
	CLIENT_STALLED, /* does what is wrong, until `wake` */
	CLIENT_DONE
};

enum slot_state {
	SLOT_FREE,     /* not sent yet, or answered and below `low` */
	SLOT_WAITING,  /* to be sent again, at `at` */
	SLOT_FLYING,   /* sent at `at` */
	SLOT_ANSWERED
};

/* An item from its first sending to its answer. */
struct slot {
	int64_t at;          /* microseconds of clock_monotonic() */
	int64_t due;
	unsigned char sha256[DIGEST_SIZE];
	unsigned state : 8;  /* enum slot_state */
	unsigned wrong : 1;  /* the digest that was said is not this one */
	unsigned heard : 1;  /* it has been acknowledged before */
};

/* An item that goes by OPEN: one at a time. */
struct upload {
	uint64_t n, at; /* number, 0: none; next byte */
	struct item item;
	int is_sending; /* SEND has come */
};

#define CLIENT_LARGE (UINT64_C(1) << 40) /* the number of --large, above all others */

struct client {
	struct crew *crew;
	struct wire *wire;
	struct client *next_waiting;
	struct event timer;
	int64_t wake, armed;   /* when to look again; what the timer is set to; 0: not at all */
	int64_t next_at;       /* not before this the next new item is due */
	int64_t connected_at, heard_at;
	uint64_t index, origin; /* origin: of its items, see item.h */
	uint64_t next, low, told; /* to send; all below are answered; last SETTLED */
	struct slot *ring;     /* by number modulo window */
	uint64_t window, flying, flying_bytes, waiting;
	uint64_t here;         /* items answered on this connection */
	uint64_t their_window, their_bytes, their_inline;
	unsigned char queue_id[PROTO_QUEUE_LEN / 2];
	unsigned char state, fault, variant;
	unsigned failures;     /* in a row */
	double away;           /* seconds that GOAWAY wants; 0: it was none */
	unsigned was_ready : 1; /* counted in run.ready */
	unsigned large_done : 1;
	struct upload upload;
};

void client_make(struct client *client, struct crew *crew, uint64_t index);
/* What is unanswered goes into the book as such. */
void client_end(struct client *client);
/* The clock has started, or the time is over. */
void client_look_up(struct client *client);
void client_wake_at_once(struct client *client);

/* ---- for client.c and its other parts */

void client_queue_text(const struct client *client, char text[PROTO_QUEUE_LEN + 1]);
struct slot *client_slot(struct client *client, uint64_t n);
/* Is there nothing more to send, nor to be answered? */
int client_is_finished(const struct client *client, int64_t now);
/* The connection is over; comes back after so many seconds if there is anything left. */
void client_leave(struct client *client, double seconds, int reset);
/* The same after a failure without a word: waits longer each time. */
void client_fail(struct client *client, int reset);
/* Wakes the client by `at` at the latest. */
void client_wake_by(struct client *client, int64_t at);

/* sending.c: all that may be sent goes out. */
void client_pump(struct client *client);
void client_say_hello(struct client *client);
/* All in flight is to be sent again. */
void client_take_back(struct client *client);
void client_say(struct client *client, const struct proto_line *line);

/* hearing.c: on_read of a wire. */
size_t client_hear(void *ctx, const unsigned char *data, size_t len);

/* faults.c */
enum fault fault_draw(struct client *client);
/* Does this one speak no TLS? */
int fault_is_raw(const struct client *client);
/* It is connected.  1: the fault has its way from here on, 0: go on as usual. */
int fault_on_open(struct client *client);
/* Something has been sent.  Likewise. */
int fault_on_sent(struct client *client);

#endif
