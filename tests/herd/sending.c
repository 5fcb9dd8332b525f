/* SPDX-License-Identifier: ISC */
/*
 * What a virtual client says: HELLO, items as the window lets them, SETTLED, QUIT.  As inboxq it
 * sends what little is due behind HELLO, before it has heard READY.
 */
#include "config.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "lib/clock.h"
#include "wire.h"

#define EARLY_ITEMS 16              /* before READY, as inbox-protocol(7) wants it */
#define EARLY_BYTES UINT64_C(65536)
#define SETTLE_EVERY 64             /* numbers */
#define FRAME_BELOW 65536           /* bytes of output: where more wait no DATA is added */
#define FRAMES_MAX 8                /* DATA in a turn of the loop */
#define HINT "report.txt"           /* what each file was called */
#define CLOCK_OF_ALL 1795356663     /* --identical: seconds since 1970 */

void
client_queue_text(const struct client *c, char text[PROTO_QUEUE_LEN + 1])
{
	for (size_t i = 0; i < sizeof c->queue_id; i++)
		snprintf(text + 2 * i, 3, "%02x", c->queue_id[i]);
}

struct slot *
client_slot(struct client *c, uint64_t n)
{
	return &c->ring[n % c->window];
}

void
client_say(struct client *c, const struct proto_line *line)
{
	char text[PROTO_LINE_MAX + 1];

	wire_write(c->wire, text, proto_format(line, text));
}

void
client_say_hello(struct client *c)
{
	char queue[PROTO_QUEUE_LEN + 1];
	struct proto_line line;

	client_queue_text(c, queue);
	proto_line_start(&line, VERB_HELLO);
	proto_set_number(&line, FIELD_VERSION, PROTO_VERSION);
	proto_set_text(&line, FIELD_QUEUE, queue);
	proto_set_number(&line, FIELD_SETTLED, c->low);
	proto_set_text(&line, FIELD_AGENT, "inboxload");
	client_say(c, &line);
	c->told = c->low;
	c->their_window = EARLY_ITEMS;
	c->their_bytes = c->their_inline = EARLY_BYTES;
}

/* ---- an item */

static struct item
get_item(struct client *c, uint64_t n)
{
	struct item item = items_get(&c->crew->run->items, c->origin, n);

	if (n == CLIENT_LARGE)
		item.size = c->crew->run->options->large;
	return item;
}

static void
digest_item(struct client *c, const struct item *item, unsigned char sha256[DIGEST_SIZE])
{
	struct crew *crew = c->crew;

	if (items_digest(&crew->run->items, item, crew->digest, crew->room, sha256) < 0)
		run_die("no digest can be made");
}

static void
say_item(struct client *c, enum proto_verb verb, const struct item *item,
    const unsigned char sha256[DIGEST_SIZE])
{
	const struct options *options = c->crew->run->options;
	char hex[DIGEST_TEXT_ROOM];
	struct proto_line line;

	digest_print(hex, sha256);
	proto_line_start(&line, verb);
	proto_set_number(&line, FIELD_NUMBER, item->n);
	proto_set_text(&line, FIELD_INBOX, options->inbox);
	proto_set_number(&line, FIELD_SIZE, item->size);
	proto_set_text(&line, FIELD_SHA256, hex);
	if (options->identical) {
		proto_set_text(&line, FIELD_HINT, HINT);
		proto_set_number(&line, FIELD_TIME, CLOCK_OF_ALL);
	}
	client_say(c, &line);
}

static void
send_bytes(struct client *c, const struct item *item)
{
	unsigned char *room = c->crew->room;

	for (uint64_t at = 0; at < item->size; at += ITEM_CHUNK) {
		size_t len = item->size - at < ITEM_CHUNK ? (size_t)(item->size - at) : ITEM_CHUNK;

		items_copy(&c->crew->run->items, item, at, room, len);
		wire_write(c->wire, room, len);
	}
}

static void
put(struct client *c, struct slot *slot, const struct item *item)
{
	unsigned char said[DIGEST_SIZE];
	struct tally *tally = &c->crew->tally;

	memcpy(said, slot->sha256, sizeof said);
	if (slot->wrong)
		said[0] ^= 1;
	tally->count[COUNT_WRONG] += slot->wrong;
	say_item(c, VERB_PUT, item, said);
	send_bytes(c, item);
	c->flying_bytes += item->size;
}

static void
start_upload(struct client *c, const struct item *item, const unsigned char sha256[DIGEST_SIZE])
{
	memset(&c->upload, 0, sizeof c->upload);
	c->upload.n = item->n;
	c->upload.item = *item;
	say_item(c, VERB_OPEN, item, sha256);
}

/* 1: it is on its way.  0: it has to wait for others. */
static int
send_item(struct client *c, uint64_t n)
{
	struct item item = get_item(c, n);
	struct slot *slot = client_slot(c, n);
	int is_open = item.size > c->their_inline;

	if (c->flying >= c->their_window || (c->flying > 0 && !is_open &&
	    c->flying_bytes + item.size > c->their_bytes))
		return 0;
	if (is_open && (c->upload.n != 0 || c->state != CLIENT_READY))
		return 0;
	if (slot->state != SLOT_WAITING) {
		memset(slot, 0, sizeof *slot);
		digest_item(c, &item, slot->sha256);
		slot->due = c->next_at;
		slot->wrong = !is_open && dice_percent(&c->crew->dice,
		    c->crew->run->options->wrong_digest);
	} else {
		c->waiting--;
		c->crew->tally.count[COUNT_RESENT]++;
	}
	slot->state = SLOT_FLYING;
	slot->at = c->crew->now;
	c->flying++;
	c->crew->tally.count[COUNT_SENT]++;
	if (is_open)
		start_upload(c, &item, slot->sha256);
	else
		put(c, slot, &item);
	return 1;
}

