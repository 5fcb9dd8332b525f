/* SPDX-License-Identifier: ISC */
/*
 * The name is looked for in the journal first, then in the ledger: on a dead host's disk the
 * journal may have what the ledger has not yet.  The record that is found says which bytes
 * are right; without one no file is printed, whatever its name.
 *
 * While a receiver runs an item goes from the journal and tmp/ to new/, and with its consumer to
 * cur/ and away, and never back; so the places are looked into in that order, and where it is
 * in none the journal is read again.
 */
#include "config.h"

#include "inboxctl/print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/root/folders.h"
#include "inboxctl/root/history.h"
#include "inboxctl/root/journaled.h"
#include "inboxctl/root/look.h"
#include "inboxctl/root/root.h"
#include "lib/digest.h"
#include "lib/disk.h"
#include "lib/parse.h"

#define GO_ON (-1) /* no exit code: it is not here */

struct printing {
	const char *name;
	struct root root;
	struct journaled journaled;
	struct entry item; /* its seq is 0 until it is found */
	uint64_t renamed;  /* the seq of the accept that got this name in new/; 0: none */
	uint64_t damage;   /* of ledger and journal */
	char wrong[LOOK_WHAT_ROOM + NAME_ROOM + PROTO_INBOX_MAX + 8]; /* a file that is not it */
};

/* ---- its record */

static void
find_in_journal(struct printing *p)
{
	const struct journal *journal = &p->journaled.journal;
	struct record *record = &p->item.record;

	for (size_t i = 0; i < journal->count; i++) {
		if (journal->frames[i].is_damaged ||
		    journaled_read(&p->journaled, &journal->frames[i], record, NULL) < 0 ||
		    strcmp(record->name, p->name) != 0)
			continue;
		p->item.outcome = OUTCOME_ACKNOWLEDGED;
		return;
	}
	record->seq = 0;
}

static int
is_wanted(void *ctx, const struct record *record)
{
	struct printing *p = ctx;

	if (record->type == RECORD_RENAMED && strcmp(record->name, p->name) == 0)
		p->renamed = record->seq;
	return record->type == RECORD_ACCEPT &&
	    (record->seq == p->renamed || strcmp(record->name, p->name) == 0);
}

/* 0, or an exit code; then it has been told. */
static int
read_ledger(struct printing *p)
{
	struct history *history = history_open(&p->root, &p->journaled, is_wanted, p);
	struct entry item;
	int rc;

	if (!history) {
		complain("out of memory");
		return EX_OSERR;
	}
	while ((rc = history_next(history, &item)) == 1)
		p->item = item;
	p->damage = history_damage(history);
	history_close(history);
	return rc < 0 && p->item.record.seq == 0 ? EX_NOINPUT : 0;
}

static int
find_in_ledger(struct printing *p)
{
	int code = read_ledger(p);

	/* It got this name after its accept had been passed over. */
	if (code == 0 && p->item.record.seq == 0 && p->renamed != 0)
		code = read_ledger(p);
	return code;
}

/* ---- its bytes */

/* The digest was right a moment ago; a consumer may write to what he has claimed. */
static int
print_file(const struct printing *p, int fd)
{
	struct digest *digest = digest_new();
	unsigned char buffer[64 * 1024], sha256[DIGEST_SIZE];
	int code = EX_OSERR;
	ssize_t got;

	if (lseek(fd, 0, SEEK_SET) < 0 || !digest || digest_start(digest) < 0)
		goto done;
	while ((got = read(fd, buffer, sizeof buffer)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || digest_add(digest, buffer, (size_t)got) < 0)
			goto done;
		if (fwrite(buffer, 1, (size_t)got, stdout) < (size_t)got) {
			code = EX_IOERR; /* main() says why */
			goto done;
		}
	}
	if (digest_end(digest, sha256) < 0)
		goto done;
	code = memcmp(sha256, p->item.record.sha256, DIGEST_SIZE) == 0 ? EX_OK : EX_DATAERR;
	if (code == EX_DATAERR)
		complain("%s: was changed while it was printed", p->name);
done:
	if (code == EX_OSERR)
		complain("%s: not all of it is printed: %s", p->name, strerror(errno));
	digest_free(digest);
	return code;
}

