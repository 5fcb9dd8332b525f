/* SPDX-License-Identifier: ISC */
/*
 * Recovery by the journal: what each frame, draft and line may have come to by a crash or by
 * damage, and then recovery itself killed, failed and raced by a consumer at each call that it
 * makes of the system.
 *
 * Built twice, as test_disk is.
 */
#include "config.h"

#include "recover_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxd/recover/fresh.h"
#include "lib/disk.h"
#include "lib/segment.h"

/* All there can be, in one root: up to DURABLE the journal's mark says that drafts are on the disk;
 * number 1 was published.  From 16 on the ledger's lines were torn off; 15 and 20 were given up. */
#define DURABLE 9
static const struct crashed everything[] = {
    {1, "status", NONE, NONE, TAKEN, BYTES, 0, 0},
    {2, "status", RIGHT, NONE, STORED, BARE, 0, 0},
    {3, "status", NONE, RIGHT, STORED, BYTES, 0, 0},
    {4, "status", NONE, NONE, TAKEN, BYTES, 0, 0},
    {5, "status", SHORT, NONE, STORED, BYTES, 0, 0},
    {6, "old", RIGHT, NONE, STORED, BARE, 0, 0},
    {7, "status", RIGHT, NONE, VOIDED, NO_FRAME, 1, 0},
    {8, "status", RIGHT, OTHER, STORED, BYTES, 0, 0},
    {9, "status", NONE, NONE, TAKEN, DAMAGED_BARE, 0, 0},
    {10, "status", NONE, NONE, STORED, BYTES, 0, 0},
    {11, "status", OTHER, NONE, STORED, BYTES, 0, 0},
    {12, "old", SHORT, NONE, STORED, BYTES, 0, 0},
    {13, "status", RIGHT, NONE, STORED, BARE, 0, 0},
    {14, "status", RIGHT, NONE, STORED, DAMAGED, 0, 0},
    {16, "status", NONE, NONE, STORED, BYTES, 0, 1},
    {17, "status", NONE, OTHER, STORED, BYTES, 0, 1},
    {18, "old", RIGHT, NONE, STORED, BARE, 0, 1},
    {19, "status", OTHER, NONE, STORED, BYTES, 0, 1},
    {21, "status", NONE, NONE, STORED, BYTES, 0, 1},
    {22, "status", RIGHT, NONE, VOIDED, TORN, 0, 1},
};
#define EVERYTHING (sizeof everything / sizeof everything[0])

static void
make_everything(void)
{
	make_journal_world(everything, EVERYTHING, DURABLE, 1);
}

/* ---- one case at a time */

static void
hold(struct crashed item, int is_durable)
{
	make_journal_world(&item, 1, is_durable ? item.seq : 0, 0);
	recover_and_check(QUIET);
	remove_world();
}

/* Whatever the page cache shows of the draft. */
static void
writes_from_the_journal_what_may_not_be_on_the_disk(void **state)
{
	(void)state;
	for (enum file draft = NONE; draft <= SHORT; draft++) {
		hold((struct crashed){1, "status", draft, NONE, STORED, BYTES, 0, 0}, 0);
		hold((struct crashed){1, "status", draft, NONE, STORED, BYTES, 0, 1}, 0);
		hold((struct crashed){1, "old", draft, NONE, STORED, BYTES, 0, 0}, 0);
	}
}

/* The node tells: it is the draft itself that is published, or what was published already. */
static void
publishes_the_draft_that_is_durable(void **state)
{
	struct crashed items[] = {{1, "status", RIGHT, NONE, STORED, BYTES, 0, 0},
	    {3, "status", NONE, RIGHT, STORED, BYTES, 0, 0}};
	struct stat before, after;
	char name[NAME_ROOM];

	(void)state;
	for (int i = 0; i < 2; i++) {
		print_name(name, items[i].seq);
		make_journal_world(&items[i], 1, items[i].seq, 0);
		assert_int_equal(fstatat(i == 0 ? world.status.tmp : world.status.new, name,
		    &before, 0), 0);
		clients_free(recover_here());
		assert_int_equal(fstatat(world.status.new, name, &after, 0), 0);
		assert_int_equal(before.st_ino, after.st_ino);
		remove_world();
		hold(items[i], 1);
	}
	hold((struct crashed){2, "status", RIGHT, NONE, STORED, BARE, 0, 0}, 1);
	hold((struct crashed){2, "old", RIGHT, NONE, STORED, BARE, 0, 0}, 0);
	hold((struct crashed){2, "old", RIGHT, NONE, STORED, BARE, 0, 1}, 0);
}

