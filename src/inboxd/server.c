/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/server.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "inboxd/answers.h"
#include "inboxd/arrive/admission.h"
#include "inboxd/arrive/listener.h"
#include "inboxd/arrive/preface.h"
#include "inboxd/base/dropped.h"
#include "inboxd/base/fatal.h"
#include "inboxd/base/pauses.h"
#include "inboxd/base/root.h"
#include "inboxd/base/site.h"
#include "inboxd/commit/request.h"
#include "inboxd/confine.h"
#include "inboxd/console/console.h"
#include "inboxd/ebb.h"
#include "inboxd/expiry.h"
#include "inboxd/footing.h"
#include "inboxd/fronts.h"
#include "inboxd/loaded.h"
#include "inboxd/sockets.h"
#include "inboxd/standby.h"
#include "inboxd/status/lookout.h"
#include "inboxd/status/survey.h"
#include "inboxd/supervisor.h"
#include "inboxd/threads.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/log_writer.h"
#include "lib/loop.h"
#include "lib/memory.h"
#include "lib/notify.h"

#define SIGNALS 3

struct server {
	const char *config;
	const struct passed *passed;
	struct site *site;
	struct event_base *base;
	struct root root;
	struct trial footing; /* what its file system can do */
	struct mailbox *in;
	struct event *inbound, *signals[SIGNALS], *deadline, *calendar, *look;
	struct threads threads;
	struct listener *listener;
	struct prefaces *prefaces;
	struct admission *admission;
	struct answers answers;
	struct console *console;
	struct pauses pauses;
	struct supervisor *supervisor;
	struct expiry expiry;
	struct ebb ebb;
	struct reloads reloads;
	struct confine confine;
	struct stats stats;
	int draining;
};

/* ---- connections */

static void
give(void *ctx, struct ticket *ticket, int fd, const struct sockaddr *client)
{
	struct server *server = ctx;

	threads_give(&server->threads, ticket, fd, client);
}

static void
on_short(void *ctx, int is_short)
{
	struct server *server = ctx;

	threads_set_short(&server->threads, is_short);
}

/* ---- what runs out */

static void
look_at_calendar(struct server *server)
{
	struct timeval next = {
	    (time_t)expiry_look(&server->expiry, server->site->tls, &server->stats), 0};

	if (event_add(server->calendar, &next) < 0)
		log_event(LOG_WARNING, "no_calendar", "error=\"out of memory\"");
}

static void
on_calendar(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	look_at_calendar(arg);
}

/* ---- when a flood is over */

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;
	int64_t start = clock_monotonic();

	(void)fd, (void)what;
	if (!ebb_look(&server->ebb, answers_sum(&server->answers, STAT_NOW_CONNECTIONS),
	    answers_sum(&server->answers, STAT_CONNECTIONS)))
		return;
	memory_give_back();
	log_event(LOG_DEBUG, "memory_given_back", "microseconds=%lld",
	    (long long)(clock_monotonic() - start));
}

/* ---- pauses */

static void
on_paused(void *ctx)
{
	struct server *server = ctx;
	int64_t since = server->pauses.all.since;
	int is_paused = since != 0;

	if (since == PAUSE_SINCE_UNKNOWN)
		since = (int64_t)time(NULL);
	stats_set(&server->stats, STAT_NOW_PAUSED, (uint64_t)is_paused);
	stats_set(&server->stats, STAT_NOW_PAUSED_SINCE, (uint64_t)since);
	if (!server->draining)
		supervisor_set_state(
		    server->supervisor, is_paused ? SENTENCE_PAUSED : SENTENCE_SERVING);
}

/* ---- reload */

static void
reload(struct server *server)
{
	struct site *site;

	notify_reloading();
	site = loaded_read(server->config, server->site, server->root.fd, &server->confine,
	    &server->reloads.error);
	if (!site) {
		stats_add(&server->stats, STAT_RELOADS_FAILED, 1);
		lookout_ask(server->threads.lookout);
		stats_set(&server->stats, STAT_NOW_RELOAD_FAILED, 1);
		log_event(LOG_ERR, "reload_failed", "note=\"the old configuration stays\"");
		supervisor_tell(server->supervisor);
		notify_ready();
		return;
	}
	pauses_look(&server->pauses, site, 0);
	threads_set_site(&server->threads, site);
	site_unref(server->site);
	server->site = site;
	on_paused(server);
	admission_set_limits(server->admission, site->settings);
	log_set_level(conf_log_level(&site->settings->log));
	stats_add(&server->stats, STAT_RELOADS, 1);
	server->reloads.at = (int64_t)time(NULL);
	answers_reloaded(&server->answers);
	stats_set(&server->stats, STAT_NOW_RELOAD_FAILED, 0);
	log_event(LOG_NOTICE, "reloaded", "inboxes=%zu", site->inbox_count);
	look_at_calendar(server);
	supervisor_tell(server->supervisor);
	notify_ready();
}

/* ---- drain */

