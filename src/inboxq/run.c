/* SPDX-License-Identifier: ISC */
/*
 * All happens on one event loop: a step (the next session, the next wait, or
 * the end) is an event of its own, so no callback of a session ever frees it.
 *
 * A reload is read and checked at once, and taken between two sessions: the one
 * under way ends in order with what it began with, and what does not do costs
 * no session.
 *
 * Trouble with our own spool ends the program: what a failed sync has done to
 * the page cache is not known here, and a new start reads all from disk.  A full
 * disk is no such trouble; it passes.
 */
#include "config.h"

#include "inboxq/run.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "inboxq/spool/sentlog.h"
#include "inboxq/loaded.h"
#include "inboxq/queue/again.h"
#include "inboxq/queue/backoff.h"
#include "inboxq/queue/ends.h"
#include "inboxq/queue/scan.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/base/settings.h"
#include "inboxq/spool/spool.h"
#include "inboxq/uplink/uplink.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/inherit.h"
#include "lib/log.h"
#include "lib/log_writer.h"
#include "lib/loop.h"
#include "lib/tls.h"

#define SECOND ((uint64_t)CLOCK_SECOND)
#define STOP_SECONDS 5
#define DESCRIPTORS 32 /* without which no start can succeed */

struct run {
	const char *config;
	struct settings *settings;
	const struct run_options *options;
	struct spool *spool;
	struct sentlog *sentlog;
	struct schedule *schedule;
	struct ends *ends;
	struct again again;
	struct scan scan;
	struct event_base *base;
	struct event *step, *tick, *sigterm, *sigint, *sighup;
	struct uplink_setup setup;
	struct uplink *uplink;
	size_t server;      /* the next one to try in this cycle */
	int64_t *not_before; /* of each server, by its GOAWAY: monotonic seconds */
	struct backoff backoff;
	uint64_t stored;    /* when the back-off was last looked at */
	struct loaded *next; /* to be taken before the next session; or NULL */
	int run_lock;
	int stopping, served; /* served: a session came to its orderly end */
	int rests; /* sent away with nothing to send: the first item ends the wait */
	int exit_code;
	int64_t begun; /* clock_monotonic() */
};

static void
step_in(struct run *run, uint64_t microseconds)
{
	struct timeval wait = {.tv_sec = (time_t)(microseconds / SECOND),
	    .tv_usec = (suseconds_t)(microseconds % SECOND)};

	if (event_add(run->step, &wait) == 0)
		return;
	/* Without its timer it would wait for ever. */
	log_event(LOG_ERR, "no_memory", "for=timer");
	run->exit_code = EX_OSERR;
	run->stopping = 1;
	event_active(run->step, EV_TIMEOUT, 0);
}

/* Our spool failed us. */
static void
on_trouble(struct run *run, const char *where, int error)
{
	log_event(LOG_ERR, "spool_trouble", "in=%s error=\"%s\"", where, strerror(error));
	if (disk_is_full(error) || error == EWOULDBLOCK) {
		run->server = run->settings->servers.count;
		return;
	}
	run->exit_code = EX_IOERR;
	run->stopping = 1;
}

static void
print_progress(const struct run *run)
{
	const struct schedule_counts *counts = schedule_counts(run->schedule);
	const struct ends_counts *ends = ends_counts(run->ends);
	uint64_t done = ends->stored + ends->refused;
	uint64_t all = done + counts->waiting + counts->sent + counts->answered;
	uint64_t bytes = ends->stored_bytes + (run->uplink ? uplink_bytes(run->uplink) : 0);
	double seconds = 1e-6 * (double)(clock_monotonic() - run->begun);
	char line[128];
	int len;

	/* As the log: whoever reads it holds up nothing. */
	len = snprintf(line, sizeof line,
	    "%" PRIu64 " of %" PRIu64 " items, %.1f MiB, %.0f items/s\n", done, all,
	    (double)bytes / (1024 * 1024), (double)done / (seconds + 1e-9));
	log_writer_put(line, (size_t)len);
}

