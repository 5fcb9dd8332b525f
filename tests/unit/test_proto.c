/* SPDX-License-Identifier: ISC */
/* The codec held to inbox-protocol(7). */
#include "lib/proto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define QUEUE "6d0f3b5ac2e94a1f8b7c6d5e4f3a2b1c"
#define SHA "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
#define NAME "20261122T141103.123456Z-1f2e3d4c-0.1-pc17.example.org.msg"
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct proto_line line;
static struct proto_error error;

/* Parses from memory that ends where the text does. */
static int
parse(enum proto_side from, const char *text)
{
	static char *copy;
	size_t len = strlen(text);

	free(copy);
	copy = malloc(len + 1);
	assert_non_null(copy);
	memcpy(copy + 1, text, len); /* an odd place, and no NUL behind it */
	return proto_parse(copy + 1, len, from, &line, &error);
}

static void
assert_refused(enum proto_side from, const char *text, enum proto_code code, const char *says)
{
	if (parse(from, text) == 0)
		fail_msg("took \"%s\"", text);
	assert_string_equal(proto_code_text(error.code), proto_code_text(code));
	if (says)
		assert_string_equal(error.text, says);
}

static void
assert_text(enum proto_field field, const char *want)
{
	assert_true(proto_has(&line, field));
	assert_int_equal(line.text[field].len, strlen(want));
	assert_memory_equal(line.text[field].at, want, strlen(want));
}

static void
assert_number(enum proto_field field, uint64_t want)
{
	assert_true(proto_has(&line, field));
	assert_int_equal(line.number[field], want);
}

/* Each verb of the specification, with all its keys in their order. */
static const struct {
	enum proto_side from;
	enum proto_verb verb;
	const char *text;
} verbs[] = {
    {PROTO_CLIENT, VERB_HELLO,
        "HELLO 1 " QUEUE " 5 pending=3 oldest=1795356663 failed=2 free=1048576 agent=a%20x"},
    {PROTO_CLIENT, VERB_PUT, "PUT 1 status 3 " SHA " name=report%20%C3%A4.txt time=17"},
    {PROTO_CLIENT, VERB_OPEN,
        "OPEN 9223372036854775807 dumps 9223372036854775807 " SHA " name=%25 time=0"},
    {PROTO_CLIENT, VERB_DATA, "DATA 9 0 262144"},
    {PROTO_CLIENT, VERB_SETTLED, "SETTLED 5"},
    {PROTO_CLIENT, VERB_SKIP, "SKIP 3 removed"},
    {PROTO_CLIENT, VERB_STATE, "STATE pending=25 oldest=1795356663 failed=0 free=0"},
    {PROTO_CLIENT, VERB_PING, "PING"},
    {PROTO_CLIENT, VERB_QUIT, "QUIT"},
    {PROTO_SERVER, VERB_READY,
        "READY 1 cap1 window=1024 bytes=67108864 inline=0 item=1073741824 idle=300 settled=1"
        " state=15 id=" QUEUE},
    {PROTO_SERVER, VERB_STORED, "STORED 1 " NAME " again=1"},
    {PROTO_SERVER, VERB_LATER, "LATER 7 60 full no space left in inbox status"},
    {PROTO_SERVER, VERB_REFUSED, "REFUSED 3 no-inbox no inbox nosuch"},
    {PROTO_SERVER, VERB_SEND, "SEND 9 262144"},
    {PROTO_SERVER, VERB_PONG, "PONG"},
    {PROTO_SERVER, VERB_WAIT, "WAIT 10"},
    {PROTO_SERVER, VERB_GOAWAY, "GOAWAY 30 stopping"},
    {PROTO_SERVER, VERB_BYE, "BYE"},
    {PROTO_SERVER, VERB_ERROR, "ERROR verb unknown verb \"GET\""},
};

static void
writes_each_verb_as_it_was_read(void **state)
{
	char out[PROTO_LINE_MAX + 1];

	(void)state;
	assert_int_equal(COUNT(verbs), PROTO_VERBS);
	for (size_t i = 0; i < COUNT(verbs); i++) {
		size_t len;

		if (parse(verbs[i].from, verbs[i].text) < 0)
			fail_msg("%s: %s", verbs[i].text, error.text);
		assert_int_equal(line.verb, verbs[i].verb);
		assert_int_equal(proto_verb_side(line.verb), verbs[i].from);
		assert_memory_equal(proto_verb_text(line.verb), verbs[i].text,
		    strcspn(verbs[i].text, " "));
		len = proto_format(&line, out);
		assert_int_equal(len, strlen(out));
		assert_int_equal(out[len - 1], '\n');
		out[len - 1] = '\0';
		assert_string_equal(out, verbs[i].text);
	}
}