static void
drain(struct server *server)
{
	const struct timeval limit = {(time_t)server->site->settings->drain, 0};
	uint64_t connections = answers_sum(&server->answers, STAT_NOW_CONNECTIONS);

	if (server->draining)
		return;
	server->draining = server->answers.is_draining = 1;
	notify_stopping();
	supervisor_set_state(server->supervisor, SENTENCE_DRAINING);
	log_event(LOG_NOTICE, "draining", "connections=%llu in_flight=%llu",
	    (unsigned long long)connections,
	    (unsigned long long)answers_sum(&server->answers, STAT_NOW_IN_FLIGHT));
	admission_set_listeners(server->admission, NULL, NULL);
	listener_close(server->listener);
	prefaces_close(server->prefaces);
	server->listener = NULL;
	server->prefaces = NULL;
	threads_drain(&server->threads, connections);
	/* Without memory for the limit it is over now. */
	if (event_add(server->deadline, &limit) < 0)
		event_active(server->deadline, EV_TIMEOUT, 0);
}

/* Without the mark the next start drops what has come of large items. */
static void
mark_stopped(struct server *server)
{
	if (footing_sync_parts(server->root.fd, server->site) < 0)
		log_event(LOG_WARNING, "root_not_marked", "error=\"%s\"", strerror(errno));
	else
		root_mark_stopped(&server->root);
}

/* Threads may still be at work, so the process ends without taking anything
 * down.  Nothing is lost: what was not answered is still with its client. */
static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;
	unsigned long long in_flight = answers_sum(&server->answers, STAT_NOW_IN_FLIGHT);

	(void)fd, (void)what;
	answers_close(&server->answers);
	if (in_flight > 0)
		fatal(EX_TEMPFAIL, "drain_timeout", "in_flight=%llu", in_flight);
	mark_stopped(server);
	log_event(LOG_NOTICE, "stopped", "note=\"some clients had not closed yet\"");
	end_now(0);
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
	if (request_return(message) || admission_take(server->admission, message) ||
	    supervisor_take(server->supervisor, message))
		return;
	if (message->kind == SURVEY_COUNTED)
		answers_counted(&server->answers, (struct counted *)message);
	else if (message->kind == LOOKOUT_LOOKED)
		answers_looked(&server->answers, (struct looked *)message);
	else if (threads_have_drained(&server->threads, message))
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

/* ---- start */

static int
start_answers(struct server *server)
{
	int fds[PASSED_MAX];
	size_t count = passed_of(server->passed, SOCKET_STATUS, fds);
	struct why why = {"more than one status socket was passed"};

	server->answers = (struct answers){.threads = &server->threads, .site = &server->site,
	    .root = &server->root, .footing = &server->footing,
	    .stats = &server->stats, .reloads = &server->reloads, .confine = &server->confine,
	    .pauses = &server->pauses, .on_paused = on_paused, .ctx = server,
	    .passed = count > 0 ? fds[0] : -1};
	if (count > 1)
		return start_failed(EX_CONFIG, "start_failed", why.text);
	if (answers_open(&server->answers, server->base, &why) < 0)
		return start_failed(EX_UNAVAILABLE, "start_failed", why.text);
	return 0;
}

static int
start_events(struct server *server)
{
	static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
	const struct timeval look_every = {EBB_EVERY, 0};
	sigset_t hangup;

	server->inbound = event_new(server->base, mailbox_fd(server->in), EV_READ | EV_PERSIST,
	    on_inbound, server);
	server->deadline = event_new(server->base, -1, 0, on_deadline, server);
	server->supervisor = supervisor_new(server->base, &server->answers);
	server->calendar = event_new(server->base, -1, 0, on_calendar, server);
	server->look = event_new(server->base, -1, EV_PERSIST, on_look, server);
	if (!server->inbound || !server->deadline || !server->supervisor || !server->calendar ||
	    !server->look || event_add(server->inbound, NULL) < 0 ||
	    event_add(server->look, &look_every) < 0)
		return start_failed(EX_OSERR, "start_failed", "out of memory");
	for (int i = 0; i < SIGNALS; i++) {
		server->signals[i] = evsignal_new(server->base, numbers[i], on_signal, server);
		if (!server->signals[i] || event_add(server->signals[i], NULL) < 0)
			return start_failed(EX_OSERR, "start_failed", "out of memory");
	}
	/* main() has blocked it: one that came early is not fatal but done now. */
	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	pthread_sigmask(SIG_UNBLOCK, &hangup, NULL);
	look_at_calendar(server);
	return 0;
}

