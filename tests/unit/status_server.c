/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "status_server.h"
#include "inboxd/base/holder.h"
#include "inboxd/base/inbox.h"
#include "inboxd/commit/view.h"
#include "inboxd/status/pages.h"
#include "inboxd/status/source.h"

#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include "lib/trial.h"
#include "lib/why.h"

enum server_answer server_answer;
char server_folder[64];
char server_path[96];
pid_t server_pid;
static struct event_base *base;
static struct status *status;
static uint64_t counts; /* how often it was counted what waits */

static void
fake_stats(void *ctx, uint64_t values[STATS_CELLS])
{
	(void)ctx;
	for (size_t i = 0; i < STATS_CELLS; i++)
		values[i] = i + 1;
	values[STAT_OFFERED] = values[STAT_NOW_IN_FLIGHT];
	for (size_t i = STAT_STORED; i <= STAT_CUT_OFF; i++)
		values[STAT_OFFERED] += values[i];
	values[STAT_NOW_CONNECTIONS] = (uint64_t)-1;
}

static void
fake_watched(void *ctx)
{
	(void)ctx;
}

static int
fake_inbox(void *ctx, size_t i, struct inbox_view *out)
{
	static const struct pause pause = {1700000000, 7, "a disk"};

	(void)ctx;
	if (i >= 2)
		return -1;
	*out = (struct inbox_view){.name = i == 0 ? "inbox0" : "inbox1"};
	out->folder = i == 0 ? "/srv/\x1b[31mred\xff" : "/srv/in box";
	out->suffix = i == 0 ? ".svf" : "";
	out->size = (uint64_t)1 << 20;
	struct inbox_count *count = &out->count;
	int64_t now = (int64_t)time(NULL);
	if (i == 0) {
		count->waiting = (struct inbox_pile){.known = 1, .files = 17 + counts,
		    .bytes = 1700, .oldest = (now - 180) * 1000000};
		count->claimed = (struct inbox_pile){.known = 1, .files = 3, .bytes = 30,
		    .oldest = (now - 7200) * 1000000};
		out->stored = 1017;
		out->stored_bytes = 101700;
		out->last_stored = (now - 5) * 1000000;
		out->most.items = 1000;
	} else {
		out->over = 1;
		out->paused = &pause;
		snprintf(count->error, sizeof(count->error), "new/: No such file or directory");
	}
	count->begun = (now - 240) * 1000000;
	return 0;
}

static struct client_view *
fake_views(size_t count)
{
	struct client_view *views = calloc(count, sizeof(*views));

	if (views == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		struct client_view *view = &views[i];
		snprintf(view->identity, sizeof(view->identity), "pc%zu.example.com", count - i);
		memset(view->queue, 'a', PROTO_QUEUE_LEN);
		view->connected = i == 0;
		view->states = 1u << CLIENT_UP_TO_DATE;
		view->settled = 41;
		view->figures.tally.stored = 40;
		view->figures.tally.stored_bytes = 12345678;
		view->figures.tally.missing = i;
		struct hello *hello = &view->figures.hello;
		hello->seen = i == 1 ? 0 : ((int64_t)time(NULL) - 90000) * 1000000 + 7;
		hello->backlog.pending = 5;
		hello->backlog.pending_oldest = (uint64_t)time(NULL) - 7;
		snprintf(hello->address, sizeof(hello->address), "192.0.2.%zu", i);
		snprintf(hello->agent, sizeof(hello->agent), "%s", i == 0 ? "inboxq/0.1.0" : "");
	}
	return views;
}

static void
on_soon(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	status_clients(status, fake_views(3), 3, 0);
}