static void
takes_no_verb_from_the_wrong_side(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(verbs); i++)
		assert_refused(verbs[i].from == PROTO_CLIENT ? PROTO_SERVER : PROTO_CLIENT,
		    verbs[i].text, CODE_ERROR_VERB, NULL);
}

static void
misses_each_fixed_field(void **state)
{
	static const int fixed[] = {3, 4, 4, 3, 1, 2, 0, 0, 0, 2, 2, 3, 2, 2, 0, 1, 2, 0, 1};

	(void)state;
	for (size_t i = 0; i < COUNT(verbs); i++) {
		char text[512];
		size_t len = strcspn(verbs[i].text, " ");

		for (int k = 0; k <= fixed[i]; k++) {
			memcpy(text, verbs[i].text, len);
			text[len] = '\0';
			if (k < fixed[i])
				assert_refused(verbs[i].from, text, CODE_ERROR_FIELD, NULL);
			else
				assert_int_equal(parse(verbs[i].from, text), 0);
			/* a space behind it begins a field, which is empty; a free
			 * text may be empty */
			memcpy(text + len, " ", 2);
			if (k < fixed[i] ||
			    !strstr("LATER REFUSED ERROR", proto_verb_text(verbs[i].verb)))
				assert_refused(verbs[i].from, text, CODE_ERROR_FIELD, NULL);
			if (verbs[i].text[len] == ' ')
				len += 1 + strcspn(verbs[i].text + len + 1, " ");
		}
	}
}

static void
hands_out_the_fields(void **state)
{
	(void)state;
	assert_int_equal(parse(PROTO_CLIENT, "PUT 12 status 3 " SHA " time=17 name=a%20b"), 0);
	assert_number(FIELD_NUMBER, 12);
	assert_text(FIELD_INBOX, "status");
	assert_number(FIELD_SIZE, 3);
	assert_text(FIELD_SHA256, SHA);
	assert_number(FIELD_TIME, 17);
	assert_text(FIELD_HINT, "a%20b");
	assert_false(proto_has(&line, FIELD_AGAIN));
	assert_int_equal(parse(PROTO_SERVER, "READY 1 cap1.example.org settled=7"), 0);
	assert_number(FIELD_VERSION, 1);
	assert_text(FIELD_HOST, "cap1.example.org");
	assert_number(FIELD_MARK, 7);
	assert_false(proto_has(&line, FIELD_SETTLED));
	assert_false(proto_has(&line, FIELD_WINDOW));
	assert_int_equal(parse(PROTO_CLIENT, "HELLO 2 " QUEUE " 5"), 0);
	assert_number(FIELD_VERSION, 2);
	assert_text(FIELD_QUEUE, QUEUE);
	assert_number(FIELD_SETTLED, 5);
	assert_int_equal(parse(PROTO_SERVER, "LATER 7 0 full"), 0);
	assert_number(FIELD_SECONDS, 0);
	assert_text(FIELD_CODE, "full");
	assert_false(proto_has(&line, FIELD_TEXT));
	assert_int_equal(parse(PROTO_SERVER, "LATER 7 0 of-a-later-day  two  spaces "), 0);
	assert_text(FIELD_TEXT, " two  spaces ");
	assert_int_equal(parse(PROTO_SERVER, "STORED 7 " NAME), 0);
	assert_text(FIELD_NAME, NAME);
	assert_false(proto_has(&line, FIELD_AGAIN));
}

static void
passes_over_keys_of_a_later_day(void **state)
{
	(void)state;
	assert_int_equal(parse(PROTO_CLIENT, "PING x= y=1 x=2 a-key-1=%zz=="), 0);
	assert_int_equal(line.set, 0);
	assert_int_equal(parse(PROTO_CLIENT, "PUT 1 s 0 " SHA " zip=1 name=a"), 0);
	assert_text(FIELD_HINT, "a");
	/* known to another verb only */
	assert_int_equal(parse(PROTO_CLIENT, "SETTLED 5 window=x"), 0);
	assert_false(proto_has(&line, FIELD_WINDOW));
}

