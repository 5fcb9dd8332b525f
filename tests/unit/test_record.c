/* SPDX-License-Identifier: ISC */
/* The ledger's records: what is written is read, and nothing else is. */
#include "lib/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/crc.h"

#define QUEUE "6d0f3b5ac2e94a1f8b7c6d5e4f3a2b1c"
#define SHA "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
#define NAME "20261122T141103.123456Z-1f2e3d4c-0.1-pc17.example.org.msg"
#define TIME "20261122T141103.123456Z"
#define MICROS (INT64_C(1795356663) * 1000000 + 123456)

/* Puts the right checksum before `text` and parses it, from memory that ends
 * where the line does. */
static int
parse_text(const char *text, size_t len, struct record *out)
{
	char *line = malloc(len + 9);
	char crc[9];
	int rc;

	assert_non_null(line);
	snprintf(crc, sizeof crc, "%08x", (unsigned)crc32c(0, text, len));
	memcpy(line, crc, 8);
	line[8] = ' ';
	memcpy(line + 9, text, len);
	rc = record_parse(line, len + 9, out);
	free(line);
	return rc;
}

static int
refuses(const char *text)
{
	struct record record;

	return parse_text(text, strlen(text), &record) < 0;
}

/* Parses, writes, and holds the line to be the same. */
static void
assert_comes_back(const char *text, struct record *record)
{
	char line[RECORD_LINE_MAX + 1];
	size_t len;

	if (parse_text(text, strlen(text), record) < 0)
		fail_msg("refused \"%s\"", text);
	len = record_format(record, line);
	assert_int_equal(len, strlen(line));
	assert_int_equal(line[len - 1], '\n');
	line[len - 1] = '\0';
	assert_string_equal(line + 9, text);
	assert_int_equal(record_parse(line, strlen(line), record), 0);
}

static void
knows_crc32c(void **state)
{
	unsigned char bytes[32];

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(0, "", 0), 0);
	/* RFC 3720, appendix B.4 */
	memset(bytes, 0, sizeof bytes);
	assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
	memset(bytes, 0xff, sizeof bytes);
	assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)i;
	assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x46dd794e);
}

/* A bit a step, as the definition has it. */
static uint32_t
crc_by_bits(const unsigned char *bytes, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < 8 * len; i++) {
		crc ^= (uint32_t)bytes[i / 8] >> i % 8 & 1u;
		crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* Of any length, from any address, in one piece or two. */
static void
computes_the_same_crc_in_pieces(void **state)
{
	unsigned char bytes[600];
	uint32_t random = 1, want;

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++) {
		random = random * 1664525 + 1013904223;
		bytes[i] = (unsigned char)(random >> 24);
	}
	for (size_t from = 0; from < 9; from++) {
		for (size_t len = 0; len < 40; len++)
			assert_int_equal(crc32c(0, bytes + from, len),
			    crc_by_bits(bytes + from, len));
	}
	want = crc_by_bits(bytes, sizeof bytes);
	for (size_t i = 0; i <= sizeof bytes; i++)
		assert_int_equal(crc32c(crc32c(0, bytes, i), bytes + i, sizeof bytes - i), want);
}

