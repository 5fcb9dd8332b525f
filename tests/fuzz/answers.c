/* SPDX-License-Identifier: ISC */
/*
 * What a server may say to inboxq: the code of a session (uplink.c, outgoing.c,
 * large.c, answers.c, skips.c, queue.c, sentlog.c) as it is, on a spool in memory; connection
 * (fake_conn.h), dialling and clock are played here.  The input is
 *
 *	flags   one byte, see enum flag
 *	count   one byte, 0 to 63: of the steps, and then those, see step()
 *	bytes   what the server says
 *
 * What must hold (P5): an item is in the queue, or set aside with its reason
 * because the server said REFUSED, or gone because it said STORED of an item that
 * it had or may have had whole; the client never settles or skips what it still has, and each
 * line it says is in the grammar.
 */
#include "config.h"

#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fake_conn.h"
#include "fuzz.h"
#include "inboxq/base/settings.h"
#include "inboxq/queue/ends.h"
#include "inboxq/queue/scan.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/spool/intake.h"
#include "inboxq/spool/sentlog.h"
#include "inboxq/spool/spool.h"
#include "inboxq/uplink/dial.h"
#include "inboxq/uplink/uplink.h"
#include "lib/conn.h"
#include "lib/proto.h"
#include "lib/why.h"

enum flag {
	ONCE = 1,
	TWO_ADDRESSES = 2,
	STOP_LATE = 4, /* uplink_stop() at the end */
};

#define FIRST 3 /* the lowest number; 1 and 2 are in sent.log */
#define ITEMS 5
static const size_t sizes[ITEMS] = {3, 0, 300, 20000, 70000};

static const char sentlog_before[] =
    "20261122T141103.123456Z 1 STORED cap1 a-name.msg status 3 "
    "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\n"
    "20261122T141103.123456Z 2 REFUSED cap2 no-inbox nosuch 3 "
    "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\n";

static struct event_base *base;
static struct spool *spool;
static int templates = -1; /* the items' files, to be linked into queue/ */
static struct settings settings;
static int64_t now;
static int addresses, ends;
static int is_removed[ITEMS]; /* by an operator */

/* ---- what is played */

static struct dial {
	int64_t begun;
	unsigned seconds;
	void (*on_ready)(void *ctx);
	void *ctx;
} played;

struct dial *
dial_new(const struct dial_setup *setup, const char *server, void (*on_ready)(void *ctx), void *ctx)
{
	(void)server;
	played = (struct dial){now, setup->seconds, on_ready, ctx};
	return &played;
}

void
dial_free(struct dial *dial)
{
	(void)dial;
}

int
dial_next(struct dial *dial, struct dial_target *target)
{
	dial->begun = now;
	*target = (struct dial_target){"192.0.2.1:7", "cap1.example.org", 7};
	return addresses-- > 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
}

void
dial_blame(struct dial *dial)
{
	FUZZ_CHECK(dial == &played);
}

int
dial_is_late(const struct dial *dial, int has_spoken)
{
	(void)has_spoken;
	return now - dial->begun > dial->seconds;
}

int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);

int
__wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	if (clock != CLOCK_MONOTONIC)
		return __real_clock_gettime(clock, t);
	t->tv_sec = now;
	t->tv_nsec = 0;
	return 0;
}

int64_t
conn_taken(const struct conn *conn)
{
	return -(int64_t)conn_pending(conn);
}

/* ---- the spool */

static void
write_whole(int dir, const char *name, const char *text, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	FUZZ_CHECK(fd >= 0 && write(fd, text, len) == (ssize_t)len);
	close(fd);
}

