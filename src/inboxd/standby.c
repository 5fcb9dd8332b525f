/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/standby.h"

#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/hold.h"
#include "inboxd/base/root.h"
#include "inboxd/base/site.h"
#include "inboxd/commit/view.h"
#include "inboxd/fronts.h"
#include "inboxd/sockets.h"
#include "inboxd/status/source.h"
#include "inboxd/status/status.h"
#include "inboxd/status/wish.h"
#include "lib/clock.h"
#include "lib/conf_log.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/notify.h"

#define ASK_EVERY 1                    /* second */
#define TELL_EVERY (60 * CLOCK_SECOND) /* that it is still so */
#define EXTEND (30 * CLOCK_SECOND)     /* of a supervisor's limit of a start, each time */
#define SIGNALS 2

static const int numbers[SIGNALS] = {SIGTERM, SIGINT};

struct standby {
	struct site *site;
	struct root *root;
	struct event_base *base;
	struct event *ask, *signals[SIGNALS];
	struct status *status;
	struct holder other; /* who has it */
	int64_t began, told; /* monotonic microseconds */
	char told_of[ID_ROOM]; /* its `run` */
	struct why error;
	int code; /* HOLD_ELSEWHERE, while it waits */
	int is_stopped;
};

static const char *
host_of(const struct holder *other)
{
	return other->host[0] ? other->host : "unknown";
}

/* ---- what the status socket is told */

static void
give_stats(void *ctx, uint64_t values[STATS_CELLS])
{
	(void)ctx;
	memset(values, 0, STATS_CELLS * sizeof *values);
	values[STAT_NOW_WAITING] = 1;
}

static void
give_nothing(void *ctx)
{
	(void)ctx;
}

static int
give_inbox(void *ctx, size_t i, struct inbox_view *out)
{
	(void)ctx, (void)i, (void)out;
	return -1;
}

static void
ask_count(void *ctx)
{
	status_counted(((struct standby *)ctx)->status);
}

static void
ask_look(void *ctx)
{
	status_looked(((struct standby *)ctx)->status);
}

static int
give_trouble(void *ctx, struct why *why)
{
	const struct standby *standby = ctx;

	why_say(why, "waits for its root, which host %s has", host_of(&standby->other));
	return 1;
}

static void
give_reload(void *ctx, struct reload_view *out)
{
	(void)ctx;
	*out = (struct reload_view){.error = NULL};
}

static const char *
give_host(void *ctx)
{
	return ((const struct standby *)ctx)->site->host;
}

static void
give_root(void *ctx, struct root_view *out)
{
	const struct standby *standby = ctx;

	*out = (struct root_view){.path = standby->site->settings->root, .id = standby->root->id,
	    .holder = &standby->other};
}

static const char *
give_state(void *ctx)
{
	(void)ctx;
	return "waiting";
}

static const char *
give_differs(void *ctx, size_t i)
{
	(void)ctx, (void)i;
	return NULL;
}

static int
give_sandbox(void *ctx, struct why *why)
{
	(void)ctx;
	why_say(why, "it has not started yet");
	return 0;
}

static void
ask_clients(void *ctx, uint64_t from, const struct view_filter *filter)
{
	struct standby *standby = ctx;

	(void)from, (void)filter;
	status_clients(standby->status, must_alloc(sizeof(struct client_view)), 0, 0);
}

static void
ask_wish(void *ctx, const struct wish *wish)
{
	struct standby *standby = ctx;
	struct why why;

	(void)give_trouble(ctx, &why);
	status_done(standby->status, wish->kind, 503, strdup(why.text));
}

static int
open_status(struct standby *standby, const struct passed *passed)
{
	const struct status_source source = {.stats = give_stats, .watched = give_nothing,
	    .inbox = give_inbox, .count = ask_count, .trouble = give_trouble,
	    .reload = give_reload, .host = give_host, .root = give_root, .state = give_state,
	    .differs = give_differs, .sandbox = give_sandbox, .look = ask_look,
	    .clients = ask_clients, .wish = ask_wish, .ctx = standby};
	const struct settings *settings = standby->site->settings;
	int fds[PASSED_MAX], fd = -1;

	/* The start that follows wants it, too. */
	if (passed_of(passed, SOCKET_STATUS, fds) > 0) {
		fd = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return why_say(&standby->error, "%s", strerror(errno));
	}
	standby->status = fd >= 0
	    ? status_open_on(standby->base, fd, &source, &standby->error)
	    : status_open(standby->base, settings->socket, settings_socket_mode(settings), &source,
	        &standby->error);
	return standby->status ? 0 : -1;
}

/* ---- the wait */

static void
tell(struct standby *standby)
{
	const struct holder *other = &standby->other;
	int64_t now = clock_monotonic();
	struct why line;

	notify_extend(EXTEND);
	if (standby->told != 0 && now - standby->told < TELL_EVERY &&
	    strcmp(standby->told_of, other->run) == 0)
		return;
	standby->told = now;
	memcpy(standby->told_of, other->run, sizeof other->run);
	log_event(LOG_NOTICE, "root_waiting",
	    "root=\"%s\" host=%s pid=%" PRIu64 " seconds=%lld note=\"another host's receiver has "
	    "it: this one serves once that lets go\"",
	    standby->site->settings->root, host_of(other), other->pid,
	    (long long)((now - standby->began) / CLOCK_SECOND));
	why_say(&line, "Waiting for the root, which host %s has", host_of(other));
	notify_status(line.text);
}

