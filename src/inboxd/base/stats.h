/* SPDX-License-Identifier: ISC */
/*
 * What is counted.  Each thread has a struct stats of its own and is the only
 * one to write it; the main thread reads them all and adds them up, so a
 * snapshot taken under load may be off by what moves meanwhile, and is exact
 * when nothing does.
 *
 * Every way for an offered item to end has its counter:
 *
 *	offered = stored + again + later_* + refused_* + cut_off + in_flight
 */
#ifndef INBOXD_BASE_STATS_H
#define INBOXD_BASE_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "inboxd/base/histogram.h"
#include "lib/proto.h"

/* name in C, metric, label ("" or key="value"), help.  No gauge may be called as
 * a counter without its "_total": OpenMetrics would take them for one. */
#define STATS_COUNTERS(X)                                                                       \
	X(CONNECTIONS, "inboxd_connections_accepted_total", "", "Connections accepted.")        \
	X(CONNECTIONS_FAILED, "inboxd_connections_failed_total", "",                            \
	    "Connections ended by an error of TLS or of the network, or amid the handshake.")   \
	X(CONNECTIONS_SILENT, "inboxd_connections_silent_total", "",                            \
	    "Connections that the peer closed before it had sent a byte: health checks.")       \
	X(CONNECTIONS_CROWDED, "inboxd_connections_crowded_total", "",                          \
	    "Connections told to come back later because there were too many.")                 \
	X(DOOR_CROWDED, "inboxd_connections_refused_total", "reason=\"crowded\"",               \
	    "Connections closed before a word was said.")                                       \
	X(DOOR_ADDRESS, "inboxd_connections_refused_total", "reason=\"address\"", "")           \
	X(DOOR_BLOCK, "inboxd_connections_refused_total", "reason=\"block\"", "")               \
	X(DOOR_PENALTY, "inboxd_connections_refused_total", "reason=\"penalty\"", "")           \
	X(DOOR_UNLISTED, "inboxd_connections_refused_total", "reason=\"unlisted\"", "")         \
	X(DOOR_PREFACE, "inboxd_connections_refused_total", "reason=\"preface\"", "")           \
	X(DOOR_UNFINISHED, "inboxd_connections_refused_total", "reason=\"unfinished\"", "")     \
	X(DOOR_WAITS, "inboxd_handshake_waits_total", "",                                       \
	    "Times that listening rested until there was room for a handshake.")                \
	X(CUT_HANDSHAKE, "inboxd_connections_cut_total", "reason=\"handshake\"",                \
	    "Connections that the receiver ended.")                                             \
	X(CUT_DISPLACED, "inboxd_connections_cut_total", "reason=\"displaced\"", "")            \
	X(CUT_HELLO, "inboxd_connections_cut_total", "reason=\"hello\"", "")                    \
	X(CUT_LINE, "inboxd_connections_cut_total", "reason=\"line\"", "")                      \
	X(CUT_ITEM, "inboxd_connections_cut_total", "reason=\"item\"", "")                      \
	X(CUT_IDLE, "inboxd_connections_cut_total", "reason=\"idle\"", "")                      \
	X(CUT_SESSION, "inboxd_connections_cut_total", "reason=\"session\"", "")                \
	X(CUT_ROOM, "inboxd_connections_cut_total", "reason=\"room\"", "")                      \
	X(SESSIONS, "inboxd_sessions_total", "", "Connections that were answered READY.")       \
	X(SUPERSEDED, "inboxd_sessions_superseded_total", "",                                   \
	    "Sessions ended by a newer one of the same queue.")                                 \
	X(PROTOCOL_ERRORS, "inboxd_protocol_errors_total", "", "Sessions ended with ERROR.")    \
	X(OFFERED, "inboxd_items_offered_total", "", "Items announced by PUT or OPEN.")         \
	X(STORED, "inboxd_items_stored_total", "", "Items answered STORED, the first time.")    \
	X(AGAIN, "inboxd_items_again_total", "", "Items answered STORED that were known.")      \
	X(LATER_DIGEST, "inboxd_items_later_total", "code=\"digest\"", "Items answered LATER.") \
	X(LATER_FULL, "inboxd_items_later_total", "code=\"full\"", "")                          \
	X(LATER_TROUBLE, "inboxd_items_later_total", "code=\"trouble\"", "")                    \
	X(LATER_UNSETTLED, "inboxd_items_later_total", "code=\"unsettled\"", "")                \
	X(LATER_BUSY, "inboxd_items_later_total", "code=\"busy\"", "")                          \
	X(LATER_USE_OPEN, "inboxd_items_later_total", "code=\"use-open\"", "")                  \
	X(LATER_USE_PUT, "inboxd_items_later_total", "code=\"use-put\"", "")                    \
	X(LATER_NO_INBOX, "inboxd_items_later_total", "code=\"no-inbox\"", "")                  \
	X(LATER_NOT_ALLOWED, "inboxd_items_later_total", "code=\"not-allowed\"", "")            \
	X(LATER_TOO_LARGE, "inboxd_items_later_total", "code=\"too-large\"", "")                \
	X(LATER_PAUSED, "inboxd_items_later_total", "code=\"paused\"", "")                      \
	X(LATER_INBOX_FULL, "inboxd_items_later_total", "code=\"inbox-full\"", "")              \
	X(REFUSED_NO_INBOX, "inboxd_items_refused_total", "code=\"no-inbox\"",                  \
	    "Items answered REFUSED.")                                                          \
	X(REFUSED_NOT_ALLOWED, "inboxd_items_refused_total", "code=\"not-allowed\"", "")        \
	X(REFUSED_TOO_LARGE, "inboxd_items_refused_total", "code=\"too-large\"", "")            \
	X(CUT_OFF, "inboxd_items_cut_off_total", "",                                            \
	    "Items whose connection ended before they had been accepted.")                      \
	X(UNHEARD, "inboxd_answers_unheard_total", "",                                          \
	    "Items stored whose connection had ended: the client will send them again.")        \
	X(BYTES_STORED, "inboxd_stored_bytes_total", "", "Bytes of the items stored.")          \
	X(NUMBERS_REUSED, "inboxd_numbers_reused_total", "",                                    \
	    "Items stored under a number that their queue had used before.")                  \
	X(SKIPPED, "inboxd_numbers_skipped_total", "", "Numbers skipped by clients.")           \
	X(JUMPS, "inboxd_marks_jumped_total", "",                                               \
	    "Gaps of more than a million numbers, which no loss explains.")                     \
	X(MARKS_UNKNOWN, "inboxd_marks_unknown_total", "",                                      \
	    "Queues that came for the first time here and had settled numbers before.")         \
	X(GAPS, "inboxd_numbers_missing_total", "",                                             \
	    "Numbers settled that were neither stored nor skipped.")                            \
	X(SKIPS_NOT_KEPT, "inboxd_skips_not_kept_total", "",                                    \
	    "Numbers skipped that there was no room to remember.")                              \
	X(LIMIT_CLIENT_CONNECTIONS, "inboxd_limit_reached_total",                               \
	    "limit=\"client-connections\"", "How often a limit was in the way.")                \
	X(LIMIT_QUEUES, "inboxd_limit_reached_total", "limit=\"queues\"", "")                   \
	X(LIMIT_CLIENT_QUEUES, "inboxd_limit_reached_total", "limit=\"client-queues\"", "")     \
	X(LIMIT_UNSETTLED, "inboxd_limit_reached_total", "limit=\"unsettled\"", "")             \
	X(LIMIT_CLIENT_UNSETTLED, "inboxd_limit_reached_total",                                 \
	    "limit=\"client-unsettled\"", "")                                                   \
	X(LIMIT_ALL_UNSETTLED, "inboxd_limit_reached_total", "limit=\"all-unsettled\"", "")     \
	X(LIMIT_CLIENT_OPENS, "inboxd_limit_reached_total", "limit=\"client-opens\"", "")       \
	X(LIMIT_ALL_OPENS, "inboxd_limit_reached_total", "limit=\"all-opens\"", "")             \
	X(FORGOTTEN_AGE, "inboxd_queues_forgotten_total", "reason=\"age\"",                     \
	    "Queues that are known no more.")                                                   \
	X(FORGOTTEN_ROOM, "inboxd_queues_forgotten_total", "reason=\"room\"", "")               \
	X(FORGOTTEN_COMMAND, "inboxd_queues_forgotten_total", "reason=\"command\"", "")         \
	X(SYNCS, "inboxd_syncs_total", "", "Syncs of the journal.")                             \
	X(PUBLISHES, "inboxd_publish_rounds_total", "", "Syncs of files and their names.")      \
	X(PUBLISH_FAILED, "inboxd_publish_failures_total", "",                                  \
	    "Tries to make an item visible that failed; they are made again.")                  \
	X(NAMES_TAKEN, "inboxd_names_taken_total", "",                                          \
	    "Items whose name somebody else had taken in new/.")                                \
	X(RELOADS, "inboxd_reloads_total", "", "Configurations taken by a reload.")             \
	X(RELOADS_FAILED, "inboxd_reloads_failed_total", "",                                    \
	    "Reloads that kept the old configuration.")                                         \
	X(LOG_LINES_LOST, "inboxd_log_lines_lost_total", "",                                    \
	    "Lines of the log that could not be written, or not soon enough.")

