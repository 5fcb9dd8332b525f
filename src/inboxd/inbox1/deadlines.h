/* SPDX-License-Identifier: ISC */
/*
 * How long a session may take for what it does, and for nothing: each of [limits] hello, line,
 * rate, idle and session, looked at once a second.  A deadline runs only while what we wait for is
 * the client's to send, and the worker is there to read it (shop->awake).
 */
#ifndef INBOXD_INBOX1_DEADLINES_H
#define INBOXD_INBOX1_DEADLINES_H

#include <stddef.h>

struct guest;
struct session;

/* What was read has been taken, but for `rest` bytes of a line; `taken`: some was. */
void deadlines_note_line(struct session *s, size_t taken, size_t rest);
/* No byte went either way for [limits] idle. */
void deadlines_on_idle(struct session *s);
/* Has it missed one?  Then it has been sent away, and is LEAVING. */
int deadlines_look(struct session *s);
/* As make_room() of struct front: does it do nothing, and has done so for some seconds? */
int deadlines_make_room(struct guest *guest);

#endif
