/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/status/survey.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/shares.h"
#include "inboxd/base/site.h"
#include "inboxd/base/thread.h"
#include "inboxd/drafts/leftovers.h"
#include "lib/clock.h"

#define EVERY (60 * CLOCK_SECOND)
#define SOON (5 * CLOCK_SECOND) /* while consumers may make room where none is */
#define TIDY_EVERY (60 * 60 * CLOCK_SECOND)
#define REST 9 /* times as long as a count took */

enum survey_message {
	SURVEY_ASK,  /* struct message */
	SURVEY_SITE, /* struct new_site */
	SURVEY_STOP, /* struct message: `stopping` is set */
};

struct new_site {
	struct message message;
	struct site *site;
};

struct survey {
	struct mailbox *in, *main;
	pthread_t thread;
	atomic_int stopping;
	/* The thread's own. */
	struct site *site;
	int64_t tidy; /* when meta/ is looked at next */
	int is_asked, is_new;  /* what the next count is for */
	int64_t rested, soon, due; /* when the next one may begin; does so to see whether there is
	                              room again; and in any case */
};

static void
take(struct survey *survey, struct message *message)
{
	if (message->kind == SURVEY_ASK)
		survey->is_asked = 1;
	if (message->kind == SURVEY_SITE) {
		site_unref(survey->site);
		survey->site = ((struct new_site *)message)->site;
		survey->is_new = 1;
	}
	free(message);
}

static void
take_all(struct survey *survey, struct message *message)
{
	struct message *next;

	for (; message; message = next) {
		next = message->next;
		take(survey, message);
	}
}

static void
count_inbox(struct survey *survey, const struct inbox *inbox, struct shares *shares,
    struct inbox_count *out)
{
	const struct inflow_mark before = inflow_mark(inbox->inflow);

	inbox_count(inbox, &survey->stopping, shares, out);
	if (out->waiting.known && !atomic_load(&survey->stopping))
		inflow_counted(inbox->inflow, &inbox->most, &before, out->waiting.files,
		    out->waiting.bytes, inbox->name);
}

/* Seldom: a file that is to go is a day old. */
static void
delete_leftovers(struct survey *survey, int64_t now)
{
	if (now < survey->tidy)
		return;
	survey->tidy = now + TIDY_EVERY;
	for (size_t i = 0; i < survey->site->inbox_count; i++)
		leftovers_delete(&survey->site->inboxes[i], &survey->stopping);
}

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void
count(struct survey *survey)
{
	const struct site *site = survey->site;
	int64_t began = clock_monotonic(), took;
	struct counted *counted =
	    must_alloc(sizeof *counted + site->inbox_count * sizeof counted->inboxes[0]);

	counted->message.kind = SURVEY_COUNTED;
	counted->was_asked = survey->is_asked;
	counted->count = site->inbox_count;
	survey->is_asked = survey->is_new = 0;
	counted->shares = site->settings->share ? shares_new() : NULL;
	for (size_t i = 0; i < site->inbox_count; i++)
		count_inbox(survey, &site->inboxes[i], counted->shares, &counted->inboxes[i]);
	delete_leftovers(survey, began);
	took = clock_monotonic() - began;
	survey->rested = began + took + REST * took;
	survey->due = later(survey->rested, began + took + EVERY);
	survey->soon = later(survey->rested, began + took + SOON);
	counted->rested = survey->rested;
	if (atomic_load(&survey->stopping))
		counted_free(counted);
	else
		mailbox_post(survey->main, &counted->message);
}

/* When the next count begins. */
static int64_t
when(const struct survey *survey)
{
	const struct site *site = survey->site;

	if (survey->is_asked || survey->is_new)
		return survey->rested;
	for (size_t i = 0; i < site->inbox_count; i++)
		if (inflow_wants_count(site->inboxes[i].inflow, &site->inboxes[i].most))
			return survey->soon;
	return survey->due;
}

/* Rounded up, and no more than until it has to look again whether one is over. */
static int
milliseconds(int64_t left)
{
	return 1 + (int)((left < SOON ? left : SOON) / 1000);
}

static void *
run(void *arg)
{
	struct survey *survey = arg;

	while (!atomic_load(&survey->stopping)) {
		int64_t left = when(survey) - clock_monotonic();
		/* Messages first: a count is of the newest configuration. */
		take_all(survey, left > 0 ? mailbox_wait(survey->in, milliseconds(left))
		                          : mailbox_take(survey->in));
		if (left <= 0)
			count(survey);
	}
	return NULL;
}

static void
free_survey(struct survey *survey)
{
	if (survey->in)
		take_all(survey, mailbox_take(survey->in));
	mailbox_free(survey->in);
	site_unref(survey->site);
	free(survey);
}

struct survey *
survey_start(struct site *site, struct mailbox *main)
{
	struct survey *survey = must_alloc(sizeof *survey);
	int error;

	survey->site = site_ref(site);
	survey->main = main;
	survey->in = mailbox_new();
	if (survey->in && thread_start(&survey->thread, run, survey) == 0)
		return survey;
	error = errno;
	free_survey(survey);
	errno = error;
	return NULL;
}

static void
post(struct survey *survey, enum survey_message kind)
{
	struct message *message = must_alloc(sizeof *message);

	message->kind = (int)kind;
	mailbox_post(survey->in, message);
}

void
survey_stop(struct survey *survey)
{
	if (!survey)
		return;
	atomic_store(&survey->stopping, 1);
	post(survey, SURVEY_STOP);
	thread_join(survey->thread);
	free_survey(survey);
}

void
survey_ask(struct survey *survey)
{
	post(survey, SURVEY_ASK);
}

void
survey_set_site(struct survey *survey, struct site *site)
{
	struct new_site *message = must_alloc(sizeof *message);

	message->message.kind = SURVEY_SITE;
	message->site = site_ref(site);
	mailbox_post(survey->in, &message->message);
}

void
counted_free(struct counted *counted)
{
	if (counted)
		shares_free(counted->shares);
	free(counted);
}

const struct inbox_count *
counted_find(const struct counted *counted, const char *name, size_t i)
{
	if (!counted)
		return NULL;
	if (i < counted->count && strcmp(counted->inboxes[i].name, name) == 0)
		return &counted->inboxes[i];
	for (i = 0; i < counted->count; i++)
		if (strcmp(counted->inboxes[i].name, name) == 0)
			return &counted->inboxes[i];
	return NULL;
}
