# SPDX-License-Identifier: ISC
"""Writes a file of inboxd, or of inboxq, with one thing in the wrong order, to show that
check-power, and check-power-queue, see it.

  python3 mutate.py MUTANT SOURCE-FOLDER >mutant.c

  no_journal_sync  items are acknowledged once their batch is written, without the sync
  no_draft_sync    what is only fresh is called durable without a sync: a name may reach the disk
                   before the item's bytes do, and the mark says that they are there
  no_mark_sync     drafts are renamed as soon as they are durable, and the mark that says so comes
                   with the next items: what a consumer claims before is made a second time by the
                   next start
  no_name_sync     frames are free as soon as their items have names in new/, which no sync has
                   covered yet

  no_last_sync     a round is over when half of its drafts are synced, as if nobody waited for the
                   threads that sync the others (nor are these begun: where they are, ext4 takes
                   them with the first)
  no_recovery_sync what a start makes anew of the journal's bytes is given its name before any
                   sync

  queue_no_item_sync     an item is given its number before its bytes are synced
  queue_no_folder_sync   a number is printed before its name is synced
  queue_no_last_sync     an item may leave before last, which keeps its number from coming
                         again, is synced
  queue_no_sentlog_sync  an item leaves before its line in sent.log is synced
  queue_deletes_first    an item leaves before its line is written

The shim of the fault tests could lie about chosen syncs instead.  That would show less: a sync of
one file takes others with it on ext4 and xfs.
"""

import re
import sys

# The file, then (what is looked for, inside which function, what takes its place); each is
# found once.
MUTANTS = {
    "queue_no_item_sync": ("../inboxq/spool/intake.c", [
        (r"if \(disk_sync_data\(intake->drafts\[i\]\.fd\) < 0\)", "sync_drafts", "if (0)")]),
    "queue_no_folder_sync": ("../inboxq/spool/intake.c", [
        (r"\*count && disk_sync_dir\(spool_folder\(intake->spool, SPOOL_QUEUE\)\) < 0",
         "intake_queue", "0")]),
    "queue_no_last_sync": ("../inboxq/spool/numbers.c", [
        (r"rc = disk_sync_data\(fd\);", "spool_raise_last", "rc = 0;")]),
    "queue_no_sentlog_sync": ("../inboxq/spool/sentlog.c", [
        (r"if \(disk_sync_data\(sentlog->fd\) < 0\)\n\t\treturn -1;", "sentlog_sync", "")]),
    "queue_deletes_first": ("../inboxq/queue/ends.c", [
        (r"\tread_header\(ends, n, &item\);\n", "ends_stored", """
	read_header(ends, n, &item);
	if (item_delete(ends->spool, SPOOL_QUEUE, n) < 0 || ends_sync(ends->spool) < 0)
		return -1;
""")]),
    "no_journal_sync": ("commit/writer.c", [
        (r"if \(disk_sync_data\(writer->fd\) < 0\)\n\t\tfatal_sync\(\"journal\"\);",
         "writer_sync", "")]),
    "no_draft_sync": ("publish/publisher.c", [
        (r"\tsync_round\(", "sync_all", "\tif (publisher->visible.first)\n\t\tsync_round(")]),
    "no_mark_sync": ("commit/commit.c", [
        (r"writer_last\(commit->writer\)\);\n", "take_message", """writer_last(commit->writer));
		behind_tell_marked(&commit->behind, commit->behind.durable);
"""),
        (r"writer_wants_marks\(commit->writer\) \|\|", "turn", "")]),
    "no_name_sync": ("publish/publisher.c", [
        (r"\tlook_at\(&publisher->visible, &published, &news->oldest\);\n", "tell", ""),
        (r"\tpublish_marked\(publisher\);\n", "do_round", """
	publish_marked(publisher);
	if (publisher->visible.first)
		tell(publisher);
""")]),
    "no_last_sync": ("publish/sync.c", [
        (r"crew_run\(how->crew, count, sync_draft, all\);", "sync_drafts",
         "crew_run(how->crew, count / 2, sync_draft, all);"),
        (r"disk_sync_start\(p->draft\.fd\);", "sync_files", ";")]),
    "no_recovery_sync": ("recover/fresh.c", [
        (r"return full_or_end\(meta_sync\(sync->inboxes\[i\], sync->fds\[i\]\)\);", "sync_one",
         "return (void)sync, (void)i, 0;"),
        (r"disk_sync_start\(fd\);", "fresh_keep", ";"),
        (r"return sync->needs \? full_or_end\(disk_sync_fs\(sync->root\)\) : 0;", "fresh_end",
         "return 0;")]),
}


def replace_once(text, what, function, by):
    found = re.search(r"(?ms)^%s\([^;{]*\)\n\{\n.*?^\}\n" % function, text)
    if not found:
        sys.exit("mutate.py: there is no function %s()" % function)
    body, count = re.subn(what, lambda _: by, found.group(0))
    if count != 1:
        sys.exit("mutate.py: %d times, want once, in %s(): %s" % (count, function, what))
    return text[:found.start()] + body + text[found.end():]


def mutated(mutant, folder):
    path, steps = MUTANTS[mutant]
    with open("%s/%s" % (folder, path), encoding="ascii") as file:
        text = file.read()
    for what, function, by in steps:
        text = replace_once(text, what, function, by)
    return text


if __name__ == "__main__":
    sys.stdout.write(mutated(*sys.argv[1:]))
