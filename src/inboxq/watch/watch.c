/* SPDX-License-Identifier: ISC */
/*
 * One event loop, one batch of one folder a turn: between two there is time for signals and for
 * what inotify tells.
 */
#include "config.h"

#include "inboxq/watch/watch.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "inboxq/base/settings.h"
#include "inboxq/spool/intake.h"
#include "inboxq/spool/spool.h"
#include "inboxq/watch/folder.h"
#include "inboxq/watch/kind.h"
#include "inboxq/watch/notice.h"
#include "inboxq/watch/ready.h"
#include "lib/conf_log.h"
#include "lib/inherit.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/notify.h"
#include "lib/why.h"

#define DESCRIPTORS 64 /* without which no start can succeed */
#define EVENTS 5

struct watch {
	const char *config;
	struct settings *settings;
	struct folder_setup setup;
	const struct watch_kind *kind;
	void **folders;
	size_t count, turn;
	struct event_base *base;
	struct event *step, *events[EVENTS];
	char status[160]; /* what the supervisor was told */
	int exit_code;
};

static void
step_now(struct watch *watch)
{
	static const struct timeval now;

	/* A timer, not event_active(): others have their turn first. */
	if (event_add(watch->step, &now) == 0)
		return;
	log_event(LOG_ERR, "no_memory", "for=timer");
	watch->exit_code = EX_OSERR;
	event_base_loopbreak(watch->base);
}

/* SIGTERM and SIGINT while a batch is under way: they are blocked then, and pending. */
static const int stop_signals[] = {SIGTERM, SIGINT};

static void
block_stops(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (int i = 0; i < 2; i++)
		sigaddset(&set, stop_signals[i]);
	(void)sigprocmask(how, &set, NULL);
}

static int
is_stopped(void)
{
	sigset_t set;

	return sigpending(&set) == 0 &&
	    (sigismember(&set, stop_signals[0]) == 1 || sigismember(&set, stop_signals[1]) == 1);
}

static void
on_step(evutil_socket_t fd, short events, void *ctx)
{
	struct watch *watch = ctx;
	int more = 0, rc = 0;

	(void)fd, (void)events;
	/* The next folder that has something, so that none waits for another's thousands. */
	block_stops(SIG_BLOCK);
	for (size_t i = 0; i < watch->count && rc == 0 && !is_stopped(); i++) {
		rc = watch->kind->take(watch->folders[watch->turn++ % watch->count]);
		more |= rc > 0;
	}
	block_stops(SIG_UNBLOCK);
	if (rc < 0) {
		watch->exit_code = EX_IOERR;
		event_base_loopbreak(watch->base);
	} else if (more) {
		step_now(watch);
	}
}

static void
tell_folders(void *ctx, enum notice_kind kind, int number, const char *name)
{
	struct watch *watch = ctx;

	for (size_t i = 0; i < watch->count; i++)
		watch->kind->notice(watch->folders[i], kind, number, name);
}

static void
on_notice(evutil_socket_t fd, short events, void *ctx)
{
	struct watch *watch = ctx;

	(void)fd, (void)events;
	notice_read(watch->setup.notice, tell_folders, watch);
	step_now(watch);
}

static void
tell_status(struct watch *watch)
{
	struct folder_counts counts = {0};
	char status[sizeof watch->status];

	for (size_t i = 0; i < watch->count; i++)
		watch->kind->count(watch->folders[i], &counts);
	snprintf(status, sizeof status,
	    "%zu of %zu folders are served; files queued: %" PRIu64 ", left: %zu%s", counts.served,
	    watch->count, counts.queued, counts.left, counts.full ? "; no room" : "");
	if (strcmp(status, watch->status) == 0)
		return;
	snprintf(watch->status, sizeof watch->status, "%s", status);
	notify_status(status);
}

static void
on_tick(evutil_socket_t fd, short events, void *ctx)
{
	struct watch *watch = ctx;

	(void)fd, (void)events;
	for (size_t i = 0; i < watch->count; i++)
		watch->kind->tick(watch->folders[i]);
	tell_status(watch);
	step_now(watch);
}

static int
is_taken(void *ctx, const struct folder *by, dev_t device, ino_t inode)
{
	const struct watch *watch = ctx;

	for (size_t i = 0; i < watch->count; i++)
		if (watch->folders[i] != by && folder_is(watch->folders[i], device, inode))
			return 1;
	return 0;
}

/* The folder of the old list that has this path, which the list gives up; or NULL. */
static void *
take_old(const struct watch_kind *kind, void **old, size_t count, const char *path)
{
	void *folder;

	for (size_t i = 0; i < count; i++) {
		if (old[i] && strcmp(kind->path(old[i]), path) == 0) {
			folder = old[i];
			old[i] = NULL;
			return folder;
		}
	}
	return NULL;
}

/* The folders of these settings; those that are served already go on.  -1: out of memory, and
 * nothing has changed. */
static int
set_folders(struct watch *watch, const struct settings *settings)
{
	const struct watch_kind *kind = watch->kind;
	size_t count, kept = watch->count;
	const struct settings_watch *all = kind->sections(settings, &count);
	void **old = watch->folders, **new = calloc(count + 1, sizeof(void *));

	if (!new)
		return -1;
	for (size_t i = 0; i < count; i++) {
		new[i] = take_old(kind, old, kept, all[i].folder);
		if (new[i])
			kind->configure(new[i], &all[i]);
		else
			new[i] = kind->new(&watch->setup, &all[i]);
		if (!new[i])
			log_event(LOG_ERR, "no_memory", "for=watch");
	}
	for (size_t i = 0; i < kept; i++)
		kind->free(old[i]);
	free(old);
	watch->folders = new;
	watch->count = 0;
	for (size_t i = 0; i < count; i++)
		if (new[i])
			new[watch->count++] = new[i];
	return watch->count == count ? 0 : -1;
}

