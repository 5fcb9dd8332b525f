/* SPDX-License-Identifier: ISC */
/*
 * Items that a session has sent and heard no answer of: its server may have stored them, and no
 * other is to store them soon (schedule_doubt()).
 */
#ifndef INBOXQ_UPLINK_UNANSWERED_H
#define INBOXQ_UPLINK_UNANSWERED_H

struct outgoing;
struct schedule;

/* The session with `server`, whom we dialled, is over.  `has_parted`: behind GOAWAY, and in order;
 * what it had by then was answered, so it has none of these. */
void unanswered_end(struct schedule *schedule, const struct outgoing *outgoing, const char *server,
    int has_parted);

/* One has begun: says so where items have to wait for another receiver. */
void unanswered_tell(const struct schedule *schedule, const char *server);

#endif