static void
takes_what_was_durable_and_is_gone_as_claimed(void **state)
{
	(void)state;
	hold((struct crashed){1, "status", NONE, NONE, TAKEN, BYTES, 0, 0}, 1);
	hold((struct crashed){1, "status", NONE, NONE, TAKEN, BYTES, 0, 1}, 1);
	hold((struct crashed){1, "status", NONE, NONE, TAKEN, BARE, 0, 0}, 1);
}

/* Nobody else writes in tmp/: the disk has lost it. */
static void
mends_a_durable_draft_that_was_cut_short(void **state)
{
	struct crashed item = {1, "status", SHORT, NONE, STORED, BARE, 0, 0};

	(void)state;
	hold((struct crashed){1, "status", SHORT, NONE, STORED, BYTES, 0, 0}, 1);
	make_journal_world(&item, 1, 1, 0);
	assert_refuses(EX_DATAERR,
	    "has another size, of an item of 29 bytes that was acknowledged");
	make_file(world.status.tmp, 1, RIGHT);
	recover_and_check(QUIET);
	remove_world();
}

static void
stops_where_a_durable_draft_without_bytes_is_gone(void **state)
{
	struct crashed item = {1, "status", NONE, NONE, STORED, BARE, 0, 0};

	(void)state;
	make_journal_world(&item, 1, 0, 0);
	assert_refuses(EX_DATAERR, "is missing, of an item of 29 bytes that was acknowledged");
	make_file(world.status.tmp, 1, RIGHT);
	recover_and_check(QUIET);
	remove_world();
}

/* And there is another name for the item. */
static void
overwrites_no_strangers_file(void **state)
{
	struct crashed item = {1, "status", RIGHT, OTHER, STORED, BYTES, 0, 0};
	char name[NAME_ROOM], *old;

	(void)state;
	for (int is_durable = 0; is_durable < 2; is_durable++) {
		hold(item, is_durable);
		make_journal_world(&item, 1, (unsigned)is_durable, 0);
		clients_free(recover_here());
		old = sample_read(world.ledger, OLD_SEGMENT, NULL);
		assert_non_null(strstr(old, " renamed 1 "));
		free(old);
		remove_world();
	}
	hold((struct crashed){1, "status", NONE, OTHER, STORED, BYTES, 0, 1}, 0);
	/* A folder or link is somebody's, too. */
	print_name(name, 1);
	for (int is_link = 0; is_link < 2; is_link++) {
		item.published = NONE;
		make_journal_world(&item, 1, (unsigned)is_link, 0);
		if (is_link)
			assert_int_equal(symlinkat("elsewhere", world.status.new, name), 0);
		else
			assert_int_equal(mkdirat(world.status.new, name, 0700), 0);
		clients_free(recover_here());
		assert_int_equal(sample_count_files(world.status.new), 2);
		remove_world();
	}
}

/* The draft and its second link, or what a rename on NFS has left: it is one item. */
static void
publishes_once_what_is_there_twice(void **state)
{
	(void)state;
	hold((struct crashed){1, "status", RIGHT, LINKED, STORED, BYTES, 0, 0}, 1);
	hold((struct crashed){1, "status", RIGHT, RIGHT, STORED, BYTES, 0, 0}, 0);
}