static void
on_hangup(evutil_socket_t signal_number, short events, void *ctx)
{
	struct watch *watch = ctx;
	struct why reason;
	const struct conf_report report = conf_log(&reason);
	struct settings next, old = *watch->settings;

	(void)signal_number, (void)events;
	if (!watch->config) {
		log_event(LOG_NOTICE, "reload_passed_over",
		    "note=\"the folder stands on the command line\"");
		return;
	}
	if (settings_read(watch->config, &next, &report) < 0 ||
	    conf_changed(&settings_schema, &old, &next, &report) > 0) {
		log_event(LOG_ERR, "reload_failed",
		    "error=\"%s\" note=\"the old configuration stays\"", reason.text);
		settings_free(&next);
		return;
	}
	notify_reloading();
	*watch->settings = next;
	spool_set_limits(watch->setup.spool,
	    &(struct spool_limits){next.items, next.bytes, watch->config});
	if (set_folders(watch, watch->settings) < 0) {
		watch->exit_code = EX_OSERR;
		event_base_loopbreak(watch->base);
	}
	settings_free(&old);
	log_setup(conf_log_level(&next.log), (enum log_format)next.log.format);
	log_event(LOG_NOTICE, "reloaded", "folders=%zu", watch->count);
	notify_ready();
	on_tick(-1, 0, watch);
}

static void
on_stop(evutil_socket_t signal_number, short events, void *ctx)
{
	struct watch *watch = ctx;

	(void)events;
	log_event(LOG_NOTICE, "stopping", "signal=%d", (int)signal_number);
	notify_stopping();
	event_base_loopbreak(watch->base);
}

static int
start_failed(const char *what)
{
	log_event(LOG_CRIT, "start_failed", "error=\"%s\" exit=%d", what, EX_OSERR);
	return EX_OSERR;
}

static int
add_events(struct watch *watch)
{
	static const struct timeval second = {.tv_sec = 1};
	struct notice *notice = watch->setup.notice;
	sigset_t hangup;

	watch->step = evtimer_new(watch->base, on_step, watch);
	watch->events[0] = event_new(watch->base, -1, EV_PERSIST, on_tick, watch);
	watch->events[1] = evsignal_new(watch->base, SIGTERM, on_stop, watch);
	watch->events[2] = evsignal_new(watch->base, SIGINT, on_stop, watch);
	watch->events[3] = evsignal_new(watch->base, SIGHUP, on_hangup, watch);
	if (notice)
		watch->events[4] = event_new(
		    watch->base, notice_fd(notice), EV_READ | EV_PERSIST, on_notice, watch);
	if (!watch->step)
		return -1;
	for (int i = 0; i < EVENTS; i++)
		if ((!watch->events[i] && (i < 4 || notice)) ||
		    (watch->events[i] &&
		        event_add(watch->events[i], i == 0 ? &second : NULL) < 0))
			return -1;
	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	return sigprocmask(SIG_UNBLOCK, &hangup, NULL);
}

static int
set_up(struct watch *watch, struct spool *spool)
{
	if (inherit_limit(RLIMIT_NOFILE) < DESCRIPTORS)
		return start_failed("too few descriptors: raise LimitNOFILE");
	ready_begin();
	watch->setup.spool = spool;
	watch->setup.largest = &watch->settings->bytes;
	watch->setup.is_taken = is_taken;
	watch->setup.ctx = watch;
	watch->setup.intake = intake_new(spool);
	watch->base = loop_new(0);
	if (!watch->setup.intake || !watch->base)
		return start_failed(strerror(ENOMEM));
	intake_set_stop(watch->setup.intake, is_stopped);
	watch->setup.is_stopped = is_stopped;
	watch->setup.notice = notice_new();
	if (!watch->setup.notice)
		log_event(LOG_WARNING, "watch_without_inotify",
		    "error=\"%s\" note=\"folders are listed once a second\"", strerror(errno));
	if (set_folders(watch, watch->settings) < 0 || add_events(watch) < 0)
		return start_failed(strerror(ENOMEM));
	return EX_OK;
}

static void
tear_down(struct watch *watch)
{
	for (size_t i = 0; i < watch->count; i++)
		watch->kind->free(watch->folders[i]);
	free(watch->folders);
	for (int i = 0; i < EVENTS; i++)
		if (watch->events[i])
			event_free(watch->events[i]);
	if (watch->step)
		event_free(watch->step);
	if (watch->base)
		event_base_free(watch->base);
	notice_free(watch->setup.notice);
	intake_free(watch->setup.intake);
}

int
watch_folders(const struct watch_kind *kind, const char *config, struct settings *settings,
    struct spool *spool)
{
	struct watch watch = {.kind = kind, .config = config, .settings = settings};
	int rc = set_up(&watch, spool);

	if (rc == EX_OK) {
		log_event(LOG_NOTICE, "started", "version=%s queue=%s folders=%zu",
		    PACKAGE_VERSION, spool_queue_id(spool), watch.count);
		on_tick(-1, 0, &watch);
		notify_ready();
		if (event_base_dispatch(watch.base) < 0)
			watch.exit_code = EX_OSERR;
		log_event(LOG_NOTICE, "stopped", "exit=%d", watch.exit_code);
		rc = watch.exit_code;
	}
	tear_down(&watch);
	return rc;
}