static void
set_up(void)
{
	char path[200], name[SPOOL_NAME_ROOM];
	struct why why;
	uint64_t numbers[INTAKE_BATCH];
	const struct intake_wish wish = {.inbox = "status"};
	struct intake *intake;
	char *bytes = calloc(1, sizes[ITEMS - 1]);
	size_t count;

	fuzz_watch_log();
	settings.connect_timeout = 10;
	settings.timeout = 60;
	base = event_base_new();
	snprintf(path, sizeof path, "%s/spool", fuzz_folder());
	spool = spool_open(path, 1, &why);
	FUZZ_CHECK(base && spool && bytes);
	intake = intake_new(spool);
	FUZZ_CHECK(intake);
	snprintf(path, sizeof path, "%s/item", fuzz_folder());
	for (size_t i = 0; i < FIRST - 1 + ITEMS; i++) {
		write_whole(AT_FDCWD, path, bytes, i < FIRST - 1 ? 3 : sizes[i + 1 - FIRST]);
		FUZZ_CHECK(intake_file(intake, &wish, path, &why) == INTAKE_OK);
	}
	FUZZ_CHECK(intake_queue(intake, numbers, &count, &why) == INTAKE_OK);
	FUZZ_CHECK(count == FIRST - 1 + ITEMS && numbers[count - 1] == count);
	intake_free(intake);
	free(bytes);
	templates = openat(
	    spool_folder(spool, SPOOL_TOP), "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FUZZ_CHECK(templates >= 0);
	for (uint64_t n = FIRST; n < FIRST + ITEMS; n++) {
		spool_number_name(name, n);
		FUZZ_CHECK(renameat(spool_folder(spool, SPOOL_QUEUE), name, templates, name) == 0);
	}
}

static void
fill_spool(void)
{
	int dir = spool_folder(spool, SPOOL_QUEUE);
	char name[SPOOL_NAME_ROOM];

	(void)fuzz_count_files(dir, 1);
	(void)fuzz_count_files(spool_folder(spool, SPOOL_FAILED), 1);
	for (uint64_t n = FIRST; n < FIRST + ITEMS; n++) {
		spool_number_name(name, n);
		FUZZ_CHECK(linkat(templates, name, dir, name, 0) == 0);
	}
	write_whole(spool_folder(spool, SPOOL_TOP), "sent.log", sentlog_before,
	    sizeof sentlog_before - 1);
	memset(is_removed, 0, sizeof is_removed);
}

static int
is_in(enum spool_part part, uint64_t n, const char *ending)
{
	char name[SPOOL_NAME_ROOM + 16];

	spool_number_name(name, n);
	strncat(name, ending, 15);
	return faccessat(spool_folder(spool, part), name, F_OK, 0) == 0;
}

/* ---- what the server said up to where it ended the session, and what it had heard */

static int was_stored[ITEMS], was_refused[ITEMS], was_again[ITEMS]; /* by the server's word */
static int was_put[ITEMS]; /* whole: by PUT, or by DATA up to its end */
static int was_opened[ITEMS]; /* by OPEN */
static int was_known[ITEMS]; /* from its end on: SEND said that the server has it all */

static void
note_server(const unsigned char *text, size_t len)
{
	struct proto_error error;
	struct proto_line line;
	int end, is_ready = 0;

	memset(was_stored, 0, sizeof was_stored);
	memset(was_refused, 0, sizeof was_refused);
	memset(was_again, 0, sizeof was_again);
	memset(was_known, 0, sizeof was_known);
	for (; (end = proto_find_line(text, len, &error)) > 0; text += end, len -= (size_t)end) {
		uint64_t i;

		if (proto_parse((const char *)text, (size_t)end - 1, PROTO_SERVER, &line,
		        &error) < 0)
			return;
		/* What ends a session: nothing behind it may count. */
		if (line.verb == VERB_BYE || line.verb == VERB_ERROR ||
		    (line.verb == VERB_READY &&
		        (is_ready || line.number[FIELD_VERSION] != PROTO_VERSION)))
			return;
		is_ready |= line.verb == VERB_READY;
		i = line.number[FIELD_NUMBER] - FIRST;
		if (!is_ready || !proto_has(&line, FIELD_NUMBER) || i >= ITEMS)
			continue;
		was_stored[i] |= line.verb == VERB_STORED;
		was_again[i] |= line.verb == VERB_STORED && proto_has(&line, FIELD_AGAIN);
		was_refused[i] |= line.verb == VERB_REFUSED;
		was_known[i] |= line.verb == VERB_SEND && line.number[FIELD_OFFSET] == sizes[i];
	}
}

static void
check_client_line(const struct proto_line *line, size_t *body)
{
	uint64_t n = line->number[FIELD_NUMBER];

	*body = 0;
	switch (line->verb) {
	case VERB_PUT:
		FUZZ_CHECK(n >= FIRST && n < FIRST + ITEMS);
		FUZZ_CHECK(line->number[FIELD_SIZE] == sizes[n - FIRST]);
		*body = sizes[n - FIRST];
		break;
	case VERB_OPEN:
		FUZZ_CHECK(n >= FIRST && n < FIRST + ITEMS);
		FUZZ_CHECK(line->number[FIELD_SIZE] == sizes[n - FIRST]);
		was_opened[n - FIRST] = 1;
		break;
	case VERB_DATA:
		FUZZ_CHECK(n >= FIRST && n < FIRST + ITEMS && was_opened[n - FIRST]);
		*body = line->number[FIELD_LENGTH];
		FUZZ_CHECK(*body >= 1 && *body <= PROTO_DATA_MAX);
		FUZZ_CHECK(line->number[FIELD_OFFSET] + *body <= sizes[n - FIRST]);
		break;
	case VERB_SKIP:
		FUZZ_CHECK(n < FIRST + ITEMS && !is_in(SPOOL_QUEUE, n, ""));
		break;
	case VERB_SETTLED:
		FUZZ_CHECK(n <= FIRST + ITEMS);
		for (uint64_t i = 1; i < n; i++)
			FUZZ_CHECK(!is_in(SPOOL_QUEUE, i, ""));
		break;
	default:
		break;
	}
}

static void
check_output(void)
{
	struct proto_error error;
	struct proto_line line;
	const char *text;
	size_t len, body;
	int end;

	memset(was_put, 0, sizeof was_put);
	memset(was_opened, 0, sizeof was_opened);
	text = fake_output(&len);
	while (len) {
		end = proto_find_line((const unsigned char *)text, len, &error);
		FUZZ_CHECK(end > 0);
		FUZZ_CHECK(proto_parse(text, (size_t)end - 1, PROTO_CLIENT, &line, &error) == 0);
		check_client_line(&line, &body);
		text += end;
		len -= (size_t)end;
		if (body > len)
			return; /* cut off in the middle of it */
		if (line.verb == VERB_PUT ||
		    (line.verb == VERB_DATA && line.number[FIELD_OFFSET] + body ==
		            sizes[line.number[FIELD_NUMBER] - FIRST]))
			was_put[line.number[FIELD_NUMBER] - FIRST] = 1;
		for (size_t i = 0; i < body; i++)
			FUZZ_CHECK(text[i] == 0);
		text += body;
		len -= body;
	}
}

static void
check_spool(void)
{
	for (uint64_t i = 0; i < ITEMS; i++) {
		int in_queue = is_in(SPOOL_QUEUE, i + FIRST, "");
		int in_failed = is_in(SPOOL_FAILED, i + FIRST, "");

		FUZZ_CHECK(in_queue + in_failed <= 1);
		if (in_failed)
			FUZZ_CHECK(was_refused[i] && is_in(SPOOL_FAILED, i + FIRST, ".reason"));
		else if (!in_queue && !is_removed[i])
			FUZZ_CHECK(was_stored[i] && (was_put[i] || was_again[i] || was_known[i]));
	}
}

/* ---- what happens in which order */

static void
on_end(void *ctx, enum uplink_end end, uint64_t seconds, int error)
{
	(void)ctx, (void)error;
	FUZZ_CHECK(ends == 0 && seconds <= UINT32_MAX);
	FUZZ_CHECK(end != UPLINK_TROUBLE);
	ends++;
}

static void
feed(struct fuzz_input *input, size_t len)
{
	if (len > input->left)
		len = input->left;
	if (fake_is_reading()) {
		fake_give(input->at, len);
		input->at += len;
		input->left -= len;
	}
	fake_turn();
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
remove_item(uint64_t i)
{
	char name[SPOOL_NAME_ROOM];

	spool_number_name(name, FIRST + i);
	if (unlinkat(spool_folder(spool, SPOOL_QUEUE), name, 0) == 0)
		is_removed[i] = 1;
}

static void
step(uint8_t byte, struct fuzz_input *input, struct uplink *uplink)
{
	static const size_t lengths[16] = {
	    1, 2, 3, 5, 7, 11, 16, 33, 64, 100, 200, 500, 1023, 1024, 4096, 16384};
	unsigned arg = byte >> 4;

	switch (byte & 15) {
	default:
		feed(input, lengths[arg]);
		break;
	case 7:
		fake_open();
		break;
	case 8:
		now += 1 << arg;
		uplink_tick(uplink);
		break;
	case 9:
		uplink_tick(uplink);
		break;
	case 10:
		fake_drain();
		break;
	case 11:
		fake_stall(300000);
		break;
	case 12:
		uplink_stop(uplink, arg);
		break;
	case 13:
		remove_item(arg % ITEMS);
		break;
	case 14:
		fake_end("the network fell over");
		break;
	case 15:
		fake_end(NULL);
		break;
	}
}

static void
play(struct uplink *uplink, struct fuzz_input *input, const uint8_t *steps, size_t count)
{
	size_t turns = count ? 4 * input->left + count : 0;

	for (size_t i = 0; i < turns && input->left && !ends; i++)
		step(steps[i % count], input, uplink);
	for (int i = 0; i < 64 && !ends && (input->left || i < 4); i++) {
		fake_open();
		fake_drain();
		feed(input, input->left);
	}
}

/* To an end, by the peer's or our own; each must come. */
static void
end(struct uplink *uplink, unsigned flags)
{
	if (flags & STOP_LATE)
		uplink_stop(uplink, 5);
	for (int i = 0; i < 8 && !ends; i++) {
		if (!(flags & STOP_LATE))
			fake_end(NULL);
		fake_drain();
		event_base_loop(base, EVLOOP_NONBLOCK);
		now += 100;
		uplink_tick(uplink);
	}
	event_base_loop(base, EVLOOP_NONBLOCK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	unsigned flags = fuzz_byte(&input), count = fuzz_byte(&input) & 63;
	const uint8_t *steps = input.at;
	struct uplink_setup setup;
	struct sentlog *sentlog;
	struct schedule *schedule;
	struct ends *batch;
	struct scan scan = {0};
	struct uplink *uplink;
	int fd;

	if (!base)
		set_up();
	if (count > input.left)
		count = (unsigned)input.left;
	input.at += count;
	input.left -= count;
	fd = fuzz_lowest_fd();
	fill_spool();
	note_server(input.at, input.left);
	fake_reset();
	now = 1000;
	ends = 0;
	addresses = flags & TWO_ADDRESSES ? 2 : 1;
	sentlog = sentlog_open(spool);
	schedule = schedule_new();
	batch = ends_new(spool, sentlog, schedule);
	FUZZ_CHECK(sentlog && schedule && batch && scan_queue(&scan, spool, schedule) == 0);
	setup = (struct uplink_setup){.base = base, .settings = &settings, .spool = spool,
	    .schedule = schedule, .ends = batch, .once = flags & ONCE, .on_end = on_end};
	uplink = uplink_new(&setup, "cap1.example.org:7117");
	FUZZ_CHECK(uplink);
	played.on_ready(played.ctx);
	play(uplink, &input, steps, count);
	end(uplink, flags);
	FUZZ_CHECK(ends == 1 && schedule_counts(schedule)->answered == 0);
	uplink_free(uplink);
	schedule_take_back(schedule);
	FUZZ_CHECK(schedule_counts(schedule)->sent == 0);
	check_output();
	check_spool();
	ends_free(batch);
	schedule_free(schedule);
	sentlog_close(sentlog);
	FUZZ_CHECK(!fake_is_there() && fuzz_lowest_fd() == fd);
	return 0;
}
