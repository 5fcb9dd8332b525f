/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/status/head.h"

#include <stdint.h>
#include <string.h>

#include "lib/network.h"
#include "lib/parse.h"

size_t
head_find_end(const char *text)
{
	const char *crlf = strstr(text, "\n\r\n"), *lf = strstr(text, "\n\n");

	if (crlf && (!lf || crlf < lf))
		return (size_t)(crlf - text) + 3;
	return lf ? (size_t)(lf - text) + 2 : 0;
}

/* ---- headers */

/* The value of the only header of that name, "\r" and "\n" excluded.  1; 0: there is none; -1:
 * there are more. */
static int
find_header(const struct head *head, const char *name, const char **value, size_t *len)
{
	size_t name_len = strlen(name);
	const char *stop;
	int found = 0;

	for (const char *line = head->headers; *line; line = stop + (*stop != '\0')) {
		stop = line + strcspn(line, "\n");
		if ((size_t)(stop - line) <= name_len || line[name_len] != ':' ||
		    strncasecmp(line, name, name_len) != 0)
			continue;
		if (found)
			return -1;
		found = 1;
		*value = line + name_len + 1;
		*value += strspn(*value, " \t");
		*len = strcspn(*value, "\r\n");
		while (*len > 0 && strchr(" \t", (*value)[*len - 1]))
			--*len;
	}
	return found;
}

int
head_accepts(const struct head *head, const char *type)
{
	static const char name[] = "accept:";
	const char *found, *stop;

	for (const char *line = head->headers; *line; line = stop + (*stop != '\0')) {
		stop = line + strcspn(line, "\n");
		found = strcasestr(line, type);
		if (strncasecmp(line, name, sizeof name - 1) == 0 && found && found < stop)
			return 1;
	}
	return 0;
}

/* The host without its port, and without the brackets of IPv6.  0, or -1: it is none. */
static int
cut_port(const char *host, size_t len, char *out, size_t room)
{
	const char *stop = host + len, *end;
	int has_brackets = len > 0 && host[0] == '[';
	uint64_t port;

	host += has_brackets;
	end = memchr(host, has_brackets ? ']' : ':', (size_t)(stop - host));
	if (!end && has_brackets)
		return -1;
	if (!end)
		end = stop;
	if (end == host || (size_t)(end - host) >= room)
		return -1;
	memcpy(out, host, (size_t)(end - host));
	out[end - host] = '\0';
	end += has_brackets;
	if (end == stop)
		return 0;
	return *end == ':' ? parse_u64(end + 1, (size_t)(stop - end - 1), 65535, &port) : -1;
}

int
head_is_for_us(const struct head *head)
{
	const char *host = head->host, *named;
	size_t len = head->host_len, named_len;
	struct network address;
	char name[64];

	if (find_header(head, "Host", &named, &named_len) != 1)
		return -1;
	if (!host) {
		host = named;
		len = named_len;
	}
	return cut_port(host, len, name, sizeof name) == 0 && !strchr(name, '/') &&
	    (strcasecmp(name, "localhost") == 0 || network_parse(name, &address) == 0);
}

int
head_has_tag(const struct head *head, const char *tag)
{
	const char *value;
	size_t len, tag_len = strlen(tag);

	if (find_header(head, "If-None-Match", &value, &len) != 1)
		return 0;
	for (; len >= tag_len; value++, len--)
		if (memcmp(value, tag, tag_len) == 0)
			return 1;
	return 0;
}

/* ---- the request's line */

/* The next word of the line, ended by a blank or the line's end. */
static char *
next_word(char **rest)
{
	char *word = *rest, *end = word + strcspn(word, " ");

	*rest = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

/* RFC 9112: an origin-form, or an absolute-form of http, whose host stands for the header's. */
static char *
path_of(char *target, struct head *head)
{
	static const char scheme[] = "http://";
	size_t len = sizeof scheme - 1;

	if (strncmp(target, scheme, len) == 0) {
		target += len;
		head->host = target;
		head->host_len = strcspn(target, "/?");
		target += head->host_len;
	}
	return *target == '/' ? target : NULL;
}

/* How long the body is.  Its length has to be said: nothing else is read here. */
static int
parse_length(struct head *head, const char **why)
{
	const char *value;
	uint64_t length;
	size_t len;

	*why = "the body's length has to be said, by a Content-Length\n";
	if (find_header(head, "Transfer-Encoding", &value, &len) != 0)
		return 411;
	switch (find_header(head, "Content-Length", &value, &len)) {
	case 0:
		return 411;
	case -1:
		return 400;
	}
	if (parse_u64(value, len, UINT64_MAX, &length) < 0)
		return 400;
	*why = "the body is too long\n";
	if (length > HEAD_BODY_MAX)
		return 413;
	head->body = (size_t)length;
	return 0;
}

static int
parse_method(struct head *head, const char *method, int is_posted, const char **why)
{
	head->is_head = strcmp(method, "HEAD") == 0;
	if (is_posted) {
		head->allow = "POST";
		*why = "this is asked by POST alone\n";
		return strcmp(method, "POST") == 0 ? parse_length(head, why) : 405;
	}
	*why = "all pages are read-only: GET or HEAD\n";
	return head->is_head || strcmp(method, "GET") == 0 ? 0 : 405;
}

int
head_parse(char *text, size_t len, head_is_posted *is_posted, struct head *out, const char **why)
{
	char *line = text, *stop = strchr(line, '\n');
	char *method, *path, *version;

	*out = (struct head){.allow = "GET, HEAD", .headers = stop + 1};
	text[len - 1] = '\0'; /* the empty line's LF */
	if (stop > line && stop[-1] == '\r')
		stop--;
	*stop = '\0';
	method = next_word(&line);
	path = path_of(next_word(&line), out);
	version = line;
	*why = "this is no request of HTTP/1.1\n";
	if (strncmp(version, "HTTP/1.", 7) != 0 || strspn(version + 7, "0123456789") != 1 ||
	    version[8] != '\0')
		return 400;
	*why = "the request has no path\n";
	if (!path)
		return 400;
	out->path = path;
	path = strchr(path, '?');
	if (path) {
		*path = '\0';
		out->query = path + 1;
	}
	return parse_method(out, method, is_posted(out->path), why);
}
