/* SPDX-License-Identifier: ISC */
/*
 * A ring of bytes, all lines whole.  The lock is held for as long as it takes to copy a
 * line, and never while the thread writes.
 */
#include "config.h"

#include "lib/log_writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_MS 1000

enum delivery { DELIVERED, FAILED, TORN, WOULD_WAIT };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	char bytes[LOG_HELD];
	uint64_t put, taken;    /* bytes ever; those between are held */
	uint64_t lost, lost_at; /* lines to be told of once all before this byte is written */
	uint64_t lost_ever;
	int is_torn; /* half a line was written; what follows it begins with a LF */
	int has_thread;
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

static void
lose_line(uint64_t at)
{
	if (ring.lost++ == 0)
		ring.lost_at = at;
	ring.lost_ever++;
}

static size_t
copy_oldest(char line[LOG_LINE_MAX])
{
	size_t len = 0;

	do
		line[len] = ring.bytes[(ring.taken + len) % LOG_HELD];
	while (line[len++] != '\n');
	return len;
}

static int
can_write(int wait_ms)
{
	struct pollfd standard_error = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&standard_error, 1, wait_ms) != 0; /* an error is write()'s to tell */
}

static enum delivery
deliver(const char *line, size_t len, int may_wait)
{
	size_t at = 0;

	while (at < len) {
		ssize_t done;

		if (!may_wait && !can_write(0))
			return at == 0 ? WOULD_WAIT : TORN;
		done = write(STDERR_FILENO, line + at, len - at);
		if (done >= 0)
			at += (size_t)done;
		else if (errno == EAGAIN && may_wait)
			(void)can_write(-1); /* somebody has set O_NONBLOCK */
		else if (errno == EAGAIN && at == 0)
			return WOULD_WAIT;
		else if (errno != EINTR)
			return at == 0 ? FAILED : TORN;
	}
	return DELIVERED;
}

static enum delivery
deliver_unlocked(const char *line, size_t len)
{
	enum delivery delivery;

	if (!ring.has_thread)
		return deliver(line, len, 0);
	pthread_mutex_unlock(&ring.lock);
	delivery = deliver(line, len, 1);
	pthread_mutex_lock(&ring.lock);
	return delivery;
}

/* Behind a line that was written, where it belongs there. */
static void
tell_lost(uint64_t written)
{
	char line[LOG_LINE_MAX + 1];
	enum delivery delivery;
	uint64_t lost = ring.lost;

	if (lost == 0 || written < ring.lost_at)
		return;
	ring.lost = 0;
	delivery = deliver_unlocked(line, log_print_lost(line, lost));
	if (delivery != DELIVERED)
		ring.lost += lost;
	ring.is_torn = delivery == TORN;
}

/* The oldest line.  -1: it stays, since to write it now would be to wait. */
static int
deliver_oldest(void)
{
	char line[1 + LOG_LINE_MAX] = "\n";
	size_t len = copy_oldest(line + 1), torn = ring.is_torn != 0;
	uint64_t end = ring.taken + len;
	enum delivery delivery = deliver_unlocked(line + 1 - torn, len + torn);

	if (delivery == WOULD_WAIT)
		return -1;
	ring.is_torn = delivery == TORN || (torn && delivery == FAILED);
	if (delivery == DELIVERED)
		tell_lost(end);
	else
		lose_line(end);
	ring.taken = end;
	return 0;
}

static void *
run(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&ring.lock);
	for (;;) {
		while (ring.taken == ring.put)
			pthread_cond_wait(&ring.filled, &ring.lock);
		(void)deliver_oldest();
	}
	return NULL;
}

int
log_writer_start(void)
{
	sigset_t all, before;
	pthread_t thread;
	int rc;

	/* Signals are for the threads that wait for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ring.has_thread = 1;
	rc = pthread_create(&thread, NULL, run, NULL);
	if (rc == 0)
		pthread_detach(thread);
	else
		ring.has_thread = 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = rc;
	return rc == 0 ? 0 : -1;
}

/* Without the thread, what can be written without waiting. */
static void
deliver_here(void)
{
	while (!ring.has_thread && ring.taken < ring.put && deliver_oldest() == 0)
		;
}

void
log_writer_put(const char *line, size_t len)
{
	pthread_mutex_lock(&ring.lock);
	deliver_here();
	if (LOG_HELD - (ring.put - ring.taken) < len) {
		lose_line(ring.put);
	} else {
		for (size_t i = 0; i < len; i++)
			ring.bytes[ring.put++ % LOG_HELD] = line[i];
	}
	pthread_cond_signal(&ring.filled);
	deliver_here();
	pthread_mutex_unlock(&ring.lock);
}

static int
is_held(void)
{
	int held;

	pthread_mutex_lock(&ring.lock);
	deliver_here();
	held = ring.taken < ring.put;
	pthread_mutex_unlock(&ring.lock);
	return held;
}

void
log_writer_drain(void)
{
	const struct timespec pause = {0, 1000000};

	for (int waited = 0; waited < DRAIN_MS && is_held(); waited++)
		nanosleep(&pause, NULL);
}

uint64_t
log_writer_lost(void)
{
	uint64_t lost;

	pthread_mutex_lock(&ring.lock);
	lost = ring.lost_ever;
	pthread_mutex_unlock(&ring.lock);
	return lost;
}