static int
start_sockets(struct server *server)
{
	const struct settings *settings = server->site->settings;
	const struct admission_setup setup = {.base = server->base, .stats = &server->stats,
	    .give = give, .on_short = on_short, .ctx = server};
	int listen[PASSED_MAX], proxy[PASSED_MAX];
	struct listener_setup listening = {.setting = "listen", .listen = &settings->listen,
	    .passed = listen, .passed_count = passed_of(server->passed, SOCKET_LISTEN, listen),
	    .on_accept = admission_knock};
	struct prefaces_setup proxied = {.site = &server->site, .stats = &server->stats,
	    .passed = proxy, .passed_count = passed_of(server->passed, SOCKET_PROXY, proxy),
	    .on_accept = admission_knock};
	struct why why;

	server->admission = admission_new(&setup, settings);
	if (!server->admission)
		return start_failed(EX_OSERR, "start_failed", strerror(errno));
	listening.ctx = proxied.ctx = server->admission;
	server->listener = listener_open(server->base, &listening, &why);
	if (server->listener)
		server->prefaces = prefaces_open(server->base, &proxied, &why);
	if (!server->prefaces)
		return start_failed(EX_UNAVAILABLE, "start_failed", why.text);
	admission_set_listeners(server->admission, server->listener, server->prefaces);
	return 0;
}

/* Behind the others: who looks for the receiver's port in the log finds that first. */
static int
start_console(struct server *server)
{
	int fds[PASSED_MAX];
	struct console_setup setup = {.listen = &server->site->settings->web, .passed = fds,
	    .passed_count = passed_of(server->passed, SOCKET_WEB, fds),
	    .status = server->answers.status};
	struct why why;

	server->console = console_open(server->base, &setup, &why);
	return server->console ? 0 : start_failed(EX_UNAVAILABLE, "start_failed", why.text);
}

/* Behind all that only a start opens, and before there is a second thread. */
static int
start_confined(struct server *server)
{
	struct why error;
	int code = confine_enter(
	    &server->confine, server->config, server->site->settings, &error);

	if (code)
		return start_failed(code, "start_failed", error.text);
	return log_start() == 0 ? 0 : start_failed(EX_OSERR, "start_failed", "out of memory");
}

static int
start(struct server *server, struct settings *settings)
{
	struct why error;
	int code = standby_take(&server->root, &settings, server->config, server->passed);

	if (code)
		return code;
	if (footing_try(server->root.fd, settings, &server->footing, &error) < 0)
		return start_failed(EX_CONFIG, "start_failed", error.text);
	sockets_log(server->passed);
	server->site = site_new(settings, server->root.fd, fronts_alpn(), &code, &error);
	if (!server->site)
		return start_failed(code, "start_failed", error.text);
	server->pauses.root = server->root.fd;
	pauses_look(&server->pauses, server->site, 1);
	server->base = loop_new(0);
	server->in = mailbox_new();
	if (!server->base || !server->in)
		return start_failed(EX_OSERR, "start_failed", strerror(errno));
	/* Sockets before the ledger: a start that finds its port taken, again and again,
	 * begins no segment each time.  Nobody is accepted before all is there. */
	code = start_answers(server);
	if (code == 0)
		code = start_sockets(server);
	if (code == 0)
		code = start_console(server);
	if (code == 0)
		code = start_confined(server);
	if (code == 0)
		code = threads_start(&server->threads, server->site, &server->root, server->in);
	if (code == 0)
		code = start_events(server);
	if (code)
		return code;
	/* Last: a start that fails gives the next one no doubts of its own. */
	code = root_mark_running(&server->root, &error);
	return code ? start_failed(code, "start_failed", error.text) : 0;
}

/* ---- end */

static void
stop_events(struct server *server)
{
	struct event *events[] = {server->inbound, server->deadline, server->calendar, server->look,
	    server->signals[0], server->signals[1], server->signals[2]};
	struct message *message, *next;

	answers_close(&server->answers);
	console_close(server->console); /* behind those who have its requests */
	supervisor_free(server->supervisor);
	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
		event_free(events[i]);
	for (message = mailbox_take(server->in); message; message = next) {
		next = message->next;
		if (admission_take(server->admission, message))
			continue;
		if (!answers_drop(message))
			free(message);
	}
	mailbox_free(server->in);
	admission_free(server->admission);
	event_base_free(server->base);
}

void
server_run(const char *config, struct settings *settings, const struct passed *passed)
{
	struct server server = {.config = config, .passed = passed};
	int code;

	if (geteuid() == 0)
		log_event(LOG_WARNING, "runs_as_root",
		    "note=\"it needs no privilege: give it a user of its own\"");
	code = start(&server, settings);
	if (code)
		end_now(code);
	dropped_warn(server.root.fd, server.site, NULL);
	on_paused(&server);
	log_event(LOG_NOTICE, "ready", "version=%s workers=%zu inboxes=%zu", PACKAGE_VERSION,
	    server.threads.count, server.site->inbox_count);
	supervisor_tell(server.supervisor);
	notify_ready();
	if (event_base_dispatch(server.base) < 0)
		fatal(EX_OSERR, "event_loop_failed", "worker=main");
	threads_stop(&server.threads);
	stop_events(&server);
	mark_stopped(&server);
	site_unref(server.site);
	root_leave(&server.root);
	confine_free(&server.confine);
	log_event(LOG_NOTICE, "stopped", "%s", "");
}
