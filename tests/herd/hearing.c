/* SPDX-License-Identifier: ISC */
/* What a virtual client is told, and what it makes of it. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "client.h"
#include "lib/clock.h"
#include "wire.h"

#define LATER_LEAST 1.0 /* seconds: what a client waits at least, see inbox-protocol(7) */

static void
unasked(struct client *c, const char *text, size_t len)
{
	c->crew->tally.count[COUNT_UNASKED]++;
	run_complain(c->crew->run, "client %llu did not ask for this: %.*s",
	    (unsigned long long)c->index + 1, (int)len, text);
}

/* By its text, which the verb's rows of the table have. */
static void
count_code(struct client *c, const struct proto_line *line)
{
	struct span word = line->text[FIELD_CODE];

	for (int code = 0; code < PROTO_CODE_COUNT; code++) {
		const char *text = proto_code_text((enum proto_code)code);

		if (proto_code_verb((enum proto_code)code) == line->verb &&
		    strlen(text) == word.len && memcmp(text, word.at, word.len) == 0)
			c->crew->tally.code[code]++;
	}
}

static int
code_is(const struct proto_line *line, enum proto_code code)
{
	const char *text = proto_code_text(code);
	struct span word = line->text[FIELD_CODE];

	return strlen(text) == word.len && memcmp(text, word.at, word.len) == 0;
}

static void
on_ready(struct client *c, const struct proto_line *line)
{
	struct crew *crew = c->crew;
	struct run *run = crew->run;

	c->state = CLIENT_READY;
	crew->tally.count[COUNT_SESSIONS]++;
	tally_time(&crew->tally, SERIES_READY, crew->now - c->connected_at);
	c->their_window = proto_has(line, FIELD_WINDOW) ? line->number[FIELD_WINDOW] : 1;
	c->their_bytes = proto_has(line, FIELD_BYTES) ? line->number[FIELD_BYTES] : 1;
	c->their_inline = proto_has(line, FIELD_INLINE) ? line->number[FIELD_INLINE] :
	    UINT64_MAX;
	if (c->their_window == 0)
		c->their_window = 1;
	if (!c->was_ready) {
		c->was_ready = 1;
		if (atomic_fetch_add(&run->ready, 1) + 1 == run->options->clients &&
		    run->options->idle == 0 && atomic_load(&run->begin) == 0)
			atomic_store(&run->begin, crew->now);
	}
}

/* The slot that an answer is about; NULL: nothing of that number is in flight. */
static struct slot *
slot_of(struct client *c, uint64_t n)
{
	struct slot *slot;

	if (n < c->low || n >= c->next)
		return NULL;
	slot = client_slot(c, n);
	return slot->state == SLOT_FLYING ? slot : NULL;
}

static void
land(struct client *c, struct slot *slot, uint64_t n)
{
	uint64_t size = items_get(&c->crew->run->items, c->origin, n).size;

	c->flying--;
	if (c->upload.n == n)
		memset(&c->upload, 0, sizeof c->upload);
	else
		c->flying_bytes -= size < c->flying_bytes ? size : c->flying_bytes;
	slot->state = SLOT_ANSWERED;
}

static void
move_mark(struct client *c)
{
	while (c->low < c->next && client_slot(c, c->low)->state == SLOT_ANSWERED) {
		client_slot(c, c->low)->state = SLOT_FREE;
		c->low++;
	}
}

static void
wait_again(struct client *c, struct slot *slot, double seconds)
{
	slot->state = SLOT_WAITING;
	slot->at = c->crew->now + (int64_t)(seconds * (double)CLOCK_SECOND);
	c->waiting++;
	client_wake_by(c, slot->at);
}

static void
write_down(struct client *c, uint64_t n, uint64_t size, const unsigned char *sha256,
    struct span name)
{
	struct entry entry = {.n = n, .size = size};

	mint_identity(entry.identity, sizeof entry.identity,
	    c->index % c->crew->run->options->certificates);
	client_queue_text(c, entry.queue);
	memcpy(entry.sha256, sha256, DIGEST_SIZE);
	book_add(&c->crew->book, &entry, name.at, name.len);
}

static void
on_large_stored(struct client *c, const struct proto_line *line)
{
	unsigned char sha256[DIGEST_SIZE];
	struct crew *crew = c->crew;

	if (items_digest(&crew->run->items, &c->upload.item, crew->digest, crew->room,
	    sha256) < 0)
		run_die("no digest can be made");
	atomic_store(&crew->run->large_end, crew->now);
	write_down(c, CLIENT_LARGE, c->upload.item.size, sha256, line->text[FIELD_NAME]);
	memset(&c->upload, 0, sizeof c->upload);
	c->large_done = 1;
}