static void
says_what_is_wrong(void **state)
{
	(void)state;
	/* the cases of the specification, to the letter */
	assert_refused(PROTO_CLIENT, "PUT 15 status -3 " SHA, CODE_ERROR_FIELD,
	    "PUT: size: want 0 to 9223372036854775807, found \"-3\"");
	assert_refused(PROTO_CLIENT, "GET / HTTP/1.1", CODE_ERROR_VERB, "unknown verb \"GET\"");
	assert_refused(PROTO_CLIENT, "PUT 1", CODE_ERROR_FIELD, "PUT: inbox is missing");
	assert_refused(PROTO_CLIENT, "HELLO 1 " QUEUE " 1 pending=1 pending=2", CODE_ERROR_FIELD,
	    "HELLO: pending= stands there twice");
	assert_refused(PROTO_CLIENT, "PING x", CODE_ERROR_FIELD,
	    "PING: want key=value, found \"x\"");
	assert_refused(PROTO_CLIENT, "HELLO 1 abc 1", CODE_ERROR_FIELD,
	    "HELLO: queue: want 32 digits of lower-case hexadecimal, found \"abc\"");
	assert_refused(PROTO_CLIENT, "PUT 1 ../x 1 " SHA, CODE_ERROR_FIELD,
	    "PUT: inbox: want 1 to 64 letters, digits, '.', '-' or '_', a letter or digit first, "
	    "found \"../x\"");
}

static void
shows_no_more_than_the_head_of_a_wrong_field(void **state)
{
	char text[PROTO_LINE_MAX];

	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_refused(PROTO_CLIENT, text, CODE_ERROR_VERB, NULL);
	assert_true(strlen(error.text) < 80);
	memcpy(text, "SKIP 1 ", 7);
	assert_refused(PROTO_CLIENT, text, CODE_ERROR_FIELD, NULL);
	assert_non_null(strstr(error.text, "x\"..."));
	memcpy(text, "PING 1 ", 7);
	assert_refused(PROTO_CLIENT, text, CODE_ERROR_FIELD, NULL);
	assert_true(strlen(error.text) < 100);
	memcpy(text, "PUT 1 ", 6);
	assert_refused(PROTO_CLIENT, text, CODE_ERROR_FIELD, NULL);
	assert_true(strlen(error.text) < sizeof error.text - 1);
}

static void
refuses_client_lines_that_break_the_grammar(void **state)
{
	static const char *const wrong[] = {
	    "HELLO 1  1", "HELLO 01 " QUEUE " 1", "HELLO 4294967296 " QUEUE " 1",
	    "HELLO 1 " QUEUE " 0", "HELLO 1 " QUEUE "0 1", "HELLO 1 " QUEUE " 1 agent=",
	    "HELLO 1 6D0f3b5ac2e94a1f8b7c6d5e4f3a2b1c 1", "HELLO 1 " QUEUE " 1  pending=1",
	    "HELLO 1 " QUEUE " 1 pending=", "HELLO 1 " QUEUE " 1 pending=x",
	    "HELLO 1 " QUEUE " 1 oldest=9223372036854775808", "HELLO 1 " QUEUE " 1 agent=%",
	    "HELLO 1 " QUEUE " 1 agent=%0a", "HELLO 1 " QUEUE " 1 =1",
	    "HELLO 1 " QUEUE " 1 Agent=1",
	    "HELLO 1 " QUEUE " 1 agent", "HELLO 1 " QUEUE " 1 1a=1", "HELLO 1 " QUEUE " 1 a_b=1",
	    "HELLO 1 " QUEUE " 1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1",
	    "HELLO 1 " QUEUE " 1 "
	    "agent=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    "PUT 0 s 0 " SHA, "PUT 9223372036854775808 s 0 " SHA,
	    "PUT 1 s 9223372036854775808 " SHA,
	    "PUT 1 -s 0 " SHA, "PUT 1 . 0 " SHA, "PUT 1 .. 0 " SHA, "PUT 1 a/b 0 " SHA,
	    "PUT 1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 0 " SHA,
	    "PUT 1 s 0 " SHA "0", "PUT 1 s 0 2C", "PUT 1 s 0 " SHA " name=",
	    "PUT 1 s 0 " SHA " time=-1",
	    "PUT 1 s 0 " SHA " name=a name=b", "PUT 1 s 0 " SHA " surplus", "PUT 1 s 00 " SHA,
	    "DATA 1 0 0", "DATA 1 0 262145", "DATA 0 0 1", "DATA 1 -1 1", "DATA 1 0 1 2",
	    "SETTLED 0", "SETTLED x", "SETTLED 1 2", "SKIP 1 Removed", "SKIP 1 1a", "SKIP 1 a_b",
	    "SKIP 1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "SKIP 0 removed", "SKIP 1 removed text",
	    "PING ", "PING  ", "QUIT now",
	};
	static const char *const no_verb[] = {"", " ", " PING", "ping", "PIN", "PINGS",
	    "\r", "PING\r"};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_refused(PROTO_CLIENT, wrong[i], CODE_ERROR_FIELD, NULL);
	for (size_t i = 0; i < COUNT(no_verb); i++)
		assert_refused(PROTO_CLIENT, no_verb[i], CODE_ERROR_VERB, NULL);
}

