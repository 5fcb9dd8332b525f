/* SPDX-License-Identifier: ISC */
/* A thread of the receiver: it takes no signals, which are main's. */
#ifndef INBOXD_BASE_THREAD_H
#define INBOXD_BASE_THREAD_H

#include <pthread.h>

#include "lib/attr.h"

/* 0, or -1 with errno. */
MUST_CHECK int thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg);
/* Waits for its end. */
void thread_join(pthread_t thread);

#endif