static void
voids_what_has_no_frame(void **state)
{
	const struct crashed items[] = {
	    {1, "status", NONE, NONE, TAKEN, BYTES, 0, 0},
	    {2, "status", RIGHT, NONE, VOIDED, NO_FRAME, 0, 0},
	    {3, "status", RIGHT, NONE, STORED, BYTES, 0, 0},
	    {4, "status", RIGHT, NONE, VOIDED, NO_FRAME, 0, 0},
	    {5, "gone", NONE, NONE, VOIDED, NO_FRAME, 0, 0},
	    {6, "old", RIGHT, NONE, VOIDED, TORN, 0, 0},
	};

	(void)state;
	make_journal_world(items, 6, 1, 1);
	recover_and_check(QUIET);
	remove_world();
}

/* Its turn was given up; the frame is of a batch that was never synced, whole or not. */
static void
voids_what_the_ledger_calls_void(void **state)
{
	(void)state;
	for (int is_durable = 0; is_durable < 2; is_durable++) {
		hold((struct crashed){1, "status", RIGHT, NONE, VOIDED, BYTES, 1, 0}, is_durable);
		hold((struct crashed){1, "status", RIGHT, NONE, VOIDED, DAMAGED, 1, 0}, is_durable);
	}
}

static void
leaves_alone_what_is_published(void **state)
{
	struct crashed item = {1, "status", NONE, RIGHT, STORED, BYTES, 0, 0};
	char *before, *after;

	(void)state;
	make_journal_world(&item, 1, 1, 1);
	before = describe(world.status.new, 1);
	recover_and_check(QUIET);
	after = describe(world.status.new, 1);
	assert_string_equal(before, after);
	free(before), free(after);
	remove_world();
}

/* The ledger's mark is younger than the journal's: that is as good. */
static void
believes_the_ledger_that_it_is_published(void **state)
{
	struct crashed item = {1, "gone", NONE, NONE, TAKEN, BYTES, 0, 0};

	(void)state;
	make_journal_world(&item, 1, 1, 0);
	world.published = 1;
	rewrite_segment();
	recover_and_check(QUIET);
	remove_world();
}

/* Its bytes are in the journal alone, so it is not dropped. */
static void
stops_where_an_inbox_is_gone(void **state)
{
	struct crashed item = {1, "old", NONE, NONE, STORED, BYTES, 0, 0};

	(void)state;
	make_journal_world(&item, 1, 0, 0);
	assert_int_equal(renameat(world.root, "old", world.root, "away"), 0);
	assert_refuses(EX_CONFIG, "inbox old has an item that was acknowledged");
	assert_refuses(EX_CONFIG, "inboxd -m");
	assert_int_equal(renameat(world.root, "away", world.root, "old"), 0);
	assert_int_equal(fchmodat(world.root, "old", 0770, 0), 0);
	assert_refuses(EX_CONFIG, "it should be 0750");
	assert_int_equal(fchmodat(world.root, "old", 0700, 0), 0);
	recover_and_check(QUIET);
	remove_world();
}

/* ---- damage */

static void
needs_what_a_damaged_frame_had(void **state)
{
	struct crashed item = {1, "status", OTHER, NONE, STORED, DAMAGED, 0, 0};

	(void)state;
	for (enum frame frame = DAMAGED; frame <= DAMAGED_BARE; frame++) {
		hold((struct crashed){1, "status", RIGHT, NONE, STORED, frame, 0, 0}, 0);
		hold((struct crashed){1, "status", RIGHT, NONE, STORED, frame, 0, 0}, 1);
		hold((struct crashed){1, "status", NONE, RIGHT, STORED, frame, 0, 0}, 1);
		hold((struct crashed){1, "status", NONE, NONE, TAKEN, frame, 0, 0}, 1);
		item.frame = frame;
		make_journal_world(&item, 1, 0, 0);
		assert_refuses(EX_DATAERR, "has other bytes, and its frame is damaged");
		make_file(world.status.tmp, 1, RIGHT);
		recover_and_check(QUIET);
		remove_world();
	}
	item.draft = SHORT;
	make_journal_world(&item, 1, 1, 0);
	assert_refuses(EX_DATAERR, "has another size");
	remove_world();
	item.is_lacking = 1;
	for (unsigned durable = 0; durable < 2; durable++) {
		make_journal_world(&item, 1, durable, 0);
		assert_refuses(EX_DATAERR, "accept 1 cannot be read, since its frame is damaged");
		remove_world();
	}
}

