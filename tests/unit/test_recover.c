/* SPDX-License-Identifier: ISC */
/*
 * Recovery of a root that has no journal yet, which the first start takes over: each state that
 * a crash can leave, and then recovery itself killed, failed and raced by a consumer at each call
 * that it makes of the system.
 *
 * Built twice, as test_disk is.  Without renameat2() an item may come twice
 * where a consumer is quick (disk.h), so that one has no consumer.
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

#include "lib/segment.h"

/* All there can be, in one ledger: up to SYNCED a mark says that drafts were on
 * the disk; number 1 was stored. */
#define SYNCED 6
static const struct crashed everything[] = {
    {.seq = 1, .inbox = "status", .draft = NONE, .published = NONE, .end = TAKEN},
    {.seq = 2, .inbox = "status", .draft = RIGHT, .published = NONE, .end = STORED},
    {.seq = 3, .inbox = "status", .draft = NONE, .published = RIGHT, .end = STORED},
    {.seq = 4, .inbox = "status", .draft = NONE, .published = NONE, .end = TAKEN},
    {.seq = 5, .inbox = "status", .draft = RIGHT, .published = LINKED, .end = STORED},
    {.seq = 6, .inbox = "gone", .draft = NONE, .published = NONE, .end = VOIDED},
    {.seq = 7, .inbox = "status", .draft = RIGHT, .published = NONE, .end = STORED},
    {.seq = 8, .inbox = "status", .draft = OTHER, .published = NONE, .end = VOIDED},
    {.seq = 9, .inbox = "status", .draft = SHORT, .published = NONE, .end = VOIDED},
    {.seq = 10, .inbox = "status", .draft = NONE, .published = NONE, .end = VOIDED},
    {.seq = 11, .inbox = "status", .draft = RIGHT, .published = OTHER, .end = STORED},
    {.seq = 12, .inbox = "status", .draft = NONE, .published = OTHER, .end = VOIDED},
    {.seq = 13, .inbox = "old", .draft = RIGHT, .published = NONE, .end = STORED},
    {.seq = 14, .inbox = "status", .draft = NONE, .published = RIGHT, .end = STORED},
    {.seq = 15, .inbox = "old", .draft = RIGHT, .published = NONE, .end = STORED},
    {.seq = 16, .inbox = "gone", .draft = NONE, .published = NONE, .end = VOIDED},
};
#define EVERYTHING (sizeof everything / sizeof everything[0])

/* ---- one case at a time */

static void
hold(struct crashed item, int is_synced)
{
	make_world(&item, 1, is_synced ? item.seq : 0, 0);
	recover_and_check(QUIET);
	remove_world();
}

static void
finishes_a_whole_draft(void **state)
{
	(void)state;
	hold((struct crashed){1, "status", RIGHT, NONE, STORED, NO_FRAME, 0, 0}, 0);
	hold((struct crashed){1, "status", RIGHT, NONE, STORED, NO_FRAME, 0, 0}, 1);
	hold((struct crashed){2, "status", RIGHT, NONE, STORED, NO_FRAME, 0, 0}, 1);
	hold((struct crashed){1, "old", RIGHT, NONE, STORED, NO_FRAME, 0, 0}, 0);
	hold((struct crashed){1, "old", RIGHT, NONE, STORED, NO_FRAME, 0, 0}, 1);
}

static void
voids_a_draft_of_other_bytes(void **state)
{
	(void)state;
	for (int is_synced = 0; is_synced < 2; is_synced++) {
		hold((struct crashed){1, "status", OTHER, NONE, VOIDED, NO_FRAME, 0, 0}, is_synced);
		hold((struct crashed){1, "status", SHORT, NONE, VOIDED, NO_FRAME, 0, 0}, is_synced);
		hold((struct crashed){2, "status", SHORT, NONE, VOIDED, NO_FRAME, 0, 0}, is_synced);
	}
}

static void
writes_anew_what_was_published(void **state)
{
	struct crashed item = {2, "status", NONE, RIGHT, STORED, NO_FRAME, 0, 0};
	struct stat before, after;
	char name[NAME_ROOM];

	(void)state;
	print_name(name, item.seq);
	for (unsigned is_synced = 0; is_synced < 2; is_synced++) {
		make_world(&item, 1, is_synced ? item.seq : 0, 0);
		assert_int_equal(fstatat(world.status.new, name, &before, 0), 0);
		clients_free(recover_here());
		assert_int_equal(fstatat(world.status.new, name, &after, 0), 0);
		assert_int_not_equal(before.st_ino, after.st_ino);
		remove_world();
		hold(item, (int)is_synced);
	}
}

