/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "fake_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "lib/conn.h"
#include "lib/proto.h"
#include "lib/why.h"

struct conn {
	const struct conn_events *events;
	void *ctx;
	int fd;
	int is_open, is_over, paused, finishing, busy, freed;
	unsigned char *in;
	size_t in_len, stalled;
	int unseen, has_written;
	unsigned idle;
};

static struct conn *current;
static const char *identity;
static char *output;
static size_t output_len, output_room, output_seen;

void
fake_reset(void)
{
	FUZZ_CHECK(!current);
	output_len = output_seen = 0;
	identity = "pc17.example.org";
}

void
fake_set_identity(const char *name)
{
	identity = name;
}

const char *
fake_output(size_t *len)
{
	const char *from = output ? output + output_seen : "";

	*len = output_len - output_seen;
	output_seen = output_len;
	return from;
}

int
fake_is_there(void)
{
	return current && !current->is_over;
}

int
fake_is_reading(void)
{
	return fake_is_there() && current->is_open && !current->paused && !current->finishing;
}

/* ---- lib/conn.h */

struct conn *
conn_new(struct event_base *base, struct tls *tls, const struct conn_link *link,
    const struct conn_events *events, void *ctx)
{
	(void)base, (void)tls;
	FUZZ_CHECK(!current && events->on_read && events->on_close);
	current = calloc(1, sizeof *current);
	FUZZ_CHECK(current);
	current->fd = link->fd;
	current->events = events;
	current->ctx = ctx;
	return current;
}

void
conn_set_owner(struct conn *conn, const struct conn_events *events, void *ctx)
{
	FUZZ_CHECK(conn == current && events->on_read && events->on_close);
	conn->events = events;
	conn->ctx = ctx;
}

const char *
conn_alpn(const struct conn *conn)
{
	FUZZ_CHECK(conn == current && conn->is_open);
	return PROTO_ALPN;
}

static void
release(struct conn *conn)
{
	if (conn->fd >= 0)
		close(conn->fd);
	free(conn->in);
	free(conn);
}

void
conn_free(struct conn *conn)
{
	if (!conn)
		return;
	FUZZ_CHECK(conn == current && !conn->freed);
	current = NULL;
	conn->is_over = conn->freed = 1;
	if (!conn->busy)
		release(conn);
}

/* Around each callback, within which conn_free() may be called. */
static struct conn *
enter(void)
{
	FUZZ_CHECK(!current->busy);
	current->busy = 1;
	return current;
}

static void
leave(struct conn *conn)
{
	conn->busy = 0;
	if (conn->freed)
		release(conn);
}

void
conn_write(struct conn *conn, const void *data, size_t len)
{
	FUZZ_CHECK(conn == current);
	if (conn->is_over || conn->finishing)
		return;
	conn->has_written = 1;
	if (output_len + len > output_room) {
		output_room = 2 * output_room + len + 4096;
		output = realloc(output, output_room);
		FUZZ_CHECK(output);
	}
	if (len)
		memcpy(output + output_len, data, len);
	output_len += len;
}

int
conn_is_connected(const struct conn *conn)
{
	FUZZ_CHECK(conn == current);
	return conn->is_open;
}

int
conn_has_spoken(const struct conn *conn, unsigned seconds)
{
	(void)seconds;
	FUZZ_CHECK(conn == current);
	return 0;
}

size_t
conn_pending(const struct conn *conn)
{
	FUZZ_CHECK(conn == current);
	return conn->stalled;
}

void
conn_pause(struct conn *conn)
{
	FUZZ_CHECK(conn == current);
	conn->paused = 1;
}

/* Never: on_read then takes all it can use. */
int
conn_must_yield(const struct conn *conn)
{
	FUZZ_CHECK(conn == current);
	return 0;
}

void
conn_resume(struct conn *conn)
{
	FUZZ_CHECK(conn == current);
	conn->paused = 0;
	conn->unseen = conn->in_len > 0;
}

void
conn_finish(struct conn *conn, unsigned linger)
{
	(void)linger;
	FUZZ_CHECK(conn == current);
	conn->finishing = 1;
}

void
conn_set_idle(struct conn *conn, unsigned seconds)
{
	FUZZ_CHECK(conn == current);
	conn->idle = seconds;
}

int
conn_peer_identity(struct conn *conn, enum identity_kind kind, char name[IDENTITY_MAX + 1],
    struct why *error)
{
	(void)kind;
	FUZZ_CHECK(conn == current && conn->is_open);
	snprintf(name, IDENTITY_MAX + 1, "%s", identity ? identity : "");
	why_say(error, "the certificate is a fuzzer's");
	return identity ? 0 : -1;
}

int
conn_recheck(struct conn *conn, struct tls *tls, struct why *error)
{
	(void)conn, (void)tls, (void)error;
	return 0;
}

int
conn_has_parted(const struct conn *conn)
{
	(void)conn;
	return 0;
}

int
conn_was_silent(const struct conn *conn)
{
	FUZZ_CHECK(conn == current);
	return 0;
}

int
conn_is_to_blame(const struct conn *conn)
{
	FUZZ_CHECK(conn == current);
	return 0;
}

const char *
conn_peer_address(const struct conn *conn)
{
	FUZZ_CHECK(conn == current);
	return "192.0.2.1:4711";
}

/* ---- what happens */

void
fake_open(void)
{
	struct conn *conn;

	if (!fake_is_there() || current->is_open || current->finishing)
		return;
	current->is_open = 1;
	conn = enter();
	if (conn->events->on_open)
		conn->events->on_open(conn->ctx);
	leave(conn);
}

void
fake_give(const void *data, size_t len)
{
	if (!fake_is_there() || len == 0)
		return;
	current->in = realloc(current->in, current->in_len + len);
	FUZZ_CHECK(current->in);
	memcpy(current->in + current->in_len, data, len);
	current->in_len += len;
	current->unseen = 1;
}

static void
call_read(void)
{
	struct conn *conn = enter();
	size_t len = conn->in_len, used;
	unsigned char *exact = fuzz_copy(conn->in, len);

	conn->unseen = 0;
	used = conn->events->on_read(conn->ctx, exact, len);
	free(exact);
	FUZZ_CHECK(used <= len);
	if (!conn->is_over) {
		FUZZ_CHECK(used > 0 || len < CONN_CHUNK || conn->paused || conn->finishing);
		conn->in_len -= used;
		memmove(conn->in, conn->in + used, conn->in_len);
	}
	leave(conn);
}

void
fake_turn(void)
{
	/* As often as it resumes itself. */
	while (fake_is_reading() && current->unseen)
		call_read();
	if (fake_is_there() && current->finishing && current->stalled == 0)
		fake_end(NULL);
}

void
fake_stall(size_t bytes)
{
	if (fake_is_there() && current->is_open && current->has_written)
		current->stalled = bytes;
}

void
fake_drain(void)
{
	struct conn *conn;

	if (!fake_is_there() || !current->is_open || !current->has_written)
		return;
	current->stalled = 0;
	current->has_written = 0;
	conn = enter();
	if (conn->events->on_drained)
		conn->events->on_drained(conn->ctx);
	leave(conn);
}

void
fake_idle(void)
{
	struct conn *conn;

	if (!fake_is_there() || !current->is_open || current->idle == 0)
		return;
	conn = enter();
	if (conn->events->on_idle)
		conn->events->on_idle(conn->ctx);
	leave(conn);
}

void
fake_end(const char *error)
{
	struct conn *conn;

	if (!fake_is_there())
		return;
	current->is_over = 1;
	conn = enter();
	conn->events->on_close(conn->ctx, error);
	leave(conn);
}