/* The checksum is of the frame, the digest of the item. */
static void
believes_no_frame_that_is_not_the_items(void **state)
{
	struct crashed item = {1, "status", NONE, NONE, STORED, FORGED, 0, 0};

	(void)state;
	for (enum frame frame = FORGED; frame <= RELABELLED; frame++) {
		hold((struct crashed){1, "status", RIGHT, NONE, STORED, frame, 0, 0}, 0);
		hold((struct crashed){1, "status", RIGHT, NONE, STORED, frame, 0, 0}, 1);
		item.frame = frame;
		make_journal_world(&item, 1, 0, 0);
		assert_refuses(EX_DATAERR, "has other bytes, and its frame is damaged");
		remove_world();
	}
}

static void
copies_no_draft_that_changes_meanwhile(void **state)
{
	struct crashed item = {1, "status", RIGHT, NONE, STORED, DAMAGED, 0, 0};

	(void)state;
	make_journal_world(&item, 1, 0, 0);
	hook->mode = SPOIL;
	assert_ends(EX_DATAERR, "has changed meanwhile");
	make_file(world.status.tmp, 1, RIGHT);
	recover_and_check(QUIET);
	remove_world();
}

/* After a sync that failed the page cache may show what the disk has not. */
static void
writes_the_newest_batch_again(void **state)
{
	struct journal journal;

	(void)state;
	for (int is_published = 0; is_published < 2; is_published++) {
		make_journal_world(everything, 4, 4, is_published ? 4 : 1);
		read_journal(&journal);
		assert_int_equal(recover_in_child(QUIET, 0), 0);
		assert_int_equal(hook->first_batch, journal.head.number);
		journal_free(&journal);
		remove_world();
	}
}

/* Each byte of the head and the frames of a batch that another has followed: with the drafts still
 * there, and without. */
static void
flip_each_byte(enum file draft, int *refused, int *mended)
{
	const struct crashed items[] = {
	    {3, "status", draft, NONE, STORED, BYTES, 0, 0},
	    {4, "status", draft, NONE, STORED, BYTES, 0, 0},
	};
	struct journal journal;
	uint32_t from, until;

	*refused = *mended = 0;
	make_journal_world(items, 2, 0, 0);
	read_journal(&journal);
	assert_int_equal(journal.count, 2);
	from = journal.frames[0].offset - (uint32_t)journal_head_size(2);
	until = journal.frames[1].offset + (uint32_t)journal_frame_size(&journal.frames[1]);
	journal_free(&journal);
	remove_world();
	for (uint32_t at = from; at < until; at += at < from + 200 ? 1 : 5) {
		unsigned char bit = (unsigned char)(1 << at % 8);
		int rc;
		make_journal_world(items, 2, 0, 0);
		flip_journal(0, at, bit);
		rc = recover_in_child(QUIET, 0);
		if (rc != 0) {
			assert_int_equal(rc, EX_DATAERR);
			flip_journal(0, at, bit);
			++*refused;
		} else {
			++*mended;
		}
		recover_and_check(QUIET);
		remove_world();
	}
}

static void
tells_or_mends_each_flipped_bit(void **state)
{
	int refused, mended;

	(void)state;
	flip_each_byte(RIGHT, &refused, &mended);
	assert_in_range(refused, 0, 4); /* those of the version */
	assert_true(mended > 250);
	flip_each_byte(NONE, &refused, &mended);
	assert_int_equal(mended, 0);
	assert_true(refused > 250);
}

