/* SPDX-License-Identifier: ISC */
/*
 * As much of an HTTP/1.1 server as pages on a UNIX socket, or on loopback, need: GET and HEAD, and
 * POST with a short body for the paths that are no pages; one request a connection, an answer of
 * known length.
 *
 * What it costs is bounded, whatever those who read do: HTTP_CONNECTIONS places, each with
 * one small request and one answer.  Who comes when all are taken is told 503, and a
 * connection has 15 seconds for its request and as many to read the answer.
 *
 * Rejected: evhttp, which takes any number of connections, holds for each what it has not read,
 * and has far more doors than a page needs.
 */
#ifndef INBOXD_STATUS_HTTP_H
#define INBOXD_STATUS_HTTP_H

#include <sys/types.h>

#include "inboxd/status/head.h"
#include "lib/attr.h"

#define HTTP_CONNECTIONS 64

struct event_base;
struct http;
struct http_request;

/* Gets each request that is one.  It is the callee's until he replies, once, at any time. */
typedef void http_serve(void *ctx, struct http_request *request);

struct http_setup {
	head_is_posted *is_posted; /* which paths take POST */
	http_serve *serve;
	void *ctx;
	const char *headers; /* of all answers, beside those of each: lines, each with its CR LF */
};

/* Serves what comes in on `fd`, which listens, does not block and is taken; -1: what http_take()
 * brings, and nothing else.  NULL: out of memory. */
MUST_CHECK struct http *http_open(
    struct event_base *base, int fd, const struct http_setup *setup);
/* Takes a connection that somebody else has accepted, and which does not block. */
void http_take(struct http *http, int fd);
/* Ends all connections.  NULL: does nothing. */
void http_close(struct http *http);

/* What was asked for: its path, and what stood behind the "?" (NULL: none). */
const char *http_path(const struct http_request *request);
const char *http_query(const struct http_request *request);
/* A POST's body, without a NUL; "" for all others. */
const char *http_body(const struct http_request *request);
/* Whose process asks: as local_peer(). */
MUST_CHECK int http_peer(const struct http_request *request, uid_t *uid);
/* Does the client say that it takes this media type? */
int http_accepts(const struct http_request *request, const char *type);
/* As head_is_for_us(). */
MUST_CHECK int http_is_for_us(const struct http_request *request);

/* Ends the request.  `text` is copied. */
void http_reply(struct http_request *request, int code, const char *type, const char *text);
/* The same, with 200 and a text that it takes and frees; NULL: memory is out, and 500. */
void http_reply_page(struct http_request *request, const char *type, char *text);

/* What does not change while we run. */
struct http_asset {
	const char *type, *tag; /* a strong ETag, with its quotes */
	const void *bytes;
	size_t len;
};

/* The same, with such a thing, which is borrowed; or 304, where the client has it already. */
void http_reply_asset(struct http_request *request, const struct http_asset *asset);

#define HTTP_JSON "application/json"
#define HTTP_TEXT "text/plain; charset=utf-8"

#endif
