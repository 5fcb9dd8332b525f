/* SPDX-License-Identifier: ISC */
/*
 * A task is what the loop and a thread share; whoever is done with it last frees it, so a loop
 * that ends need not wait for a thread that never does.  The thread takes no signal, and writes no
 * log.  All else belongs to the loop.
 */
#include "config.h"

#include "inboxq/uplink/resolve.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"

#define BLAME_TIME (600 * CLOCK_SECOND)
#define STUCK_WAIT CLOCK_SECOND /* for a lookup that has had its time */

/* Shared: `lookup` is the thread's up to the byte in the pipe, then the loop's. */
struct task {
	atomic_int refs;
	int out; /* the thread's end of the pipe */
	struct lookup lookup;
};

/* What is known of a server. */
struct entry {
	struct entry *next;
	struct resolver *resolver;
	struct server server;
	struct task *task;   /* in the air, or NULL */
	int64_t begun;       /* when, microseconds */
	struct event *came;  /* on the pipe of the task */
	struct lookup *last; /* the last answer that had addresses, or NULL */
	struct lookup_address blamed; /* until this time, microseconds */
	int64_t blamed_until;
	struct resolve *asking;
};

struct resolver {
	struct event_base *base;
	struct entry *entries;
};

struct resolve {
	struct resolve *next; /* of the entry's */
	struct entry *entry;
	struct event *timer;
	unsigned seconds;
	struct lookup *at_once; /* the answer, where nothing had to be waited for */
	void (*on_answer)(void *ctx, const struct lookup *);
	void *ctx;
};

static void
drop(struct task *task)
{
	if (task && atomic_fetch_sub_explicit(&task->refs, 1, memory_order_acq_rel) == 1)
		free(task);
}

/* ---- the thread */

static void *
run(void *arg)
{
	struct task *task = arg;

	lookup_run(&task->lookup);
	/* A loop that has gone does not read it. */
	(void)!write(task->out, "", 1);
	close(task->out);
	drop(task);
	return NULL;
}

/* 0 or errno.  It is born without signals: they are for the loop, and SIGPIPE is nobody's. */
static int
start_thread(struct task *task)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, before;
	int rc = pthread_attr_init(&attributes);

	if (rc != 0)
		return rc;
	sigfillset(&all);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, &attributes, run, task);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return rc;
}

/* ---- answers */

static int
is_same(const struct lookup_address *a, const struct lookup_address *b)
{
	return a->len == b->len && memcmp(&a->address, &b->address, a->len) == 0 &&
	    strcmp(a->name, b->name) == 0;
}

/* `lookup` in the order in which its addresses are to be tried. */
static void
put_blamed_last(const struct entry *entry, struct lookup *lookup)
{
	struct lookup_address last;
	size_t at = 0;

	while (at < lookup->count && !is_same(&lookup->at[at], &entry->blamed))
		at++;
	if (at == lookup->count || clock_monotonic() >= entry->blamed_until)
		return;
	last = lookup->at[at];
	memmove(&lookup->at[at], &lookup->at[at + 1],
	    (lookup->count - at - 1) * sizeof lookup->at[0]);
	lookup->at[lookup->count - 1] = last;
}

static void
answer(struct resolve *resolve, const struct lookup *found)
{
	struct entry *entry = resolve->entry;
	struct lookup copy = *found, *lookup = &copy;
	struct resolve **at = &entry->asking;

	event_del(resolve->timer);
	while (*at && *at != resolve)
		at = &(*at)->next;
	if (*at)
		*at = resolve->next;
	put_blamed_last(entry, lookup);
	resolve->on_answer(resolve->ctx, lookup);
}

/* There is none from the name server: what was found before, or the reason alone. */
static void
answer_without(struct resolve *resolve, const struct why *why)
{
	struct lookup none = {.server = resolve->entry->server, .why = *why};

	if (!resolve->entry->last) {
		answer(resolve, &none);
		return;
	}
	resolve->entry->last->why = *why;
	resolve->entry->last->is_old = 1;
	answer(resolve, resolve->entry->last);
}

/* For how long it has been in the air, in whole seconds. */
static unsigned
age_of_task(const struct entry *entry)
{
	return (unsigned)((clock_monotonic() - entry->begun + CLOCK_SECOND / 2) / CLOCK_SECOND);
}

static void
on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct resolve *resolve = ctx;
	struct why why;

	(void)fd, (void)what;
	if (resolve->at_once) {
		answer(resolve, resolve->at_once);
		return;
	}
	why_say(&why, "no name server has answered within %u seconds",
	    age_of_task(resolve->entry));
	answer_without(resolve, &why);
}

static void
end_task(struct entry *entry)
{
	if (entry->came) {
		close(event_get_fd(entry->came));
		event_free(entry->came);
	}
	entry->came = NULL;
	drop(entry->task);
	entry->task = NULL;
}

/* Keeps it for the time when the name server is away. */
static void
keep(struct entry *entry, const struct lookup *lookup)
{
	if (!entry->last)
		entry->last = malloc(sizeof *entry->last);
	if (entry->last)
		*entry->last = *lookup;
}

static void
on_came(evutil_socket_t fd, short what, void *ctx)
{
	struct entry *entry = ctx;
	struct lookup *found;
	char byte;

	(void)what;
	/* Nothing is written but that byte; without it the thread could not be begun. */
	if (read(fd, &byte, 1) != 1)
		return;
	found = malloc(sizeof *found);
	if (found)
		*found = entry->task->lookup;
	end_task(entry);
	if (found && found->count > 0)
		keep(entry, found);
	while (entry->asking && found) {
		if (found->count > 0 || found->is_final)
			answer(entry->asking, found);
		else
			answer_without(entry->asking, &found->why);
	}
	free(found);
}

