/* SPDX-License-Identifier: ISC */
/*
 * A status socket with a source of our own, served by a child, and a client of
 * raw bytes to ask it.  A child that ends in any other way than exit(0) fails
 * the test, so a crash or a leak cannot hide.
 */
#ifndef UNIT_STATUS_SERVER_H
#define UNIT_STATUS_SERVER_H

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

#include "inboxd/commit/view.h"
#include "inboxd/status/status.h"

#define WAIT_MS 20000 /* for anything */

/* What becomes of a question for all clients; set before server_start(). */
enum server_answer { ANSWER_AT_ONCE, ANSWER_SOON, ANSWER_PAGES, ANSWER_LARGE,
	ANSWER_NEVER, ANSWER_NO_MEMORY };
extern enum server_answer server_answer;
extern const struct status_source server_source;
extern struct why server_trouble; /* what /healthz has to say; "": nothing */

extern enum forget_outcome server_outcome; /* of each wish to forget */

extern char server_folder[64];
extern char server_path[96];
extern pid_t server_pid; /* 0: none; teardown kills it */

int server_setup(void **state);
int server_teardown(void **state);
void server_start(void);
void server_stop(void);
/* The exit status, as waitpid has it; a child that stays is killed. */
int wait_for_end(pid_t pid);

int dial(void); /* -1: nobody listens */
void say(int fd, const char *data, size_t len);
/* All up to the end of the connection, which it closes; to be freed. */
char *listen_to(int fd);
/* Sends a request; `headers` are whole lines. */
int ask(const char *method, const char *page, const char *headers);
char *get(const char *page);
int code_of(const char *reply);
const char *body_of(const char *reply);
json_t *get_json(const char *page);
void assert_lives(void);

#endif