static void
refuses_server_lines_that_break_the_grammar(void **state)
{
	static const char *const wrong[] = {"READY 1 -cap", "READY 1 cap window=-1",
	    "READY 1 cap bytes=x", "READY 1 cap settled=0", "READY 1 cap idle=4294967296",
	    "READY 1 cap window=1 window=1", "READY 1 cap id=", "READY 1 cap id=" QUEUE "0",
	    "READY 1 cap id=6D0F3B5AC2E94A1F8B7C6D5E4F3A2B1C", "STORED 0 a", "STORED 1 a/b",
	    "STORED 1 ..",
	    "STORED 1 a again=0", "STORED 1 a again=2", "STORED 1 a again=1 again=1", "STORED 1 ",
	    "STORED 1 a b", "LATER 1 -1 full", "LATER 1 4294967296 full", "LATER 1 60 Full",
	    "REFUSED 1", "REFUSED 1 no_inbox", "SEND 1 -1", "SEND 0 0", "WAIT", "WAIT x",
	    "GOAWAY 0", "GOAWAY 0 idle text", "ERROR", "ERROR x_y"};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_refused(PROTO_SERVER, wrong[i], CODE_ERROR_FIELD, NULL);
}

static void
counts_the_bytes_of_an_escaped_text(void **state)
{
	char text[PROTO_LINE_MAX] = "PUT 1 s 0 " SHA " name=";
	size_t at = strlen(text);

	(void)state;
	for (int i = 0; i < PROTO_NAME_MAX; i++, at += 3)
		memcpy(text + at, "%C3", 4);
	assert_int_equal(parse(PROTO_CLIENT, text), 0);
	memcpy(text + at, "x", 2);
	assert_refused(PROTO_CLIENT, text, CODE_ERROR_FIELD, NULL);
}

static int
find(const char *data, size_t len)
{
	unsigned char *copy = malloc(len ? len : 1);
	int found;

	assert_non_null(copy);
	memcpy(copy, data, len);
	found = proto_find_line(copy, len, &error);
	free(copy);
	return found;
}

static void
finds_the_end_of_a_line(void **state)
{
	static char data[PROTO_LINE_MAX + 2];

	(void)state;
	assert_int_equal(find("", 0), 0);
	assert_int_equal(find("PING", 4), 0);
	assert_int_equal(find("PING\n", 5), 5);
	assert_int_equal(find("PING\n\x00\xff", 7), 5);
	assert_int_equal(find("\nPING\n", 6), 1);
	memset(data, 'x', sizeof data);
	assert_int_equal(find(data, PROTO_LINE_MAX - 1), 0);
	data[PROTO_LINE_MAX - 1] = '\n';
	assert_int_equal(find(data, PROTO_LINE_MAX), PROTO_LINE_MAX);
	assert_int_equal(find(data, sizeof data), PROTO_LINE_MAX);
}

