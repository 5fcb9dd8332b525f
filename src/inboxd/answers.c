/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/limits.h"
#include "inboxd/base/pauses.h"
#include "inboxd/base/root.h"
#include "inboxd/base/site.h"
#include "inboxd/commit/request.h"
#include "inboxd/confine.h"
#include "inboxd/expiry.h"
#include "inboxd/status/lookout.h"
#include "inboxd/status/pages.h"
#include "inboxd/status/source.h"
#include "inboxd/status/status.h"
#include "inboxd/status/survey.h"
#include "inboxd/threads.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/log_writer.h"

uint64_t
answers_sum(const struct answers *answers, enum counter which)
{
	return stats_get(answers->stats, which) + threads_count(answers->threads, which);
}

static void
give_stats(void *ctx, uint64_t values[STATS_CELLS])
{
	struct answers *answers = ctx;
	const struct settings *settings = (*answers->site)->settings;
	struct why why;

	stats_set(answers->stats, STAT_NOW_NOT_SERVING,
	    expiry_is_over((*answers->site)->tls, &why) != 0);
	stats_set(answers->stats, STAT_LOG_LINES_LOST, log_writer_lost());
	stats_set(answers->stats, STAT_MOST_CONNECTIONS, settings->connections);
	stats_set(answers->stats, STAT_MOST_HANDSHAKES, settings->handshakes);
	stats_set(answers->stats, STAT_MOST_QUEUES, settings->queues);
	stats_set(answers->stats, STAT_MOST_UNSETTLED, settings->unsettled);
	stats_set(answers->stats, STAT_MOST_ALL_UNSETTLED, settings->all_unsettled);
	stats_set(answers->stats, STAT_MOST_OPENS, settings->all_opens);
	stats_set(answers->stats, STAT_MOST_SKIPS,
	    settings->all_unsettled * LIMITS_SKIPS_AN_ITEM);
	for (int i = 0; i < STATS_CELLS; i++)
		values[i] = answers_sum(answers, (enum counter)i);
}

static void
give_inflow(const struct inflow *inflow, struct inbox_view *out)
{
	out->stored = atomic_load(&inflow->stored.items);
	out->stored_bytes = atomic_load(&inflow->stored.bytes);
	out->last_stored = atomic_load(&inflow->last);
	out->over = inflow_is_over(inflow);
}

static int
give_inbox(void *ctx, size_t i, struct inbox_view *out)
{
	const struct answers *answers = ctx;
	const struct inbox_count *count;
	const struct inbox *inbox;

	if (i >= (*answers->site)->inbox_count)
		return -1;
	inbox = &(*answers->site)->inboxes[i];
	count = counted_find(answers->counted, inbox->name, i);
	*out = (struct inbox_view){.name = inbox->name, .folder = inbox->folder,
	    .suffix = inbox->suffix, .size = inbox->size, .most = inbox->most};
	if (count)
		out->count = *count;
	give_inflow(inbox->inflow, out);
	out->paused = pauses_find(answers->pauses, *answers->site, inbox->name);
	out->paused_all = answers->pauses->all.since != 0;
	return 0;
}

static void
ask_count(void *ctx)
{
	const int64_t patience = STATUS_COUNT_PATIENCE * CLOCK_SECOND;
	struct answers *answers = ctx;

	if (answers->counted && answers->counted->rested > clock_monotonic() + patience)
		status_counted(answers->status);
	else
		survey_ask(answers->threads->survey);
}

static void
on_shares(struct request *request)
{
	free(request);
}

void
answers_counted(struct answers *answers, struct counted *counted)
{
	struct shares_news *news = must_alloc(sizeof *news);

	counted_free(answers->counted);
	answers->counted = counted;
	news->shares = counted->shares;
	counted->shares = NULL;
	threads_ask(answers->threads, &news->request, COMMIT_SHARES, on_shares, answers);
	if (counted->was_asked)
		status_counted(answers->status);
}

static int
give_trouble(void *ctx, struct why *why)
{
	const struct answers *answers = ctx;

	return expiry_is_over((*answers->site)->tls, why);
}

static void
give_reload(void *ctx, struct reload_view *out)
{
	const struct answers *answers = ctx;
	const struct reloads *reloads = answers->reloads;

	out->error = reloads->error.text[0] ? reloads->error.text : NULL;
	out->at = reloads->at;
}

static const char *
give_host(void *ctx)
{
	const struct answers *answers = ctx;

	return (*answers->site)->host;
}

