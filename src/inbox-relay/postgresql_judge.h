/* SPDX-License-Identifier: ISC */
/*
 * Whether what a PostgreSQL server says of itself, and of the table, makes its COMMIT mean that
 * rows are there for good.
 */
#ifndef INBOX_RELAY_POSTGRESQL_JUDGE_H
#define INBOX_RELAY_POSTGRESQL_JUDGE_H

#include "inbox-relay/engine.h"

/* What POSTGRESQL_LOOK tells, by its columns: all texts. */
enum look { LOOK_SYNC, LOOK_FSYNC, LOOK_PAGES, LOOK_ENCODING, LOOK_KINDS, LOOK_ROLE,
	LOOK_MAY, LOOK_LOCK, LOOK_WORDS, LOOKS };

/* $1: the table; $2: how long to wait for another transaction that has the same item.  A setting
 * that is stronger than ours stays. */
#define POSTGRESQL_LOOK \
	"SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')" \
	" WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)," \
	" current_setting('fsync'), current_setting('full_page_writes')," \
	" current_setting('server_encoding')," \
	" (SELECT string_agg(DISTINCT relkind::text || relpersistence::text, ' ')" \
	" FROM pg_class WHERE oid = to_regclass($1) OR" \
	" oid IN (SELECT relid FROM pg_partition_tree(to_regclass($1))))," \
	" current_user, has_any_column_privilege(to_regclass($1)::oid, 'INSERT') AND" \
	" has_any_column_privilege(to_regclass($1)::oid, 'SELECT')," \
	" set_config('lock_timeout', $2, true)," \
	" set_config('client_min_messages', 'warning', true)"

/* LOOK_KINDS: NULL, there is no table. */
enum engine_answer postgresql_judge(const struct settings *settings,
    const char *const found[LOOKS], struct why *why);

/* Does this SQLSTATE (NULL: none) say that it is the item that will not do, now and ever?  Data,
 * integrity, WITH CHECK OPTION, limits, and what a trigger raises. */
int postgresql_is_unfit(const char *state);

#endif
