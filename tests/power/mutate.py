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

import sys

MUTANTS = {
    "no_first_sync": (
        "\tsync_all(commit);\n",
        "\tpublish_accepted(commit);\n\tsync_all(commit);\n"),
    "no_second_sync": (
        "\t\tpublish_accepted(commit);\n",
        "\t\tpublish_accepted(commit);\n"
        "\tif (marked) {\n"
        "\t\tcommit->stored = last_seq(&commit->published, commit->stored);\n"
        "\t\tbooks_mark(commit->books, commit->synced, commit->stored);\n"
        "\t\tif (books_flush(commit->books) == 0)\n"
        "\t\t\tanswer_published(commit);\n"
        "\t}\n"),
}


def main():
    old, new = MUTANTS[sys.argv[1]]
    text = sys.stdin.read()
    if text.count(old) != 1:
        sys.exit("mutate.py: %d times, want once, in commit.c: %r" % (text.count(old), old))
    sys.stdout.write(text.replace(old, new))


if __name__ == "__main__":
    main()
