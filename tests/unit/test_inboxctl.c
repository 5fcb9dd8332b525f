/* SPDX-License-Identifier: ISC */
/*
 * inboxctl as a child, against the status socket and against servers that say
 * something else.
 */
#include "config.h"

#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxd/base/stats.h"
#include "status_server.h"

/* Runs it with up to three arguments; its standard output, to be freed, and
 * its exit code. */
static char *
inboxctl(int *code, const char *a, const char *b, const char *c)
{
	const char *top = getenv("top_builddir");
	char program[256];
	int out[2];

	snprintf(program, sizeof(program), "%s/src/inboxctl/inboxctl", top == NULL ? "." : top);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	fflush(NULL);
	pid_t pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		execl(program, "inboxctl", "-s", server_path, a, b, c, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	char *text = NULL;
	size_t len;
	FILE *copy = open_memstream(&text, &len);
	assert_non_null(copy);
	char part[4096];
	ssize_t n;
	while ((n = read(out[0], part, sizeof(part))) > 0)
		fwrite(part, 1, (size_t)n, copy);
	fclose(copy);
	close(out[0]);
	int result = wait_for_end(pid);
	assert_true(WIFEXITED(result));
	*code = WEXITSTATUS(result);
	return text;
}

static void
assert_shows_with(const char *command, const char *option, const char *const *want)
{
	int code;
	char *text = inboxctl(&code, command, option, NULL);

	assert_int_equal(code, 0);
	for (; *want != NULL; want++) {
		if (strstr(text, *want) == NULL)
			fail_msg("no \"%s\" in: %s", *want, text);
	}
	for (const char *at = text; *at != '\0'; at++)
		assert_true(*at == '\n' || (*at >= 0x20 && *at <= 0x7e));
	free(text);
}

static void
assert_shows(const char *command, const char *const *want)
{
	assert_shows_with(command, NULL, want);
}

static void
inboxctl_shows_each_page(void **state)
{
	(void)state;
	char limit[64];

	server_answer = ANSWER_SOON;
	snprintf(limit, sizeof limit, "%d  queues  of %d (", STAT_NOW_QUEUES + 1,
	    STAT_MOST_QUEUES + 1);
	server_start();
	assert_shows("status", (const char *const[]){
	    "inboxd " PACKAGE_VERSION " on cap1, up ", "problem", "items ",
	    "under way ", "oldest for 3m in inbox0; 3 claimed", "disk ", NULL});
	assert_shows_with("status", "-v",
	    (const char *const[]){"inboxd " PACKAGE_VERSION, "offered",
	        "every item offered is accounted for", "use-open", "in flight",
	        "acknowledged and not in new/ yet: ", " 0.000  sync_seconds\n", limit,
	        "  stored_bytes  ", "queue_unsettled_limit\n", NULL});
	assert_shows("inboxes", (const char *const[]){"inbox0  ok ", " 3m ", " 2h ",
	                            "inbox1: cannot be read: new/: No such file", NULL});
	assert_shows_with("inboxes", "-v", (const char *const[]){"inbox0", "%1B[31mred%FF",
	                                       "1.0 MiB", " 4m ", NULL});
	assert_shows("clients", (const char *const[]){"pc1.example.com  up-to-date ", " 1d 1h ",
	                            " never ", NULL});
	assert_shows_with("clients", "-v", (const char *const[]){
	    "pc1.example.com  aaaaaaaa  up-to-date ", "1d 1h", "never", "11.8 MiB",
	    "inboxq/0.1.0", NULL});
	int code;
	char *text = inboxctl(&code, "--json", "clients", NULL);
	assert_int_equal(code, 0);
	json_t *page = json_loads(text, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(page, "clients")), 3);
	json_decref(page);
	free(text);
	server_stop();
}

static void
inboxctl_shows_all_parts_of_a_page(void **state)
{
	int code;

	(void)state;
	server_answer = ANSWER_PAGES;
	server_start();
	char *text = inboxctl(&code, "clients", NULL, NULL);
	assert_int_equal(code, 0);
	/* Three parts with the same three, sorted. */
	const char *last = text, *at = text;
	for (int i = 0; i < 9; i++) {
		char want[32];
		snprintf(want, sizeof(want), "\npc%d.example.com ", 1 + i / 3);
		at = strstr(last, want);
		assert_non_null(at);
		last = at + 1;
	}
	assert_null(strstr(last, "\npc"));
	free(text);
	text = inboxctl(&code, "--json", "clients", NULL);
	assert_int_equal(code, 0);
	json_t *page = json_loads(text, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(page, "clients")), 9);
	assert_true(json_is_null(json_object_get(page, "next")));
	json_decref(page);
	free(text);
	server_stop();
}

static void
assert_code(int want, const char *a, const char *b, const char *c, const char *text)
{
	int code;
	char *said = inboxctl(&code, a, b, c);

	if (code != want || strstr(said, text) == NULL)
		fail_msg("exit code %d, not %d with \"%s\": %s", code, want, text, said);
	free(said);
}