static void
takes_what_a_mark_vouched_for_as_claimed(void **state)
{
	(void)state;
	hold((struct crashed){1, "status", NONE, NONE, TAKEN, NO_FRAME, 0, 0}, 1);
	hold((struct crashed){1, "status", NONE, NONE, VOIDED, NO_FRAME, 0, 0}, 0);
}

/* A draft may lie in a folder that cannot be looked into, so nobody has it. */
static void
claims_nothing_for_a_folder_that_is_gone(void **state)
{
	struct crashed item = {1, "old", RIGHT, NONE, VOIDED, NO_FRAME, 0, 0};

	(void)state;
	hold((struct crashed){1, "gone", NONE, NONE, VOIDED, NO_FRAME, 0, 0}, 1);
	hold((struct crashed){1, "gone", NONE, NONE, VOIDED, NO_FRAME, 0, 0}, 0);
	make_world(&item, 1, 1, 0);
	assert_int_equal(fchmodat(world.root, "old", 0770, 0), 0);
	recover_and_check(QUIET);
	remove_world();
}

static void
overwrites_no_strangers_file(void **state)
{
	(void)state;
	for (int is_synced = 0; is_synced < 2; is_synced++) {
		hold((struct crashed){1, "status", RIGHT, OTHER, STORED, NO_FRAME, 0, 0},
		    is_synced);
		hold((struct crashed){1, "status", NONE, OTHER, VOIDED, NO_FRAME, 0, 0}, is_synced);
	}
}

/* Who may take items out can put anything in their place. */
static void
takes_no_folder_or_link_for_the_item(void **state)
{
	struct crashed item = {1, "status", NONE, NONE, TAKEN, NO_FRAME, 0, 0};
	struct clients *clients;
	char name[NAME_ROOM];

	(void)state;
	print_name(name, item.seq);
	for (int is_link = 0; is_link < 2; is_link++) {
		make_world(&item, 1, 1, 0);
		if (is_link)
			assert_int_equal(symlinkat("elsewhere", world.status.new, name), 0);
		else
			assert_int_equal(mkdirat(world.status.new, name, 0700), 0);
		clients = recover_here();
		assert_true(is_known(clients, &item));
		clients_free(clients);
		remove_world();
	}
}

static void
finishes_once_what_has_two_links(void **state)
{
	(void)state;
	hold((struct crashed){1, "status", RIGHT, LINKED, STORED, NO_FRAME, 0, 0}, 0);
	hold((struct crashed){1, "status", RIGHT, LINKED, STORED, NO_FRAME, 0, 0}, 1);
}

static void
leaves_alone_what_is_stored(void **state)
{
	struct crashed item = {1, "status", NONE, RIGHT, STORED, NO_FRAME, 0, 0};
	char *before, *after;

	(void)state;
	make_world(&item, 1, 1, 1);
	before = describe(world.status.new, 1);
	recover_and_check(QUIET);
	after = describe(world.status.new, 1);
	assert_string_equal(before, after);
	free(before), free(after);
	remove_world();
}

static void
begins_a_first_ledger(void **state)
{
	struct clients *clients;

	(void)state;
	make_world(NULL, 0, 0, 0);
	clients = recover_here();
	assert_int_equal(clients_count(clients), 0);
	assert_int_equal(sample_count_files(world.ledger), 1);
	assert_int_equal(sample_count_files(world.status.tmp), 0);
	clients_free(clients);
	recover_and_check(QUIET);
	remove_world();
}

static void
recovers_everything_at_once(void **state)
{
	(void)state;
	make_world(everything, EVERYTHING, SYNCED, 1);
	recover_and_check(QUIET);
	remove_world();
}

static void
changes_nothing_where_the_ledger_is_damaged(void **state)
{
	(void)state;
	make_world(everything, EVERYTHING, SYNCED, 1);
	world.before.text[world.before.len / 4] ^= 1; /* with the mark behind it */
	sample_write(world.ledger, OLD_SEGMENT, world.before.text, world.before.len);
	assert_refuses(EX_DATAERR, "ledger/" OLD_SEGMENT ":");
	remove_world();
}