static void
on_ask(evutil_socket_t fd, short what, void *arg)
{
	struct standby *standby = arg;

	(void)fd, (void)what;
	standby->code = root_take(standby->root, standby->site->settings->root, &standby->other,
	    &standby->error);
	if (standby->code == HOLD_ELSEWHERE)
		tell(standby);
	else
		event_base_loopbreak(standby->base);
}

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
	struct standby *standby = arg;

	(void)number, (void)what;
	standby->is_stopped = 1;
	event_base_loopbreak(standby->base);
}

static void
block_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (int i = 0; i < SIGNALS; i++)
		sigaddset(&set, numbers[i]);
	pthread_sigmask(how, &set, NULL);
}

static int
open_events(struct standby *standby)
{
	const struct timeval every = {ASK_EVERY, 0};

	standby->ask = event_new(standby->base, -1, EV_PERSIST, on_ask, standby);
	if (!standby->ask || event_add(standby->ask, &every) < 0)
		return -1;
	for (int i = 0; i < SIGNALS; i++) {
		standby->signals[i] = evsignal_new(standby->base, numbers[i], on_signal, standby);
		if (!standby->signals[i] || event_add(standby->signals[i], NULL) < 0)
			return -1;
	}
	return 0;
}

static void
close_all(struct standby *standby)
{
	status_close(standby->status);
	for (int i = 0; i < SIGNALS; i++) {
		if (standby->signals[i])
			event_free(standby->signals[i]);
	}
	if (standby->ask)
		event_free(standby->ask);
	if (standby->base)
		event_base_free(standby->base);
	site_unref(standby->site);
}

/* A signal that has come amid the last question is taken; one that comes from now on waits until
 * we are through, and ends the process then, as it does in any start. */
static void
take_signals(struct standby *standby)
{
	block_signals(SIG_BLOCK);
	event_del(standby->ask);
	if (event_base_loop(standby->base, EVLOOP_NONBLOCK) < 0)
		fatal(EX_OSERR, "event_loop_failed", "worker=main");
}

/* Waits, until the root is ours, somebody stops it, or it can wait no longer. */
static int
wait_for(struct standby *standby, const struct passed *passed)
{
	standby->base = loop_new(0);
	if (!standby->base || open_events(standby) < 0)
		return start_failed(EX_OSERR, "start_failed", "out of memory");
	if (open_status(standby, passed) < 0)
		return start_failed(EX_UNAVAILABLE, "start_failed", standby->error.text);
	tell(standby);
	if (event_base_dispatch(standby->base) < 0)
		fatal(EX_OSERR, "event_loop_failed", "worker=main");
	take_signals(standby);
	if (standby->is_stopped) {
		notify_stopping();
		status_close(standby->status);
		log_event(LOG_NOTICE, "stopped", "note=\"it had waited for its root\"");
		end_now(0);
	}
	if (standby->code)
		return start_failed(standby->code, "start_failed", standby->error.text);
	log_event(LOG_NOTICE, "root_taken", "seconds=%lld",
	    (long long)((clock_monotonic() - standby->began) / CLOCK_SECOND));
	return 0;
}

/* Takes `settings`. */
static int
stand_by(struct root *root, struct settings *settings, const struct holder *other,
    const struct passed *passed)
{
	struct standby standby = {.root = root, .other = *other, .began = clock_monotonic(),
	    .code = HOLD_ELSEWHERE};
	int code;

	standby.site = site_new(settings, root->fd, fronts_alpn(), &code, &standby.error);
	if (!standby.site)
		return start_failed(code, "start_failed", standby.error.text);
	code = wait_for(&standby, passed);
	close_all(&standby);
	block_signals(SIG_UNBLOCK);
	return code;
}

/* ---- the whole */

static int
take(struct root *root, struct settings *settings, struct holder *other)
{
	struct why error;
	int code = root_look(root, settings->root, settings->id, &error);

	if (code == 0)
		code = root_take(root, settings->root, other, &error);
	if (code == 0 || code == HOLD_ELSEWHERE)
		return code;
	settings_free(settings);
	return start_failed(code, "start_failed", error.text);
}

/* Something else may have been mounted there, or the same anew: what was open all the time is
 * where nobody finds it. */
static int
lies_at(const struct root *root, const char *path)
{
	struct stat there, ours;

	return stat(path, &there) == 0 && fstat(root->fd, &ours) == 0 &&
	    there.st_dev == ours.st_dev && there.st_ino == ours.st_ino;
}

static int
is_another_root(const struct settings *settings, const char *path, const struct root *root)
{
	return strcmp(settings->root, path) != 0 || !lies_at(root, path) ||
	    (settings->id && strcmp(settings->id, root->id) != 0);
}

int
standby_take(struct root *root, struct settings **settings, const char *config,
    const struct passed *passed)
{
	struct holder other;
	struct why reason;
	int code = take(root, *settings, &other);

	while (code == HOLD_ELSEWHERE) {
		const struct conf_report report = conf_log(&reason);
		char *path = strdup((*settings)->root);

		code = stand_by(root, *settings, &other, passed);
		*settings = code == 0 ? settings_load(config, &report) : NULL;
		if (code == 0 && !*settings)
			code = EX_CONFIG;
		if (code == 0 && (!path || is_another_root(*settings, path, root))) {
			root_leave(root);
			code = take(root, *settings, &other);
		}
		free(path);
	}
	if (code == 0)
		log_set_level(conf_log_level(&(*settings)->log));
	return code;
}