static void answer_with(const char *text);

/* A page with these gauges, by a receiver whose clock says 1000. */
static void
assert_lag(const char *gauges, const char *want, const char *not)
{
	char page[512], body[256];
	int code;

	snprintf(body, sizeof(body), "{\"schema\":1,\"now\":1000,\"items\":{},\"gauges\":{%s}}",
	    gauges);
	snprintf(page, sizeof(page), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
	    strlen(body), body);
	answer_with(page);
	char *text = inboxctl(&code, "status", "-v", NULL);
	assert_int_equal(code, 0);
	if (strstr(text, want) == NULL || strstr(text, not) != NULL)
		fail_msg("want \"%s\", and not \"%s\", in: %s", want, not, text);
	free(text);
	pid_t pid = server_pid;
	server_pid = 0;
	assert_int_equal(wait_for_end(pid), 0);
}

static void
inboxctl_shows_how_far_the_publisher_is_behind(void **state)
{
	(void)state;
	assert_lag("\"inboxd_unpublished_items\":12,\"inboxd_unpublished_bytes\":3072,"
	           "\"inboxd_unpublished_oldest_timestamp_seconds\":878",
	    "\n  12 acknowledged and not in new/ yet: 3.0 KiB, the oldest for 2m 2s\n",
	    "cannot");
	assert_lag("\"inboxd_unpublished_items\":1,\"inboxd_publish_trouble\":1",
	    "\n  they cannot be made visible, and new items are told LATER: the log says why\n",
	    "all that was");
	assert_lag("\"inboxd_unpublished_items\":0,\"inboxd_unpublished_bytes\":0,"
	           "\"inboxd_unpublished_oldest_timestamp_seconds\":0",
	    "\n  all that was acknowledged is in new/\n", "not in new/ yet");
	/* One of before there was a journal. */
	assert_lag("\"inboxd_connections\":3", "connections", "new/");
}

static void
inboxctl_tells_errors_apart(void **state)
{
	(void)state;
	assert_code(69, "status", NULL, NULL, "systemctl status");
	assert_code(64, NULL, NULL, NULL, "no command");
	assert_code(64, "stat", NULL, NULL, "stat: no such command: which of status, ");
	assert_code(64, "status", "clients", NULL, "one command");
	assert_code(64, "clients", "pc1", NULL, "pc1: only options");
	assert_code(64, "--what", NULL, NULL, "Try");
	assert_code(64, "print", "name", NULL, "no option --socket");
	assert_code(0, "-h", NULL, NULL, "usage:");
	assert_code(0, "-V", NULL, NULL, PACKAGE_VERSION);
}

/* A server that says one thing, whatever it is asked. */
static void
answer_with(const char *text)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char request[1024];

	unlink(server_path);
	memcpy(addr.sun_path, server_path, strlen(server_path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	fflush(NULL);
	server_pid = fork();
	assert_int_not_equal(server_pid, -1);
	if (server_pid == 0) {
		int peer = accept(fd, NULL, NULL);
		ssize_t n = recv(peer, request, sizeof(request), 0);
		say(peer, text, strlen(text));
		_exit(n > 0 ? 0 : 1);
	}
	close(fd);
}

static void
inboxctl_trusts_no_answer(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *said;
	} cases[] = {
	    {"", 76, "not HTTP"},
	    {"220 mail.example.com ESMTP\r\n", 76, "not HTTP"},
	    {"HTTP/1.1 200 OK\r\n\r\n{}", 76, "length"},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", 76, "cut: 2 of 9"},
	    {"HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\n{}", 76, "schema"},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[}", 76, "line 1"},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"schema\":2}", 76, "schema 2"},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"schema\":1}", 76, "items"},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n{\"schema\":1,\"items\":[1]}", 76,
	        "cut"},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n{\"schema\":1,\"items\":[1]}", 76,
	        "no \"items\""},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n{\"schema\":1,\"items\":{}}", 0,
	        "accounted"},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"next\":-1}", 76, "where it began"},
	    {"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nno\x1b[2J\n", 76, "404 no%1B"},
	    {"HTTP/1.1 503 Busy\r\nContent-Length: 3\r\n\r\nbus", 69, "503 bus"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		answer_with(cases[i].text);
		assert_code(cases[i].code, "status", "-v", NULL, cases[i].said);
		pid_t pid = server_pid;
		server_pid = 0;
		assert_int_equal(wait_for_end(pid), 0);
	}
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, server_setup, server_teardown)
	const struct CMUnitTest tests[] = {
	    T(inboxctl_shows_each_page),
	    T(inboxctl_shows_all_parts_of_a_page),
	    T(inboxctl_shows_how_far_the_publisher_is_behind),
	    T(inboxctl_tells_errors_apart),
	    T(inboxctl_trusts_no_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
