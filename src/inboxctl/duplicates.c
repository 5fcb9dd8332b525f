/* SPDX-License-Identifier: ISC */
/*
 * By the ledgers of all roots, each as it lies there or as a copy of it that somebody has made.
 * What counts is acknowledged; an item that is not decided yet may still go, and whoever deleted
 * the other copy for its sake would have none.
 */
#include "config.h"

#include "inboxctl/duplicates.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/base/when.h"
#include "inboxctl/root/copies.h"
#include "inboxctl/root/history.h"
#include "inboxctl/root/journaled.h"
#include "inboxctl/root/root.h"
#include "inboxctl/screens/copies_print.h"

#define EX_SOME 1 /* as diff(1) has it: there are some */

struct search {
	const struct receivers *receivers;
	char (*ids)[ID_ROOM]; /* of their roots; "": not known */
	struct copies copies;
	int is_second; /* reading */
	uint64_t damage;
};

static int
is_wanted(void *ctx, const struct record *record)
{
	(void)ctx;
	return record->type == RECORD_ACCEPT;
}

static int
is_there(const struct entry *entry)
{
	return entry->outcome == OUTCOME_STORED || entry->outcome == OUTCOME_ACKNOWLEDGED;
}

static int
read_history(struct search *search, size_t at, const struct root *root,
    struct journaled *journaled)
{
	struct history *history = history_open(root, journaled, is_wanted, NULL);
	struct entry entry;
	int code = EX_OK, rc;

	while (history && code == EX_OK && (rc = history_next(history, &entry)) != 0) {
		if (rc < 0)
			code = EX_NOINPUT;
		else if (is_there(&entry) &&
		    (search->is_second ? copies_take(&search->copies, &entry, at)
		                       : copies_note(&search->copies, &entry.record)) < 0)
			code = EX_OSERR;
	}
	if (!history)
		code = EX_OSERR;
	else if (!search->is_second)
		search->damage += history_damage(history);
	history_close(history);
	if (code == EX_OSERR)
		complain("out of memory");
	return code;
}

static int
read_root(struct search *search, size_t at)
{
	const struct receiver *receiver = &search->receivers->all[at];
	struct journaled journaled;
	struct stat st;
	struct root root;
	int code;

	complain_about(search->receivers->count > 1 ? receiver->name : NULL);
	if (root_open(&root, receiver->root) < 0) {
		complain_about(NULL);
		return EX_NOINPUT;
	}
	root_learn_id(&root);
	snprintf(search->ids[at], ID_ROOM, "%s", root.id);
	if (fstatat(root.fd, JOURNAL_FOLDER, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
		complain("has no " JOURNAL_FOLDER " there: what the ledger alone says counts");
		code = read_history(search, at, &root, NULL);
	} else {
		journaled_open(&journaled, &root);
		code = read_history(search, at, &root, &journaled);
		journaled_close(&journaled);
	}
	root_close(&root);
	complain_about(NULL);
	return code;
}

/* Each item of one root that is there under two names would seem to be twice. */
static int
check_ids(const struct search *search)
{
	for (size_t i = 0; i < search->receivers->count; i++)
		for (size_t k = 0; k < i; k++)
			if (search->ids[i][0] &&
			    strcmp(search->ids[i], search->ids[k]) == 0) {
				complain("%s and %s are one root, %s: name it once",
				    search->receivers->all[k].name, search->receivers->all[i].name,
				    search->ids[i]);
				return EX_USAGE;
			}
	return EX_OK;
}

/* Twice; what is wrong is told the first time. */
static int
find(struct search *search)
{
	int code = EX_OK;

	for (size_t i = 0; code == EX_OK && i < search->receivers->count; i++)
		code = read_root(search, i);
	if (code == EX_OK)
		code = check_ids(search);
	copies_narrow(&search->copies);
	if (search->copies.number_count == 0)
		return code;
	search->is_second = 1;
	complain_mute(1);
	for (size_t i = 0; code == EX_OK && i < search->receivers->count; i++) {
		code = read_root(search, i);
		if (code != EX_OK) {
			complain_mute(0);
			complain("%s: cannot be read a second time",
			    search->receivers->all[i].name);
		}
	}
	complain_mute(0);
	return code;
}

int
duplicates(const struct arguments *arguments, const struct receivers *receivers)
{
	struct search search = {.receivers = receivers, .copies.of_number = UINT64_MAX};
	int64_t since = INT64_MIN;
	int code = EX_OSERR;

	if (arguments->since && when_parse(arguments->since, when_now(), &since) < 0) {
		complain("--since %s: want a time as 2026-11-22, 2026-11-22T14:11 (UTC), or 24h "
		         "(ago)", arguments->since);
		return EX_USAGE;
	}
	search.ids = calloc(receivers->count, sizeof *search.ids);
	if (search.ids)
		code = find(&search);
	else
		complain("out of memory");
	if (code == EX_OK) {
		copies_finish(&search.copies, since);
		if ((arguments->json ? copies_print_json : copies_print)(
		        &search.copies, receivers) < 0) {
			complain("out of memory");
			code = EX_OSERR;
		}
	}
	if (code == EX_OK)
		code = search.damage > 0 ? EX_DATAERR : search.copies.count > 0 ? EX_SOME : EX_OK;
	copies_free(&search.copies);
	free(search.ids);
	return code;
}
