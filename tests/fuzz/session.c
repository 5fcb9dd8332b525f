/* SPDX-License-Identifier: ISC */
/*
 * A client's whole session with the receiver: handshake.c, the front inbox1,
 * intake and partial.c as they are, with drafts as files in
 * memory; connection (fake_conn.h), worker and commit thread are played here,
 * one step after the other.  The input is
 *
 *	flags   one byte, see enum flag
 *	count   one byte: 0 to 63 steps, plus 64: large items need OPEN
 *	steps   a byte each: what happens in which order, taken in turn again and
 *	        again, see step(); none: all at once
 *	bytes   what the client says
 *
 * A connection that ends before all was said is followed by another, which goes
 * on at the next HELLO.  With FIX in the flags each PUT and OPEN whose bytes are
 * there gets their right digest first: by chance no item would ever be stored.
 *
 * What must hold: what is handed over is whole, nothing else is answered
 * STORED, each offered item ends in one counter, the window is kept, each line said is in
 * the grammar, and nothing is left: no draft, descriptor, memory or session.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_conn.h"
#include "fake_receiver.h"
#include "fuzz.h"
#include "inboxd/drafts/partial.h"
#include "inboxd/fronts.h"
#include "inboxd/serve/front.h"
#include "inboxd/serve/handshake.h"
#include "lib/digest.h"
#include "lib/proto.h"

enum flag {
	FIX = 1,
	CROWDED = 2,
	NO_IDENTITY = 4,
	SMALL_WINDOW = 8,
	SMALL_BYTES = 16,
	SMALL_QUEUE = 32,
	CLOSE_FIRST = 64, /* at the end the peer closes before the answers come */
	NO_QUEUE = 128,   /* the commit thread refuses the queue */
};

#define CONNECTIONS_MAX 4
#define NEEDS_OPEN 64 /* in the count */

/* ---- what happens in which order */

static void
feed(struct fuzz_input *input, size_t len)
{
	fake_open();
	if (len > input->left)
		len = input->left;
	/* The kernel holds what is not read. */
	if (fake_is_reading()) {
		fake_give(input->at, len);
		input->at += len;
		input->left -= len;
	}
	fake_turn();
}