static void
on_end(void *ctx, enum uplink_end end, uint64_t seconds, int error)
{
	struct run *run = ctx;
	const struct schedule_counts *counts = schedule_counts(run->schedule);
	size_t tried = run->server - 1;

	switch (end) {
	case UPLINK_DONE:
		run->served = 1;
		break;
	case UPLINK_LOST:
		break;
	case UPLINK_AWAY:
		run->rests = seconds == 0 && counts->waiting + counts->sent == 0;
		run->served |= counts->waiting + counts->sent == 0;
		run->not_before[tried] = clock_seconds() + (int64_t)seconds;
		break;
	case UPLINK_TROUBLE:
		on_trouble(run, "session", error);
		break;
	}
	step_in(run, 0);
}

/* The next server of this cycle that did not ask us to stay away; 0 if there is
 * none. */
static int
start_session(struct run *run)
{
	const struct conf_list *servers = &run->settings->servers;

	while (run->server < servers->count) {
		size_t i = run->server++;

		if (run->not_before[i] > clock_seconds())
			continue;
		run->uplink = uplink_new(&run->setup, servers->items[i]);
		if (run->uplink)
			return 1;
		on_trouble(run, "session", ENOMEM);
	}
	return 0;
}

/* How long to wait for the next cycle, microseconds. */
static uint64_t
next_wait(struct run *run)
{
	uint64_t stored = ends_counts(run->ends)->stored, wait, asked = 0;
	int64_t now = clock_seconds(), first = INT64_MAX;

	if (stored != run->stored)
		run->backoff.wait = run->settings->retry_min;
	run->stored = stored;
	wait = backoff_next(
	    &run->backoff, run->settings->retry_min, run->settings->retry_max);
	for (size_t i = 0; i < run->settings->servers.count; i++)
		if (run->not_before[i] < first)
			first = run->not_before[i];
	if (first > now)
		asked = backoff_asked(&run->backoff, (uint64_t)(first - now));
	return wait > asked ? wait : asked;
}

/* Between two sessions.  A server that asked us to stay away is still left
 * alone, and the back-off still falls by a stored item only. */
static void
take_next(struct run *run)
{
	struct loaded *next = run->next, old = {*run->settings, run->setup.tls, run->not_before};
	const struct conf_list *servers = &next->settings.servers;

	for (size_t i = 0; i < servers->count; i++)
		for (size_t k = 0; k < old.settings.servers.count; k++)
			if (strcmp(servers->items[i], old.settings.servers.items[k]) == 0)
				next->not_before[i] = old.not_before[k];
	*run->settings = next->settings;
	run->setup.tls = next->tls;
	run->not_before = next->not_before;
	*next = old;
	loaded_free(next);
	run->next = NULL;
	run->server = 0;
	if (run->backoff.wait < run->settings->retry_min)
		run->backoff.wait = run->settings->retry_min;
	if (run->backoff.wait > run->settings->retry_max)
		run->backoff.wait = run->settings->retry_max;
	log_setup(conf_log_level(&run->settings->log), (enum log_format)run->settings->log.format);
	log_event(LOG_NOTICE, "reloaded", "servers=%zu", run->settings->servers.count);
}

static void
on_hangup(evutil_socket_t signal_number, short events, void *ctx)
{
	struct run *run = ctx;
	struct why reason;
	struct loaded *next;

	(void)signal_number, (void)events;
	if (run->stopping)
		return;
	next = loaded_read(run->config, run->settings, &reason);
	if (!next) {
		log_event(LOG_ERR, "reload_failed",
		    "error=\"%s\" note=\"the old configuration stays\"", reason.text);
		return;
	}
	loaded_free(run->next);
	run->next = next;
	/* Nobody hurries it as a stop does: it has the time that any answer has. */
	if (run->uplink)
		uplink_stop(run->uplink, (unsigned)run->settings->timeout);
	else
		step_in(run, 0);
}