static void
reads_each_type(void **state)
{
	struct record r;

	(void)state;
	assert_comes_back("begin 1 " TIME " 42", &r);
	assert_int_equal(r.type, RECORD_BEGIN);
	assert_int_equal(r.version, 1);
	assert_int_equal(r.time, MICROS);
	assert_int_equal(r.seq, 42);
	assert_comes_back("queue urn:a;b% " QUEUE " 5 seen=" TIME " last_stored=" TIME
	    " stored=10 stored_bytes=2000 pending=3 pending_oldest=1795356663 failed=4 skipped=1"
	    " missing=2 address=2001:db8::1 agent=inboxq/0.1%20x", &r);
	assert_int_equal(r.type, RECORD_QUEUE);
	assert_string_equal(r.identity, "urn:a;b%");
	assert_string_equal(r.queue, QUEUE);
	assert_int_equal(r.settled, 5);
	assert_int_equal(r.figures.hello.seen, MICROS);
	assert_int_equal(r.figures.hello.backlog.pending, 3);
	assert_int_equal(r.figures.hello.backlog.pending_oldest, 1795356663);
	assert_int_equal(r.figures.hello.backlog.failed, 4);
	assert_string_equal(r.figures.hello.agent, "inboxq/0.1%20x");
	assert_string_equal(r.figures.hello.address, "2001:db8::1");
	assert_int_equal(r.figures.tally.stored, 10);
	assert_int_equal(r.figures.tally.stored_bytes, 2000);
	assert_int_equal(r.figures.tally.skipped, 1);
	assert_int_equal(r.figures.tally.missing, 2);
	assert_int_equal(r.figures.tally.last_stored, MICROS);
	assert_int_equal(r.forgotten, 0);
	assert_comes_back("queue pc17 " QUEUE " 5 age=77 forgotten=" TIME " reason=room", &r);
	assert_int_equal(r.age, 77);
	assert_int_equal(r.forgotten, MICROS);
	assert_string_equal(r.reason, "room");
	assert_comes_back("accept 7 " TIME " pc17 " QUEUE " 9223372036854775807 status 3 " SHA
	    " " NAME " 17 report%20%C3%A4.txt", &r);
	assert_int_equal(r.type, RECORD_ACCEPT);
	assert_int_equal(r.seq, 7);
	assert_int_equal(r.n, INT64_MAX);
	assert_string_equal(r.inbox, "status");
	assert_int_equal(r.size, 3);
	assert_int_equal(r.sha256[0], 0x2c);
	assert_int_equal(r.sha256[31], 0xae);
	assert_string_equal(r.name, NAME);
	assert_int_equal(r.sent, 17);
	assert_string_equal(r.hint, "report%20%C3%A4.txt");
	assert_comes_back("mark 9 8", &r);
	assert_int_equal(r.type, RECORD_MARK);
	assert_int_equal(r.synced, 9);
	assert_int_equal(r.stored, 8);
	assert_comes_back("void 7", &r);
	assert_int_equal(r.type, RECORD_VOID);
	assert_int_equal(r.seq, 7);
	assert_comes_back("skip pc17 " QUEUE " 8 removed", &r);
	assert_int_equal(r.type, RECORD_SKIP);
	assert_string_equal(r.reason, "removed");
	assert_comes_back("settled pc17 " QUEUE " 8", &r);
	assert_int_equal(r.type, RECORD_SETTLED);
	assert_int_equal(r.n, 8);
	assert_comes_back("gap pc17 " QUEUE " 8 9", &r);
	assert_int_equal(r.type, RECORD_GAP);
	assert_int_equal(r.to, 9);
	assert_comes_back("state", &r);
	assert_int_equal(r.type, RECORD_STATE);
	assert_comes_back("end 20261122T151103.123456Z.log", &r);
	assert_int_equal(r.type, RECORD_END);
	assert_string_equal(r.name, "20261122T151103.123456Z.log");
}

static void
writes_empty_texts_and_no_time_as_a_hyphen(void **state)
{
	struct record r;

	(void)state;
	assert_comes_back("accept 7 - a " QUEUE " 1 status 3 " SHA " " NAME " 0 -", &r);
	assert_int_equal(r.time, 0);
	assert_string_equal(r.hint, "");
	assert_comes_back("skip a " QUEUE " 1 -", &r);
	assert_string_equal(r.reason, "");
	assert_comes_back("mark 0 0", &r);
}

static void
keeps_a_text_that_is_a_hyphen(void **state)
{
	struct record r = {.type = RECORD_SKIP, .identity = "a", .queue = QUEUE, .n = 1,
	    .reason = "-"};
	char line[RECORD_LINE_MAX + 1];

	(void)state;
	record_format(&r, line);
	assert_string_equal(line + 9, "skip a " QUEUE " 1 %2D\n");
	assert_comes_back("accept 7 - a " QUEUE " 1 status 3 " SHA " " NAME " 0 %2D", &r);
	assert_string_equal(r.hint, "%2D");
}