/* What has to be sent again goes first. */
static void
send_again(struct client *c)
{
	for (uint64_t n = c->low; n < c->next && c->waiting > 0; n++) {
		struct slot *slot = client_slot(c, n);

		if (slot->state != SLOT_WAITING)
			continue;
		if (slot->at > c->crew->now)
			client_wake_by(c, slot->at);
		else if (!send_item(c, n))
			return;
	}
}

/* --pace: whatever became of the ones before. */
static void
keep_pace(struct client *c)
{
	const struct options *options = c->crew->run->options;
	double phase = (double)c->index / (double)options->clients;

	if (options->pace > 0.0)
		c->next_at = atomic_load(&c->crew->run->begin) + (int64_t)
		    (((double)(c->next - 1) + phase) / options->pace * (double)CLOCK_SECOND);
}

static void
send_new(struct client *c)
{
	const struct options *options = c->crew->run->options;

	while (c->next < c->low + c->window && c->next <= options->items &&
	    !run_is_over(c->crew->run, c->crew->now)) {
		keep_pace(c);
		if (c->next_at > c->crew->now) {
			client_wake_by(c, c->next_at);
			return;
		}
		if (c->window > 1 && c->waiting > 0 &&
		    client_slot(c, c->next)->state == SLOT_WAITING)
			return;
		if (!send_item(c, c->next))
			return;
		c->next++;
		if (options->think > 0.0)
			c->next_at = c->crew->now + (int64_t)(dice_wait(&c->crew->dice,
			    options->think) * (double)CLOCK_SECOND);
		if (options->fresh)
			return;
	}
}

/* The next DATA, where little waits before it. */
static void
send_upload(struct client *c)
{
	struct upload *upload = &c->upload;
	unsigned frames = 0;

	while (upload->is_sending && upload->at < upload->item.size && frames++ < FRAMES_MAX &&
	    wire_pending(c->wire) < FRAME_BELOW) {
		uint64_t left = upload->item.size - upload->at;
		size_t at_in_chunk = (size_t)(upload->at % ITEM_CHUNK);
		size_t len = ITEM_CHUNK - at_in_chunk;
		struct proto_line line;

		len = left < len ? (size_t)left : len;
		proto_line_start(&line, VERB_DATA);
		proto_set_number(&line, FIELD_NUMBER, upload->n);
		proto_set_number(&line, FIELD_OFFSET, upload->at);
		proto_set_number(&line, FIELD_LENGTH, len);
		client_say(c, &line);
		items_copy(&c->crew->run->items, &upload->item, upload->at - at_in_chunk,
		    c->crew->room, at_in_chunk + len);
		wire_write(c->wire, c->crew->room + at_in_chunk, len);
		upload->at += len;
		wire_flush(c->wire);
	}
	if (frames > FRAMES_MAX)
		client_wake_by(c, c->crew->now);
}

static void
send_large(struct client *c)
{
	unsigned char sha256[DIGEST_SIZE];
	struct item item;

	if (c->crew->run->options->large == 0 || c->index != 0 || c->large_done ||
	    c->upload.n != 0 || c->state != CLIENT_READY)
		return;
	item = get_item(c, CLIENT_LARGE);
	digest_item(c, &item, sha256);
	start_upload(c, &item, sha256);
}

/* ---- the end */

static void
say_settled(struct client *c)
{
	struct proto_line line;

	if (c->low == c->told || (c->low != c->next && c->low - c->told < SETTLE_EVERY))
		return;
	proto_line_start(&line, VERB_SETTLED);
	proto_set_number(&line, FIELD_NUMBER, c->low);
	client_say(c, &line);
	c->told = c->low;
}

/* Is it to go, with nothing in flight?  Either all is done, or each item has its own
 * connection. */
static int
wants_to_go(const struct client *c)
{
	if (client_is_finished(c, c->crew->now))
		return 1;
	return c->crew->run->options->fresh && c->here > 0 && c->flying == 0 && c->waiting == 0;
}

void
client_pump(struct client *c)
{
	struct proto_line line;
	uint64_t before = c->crew->tally.count[COUNT_SENT];
	int64_t begin = atomic_load(&c->crew->run->begin);

	if ((c->state != CLIENT_JOINING && c->state != CLIENT_READY) || !c->wire)
		return;
	if (begin == 0) { /* --all-ready, and they are not */
		send_large(c); /* its digest takes a while */
		wire_flush(c->wire);
		return;
	}
	if (c->next_at < begin)
		c->next_at = begin;
	send_again(c);
	if (!c->crew->run->options->fresh || c->here + c->flying + c->waiting == 0)
		send_new(c);
	send_large(c);
	send_upload(c);
	if (c->state == CLIENT_READY) {
		say_settled(c);
		if (wants_to_go(c)) {
			proto_line_start(&line, VERB_QUIT);
			client_say(c, &line);
			c->state = CLIENT_LEAVING;
		}
	}
	wire_flush(c->wire);
	if (c->crew->tally.count[COUNT_SENT] > before && c->fault != FAULT_NONE)
		(void)fault_on_sent(c);
}

void
client_take_back(struct client *c)
{
	for (uint64_t n = c->low; n < c->next && c->flying > 0; n++) {
		struct slot *slot = client_slot(c, n);

		if (slot->state != SLOT_FLYING)
			continue;
		slot->state = SLOT_WAITING;
		slot->at = c->crew->now;
		slot->wrong = 0;
		c->flying--;
		c->waiting++;
	}
	c->flying = c->flying_bytes = 0;
	memset(&c->upload, 0, sizeof c->upload);
}