/* Time spent: counted in microseconds, and told in seconds. */
#define STATS_TIMES(X)                                                          \
	X(SYNC_MICROSECONDS, "inboxd_sync_seconds_total", "",                           \
	    "Time spent in syncs of the journal.")                                      \
	X(PUBLISH_MICROSECONDS, "inboxd_publish_seconds_total", "",                     \
	    "Time spent in syncs of files and their names.")

/* What is now: these go down again. */
#define STATS_GAUGES(X)                                                                     \
	X(NOW_CONNECTIONS, "inboxd_connections", "", "Connections open.")                   \
	X(NOW_HANDSHAKES, "inboxd_handshakes", "",                                          \
	    "Connections whose handshake is not done.")                                     \
	X(NOW_SHORT, "inboxd_room_short", "", "1: room is short, and deadlines shorter.")   \
	X(NOW_IN_FLIGHT, "inboxd_items_in_flight", "", "Items offered and not answered.")   \
	X(NOW_PAUSED, "inboxd_paused", "", "1: all inboxes are paused.")                    \
	X(NOW_PAUSED_SINCE, "inboxd_paused_timestamp_seconds", "",                          \
	    "Since when all inboxes are, UTC; 0: they are not.")                            \
	X(NOW_WAITING, "inboxd_waiting", "",                                                \
	    "1: it waits for its root, which another host has.")                                \
	X(NOW_QUEUES, "inboxd_queues", "", "Queues known.")                                 \
	X(NOW_UNSETTLED, "inboxd_items_unsettled", "", "Items remembered until settled.")   \
	X(CLIENTS_UP_TO_DATE, "inboxd_clients", "state=\"up-to-date\"",                     \
	    "Clients by how they are, each once, as they were counted last.")               \
	X(CLIENTS_BEHIND, "inboxd_clients", "state=\"behind\"", "")                         \
	X(CLIENTS_SILENT, "inboxd_clients", "state=\"silent\"", "")                         \
	X(CLIENTS_MISSING, "inboxd_clients", "state=\"missing\"", "")                       \
	X(CLIENTS_NEVER_CAME, "inboxd_clients", "state=\"never-came\"", "")                 \
	X(SEEN_HOUR, "inboxd_clients_seen", "age=\"1h\"",                                   \
	    "Clients by how long ago they were seen: so long, and longer than the class before.") \
	X(SEEN_DAY, "inboxd_clients_seen", "age=\"24h\"", "")                               \
	X(SEEN_WEEK, "inboxd_clients_seen", "age=\"7d\"", "")                               \
	X(SEEN_MONTH, "inboxd_clients_seen", "age=\"30d\"", "")                             \
	X(SEEN_OLDER, "inboxd_clients_seen", "age=\"older\"", "")                           \
	X(CLIENTS_FAILED, "inboxd_clients_failed", "", "Clients with items set aside.")     \
	X(CLIENTS_COUNTED, "inboxd_clients_counted_timestamp_seconds", "",                  \
	    "When clients were counted, UTC; 0: not yet.")                                  \
	X(NOW_OPENS, "inboxd_opens", "", "Large items open.")                               \
	X(NOW_SKIPS, "inboxd_skips", "", "Numbers skipped that are remembered until settled.") \
	X(NOW_GAPS, "inboxd_gaps_unknown", "",                                              \
	    "Gaps in clients' numbers that nobody has confirmed.")                          \
	X(MOST_CONNECTIONS, "inboxd_connections_limit", "",                                 \
	    "Connections that may be open, beside those whose handshake is not done.")      \
	X(MOST_HANDSHAKES, "inboxd_handshakes_limit", "",                                   \
	    "Connections whose handshake may be under way.")                                \
	X(MOST_QUEUES, "inboxd_queues_limit", "", "Queues that may be known.")              \
	X(MOST_UNSETTLED, "inboxd_queue_unsettled_limit", "",                               \
	    "Items of one queue that are remembered until settled, at most.")               \
	X(MOST_ALL_UNSETTLED, "inboxd_items_unsettled_limit", "",                           \
	    "Items that are remembered until settled, at most.")                            \
	X(MOST_OPENS, "inboxd_opens_limit", "", "Large items that may be open.")            \
	X(MOST_SKIPS, "inboxd_skips_limit", "",                                             \
	    "Numbers skipped that are remembered, at most.")                                \
	X(NOW_FREE_BYTES, "inboxd_free_bytes", "", "Room on the root's file system.")       \
	X(NOW_FREE_INODES, "inboxd_free_inodes", "", "Files that it has room for.")         \
	X(NOW_FULL, "inboxd_full", "",                                                      \
	    "0: all items are taken, 1: no large ones, 2: none.")                           \
	X(NOW_LAG_ITEMS, "inboxd_unpublished_items", "",                                    \
	    "Items acknowledged that are not visible yet.")                                 \
	X(NOW_LAG_BYTES, "inboxd_unpublished_bytes", "", "Their bytes.")                    \
	X(NOW_LAG_SINCE, "inboxd_unpublished_oldest_timestamp_seconds", "",                 \
	    "When the oldest of them was acknowledged, UTC; 0: there is none.")             \
	X(NOW_PUBLISH_TROUBLE, "inboxd_publish_trouble", "",                                \
	    "1: items cannot be made visible, and no new ones are taken.")                  \
	X(NOW_JOURNAL_FULL, "inboxd_journal_full", "",                                      \
	    "1: the journal had no room to be written the last time.")                      \
	X(NOW_SILENT, "inboxd_thread_silent_seconds", "",                                       \
	    "How long the commit thread or a worker has not answered; 0: all do.")              \
	X(NOW_JOURNAL_BYTES, "inboxd_journal_bytes", "", "Size of the journal.")            \
	X(NOW_LEDGER_BYTES, "inboxd_ledger_bytes", "", "Size of the ledger's open segment.") \
	X(NOW_FILES_DIFFER, "inboxd_files_differ", "",                                      \
	    "Files whose content on the disk is not what is in force.")                     \
	X(NOW_CERTIFICATE_EXPIRY, "inboxd_certificate_expiry_timestamp_seconds", "",        \
	    "When the receiver's certificate runs out, UTC.")                               \
	X(NOW_CERTIFICATE_ISSUED, "inboxd_certificate_issued_timestamp_seconds", "",        \
	    "From when on it is valid, UTC.")                                               \
	X(NOW_CA_EXPIRY, "inboxd_ca_expiry_timestamp_seconds", "",                          \
	    "When the first of the CAs' certificates runs out, UTC.")                       \
	X(NOW_CA_ISSUED, "inboxd_ca_issued_timestamp_seconds", "",                          \
	    "From when on that one is valid, UTC.")                                         \
	X(NOW_CRL_EXPIRY, "inboxd_crl_expiry_timestamp_seconds", "",                        \
	    "When the first of the CRLs runs out, UTC; 0: there is none.")                  \
	X(NOW_CRL_ISSUED, "inboxd_crl_issued_timestamp_seconds", "",                        \
	    "From when on that one is valid, UTC; 0: there is none.")                       \
	X(NOW_NOT_SERVING, "inboxd_not_serving", "",                                        \
	    "1: no new client is served, for one of these has run out.")                        \
	X(NOW_RELOAD_FAILED, "inboxd_reload_failed", "",                                    \
	    "1: the last reload kept the old configuration.")                               \
	X(NOW_STARTED, "inboxd_start_timestamp_seconds", "", "When the receiver was started, UTC.")

