/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/server.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inboxd/commit/commit.h"
#include "inboxd/base/fatal.h"
#include "inboxd/arrive/listener.h"
#include "inboxd/notify.h"
#include "inboxd/recover/recover.h"
#include "inboxd/base/root.h"
#include "inboxd/base/site.h"
#include "inboxd/status/status.h"
#include "inboxd/serve/worker.h"
#include "lib/disk.h"
#include "lib/log.h"

#define CROWD 64 /* connections beyond the limit that are told so before they go */
#define SIGNALS 3

struct server {
	const char *config;
	struct site *site;
	struct event_base *base;
	struct root root;
	struct mailbox *in;
	struct event *inbound, *signals[SIGNALS], *watchdog, *deadline;
	struct commit *commit;
	struct worker **workers;
	size_t worker_count, next_worker, drained;
	struct listener *listener;
	struct status *status;
	struct stats stats;
	struct log_gate gate;
	int draining;
};

static void
log_conf_error(void *ctx, const char *message)
{
	(void)ctx;
	log_event(LOG_ERR, "config_error", "note=\"%s\"", message);
}

static const struct conf_report report = {log_conf_error, NULL};

/* ---- connections */

static uint64_t
sum_stats(struct server *server, enum counter which)
{
	uint64_t sum = stats_get(&server->stats, which);

	if (server->commit)
		sum += stats_get(commit_stats(server->commit), which);
	for (size_t i = 0; i < server->worker_count; i++)
		sum += stats_get(worker_stats(server->workers[i]), which);
	return sum;
}

static void
on_accept(void *ctx, int fd)
{
	struct server *server = ctx;
	uint64_t open = sum_stats(server, STAT_NOW_CONNECTIONS);
	uint64_t most = server->site->settings->connections;
	struct newcomer *newcomer;

	if (open >= most) {
		stats_add(&server->stats, STAT_CONNECTIONS_CROWDED, 1);
		log_limited(&server->gate, LOG_WARNING, "connections_crowded", "open=%llu",
		    (unsigned long long)open);
	}
	if (open >= most + CROWD) {
		close(fd);
		return;
	}
	newcomer = must_alloc(sizeof *newcomer);
	newcomer->message.kind = WORKER_CONNECTION;
	newcomer->fd = fd;
	newcomer->crowded = open >= most;
	/* Counted here, not where it is served: of a burst, too many would be let in. */
	stats_add(&server->stats, STAT_NOW_CONNECTIONS, 1);
	mailbox_post(worker_mailbox(server->workers[server->next_worker]), &newcomer->message);
	server->next_worker = (server->next_worker + 1) % server->worker_count;
}

/* ---- the status socket's questions */

static void
give_stats(void *ctx, uint64_t values[STATS_COUNT])
{
	for (int i = 0; i < STATS_COUNT; i++)
		values[i] = sum_stats(ctx, (enum counter)i);
}

static int
give_inbox(void *ctx, size_t i, struct inbox_view *out)
{
	const struct server *server = ctx;

	if (i >= server->site->inbox_count)
		return -1;
	inbox_look(&server->site->inboxes[i], out);
	return 0;
}

static void
ask_commit(struct server *server, struct request *request, enum commit_message kind,
    void (*take_back)(struct request *request))
{
	request->message.kind = (int)kind;
	request->reply = server->in;
	request->take_back = take_back;
	request->asker = server;
	mailbox_post(commit_mailbox(server->commit), &request->message);
}

static void
on_view(struct request *request)
{
	struct server *server = request->asker;
	struct view *view = (struct view *)request;

	status_clients(server->status, view->ticket, view->views, view->count);
	free(view);
}

static void
ask_clients(void *ctx, uint64_t ticket)
{
	struct server *server = ctx;
	struct view *view = must_alloc(sizeof *view);

	view->ticket = ticket;
	ask_commit(server, &view->request, COMMIT_VIEW, on_view);
}

/* ---- reload */

static struct site *
load_site(struct server *server)
{
	char error[SITE_ERROR_ROOM];
	struct settings *settings = settings_load(server->config, &report);
	struct site *site;

	if (!settings)
		return NULL;
	/* Keys that need a restart must be as they were. */
	if (conf_changed(&settings_schema, server->site->settings, settings, &report) != 0) {
		settings_free(settings);
		return NULL;
	}
	site = site_new(settings, server->root.fd, error);
	if (!site)
		log_event(LOG_ERR, "config_error", "note=\"%s\"", error);
	return site;
}

static void
reload(struct server *server)
{
	struct site *site;

	notify_reloading();
	site = load_site(server);
	if (!site) {
		stats_add(&server->stats, STAT_RELOADS_FAILED, 1);
		log_event(LOG_ERR, "reload_failed", "note=\"the old configuration stays\"");
		notify_ready();
		return;
	}
	for (size_t i = 0; i < server->worker_count; i++) {
		struct new_site *message = must_alloc(sizeof *message);
		message->message.kind = WORKER_SITE;
		message->site = site_ref(site);
		mailbox_post(worker_mailbox(server->workers[i]), &message->message);
	}
	site_unref(server->site);
	server->site = site;
	log_set_level(settings_log_level(site->settings));
	stats_add(&server->stats, STAT_RELOADS, 1);
	log_event(LOG_NOTICE, "reloaded", "inboxes=%zu", site->inbox_count);
	notify_ready();
}