static void
give_root(void *ctx, struct root_view *out)
{
	const struct answers *answers = ctx;

	*out = (struct root_view){
	    .path = (*answers->site)->settings->root, .id = answers->root->id,
	    .can = answers->footing};
}

static const char *
give_state(void *ctx)
{
	const struct answers *answers = ctx;

	return answers->is_draining          ? "draining"
	    : answers->pauses->all.since != 0 ? "paused"
	                                      : "running";
}

static const char *
give_differs(void *ctx, size_t i)
{
	const struct answers *answers = ctx;

	return looked_path(answers->looked, i);
}

static int
give_sandbox(void *ctx, struct why *why)
{
	const struct answers *answers = ctx;

	if (answers->confine->version == 0) {
		*why = answers->confine->lacks;
		return 0;
	}
	why_say(why, "Landlock ABI %d", answers->confine->version);
	return 1;
}

static void
ask_look(void *ctx)
{
	struct answers *answers = ctx;

	lookout_ask(answers->threads->lookout);
}

static void
on_watched(void *ctx)
{
	struct answers *answers = ctx;

	census_look(&answers->census);
}

/* Takes `looked`; NULL: nothing differs.  Told where it begins, and where it ends. */
static void
set_looked(struct answers *answers, struct looked *looked)
{
	size_t count = looked ? looked->count : 0;
	int did = looked_path(answers->looked, 0) != NULL;

	if (count > 0 && !did)
		log_event(LOG_WARNING, "files_differ", "count=%zu file=\"%s\" "
		    "note=\"what is on the disk is not what is in force: a reload takes it\"",
		    count, looked_path(looked, 0));
	if (count == 0 && did)
		log_event(LOG_NOTICE, "files_in_force", "%s", "");
	looked_free(answers->looked);
	answers->looked = looked;
	stats_set(answers->stats, STAT_NOW_FILES_DIFFER, count);
}

void
answers_looked(struct answers *answers, struct looked *looked)
{
	if (looked->site == *answers->site)
		set_looked(answers, looked);
	else
		looked_free(looked);
	status_looked(answers->status);
}

void
answers_reloaded(struct answers *answers)
{
	set_looked(answers, NULL);
	census_anew(&answers->census);
}

static void
on_view(struct request *request)
{
	struct answers *answers = request->asker;
	struct view *view = (struct view *)request;

	status_clients(answers->status, view->views, view->count, view->next);
	site_unref(view->site);
	free(view);
}

static void
ask_clients(void *ctx, uint64_t from, const struct view_filter *filter)
{
	struct answers *answers = ctx;
	struct view *view = must_alloc(sizeof *view);

	view->site = site_ref(*answers->site);
	view->from = from;
	view->filter = *filter;
	threads_ask(answers->threads, &view->request, COMMIT_VIEW, on_view, answers);
}

static void
on_forgotten(struct request *request)
{
	struct answers *answers = request->asker;
	struct forget *forget = (struct forget *)request;
	struct why line;
	int code = wish_tell_forgotten(&forget->answer, &line);

	status_done(answers->status, WISH_FORGET, code,
	    code == 200 ? pages_forgotten(&forget->answer, (int64_t)time(NULL))
	                : strdup(line.text));
	free(forget);
}

static void
ask_forget(struct answers *answers, const struct wish *wish)
{
	struct forget *forget = must_alloc(sizeof *forget);

	forget->wish = wish->forget;
	threads_ask(answers->threads, &forget->request, COMMIT_FORGET, on_forgotten, answers);
}

static void
on_confirmed(struct request *request)
{
	struct answers *answers = request->asker;
	struct confirm *confirm = (struct confirm *)request;
	struct why line;
	int code = wish_tell_confirmed(&confirm->answer, &line);

	status_done(answers->status, WISH_GAP, code,
	    code == 200 ? pages_confirmed(&confirm->answer, (int64_t)time(NULL))
	                : strdup(line.text));
	free(confirm);
}

static void
ask_gap(struct answers *answers, const struct wish *wish)
{
	uint64_t first = strtoull(wish->first, NULL, 10), last = strtoull(wish->last, NULL, 10);
	struct confirm *confirm;
	struct confirm_wish *asked;

	if (last < first) {
		status_done(answers->status, WISH_GAP, 400,
		    strdup("last= wants a number that is not below first="));
		return;
	}
	confirm = must_alloc(sizeof *confirm);
	asked = &confirm->wish;
	snprintf(asked->identity, sizeof asked->identity, "%s", wish->forget.identity);
	snprintf(asked->queue, sizeof asked->queue, "%s", wish->forget.queue);
	asked->first = first;
	asked->last = last;
	threads_ask(answers->threads, &confirm->request, COMMIT_CONFIRM, on_confirmed, answers);
}

