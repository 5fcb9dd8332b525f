/* SPDX-License-Identifier: ISC */
/*
 * POST, by /forget: who may, what its body may be, and what is answered.
 */
#include "config.h"

#include "inboxd/status/wish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxd/status/head.h"
#include "status_server.h"

#define QUEUE "6d0f3b5ac2e94a1f8b7c6d5e4f3a2b1c"

/* ---- the form */

static void
reads_what_is_wished(void **state)
{
	struct wish wish;
	struct why why;

	(void)state;
	assert_int_equal(wish_read(WISH_FORGET, "identity=pc17.example.org", &wish, &why), 0);
	assert_string_equal(wish.forget.identity, "pc17.example.org");
	assert_string_equal(wish.forget.queue, "");
	assert_int_equal(wish.forget.force, 0);
	assert_int_equal(wish_read(WISH_FORGET,
	    "force=1&queue=" QUEUE "&identity=a%3db%26%2B%25", &wish, &why), 0);
	assert_string_equal(wish.forget.identity, "a=b&+%");
	assert_string_equal(wish.forget.queue, QUEUE);
	assert_int_equal(wish.forget.force, 1);
	assert_int_equal(wish_read(WISH_FORGET, "queue=6&identity=a=b", &wish, &why), 0);
	assert_string_equal(wish.forget.identity, "a=b");
	assert_string_equal(wish.forget.queue, "6");
}

static void
reads_which_gap_is_known(void **state)
{
	static const char *const wrong[] = {"identity=a&first=1", "identity=a&last=1",
	    "first=1&last=1", "identity=a&first=0&last=1", "identity=a&first=-1&last=1",
	    "identity=a&first=1&last=9223372036854775808", "identity=a&first=&last=1",
	    "identity=a&first=1&last=1&last=2", "identity=a&first=1&last=1&force=1",
	    "identity=a&first=1&last=00000000000000000001"};
	struct wish wish;
	struct why why;

	(void)state;
	assert_int_equal(wish_read(WISH_GAP,
	    "last=9223372036854775807&queue=6d&identity=pc17&first=12", &wish, &why), 0);
	assert_string_equal(wish.forget.identity, "pc17");
	assert_string_equal(wish.forget.queue, "6d");
	assert_string_equal(wish.first, "12");
	assert_string_equal(wish.last, "9223372036854775807");
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		if (wish_read(WISH_GAP, wrong[i], &wish, &why) == 0)
			fail_msg("took \"%s\"", wrong[i]);
}

static void
tells_what_became_of_a_gap(void **state)
{
	static const struct {
		enum confirm_outcome outcome;
		int code;
		const char *with;
	} cases[] = {
	    {CONFIRM_DONE, 200, ""},
	    {CONFIRM_UNKNOWN, 404, "no such client or queue is known"},
	    {CONFIRM_AMBIGUOUS, 409, "this client has 2 such queues"},
	    {CONFIRM_NONE, 404, "queue 6d0f3b5a is missing no number there"},
	    {CONFIRM_MERGED, 409, "queue 6d0f3b5a: this is a part of a gap"},
	    {CONFIRM_FULL, 503, "the ledger has no room"},
	};
	struct confirm_answer answer = {.queues = 2, .queue = QUEUE};
	struct why text = {""};

	(void)state;
	assert_int_equal(sizeof cases / sizeof cases[0], CONFIRM_OUTCOMES);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		answer.outcome = cases[i].outcome;
		assert_int_equal(wish_tell_confirmed(&answer, &text), cases[i].code);
		assert_non_null(strstr(text.text, cases[i].with));
	}
}

static void
pauses_have_a_reason_or_none(void **state)
{
	static const char *const wrong[] = {"inbox=", "inbox=a b", "reason=", "reason=a%0Ab",
	    "reason=a%00", "reason=a%7f", "reason=a&reason=b", "inbox=a&inbox=b", "identity=a", "&",
	    "inbox=a&"};
	char form[700] = "reason=";
	struct wish wish;
	struct why why;

	(void)state;
	assert_int_equal(wish_read(WISH_PAUSE, "", &wish, &why), 0);
	assert_string_equal(wish.inbox, "");
	assert_string_equal(wish.reason, "");
	assert_int_equal(
	    wish_read(WISH_PAUSE, "inbox=status&reason=f%C3%BCr+a \"b\"", &wish, &why), 0);
	assert_string_equal(wish.inbox, "status");
	assert_string_equal(wish.reason, "f\xc3\xbcr a \"b\"");
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		if (wish_read(WISH_PAUSE, wrong[i], &wish, &why) == 0)
			fail_msg("took \"%s\"", wrong[i]);
	assert_int_equal(wish_read(WISH_RESUME, "inbox=status", &wish, &why), 0);
	assert_int_equal(wish_read(WISH_RESUME, "reason=a", &wish, &why), -1);
	memset(form + strlen(form), 'x', PAUSE_REASON_ROOM - 1);
	assert_int_equal(wish_read(WISH_PAUSE, form, &wish, &why), 0);
	form[strlen(form)] = 'x';
	assert_int_equal(wish_read(WISH_PAUSE, form, &wish, &why), -1);
}

