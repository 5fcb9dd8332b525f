/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/reload.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/pages/fetch.h"
#include "lib/clock.h"

#define PATIENCE 60 /* seconds */

/* What the page says of reloads. */
struct state {
	int64_t pid, taken, failed;
	int is_waiting;
	char error[1024];
};

static int64_t
counter(const json_t *page, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(page, "counters"), key));
}

/* For its root, which another host's receiver has. */
static int
is_waiting(const json_t *page)
{
	const char *state = json_string_value(json_object_get(page, "state"));

	return state && strcmp(state, "waiting") == 0;
}

/* 0, or an exit code. */
static int
look(const char *socket_path, struct state *state)
{
	enum fetch_result result;
	struct fetch_page page;
	const char *error;
	json_t *root;

	result = fetch_page(socket_path, "/status", &page);
	if (result != FETCH_OK) {
		complain("%s: %s", socket_path, page.why.text);
		return result == FETCH_PROTOCOL ? EX_PROTOCOL : EX_UNAVAILABLE;
	}
	root = json_loadb(page.text, page.len, JSON_REJECT_DUPLICATES, NULL);
	free(page.text);
	/* What the page says of itself is believed only where the system cannot tell. */
	state->pid = page.pid >= 0 ? page.pid
	                           : json_integer_value(json_object_get(root, "pid"));
	state->taken = counter(root, "inboxd_reloads_total");
	state->failed = counter(root, "inboxd_reloads_failed_total");
	error = json_string_value(json_object_get(root, "reload_error"));
	snprintf(state->error, sizeof state->error, "%s", error ? error : "the log says why");
	state->is_waiting = is_waiting(root);
	json_decref(root);
	if (state->pid > 1 && (int64_t)(pid_t)state->pid == state->pid)
		return 0;
	complain("%s: its process cannot be seen from here: reload it where it runs", socket_path);
	return EX_NOPERM;
}

int
reload(const struct arguments *arguments)
{
	const struct timespec moment = {.tv_nsec = 50000000};
	int64_t end = clock_seconds() + PATIENCE;
	struct state before, now;
	int code = look(arguments->socket, &before);

	if (code)
		return code;
	if (before.is_waiting) {
		complain("it waits for its root, and reads its configuration when it has it");
		return EX_TEMPFAIL;
	}
	if (kill((pid_t)before.pid, SIGHUP) < 0) {
		complain("process %lld: %s", (long long)before.pid, strerror(errno));
		return errno == EPERM ? EX_NOPERM : EX_UNAVAILABLE;
	}
	do {
		nanosleep(&moment, NULL);
		code = look(arguments->socket, &now);
	} while (code == 0 && now.taken + now.failed == before.taken + before.failed &&
	    clock_seconds() < end);
	if (code)
		return code;
	if (now.failed > before.failed) {
		complain("not taken, the old configuration stays: %s", now.error);
		return EX_CONFIG;
	}
	if (now.taken > before.taken)
		return EX_OK;
	complain("no answer within %d seconds", PATIENCE);
	return EX_TEMPFAIL;
}