/* At what there is to send. */
static int
look(struct run *run)
{
	if (again_offer(&run->again, run->spool, run->settings->offer_again) < 0)
		return -1;
	return scan_queue(&run->scan, run->spool, run->schedule);
}

/* The session before is over, or the wait is. */
static void
on_step(evutil_socket_t fd, short events, void *ctx)
{
	struct run *run = ctx;
	int was_cycle = run->uplink != NULL, is_over;
	uint64_t wait;

	(void)fd, (void)events;
	uplink_free(run->uplink);
	run->uplink = NULL;
	schedule_take_back(run->schedule);
	if (run->next && !run->stopping)
		take_next(run);
	else if (!was_cycle)
		run->server = 0;
	/* What is not known is not told: on trouble no server is left for this cycle. */
	if (!run->stopping && look(run) < 0)
		on_trouble(run, "scan", errno);
	is_over = run->stopping || (run->options->once && run->served);
	if (!is_over && start_session(run)) {
		run->rests = 0;
		return;
	}
	if (is_over || run->options->once) {
		event_base_loopbreak(run->base);
		return;
	}
	wait = next_wait(run);
	log_event(LOG_INFO, "cycle_over", "pending=%" PRIu64 " next_in=%" PRIu64,
	    schedule_counts(run->schedule)->waiting, (wait + SECOND - 1) / SECOND);
	step_in(run, wait);
}

static void
on_tick(evutil_socket_t fd, short events, void *ctx)
{
	struct run *run = ctx;

	(void)fd, (void)events;
	/* One cycle takes what was there when it began. */
	if ((run->uplink || run->rests) && !run->options->once && !run->stopping &&
	    look(run) < 0) {
		on_trouble(run, "scan", errno);
		step_in(run, 0);
		return;
	}
	if (!run->uplink && run->rests && schedule_counts(run->schedule)->waiting > 0) {
		run->rests = 0;
		step_in(run, 0);
	}
	if (run->options->progress)
		print_progress(run);
	if (run->uplink)
		uplink_tick(run->uplink);
}

static void
on_signal(evutil_socket_t signal_number, short events, void *ctx)
{
	struct run *run = ctx;

	(void)events;
	log_event(LOG_NOTICE, "stopping", "signal=%d", (int)signal_number);
	run->stopping = 1;
	if (run->uplink)
		uplink_stop(run->uplink, STOP_SECONDS);
	else
		step_in(run, 0);
}

static int
start_failed(int code, const char *what, const char *why)
{
	log_event(LOG_CRIT, "start_failed", "error=\"%s%s\" exit=%d", what, why, code);
	return code;
}

/* The lock of the one runner. */
static int
lock_run(struct run *run)
{
	char other[96];
	pid_t holder = 0;

	run->run_lock = disk_lock(spool_folder(run->spool, SPOOL_TOP), "run.lock", &holder);
	if (run->run_lock >= 0)
		return EX_OK;
	if (errno != EWOULDBLOCK)
		return start_failed(EX_IOERR, "run.lock: ", strerror(errno));
	snprintf(other, sizeof other, "another inboxq run has this spool: process %ld",
	    (long)holder);
	return start_failed(EX_UNAVAILABLE, other, "");
}

/* One cycle reads its configuration once: SIGHUP ends it as it would any program. */
static int
take_hangups(struct run *run)
{
	sigset_t hangup;

	if (run->options->once)
		return 0;
	run->sighup = evsignal_new(run->base, SIGHUP, on_hangup, run);
	if (!run->sighup || event_add(run->sighup, NULL) < 0)
		return -1;
	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	return sigprocmask(SIG_UNBLOCK, &hangup, NULL);
}