/* What became of a pause, or its end: told at once. */
static void
tell_paused(struct answers *answers, const struct wish *wish, enum pauses_result result,
    const struct why *why)
{
	int64_t now = (int64_t)time(NULL);

	answers->on_paused(answers->ctx);
	switch (result) {
	case PAUSES_DONE:
	case PAUSES_WAS_SO:
		status_done(answers->status, wish->kind, 200,
		    pages_paused(wish->inbox, result == PAUSES_DONE,
		        pauses_find(answers->pauses, *answers->site, wish->inbox), now));
		break;
	case PAUSES_NO_INBOX:
		status_done(answers->status, wish->kind, 404, strdup("there is no such inbox"));
		break;
	case PAUSES_FAILED:
		log_event(LOG_ERR, "pause_failed", "inbox=%s error=\"%s\"",
		    wish->inbox[0] ? wish->inbox : "*", why->text);
		status_done(answers->status, wish->kind, 500, strdup(why->text));
		break;
	}
}

static void
ask_pause(struct answers *answers, const struct wish *wish)
{
	struct pause pause = {.since = (int64_t)time(NULL), .uid = wish->uid};
	enum pauses_result result;
	struct why why = {""};

	snprintf(pause.reason, sizeof pause.reason, "%s", wish->reason);
	result = pauses_begin(answers->pauses, *answers->site, wish->inbox, &pause, &why);
	tell_paused(answers, wish, result, &why);
}

static void
ask_resume(struct answers *answers, const struct wish *wish)
{
	enum pauses_result result;
	struct why why = {""};

	result = pauses_end(answers->pauses, *answers->site, wish->inbox, &why);
	tell_paused(answers, wish, result, &why);
}

/* A row a kind: each brings status_done(). */
static void (*const wishes[WISH_KINDS])(struct answers *answers, const struct wish *wish) = {
    [WISH_FORGET] = ask_forget,
    [WISH_GAP] = ask_gap,
    [WISH_PAUSE] = ask_pause,
    [WISH_RESUME] = ask_resume,
};

static void
ask_wish(void *ctx, const struct wish *wish)
{
	wishes[wish->kind](ctx, wish);
}

int
answers_open(struct answers *answers, struct event_base *base, struct why *why)
{
	const struct status_source source = {.stats = give_stats, .inbox = give_inbox,
	    .count = ask_count, .trouble = give_trouble, .reload = give_reload,
	    .host = give_host, .root = give_root, .state = give_state,
	    .differs = give_differs, .sandbox = give_sandbox,
	    .look = ask_look,
	    .watched = on_watched, .clients = ask_clients, .wish = ask_wish, .ctx = answers};
	const struct settings *settings = (*answers->site)->settings;

	stats_set(answers->stats, STAT_NOW_STARTED, (uint64_t)(clock_utc() / CLOCK_SECOND));
	if (answers->passed >= 0)
		answers->status = status_open_on(base, answers->passed, &source, why);
	else
		answers->status = status_open(
		    base, settings->socket, settings_socket_mode(settings), &source, why);
	if (!answers->status)
		return -1;
	answers->census = (struct census_taker){.threads = answers->threads,
	    .site = answers->site, .stats = answers->stats};
	if (census_open(&answers->census, base) < 0)
		return why_say(why, "out of memory");
	return 0;
}

void
answers_close(struct answers *answers)
{
	census_close(&answers->census);
	status_close(answers->status);
	counted_free(answers->counted);
	looked_free(answers->looked);
}

int
answers_drop(struct message *message)
{
	if (message->kind == COMMIT_VIEW) {
		struct view *view = (struct view *)message;
		free(view->views);
		site_unref(view->site);
		free(view);
	} else if (message->kind == COMMIT_CENSUS) {
		census_drop((struct request *)message);
	} else if (message->kind == LOOKOUT_LOOKED) {
		looked_free((struct looked *)message);
	} else if (message->kind == SURVEY_COUNTED) {
		counted_free((struct counted *)message);
	} else {
		return 0;
	}
	return 1;
}
