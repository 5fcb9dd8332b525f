/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/supervisor.h"

#include <ctype.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/answers.h"
#include "inboxd/base/fatal.h"
#include "inboxd/serve/worker.h"
#include "inboxd/status/status.h"
#include "inboxd/threads.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "lib/why.h"

#define ASK_EVERY (5 * CLOCK_SECOND)
#define TELL_EVERY (10 * CLOCK_SECOND) /* of what changes all the time */
#define SILENT (10 * CLOCK_SECOND)     /* is worth a word */

/* One who is asked. */
struct asked {
	int64_t since;  /* monotonic: his answer is due since then; 0: he has answered */
	int is_silent; /* it was logged */
};

struct supervisor {
	struct answers *answers;
	struct event *tick;
	int64_t every, interval, fed; /* microseconds: between ticks, of the watchdog (0: none) */
	struct asked commit, *workers;
	enum sentence_state state;
	int64_t told;
	char text[SENTENCE_ROOM], trouble[SENTENCE_ROOM]; /* as told */
};

/* ---- the roll */

static int64_t
silence_of(const struct asked *asked, int64_t now)
{
	return asked->since ? now - asked->since : 0;
}

static int64_t
longest_silence(const struct supervisor *supervisor, int64_t now)
{
	int64_t longest = 0;

	for (size_t i = 0; i < supervisor->answers->threads->count; i++) {
		int64_t silence = silence_of(&supervisor->workers[i], now);

		if (silence > longest)
			longest = silence;
	}
	return longest;
}

/* Of the commit thread, and whom it speaks for, too. */
static void
note_silence(struct supervisor *supervisor, int64_t now)
{
	int64_t longest = longest_silence(supervisor, now);
	int64_t commit = silence_of(&supervisor->commit, now);

	if (commit > longest)
		longest = commit;
	stats_set(supervisor->answers->stats, STAT_NOW_SILENT, (uint64_t)(longest / CLOCK_SECOND));
}

static void
complain(struct asked *asked, const char *who, size_t number, int64_t now)
{
	if (asked->is_silent || silence_of(asked, now) < SILENT)
		return;
	asked->is_silent = 1;
	log_event(LOG_ERR, "thread_silent", "thread=%s number=%zu seconds=%lld note=\"%s\"", who,
	    number, (long long)(silence_of(asked, now) / CLOCK_SECOND),
	    "its disk may hang");
}

static void
has_answered(struct asked *asked, const char *who, size_t number)
{
	if (asked->is_silent)
		log_event(LOG_NOTICE, "thread_answers", "thread=%s number=%zu seconds=%lld", who,
		    number, (long long)(silence_of(asked, clock_monotonic()) / CLOCK_SECOND));
	*asked = (struct asked){0};
}

/* ---- the watchdog */

/* Not each time: a message wakes the supervisor, too. */
static void
feed(struct supervisor *supervisor)
{
	int64_t now = clock_monotonic();

	if (supervisor->interval == 0 ||
	    now + supervisor->every < supervisor->fed + supervisor->interval / 2 ||
	    longest_silence(supervisor, now) >= THREADS_PATIENCE * supervisor->interval)
		return;
	supervisor->fed = now;
	notify_watchdog();
}

/* A receiver that cannot store is not alive. */
static void
on_probe(struct request *request)
{
	struct supervisor *supervisor = request->asker;

	has_answered(&supervisor->commit, "commit", 0);
	feed(supervisor);
	free(request);
}

static void
ask(struct supervisor *supervisor, int64_t now)
{
	struct threads *threads = supervisor->answers->threads;

	if (!supervisor->commit.since) {
		supervisor->commit.since = now;
		threads_ask(threads, must_alloc(sizeof(struct request)), COMMIT_PROBE, on_probe,
		    supervisor);
	}
	complain(&supervisor->commit, "commit", 0, now);
	for (size_t i = 0; i < threads->count && supervisor->state != SENTENCE_DRAINING; i++) {
		if (!supervisor->workers[i].since) {
			supervisor->workers[i].since = now;
			threads_probe(threads, i);
		}
		complain(&supervisor->workers[i], "worker", i, now);
	}
}

