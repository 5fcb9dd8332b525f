/* SPDX-License-Identifier: ISC */
/*
 * From behind: the weight, then the port, then what is left is a host.  Each refusal says what
 * to write instead, if that can be told from the word.
 */
#include "inboxq/base/server.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/parse.h"

#define LABEL_MAX 63 /* bytes: RFC 1035, section 2.3.4 */
#define ZONE_MAX 15  /* bytes of an interface's name */
#define SRV_PREFIX "srv:"

static const char digits[] = "0123456789";
static const char letters[] =
    "abcdefghijklmnopqrstuvwxyz"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

static int
is_v6(const char *text)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET6, text, bytes) == 1;
}

static int
is_v4(const char *text)
{
	unsigned char bytes[sizeof(struct in_addr)];

	return inet_pton(AF_INET, text, bytes) == 1;
}

static void
lower(char *text)
{
	for (; *text; text++) {
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
	}
}

/* Takes "*WEIGHT" off the end of `text`. */
static int
take_weight(char *text, struct server *server, struct why *want)
{
	char *star = strrchr(text, '*');
	uint64_t weight;

	if (!star)
		return 0;
	if (parse_u64(star + 1, strlen(star + 1), SERVER_WEIGHT_MAX, &weight) < 0 || weight == 0)
		return why_say(want, "a weight from 1 to %d behind the \"*\" of \"%s\"",
		    SERVER_WEIGHT_MAX, text);
	*star = '\0';
	server->weight = (unsigned)weight;
	return 0;
}

static int
take_port(const char *text, const char *word, struct server *server, struct why *want)
{
	uint64_t port;

	if (parse_u64(text, strlen(text), 65535, &port) < 0 || port == 0)
		return why_say(want, "a port from 1 to 65535 behind the colon of \"%s\", or no "
		    "colon for %d", word, SERVER_PORT);
	server->port = (unsigned)port;
	return 0;
}

/* Each part of a name between its dots.  Underscores are no letters of a host's name, but names
 * that have them are looked up and proved like others. */
static int
check_labels(const char *name, struct why *want)
{
	for (const char *at = name;; at++) {
		size_t len = strcspn(at, ".");

		if (len == 0)
			return why_say(want, "a name without an empty part for \"%s\"", name);
		if (len > LABEL_MAX)
			return why_say(want, "parts of at most %d letters between the dots of "
			    "\"%s\"", LABEL_MAX, name);
		if (at[0] == '-' || at[len - 1] == '-')
			return why_say(want, "no part that begins or ends with \"-\" in \"%s\"",
			    name);
		at += len;
		if (*at == '\0')
			return 0;
	}
}

/* Would inet_aton(3) take it for an address?  "127.1" is one to the resolver, and a name to the
 * certificate. */
static int
ends_in_number(const char *name)
{
	const char *dot = strrchr(name, '.'), *last = dot ? dot + 1 : name;

	return last[0] && (last[strspn(last, digits)] == '\0' ||
	                      (last[0] == '0' && (last[1] | 32) == 'x'));
}

static int
refuse_bytes(const char *name, struct why *want)
{
	const char *at = name + strspn(name, letters);

	if (*at & 0x80)
		return why_say(want, "the name as the DNS has it, in ASCII (\"xn--...\"), for "
		    "\"%s\"", name);
	if (*at == '/')
		return why_say(want, "\"%.*s\", and no path", (int)(at - name), name);
	return why_say(want, "a name of letters, digits, \"-\", \"_\" and dots; \"%c\" is none of "
	    "them", *at);
}

static int
take_name(const char *name, struct server *server, struct why *want)
{
	size_t len = strlen(name);
	int has_dot = len > 1 && name[len - 1] == '.';

	if (len == 0)
		return why_say(want, server->is_srv ? "a domain behind \"" SRV_PREFIX "\""
		                                    : "a name or an address in front");
	if (name[strspn(name, letters)] != '\0')
		return refuse_bytes(name, want);
	if (len - (size_t)has_dot > SERVER_NAME_MAX)
		return why_say(want, "a name of at most %d bytes", SERVER_NAME_MAX);
	snprintf(server->host, sizeof server->host, "%s", name);
	snprintf(server->name, sizeof server->name, "%.*s", (int)len - has_dot, name);
	lower(server->name);
	if (!ends_in_number(server->name))
		return check_labels(server->name, want);
	if (server->is_srv)
		return why_say(want, "a domain behind \"" SRV_PREFIX "\", not \"%s\"", name);
	if (!is_v4(name))
		return why_say(want, "an address of four numbers, as 192.0.2.1, or a name that "
		    "does not end in a number, for \"%s\"", name);
	server->is_address = 1;
	return 0;
}