static void
refuses_bytes_that_no_line_has(void **state)
{
	static char data[PROTO_LINE_MAX + 2];

	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		char text[4] = {'P', (char)byte, 'x', '\n'};
		int want = byte == '\n' ? 2 : byte < 0x20 || byte > 0x7e ? -1 : 4;

		assert_int_equal(find(text, sizeof text), want);
		/* at once, not when the LF has come */
		if (want < 0)
			assert_int_equal(find(text, 2), -1);
	}
	assert_int_equal(find("PING\r\n", 6), -1);
	assert_int_equal(error.code, CODE_ERROR_LINE);
	assert_string_equal(error.text, "byte 0x0d at position 5 of a line, want 0x20 to 0x7e");
	memset(data, 'x', sizeof data);
	assert_int_equal(find(data, PROTO_LINE_MAX), -1);
	assert_int_equal(error.code, CODE_ERROR_LINE);
	assert_string_equal(error.text, "longer than 1024 bytes");
	data[PROTO_LINE_MAX] = '\n';
	assert_int_equal(find(data, PROTO_LINE_MAX + 1), -1);
}

static void
builds_lines(void **state)
{
	struct proto_line built;
	char out[PROTO_LINE_MAX + 1];

	(void)state;
	memset(&built, 0xff, sizeof built);
	proto_line_start(&built, VERB_STORED);
	proto_set_text(&built, FIELD_NAME, NAME);
	proto_set_number(&built, FIELD_NUMBER, 7);
	assert_int_equal(proto_format(&built, out), strlen("STORED 7 " NAME "\n"));
	assert_string_equal(out, "STORED 7 " NAME "\n");
	proto_set_number(&built, FIELD_AGAIN, 1);
	proto_format(&built, out);
	assert_string_equal(out, "STORED 7 " NAME " again=1\n");
	proto_line_start(&built, VERB_BYE);
	proto_format(&built, out);
	assert_string_equal(out, "BYE\n");
}

