/* SPDX-License-Identifier: ISC */
/*
 * PostgreSQL: a row an item, a batch in one transaction, by libpq's pipeline.
 *
 *	BEGIN; LOOK; INSERT ... ON CONFLICT DO NOTHING, each item; MARK
 *	COMPARE, each item of which no row was made
 *	COMMIT
 *
 * That COMMIT's answer means durable hangs on settings that anybody may change at any time, so the
 * transaction sets its own and tells what it has found (LOOK), each time: what a pooler or a reload
 * makes of them between two is no matter.
 *
 * Where an INSERT makes no row there may be one with these bytes, given before; or one with others,
 * as of a copied root; or none, as a trigger leaves it out.  Which it is shows by COMPARE: an item
 * is deleted for a row that has its digest, and for no other.
 *
 * A row may be there already, of a transaction of ours whose answer was lost and which still waits
 * for its standby.  A transaction that then writes nothing would be answered without any waiting,
 * and its item deleted while one host alone has it: so each writes something (MARK), and the log is
 * durable in order.
 *
 * Whoever cancels a COMMIT that waits for a standby has it answered with success and a warning:
 * a COMMIT with a warning is none.  It is sent by itself, so that the warning is its own.
 *
 * Rejected: COPY, which knows no ON CONFLICT; synchronous_commit as a setting of the connection.
 */
#include "config.h"

#include "inbox-relay/engine.h"

#ifdef HAVE_POSTGRESQL

#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inbox-relay/item.h"
#include "inbox-relay/postgresql_judge.h"
#include "inbox-relay/settings.h"
#include "inbox-relay/stop.h"
#include "lib/log.h"

#define SQL_ROOM 1024
#define OID_BYTEA 17
#define INSERT "inbox_relay_insert"
#define BINARY 1
#define HOST_FOR (5 * CLOCK_SECOND) /* until one of several that is silent is left for the next */

enum row {
	ROW_UNKNOWN,
	ROW_MADE, /* by the INSERT */
	ROW_SAME, /* it was there */
	ROW_OTHER /* none with these bytes is there */
};

static const char mark_sql[] = "SELECT pg_logical_emit_message(true, 'inbox-relay', '')";

struct postgresql {
	const struct settings *settings;
	PGconn *conn;
	int64_t deadline;
	struct item *next, *last; /* of those that were asked of: of whose rows results tell */
	int is_warned;    /* by the server, since this was last made 0 */
	int is_unfit;     /* what failed last did so by what was given */
	int is_committed; /* the last statement was, and did */
	char lock_timeout[32];
};

static int
lacks(const struct settings *settings, struct why *why)
{
	return settings->connection ? 0 :
	    why_say(why, "[postgresql] connection is missing, as \"host=db1 dbname=inbox\"");
}

static void *
begin(const struct settings *settings)
{
	struct postgresql *pg = calloc(1, sizeof *pg);

	if (!pg)
		return NULL;
	pg->settings = settings;
	snprintf(pg->lock_timeout, sizeof pg->lock_timeout, "%" PRIu64,
	    settings->timeout * 1000 / 2 + 1);
	return pg;
}

static void
close_connection(void *engine)
{
	struct postgresql *pg = engine;

	PQfinish(pg->conn);
	pg->conn = NULL;
}

static void
on_notice(void *ctx, const PGresult *result)
{
	struct postgresql *pg = ctx;
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (severity && strcmp(severity, "WARNING") != 0)
		return;
	pg->is_warned = 1;
	log_event(LOG_WARNING, "engine_warns", "text=\"%s\"", text ? text : "");
}

/* What libpq has to say, on one line. */
static enum engine_answer
be_away(struct why *why, const char *text)
{
	size_t len = strcspn(text, "\n");

	why_say(why, "%.*s", (int)len, text);
	return ENGINE_AWAY;
}

/* ---- asking, without being stuck */

/* Sends what is held, and reads on the way.  0, or -1. */
static int
flush(struct postgresql *pg)
{
	int rc;

	while ((rc = PQflush(pg->conn)) > 0)
		if (stop_wait(PQsocket(pg->conn), POLLIN | POLLOUT, pg->deadline) <= 0 ||
		    !PQconsumeInput(pg->conn))
			return -1;
	return rc;
}

