/* SPDX-License-Identifier: ISC */
#include "inboxd/status/lookout.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/imprint.h"
#include "inboxd/base/site.h"
#include "inboxd/base/thread.h"
#include "lib/clock.h"

#define EVERY (60 * CLOCK_SECOND)

enum lookout_message {
	LOOKOUT_ASK,  /* struct message */
	LOOKOUT_SITE, /* struct new_site */
	LOOKOUT_STOP, /* struct message: `stopping` is set */
};

/* LOOKING ends in one of two ways: the thread is done, or it is told that nobody waits for it. */
enum state { IDLE, LOOKING, LEFT_ALONE };

struct new_site {
	struct message message;
	struct site *site;
};

struct lookout {
	struct mailbox *in, *main;
	pthread_t thread;
	atomic_int stopping, state;
	/* The thread's own. */
	struct site *site;
	struct sight *sights; /* of settings->files, in their order */
	int is_asked;
	int64_t due; /* when it looks unasked */
};

static void
take_site(struct lookout *lookout, struct site *site)
{
	const struct imprints *files = &site->settings->files;

	site_unref(lookout->site);
	free(lookout->sights);
	lookout->site = site;
	lookout->sights = must_alloc((files->count + 1) * sizeof *lookout->sights);
	for (size_t i = 0; i < files->count; i++)
		lookout->sights[i] = imprint_sight(&files->items[i]);
}

static void
take_all(struct lookout *lookout, struct message *message)
{
	struct message *next;

	for (; message; message = next) {
		next = message->next;
		lookout->is_asked = 1; /* of a stop, too: it is seen before a look */
		if (message->kind == LOOKOUT_SITE)
			take_site(lookout, ((struct new_site *)message)->site);
		free(message);
	}
}

static struct looked *
look(struct lookout *lookout)
{
	const struct imprints *files = &lookout->site->settings->files;
	struct looked *looked = must_alloc(sizeof *looked + files->count);

	looked->message.kind = LOOKOUT_LOOKED;
	looked->site = site_ref(lookout->site);
	for (size_t i = 0; i < files->count; i++) {
		imprint_look(&files->items[i], &lookout->sights[i]);
		looked->differs[i] = (unsigned char)(lookout->sights[i].differs != 0);
		looked->count += looked->differs[i];
	}
	lookout->is_asked = 0;
	lookout->due = clock_monotonic() + EVERY;
	return looked;
}

static int
move(struct lookout *lookout, int from, int to)
{
	return atomic_compare_exchange_strong(&lookout->state, &from, to);
}

static void *
run(void *arg)
{
	struct lookout *lookout = arg;
	struct looked *looked;

	for (;;) {
		int64_t left = lookout->is_asked ? 0 : lookout->due - clock_monotonic();
		take_all(lookout, left > 0 ? mailbox_wait(lookout->in, 1 + (int)(left / 1000))
		                           : mailbox_take(lookout->in));
		if (left > 0)
			continue;
		atomic_store(&lookout->state, LOOKING);
		/* Behind that: whoever stops us is seen here, or sees us look. */
		looked = atomic_load(&lookout->stopping) ? NULL : look(lookout);
		while (!move(lookout, LOOKING, IDLE))
			pause(); /* left alone: what is ours to speak to may be gone */
		if (!looked)
			return NULL;
		mailbox_post(lookout->main, &looked->message);
	}
}

static void
free_lookout(struct lookout *lookout)
{
	if (lookout->in)
		take_all(lookout, mailbox_take(lookout->in));
	mailbox_free(lookout->in);
	site_unref(lookout->site);
	free(lookout->sights);
	free(lookout);
}

struct lookout *
lookout_start(struct site *site, struct mailbox *main)
{
	struct lookout *lookout = must_alloc(sizeof *lookout);
	int error;

	take_site(lookout, site_ref(site)); /* `due` is over: it looks at once */
	lookout->main = main;
	lookout->in = mailbox_new();
	if (lookout->in && thread_start(&lookout->thread, run, lookout) == 0)
		return lookout;
	error = errno;
	free_lookout(lookout);
	errno = error;
	return NULL;
}

static void
post(struct lookout *lookout, enum lookout_message kind)
{
	struct message *message = must_alloc(sizeof *message);

	message->kind = (int)kind;
	mailbox_post(lookout->in, message);
}

void
lookout_stop(struct lookout *lookout)
{
	if (!lookout)
		return;
	atomic_store(&lookout->stopping, 1);
	if (move(lookout, LOOKING, LEFT_ALONE))
		return;
	post(lookout, LOOKOUT_STOP);
	thread_join(lookout->thread);
	free_lookout(lookout);
}

void
lookout_ask(struct lookout *lookout)
{
	post(lookout, LOOKOUT_ASK);
}

void
lookout_set_site(struct lookout *lookout, struct site *site)
{
	struct new_site *message = must_alloc(sizeof *message);

	message->message.kind = LOOKOUT_SITE;
	message->site = site_ref(site);
	mailbox_post(lookout->in, &message->message);
}

void
looked_free(struct looked *looked)
{
	if (looked)
		site_unref(looked->site);
	free(looked);
}

const char *
looked_path(const struct looked *looked, size_t i)
{
	size_t files = looked && looked->count > 0 ? looked->site->settings->files.count : 0;

	for (size_t file = 0; file < files; file++)
		if (looked->differs[file] && i-- == 0)
			return looked->site->settings->files.items[file].path;
	return NULL;
}