/* ---- asking */

/* 0, or -1 with the reason. */
static int
start_task(struct entry *entry, const char *identity, struct why *why)
{
	struct task *task = calloc(1, sizeof *task);
	int ends[2] = {-1, -1}, rc = ENOMEM;

	if (!task)
		goto fail;
	atomic_init(&task->refs, 2);
	task->lookup.server = entry->server;
	strcpy(task->lookup.identity, identity);
	if (pipe2(ends, O_CLOEXEC) < 0) {
		rc = errno;
		goto fail;
	}
	task->out = ends[1];
	entry->came = event_new(entry->resolver->base, ends[0], EV_READ, on_came, entry);
	if (!entry->came || event_add(entry->came, NULL) < 0)
		goto fail;
	rc = start_thread(task);
	if (rc != 0)
		goto fail;
	entry->task = task;
	entry->begun = clock_monotonic();
	return 0;
fail:
	why_say(why, "no lookup can be begun: %s", strerror(rc));
	if (entry->came)
		event_free(entry->came);
	entry->came = NULL;
	for (int i = 0; i < 2; i++) {
		if (ends[i] >= 0)
			close(ends[i]);
	}
	free(task);
	return -1;
}

static struct entry *
find_entry(struct resolver *resolver, const struct server *server)
{
	struct entry *entry = resolver->entries;

	while (entry && (strcmp(entry->server.host, server->host) != 0 ||
	                    entry->server.port != server->port ||
	                    entry->server.is_srv != server->is_srv))
		entry = entry->next;
	if (entry)
		return entry;
	entry = calloc(1, sizeof *entry);
	if (!entry)
		return NULL;
	entry->resolver = resolver;
	entry->server = *server;
	entry->next = resolver->entries;
	resolver->entries = entry;
	return entry;
}

/* What is answered without waiting: addresses, and that no lookup can be begun. */
static int
answer_at_once(struct resolve *resolve, const char *identity)
{
	struct entry *entry = resolve->entry;
	struct lookup *lookup;
	struct why why = {""};

	if (!entry->server.is_address && (entry->task || start_task(entry, identity, &why) == 0))
		return 0;
	lookup = calloc(1, sizeof *lookup);
	if (!lookup)
		return -1;
	if (entry->last && !entry->server.is_address)
		*lookup = *entry->last;
	lookup->is_old = 1;
	lookup->server = entry->server;
	lookup->why = why;
	if (entry->server.is_address)
		lookup_run(lookup); /* it blocks for names only */
	resolve->at_once = lookup;
	return 0;
}

/* A lookup that was stuck before is not waited for as one that begins: each try would delay the
 * next server as the first one did. */
static int
set_timer(struct resolve *resolve)
{
	const struct entry *entry = resolve->entry;
	int64_t left = 0;
	struct timeval wait;

	if (!resolve->at_once)
		left = entry->begun + resolve->seconds * CLOCK_SECOND - clock_monotonic();
	if (!resolve->at_once && left < STUCK_WAIT)
		left = STUCK_WAIT;
	wait.tv_sec = (time_t)(left / CLOCK_SECOND);
	wait.tv_usec = (suseconds_t)(left % CLOCK_SECOND);
	return event_add(resolve->timer, &wait);
}

struct resolve *
resolve_new(struct resolver *resolver, const struct server *server, const char *identity,
    unsigned seconds, void (*on_answer)(void *ctx, const struct lookup *), void *ctx)
{
	struct entry *entry = find_entry(resolver, server);
	struct resolve *resolve = entry ? calloc(1, sizeof *resolve) : NULL;

	if (!resolve)
		return NULL;
	*resolve = (struct resolve){.entry = entry, .seconds = seconds, .on_answer = on_answer,
	    .ctx = ctx};
	resolve->timer = evtimer_new(resolver->base, on_timer, resolve);
	if (!resolve->timer || answer_at_once(resolve, identity) < 0)
		goto fail;
	if (set_timer(resolve) < 0)
		goto fail;
	resolve->next = entry->asking;
	entry->asking = resolve;
	return resolve;
fail:
	resolve_free(resolve);
	return NULL;
}

void
resolve_free(struct resolve *resolve)
{
	struct resolve **at;

	if (!resolve)
		return;
	for (at = &resolve->entry->asking; *at; at = &(*at)->next) {
		if (*at == resolve) {
			*at = resolve->next;
			break;
		}
	}
	if (resolve->timer)
		event_free(resolve->timer);
	free(resolve->at_once);
	free(resolve);
}

void
resolver_blame(struct resolver *resolver, const struct server *server,
    const struct lookup_address *address)
{
	struct entry *entry = find_entry(resolver, server);

	if (!entry)
		return;
	entry->blamed = *address;
	entry->blamed_until = clock_monotonic() + BLAME_TIME;
}

struct resolver *
resolver_new(struct event_base *base)
{
	struct resolver *resolver = calloc(1, sizeof *resolver);

	if (resolver)
		resolver->base = base;
	return resolver;
}

void
resolver_free(struct resolver *resolver)
{
	while (resolver && resolver->entries) {
		struct entry *entry = resolver->entries;

		resolver->entries = entry->next;
		end_task(entry);
		free(entry->last);
		free(entry);
	}
	free(resolver);
}