/* A whole batch, of which only the ledger knows what it had. */
static void
needs_what_a_damaged_batch_had(void **state)
{
	struct crashed items[] = {
	    {1, "status", RIGHT, NONE, STORED, BYTES, 0, 0},
	    {2, "status", NONE, NONE, TAKEN, BARE, 0, 0},
	    {3, "status", RIGHT, NONE, STORED, BYTES, 0, 0},
	    {4, "status", NONE, NONE, VOIDED, NO_FRAME, 1, 0},
	    {5, "status", NONE, NONE, STORED, BYTES, 0, 0},
	};
	struct journal journal;

	(void)state;
	for (int is_lacking = 0; is_lacking < 2; is_lacking++) {
		items[2].is_lacking = items[3].is_lacking = items[4].is_lacking = is_lacking;
		items[3].is_void = !is_lacking;
		make_journal_world(items, 5, 2, 0);
		flip_journal(0, JOURNAL_BLOCK + 100, 1);
		read_journal(&journal);
		assert_int_equal(journal.found, JOURNAL_READ);
		assert_int_equal(journal.hole_count, 1);
		journal_free(&journal);
		if (is_lacking)
			assert_refuses(
			    EX_DATAERR, "accept 3 cannot be read, since its batch is damaged");
		else
			recover_and_check(QUIET);
		remove_world();
	}
}

/* ---- a segment that was begun when not all was published */

static const struct crashed rotated[] = {
    {2, "status", RIGHT, NONE, STORED, BARE, 0, 0},
    {3, "status", RIGHT, NONE, STORED, BYTES, 0, 0},
    {4, "old", RIGHT, NONE, STORED, BYTES, 0, 0},
    {5, "status", NONE, NONE, STORED, BYTES, 0, 0},
};

/* Of what is before it, its state has 3; the others were settled. */
static void
make_rotated(unsigned damaged)
{
	struct crashed items[4];

	memcpy(items, rotated, sizeof items);
	for (int i = 0; i < 4; i++) {
		if (items[i].seq == damaged)
			items[i].frame = DAMAGED;
	}
	make_journal_world(items, 4, 1, 1);
	world.items = rotated;
	sample_begin(&world.before, 5);
	sample_queue(&world.before, 103);
	add_accept(&world.before, &rotated[1]);
	sample_state(&world.before);
	sample_mark(&world.before, 4, 1);
	add_accept(&world.before, &rotated[3]);
	sample_write(world.ledger, OLD_SEGMENT, world.before.text, world.before.len);
}

static void
knows_what_the_segment_before_had(void **state)
{
	struct clients *clients;

	(void)state;
	for (unsigned damaged = 0; damaged <= 3; damaged += 3) {
		make_rotated(damaged);
		clients = recover_here();
		assert_int_equal(is_known(clients, &rotated[0]), 0);
		assert_int_equal(is_known(clients, &rotated[1]), 1);
		assert_int_equal(is_known(clients, &rotated[3]), 1);
		assert_int_equal(sample_count_files(world.status.new), 3);
		assert_int_equal(sample_count_files(world.old.new), 1);
		clients_free(clients);
		remove_world();
	}
	make_rotated(4);
	assert_refuses(EX_DATAERR, "accept 4 cannot be read, since its frame is damaged");
	remove_world();
}

/* ---- what does not belong together */

static const struct crashed two[] = {
    {3, "status", RIGHT, NONE, STORED, BYTES, 0, 0},
    {4, "status", RIGHT, NONE, STORED, BYTES, 0, 0},
};

static void
refuses_an_older_journal(void **state)
{
	const struct crashed items[] = {two[0], {4, "status", RIGHT, NONE, VOIDED, NO_FRAME, 0, 0}};

	(void)state;
	make_journal_world(items, 2, 0, 0);
	world.synced = 4; /* says the ledger */
	rewrite_segment();
	assert_refuses(EX_DATAERR,
	    "journal/ is older than the ledger: it ends with accept 3, and ledger/" OLD_SEGMENT
	    " says that 4 was acknowledged");
	world.synced = 0;
	rewrite_segment();
	recover_and_check(QUIET);
	remove_world();
}

