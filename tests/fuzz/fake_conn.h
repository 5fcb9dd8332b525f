/* SPDX-License-Identifier: ISC */
/*
 * lib/conn.h without TLS, socket and event loop: the fuzzer says what happens
 * on the one connection there is, and sees what is written to it.  It keeps to the
 * contract in conn.h, and holds its user to it.
 *
 * Rejected: a socketpair with TLS on both ends; it makes a hundred inputs a
 * second where this makes ten thousand, and OpenSSL's parts are fuzzed by others.
 */
#ifndef FUZZ_FAKE_CONN_H
#define FUZZ_FAKE_CONN_H

#include <stddef.h>

/* Is there a connection, with on_close not yet called? */
int fake_is_there(void);
/* May bytes come: open, not finishing, not paused? */
int fake_is_reading(void);

/* Each of these does nothing where the connection is over. */
void fake_open(void);
void fake_give(const void *data, size_t len); /* bytes arrive */
void fake_turn(void); /* a turn of the event loop: what is due is called */
void fake_stall(size_t bytes); /* that much output seems to wait */
void fake_drain(void);
void fake_idle(void);
/* The connection ends: with `error`, or the peer closes (NULL). */
void fake_end(const char *error);

/* What was written since the last call.  Borrowed until then. */
const char *fake_output(size_t *len);
/* For conn_peer_identity(): NULL: it fails. */
void fake_set_identity(const char *identity);
/* To begin with: nothing left over of the run before. */
void fake_reset(void);

#endif