/* ---- drain */

static void
drain(struct server *server)
{
	const struct timeval limit = {(time_t)server->site->settings->drain, 0};

	if (server->draining)
		return;
	server->draining = 1;
	notify_stopping();
	log_event(LOG_NOTICE, "draining", "connections=%llu in_flight=%llu",
	    (unsigned long long)sum_stats(server, STAT_NOW_CONNECTIONS),
	    (unsigned long long)sum_stats(server, STAT_NOW_IN_FLIGHT));
	listener_close(server->listener);
	server->listener = NULL;
	for (size_t i = 0; i < server->worker_count; i++) {
		struct message *message = must_alloc(sizeof *message);
		message->kind = WORKER_DRAIN;
		mailbox_post(worker_mailbox(server->workers[i]), message);
	}
	/* Without memory for the limit it is over now. */
	if (event_add(server->deadline, &limit) < 0)
		event_active(server->deadline, EV_TIMEOUT, 0);
}

/* Threads may still be at work, so the process ends without taking anything
 * down.  Nothing is lost: what was not answered is still with its client. */
static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;
	unsigned long long in_flight = sum_stats(server, STAT_NOW_IN_FLIGHT);

	(void)fd, (void)what;
	status_close(server->status);
	if (in_flight > 0)
		fatal(EX_TEMPFAIL, "drain_timeout", "in_flight=%llu", in_flight);
	root_mark_stopped(&server->root);
	log_event(LOG_NOTICE, "stopped", "note=\"some clients had not closed yet\"");
	_exit(0);
}

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
	(void)what;
	if (number == SIGHUP)
		reload(arg);
	else
		drain(arg);
}

/* ---- messages */

static void
on_message(struct server *server, struct message *message)
{
	if (message->kind != WORKER_DRAINED) {
		(void)request_return(message);
		return;
	}
	free(message);
	if (++server->drained == server->worker_count)
		event_base_loopbreak(server->base);
}

static void
on_inbound(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;
	struct message *message, *next;

	(void)fd, (void)what;
	for (message = mailbox_take(server->in); message; message = next) {
		next = message->next;
		on_message(server, message);
	}
}

/* Fed by the commit thread's answer: a receiver that cannot store is not alive. */
static void
on_probe(struct request *request)
{
	notify_watchdog();
	free(request);
}

static void
on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	ask_commit(arg, must_alloc(sizeof(struct request)), COMMIT_PROBE, on_probe);
}

/* ---- start */

static int
fail_start(int code, const char *event, const char *why)
{
	log_event(LOG_CRIT, event, "error=\"%s\" exit=%d", why, code);
	return code;
}

static int
start_commit(struct server *server, uint32_t start, unsigned number)
{
	const struct settings *settings = server->site->settings;
	struct commit_settings wanted = {
	    .root = server->root.fd,
	    .sync = settings->sync,
	    .ledger_size = settings->ledger_size,
	    .ledger_days = settings->ledger_days,
	    .unsettled = settings->unsettled,
	    .queues = settings->queues,
	    .start = start,
	    .number = number,
	};
	char error[RECOVER_ERROR_ROOM];
	struct clients *clients = clients_new();
	struct ledger *ledger;
	int code;

	ledger = recover_run(server->site, &server->root, clients, &code, error);
	if (!ledger)
		return fail_start(code, "recovery_failed", error);
	server->commit = commit_start(&wanted, clients, ledger);
	return server->commit ? 0 : fail_start(EX_OSERR, "start_failed", strerror(errno));
}

static int
start_workers(struct server *server, uint32_t start, size_t count)
{
	struct worker_settings wanted = {
	    .start = start,
	    .queue = server->site->settings->queue / count,
	    .root = server->root.fd,
	    .commit = commit_mailbox(server->commit),
	    .main = server->in,
	};

	server->workers = must_alloc(count * sizeof(struct worker *));
	for (size_t i = 0; i < count; i++) {
		wanted.number = (unsigned)i;
		server->workers[i] = worker_start(&wanted, server->site);
		if (!server->workers[i])
			return fail_start(EX_OSERR, "start_failed", strerror(errno));
		server->worker_count++;
	}
	return 0;
}

static int
start_threads(struct server *server)
{
	uint64_t count = server->site->settings->workers;
	uint32_t start;
	int code;

	if (count == 0) {
		long cores = sysconf(_SC_NPROCESSORS_ONLN);
		count = cores < 1 ? 1 : cores > 64 ? 64 : (uint64_t)cores;
	}
	if (getentropy(&start, sizeof start) < 0)
		return fail_start(EX_OSERR, "start_failed", strerror(errno));
	code = start_commit(server, start, (unsigned)count);
	return code ? code : start_workers(server, start, count);
}

