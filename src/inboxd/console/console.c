/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/console/console.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inboxd/arrive/listener.h"
#include "inboxd/console/assets.h"
#include "inboxd/status/http.h"
#include "inboxd/status/status.h"
#include "lib/address.h"
#include "lib/log.h"
#include "lib/network.h"

/* "data:" is the page's icon; the last line is for browsers that know no frame-ancestors. */
#define HEADERS \
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; " \
	"connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; " \
	"form-action 'none'\r\n" \
	"X-Content-Type-Options: nosniff\r\n" \
	"Referrer-Policy: no-referrer\r\n" \
	"Cross-Origin-Resource-Policy: same-origin\r\n" \
	"Cross-Origin-Opener-Policy: same-origin\r\n" \
	"X-Frame-Options: DENY\r\n"

struct console {
	struct status *status;
	struct http *http;
	struct listener *listener;
	struct log_gate gate;
};

/* ---- requests */

static int
is_posted(const char *path)
{
	(void)path;
	return 0;
}

static void
on_request(void *ctx, struct http_request *req)
{
	struct console *console = ctx;
	const struct http_asset *asset = assets_find(http_path(req));

	switch (http_is_for_us(req)) {
	case 1:
		break;
	case -1:
		http_reply(req, 400, HTTP_TEXT, "the request wants one Host\n");
		return;
	default:
		log_limited(&console->gate, LOG_WARNING, "web_misdirected", "note=\"%s\"",
		    "somebody asked for a name, as a page elsewhere may have a browser do");
		http_reply(req, 421, HTTP_TEXT,
		    "ask by an address or by localhost: no other name is taken\n");
		return;
	}
	if (asset)
		http_reply_asset(req, asset);
	else if (!status_serve(console->status, req))
		http_reply(req, 404, HTTP_TEXT, "no such page: begin at /\n");
}

/* ---- connections */

void
console_take(struct console *console, int fd)
{
	http_take(console->http, fd);
}

static void
on_accept(void *ctx, int fd, const struct sockaddr *peer)
{
	(void)peer;
	console_take(ctx, fd);
}

static int
is_loopback(const struct sockaddr *address)
{
	struct network v4, v6;

	return network_parse("127.0.0.0/8", &v4) == 0 && network_parse("::1", &v6) == 0 &&
	    (network_has(&v4, address) || network_has(&v6, address));
}

static void
warn_of_open(const struct listener *listener)
{
	struct sockaddr_storage address;
	char text[ADDRESS_ROOM];
	int fd;

	for (size_t i = 0; (fd = listener_fd(listener, i)) != -1; i++) {
		socklen_t len = sizeof address;
		if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 ||
		    is_loopback((struct sockaddr *)&address))
			continue;
		address_print((struct sockaddr *)&address, text);
		log_event(LOG_WARNING, "web_open", "address=%s note=\"%s\"", text,
		    "whoever reaches this address, or the way there, can read the status pages");
	}
}

/* ---- opening and closing */

struct console *
console_open(struct event_base *base, const struct console_setup *setup, struct why *why)
{
	struct http_setup http = {
	    .is_posted = is_posted, .serve = on_request, .headers = HEADERS};
	struct listener_setup listening = {.setting = "web", .listen = setup->listen,
	    .passed = setup->passed, .passed_count = setup->passed_count,
	    .on_accept = on_accept};
	struct console *console = calloc(1, sizeof *console);

	if (!console)
		goto fail;
	http.ctx = listening.ctx = console;
	console->status = setup->status;
	console->http = http_open(base, -1, &http);
	if (!console->http)
		goto fail;
	console->listener = listener_open(base, &listening, why);
	if (console->listener) {
		warn_of_open(console->listener);
		return console;
	}
	console_close(console);
	return NULL;

fail:
	why_say(why, "out of memory");
	console_close(console);
	return NULL;
}

void
console_close(struct console *console)
{
	if (!console)
		return;
	listener_close(console->listener);
	http_close(console->http);
	free(console);
}