#define QUEUE_LINE "queue a " QUEUE " 1"

static void
leaves_out_figures_that_say_nothing(void **state)
{
	struct record r = {.type = RECORD_QUEUE, .identity = "a", .queue = QUEUE, .settled = 1};
	char line[RECORD_LINE_MAX + 1];

	(void)state;
	record_format(&r, line);
	assert_string_equal(line + 9, QUEUE_LINE "\n");
	assert_comes_back(QUEUE_LINE, &r);
	assert_int_equal(r.figures.hello.seen, 0);
	assert_string_equal(r.figures.hello.agent, "");
	assert_comes_back(QUEUE_LINE " missing=1", &r);
	assert_int_equal(r.figures.tally.missing, 1);
	assert_int_equal(r.figures.tally.stored, 0);
}

/* In any order, and whatever it writes first. */
static void
passes_over_keys_that_it_does_not_know(void **state)
{
	static const char *const right[] = {
	    "void 7 a=b", "void 7 again=1 again=2", "void 7 a-b_c9==,%~", "state key=value",
	    "mark 9 8 a=-", "skip a " QUEUE " 1 - why=%20", "end " NAME " next=x",
	    "void 7 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1", "begin 1 " TIME " 1 a=1 b=2",
	    "gap a " QUEUE " 1 2 pending=-1", QUEUE_LINE " new=1 pending=3 newer=2"};
	static const char *const wrong[] = {
	    "void 7 a", "void 7 =b", "void 7 a=", "void 7 A=b", "void 7 1a=b", "void 7 a.b=c",
	    "void 7 -a=b", "void 7 _a=b", "void 7 a=b ", "void 7  a=b", "void 7 a=b c",
	    "void 7 a=\x7f", "void 7 a=\xc3\xa4", "void 7 a=\tb", "void a=b",
	    "void 7 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1", "void 7 a\x80=b"};
	struct record r, without;

	(void)state;
	for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
		if (parse_text(right[i], strlen(right[i]), &r) < 0)
			fail_msg("refused \"%s\"", right[i]);
	}
	assert_int_equal(r.figures.hello.backlog.pending, 3);
	assert_int_equal(parse_text("void 7", 6, &without), 0);
	assert_int_equal(parse_text(right[2], strlen(right[2]), &r), 0);
	assert_memory_equal(&r, &without, sizeof r);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		if (!refuses(wrong[i]))
			fail_msg("took \"%s\"", wrong[i]);
	}
}

static void
keeps_times_to_the_microsecond(void **state)
{
	static const int64_t times[] = {1, -1, 999999, 1000000, -1000000, -1000001, MICROS};
	struct record r = {.type = RECORD_BEGIN, .version = 1, .seq = 1}, back;
	char line[RECORD_LINE_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		size_t len;

		r.time = times[i];
		len = record_format(&r, line);
		assert_int_equal(record_parse(line, len - 1, &back), 0);
		assert_int_equal(back.time, times[i]);
	}
}

