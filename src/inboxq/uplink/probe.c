/* SPDX-License-Identifier: ISC */
/* In TLS 1.3 a client is done before the server has looked at its certificate.  A server that does
 * not take it says so at once, so the handshake counts if nothing has come for a second. */
#include "config.h"

#include "inboxq/uplink/probe.h"

#include <stdlib.h>

#include "inboxq/base/settings.h"
#include "inboxq/uplink/dial.h"
#include "inboxq/uplink/uplink.h"
#include "lib/clock.h"
#include "lib/conn.h"
#include "lib/log.h"

struct probe {
	const struct uplink_setup *setup;
	struct dial *dial;
	struct dial_target target;
	struct conn *conn; /* NULL: it was closed, or there is none yet */
	int has_addresses;
	int64_t opened; /* microseconds; 0: not yet */
};

static void
note_failure(const struct probe *probe, const char *error)
{
	log_event(LOG_INFO, "probe_failed", "server=%s address=%s error=\"%s\"",
	    probe->target.name, probe->target.address, error);
}

static void
on_open(void *ctx)
{
	struct probe *probe = ctx;

	probe->opened = clock_monotonic();
}

static size_t
on_read(void *ctx, const unsigned char *data, size_t len)
{
	(void)ctx, (void)data;
	return len;
}

static void
on_close(void *ctx, const char *error)
{
	struct probe *probe = ctx;

	note_failure(probe, error ? error : "the server closed the connection");
	conn_free(probe->conn);
	probe->conn = NULL;
	probe->opened = 0;
}

static const struct conn_events conn_calls = {
    .on_open = on_open, .on_read = on_read, .on_close = on_close};

static void
on_ready(void *ctx)
{
	struct probe *probe = ctx;

	probe->has_addresses = 1;
}

struct probe *
probe_new(const struct uplink_setup *setup, const char *server)
{
	const struct dial_setup dial = {.resolver = setup->resolver, .tls = setup->tls,
	    .seconds = (unsigned)setup->settings->connect_timeout};
	struct probe *probe = calloc(1, sizeof *probe);

	if (!probe)
		return NULL;
	probe->setup = setup;
	probe->dial = dial_new(&dial, server, on_ready, probe);
	if (probe->dial)
		return probe;
	free(probe);
	return NULL;
}

void
probe_free(struct probe *probe)
{
	if (!probe)
		return;
	conn_free(probe->conn);
	dial_free(probe->dial);
	free(probe);
}

/* The next address; 0: there is none. */
static int
dial_on(struct probe *probe)
{
	struct conn_link link = {.fd = dial_next(probe->dial, &probe->target),
	    .peer = probe->target.address, .host = probe->target.name};

	if (link.fd >= 0)
		probe->conn = conn_new(probe->setup->base, probe->setup->tls, &link, &conn_calls,
		    probe);
	return probe->conn != NULL;
}

enum probe_state
probe_look(struct probe *probe)
{
	if (!probe->has_addresses)
		return PROBE_GOES_ON;
	if (probe->conn && probe->opened)
		return clock_monotonic() - probe->opened >= CLOCK_SECOND ? PROBE_GOOD
		                                                         : PROBE_GOES_ON;
	if (probe->conn) {
		if (!dial_is_late(probe->dial, 0))
			return PROBE_GOES_ON;
		note_failure(probe, "timed out");
		conn_free(probe->conn);
		probe->conn = NULL;
	}
	return dial_on(probe) ? PROBE_GOES_ON : PROBE_BAD;
}
