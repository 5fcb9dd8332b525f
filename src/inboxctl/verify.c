/* SPDX-License-Identifier: ISC */
/*
 * The folders are listed first, and the ledger is read after that.  An accept
 * is in the ledger before its file is in new/, so a file that was listed has
 * its record by then, however busy the receiver is; and a file that came later
 * is not asked for its record, but its record for it.  The journal is read between the two, for
 * the same reason: what has a frame has its record in the ledger before; or, on a dead host's
 * disk, its frame alone.
 *
 * Rejected: to remember the ledger and look through the folders after it.  The
 * ledger's tail would have to be read again for files that came meanwhile, and
 * a year of records is more than the files that wait.
 */
#include "config.h"

#include "inboxctl/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/pages/show_cells.h"
#include "inboxctl/root/folders.h"
#include "inboxctl/root/history.h"
#include "inboxctl/root/journaled.h"
#include "inboxctl/root/look.h"
#include "inboxctl/root/root.h"
#include "lib/parse.h"
#include "lib/table.h"

/* No session holds a draft so long without writing to it. */
#define DRAFT_IS_OLD 3600 /* seconds */
#define SCHEMA 1

struct verification {
	const char *inbox; /* NULL: all */
	int json, progress;
	struct look look;
	int failed; /* JSON could not be made or written */
	struct folders folders;
	struct journaled journaled;
	uint64_t items, right, claimed, unconfirmed, voided, wrong, lost;
	uint64_t journaled_items, journaled_bytes; /* acknowledged, and not in new/ yet */
	uint64_t unknown, older, drafts;
	uint64_t damage;
	uint64_t findings; /* printed */
	time_t told; /* when progress was last told */
};

/* ---- what is found */

static void
clear_progress(struct verification *v)
{
	if (v->progress && v->told != 0)
		fputs("\r\033[K", stderr);
}

static void
tell_progress(struct verification *v)
{
	char size[TABLE_CELL_ROOM];
	time_t now = v->progress ? time(NULL) : 0;

	if (now == v->told)
		return;
	v->told = now;
	table_size(size, v->look.bytes);
	fprintf(stderr, "\rinboxctl: %" PRIu64 " items, %s read\033[K", v->items, size);
}

/* Takes `object`; NULL: out of memory. */
static void
dump(struct verification *v, json_t *object, size_t flags)
{
	if (json_dumpf(object, stdout, JSON_ENSURE_ASCII | JSON_COMPACT | flags) < 0)
		v->failed = 1;
	json_decref(object);
}

/* "wrong status/new/NAME: 3 bytes, the ledger says 4". */
static void
report(struct verification *v, const char *finding, const char *inbox, const char *part,
    const char *name, const char *what)
{
	clear_progress(v);
	if (v->json) {
		json_t *object = json_object();
		v->failed |= json_object_set_new(object, "finding", json_string(finding));
		v->failed |= json_object_set_new(object, "inbox", json_string(inbox));
		v->failed |= json_object_set_new(object, "part", json_string(part));
		v->failed |= json_object_set_new(object, "name", show_plain(name));
		v->failed |= json_object_set_new(object, "what", show_plain(what));
		fputs(v->findings > 0 ? ",\n" : "\n", stdout);
		dump(v, object, 0);
	} else {
		printf("%s %s/%s/", finding, inbox, part);
		table_plain(stdout, name);
		printf(": %s\n", what);
	}
	v->findings++;
}

/* ---- an item */

static const char *
name_of(const struct entry *item)
{
	return item->renamed[0] ? item->renamed : item->record.name;
}

/* In new/ or cur/; *part gets which. */
static enum found
look_behind_new(struct verification *v, const struct folder *folder, const struct entry *item,
    const char **part)
{
	enum found found = FOUND_ABSENT;

	*part = "new";
	if (folder)
		found = look_for(&v->look, folder->new, name_of(item), &item->record, NULL);
	if (!folder || found != FOUND_ABSENT)
		return found;
	*part = "cur";
	return look_for(&v->look, folder->cur, name_of(item), &item->record, NULL);
}

static void
count_found(struct verification *v, struct folder *folder, const struct entry *item,
    const char *part, enum found found)
{
	if (folder)
		folder_know(folder, name_of(item));
	switch (found) {
	case FOUND_RIGHT:
		v->right++;
		break;
	case FOUND_ABSENT:
		v->claimed++;
		break;
	case FOUND_WRONG:
		v->wrong++;
		report(v, "wrong", item->record.inbox, part, name_of(item), v->look.what);
		break;
	}
}

