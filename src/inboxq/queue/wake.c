/* SPDX-License-Identifier: ISC */
/*
 * News are gathered for a moment (PAUSE) behind each turn, since each costs a sync of the folder:
 * the first one goes at once, and a flood in batches.
 *
 * What we delete ourselves is told as well, and passed over by the schedule: cheaper than to
 * know beforehand which of it will be.
 */
#include "config.h"

#include "inboxq/queue/wake.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(HAVE_SYS_INOTIFY_H) && !defined(DISK_PORTABLE)
#define HAS_INOTIFY
#include <sys/inotify.h>
#endif

#include "inboxq/queue/scan.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/spool/spool.h"
#include "lib/clock.h"
#include "lib/log.h"

#define NEWS_ROOM 4096 /* in a turn */
#define BUFFER 16384   /* bytes */
#define PAUSE 10000    /* microseconds, from one turn to the next */
#define LOOK_EVERY 600 /* seconds: a look for what was not heard of, whoever is to blame for it */
#define MANY 1000      /* items whose headers are worth a line */

struct wake {
	struct wake_setup with;
	struct scan scan;
	int fd; /* -1: no inotify */
	struct event *readable, *pause, *learn;
	int64_t look_at;  /* seconds, where inotify tells us all */
	int64_t learning; /* clock_monotonic() when it began; 0: all is known */
	uint64_t learnt;
	int has_news; /* since the last look */
	size_t count;
	struct scan_news news[NEWS_ROOM];
};

static void
add_timer(struct event *event, long microseconds)
{
	struct timeval wait = {.tv_usec = (suseconds_t)microseconds};

	/* Without memory for it the look by the second still goes on. */
	if (event_add(event, &wait) < 0)
		log_event(LOG_ERR, "no_memory", "for=timer");
}

/* Reads the next headers, and goes on with the rest in the next turn. */
static void
learn(struct wake *wake)
{
	unsigned done = scan_learn(wake->with.spool, wake->with.schedule);

	if (done && wake->learning == 0) {
		wake->learning = clock_monotonic();
		wake->learnt = 0;
	}
	wake->learnt += done;
	if (done && schedule_unknown(wake->with.schedule)) {
		add_timer(wake->learn, 0);
		return;
	}
	if (wake->learning && wake->learnt >= MANY)
		log_event(LOG_INFO, "queue_known", "items=%" PRIu64 " milliseconds=%" PRId64,
		    wake->learnt, (clock_monotonic() - wake->learning) / 1000);
	wake->learning = 0;
}

static void
on_learn(evutil_socket_t fd, short events, void *ctx)
{
	(void)fd, (void)events;
	learn(ctx);
}

#ifdef HAS_INOTIFY
/* From here on it is the timer's. */
static void
go_deaf(struct wake *wake, const char *why)
{
	log_event(LOG_NOTICE, "wake_by_timer", "error=\"%s\"", why);
	if (wake->readable)
		event_del(wake->readable);
	if (wake->fd >= 0)
		close(wake->fd);
	wake->fd = -1;
	wake->scan.is_wanted = 1;
}

static void
take_event(struct wake *wake, const struct inotify_event *event)
{
	uint64_t n = event->len ? spool_name_number(event->name) : 0;

	if (event->mask & IN_Q_OVERFLOW)
		wake->scan.is_wanted = 1;
	if (n)
		wake->news[wake->count++] = (struct scan_news){
		    n, (event->mask & (IN_DELETE | IN_MOVED_FROM)) != 0};
}

/* What is there to be read, as far as there is room.  -1: the watch is at its end. */
static int
read_events(struct wake *wake)
{
	_Alignas(struct inotify_event) char buffer[BUFFER];
	const struct inotify_event *event;

	while (wake->count + BUFFER / sizeof *event <= NEWS_ROOM) {
		ssize_t len = read(wake->fd, buffer, sizeof buffer);

		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			return len < 0 && errno == EAGAIN ? 0 : -1;
		for (const char *at = buffer; at < buffer + len;
		    at += sizeof *event + event->len) {
			event = (const void *)at;
			if (event->mask & IN_IGNORED)
				return -1;
			take_event(wake, event);
		}
	}
	return 0;
}

static void
on_readable(evutil_socket_t fd, short events, void *ctx)
{
	struct wake *wake = ctx;
	int error = 0, rc;

	(void)fd, (void)events;
	wake->count = 0;
	wake->has_news = 1;
	if (read_events(wake) < 0)
		go_deaf(wake, "the folder is watched no longer");
	rc = wake->count ? scan_take(wake->with.spool, wake->with.schedule, wake->news,
	                       wake->count)
	                 : 0;
	if (rc == 0 && wake->scan.is_wanted)
		rc = wake_look(wake);
	if (rc < 0) {
		error = errno;
		wake->scan.is_wanted = 1;
	}
	if (wake->fd >= 0)
		add_timer(wake->pause, PAUSE);
	learn(wake);
	wake->with.on_news(wake->with.ctx, error);
}

static void
on_pause(evutil_socket_t fd, short events, void *ctx)
{
	struct wake *wake = ctx;

	(void)fd, (void)events;
	if (event_add(wake->readable, NULL) < 0)
		go_deaf(wake, strerror(ENOMEM));
}

/* Before the first look, so that what comes behind it is heard of.  By the descriptor: the
 * spool's path may be another one's by now. */
static void
hear(struct wake *wake)
{
	const uint32_t what = IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR;
	char path[32];

	snprintf(path, sizeof path, "/proc/self/fd/%d",
	    spool_folder(wake->with.spool, SPOOL_QUEUE));
	wake->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (wake->fd < 0 || inotify_add_watch(wake->fd, path, what) < 0) {
		go_deaf(wake, strerror(errno));
		return;
	}
	wake->readable = event_new(wake->with.base, wake->fd, EV_READ, on_readable, wake);
	wake->pause = evtimer_new(wake->with.base, on_pause, wake);
	if (!wake->readable || !wake->pause || event_add(wake->readable, NULL) < 0)
		go_deaf(wake, strerror(ENOMEM));
}
#else
static void
hear(struct wake *wake)
{
	log_event(LOG_NOTICE, "wake_by_timer", "error=\"this system has no inotify\"");
	(void)wake;
}
#endif

struct wake *
wake_new(const struct wake_setup *setup)
{
	struct wake *wake = calloc(1, sizeof *wake);

	if (!wake)
		return NULL;
	wake->with = *setup;
	wake->fd = -1;
	wake->learn = evtimer_new(setup->base, on_learn, wake);
	if (!wake->learn) {
		free(wake);
		return NULL;
	}
	if (!setup->once)
		hear(wake);
	return wake;
}

void
wake_free(struct wake *wake)
{
	if (!wake)
		return;
	if (wake->readable)
		event_free(wake->readable);
	if (wake->pause)
		event_free(wake->pause);
	event_free(wake->learn);
	if (wake->fd >= 0)
		close(wake->fd);
	free(wake);
}

int
wake_look(struct wake *wake)
{
	int64_t now = clock_seconds();

	/* The look by the second finds what the folder's time shows, or nothing. */
	if (wake->fd < 0 || wake->scan.is_wanted || now >= wake->look_at) {
		if (scan_queue(&wake->scan, wake->with.spool, wake->with.schedule) < 0)
			return -1;
		wake->look_at = now + LOOK_EVERY;
	}
	/* As long as items come, so may drafts that no one finishes. */
	if (wake->has_news)
		spool_sweep(wake->with.spool);
	wake->has_news = 0;
	if (wake->learning == 0)
		learn(wake);
	return 0;
}
