/* SPDX-License-Identifier: ISC */
/*
 * sd_notify(3) by hand: the protocol is documented as stable and is one
 * datagram.  Without NOTIFY_SOCKET in the environment every call does
 * nothing.  A message that cannot be sent is logged once and never an error:
 * a service does its work whatever its supervisor does.
 *
 * Main thread only.  notify_watchdog() may be called only while there is progress: for the
 * receiver, of the commit thread, the publisher and the workers, of whom one sync or write may take
 * some intervals (inboxd/supervisor.h).
 */
#ifndef LIB_NOTIFY_H
#define LIB_NOTIFY_H

#include <stdint.h>

void notify_ready(void);
/* Sends MONOTONIC_USEC too, which Type=notify-reload needs and others ignore.
 * notify_ready() ends the reload. */
void notify_reloading(void);
void notify_stopping(void);
/* A line for `systemctl status`; what is long is cut. */
void notify_status(const char *text);
void notify_watchdog(void);
/* A start that takes long may take so many microseconds more, from now on. */
void notify_extend(uint64_t microseconds);

/* Microseconds within which the supervisor wants the next notify_watchdog(),
 * 0: none wanted of this process.  Send one in half that time. */
uint64_t notify_watchdog_interval(void);

#endif