static void
check_stored(struct verification *v, struct folder *folder, const struct entry *item)
{
	const char *part;
	enum found found = look_behind_new(v, folder, item, &part);

	count_found(v, folder, item, part, found);
}

/* Are its bytes in the journal, whole? */
static int
is_in_journal(struct verification *v, const struct record *item)
{
	const struct journal_frame *frame = journaled_find(&v->journaled, item->seq);
	struct record record;
	void *bytes = NULL;
	int is_right;

	if (!frame)
		return 0;
	if (journaled_read(&v->journaled, frame, &record, &bytes) < 0) {
		v->failed |= errno == ENOMEM;
		return 0; /* it is overwritten; or damaged, which is told in the end */
	}
	is_right = bytes && (v->look.quick || journaled_is_item(&record, bytes, frame->item_size));
	free(bytes);
	if (journaled_is_same(&record, item))
		return is_right;
	complain(JOURNAL_FOLDER ": accept %" PRIu64 " is another item there than in the ledger, "
	                        "which has %s/%s",
	    item->seq, item->inbox, item->name);
	v->damage++;
	return 0;
}

/* Acknowledged, and as far as the journal says not published.  Its bytes are in the journal, or
 * its draft in tmp/, or it is on its way into new/: it moves only forward, so it is looked for in
 * that order. */
static void
check_acknowledged(struct verification *v, struct folder *folder, const struct entry *item)
{
	const struct record *record = &item->record;
	const char *part;
	enum found draft, found;
	int has_bytes, has_draft;

	do {
		has_draft = journaled_has_draft(&v->journaled, record->seq);
		has_bytes = is_in_journal(v, record);
		draft = folder ? look_for(&v->look, folder->tmp, record->name, record, NULL) :
		                 FOUND_ABSENT;
		found = look_behind_new(v, folder, item, &part);
		/* What is in new/ by that name may be a stranger's. */
		if (found != FOUND_RIGHT &&
		    (draft == FOUND_RIGHT ||
		        (has_bytes && (!has_draft || draft == FOUND_WRONG)))) {
			v->journaled_items++;
			v->journaled_bytes += record->size;
			return;
		}
		if (found != FOUND_ABSENT || (has_draft && draft == FOUND_ABSENT) ||
		    journaled_has_published(&v->journaled, record->seq)) {
			count_found(v, folder, item, part, found);
			return;
		}
	} while (journaled_again(&v->journaled));
	v->lost++;
	report(v, "lost", record->inbox, "tmp", record->name,
	    draft == FOUND_WRONG ? v->look.what :
	                           "acknowledged, and neither there nor whole in the journal");
}

static void
check_unconfirmed(struct verification *v, struct folder *folder, const struct entry *item)
{
	if (folder)
		folder_know(folder, name_of(item));
	v->unconfirmed++;
}

static void
check_item(struct verification *v, const struct entry *item)
{
	struct folder *folder = folders_find(&v->folders, item->record.inbox);
	const struct journaled *j = &v->journaled;
	uint64_t seq = item->record.seq;

	v->items++;
	if (item->outcome == OUTCOME_VOID)
		v->voided++;
	else if (item->outcome == OUTCOME_STORED)
		check_stored(v, folder, item);
	else if (item->outcome == OUTCOME_ACKNOWLEDGED &&
	    (journaled_find(j, seq) || journaled_misses(j, seq)))
		check_acknowledged(v, folder, item);
	else
		check_unconfirmed(v, folder, item);
	tell_progress(v);
}

static int
is_wanted(void *ctx, const struct record *record)
{
	const struct verification *v = ctx;

	return record->type == RECORD_ACCEPT &&
	    (!v->inbox || strcmp(v->inbox, record->inbox) == 0);
}

/* ---- files without a record */

/* Its name says when the receiver began to take it in. */
static int
is_older(const char *name, int64_t began)
{
	struct timespec when;

	return strlen(name) >= PRINT_TIME_ROOM && name[PRINT_TIME_ROOM - 1] == '-' &&
	    parse_time(name, PRINT_TIME_ROOM - 1, &when) == 0 &&
	    (int64_t)when.tv_sec * 1000000 + when.tv_nsec / 1000 < began;
}