/* The older one knows by its last line that it is not the newest; without that line it is. */
static void
does_not_go_on_in_an_older_segment(void **state)
{
	char newest[SEGMENT_NAME_ROOM], why[2 * SEGMENT_NAME_ROOM];
	char *text, *last;
	size_t len;

	(void)state;
	make_world(everything, EVERYTHING, SYNCED, 1);
	clients_free(recover_here());
	assert_int_equal(segment_find_newest(world.ledger, newest), 0);
	assert_int_equal(unlinkat(world.ledger, newest, 0), 0);
	snprintf(why, sizeof why, "ledger/%s is missing", newest);
	assert_refuses(EX_DATAERR, why);
	text = sample_read(world.ledger, OLD_SEGMENT, &len);
	text[len - 1] = '\0';
	last = strrchr(text, '\n') + 1;
	assert_non_null(strstr(last, " end "));
	sample_write(world.ledger, OLD_SEGMENT, text, (size_t)(last - text));
	free(text);
	clients_free(recover_here());
	remove_world();
}

static void
does_not_begin_anew_where_a_ledger_has_been(void **state)
{
	(void)state;
	make_world(NULL, 0, 0, 0);
	world.was_used = 1;
	assert_refuses(EX_DATAERR, "ledger/ is empty");
	world.was_used = 0;
	clients_free(recover_here());
	remove_world();
}

/* ---- what the journal may be by then */

/* A start was cut off when it had been made, and no segment names it. */
static void
makes_a_journal_again_that_was_never_used(void **state)
{
	struct crashed item = {1, "status", RIGHT, NONE, STORED, NO_FRAME, 0, 0};
	struct journal journal;
	char before[ID_ROOM], newest[SEGMENT_NAME_ROOM];

	(void)state;
	make_world(&item, 1, 1, 0);
	clients_free(recover_here());
	assert_int_equal(segment_find_newest(world.ledger, newest), 0);
	assert_int_equal(unlinkat(world.ledger, newest, 0), 0);
	sample_write(world.ledger, OLD_SEGMENT, world.before.text, world.before.len);
	read_journal(&journal);
	assert_int_equal(journal.found, JOURNAL_READ);
	memcpy(before, journal.head.generation, sizeof before);
	journal_free(&journal);
	recover_and_check(QUIET);
	read_journal(&journal);
	assert_string_not_equal(journal.head.generation, before);
	journal_free(&journal);
	remove_world();
}

/* Then the ledger is an old one that was put back. */
static void
does_not_take_over_where_a_journal_was_used(void **state)
{
	struct crashed item = {1, "status", RIGHT, NONE, STORED, BYTES, 0, 0};

	(void)state;
	make_journal_world(&item, 1, 0, 0);
	world.has_journal = 0;
	rewrite_segment();
	assert_refuses(EX_DATAERR, "the ledger is older than the journal");
	assert_int_equal(unlinkat(world.ledger, OLD_SEGMENT, 0), 0);
	assert_refuses(EX_DATAERR, "is empty and does not know it");
	remove_world();
}

/* Nor where nobody can tell whether it was. */
static void
does_not_take_over_beside_a_damaged_journal(void **state)
{
	struct crashed item = {1, "status", RIGHT, NONE, STORED, BYTES, 0, 0};

	(void)state;
	make_journal_world(&item, 1, 0, 0);
	world.has_journal = 0;
	rewrite_segment();
	assert_int_equal(renameat(world.root, JOURNAL_FOLDER "/0002", world.root, "kept"), 0);
	assert_refuses(EX_DATAERR, "journal/0002 is missing");
	remove_world();
}

static void
takes_no_inbox_for_a_journal(void **state)
{
	struct crashed item = {1, "status", RIGHT, NONE, STORED, NO_FRAME, 0, 0};

	(void)state;
	make_world(&item, 1, 1, 0);
	assert_int_equal(mkdirat(world.root, JOURNAL_FOLDER, 0700), 0);
	assert_int_equal(mkdirat(world.root, JOURNAL_FOLDER "/new", 0700), 0);
	assert_ends(EX_CONFIG, "journal/ has the folders of an inbox");
	assert_int_equal(unlinkat(world.root, JOURNAL_FOLDER "/new", AT_REMOVEDIR), 0);
	recover_and_check(QUIET);
	remove_world();
}

