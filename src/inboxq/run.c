/* SPDX-License-Identifier: ISC */
/*
 * All happens on one event loop.  What a signal means stands here; what follows from it for a
 * session, in cycle.c.  A reload is read and checked at once: what does not do costs no session.
 */
#include "config.h"

#include "inboxq/run.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "inboxq/base/settings.h"
#include "inboxq/cycle.h"
#include "inboxq/loaded.h"
#include "inboxq/queue/ends.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/spool/machine.h"
#include "inboxq/spool/sentlog.h"
#include "inboxq/spool/spool.h"
#include "inboxq/tell.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/inherit.h"
#include "lib/log.h"
#include "lib/log_writer.h"
#include "lib/loop.h"
#include "lib/tls.h"

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
	struct event_base *base;
	struct event *tick, *sigterm, *sigint, *sighup, *sigusr1;
	struct tls *tls;
	struct cycle *cycle;
	struct tell *tell;
	int run_lock;
	int stopping;
	int64_t begun; /* clock_monotonic() */
};

static void
print_progress(const struct run *run)
{
	const struct schedule_counts *counts = schedule_counts(run->schedule);
	const struct ends_counts *ends = ends_counts(run->ends);
	uint64_t done = ends->stored + ends->refused;
	uint64_t all = done + counts->waiting + counts->sent + counts->answered;
	uint64_t bytes = ends->stored_bytes + cycle_bytes(run->cycle);
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
on_hangup(evutil_socket_t signal_number, short events, void *ctx)
{
	struct run *run = ctx;
	struct why reason;
	struct loaded *next;

	(void)signal_number, (void)events;
	if (run->stopping)
		return;
	tell_reloading(run->tell);
	next = loaded_read(run->config, run->settings, &reason);
	tell_reloaded(run->tell, next ? "" : reason.text);
	if (!next) {
		log_event(LOG_ERR, "reload_failed",
		    "error=\"%s\" note=\"the old configuration stays\"", reason.text);
		return;
	}
	cycle_reload(run->cycle, next);
}

static void
on_hurry(evutil_socket_t signal_number, short events, void *ctx)
{
	struct run *run = ctx;

	(void)signal_number, (void)events;
	if (run->stopping)
		return;
	tell_hurried(run->tell, run->cycle);
	cycle_hurry(run->cycle);
}

static void
on_tick(evutil_socket_t fd, short events, void *ctx)
{
	struct run *run = ctx;

	(void)fd, (void)events;
	if (run->options->progress)
		print_progress(run);
	cycle_tick(run->cycle);
	tell_tick(run->tell, run->cycle);
}

/* The first turn of the loop. */
static void
on_ready(evutil_socket_t fd, short events, void *ctx)
{
	struct run *run = ctx;

	(void)fd, (void)events;
	tell_ready(run->tell);
}

static void
on_signal(evutil_socket_t signal_number, short events, void *ctx)
{
	struct run *run = ctx;

	(void)events;
	log_event(LOG_NOTICE, "stopping", "signal=%d", (int)signal_number);
	run->stopping = 1;
	tell_stopping(run->tell);
	cycle_stop(run->cycle, STOP_SECONDS);
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
		return start_failed(
		    disk_is_full(errno) ? EX_TEMPFAIL : EX_IOERR, "run.lock: ", strerror(errno));
	snprintf(other, sizeof other, "another inboxq run has this spool: process %ld",
	    (long)holder);
	return start_failed(EX_UNAVAILABLE, other, "");
}

static void
free_event(struct event *event)
{
	if (event)
		event_free(event);
}

static struct event *
take_signal(struct run *run, int number, event_callback_fn callback)
{
	struct event *event = evsignal_new(run->base, number, callback, run);

	if (event && event_add(event, NULL) == 0)
		return event;
	free_event(event);
	return NULL;
}

/* A spool that was copied to another machine becomes a queue of its own; one that cannot goes on as
 * it is, since nothing is lost by that. */
static void
settle_machine(const struct run *run)
{
	char old[ID_ROOM];
	int rc = machine_settle(run->spool, old);

	if (rc > 0)
		log_event(LOG_WARNING, "queue_copied",
		    "old=%s queue=%s note=\"the spool comes from another machine: it goes on as a "
		    "queue of its own\"", old, spool_queue_id(run->spool));
	else if (rc < 0)
		log_event(LOG_WARNING, "machine_not_noted", "error=\"%s\"", strerror(errno));
}

/* One cycle reads its configuration once: SIGHUP ends it as it would any program. */
static int
take_hangups(struct run *run)
{
	sigset_t hangup;

	if (run->options->once)
		return 0;
	run->sighup = take_signal(run, SIGHUP, on_hangup);
	if (!run->sighup)
		return -1;
	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	return sigprocmask(SIG_UNBLOCK, &hangup, NULL);
}

static int
take_signals(struct run *run)
{
	const struct timeval second = {.tv_sec = 1};

	run->tick = event_new(run->base, -1, EV_PERSIST, on_tick, run);
	run->sigterm = take_signal(run, SIGTERM, on_signal);
	run->sigint = take_signal(run, SIGINT, on_signal);
	run->sigusr1 = take_signal(run, SIGUSR1, on_hurry);
	if (!run->tick || !run->sigterm || !run->sigint || !run->sigusr1)
		return -1;
	return event_add(run->tick, &second) < 0 ? -1 : take_hangups(run);
}

static int
set_up(struct run *run)
{
	const struct settings *settings = run->settings;
	struct why error;
	int rc;

	clock_count_sleep();
	/* Whoever finds the lock taken may tell its holder to hurry. */
	signal(SIGUSR1, SIG_IGN);
	if (inherit_limit(RLIMIT_NOFILE) < DESCRIPTORS)
		return start_failed(EX_OSERR, "too few descriptors: raise LimitNOFILE", "");
	rc = lock_run(run);
	if (rc != EX_OK)
		return rc;
	run->tls = loaded_tls(settings, &error);
	if (!run->tls)
		return start_failed(errno == EAGAIN ? EX_TEMPFAIL : EX_CONFIG, "", error.text);
	settle_machine(run);
	run->sentlog = sentlog_open(run->spool);
	if (!run->sentlog)
		return start_failed(disk_is_full(errno) ? EX_TEMPFAIL : EX_IOERR, "sent.log: ",
		    strerror(errno));
	sentlog_set_max(run->sentlog, &settings->sent_log);
	run->schedule = schedule_new();
	run->ends = ends_new(run->spool, run->sentlog, run->schedule);
	run->base = loop_new(0);
	if (!run->schedule || !run->ends || !run->base)
		return start_failed(EX_OSERR, "", strerror(ENOMEM));
	if (!run->options->once)
		ends_be_patient(run->ends);
	run->cycle = cycle_new(&(struct cycle_setup){run->base, run->settings, run->spool,
	                           run->schedule, run->ends, run->options->once}, run->tls);
	run->tell = tell_new(run->spool, run->schedule, run->ends, run->options->once);
	if (!run->cycle || !run->tell || take_signals(run) < 0)
		return start_failed(EX_OSERR, "", strerror(ENOMEM));
	return EX_OK;
}

static void
tear_down(struct run *run)
{
	tell_free(run->tell);
	cycle_free(run->cycle);
	free_event(run->tick);
	free_event(run->sigterm);
	free_event(run->sigint);
	free_event(run->sighup);
	free_event(run->sigusr1);
	if (run->base)
		event_base_free(run->base);
	ends_free(run->ends);
	schedule_free(run->schedule);
	sentlog_close(run->sentlog);
	tls_unref(run->tls);
	if (run->run_lock >= 0)
		close(run->run_lock);
}

int
run_queue(const char *config, struct settings *settings, struct spool *spool,
    const struct run_options *options)
{
	struct run run = {.config = config, .settings = settings, .options = options,
	    .spool = spool, .run_lock = -1};
	const struct schedule_counts *counts;
	const struct ends_counts *ends;
	int rc = set_up(&run);

	if (rc != EX_OK)
		goto out;
	run.begun = clock_monotonic();
	log_event(LOG_NOTICE, "started", "version=%s queue=%s", PACKAGE_VERSION,
	    spool_queue_id(spool));
	if (event_base_once(run.base, -1, EV_TIMEOUT, on_ready, &run, NULL) < 0 ||
	    cycle_begin(run.cycle) < 0 || event_base_dispatch(run.base) < 0)
		rc = EX_OSERR;
	tell_ended(run.tell, run.cycle);
	if (options->progress)
		print_progress(&run);
	counts = schedule_counts(run.schedule);
	ends = ends_counts(run.ends);
	log_event(LOG_NOTICE, "stopped", "stored=%" PRIu64 " refused=%" PRIu64 " pending=%" PRIu64,
	    ends->stored, ends->refused, counts->waiting + counts->sent);
	if (rc == EX_OK)
		rc = cycle_exit_code(run.cycle);
	if (options->once && ends->refused && (rc == EX_OK || rc == EX_TEMPFAIL))
		rc = EX_DATAERR;
out:
	tear_down(&run);
	return rc;
}