static void
fake_clients(void *ctx, uint64_t from, const struct view_filter *filter)
{
	const struct timeval soon = {0, 300000};

	(void)ctx, (void)filter;
	switch (server_answer) {
	case ANSWER_AT_ONCE:
		status_clients(status, fake_views(3), 3, 0);
		break;
	case ANSWER_SOON:
		event_base_once(base, -1, EV_TIMEOUT, on_soon, NULL, &soon);
		break;
	case ANSWER_NO_MEMORY:
		status_clients(status, NULL, 0, 0);
		break;
	case ANSWER_PAGES: /* three, of three each */
		status_clients(status, fake_views(3), 3, from < 6 ? from + 3 : 0);
		break;
	case ANSWER_LARGE:
		status_clients(status, fake_views(1000), 1000, 0);
		break;
	case ANSWER_NEVER:
		break;
	}
}

static void
on_counted(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	counts++;
	status_counted(status);
}

static void
fake_count(void *ctx)
{
	const struct timeval soon = {0, 300000};

	(void)ctx;
	if (server_answer == ANSWER_AT_ONCE) {
		counts++;
		status_counted(status);
	}
	if (server_answer == ANSWER_SOON)
		event_base_once(base, -1, EV_TIMEOUT, on_counted, NULL, &soon);
}

struct why server_trouble;
enum forget_outcome server_outcome;

static int
fake_trouble(void *ctx, struct why *why)
{
	(void)ctx;
	*why = server_trouble;
	return server_trouble.text[0] != '\0';
}

static void
fake_reload(void *ctx, struct reload_view *out)
{
	(void)ctx;
	*out = (struct reload_view){.at = 1700000000};
}

static const char *
fake_state(void *ctx)
{
	(void)ctx;
	return "running";
}

static const char *
fake_differs(void *ctx, size_t i)
{
	(void)ctx;
	return i == 0 ? "/etc/in\x1b[31mred\xff.pem" : i == 1 ? "/etc/inboxd.conf" : NULL;
}

static const char *
fake_host(void *ctx)
{
	(void)ctx;
	return "cap1";
}

static void
fake_root(void *ctx, struct root_view *out)
{
	static const struct holder holder = {.state = HOLDER_RUNNING, .host = "cap2", .pid = 12,
	    .since = {1700000000, 0}};

	static const struct trial can = {.type = "ext4", .rename = TRIAL_OVERWRITES,
	    .can = {[TRIAL_LOCKS] = 1, [TRIAL_INODES] = 1}, .name_max = 143};

	(void)ctx;
	*out = (struct root_view){.path = "/var/lib/inboxd",
	    .id = "0123456789abcdef0123456789abcdef", .holder = &holder, .can = &can};
}

static int
fake_sandbox(void *ctx, struct why *why)
{
	(void)ctx;
	why_say(why, "Landlock ABI 4");
	return 1;
}

static void
on_looked(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	status_looked(status);
}

static void
fake_look(void *ctx)
{
	const struct timeval soon = {0, 300000};

	(void)ctx;
	if (server_answer == ANSWER_SOON)
		event_base_once(base, -1, EV_TIMEOUT, on_looked, NULL, &soon);
	else if (server_answer != ANSWER_NEVER)
		status_looked(status);
}

/* What was wanted, in the answer: the identity's length, and whether by force. */
static void
fake_wish(void *ctx, const struct wish *wish)
{
	struct forget_answer answer = {.outcome = server_outcome,
	    .queues = strlen(wish->forget.identity),
	    .unsettled = (uint64_t)wish->forget.force};
	struct why line;
	int code;

	(void)ctx;
	snprintf(answer.queue, sizeof answer.queue, "%s", wish->forget.queue);
	code = wish_tell_forgotten(&answer, &line);
	status_done(status, wish->kind, code,
	    code == 200 ? pages_forgotten(&answer, (int64_t)time(NULL)) : strdup(line.text));
}

const struct status_source server_source = {
    .watched = fake_watched,
    .stats = fake_stats, .inbox = fake_inbox, .count = fake_count, .trouble = fake_trouble,
    .state = fake_state, .reload = fake_reload, .differs = fake_differs,
    .host = fake_host, .root = fake_root, .sandbox = fake_sandbox, .look = fake_look,
    .clients = fake_clients, .wish = fake_wish};