static void
cuts_no_long_line_but_its_text(void **state)
{
	struct proto_line built;
	char out[PROTO_LINE_MAX + 1], text[2 * PROTO_LINE_MAX];

	(void)state;
	memset(text, 't', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	proto_line_start(&built, VERB_ERROR);
	proto_set_text(&built, FIELD_CODE, "line");
	proto_set_text(&built, FIELD_TEXT, text);
	assert_int_equal(proto_format(&built, out), PROTO_LINE_MAX);
	assert_int_equal(out[PROTO_LINE_MAX - 1], '\n');
	assert_int_equal(out[PROTO_LINE_MAX], '\0');
	assert_int_equal(find(out, PROTO_LINE_MAX), PROTO_LINE_MAX);
}

/* The longest that each field may be stays within a line. */
static void
has_room_for_the_longest_fields(void **state)
{
	struct proto_line built;
	char out[PROTO_LINE_MAX + 1], inbox[PROTO_INBOX_MAX + 1] = "", host[256] = "";
	char hint[3 * PROTO_NAME_MAX + 1] = "", agent[3 * 64 + 1] = "";

	(void)state;
	memset(inbox, 'i', sizeof inbox - 1);
	memset(host, 'h', sizeof host - 1);
	for (size_t i = 0; i < PROTO_NAME_MAX; i++)
		memcpy(hint + 3 * i, "%00", 3);
	memcpy(agent, hint, sizeof agent - 1);
	proto_line_start(&built, VERB_OPEN);
	proto_set_number(&built, FIELD_NUMBER, PROTO_NUMBER_MAX);
	proto_set_text(&built, FIELD_INBOX, inbox);
	proto_set_number(&built, FIELD_SIZE, PROTO_NUMBER_MAX);
	proto_set_text(&built, FIELD_SHA256, SHA);
	proto_set_text(&built, FIELD_HINT, hint);
	proto_set_number(&built, FIELD_TIME, PROTO_NUMBER_MAX);
	proto_format(&built, out);
	out[strcspn(out, "\n")] = '\0';
	assert_int_equal(parse(PROTO_CLIENT, out), 0);
	assert_number(FIELD_TIME, PROTO_NUMBER_MAX);
	proto_line_start(&built, VERB_HELLO);
	proto_set_number(&built, FIELD_VERSION, UINT32_MAX);
	proto_set_text(&built, FIELD_QUEUE, QUEUE);
	for (int field = FIELD_SETTLED; field <= FIELD_OLDEST; field++)
		if (field == FIELD_SETTLED || field >= FIELD_PENDING)
			proto_set_number(&built, (enum proto_field)field, PROTO_NUMBER_MAX);
	proto_set_text(&built, FIELD_AGENT, agent);
	proto_format(&built, out);
	out[strcspn(out, "\n")] = '\0';
	assert_int_equal(parse(PROTO_CLIENT, out), 0);
	assert_text(FIELD_AGENT, agent);
	proto_line_start(&built, VERB_READY);
	proto_set_number(&built, FIELD_VERSION, 1);
	proto_set_text(&built, FIELD_HOST, host);
	for (int field = FIELD_WINDOW; field <= FIELD_MARK; field++)
		proto_set_number(&built, (enum proto_field)field,
		    field == FIELD_IDLE ? UINT32_MAX : (uint64_t)PROTO_NUMBER_MAX);
	proto_set_text(&built, FIELD_ID, QUEUE);
	proto_format(&built, out);
	out[strcspn(out, "\n")] = '\0';
	assert_int_equal(parse(PROTO_SERVER, out), 0);
	assert_number(FIELD_MARK, PROTO_NUMBER_MAX);
	assert_text(FIELD_ID, QUEUE);
}

static void
gives_each_code_its_verb(void **state)
{
	(void)state;
	assert_string_equal(proto_code_text(CODE_LATER_USE_OPEN), "use-open");
	assert_int_equal(proto_code_verb(CODE_LATER_USE_OPEN), VERB_LATER);
	assert_int_equal(proto_code_verb(CODE_REFUSED_NO_INBOX), VERB_REFUSED);
	assert_int_equal(proto_code_verb(CODE_GOAWAY_CROWDED), VERB_GOAWAY);
	assert_int_equal(proto_code_verb(CODE_ERROR_IDENTITY), VERB_ERROR);
	for (int i = 0; i < PROTO_CODE_COUNT; i++) {
		char text[64];

		snprintf(text, sizeof text, "ERROR %s", proto_code_text((enum proto_code)i));
		assert_int_equal(parse(PROTO_SERVER, text), 0);
	}
}

/* A byte changed anywhere: refused, or written as it was read. */
static void
reads_nothing_that_it_would_write_otherwise(void **state)
{
	uint32_t random = 12345;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		char text[256], out[PROTO_LINE_MAX + 1], again[PROTO_LINE_MAX + 1];
		size_t i = (size_t)round % COUNT(verbs), len = strlen(verbs[i].text);

		memcpy(text, verbs[i].text, len + 1);
		random = random * 1664525 + 1013904223;
		text[(random >> 8) % len] = (char)(0x20 + (random >> 24) % 0x5f);
		if (parse(verbs[i].from, text) < 0) {
			assert_true(strlen(error.text) > 0);
			continue;
		}
		len = proto_format(&line, out);
		out[len - 1] = '\0';
		if (!strchr(text, '=')) /* keys may be unknown now */
			assert_string_equal(out, text);
		assert_int_equal(parse(verbs[i].from, out), 0);
		proto_format(&line, again);
		assert_memory_equal(again, out, len - 1);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_each_verb_as_it_was_read),
	    cmocka_unit_test(takes_no_verb_from_the_wrong_side),
	    cmocka_unit_test(misses_each_fixed_field),
	    cmocka_unit_test(hands_out_the_fields),
	    cmocka_unit_test(passes_over_keys_of_a_later_day),
	    cmocka_unit_test(says_what_is_wrong),
	    cmocka_unit_test(shows_no_more_than_the_head_of_a_wrong_field),
	    cmocka_unit_test(refuses_client_lines_that_break_the_grammar),
	    cmocka_unit_test(refuses_server_lines_that_break_the_grammar),
	    cmocka_unit_test(counts_the_bytes_of_an_escaped_text),
	    cmocka_unit_test(finds_the_end_of_a_line),
	    cmocka_unit_test(refuses_bytes_that_no_line_has),
	    cmocka_unit_test(builds_lines),
	    cmocka_unit_test(cuts_no_long_line_but_its_text),
	    cmocka_unit_test(has_room_for_the_longest_fields),
	    cmocka_unit_test(gives_each_code_its_verb),
	    cmocka_unit_test(reads_nothing_that_it_would_write_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