static void
holds_the_longest_fields(void **state)
{
	static struct record r = {.type = RECORD_ACCEPT, .seq = INT64_MAX, .time = MICROS,
	    .queue = QUEUE, .n = INT64_MAX, .size = INT64_MAX, .sent = INT64_MAX}, back;
	char line[RECORD_LINE_MAX + 1];
	size_t len;

	(void)state;
	memset(r.identity, '~', IDENTITY_MAX);
	memset(r.inbox, 'i', PROTO_INBOX_MAX);
	memset(r.name, 'n', NAME_ROOM - 1);
	for (size_t i = 0; i < PROTO_NAME_MAX; i++)
		memcpy(r.hint + 3 * i, "%0A", 3);
	len = record_format(&r, line);
	assert_true(len < RECORD_LINE_MAX);
	assert_int_equal(line[len], '\0');
	assert_int_equal(record_parse(line, len - 1, &back), 0);
	assert_memory_equal(&back, &r, sizeof r);
	r.type = RECORD_QUEUE;
	r.settled = r.age = INT64_MAX;
	r.forgotten = MICROS;
	memset(r.reason, 'r', sizeof r.reason - 1);
	for (size_t i = 0; i < FIGURES_COUNT; i++) {
		const struct member *figure = &figures_rows[i].member;
		int64_t most = figure->field.kind == KIND_TIME ? MICROS : INT64_MAX;
		if (member_is_number(figure) || figure->field.kind == KIND_TIME)
			memcpy((char *)&r.figures + figure->offset, &most, sizeof most);
	}
	memset(r.figures.hello.address, 'f', FIGURES_ADDRESS_MAX);
	for (size_t i = 0; i < FIGURES_AGENT_MAX; i++)
		memcpy(r.figures.hello.agent + 3 * i, "%25", 3);
	len = record_format(&r, line);
	assert_int_equal(record_parse(line, len - 1, &back), 0);
	assert_memory_equal(&back.figures, &r.figures, sizeof r.figures);
	assert_string_equal(back.identity, r.identity);
	assert_string_equal(back.reason, r.reason);
	assert_int_equal(back.age, r.age);
}

static void
refuses_fields_out_of_range(void **state)
{
	static const char *const wrong[] = {
	    "", " ", "nonsense", "State", "STATE", "state ", "state x", "states", "stat",
	    "begin", "begin 1 " TIME, "begin 1 " TIME " 1 ", "begin 1 " TIME " 1 x",
	    "begin  1 " TIME " 1", "begin 0 " TIME " 1", "begin 4294967296 " TIME " 1",
	    "begin 1 " TIME " 0", "begin 1 0 1", "begin 1 x 1", "begin 1 20261122T141103Z 1",
	    "begin 1 " TIME " 9223372036854775808", "begin 1 " TIME " -1", "begin 1 " TIME " 01",
	    "void 0", "void", "void 1 1", "void +1", "void 1\n", "mark 1", "mark 1 1 1",
	    "mark -1 1",
	    "mark 1 x", "mark  1",
	    "settled pc17 " QUEUE " 0", "settled pc17 " QUEUE, "settled  " QUEUE " 1",
	    "settled p\x01 " QUEUE " 1", "settled p\x80 " QUEUE " 1", "settled p\x7f " QUEUE " 1",
	    "settled pc17 6d0f3b5ac2e94a1f8b7c6d5e4f3a2b1 1",
	    "settled pc17 6D0f3b5ac2e94a1f8b7c6d5e4f3a2b1c 1",
	    "settled pc17 6d0f3b5ac2e94a1f8b7c6d5e4f3a2b1c0 1", "settled pc17 - 1",
	    "gap pc17 " QUEUE " 9 8", "gap pc17 " QUEUE " 0 8", "gap pc17 " QUEUE " 1",
	    "skip pc17 " QUEUE " 1", "skip pc17 " QUEUE " 1 ", "skip pc17 " QUEUE " 1 Removed",
	    "skip pc17 " QUEUE " 1 1removed", "skip pc17 " QUEUE " 1 re_moved",
	    "skip pc17 " QUEUE " 1 --", "skip pc17 " QUEUE " 1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    "queue a " QUEUE, "queue a " QUEUE " 0", QUEUE_LINE " ", QUEUE_LINE " -",
	    QUEUE_LINE " seen=0", QUEUE_LINE " seen=--", QUEUE_LINE " pending=-",
	    QUEUE_LINE " pending=", QUEUE_LINE " pending=-1", QUEUE_LINE " pending=01",
	    QUEUE_LINE " pending=9223372036854775808", QUEUE_LINE " pending=1 pending=1",
	    QUEUE_LINE " missing=1 a=b missing=2", QUEUE_LINE " last_stored=0",
	    QUEUE_LINE " agent=", QUEUE_LINE " agent=a%", QUEUE_LINE " agent=%0a",
	    QUEUE_LINE " agent=\xc3\xa4", QUEUE_LINE " pending",
	};

	(void)state;
	assert_false(refuses(QUEUE_LINE));
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		if (!refuses(wrong[i]))
			fail_msg("took \"%s\"", wrong[i]);
	}
}