/* "fe80::1%eth0", without its brackets. */
static int
take_address(const char *text, struct server *server, struct why *want)
{
	const char *zone = strchr(text, '%');
	size_t len = zone ? (size_t)(zone - text) : strlen(text);
	struct in6_addr in6;

	snprintf(server->host, sizeof server->host, "%.*s", (int)len, text);
	server->is_address = 1;
	if (!zone && is_v4(server->host)) {
		strcpy(server->name, server->host);
		return 0;
	}
	if (inet_pton(AF_INET6, server->host, &in6) != 1)
		return why_say(want, "an IPv6 address between the brackets, not \"%s\"", text);
	(void)!inet_ntop(AF_INET6, &in6, server->name, sizeof server->name);
	strcpy(server->host, server->name);
	if (!zone && !IN6_IS_ADDR_LINKLOCAL(&in6))
		return 0;
	if (!zone)
		return why_say(want, "the interface that leads to a link-local address, as in "
		    "[%s%%eth0]", server->name);
	if (!IN6_IS_ADDR_LINKLOCAL(&in6))
		return why_say(want, "\"[%s]\": only a link-local address (fe80::...) has a zone",
		    server->name);
	if (zone[1] == '\0' || strlen(zone + 1) > ZONE_MAX ||
	    zone[1 + strspn(zone + 1, letters)] != '\0')
		return why_say(want, "the name of an interface behind the \"%%\" of \"%s\"", text);
	snprintf(server->host + strlen(server->host), ZONE_MAX + 2, "%s", zone);
	return 0;
}

static int
take_bracketed(char *text, const char *word, struct server *server, struct why *want)
{
	char *end = strchr(text, ']');

	if (!end || (end[1] != '\0' && end[1] != ':'))
		return why_say(want, "[ADDRESS] or [ADDRESS]:PORT, not \"%s\"", word);
	*end = '\0';
	if (end[1] == ':' && take_port(end + 2, word, server, want) < 0)
		return -1;
	return take_address(text + 1, server, want);
}

/* What people write who think of something else. */
static int
refuse_habits(const char *text, struct why *want)
{
	const char *scheme = strstr(text, "://");
	size_t len = strcspn(text, "%");
	char address[64];

	if (scheme && scheme[3] != '\0')
		return why_say(want, "\"%.*s\", and no URL", (int)strcspn(scheme + 3, "/"),
		    scheme + 3);
	if (scheme)
		return why_say(want, "HOST or HOST:PORT, and no URL");
	snprintf(address, sizeof address, "%.*s", (int)len, text);
	if (len < sizeof address && is_v6(address))
		return why_say(want, "brackets round an IPv6 address: \"[%s]:%d\"", text,
		    SERVER_PORT);
	if (strchr(text, '@'))
		return why_say(want, "\"%s\", and no user", strrchr(text, '@') + 1);
	return 0;
}

int
server_parse(const char *word, struct server *server, struct why *want)
{
	char text[SERVER_WORD_MAX + 1], *colon;

	memset(server, 0, sizeof *server);
	if (strlen(word) > SERVER_WORD_MAX)
		return why_say(want, "at most %d bytes", SERVER_WORD_MAX);
	strcpy(text, word);
	if (take_weight(text, server, want) < 0 || refuse_habits(text, want) < 0)
		return -1;
	colon = strchr(text, ':');
	/* A host may go by the name "srv": no domain is a number. */
	if (strncasecmp(text, SRV_PREFIX, strlen(SRV_PREFIX)) == 0 &&
	    (colon[1] == '\0' || colon[1 + strspn(colon + 1, digits)] != '\0')) {
		server->is_srv = 1;
		if (strchr(colon + 1, ':'))
			return why_say(want, "no port behind \"" SRV_PREFIX "\": the records "
			    "tell it");
		return take_name(colon + 1, server, want);
	}
	server->port = SERVER_PORT;
	if (text[0] == '[')
		return take_bracketed(text, word, server, want);
	if (colon && strchr(colon + 1, ':'))
		return why_say(want, "one colon in HOST:PORT, or an IPv6 address in brackets, for "
		    "\"%s\"", text);
	if (colon && take_port(colon + 1, text, server, want) < 0)
		return -1;
	if (colon)
		*colon = '\0';
	return take_name(text, server, want);
}

/* The zone counts, the dot behind a name does not. */
int
server_equal(const struct server *a, const struct server *b)
{
	return a->port == b->port && a->is_srv == b->is_srv && strcmp(a->name, b->name) == 0 &&
	    (!a->is_address || strcmp(a->host, b->host) == 0);
}