static void
on_stored(struct client *c, const struct proto_line *line, const char *text, size_t len)
{
	struct crew *crew = c->crew;
	uint64_t n = line->number[FIELD_NUMBER], size;
	struct slot *slot = slot_of(c, n);

	if (n == CLIENT_LARGE && c->upload.n == n) {
		on_large_stored(c, line);
		return;
	}
	if (!slot || slot->wrong) {
		unasked(c, text, len);
		return;
	}
	c->failures = 0;
	if (c->here++ == 0)
		tally_time(&crew->tally, SERIES_VISIT, crew->now - c->connected_at);
	size = items_get(&crew->run->items, c->origin, n).size;
	crew->tally.count[COUNT_AGAIN] += proto_has(line, FIELD_AGAIN) ? 1 : 0;
	write_down(c, n, size, slot->sha256, line->text[FIELD_NAME]);
	land(c, slot, n);
	if (!slot->heard) {
		crew->tally.count[COUNT_STORED]++;
		crew->tally.count[COUNT_BYTES] += size;
		tally_time(&crew->tally, SERIES_ACK, crew->now - slot->at);
		tally_time(&crew->tally, SERIES_DUE, crew->now - slot->due);
		atomic_store(&crew->run->end, crew->now);
		if (dice_percent(&crew->dice, crew->run->options->again)) {
			slot->heard = 1;
			crew->tally.count[COUNT_REPEATED]++;
			wait_again(c, slot, 0.0);
		}
	}
	move_mark(c);
}

static void
on_later(struct client *c, const struct proto_line *line, const char *text, size_t len)
{
	uint64_t n = line->number[FIELD_NUMBER];
	struct slot *slot = slot_of(c, n);
	double seconds = (double)line->number[FIELD_SECONDS];

	if (!slot) {
		unasked(c, text, len);
		return;
	}
	c->here++;
	land(c, slot, n);
	/* The true item has not been put off: what was sent was another one. */
	if (slot->wrong && code_is(line, CODE_LATER_DIGEST)) {
		slot->wrong = 0;
		wait_again(c, slot, 0.0);
	} else {
		wait_again(c, slot, seconds < LATER_LEAST ? LATER_LEAST : seconds);
	}
}

static void
on_refused(struct client *c, const struct proto_line *line, const char *text, size_t len)
{
	struct slot *slot = slot_of(c, line->number[FIELD_NUMBER]);

	unasked(c, text, len);
	if (!slot)
		return;
	c->here++;
	land(c, slot, line->number[FIELD_NUMBER]);
	move_mark(c);
}

static void
on_goaway(struct client *c, const struct proto_line *line)
{
	double seconds = (double)line->number[FIELD_SECONDS];

	/* What had arrived whole is still answered: it listens to the end. */
	c->away = seconds < LATER_LEAST ? LATER_LEAST : seconds;
	c->state = CLIENT_LEAVING;
}

static void
on_send(struct client *c, const struct proto_line *line, const char *text, size_t len)
{
	if (line->number[FIELD_NUMBER] != c->upload.n) {
		unasked(c, text, len);
		return;
	}
	c->upload.at = line->number[FIELD_OFFSET];
	c->upload.is_sending = 1;
}

static void
on_line(struct client *c, const struct proto_line *line, const char *text, size_t len)
{
	count_code(c, line);
	if (c->state == CLIENT_STALLED) {
		if (line->verb == VERB_ERROR && c->fault != FAULT_GARBAGE)
			unasked(c, text, len);
		return;
	}
	switch (line->verb) {
	case VERB_READY:
		on_ready(c, line);
		break;
	case VERB_STORED:
		on_stored(c, line, text, len);
		break;
	case VERB_LATER:
		on_later(c, line, text, len);
		break;
	case VERB_REFUSED:
		on_refused(c, line, text, len);
		break;
	case VERB_SEND:
		on_send(c, line, text, len);
		break;
	case VERB_GOAWAY:
		on_goaway(c, line);
		break;
	case VERB_WAIT:
		c->crew->tally.count[COUNT_WAITS]++;
		break;
	case VERB_BYE:
		wire_finish(c->wire);
		break;
	default:
		unasked(c, text, len);
	}
}

size_t
client_hear(void *ctx, const unsigned char *data, size_t len)
{
	struct client *c = ctx;
	struct proto_error error;
	struct proto_line line;
	size_t used = 0;
	int n;

	while ((n = proto_find_line(data + used, len - used, &error)) > 0) {
		const char *text = (const char *)data + used;
		size_t text_len = (size_t)n - 1;

		if (proto_parse(text, text_len, PROTO_SERVER, &line, &error) < 0)
			unasked(c, error.text, strlen(error.text));
		else
			on_line(c, &line, text, text_len);
		used += (size_t)n;
	}
	if (n < 0) {
		unasked(c, error.text, strlen(error.text));
		return len;
	}
	client_pump(c);
	return used;
}