static void
refuses_an_older_ledger(void **state)
{
	const struct crashed items[] = {two[0], {4, "status", NONE, NONE, TAKEN, BYTES, 0, 1}};

	(void)state;
	make_journal_world(items, 2, 4, 4);
	world.synced = 0;
	rewrite_segment();
	assert_refuses(EX_DATAERR,
	    "ledger/" OLD_SEGMENT " is older than the journal: it ends with accept 3, and journal/ "
	    "says that 4 was published");
	remove_world();
}

static void
refuses_what_is_of_different_moments(void **state)
{
	struct crashed items[] = {two[0], two[1]};

	(void)state;
	make_journal_world(items, 2, 0, 0);
	items[1].inbox = "old";
	rewrite_segment();
	assert_refuses(EX_DATAERR, "have different items for accept 4");
	items[1].inbox = "status";
	rewrite_segment();
	recover_and_check(QUIET);
	remove_world();
}

static void
remove_journal(void)
{
	char name[JOURNAL_NAME_ROOM], path[32];

	for (uint32_t i = 0; i < SEGMENTS; i++) {
		journal_segment_name(i, name);
		snprintf(path, sizeof path, JOURNAL_FOLDER "/%s", name);
		assert_int_equal(unlinkat(world.root, path, 0), 0);
	}
	assert_int_equal(unlinkat(world.root, JOURNAL_FOLDER, AT_REMOVEDIR), 0);
}

static void
refuses_another_journal_or_none(void **state)
{
	struct writer *writer;
	struct why why;
	char id[ID_ROOM];

	(void)state;
	make_journal_world(two, 2, 0, 0);
	remove_journal();
	assert_refuses(EX_DATAERR, "journal/ is missing or empty, and ledger/" OLD_SEGMENT);
	assert_int_equal(id_read(world.root, ID_OF_ROOT, id), 0);
	writer = writer_make(world.root, id, SEGMENTS, 4, &why);
	assert_non_null(writer);
	assert_refuses(EX_DATAERR, "goes with the journal of generation ");
	writer_close(writer);
	remove_world();
}

static void
refuses_another_roots_journal(void **state)
{
	static const char other[] = "0123456789abcdef0123456789abcdef\n";

	(void)state;
	make_journal_world(two, 2, 0, 0);
	sample_write(world.root, ID_OF_ROOT, other, sizeof other - 1);
	assert_refuses(EX_DATAERR, "journal/0000");
	remove_world();
}

static void
refuses_a_journal_that_lacks_a_segment(void **state)
{
	(void)state;
	make_journal_world(two, 2, 0, 0);
	assert_int_equal(
	    renameat(world.root, JOURNAL_FOLDER "/0002", world.root, "kept"), 0);
	assert_refuses(EX_DATAERR, "journal/0002 is missing");
	assert_int_equal(
	    renameat(world.root, "kept", world.root, JOURNAL_FOLDER "/0002"), 0);
	recover_and_check(QUIET);
	remove_world();
}

/* Of a version that a later program writes. */
static void
refuses_a_newer_ledger(void **state)
{
	struct record begin = {.type = RECORD_BEGIN, .version = RECORD_VERSION + 1, .seq = 1};
	struct sample newer = {.len = 0};

	(void)state;
	make_journal_world(two, 2, 0, 0);
	sample_add(&newer, &begin);
	sample_state(&newer);
	sample_write(world.ledger, OLD_SEGMENT, newer.text, newer.len);
	assert_refuses(EX_DATAERR, "has version 3; this program reads versions up to 2");
	rewrite_segment();
	recover_and_check(QUIET);
	remove_world();
}

/* ---- its size */

static void
check_segments(uint64_t wanted)
{
	struct journal journal;

	world.settings.journal = wanted * JOURNAL_SEGMENT;
	clients_free(recover_here());
	read_journal(&journal);
	assert_int_equal(journal.found, JOURNAL_READ);
	assert_int_equal(journal.head.segments, wanted);
	assert_int_equal(faccessat(world.root, JOURNAL_FOLDER "/0004", F_OK, 0),
	    wanted > 4 ? 0 : -1);
	journal_free(&journal);
}