static int
start_events(struct server *server)
{
	static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
	uint64_t interval = notify_watchdog_interval() / 2;
	struct timeval every = {(time_t)(interval / 1000000), (suseconds_t)(interval % 1000000)};
	sigset_t hangup;

	server->inbound = event_new(server->base, mailbox_fd(server->in), EV_READ | EV_PERSIST,
	    on_inbound, server);
	server->deadline = event_new(server->base, -1, 0, on_deadline, server);
	server->watchdog = event_new(server->base, -1, EV_PERSIST, on_watchdog, server);
	if (!server->inbound || !server->deadline || !server->watchdog ||
	    event_add(server->inbound, NULL) < 0 ||
	    (interval > 0 && event_add(server->watchdog, &every) < 0))
		return fail_start(EX_OSERR, "start_failed", "out of memory");
	for (int i = 0; i < SIGNALS; i++) {
		server->signals[i] = evsignal_new(server->base, numbers[i], on_signal, server);
		if (!server->signals[i] || event_add(server->signals[i], NULL) < 0)
			return fail_start(EX_OSERR, "start_failed", "out of memory");
	}
	/* main() has blocked it: one that came early is not fatal but done now. */
	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	pthread_sigmask(SIG_UNBLOCK, &hangup, NULL);
	return 0;
}

static int
start_sockets(struct server *server)
{
	const struct settings *settings = server->site->settings;
	struct status_source source = {give_stats, give_inbox, ask_clients, server};
	char why[512];

	server->status = status_open(
	    server->base, settings->socket, settings_socket_mode(settings), &source, why);
	if (!server->status)
		return fail_start(EX_UNAVAILABLE, "start_failed", why);
	server->listener = listener_open(server->base, &settings->listen, on_accept, server, why);
	return server->listener ? 0 : fail_start(EX_UNAVAILABLE, "start_failed", why);
}

static int
start(struct server *server, struct settings *settings)
{
	char error[SITE_ERROR_ROOM];
	int code = root_take(&server->root, settings->root, error);

	if (code) {
		settings_free(settings);
		return fail_start(code, "start_failed", error);
	}
	if (settings->sync == SYNC_FILESYSTEM && !disk_has_syncfs())
		return fail_start(EX_CONFIG, "start_failed",
		    "sync = filesystem needs syncfs(2), which this system lacks: set files");
	server->site = site_new(settings, server->root.fd, error);
	if (!server->site)
		return fail_start(EX_CONFIG, "start_failed", error);
	server->base = event_base_new();
	server->in = mailbox_new();
	if (!server->base || !server->in)
		return fail_start(EX_OSERR, "start_failed", strerror(errno));
	/* Sockets before the ledger: a start that finds its port taken, again and again,
	 * begins no segment each time.  Nobody is accepted before all is there. */
	code = start_sockets(server);
	if (code == 0)
		code = start_threads(server);
	if (code == 0)
		code = start_events(server);
	if (code)
		return code;
	/* Last: a start that fails gives the next one no doubts of its own. */
	code = root_mark_running(&server->root, error);
	return code ? fail_start(code, "start_failed", error) : 0;
}

/* ---- end */

static void
stop_threads(struct server *server)
{
	for (size_t i = 0; i < server->worker_count; i++)
		worker_join(server->workers[i]);
	if (server->commit)
		commit_stop(server->commit);
	server->commit = NULL;
	for (size_t i = 0; i < server->worker_count; i++)
		worker_free(server->workers[i]);
	free(server->workers);
	server->worker_count = 0;
}

static void
stop_events(struct server *server)
{
	struct event *events[] = {server->inbound, server->deadline, server->watchdog,
	    server->signals[0], server->signals[1], server->signals[2]};
	struct message *message, *next;

	status_close(server->status);
	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
		event_free(events[i]);
	for (message = mailbox_take(server->in); message; message = next) {
		next = message->next;
		if (message->kind == COMMIT_VIEW)
			free(((struct view *)message)->views);
		free(message);
	}
	mailbox_free(server->in);
	event_base_free(server->base);
}

void
server_run(const char *config, struct settings *settings)
{
	struct server server = {.config = config};
	int code;

	if (geteuid() == 0)
		log_event(LOG_WARNING, "runs_as_root",
		    "note=\"it needs no privilege: give it a user of its own\"");
	code = start(&server, settings);
	if (code)
		_exit(code); /* exit() would take things down below running threads */
	log_event(LOG_NOTICE, "ready", "version=%s workers=%zu inboxes=%zu", PACKAGE_VERSION,
	    server.worker_count, server.site->inbox_count);
	notify_ready();
	if (event_base_dispatch(server.base) < 0)
		fatal(EX_OSERR, "event_loop_failed", "worker=main");
	stop_threads(&server);
	stop_events(&server);
	site_unref(server.site);
	root_release(&server.root);
	log_event(LOG_NOTICE, "stopped", "%s", "");
}