/* The next result, or NULL: there is none for this statement.  -1: it does not come. */
static int
next_result(struct postgresql *pg, PGresult **result)
{
	*result = NULL;
	while (PQisBusy(pg->conn))
		if (stop_wait(PQsocket(pg->conn), POLLIN, pg->deadline) <= 0 ||
		    !PQconsumeInput(pg->conn))
			return -1;
	*result = PQgetResult(pg->conn);
	return 0;
}

/* The one result of the next statement in the pipeline; NULL: it does not come. */
static PGresult *
take_result(struct postgresql *pg)
{
	PGresult *result, *none;

	if (next_result(pg, &result) < 0 || !result)
		return NULL;
	/* A statement's results end with a NULL; the pipeline's end is one by itself. */
	if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
		return result;
	if (next_result(pg, &none) == 0 && !none)
		return result;
	PQclear(none);
	PQclear(result);
	return NULL;
}

static int
send_plain(struct postgresql *pg, const char *sql)
{
	return PQsendQueryParams(pg->conn, sql, 0, NULL, NULL, NULL, NULL, 0);
}

static int
send_look(struct postgresql *pg)
{
	const char *values[] = {pg->settings->table, pg->lock_timeout};

	return send_plain(pg, "BEGIN") &&
	    PQsendQueryParams(pg->conn, POSTGRESQL_LOOK, 2, NULL, values, NULL, NULL, 0);
}

/* ---- what is found there */

static enum engine_answer
judge(const struct postgresql *pg, const PGresult *look, struct why *why)
{
	const char *found[LOOKS];

	for (int i = 0; i < LOOKS; i++)
		found[i] = PQgetisnull(look, 0, i) ? NULL : PQgetvalue(look, 0, i);
	return postgresql_judge(pg->settings, found, why);
}

/* Of an INSERT, or a COMPARE, which has rows without columns.  They come in the items' order. */
static void
hear_of_row(struct postgresql *pg, PGresult *result, ExecStatusType status)
{
	int is_insert = status == PGRES_COMMAND_OK &&
	    strncmp(PQcmdStatus(result), "INSERT", strlen("INSERT")) == 0;
	int is_compare = status == PGRES_TUPLES_OK && PQnfields(result) == 0;

	while (is_compare && pg->next < pg->last && pg->next->row != ROW_UNKNOWN)
		pg->next++;
	if ((!is_insert && !is_compare) || pg->next >= pg->last)
		return;
	if (is_insert)
		pg->next->row = strcmp(PQcmdTuples(result), "1") == 0 ? ROW_MADE : ROW_UNKNOWN;
	else
		pg->next->row = PQntuples(result) > 0 ? ROW_SAME : ROW_OTHER;
	pg->next++;
}

/* Why nothing more comes. */
static enum engine_answer
be_cut_off(struct postgresql *pg, struct why *why)
{
	return be_away(why, PQstatus(pg->conn) == CONNECTION_BAD
	        ? PQerrorMessage(pg->conn)
	        : "there is no answer from the server");
}

/* All results up to the pipeline's end; the first that fails says why. */
static enum engine_answer
take_all(struct postgresql *pg, struct why *why)
{
	enum engine_answer answer = ENGINE_DONE;
	ExecStatusType status;
	PGresult *result;

	pg->is_unfit = pg->is_committed = 0;
	do {
		result = take_result(pg);
		if (!result) {
			pg->is_unfit = 0;
			return be_cut_off(pg, why);
		}
		status = PQresultStatus(result);
		if (status == PGRES_FATAL_ERROR && answer == ENGINE_DONE) {
			answer = be_away(why, PQresultErrorMessage(result));
			pg->is_unfit = postgresql_is_unfit(
			    PQresultErrorField(result, PG_DIAG_SQLSTATE));
		}
		if (status == PGRES_TUPLES_OK && PQnfields(result) == LOOKS &&
		    answer == ENGINE_DONE)
			answer = judge(pg, result, why);
		hear_of_row(pg, result, status);
		/* One that has failed says ROLLBACK. */
		if (status == PGRES_COMMAND_OK)
			pg->is_committed = strcmp(PQcmdStatus(result), "COMMIT") == 0;
		PQclear(result);
	} while (status != PGRES_PIPELINE_SYNC);
	return answer;
}

/* Ends the pipeline, and takes what comes of it. */
static enum engine_answer
end_pipeline(struct postgresql *pg, struct why *why)
{
	if (!PQpipelineSync(pg->conn) || flush(pg) < 0)
		return be_cut_off(pg, why);
	return take_all(pg, why);
}