static void
makes_the_journal_as_large_as_it_is_set(void **state)
{
	(void)state;
	make_journal_world(two, 2, 0, 0);
	check_segments(6);
	check_segments(4);
	recover_and_check(QUIET);
	remove_world();
}

/* ---- no room */

static int
make_room(void **state)
{
	(void)state;
	room = ROOM;
	return 0;
}

static void
ends_with_75_where_drafts_find_no_room(void **state)
{
	(void)state;
	for (int sync = 0; sync < 2; sync++) {
		for (enum room which = NO_INODE; which <= NO_ROOM_AT_SYNC; which++) {
			make_everything();
			world.settings.sync = sync ? SYNC_FILES : SYNC_AUTO;
			for (int i = 0; i < 2; i++) {
				room = which;
				assert_int_equal(recover_in_child(QUIET, 0), EX_TEMPFAIL);
				room = ROOM;
			}
			recover_and_check(QUIET);
			remove_world();
		}
	}
}

/* More than are open at a time while they are made anew, and whose lines are written at a time. */
#define MANY (FRESH_OPEN_MAX + 6)

static void
make_many(void)
{
	static struct crashed many[MANY];

	for (unsigned i = 0; i < MANY; i++)
		many[i] = (struct crashed){
		    3 + i + i / 50, "status", NONE, NONE, STORED, BYTES, 0, 1};
	make_journal_world(many, MANY, 0, 0);
	world.settings.sync = SYNC_FILES;
}

static void
writes_many_anew_or_ends_with_75(void **state)
{
	static const enum room rooms[] = {ROOM, NO_ROOM_AT_ONE_SYNC, NO_ROOM_FOR_A_RECORD};

	(void)state;
	for (int i = 0; i < 3; i++) {
		make_many();
		room = rooms[i];
		assert_int_equal(recover_in_child(QUIET, 0), room == ROOM ? 0 : EX_TEMPFAIL);
		room = ROOM;
		recover_and_check(QUIET);
		remove_world();
	}
}

/* ---- what is no matter of room */

static int
make_random(void **state)
{
	(void)state;
	random_fails = 0;
	return 0;
}

static void
changes_nothing_without_a_random_number(void **state)
{
	(void)state;
	make_everything();
	random_fails = 1;
	assert_refuses(EX_IOERR, "draw a number for names");
	random_fails = 0;
	recover_and_check(QUIET);
	remove_world();
}

/* ---- recovery itself, cut off at each call */

static void
make_by_files(void)
{
	make_everything();
	world.settings.sync = SYNC_FILES;
}

static const int killed[] = {KILLED, -1}, failed[] = {0, EX_IOERR, EX_CONFIG, -1},
                 went_well[] = {0, -1}, full[] = {0, EX_TEMPFAIL, EX_IOERR, EX_CONFIG, -1},
                 unsynced[] = {EX_IOERR, -1}, denied[] = {0, EX_CONFIG, -1};

static void
recovers_everything_at_once(void **state)
{
	(void)state;
	make_everything();
	recover_and_check(QUIET);
	remove_world();
	make_by_files();
	recover_and_check(QUIET);
	remove_world();
}

static void
keeps_all_promises_when_killed_anywhere(void **state)
{
	(void)state;
	assert_true(try_each_call(make_everything, KILL, killed) > 80);
	assert_true(try_each_call(make_by_files, KILL, killed) > 80);
}

static void
keeps_all_promises_when_killed_within_a_write(void **state)
{
	(void)state;
	assert_true(try_each_call(make_everything, TEAR, killed) > 15);
}

static void
keeps_all_promises_when_a_call_fails(void **state)
{
	(void)state;
	assert_true(try_each_call(make_everything, FAIL, failed) > 150);
}

/* Somebody has changed who may do what: a person has to mend that. */
static void
keeps_all_promises_when_a_call_is_denied(void **state)
{
	(void)state;
	assert_true(try_each_call(make_everything, DENY, denied) > 60);
}

static void
keeps_all_promises_when_there_is_no_room(void **state)
{
	(void)state;
	assert_true(try_each_call(make_everything, FULL, full) > 80);
	assert_true(try_each_call(make_by_files, FULL, full) > 80);
}