#define ACCEPT(seq, inbox, size, sha, name, sent, hint) \
	"accept " seq " " TIME " pc17 " QUEUE " 1 " inbox " " size " " sha " " name \
	" " sent " " hint

static void
refuses_accepts_out_of_range(void **state)
{
	static const char *const wrong[] = {
	    ACCEPT("0", "status", "3", SHA, NAME, "0", "-"),
	    ACCEPT("1", "../x", "3", SHA, NAME, "0", "-"),
	    ACCEPT("1", ".x", "3", SHA, NAME, "0", "-"),
	    ACCEPT("1", "-", "3", SHA, NAME, "0", "-"),
	    ACCEPT("1", "", "3", SHA, NAME, "0", "-"),
	    ACCEPT("1", "status", "-3", SHA, NAME, "0", "-"),
	    ACCEPT("1", "status", "9223372036854775808", SHA, NAME, "0", "-"),
	    ACCEPT("1", "status", "3", SHA "0", NAME, "0", "-"),
	    ACCEPT("1", "status", "3", "-", NAME, "0", "-"),
	    ACCEPT("1", "status", "3", SHA, "a/b", "0", "-"),
	    ACCEPT("1", "status", "3", SHA, "..", "0", "-"),
	    ACCEPT("1", "status", "3", SHA, "-", "0", "-"),
	    ACCEPT("1", "status", "3", SHA, NAME, "", "-"),
	    ACCEPT("1", "status", "3", SHA, NAME, "0", ""),
	    ACCEPT("1", "status", "3", SHA, NAME, "0", "- -"),
	    ACCEPT("1", "status", "3", SHA, NAME, "0", "%"),
	};

	(void)state;
	assert_false(refuses(ACCEPT("1", "status", "3", SHA, NAME, "0", "-")));
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		if (!refuses(wrong[i]))
			fail_msg("took \"%s\"", wrong[i]);
	}
}

static void
refuses_names_that_are_too_long(void **state)
{
	struct record r;
	char text[RECORD_LINE_MAX], x[400];
	static const struct {
		const char *before, *after;
		int max;
	} rows[] = {
	    {"settled ", " " QUEUE " 1", IDENTITY_MAX},
	    {"accept 1 - a " QUEUE " 1 ", " 3 " SHA " " NAME " 0 -", PROTO_INBOX_MAX},
	    {"accept 1 - a " QUEUE " 1 status 3 " SHA " ", " 0 -", NAME_ROOM - 1},
	    {"accept 1 - a " QUEUE " 1 status 3 " SHA " " NAME " 0 ", "", PROTO_NAME_MAX},
	    {"skip a " QUEUE " 1 ", "", RECORD_REASON_ROOM - 1},
	    {QUEUE_LINE " agent=", "", FIGURES_AGENT_MAX},
	    {QUEUE_LINE " address=", "", FIGURES_ADDRESS_MAX},
	};

	(void)state;
	memset(x, 'x', sizeof x);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		for (int more = 0; more < 2; more++) {
			snprintf(text, sizeof text, "%s%.*s%s", rows[i].before, rows[i].max + more,
			    x, rows[i].after);
			assert_int_equal(parse_text(text, strlen(text), &r), -more);
		}
	}
}

static void
refuses_a_nul_within(void **state)
{
	static const char settled[] = "settled a\0b " QUEUE " 1";
	struct record r;

	(void)state;
	assert_int_equal(parse_text("void 1\0", 7, &r), -1);
	assert_int_equal(parse_text("state\0", 6, &r), -1);
	assert_int_equal(parse_text(settled, sizeof settled - 1, &r), -1);
}