static int
print_journaled(const struct printing *p)
{
	const struct journal_frame *frame = journaled_find(&p->journaled, p->item.record.seq);
	struct record record;
	void *bytes = NULL;
	int code = GO_ON;

	if (!frame || journaled_read(&p->journaled, frame, &record, &bytes) < 0)
		return GO_ON;
	if (bytes && journaled_is_same(&record, &p->item.record) &&
	    journaled_is_item(&record, bytes, frame->item_size)) {
		code = EX_OK;
		fwrite(bytes, 1, frame->item_size, stdout);
	}
	free(bytes);
	return code;
}

/* In a part of its inbox. */
static int
print_from(struct printing *p, const char *part)
{
	const struct record *record = &p->item.record;
	int is_draft = strcmp(part, "tmp") == 0;
	const char *name = p->item.renamed[0] && !is_draft ? p->item.renamed : record->name;
	struct look look = {.quick = 0};
	int dir = folder_open_part(p->root.fd, record->inbox, part);
	int fd, code = GO_ON;

	switch (look_for(&look, dir, name, record, &fd)) {
	case FOUND_RIGHT:
		code = print_file(p, fd);
		break;
	case FOUND_ABSENT:
		break;
	case FOUND_WRONG:
		snprintf(p->wrong, sizeof p->wrong, "%s/%s/%s: %s", record->inbox, part, name,
		    look.what);
		break;
	}
	disk_close(fd);
	disk_close(dir);
	return code;
}

static int
print_found(struct printing *p)
{
	static const char *const parts[] = {"tmp", "new", "cur"};
	int code;

	do {
		p->wrong[0] = '\0';
		code = print_journaled(p);
		for (size_t i = 0; i < 3 && code == GO_ON; i++)
			code = print_from(p, parts[i]);
	} while (code == GO_ON && journaled_again(&p->journaled));
	return code;
}

/* ---- why not */

static int
explain_absence(const struct printing *p)
{
	const struct journaled *j = &p->journaled;
	const struct entry *item = &p->item;
	uint64_t seq = item->record.seq;
	int is_acknowledged = item->outcome == OUTCOME_ACKNOWLEDGED || journaled_find(j, seq) ||
	    journaled_misses(j, seq);

	if (p->wrong[0]) {
		complain("%s", p->wrong);
		return EX_DATAERR;
	}
	if (item->outcome == OUTCOME_STORED || journaled_has_published(j, seq) ||
	    (is_acknowledged && journaled_has_draft(j, seq))) {
		complain("%s: is no longer in inbox %s: a consumer has taken it, or it was deleted",
		    p->name, item->record.inbox);
		return EX_NOINPUT;
	}
	if (p->damage > 0 || is_acknowledged) {
		complain("%s: was accepted for inbox %s, and is neither there nor whole in the "
		         "journal",
		    p->name, item->record.inbox);
		return EX_DATAERR;
	}
	complain("%s: was not acknowledged, and its draft is not there: its client kept it",
	    p->name);
	return EX_NOINPUT;
}

static int
explain_ignorance(const struct printing *p)
{
	complain("%s: is in no record of the ledger or the journal%s", p->name,
	    p->damage > 0 ? " that can be read" : "");
	return p->damage > 0 ? EX_DATAERR : EX_NOINPUT;
}

/* ---- the whole */

static int
find_and_print(struct printing *p)
{
	int code;

	find_in_journal(p);
	if (p->item.record.seq != 0 && (code = print_journaled(p)) != GO_ON)
		return code;
	code = find_in_ledger(p);
	if (code != 0)
		return code;
	/* It may have been accepted since. */
	if (p->item.record.seq == 0 && journaled_again(&p->journaled))
		find_in_journal(p);
	if (p->item.record.seq == 0)
		return explain_ignorance(p);
	if (p->item.outcome == OUTCOME_VOID) {
		complain("%s: is void: it was neither stored nor acknowledged, and its client kept "
		         "it",
		    p->name);
		return EX_NOINPUT;
	}
	code = print_found(p);
	return code == GO_ON ? explain_absence(p) : code;
}

int
print_item(const struct arguments *arguments)
{
	struct printing p = {.name = arguments->operand};
	int code;

	if (!is_plain_name(p.name, strlen(p.name), NAME_ROOM - 1)) {
		complain("%s: want the name of an item, as inboxctl ledger has it", p.name);
		return EX_USAGE;
	}
	if (root_open(&p.root, arguments->root) < 0)
		return EX_NOINPUT;
	journaled_open(&p.journaled, &p.root);
	code = find_and_print(&p);
	journaled_close(&p.journaled);
	root_close(&p.root);
	return code;
}