/* ---- opening */

/* Until libpq can go on.  A host that answers nothing is left for the next one of them, which libpq
 * does where its connection fails, and by no clock of its own here. */
static int
wait_for_host(struct postgresql *pg, short events)
{
	int64_t until = clock_monotonic() + HOST_FOR;
	int rc = stop_wait(PQsocket(pg->conn), events, until < pg->deadline ? until : pg->deadline);

	if (rc != 0 || stop_asked() || PQstatus(pg->conn) != CONNECTION_STARTED ||
	    clock_monotonic() >= pg->deadline)
		return rc;
	return shutdown(PQsocket(pg->conn), SHUT_RDWR) < 0 && errno != ENOTCONN ? -1 : 1;
}

static enum engine_answer
connect_it(struct postgresql *pg, struct why *why)
{
	const char *const keys[] = {"fallback_application_name", "dbname", "client_encoding", NULL};
	const char *const values[] = {"inbox-relay", pg->settings->connection, "UTF8", NULL};
	PostgresPollingStatusType wants = PGRES_POLLING_WRITING;

	pg->conn = PQconnectStartParams(keys, values, 1);
	if (!pg->conn)
		return be_away(why, strerror(ENOMEM));
	if (PQstatus(pg->conn) == CONNECTION_BAD)
		return be_away(why, PQerrorMessage(pg->conn));
	PQsetNoticeReceiver(pg->conn, on_notice, pg);
	while (wants != PGRES_POLLING_OK) {
		if (wants == PGRES_POLLING_FAILED)
			return be_away(why, PQerrorMessage(pg->conn));
		if (wait_for_host(pg, wants == PGRES_POLLING_READING ? POLLIN : POLLOUT) <= 0)
			return be_away(why, "there is no answer from the server");
		wants = PQconnectPoll(pg->conn);
	}
	if (PQsetnonblocking(pg->conn, 1) < 0 || !PQenterPipelineMode(pg->conn))
		return be_away(why, PQerrorMessage(pg->conn));
	return ENGINE_DONE;
}

static int
send_prepare(struct postgresql *pg)
{
	static const Oid types[] = {0, 0, 0, OID_BYTEA};
	char sql[SQL_ROOM];

	snprintf(sql, sizeof sql,
	    "INSERT INTO %s"
	    " (root, item, inbox, bytes, sha256, client, queue, number, name, received)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
	    " ON CONFLICT (root, item) DO NOTHING", pg->settings->table);
	return PQsendPrepare(pg->conn, INSERT, sql, 4, types);
}

static enum engine_answer
open_it(void *engine, struct why *why)
{
	struct postgresql *pg = engine;
	enum engine_answer answer;

	pg->deadline = clock_monotonic() + (int64_t)pg->settings->timeout * CLOCK_SECOND;
	answer = connect_it(pg, why);
	if (answer != ENGINE_DONE)
		return answer;
	/* It is judged before it is asked for a statement that names the table. */
	if (!send_look(pg) || !send_plain(pg, "COMMIT") || !send_prepare(pg))
		return be_away(why, PQerrorMessage(pg->conn));
	return end_pipeline(pg, why);
}

/* ---- items */

static int
send_item(struct postgresql *pg, const struct item *item)
{
	char *const *told = item->told.values;
	const char *values[] = {item->root, item->name, item->inbox, (const char *)item->bytes,
	    item->sha256, told[TOLD_CLIENT], told[TOLD_QUEUE], told[TOLD_NUMBER], told[TOLD_NAME],
	    told[TOLD_RECEIVED]};
	const int lengths[] = {0, 0, 0, (int)item->size, 0, 0, 0, 0, 0, 0};
	const int formats[] = {0, 0, 0, BINARY, 0, 0, 0, 0, 0, 0};

	return PQsendQueryPrepared(pg->conn, INSERT, 10, values, lengths, formats, 0);
}

static int
send_batch(struct postgresql *pg, const struct item *items, size_t count)
{
	if (!send_look(pg))
		return -1;
	for (size_t i = 0; i < count; i++)
		if (!send_item(pg, &items[i]) || flush(pg) < 0)
			return -1;
	return send_plain(pg, mark_sql) ? 0 : -1;
}

