# SPDX-License-Identifier: ISC
"""Writes a file of inboxd with one thing in the wrong order, to show that check-power sees it.

  python3 mutate.py MUTANT SOURCE-FOLDER >mutant.c

  no_journal_sync  items are acknowledged once their batch is written, without the sync
  no_draft_sync    what is only fresh is called durable without a sync: a name may reach the disk
                   before the item's bytes do, and the mark says that they are there
  no_mark_sync     drafts are renamed as soon as they are durable, and the mark that says so comes
                   with the next items: what a consumer claims before is made a second time by the
                   next start
  no_name_sync     frames are free as soon as their items have names in new/, which no sync has
                   covered yet

The shim of the fault tests could lie about chosen syncs instead.  That would show less: a sync of
one file takes others with it on ext4 and xfs.
"""

import re
import sys

# The file, then (what is looked for, inside which function, what takes its place); each is
# found once.
MUTANTS = {
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
}


def replace_once(text, what, function, by):
    found = re.search(r"(?ms)^%s\([^;{]*\)\n\{\n.*?^\}\n" % function, text)
    if not found:
        sys.exit("mutate.py: there is no function %s()" % function)
    body, count = re.subn(what, lambda _: by, found.group(0))
    if count != 1:
        sys.exit("mutate.py: %d times, want once, in %s(): %s" % (count, function, what))
    return text[:found.start()] + body + text[found.end():]


def main():
    path, steps = MUTANTS[sys.argv[1]]
    with open("%s/%s" % (sys.argv[2], path), encoding="ascii") as file:
        text = file.read()
    for what, function, by in steps:
        text = replace_once(text, what, function, by)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