/* ---- recovery itself, cut off at each call */

static const int killed[] = {KILLED, -1}, failed[] = {0, EX_IOERR, -1}, went_well[] = {0, -1},
                 full[] = {0, EX_TEMPFAIL, EX_IOERR, -1}, unsynced[] = {EX_IOERR, -1};

static void
make_everything(void)
{
	make_world(everything, EVERYTHING, SYNCED, 1);
}

static void
keeps_all_promises_when_killed_anywhere(void **state)
{
	(void)state;
	assert_true(try_each_call(make_everything, KILL, killed) > 90);
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
	assert_true(try_each_call(make_everything, FAIL, failed) > 90);
}

static void
keeps_all_promises_when_there_is_no_room(void **state)
{
	(void)state;
	assert_true(try_each_call(make_everything, FULL, full) > 90);
}

static int
make_room(void **state)
{
	(void)state;
	room = ROOM;
	return 0;
}

/* Nor does it need any for copies: what is there is written anew where it is. */
static void
keeps_all_promises_without_room_for_copies(void **state)
{
	(void)state;
	for (room = NO_INODE; room <= NO_ROOM_AT_SYNC; room++) {
		make_everything();
		recover_and_check(QUIET);
		remove_world();
		assert_true(try_each_call(make_everything, KILL, killed) > 90);
	}
	room = NO_BLOCK;
	assert_true(try_each_call(make_everything, FAIL, failed) > 90);
	assert_true(try_each_call(make_everything, INTERRUPT, went_well) > 60);
	assert_true(try_each_call(make_everything, FAIL_SYNC, unsynced) > 15);
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
	assert_true(try_each_call(make_everything, FAIL_SYNC, unsynced) > 20);
}

#ifndef DISK_PORTABLE
static void
keeps_all_promises_beside_a_consumer(void **state)
{
	(void)state;
	assert_true(try_each_call(make_everything, CLAIM, went_well) > 90);
}

static void
keeps_all_promises_killed_beside_a_consumer(void **state)
{
	(void)state;
	assert_true(try_each_call(make_everything, CLAIM_KILL, killed) > 90);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finishes_a_whole_draft),
	    cmocka_unit_test(voids_a_draft_of_other_bytes),
	    cmocka_unit_test(writes_anew_what_was_published),
	    cmocka_unit_test(takes_what_a_mark_vouched_for_as_claimed),
	    cmocka_unit_test(claims_nothing_for_a_folder_that_is_gone),
	    cmocka_unit_test(overwrites_no_strangers_file),
	    cmocka_unit_test(takes_no_folder_or_link_for_the_item),
	    cmocka_unit_test(finishes_once_what_has_two_links),
	    cmocka_unit_test(leaves_alone_what_is_stored),
	    cmocka_unit_test(begins_a_first_ledger),
	    cmocka_unit_test(recovers_everything_at_once),
	    cmocka_unit_test(changes_nothing_where_the_ledger_is_damaged),
	    cmocka_unit_test(does_not_go_on_in_an_older_segment),
	    cmocka_unit_test(does_not_begin_anew_where_a_ledger_has_been),
	    cmocka_unit_test(makes_a_journal_again_that_was_never_used),
	    cmocka_unit_test(does_not_take_over_where_a_journal_was_used),
	    cmocka_unit_test(does_not_take_over_beside_a_damaged_journal),
	    cmocka_unit_test(takes_no_inbox_for_a_journal),
	    cmocka_unit_test(keeps_all_promises_when_killed_anywhere),
	    cmocka_unit_test(keeps_all_promises_when_killed_within_a_write),
	    cmocka_unit_test(keeps_all_promises_when_a_call_fails),
	    cmocka_unit_test(keeps_all_promises_when_there_is_no_room),
	    cmocka_unit_test_teardown(keeps_all_promises_without_room_for_copies, make_room),
	    cmocka_unit_test(goes_on_when_interrupted),
	    cmocka_unit_test(ends_with_74_when_a_sync_fails),
#ifndef DISK_PORTABLE
	    cmocka_unit_test(keeps_all_promises_beside_a_consumer),
	    cmocka_unit_test(keeps_all_promises_killed_beside_a_consumer),
#endif
	};

	return RECOVER_RUN(tests);
}
