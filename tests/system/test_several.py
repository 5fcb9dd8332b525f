#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""inboxctl of several receivers at a time: what an administrator of a fleet of them asks."""

import json
import os
import shutil

from client import sha256
from harness import INBOXCTL, contains, equal, main, test
from made import DAY, Made, QUEUE, clock

PC = "pc17.example.org"


def ctl(t, *words, code=0):
    done = t.run([INBOXCTL, *words])
    equal(done.returncode, code, "exit code of %r: %s%s" % (words, done.stdout, done.stderr))
    return done


def listed(t, rows, name="receivers.conf"):
    """A file for -R of {name: {key: value}}."""
    path = os.path.join(t.folder, name)
    with open(path, "w", encoding="ascii") as file:
        for receiver, keys in rows.items():
            file.write("[receiver %s]\n" % receiver)
            file.writelines("%s = %s\n" % pair for pair in keys.items())
    return path


# ---- duplicates

def store(t, r, queue, items, who=PC):
    """{n: bytes} at one receiver; {n: name}"""
    c = r.client(who, hello=queue)
    for n, data in items.items():
        c.put(n, "status", data, name="file %d" % n)
    names = {n: c.stored(n).name for n in items}
    c.quit()
    return names


def duplicates(t, *words, code=1):
    """(what stands on standard output, an object a line; standard error)"""
    done = ctl(t, "duplicates", "--json", *words, code=code)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@test
def what_two_receivers_have_both_stored_is_told_with_the_name_at_each(t):
    one, two = t.receiver(), t.receiver()
    queue, other = t.queue(), t.queue()
    items = {n: b"item %d" % n for n in range(1, 31)}
    names = store(t, one, queue, items)
    again = store(t, two, queue, {**{n: items[n] for n in (7, 12)}, 13: b"of other bytes"})
    # The same number and bytes of another queue, or of another client, are other items.
    store(t, two, other, {1: items[1]})
    store(t, two, queue, {2: items[2]}, who="pc18.example.org")
    conf = listed(t, {"cap1": {"root": one.root}, "cap2": {"root": two.root}})
    for _ in range(2):  # while they run, and when they do not
        found, err = duplicates(t, "-R", conf)
        equal(err, "", "standard error")
        equal([(row["client"], row["queue"], row["n"], row["size"], row["sha256"], row["hint"])
               for row in found],
              [(PC, queue, n, len(items[n]), sha256(items[n]), "file%%20%d" % n)
               for n in (7, 12)])
        equal([[(copy["receiver"], copy["inbox"], copy["name"]) for copy in row["copies"]]
               for row in found],
              [[("cap1", "status", names[n]), ("cap2", "status", again[n])] for n in (7, 12)])
        lines = ctl(t, "duplicates", "-R", conf, code=1).stdout.splitlines()
        equal([(line.split()[0], *(line.split()[i] for i in (3, 7, 10))) for line in lines],
              [("1", "cap1", "status", names[7]), ("2", "cap2", "status", again[7]),
               ("1", "cap1", "status", names[12]), ("2", "cap2", "status", again[12])])
        for r in (one, two):
            r.consumed = True
            r.stop()
    # Of the receivers alone nothing is twice, and each of these is a way to name them.
    for r in (one, two):
        equal(duplicates(t, "-r", r.root, code=0)[0], [])
        equal(duplicates(t, "-c", r.conf, code=0)[0], [])
    for words in (["-r", one.root, "-r", two.root], ["-c", one.conf, "-c", two.conf],
                  ["-c", one.conf, "-r", two.root],
                  ["-c", os.path.join(t.folder, "*", "inboxd.conf")]):
        equal(len(duplicates(t, *words)[0]), 2, "found by %r" % words)
    # A root that is named twice is one.
    done = ctl(t, "duplicates", "-r", one.root, "-r", one.root + "/.", code=64)
    contains(done.stderr, "are one root")


@test
def what_came_to_one_receiver_twice_is_told_too(t):
    """Behind the mark its number is no number that the receiver remembers."""
    r = t.receiver()
    queue = t.queue()
    c = r.client(PC, hello=queue)
    c.put(1, "status", b"once")
    first = c.stored(1).name
    c.settled(2)
    c.put(1, "status", b"once")
    second = c.stored(1).name
    c.quit()
    found, _ = duplicates(t, "-c", r.conf)
    equal([[copy["name"] for copy in row["copies"]] for row in found], [[first, second]])