static void
refuses_what_is_no_form(void **state)
{
	static const char *const wrong[] = {"", "&", "=", "identity", "identity=", "queue=6d0f",
	    "identity=a&", "&identity=a", "identity=a&&queue=6", "identity=a&identity=b",
	    "identity=a&queue=", "identity=a&queue=6&queue=6", "identity=a&queue=6D",
	    "identity=a&queue=x", "identity=a&queue=" QUEUE "0", "identity=a&force=0",
	    "identity=a&force=", "identity=a&force=11", "identity=a&force=1&force=1",
	    "identity=a&force=yes", "identity=a b", "identity=a+b", "identity=a%20b",
	    "identity=a%", "identity=a%4", "identity=a%4g", "identity=a%g4", "identity=%00",
	    "identity=a%00", "identity=a%7f", "identity=\xc3\xa4", "Identity=a", "identity =a",
	    "identity=a&other=1", "identity=a\n", "identity=a%0A"};
	struct wish wish;
	char form[400] = "identity=";
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		why.text[0] = '\0';
		if (wish_read(WISH_FORGET, wrong[i], &wish, &why) == 0)
			fail_msg("took \"%s\"", wrong[i]);
		assert_string_not_equal(why.text, "");
	}
	memset(form + strlen(form), 'x', IDENTITY_MAX);
	assert_int_equal(wish_read(WISH_FORGET, form, &wish, &why), 0);
	assert_int_equal(strlen(wish.forget.identity), IDENTITY_MAX);
	form[strlen(form)] = 'x';
	assert_int_equal(wish_read(WISH_FORGET, form, &wish, &why), -1);
}

/* ---- the request */

/* A POST with a body of `len` bytes, a byte at a time where `slow`; to be freed. */
static char *
post(const char *headers, const char *body, size_t len, int slow)
{
	char head[9000];
	int fd = dial();

	assert_int_not_equal(fd, -1);
	snprintf(head, sizeof head, "POST /forget HTTP/1.1\r\nHost: x\r\n%s\r\n", headers);
	say(fd, head, strlen(head));
	if (slow)
		usleep(20000); /* so that the head is read alone */
	for (size_t i = 0; slow && i < len; i++)
		say(fd, body + i, 1);
	if (!slow)
		say(fd, body, len);
	return listen_to(fd);
}

static void
assert_answers(const char *headers, const char *body, size_t len, int code, const char *with)
{
	for (int slow = 0; slow < 2; slow++) {
		char *reply = post(headers, body, len, slow);
		if (code_of(reply) != code || !strstr(reply, with))
			fail_msg("%s: want %d and \"%s\": %s", headers, code, with, reply);
		free(reply);
	}
}

static void
the_body_is_read_whole(void **state)
{
	static const char body[] = "identity=pc17&force=1";

	(void)state;
	server_start();
	assert_answers("Content-Length: 13\r\n", body, 13, 200, "\"queues\":4,\"unsettled\":0}");
	assert_answers("content-LENGTH:21 \r\n", body, 21, 200, "\"queues\":4,\"unsettled\":1}");
	assert_answers("Content-Length: 13\r\n", body, 21, 200, "\"unsettled\":0}");
	/* Its end before the body's. */
	int fd = dial();
	static const char half[] =
	    "POST /forget HTTP/1.1\r\nContent-Length: 21\r\n\r\nidentity=pc17";
	say(fd, half, sizeof half - 1);
	shutdown(fd, SHUT_WR);
	char *reply = listen_to(fd);
	assert_string_equal(reply, "");
	free(reply);
	assert_lives();
	server_stop();
}