enum counter {
#define X(name, metric, label, help) STAT_##name,
	STATS_COUNTERS(X) STATS_TIMES(X) STATS_GAUGES(X)
#undef X
	STATS_COUNT
};

/* Behind the rows, the cells of the histograms. */
#define STATS_CELLS (STATS_COUNT + HISTOGRAM_COUNT * HISTOGRAM_CELLS)

struct stats {
	_Atomic uint64_t value[STATS_CELLS];
};

static inline void
stats_set(struct stats *stats, enum counter which, uint64_t n)
{
	atomic_store_explicit(&stats->value[which], n, memory_order_relaxed);
}

static inline uint64_t
stats_get(const struct stats *stats, enum counter which)
{
	return atomic_load_explicit(&stats->value[which], memory_order_relaxed);
}

/* We are the only one to write: no addition that locks the line is needed. */
static inline void
stats_add(struct stats *stats, enum counter which, uint64_t n)
{
	stats_set(stats, which, stats_get(stats, which) + n);
}

static inline void
stats_sub(struct stats *stats, enum counter which, uint64_t n)
{
	stats_add(stats, which, -n);
}

static inline enum counter
stats_cell(enum histogram which, size_t cell)
{
	return (enum counter)(STATS_COUNT + (size_t)which * HISTOGRAM_CELLS + cell);
}

/* Counts a value, in the histogram's unit; it costs a few nanoseconds. */
void stats_observe(struct stats *stats, enum histogram which, uint64_t value);

struct stats_row {
	const char *metric, *label, *help;
	enum { STATS_COUNTER, STATS_TIME, STATS_GAUGE } kind;
};
/* STATS_COUNT rows; those of one metric stand together, help in the first. */
extern const struct stats_row stats_rows[];

/* A row's value as it is told: a gauge is a sum over threads that may be read while a thing moves
 * from one to the other, and then below zero is zero. */
uint64_t stats_told(const uint64_t values[STATS_CELLS], size_t row);

/* The counter of a LATER or REFUSED code. */
enum counter stats_of_code(enum proto_code code);

#endif