static void
on_term(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	event_base_loopbreak(base);
}

static void
serve(int ready)
{
	struct why why = {""};

	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	status = status_open(base, server_path, 0640, &server_source, &why);
	if (status == NULL) {
		fprintf(stderr, "status_open: %s\n", why.text);
		exit(1);
	}
	struct event *term = evsignal_new(base, SIGTERM, on_term, NULL);
	event_add(term, NULL);
	if (write(ready, "", 1) != 1)
		exit(1);
	close(ready);
	event_base_dispatch(base);
	status_close(status);
	event_free(term);
	event_base_free(base);
	exit(0);
}

void
server_start(void)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	fflush(NULL);
	server_pid = fork();
	assert_int_not_equal(server_pid, -1);
	if (server_pid == 0) {
		close(ready[0]);
		serve(ready[1]);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

/* The exit status, as waitpid has it; a child that stays is killed. */
int
wait_for_end(pid_t pid)
{
	const struct timespec step = {0, 10000000};
	int result;

	for (int i = 0; i < WAIT_MS / 10; i++) {
		if (waitpid(pid, &result, WNOHANG) == pid)
			return result;
		nanosleep(&step, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &result, 0);
	return result;
}

void
server_stop(void)
{
	pid_t pid = server_pid;

	server_pid = 0;
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(wait_for_end(pid), 0);
	assert_int_equal(access(server_path, F_OK), -1);
}

int
server_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(server_folder, sizeof(server_folder), "%.40s/status.XXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(server_folder) == NULL)
		return -1;
	snprintf(server_path, sizeof(server_path), "%s/sock", server_folder);
	server_answer = ANSWER_AT_ONCE;
	server_outcome = FORGET_DONE;
	return 0;
}

int
server_teardown(void **state)
{
	(void)state;
	if (server_pid > 0) { /* the test failed half way */
		kill(server_pid, SIGKILL);
		waitpid(server_pid, NULL, 0);
		server_pid = 0;
	}
	unlink(server_path);
	return rmdir(server_folder);
}

/* ---- a client of raw bytes */

int
dial(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	memcpy(addr.sun_path, server_path, strlen(server_path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_not_equal(fd, -1);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The server may close before it has taken all: that is its right. */
void
say(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}

/* All up to the end of the connection, which it closes; to be freed. */
char *
listen_to(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	char part[4096];

	assert_non_null(out);
	for (;;) {
		assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
		ssize_t n = recv(fd, part, sizeof(part), 0);
		if (n <= 0)
			break;
		fwrite(part, 1, (size_t)n, out);
	}
	fclose(out);
	close(fd);
	return text;
}

int
ask(const char *method, const char *page, const char *headers)
{
	char request[1024];
	int fd = dial();

	assert_int_not_equal(fd, -1);
	snprintf(request, sizeof(request),
	    "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, page, headers);
	say(fd, request, strlen(request));
	return fd;
}

char *
get(const char *page)
{
	return listen_to(ask("GET", page, ""));
}

int
code_of(const char *reply)
{
	int code = 0;

	sscanf(reply, "HTTP/1.%*1[01] %d", &code);
	return code;
}

const char *
body_of(const char *reply)
{
	const char *end = strstr(reply, "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

json_t *
get_json(const char *page)
{
	json_error_t error;
	char *reply = get(page);

	assert_int_equal(code_of(reply), 200);
	assert_non_null(strstr(reply, "Content-Type: application/json\r\n"));
	json_t *json = json_loads(body_of(reply), JSON_REJECT_DUPLICATES, &error);
	assert_non_null(json);
	assert_int_equal(json_integer_value(json_object_get(json, "schema")), STATUS_SCHEMA);
	free(reply);
	return json;
}

void
assert_lives(void)
{
	char *reply = get("/healthz");

	assert_int_equal(code_of(reply), 200);
	assert_string_equal(body_of(reply), "ok\n");
	free(reply);
}
