/* SPDX-License-Identifier: ISC */
/*
 * The running receiver, as its main thread sees it: signals, reload, drain,
 * the status socket's questions, the watchdog.  main.c decides what to run;
 * this runs it.
 */
#ifndef INBOXD_SERVER_H
#define INBOXD_SERVER_H

struct passed;
struct settings;

/*
 * Takes `settings`, read from `config`, and the sockets that were passed.  Serves until SIGTERM or
 * SIGINT, then drains and returns.  Where it cannot start or go on it logs the reason and ends
 * the process with one of sysexits(3), as inboxd(8) lists them.
 */
void server_run(const char *config, struct settings *settings, const struct passed *passed);

#endif