static void
refuses_any_changed_or_missing_byte(void **state)
{
	struct record r = {.type = RECORD_SKIP, .identity = "pc17", .queue = QUEUE, .n = 8,
	    .reason = "removed"}, back;
	char line[RECORD_LINE_MAX + 1];
	size_t len = record_format(&r, line) - 1;

	(void)state;
	assert_int_equal(record_parse(line, len, &back), 0);
	assert_int_equal(record_parse(line, len + 1, &back), -1); /* the LF */
	for (size_t i = 0; i < len; i++) {
		char *torn = malloc(i + 1);

		assert_non_null(torn);
		memcpy(torn, line, i);
		assert_int_equal(record_parse(torn, i, &back), -1);
		free(torn);
		for (int bit = 0; bit < 8; bit++) {
			line[i] = (char)(line[i] ^ 1 << bit);
			assert_int_equal(record_parse(line, len, &back), -1);
			line[i] = (char)(line[i] ^ 1 << bit);
		}
	}
	assert_int_equal(record_parse("", 0, &back), -1);
}

static void
refuses_lines_that_are_too_long(void **state)
{
	static char text[RECORD_LINE_MAX + 100];
	struct record r;

	(void)state;
	memset(text, 'x', sizeof text);
	memcpy(text, "state ", 6);
	assert_int_equal(parse_text(text, sizeof text, &r), -1);
}

/* Any field may be cut, doubled, or have a byte changed: with the checksum
 * right, the line is refused or comes back as the same. */
static void
takes_nothing_that_it_would_write_otherwise(void **state)
{
	static const char *const seeds[] = {"begin 1 " TIME " 42",
	    "queue urn:a " QUEUE " 5", "mark 9 8", "void 7",
	    "state",
	    ACCEPT("7", "status", "3", SHA, NAME, "17", "report%20x"),
	    "skip pc17 " QUEUE " 8 removed", "gap pc17 " QUEUE " 8 9"};
	uint32_t random = 12345;
	int taken = 0;

	(void)state;
	for (int round = 0; round < 40000; round++) {
		const char *seed = seeds[round % 8];
		char text[512], line[RECORD_LINE_MAX + 1], again[RECORD_LINE_MAX + 1];
		size_t len = strlen(seed);
		struct record r, back;

		memcpy(text, seed, len);
		random = random * 1664525 + 1013904223;
		text[(random >> 8) % len] = (char)(random >> 24);
		if (parse_text(text, len, &r) < 0)
			continue;
		taken++;
		record_format(&r, line);
		assert_int_equal(record_parse(line, strlen(line) - 1, &back), 0);
		record_format(&back, again);
		assert_string_equal(line, again);
		assert_memory_equal(line + 9, text, len);
	}
	assert_true(taken > 100);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(knows_crc32c),
	    cmocka_unit_test(computes_the_same_crc_in_pieces),
	    cmocka_unit_test(reads_each_type),
	    cmocka_unit_test(writes_empty_texts_and_no_time_as_a_hyphen),
	    cmocka_unit_test(keeps_a_text_that_is_a_hyphen),
	    cmocka_unit_test(leaves_out_figures_that_say_nothing),
	    cmocka_unit_test(passes_over_keys_that_it_does_not_know),
	    cmocka_unit_test(keeps_times_to_the_microsecond),
	    cmocka_unit_test(holds_the_longest_fields),
	    cmocka_unit_test(refuses_fields_out_of_range),
	    cmocka_unit_test(refuses_accepts_out_of_range),
	    cmocka_unit_test(refuses_names_that_are_too_long),
	    cmocka_unit_test(refuses_a_nul_within),
	    cmocka_unit_test(refuses_any_changed_or_missing_byte),
	    cmocka_unit_test(refuses_lines_that_are_too_long),
	    cmocka_unit_test(takes_nothing_that_it_would_write_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