static void
goes_on_when_interrupted(void **state)
{
	(void)state;
	assert_true(try_each_call(make_everything, INTERRUPT, went_well) > 60);
}

static void
ends_with_74_when_a_sync_fails(void **state)
{
	(void)state;
	assert_true(try_each_call(make_everything, FAIL_SYNC, unsynced) > 15);
	assert_true(try_each_call(make_by_files, FAIL_SYNC, unsynced) > 20);
}

#ifndef DISK_PORTABLE
static void
keeps_all_promises_beside_a_consumer(void **state)
{
	(void)state;
	assert_true(try_each_call(make_everything, CLAIM, went_well) > 80);
}

static void
keeps_all_promises_killed_beside_a_consumer(void **state)
{
	(void)state;
	assert_true(try_each_call(make_everything, CLAIM_KILL, killed) > 80);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_from_the_journal_what_may_not_be_on_the_disk),
	    cmocka_unit_test(publishes_the_draft_that_is_durable),
	    cmocka_unit_test(takes_what_was_durable_and_is_gone_as_claimed),
	    cmocka_unit_test(mends_a_durable_draft_that_was_cut_short),
	    cmocka_unit_test(stops_where_a_durable_draft_without_bytes_is_gone),
	    cmocka_unit_test(overwrites_no_strangers_file),
	    cmocka_unit_test(publishes_once_what_is_there_twice),
	    cmocka_unit_test(voids_what_has_no_frame),
	    cmocka_unit_test(voids_what_the_ledger_calls_void),
	    cmocka_unit_test(leaves_alone_what_is_published),
	    cmocka_unit_test(believes_the_ledger_that_it_is_published),
	    cmocka_unit_test(stops_where_an_inbox_is_gone),
	    cmocka_unit_test(needs_what_a_damaged_frame_had),
	    cmocka_unit_test(believes_no_frame_that_is_not_the_items),
	    cmocka_unit_test(copies_no_draft_that_changes_meanwhile),
	    cmocka_unit_test(writes_the_newest_batch_again),
	    cmocka_unit_test(tells_or_mends_each_flipped_bit),
	    cmocka_unit_test(needs_what_a_damaged_batch_had),
	    cmocka_unit_test(knows_what_the_segment_before_had),
	    cmocka_unit_test(refuses_an_older_journal),
	    cmocka_unit_test(refuses_an_older_ledger),
	    cmocka_unit_test(refuses_what_is_of_different_moments),
	    cmocka_unit_test(refuses_another_journal_or_none),
	    cmocka_unit_test(refuses_another_roots_journal),
	    cmocka_unit_test(refuses_a_journal_that_lacks_a_segment),
	    cmocka_unit_test(refuses_a_newer_ledger),
	    cmocka_unit_test(makes_the_journal_as_large_as_it_is_set),
	    cmocka_unit_test_teardown(ends_with_75_where_drafts_find_no_room, make_room),
	    cmocka_unit_test_teardown(writes_many_anew_or_ends_with_75, make_room),
	    cmocka_unit_test_teardown(changes_nothing_without_a_random_number, make_random),
	    cmocka_unit_test(recovers_everything_at_once),
	    cmocka_unit_test(keeps_all_promises_when_killed_anywhere),
	    cmocka_unit_test(keeps_all_promises_when_killed_within_a_write),
	    cmocka_unit_test(keeps_all_promises_when_a_call_fails),
	    cmocka_unit_test(keeps_all_promises_when_a_call_is_denied),
	    cmocka_unit_test(keeps_all_promises_when_there_is_no_room),
	    cmocka_unit_test(goes_on_when_interrupted),
	    cmocka_unit_test(ends_with_74_when_a_sync_fails),
#ifndef DISK_PORTABLE
	    cmocka_unit_test(keeps_all_promises_beside_a_consumer),
	    cmocka_unit_test(keeps_all_promises_killed_beside_a_consumer),
#endif
	};

	return RECOVER_RUN(tests);
}
