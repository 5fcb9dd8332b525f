# SPDX-License-Identifier: ISC
"""Writes src/inboxd/commit/commit.c with one sync removed, to show that check-power sees it.

  python3 mutate.py no_first_sync|no_second_sync <commit.c >mutant.c

One sync of a turn is both the first of its own items and the second of the last turn's, so
neither can be left out of the code as a line.  Instead the work is moved past the sync:

  no_first_sync   drafts are published before the sync, not behind it: what is then synced is
                  the folders and the ledger (or, with `sync = filesystem`, all, but too late:
                  a name may reach the disk before the item's bytes do)
  no_second_sync  items are answered, and marked as stored, as soon as they are published: no
                  sync lies between the rename and STORED

The shim of the fault tests could lie about chosen syncs instead.  That would show less:
fdatasync of the ledger takes the renames with it on ext4 and xfs, whatever is said of the folder.
"""

import re
import sys


def statement(call):
    """The statement `call`(commit);, however it is indented."""
    return r"(?m)^[ \t]*%s\(commit\);\n" % call


# (what is looked for, inside which function, what takes its place); each is found once.
MUTANTS = {
    "no_first_sync": [
        (statement("sync_all"), "turn", "publish_accepted(commit); sync_all(commit);\n")],
    "no_second_sync": [
        (statement("publish_accepted"), "turn", """
            publish_accepted(commit);
        if (marked) {
            commit->stored = last_seq(&commit->published, commit->stored);
            books_mark(commit->books, commit->synced, commit->stored);
            if (books_flush(commit->books) == 0)
                answer_published(commit);
        }
""")],
}
# A mutant breaks the table that this holds the turn to; what it does to a disk is the question.
MUTANTS = {name: steps + [(statement("check_turn"), "run", "(void)check_turn;\n")]
           for name, steps in MUTANTS.items()}


def replace_once(text, what, function, by):
    found = re.search(r"(?ms)^%s\([^;{]*\)\n\{\n.*?^\}\n" % function, text)
    if not found:
        sys.exit("mutate.py: commit.c has no function %s()" % function)
    body, count = re.subn(what, lambda _: by, found.group(0))
    if count != 1:
        sys.exit("mutate.py: %d times, want once, in %s(): %s" % (count, function, what))
    return text[:found.start()] + body + text[found.end():]


def main():
    text = sys.stdin.read()
    for what, function, by in MUTANTS[sys.argv[1]]:
        text = replace_once(text, what, function, by)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
