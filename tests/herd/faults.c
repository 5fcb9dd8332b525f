/* SPDX-License-Identifier: ISC */
/*
 * What a virtual client does wrong on purpose, drawn for each connection: a row a fault, with what
 * it does once it is connected, and once it has sent something.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "client.h"
#include "lib/clock.h"
#include "wire.h"

#define LOST_ACK_MOST 0.1 /* seconds between an item's last byte and the cut, at most */
#define VARIANTS 4

/* Half-open: in the TLS record; before the client's certificate; in a line; in an item. */
enum { HALF_RECORD, HALF_HANDSHAKE, HALF_LINE, HALF_ITEM };
/* Garbage: another protocol; random bytes, for TLS; a line; random bytes, as lines. */
enum { GARBAGE_HTTP, GARBAGE_BYTES, GARBAGE_LINE, GARBAGE_LINES };

enum fault
fault_draw(struct client *c)
{
	const struct options *options = c->crew->run->options;
	double at = dice_unit(&c->crew->dice) * 100.0;
	int fault = FAULT_COUNT - 1;

	while (fault > FAULT_NONE && at >= options->fault[fault])
		at -= options->fault[fault--];
	c->variant = (unsigned char)dice_below(&c->crew->dice, VARIANTS);
	c->crew->tally.fault[fault]++;
	return (enum fault)fault;
}

int
fault_is_raw(const struct client *c)
{
	return c->fault == FAULT_SILENT ||
	    (c->fault == FAULT_HALF_OPEN && c->variant == HALF_RECORD) ||
	    (c->fault == FAULT_GARBAGE && c->variant <= GARBAGE_BYTES);
}

/* It stays as it is, until the receiver or `seconds` end it. */
static void
stall(struct client *c, double seconds)
{
	c->state = CLIENT_STALLED;
	c->wake = c->crew->now + (int64_t)(seconds * (double)CLOCK_SECOND);
	wire_flush(c->wire);
}

static void
say_random(struct client *c)
{
	unsigned char bytes[1500];
	size_t len = 1 + (size_t)dice_below(&c->crew->dice, sizeof bytes);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)dice_next(&c->crew->dice);
	wire_write(c->wire, bytes, len);
}

static void
say_text(struct client *c, const char *text)
{
	wire_write(c->wire, text, strlen(text));
}

static void
say_garbage(struct client *c)
{
	switch (c->variant) {
	case GARBAGE_HTTP:
		say_text(c, "GET / HTTP/1.1\r\nHost: receiver\r\n\r\n");
		break;
	case GARBAGE_LINE:
		say_text(c, "HELLO 1 who?\n");
		break;
	case GARBAGE_LINES:
		client_say_hello(c);
		/* FALLTHROUGH */
	default:
		say_random(c);
		say_text(c, "\n");
	}
}

static void
say_half(struct client *c)
{
	static const unsigned char record[] = {22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3};

	if (c->variant == HALF_RECORD)
		wire_write(c->wire, record, sizeof record);
	else if (c->variant == HALF_LINE)
		say_text(c, "HELLO 1 0123456789abcdef");
	else {
		client_say_hello(c);
		say_text(c, "PUT 1 ");
		say_text(c, c->crew->run->options->inbox);
		say_text(c, " 1000 0000000000000000000000000000000000000000000000000000000000000000"
		    "\nhalf of it");
	}
}

int
fault_on_open(struct client *c)
{
	double hold = c->crew->run->options->hold;

	switch ((enum fault)c->fault) {
	case FAULT_SILENT:
		stall(c, hold);
		return 1;
	case FAULT_HALF_OPEN:
		say_half(c);
		stall(c, hold);
		return 1;
	case FAULT_GARBAGE:
		say_garbage(c);
		stall(c, hold);
		return 1;
	case FAULT_SLOW_READ:
		wire_slow_down(c->wire, 1, 0);
		return 0;
	case FAULT_SLOW_WRITE:
		wire_slow_down(c->wire, 0, 1);
		return 0;
	default:
		return 0;
	}
}

int
fault_on_sent(struct client *c)
{
	if (c->fault != FAULT_LOST_ACK || c->state == CLIENT_STALLED)
		return 0;
	wire_stop_reading(c->wire);
	stall(c, LOST_ACK_MOST * dice_unit(&c->crew->dice));
	return 1;
}