static int
set_up(struct run *run)
{
	const struct settings *settings = run->settings;
	struct why error;
	struct timeval second = {.tv_sec = 1};
	int rc;

	if (inherit_limit(RLIMIT_NOFILE) < DESCRIPTORS)
		return start_failed(EX_OSERR, "too few descriptors: raise LimitNOFILE", "");
	rc = lock_run(run);
	if (rc != EX_OK)
		return rc;
	run->setup.tls = loaded_tls(settings, &error);
	if (!run->setup.tls)
		return start_failed(errno == EAGAIN ? EX_TEMPFAIL : EX_CONFIG, "", error.text);
	run->sentlog = sentlog_open(run->spool);
	if (!run->sentlog)
		return start_failed(EX_IOERR, "sent.log: ", strerror(errno));
	run->schedule = schedule_new();
	run->ends = ends_new(run->spool, run->sentlog, run->schedule);
	run->not_before = calloc(settings->servers.count, sizeof *run->not_before);
	run->base = loop_new(0);
	if (!run->schedule || !run->ends || !run->not_before || !run->base)
		return start_failed(EX_OSERR, "", strerror(ENOMEM));
	if (!run->options->once)
		ends_be_patient(run->ends);
	run->step = evtimer_new(run->base, on_step, run);
	run->tick = event_new(run->base, -1, EV_PERSIST, on_tick, run);
	run->sigterm = evsignal_new(run->base, SIGTERM, on_signal, run);
	run->sigint = evsignal_new(run->base, SIGINT, on_signal, run);
	if (!run->step || !run->tick || !run->sigterm || !run->sigint ||
	    event_add(run->tick, &second) < 0 || event_add(run->sigterm, NULL) < 0 ||
	    event_add(run->sigint, NULL) < 0 || take_hangups(run) < 0)
		return start_failed(EX_OSERR, "", strerror(ENOMEM));
	run->setup.base = run->base;
	run->setup.settings = settings;
	run->setup.spool = run->spool;
	run->setup.schedule = run->schedule;
	run->setup.ends = run->ends;
	run->setup.once = run->options->once;
	run->setup.on_end = on_end;
	run->setup.ctx = run;
	return EX_OK;
}

static void
free_event(struct event *event)
{
	if (event)
		event_free(event);
}

static void
tear_down(struct run *run)
{
	uplink_free(run->uplink);
	free_event(run->step);
	free_event(run->tick);
	free_event(run->sigterm);
	free_event(run->sigint);
	free_event(run->sighup);
	if (run->base)
		event_base_free(run->base);
	free(run->not_before);
	ends_free(run->ends);
	schedule_free(run->schedule);
	sentlog_close(run->sentlog);
	tls_unref(run->setup.tls);
	loaded_free(run->next);
	if (run->run_lock >= 0)
		close(run->run_lock);
}

int
run_queue(const char *config, struct settings *settings, struct spool *spool,
    const struct run_options *options)
{
	struct run run = {.config = config, .settings = settings, .options = options,
	    .spool = spool, .backoff.wait = settings->retry_min, .run_lock = -1};
	const struct schedule_counts *counts;
	const struct ends_counts *ends;
	int rc = set_up(&run);

	if (rc != EX_OK)
		goto out;
	run.begun = clock_monotonic();
	log_event(LOG_NOTICE, "started", "version=%s queue=%s", PACKAGE_VERSION,
	    spool_queue_id(spool));
	/* A fleet may be switched on in one moment; who asked for one cycle waits for it. */
	spread_begin(&run.backoff.spread);
	step_in(&run, options->once ? 0 : backoff_first(&run.backoff, settings->retry_min));
	if (event_base_dispatch(run.base) < 0)
		run.exit_code = EX_OSERR;
	if (options->progress)
		print_progress(&run);
	counts = schedule_counts(run.schedule);
	ends = ends_counts(run.ends);
	log_event(LOG_NOTICE, "stopped", "stored=%" PRIu64 " refused=%" PRIu64 " pending=%" PRIu64,
	    ends->stored, ends->refused, counts->waiting + counts->sent);
	rc = run.exit_code;
	if (rc == EX_OK && options->once && ends->refused)
		rc = EX_DATAERR;
	else if (rc == EX_OK && options->once && !run.stopping && (!run.served || counts->waiting))
		rc = EX_TEMPFAIL;
out:
	tear_down(&run);
	return rc;
}