static void
bodies_have_bounds(void **state)
{
	static char large[4096], pad[8000];

	(void)state;
	memset(large, 'x', sizeof large);
	snprintf(pad, sizeof pad, "X: %07000d\r\nContent-Length: 2000\r\n", 0);
	server_start();
	assert_answers("", "identity=a", 10, 411, "Content-Length");
	assert_answers("Transfer-Encoding: chunked\r\n", "a\r\nidentity=a\r\n0\r\n\r\n", 20, 411,
	    "Content-Length");
	assert_answers("Content-Length: 10\r\nTransfer-Encoding: chunked\r\n", "identity=a", 10,
	    411, "Content-Length");
	assert_answers("Content-Length: 10\r\nContent-Length: 10\r\n", "identity=a", 10, 400,
	    "Content-Length");
	assert_answers("Content-Length: -1\r\n", "identity=a", 10, 400, "Content-Length");
	assert_answers("Content-Length:\r\n", "identity=a", 10, 400, "Content-Length");
	assert_answers("Content-Length: 10, 10\r\n", "identity=a", 10, 400, "Content-Length");
	assert_answers("Content-Length: 99999999999999999999\r\n", "x", 1, 400, "Content-Length");
	assert_answers("Content-Length: 2049\r\n", large, 2049, 413, "too long");
	assert_answers(pad, large, 2000, 413, "too long");
	assert_answers("Content-Length: 2048\r\n", large, 2048, 400, "identity=");
	assert_answers("Content-Length: 0\r\n", "", 0, 400, "identity=");
	assert_answers("Content-Length: 12\r\n", "identity=a\0b", 12, 400, "NUL");
	assert_lives();
	server_stop();
}

static void
only_post_is_allowed_and_only_there(void **state)
{
	static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE", "post", "OPTIONS"};

	(void)state;
	server_start();
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		char *reply = listen_to(ask(methods[i], "/forget", "Content-Length: 0\r\n"));
		assert_int_equal(code_of(reply), 405);
		assert_non_null(strstr(reply, "Allow: POST\r\n"));
		free(reply);
	}
	char *reply = listen_to(ask("POST", "/forget/", "Content-Length: 0\r\n"));
	assert_int_equal(code_of(reply), 405);
	assert_non_null(strstr(reply, "Allow: GET, HEAD\r\n"));
	free(reply);
	server_stop();
}

static void
each_outcome_has_its_code(void **state)
{
	static const struct {
		enum forget_outcome outcome;
		int code;
		const char *with;
	} cases[] = {
	    {FORGET_DONE, 200, "{\"schema\":1,\"now\":"},
	    {FORGET_UNKNOWN, 404, "no such client or queue is known\n"},
	    {FORGET_AMBIGUOUS, 409, "4 queues of this client begin so"},
	    {FORGET_CONNECTED, 409, "queue 6d0f3b5a is connected"},
	    {FORGET_UNSETTLED, 409, "nothing was forgotten: 1 items are remembered"},
	    {FORGET_UNDER_WAY, 409, "queue 6d0f3b5a has items that are not durable"},
	    {FORGET_FULL, 503, "the ledger has no room"},
	};
	static const char body[] = "identity=pc17&force=1&queue=6d0f3b5ac2";

	(void)state;
	assert_int_equal(sizeof cases / sizeof cases[0], FORGET_OUTCOMES);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		server_outcome = cases[i].outcome;
		server_start();
		assert_answers("Content-Length: 38\r\n", body, sizeof body - 1, cases[i].code,
		    cases[i].with);
		server_stop();
	}
}

static void
a_stranger_may_not(void **state)
{
	static const char body[] = "identity=a";
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip(); /* only root can be somebody else */
	server_start();
	assert_int_equal(chmod(server_folder, 0755), 0);
	assert_int_equal(chmod(server_path, 0666), 0);
	fflush(NULL);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		char *reply;
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(2);
		reply = post("Content-Length: 10\r\n", body, 10, 0);
		_exit(code_of(reply) == 403 && strstr(reply, "nobody else") ? 0 : 1);
	}
	assert_int_equal(wait_for_end(pid), 0);
	assert_answers("Content-Length: 10\r\n", body, 10, 200, "\"queues\":1");
	server_stop();
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, server_setup, server_teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_what_is_wished),
	    cmocka_unit_test(pauses_have_a_reason_or_none),
	    cmocka_unit_test(refuses_what_is_no_form),
	    cmocka_unit_test(reads_which_gap_is_known),
	    cmocka_unit_test(tells_what_became_of_a_gap),
	    T(the_body_is_read_whole),
	    T(bodies_have_bounds),
	    T(only_post_is_allowed_and_only_there),
	    T(each_outcome_has_its_code),
	    T(a_stranger_may_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