/* Of those for which no row was made. */
static enum engine_answer
compare(struct postgresql *pg, struct item *items, size_t count, struct why *why)
{
	char sql[SQL_ROOM];
	size_t asked = 0;

	snprintf(sql, sizeof sql, "SELECT FROM %s WHERE root = $1 AND item = $2 AND sha256 = $3"
	    " LIMIT 1", pg->settings->table);
	pg->next = items;
	for (size_t i = 0; i < count; i++) {
		const char *values[] = {items[i].root, items[i].name, items[i].sha256};
		if (items[i].row == ROW_MADE)
			continue;
		asked++;
		if (!PQsendQueryParams(pg->conn, sql, 3, NULL, values, NULL, NULL, 0))
			return be_cut_off(pg, why);
	}
	return asked > 0 ? end_pipeline(pg, why) : ENGINE_DONE;
}

static void
end_item(const struct postgresql *pg, struct item *item)
{
	item->end = item->row == ROW_MADE || item->row == ROW_SAME ? ITEM_STORED : ITEM_UNFIT;
	if (item->end == ITEM_UNFIT)
		why_say(&item->why, "%s takes it, and has no row with these bytes: another item "
		    "has its key, or a trigger leaves it out", pg->settings->table);
}

/* They are stored only by the answer to COMMIT. */
static enum engine_answer
commit(struct postgresql *pg, struct why *why)
{
	enum engine_answer answer;

	pg->is_warned = 0;
	if (!send_plain(pg, "COMMIT"))
		return be_cut_off(pg, why);
	answer = end_pipeline(pg, why);
	if (answer != ENGINE_DONE)
		return answer;
	if (pg->is_warned)
		return be_away(why, "COMMIT was answered with a warning: it may not be durable");
	return pg->is_committed ? ENGINE_DONE : be_away(why, "the transaction was not committed");
}

/* *failed: the whole of it did, by one of these, and is to be given again one by one; one that was
 * given alone has its end. */
static enum engine_answer
put_some(struct postgresql *pg, struct item *items, size_t count, struct why *why, int *failed)
{
	enum engine_answer answer;

	pg->deadline = clock_monotonic() + (int64_t)pg->settings->timeout * CLOCK_SECOND;
	pg->is_unfit = 0;
	pg->next = items;
	pg->last = items + count;
	for (size_t i = 0; i < count; i++)
		items[i].row = ROW_UNKNOWN;
	answer = send_batch(pg, items, count) < 0 ? be_cut_off(pg, why) : end_pipeline(pg, why);
	if (answer == ENGINE_DONE)
		answer = compare(pg, items, count, why);
	if (answer == ENGINE_DONE)
		answer = commit(pg, why);
	for (size_t i = 0; i < count && answer == ENGINE_DONE; i++)
		end_item(pg, &items[i]);
	*failed = answer == ENGINE_AWAY && pg->is_unfit;
	if (!*failed)
		return answer;
	if (count == 1) {
		items[0].end = ITEM_UNFIT;
		items[0].why = *why;
	}
	return send_plain(pg, "ROLLBACK") ? end_pipeline(pg, why) : be_cut_off(pg, why);
}

static enum engine_answer
put(void *engine, struct item *items, size_t count, struct why *why)
{
	struct postgresql *pg = engine;
	enum engine_answer answer;
	int failed, alone;

	answer = put_some(pg, items, count, why, &failed);
	if (!failed || count == 1)
		return answer;
	/* Which one it is shows when each is by itself. */
	for (size_t i = 0; i < count && answer == ENGINE_DONE; i++)
		answer = put_some(pg, &items[i], 1, why, &alone);
	return answer;
}

static void
print_schema(const struct settings *settings, FILE *out)
{
	fprintf(out,
	    "CREATE TABLE %s (\n"
	    "    root     text NOT NULL,\n"
	    "    item     text NOT NULL,\n"
	    "    inbox    text NOT NULL,\n"
	    "    bytes    bytea NOT NULL,\n"
	    "    sha256   text NOT NULL,\n"
	    "    client   text,\n"
	    "    queue    text,\n"
	    "    number   numeric(20),\n"
	    "    name     text,\n"
	    "    received timestamptz,\n"
	    "    relayed  timestamptz NOT NULL DEFAULT now(),\n"
	    "    PRIMARY KEY (root, item)\n"
	    ");\n", settings->table);
}

const struct engine engine_postgresql = {
    .lacks = lacks,
    .begin = begin,
    .end = free,
    .open = open_it,
    .close = close_connection,
    .put = put,
    .print_schema = print_schema,
};

#endif
