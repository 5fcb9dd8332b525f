/* SPDX-License-Identifier: ISC */
/*
 * The console: a page for people on a TCP port of loopback, with the status pages that it reads
 * (inboxd(8), CONSOLE).  Nothing can be done there, and there is no password: what protects it is
 * the address.
 *
 * A browser reaches loopback for whoever's page it shows, so each request has to be meant for an
 * address (421, see head_is_for_us()), no other page may embed or read what comes from here, and
 * ours may load nothing from elsewhere and runs no script but its own file: text that clients have
 * sent can become none.
 *
 * Rejected: a second program, which would need rights to the status socket and another place in
 * everybody's start-up; the page here is a few files among the receiver's bytes.
 */
#ifndef INBOXD_CONSOLE_CONSOLE_H
#define INBOXD_CONSOLE_CONSOLE_H

#include <stddef.h>

#include "lib/attr.h"
#include "lib/conf.h"
#include "lib/why.h"

struct console;
struct event_base;
struct status;

struct console_setup {
	const struct conf_list *listen; /* "ADDRESS:PORT" each; none: there is no console */
	const int *passed; /* sockets that listen already, in place of these */
	size_t passed_count;
	struct status *status; /* whose pages it has */
};

/* NULL with the reason; a setup without addresses opens nothing. */
MUST_CHECK struct console *console_open(
    struct event_base *base, const struct console_setup *setup, struct why *why);
/* Takes a connection that does not block, as if it had come in. */
void console_take(struct console *console, int fd);
/* After the status is closed, which may have requests of it.  NULL: does nothing. */
void console_close(struct console *console);

#endif
