/* SPDX-License-Identifier: ISC */
/* Rows that more than one program has in its table of keys, and what they set: [tls] and [log]
 * both ends, the receiver's places inboxd and inboxctl. */
#ifndef LIB_CONF_ROWS_H
#define LIB_CONF_ROWS_H

#include <stddef.h>

#include "lib/conf.h"

struct conf_tls {
	char *certificate, *key, *ca, *crl;
	int minimum; /* 0: TLS 1.3, 1: TLS 1.2 */
};

struct conf_log {
	int level, format; /* format: enum log_format */
};

extern const char *const conf_minimum_choices[], *const conf_level_choices[],
    *const conf_format_choices[];

/* `at`: where the struct above lies in the target. */
#define CONF_TLS_ROWS(at) \
	{"tls", "certificate", CONF_PATH, (at) + offsetof(struct conf_tls, certificate), \
	    .required = 1}, \
	{"tls", "key", CONF_PATH, (at) + offsetof(struct conf_tls, key), .required = 1}, \
	{"tls", "ca", CONF_PATH, (at) + offsetof(struct conf_tls, ca), .required = 1}, \
	{"tls", "crl", CONF_PATH, (at) + offsetof(struct conf_tls, crl), .fallback = NULL}, \
	{"tls", "minimum", CONF_CHOICE, (at) + offsetof(struct conf_tls, minimum), \
	    .fallback = "1.3", .choices = conf_minimum_choices}
/* `needs_restart`: a changed format does. */
#define CONF_LOG_ROWS(at, needs_restart) \
	{"log", "level", CONF_CHOICE, (at) + offsetof(struct conf_log, level), \
	    .fallback = "info", .choices = conf_level_choices}, \
	{"log", "format", CONF_CHOICE, (at) + offsetof(struct conf_log, format), \
	    .fallback = "auto", .choices = conf_format_choices, .restart = (needs_restart)}
/* Where a receiver is found, at rest and running; inboxctl looks there. */
#define CONF_ROOT_ROWS(at) \
	{"receiver", "root", CONF_PATH, (at), .fallback = LOCALSTATEDIR "/lib/inboxd", \
	    .restart = 1}
#define CONF_SOCKET_ROWS(at) \
	{"status", "socket", CONF_PATH, (at), .fallback = RUNSTATEDIR "/inboxd/status.sock", \
	    .restart = 1}

/* The syslog(3) priority that the key `level` stands for. */
int conf_log_level(const struct conf_log *log);

#endif