static void
run_events(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* How many large items have come in part; and what is to be done to each. */
static size_t
each_partial(void (*act)(const char *name))
{
	int fd = openat(inboxes[0].tmp, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *file;
	size_t count = 0;

	FUZZ_CHECK(listing);
	while ((file = readdir(listing))) {
		if (strncmp(file->d_name, PARTIAL_PREFIX, strlen(PARTIAL_PREFIX)) != 0)
			continue;
		if (act)
			act(file->d_name);
		count++;
	}
	closedir(listing);
	return count;
}

static void
shorten(const char *name)
{
	int fd = openat(inboxes[0].tmp, name, O_WRONLY | O_CLOEXEC);

	FUZZ_CHECK(fd >= 0 && ftruncate(fd, 1) == 0);
	close(fd);
	worker.was_tampered_with = 1;
}

static void
step(uint8_t byte, struct fuzz_input *input)
{
	static const size_t sizes[16] = {
	    1, 2, 3, 5, 7, 11, 16, 33, 64, 100, 200, 500, 1023, 1024, 4096, 16384};
	unsigned arg = byte >> 4;

	switch (byte & 15) {
	default:
		feed(input, sizes[arg]);
		run_events();
		break;
	case 4:
		feed(input, sizes[arg]);
		break;
	case 5:
		if (arg < 12)
			run_events();
		else
			(void)each_partial(shorten);
		break;
	case 6:
	case 7:
		(void)fake_commit_one(arg);
		break;
	case 8:
		while (fake_commit_one(0))
			;
		break;
	case 9:
		worker.shop.now += 3 * arg;
		if (worker.shop.guests)
			worker.shop.guests->front->tick(worker.shop.guests);
		break;
	case 10:
		fake_drain();
		break;
	case 11:
		fake_stall(300000);
		break;
	case 12:
		fake_supersede();
		break;
	case 13:
		if (arg < 8)
			fake_idle();
		else
			worker.shop.space.state = (enum space_state)(arg % 3);
		break;
	case 14:
		worker.shop.draining = 1;
		if (worker.shop.guests)
			worker.shop.guests->front->drain(worker.shop.guests);
		break;
	case 15:
		if (arg < 8)
			fake_end("the network fell over");
		else
			fuzz_fail_next_write(arg < 12 ? ENOSPC : EIO);
		break;
	}
}

/* One connection, to its end. */
static void
play(struct fuzz_input *input, const uint8_t *steps, size_t count, unsigned flags)
{
	size_t turns = count ? 4 * input->left + 4 * count : 0;

	for (size_t i = 0; i < turns && input->left && fake_is_there(); i++)
		step(steps[worker.steps++ % count], input);
	fuzz_fail_next_write(0);
	/* All that is left, at once; a few turns suffice for all. */
	for (int i = 0; i < 4096 && fake_is_there(); i++) {
		feed(input, input->left);
		if (input->left == 0 && flags & CLOSE_FIRST)
			break;
		run_events();
		fake_drain();
		if (!fake_commit_one(0) && input->left == 0 && fake_is_reading())
			break;
	}
	fake_turn();
	fake_end(NULL);
	while (fake_commit_one(0))
		;
	run_events();
	FUZZ_CHECK(!worker.shop.guests && !worker.first && worker.shop.share.held == 0 &&
		   worker.shop.share.waiting == 0);
}

/* The client comes back, and goes on with its next HELLO. */
static int
find_hello(struct fuzz_input *input)
{
	const uint8_t *at = memmem(input->at, input->left, "HELLO ", 6);

	if (!at)
		return 0;
	input->left -= (size_t)(at - input->at);
	input->at = at;
	return 1;
}

/* ---- one input */

/* The digest of an opened item: of its DATA, which stand among other lines from
 * `at` on.  0 if not all are there. */
static int
digest_pieces(const unsigned char *text, size_t len, size_t at, const struct proto_line *open,
    struct digest *digest)
{
	struct proto_error error;
	struct proto_line line;
	uint64_t have = 0, length;
	int end;

	FUZZ_CHECK(digest_start(digest) == 0);
	while (have < open->number[FIELD_SIZE] &&
	    (end = proto_find_line(text + at, len - at, &error)) > 0) {
		const char *start = (const char *)text + at;

		at += (size_t)end;
		if (proto_parse(start, (size_t)end - 1, PROTO_CLIENT, &line, &error) < 0)
			return 0;
		length = line.verb == VERB_DATA ? line.number[FIELD_LENGTH] : 0;
		if (line.verb == VERB_PUT)
			length = line.number[FIELD_SIZE];
		if (length > len - at)
			return 0;
		if (line.verb == VERB_DATA &&
		    line.number[FIELD_NUMBER] == open->number[FIELD_NUMBER] &&
		    line.number[FIELD_OFFSET] == have) {
			FUZZ_CHECK(digest_add(digest, text + at, (size_t)length) == 0);
			have += length;
		}
		at += (size_t)length;
	}
	return have == open->number[FIELD_SIZE];
}

static void
put_digest(char *dst, struct digest *digest)
{
	unsigned char sha256[DIGEST_SIZE];
	char hex[DIGEST_TEXT_ROOM];

	FUZZ_CHECK(digest_end(digest, sha256) == 0);
	digest_print(hex, sha256);
	memcpy(dst, hex, DIGEST_TEXT_ROOM - 1);
}

/* The right digests, in place.  An item opened again has the digest of the
 * first time. */
static void
fix_digests(unsigned char *text, size_t len, struct digest *digest)
{
	uint64_t opened = 0, opened_size = 0;
	char opened_digest[DIGEST_TEXT_ROOM];
	struct proto_error error;
	struct proto_line line;
	size_t at = 0;
	int end;

	while ((end = proto_find_line(text + at, len - at, &error)) > 0) {
		char *start = (char *)text + at, *sha256 = NULL;
		uint64_t size = 0;

		at += (size_t)end;
		if (proto_parse(start, (size_t)end - 1, PROTO_CLIENT, &line, &error) < 0)
			return;
		if (line.verb == VERB_PUT || line.verb == VERB_OPEN)
			sha256 = start + (line.text[FIELD_SHA256].at - start);
		if (line.verb == VERB_DATA)
			size = line.number[FIELD_LENGTH];
		else if (line.verb == VERB_PUT)
			size = line.number[FIELD_SIZE];
		if (size > len - at)
			return;
		if (line.verb == VERB_PUT) {
			FUZZ_CHECK(digest_start(digest) == 0);
			FUZZ_CHECK(digest_add(digest, text + at, (size_t)size) == 0);
			put_digest(sha256, digest);
		} else if (line.verb == VERB_OPEN && line.number[FIELD_NUMBER] == opened &&
		    line.number[FIELD_SIZE] == opened_size) {
			memcpy(sha256, opened_digest, DIGEST_TEXT_ROOM - 1);
		} else if (line.verb == VERB_OPEN && digest_pieces(text, len, at, &line, digest)) {
			put_digest(sha256, digest);
			memcpy(opened_digest, sha256, DIGEST_TEXT_ROOM - 1);
			opened = line.number[FIELD_NUMBER];
			opened_size = line.number[FIELD_SIZE];
		}
		at += (size_t)size;
	}
}

static void
begin(unsigned flags, unsigned count)
{
	settings = (struct settings){.connections = 1, .hello = 30, .line = 30, .rate = 1024,
	    .session = 86400, .idle = 300, .item = 4096};
	settings.window = flags & SMALL_WINDOW ? 2 : 64;
	settings.client_opens = flags & SMALL_WINDOW ? 2 : 12;
	settings.all_opens = flags & SMALL_BYTES ? 1 : 12;
	settings.bytes = flags & SMALL_BYTES ? 100 : 65536;
	settings.inline_size = count & NEEDS_OPEN ? 64 : 4096;
	memset(&worker, 0, sizeof worker);
	worker.shop.namer.start = 0x1f2e3d4c;
	worker.shop.space.bytes = worker.shop.space.inodes = SPACE_UNKNOWN;
	worker.shop.share.room = flags & SMALL_QUEUE ? 1 : 256;
	worker.shop.now = 1000;
	fake_forget();
}

static void
connect_again(unsigned flags)
{
	static _Atomic uint64_t others; /* connections; one may be there */

	worker.shop.staying = &others;
	worker.shop.opens = &worker.opens;
	worker.end = &worker.first;
	worker.shop.base = base;
	worker.shop.site = &site;
	worker.shop.id = "0123456789abcdef0123456789abcdef";
	worker.shop.rechecks = UINT_MAX;
	worker.shop.send = fake_send;
	worker.shop.fronts = fronts;
	worker.shop.on_empty = fake_on_empty;
	worker.has_joined = worker.is_superseded = worker.shop.draining = 0;
	worker.refuses_queue = (flags & NO_QUEUE) != 0;
	fake_reset();
	if (flags & NO_IDENTITY)
		fake_set_identity(NULL);
	worker.connections++;
	stats_add(&worker.shop.stats, STAT_NOW_CONNECTIONS, 1); /* as main does */
	others = (flags & CROWDED) != 0;
	FUZZ_CHECK(handshake_start(&worker.shop, -1, "192.0.2.1:4711", NULL) == 0);
}

static void
check_folders(void)
{
	/* What has come of large items is kept, and nothing else. */
	FUZZ_CHECK(each_partial(NULL) == fuzz_count_files(inboxes[0].tmp, 0));
	(void)fuzz_count_files(inboxes[0].tmp, 1);
	FUZZ_CHECK(fuzz_count_files(inboxes[1].tmp, 0) == 0);
	if (worker.stored)
		FUZZ_CHECK(fuzz_count_files(inboxes[0].new, 1) == worker.stored);
	FUZZ_CHECK(site.references == 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct digest *digest;
	struct fuzz_input input = {data, size};
	unsigned flags = fuzz_byte(&input), head = fuzz_byte(&input), count = head & 63;
	const uint8_t *steps = input.at;
	unsigned char *text;
	int fd;

	if (!digest) {
		fake_set_up();
		digest = digest_new();
		FUZZ_CHECK(digest);
	}
	if (count > input.left)
		count = (unsigned)input.left;
	input.at += count;
	input.left -= count;
	input.at = text = fuzz_copy(input.at, input.left);
	if (flags & FIX)
		fix_digests(text, input.left, digest);
	begin(flags, head);
	fd = fuzz_lowest_fd();
	do {
		connect_again(flags);
		play(&input, steps, count, flags);
		fake_check_output();
		fake_check_counters();
		FUZZ_CHECK(fuzz_lowest_fd() == fd);
	} while (worker.connections < CONNECTIONS_MAX && find_hello(&input));
	check_folders();
	free(text);
	return 0;
}