static void
check_folder(struct verification *v, const struct folder *folder, int64_t began)
{
	for (size_t i = 0; i < folder->count; i++) {
		const char *name = folder_file(folder, i);
		if (folder->known[i])
			continue;
		if (is_older(name, began)) {
			v->older++;
		} else if (look_is_there(folder->new, name, -1)) {
			v->unknown++;
			report(v, "unknown", folder->name, "new", name,
			    "in no record of the ledger");
		}
	}
	v->drafts += folder_count_drafts(folder, DRAFT_IS_OLD);
}

/* ---- the whole */

/* 0, or -1 and it has been told why. */
static int
check_all(struct verification *v, const struct root *root)
{
	struct history *history = history_open(root, &v->journaled, is_wanted, v);
	struct entry item;
	int rc;

	if (!history) {
		complain("out of memory");
		return -1;
	}
	while ((rc = history_next(history, &item)) == 1)
		check_item(v, &item);
	for (size_t i = 0; rc == 0 && i < v->folders.count; i++)
		check_folder(v, &v->folders.all[i], history_began(history));
	v->damage += history_damage(history);
	history_close(history);
	clear_progress(v);
	return rc;
}

static void
print_summary(struct verification *v, const char *root, int complete)
{
	char journaled[64];
	const struct {
		const char *key;
		uint64_t count;
		const char *meaning;
	} rows[] = {
	    {"items", v->items, "accepted, by the ledger; of these"},
	    {"right", v->right,
	        v->look.quick ? "there, with their size" : "there, with their SHA-256"},
	    {"claimed", v->claimed, "not there: a consumer has had them"},
	    {"journaled", v->journaled_items, journaled},
	    {"unconfirmed", v->unconfirmed, "not decided yet"},
	    {"void", v->voided, "never stored, nor acknowledged"},
	    {"wrong", v->wrong, "there, and not what the ledger says"},
	    {"lost", v->lost, "acknowledged, and nowhere"},
	    {"unknown", v->unknown, "files in new/ that the ledger does not know"},
	    {"older", v->older, "files in new/ older than the ledger's history"},
	    {"drafts", v->drafts, "files in tmp/ not written to for an hour"},
	    {"damage", v->damage, "damaged or missing parts of ledger and journal"},
	};

	snprintf(journaled, sizeof journaled,
	    "in the journal, not in new/ yet: %" PRIu64 " bytes", v->journaled_bytes);
	if (!v->json) {
		for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
			printf("%10" PRIu64 "  %-11s  %s\n", rows[i].count, rows[i].key,
			    rows[i].meaning);
		if (!complete)
			puts("Not all could be looked at.");
		return;
	}
	json_t *sums = json_object();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		v->failed |= json_object_set_new(sums, rows[i].key,
		    json_integer((json_int_t)rows[i].count));
	v->failed |= json_object_set_new(sums, "journaled_bytes",
	    json_integer((json_int_t)v->journaled_bytes));
	v->failed |= json_object_set_new(sums, "root", show_plain(root));
	v->failed |= json_object_set_new(sums, "quick", json_boolean(v->look.quick));
	v->failed |= json_object_set_new(sums, "complete", json_boolean(complete && !v->failed));
	fputs(v->findings > 0 ? "\n]," : "],", stdout);
	dump(v, sums, JSON_EMBED);
	puts("}");
}

int
verify(const struct arguments *arguments)
{
	struct verification v = {.inbox = arguments->inbox, .look.quick = arguments->quick != NULL,
	    .json = arguments->json != NULL, .progress = isatty(STDERR_FILENO)};
	struct root root;
	int code = EX_NOINPUT, rc;

	if (v.inbox && !is_plain_name(v.inbox, strlen(v.inbox), PROTO_INBOX_MAX)) {
		complain("--inbox %s: want the name of an inbox", v.inbox);
		return EX_USAGE;
	}
	if (root_open(&root, arguments->root) < 0)
		return EX_NOINPUT;
	if (folders_open(&v.folders, root.fd, v.inbox) == 0) {
		if (v.json)
			printf("{\"schema\":%d,\"findings\":[", SCHEMA);
		journaled_open(&v.journaled, &root);
		rc = check_all(&v, &root);
		journaled_close(&v.journaled);
		print_summary(&v, root.path, rc == 0);
		if (v.failed && !ferror(stdout)) {
			complain("out of memory");
			code = EX_OSERR;
		} else if (rc == 0) {
			code = v.wrong + v.lost + v.unknown + v.damage > 0 ? EX_DATAERR : EX_OK;
		}
	}
	folders_close(&v.folders);
	root_close(&root);
	return code;
}
