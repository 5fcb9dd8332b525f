/* SPDX-License-Identifier: ISC */
/* The protocol inbox/1 as a front: inbox-protocol(7). */
#ifndef INBOXD_INBOX1_INBOX1_H
#define INBOXD_INBOX1_INBOX1_H

#include "inboxd/serve/front.h"

extern const struct front inbox1_front;

#endif