@test
def a_copy_of_the_ledger_alone_is_enough_and_what_it_lacks_is_said(t):
    one, two = t.receiver(), t.receiver()
    queue = t.queue()
    store(t, one, queue, {1: b"a", 2: b"b"})
    store(t, two, queue, {2: b"b"})
    for r in (one, two):
        r.consumed = True
        r.stop()
    copy = os.path.join(t.folder, "copies")
    for name, r in (("cap1", one), ("cap2", two)):
        shutil.copytree(os.path.join(r.root, "ledger"), os.path.join(copy, name, "ledger"))
    words = ["-r", os.path.join(copy, "cap1"), "-r", os.path.join(copy, "cap2")]
    found, err = duplicates(t, *words)
    equal([(row["n"], [one["receiver"] for one in row["copies"]]) for row in found],
          [(2, ["cap1", "cap2"])])
    equal(err.count("has no journal"), 2, err)
    contains(err, "inboxctl: cap1: has no journal")
    # Without the file by the ledger's first line: it is the same root.
    contains(ctl(t, "duplicates", *words[:2], "-r", one.root, code=64).stderr, "are one root")
    # One that cannot be read is no receiver without duplicates.
    contains(ctl(t, "duplicates", *words, "-r", os.path.join(copy, "cap3"), code=66).stderr,
             "cap3: No such file")


@test
def what_is_not_acknowledged_or_was_voided_is_no_copy(t):
    made = [Made(t) for _ in range(2)]
    for at, one in enumerate(made):
        one.segment(1, 1)
        one.add(*(one.accept(n, b"%d" % n, part=None) for n in range(1, 6)))
        if at == 0:
            one.add("mark 5 5")
        else:
            one.add("mark 2 2", "void 3", "mark 4 4")
    words = [word for one in made for word in ("-r", one.root)]
    found, _ = duplicates(t, *words)
    equal([row["n"] for row in found], [1, 2, 4], "not 3, which is void, nor 5, undecided")
    equal([row["n"] for row in duplicates(t, *words, "--since", clock(4))[0]], [4])
    equal(duplicates(t, *words, "--since", "1h", code=0)[0], [])
    day = "%s-%s-%s" % (DAY[:4], DAY[4:6], DAY[6:])
    equal([row["n"] for row in duplicates(t, *words, "--since", day)[0]], [1, 2, 4])
    contains(ctl(t, "duplicates", *words, "--since", "noon", code=64).stderr, "want a time")


@test
def damage_of_a_ledger_is_said_with_whose_it_is(t):
    one, two = Made(t), Made(t)
    for made in (one, two):
        made.segment(1, 1)
        made.add(made.accept(1, part=None), "mark 1 1")
    two.add(raw=b"nonsense\n")
    two.add(two.accept(2, part=None), "mark 2 2")
    conf = listed(t, {"cap1": {"root": one.root}, "cap2": {"root": two.root}})
    found, err = duplicates(t, "-R", conf, code=65)
    equal([(row["n"], row["queue"]) for row in found], [(1, QUEUE)])
    contains(err, "inboxctl: cap2: ledger/")
    equal(err.count("ledger/"), 1, "told once: " + err)


@test
def receivers_that_are_not_named_well_are_refused(t):
    made = Made(t)
    made.segment(1, 1)
    for text, why in (
            ("[receiver a]\nroot = /a\n[receiver a]\nroot = /b\n", "stands there twice"),
            ("[receiver a/b]\nroot = /b\n", "letters"), ("[receiver a]\n", "no root"),
            ("[receiver a]\nsocket = /x\n", "receiver a has no root"),
            ("[receiver a]\nroot = x\n", "absolute"), ("", "receiver"),
            ("[receiver a]\nrot = /x\n", "root")):
        path = os.path.join(t.folder, "receivers.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        contains(ctl(t, "duplicates", "-R", path, code=78).stderr, why, text)
    contains(ctl(t, "duplicates", "-c", os.path.join(t.folder, "*.none"), code=78).stderr,
             "no such file")
    contains(ctl(t, "duplicates", "-r", made.root, "-r", made.root, code=78).stderr,
             "two receivers go by that")
    for command in ("ledger", "verify"):
        contains(ctl(t, command, "-r", made.root, "-r", made.root, code=64).stderr,
                 "of one receiver at a time")
    contains(ctl(t, "duplicates", *(65 * ["-r", made.root]), code=64).stderr, "64 times")


main()