int
supervisor_take(struct supervisor *supervisor, struct message *message)
{
	struct probe *probe = (struct probe *)message;

	if (message->kind != WORKER_PRESENT)
		return 0;
	has_answered(&supervisor->workers[probe->number], "worker", probe->number);
	free(probe);
	return 1;
}

/* ---- how it is */

/* The worst that is wrong, as all who tell of it have it, and why a reload was not taken; NULL:
 * nothing. */
static const char *
find_trouble(struct supervisor *supervisor, struct why *why)
{
	const char *reload = supervisor->answers->reloads->error.text;
	uint64_t silent = stats_get(supervisor->answers->stats, STAT_NOW_SILENT);
	char text[HEALTH_TEXT_ROOM];
	enum health_severity worst = status_worst(supervisor->answers->status, text);

	if (worst != HEALTH_CRITICAL && silent >= SILENT / CLOCK_SECOND)
		why_say(why, "a thread has not answered for %llu s: its disk may hang",
		    (unsigned long long)silent);
	else if (worst != HEALTH_CRITICAL && reload[0])
		why_say(why, "the last reload was not taken: %s", reload);
	else if (worst != HEALTH_OK)
		why_say(why, "%s", text);
	else
		return NULL;
	why->text[0] = (char)toupper((unsigned char)why->text[0]);
	return why->text;
}

void
supervisor_tell(struct supervisor *supervisor)
{
	struct answers *answers = supervisor->answers;
	char text[SENTENCE_ROOM];
	struct why why;
	const char *trouble = find_trouble(supervisor, &why);
	const struct sentence sentence = {.state = supervisor->state, .trouble = trouble,
	    .connections = answers_sum(answers, STAT_NOW_CONNECTIONS),
	    .stored = answers_sum(answers, STAT_STORED),
	    .in_flight = answers_sum(answers, STAT_NOW_IN_FLIGHT),
	    .unpublished = answers_sum(answers, STAT_NOW_LAG_ITEMS)};

	snprintf(supervisor->trouble, SENTENCE_ROOM, "%s", trouble ? trouble : "");
	sentence_print(&sentence, text);
	if (strcmp(text, supervisor->text) == 0)
		return;
	memcpy(supervisor->text, text, sizeof text);
	supervisor->told = clock_monotonic();
	notify_status(text);
}

void
supervisor_set_state(struct supervisor *supervisor, enum sentence_state state)
{
	supervisor->state = state;
	/* A worker that has drained does not answer any more. */
	if (state == SENTENCE_DRAINING)
		memset(supervisor->workers, 0,
		    supervisor->answers->threads->count * sizeof *supervisor->workers);
	supervisor_tell(supervisor);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *supervisor = arg;
	int64_t now = clock_monotonic();
	const char *trouble;
	struct why why;

	(void)fd, (void)what;
	ask(supervisor, now);
	note_silence(supervisor, now);
	trouble = find_trouble(supervisor, &why);
	/* A sentence with the seconds in it is another one each time, and no news. */
	if (now - supervisor->told >= TELL_EVERY || !trouble != !supervisor->trouble[0])
		supervisor_tell(supervisor);
}

/* ---- begin and end */

struct supervisor *
supervisor_new(struct event_base *base, struct answers *answers)
{
	struct supervisor *supervisor = must_alloc(sizeof *supervisor);
	struct timeval every;

	supervisor->answers = answers;
	supervisor->interval = (int64_t)notify_watchdog_interval();
	supervisor->every = ASK_EVERY;
	if (supervisor->interval > 0 && supervisor->interval / 2 < ASK_EVERY)
		supervisor->every = supervisor->interval / 2;
	supervisor->workers = must_alloc(answers->threads->count * sizeof *supervisor->workers);
	supervisor->tick = event_new(base, -1, EV_PERSIST, on_tick, supervisor);
	every.tv_sec = (time_t)(supervisor->every / CLOCK_SECOND);
	every.tv_usec = (suseconds_t)(supervisor->every % CLOCK_SECOND);
	if (supervisor->tick && event_add(supervisor->tick, &every) == 0)
		return supervisor;
	supervisor_free(supervisor);
	return NULL;
}

void
supervisor_free(struct supervisor *supervisor)
{
	if (!supervisor)
		return;
	if (supervisor->tick)
		event_free(supervisor->tick);
	free(supervisor->workers);
	free(supervisor);
}
