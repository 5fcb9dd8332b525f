#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A dead host's disk is enough: inboxctl counts, checks and prints what the journal alone has.

On roots and journals made by hand (made.py), and on one that a killed receiver leaves.
"""

import os
import shutil
import threading
import time

from client import sha256
from harness import INBOXCTL, contains, equal, main, test
from made import GENERATION, QUEUE, Made, clock, flip, ledger, line, lines_of, seqs, verify, \
    write_lines

LARGE = b"large" * 20000


def print_item(t, root, name, code=0):
    """(bytes, standard error); no bytes unless all is well."""
    run = t.run([INBOXCTL, "print", "-r", root, name], stdin=b"")
    equal(run.returncode, code, "exit code; %r" % run.stderr)
    if code:
        equal(run.stdout, b"", "standard output")
        assert run.stderr.startswith(b"inboxctl: "), run.stderr
    return run.stdout, run.stderr.decode()


def data_of(seq):
    return b"item %d\n" % seq * seq


def put(made, part, seq, data):
    with open(os.path.join(made.root, "status", part, made.name(seq)), "wb") as file:
        file.write(data)


def snapshot(root):
    found = {}
    for where, _, names in os.walk(root):
        for name in ["."] + names:
            st = os.stat(os.path.join(where, name))
            found[where, name] = (st.st_size, st.st_mtime_ns, st.st_ino)
    return found


class Host:
    """
    What is left of a receiver that died: 1 and 2 are published; of 3 to 7 the journal says that
    drafts up to 4 are durable.  3 is in new/ already, 4 a consumer has had; the draft of 5 did not
    reach the disk, that of 6 lies in tmp/, and 7 is a large one.  The ledger ends with 6.
    """

    def __init__(self, t):
        self.made = made = Made(t)
        self.root = made.root
        self.journal = journal = made.journal()
        self.path = made.segment(0, 1, journal=GENERATION)
        self.texts = {seq: made.accept(seq, data_of(seq) if seq != 7 else LARGE, part=None)
                      for seq in range(1, 8)}
        for seq, part in ((1, "new"), (2, "cur"), (3, "new"), (6, "tmp")):
            put(made, part, seq, data_of(seq))
        put(made, "tmp", 7, LARGE)
        made.add(*[self.texts[seq] for seq in range(1, 7)], "mark 5 2")
        self.places = {}
        self.batch([1, 2, 3, 4])
        self.batch([5], 4, 2)
        self.batch([6, 7], 4, 2)

    def batch(self, numbers, durable=0, published=0):
        frames = [(seq, self.texts[seq], data_of(seq) if seq != 7 else None) for seq in numbers]
        for frame, place in zip(frames, self.journal.batch(frames, durable, published)):
            self.places[frame[0]] = place

    def flip(self, seq, at=0):
        """A bit in the frame of `seq`."""
        segment, offset = self.places[seq]
        flip(self.journal.path(segment), offset + at)

    def flip_head(self, batch):
        """A bit in the head of a batch, each of which takes one block here."""
        flip(self.journal.path(), batch * 4096 + 100)


WELL = {"items": 7, "right": 3, "claimed": 1, "journaled": 3, "unconfirmed": 0, "void": 0}


@test
def what_lies_in_the_journal_alone_is_no_loss(t):
    host = Host(t)
    before = snapshot(host.root)
    bytes_there = len(data_of(5)) + len(data_of(6)) + len(LARGE)
    found, err = verify(t, host.root, journaled_bytes=bytes_there, **WELL)
    equal((found, err), ([], ""))
    verify(t, host.root, "--quick", **WELL)
    verify(t, host.root, "--inbox", "reports", items=0)
    verify(t, host.root, "--inbox", "status", **WELL)
    text = t.run([INBOXCTL, "verify", "-r", host.root]).stdout
    contains(text, "         3  journaled    in the journal, not in new/ yet: %d bytes\n" %
             bytes_there)
    rows, err = ledger(t, host.root)
    equal(seqs(rows), [(1, "stored"), (2, "stored"), (3, "acknowledged"), (4, "acknowledged"),
                       (5, "acknowledged"), (6, "acknowledged"), (7, "acknowledged")])
    equal(err, "")
    # The last one is in the journal alone, and is told all the same.
    equal(rows[6]["name"], host.made.name(7))
    equal([row["seq"] for row in ledger(t, host.root, "--item", "7")[0]], [7])
    equal(snapshot(host.root), before, "the root")


@test
def an_acknowledged_item_is_printed_from_wherever_it_is(t):
    host = Host(t)
    before = snapshot(host.root)
    for seq in (1, 2, 3, 5, 6):
        data, err = print_item(t, host.root, host.made.name(seq))
        equal((data, err), (data_of(seq), ""), "item %d" % seq)
    equal(print_item(t, host.root, host.made.name(7)), (LARGE, ""))
    # 4 was claimed, but its frame is there still.
    equal(print_item(t, host.root, host.made.name(4))[0], data_of(4))
    equal(snapshot(host.root), before, "the root")
    # By the receiver's configuration, and to a full device.
    conf = os.path.join(t.folder, "inboxd.conf")
    with open(conf, "w", encoding="ascii") as file:
        file.write("[receiver]\nroot = %s\n" % host.root)
    run = t.run([INBOXCTL, "-c", conf, "print", host.made.name(5)])
    equal((run.returncode, run.stdout.encode()), (0, data_of(5)))
    for seq in (1, 5):
        run = t.run(["sh", "-c", '"$0" print -r "$1" "$2" >/dev/full', INBOXCTL, host.root,
                     host.made.name(seq)])
        equal(run.returncode, 74, "standard output is full")
        contains(run.stderr, "standard output")


@test
def an_item_that_cannot_be_printed_is_told_why(t):
    host = Host(t)
    made = host.made
    made.add("void 6", host.texts[7], made.accept(8, part=None), "mark 7 2")
    _, err = print_item(t, host.root, "20200101T000000.000000Z-nobody", 66)
    contains(err, "is in no record of the ledger or the journal\n")
    os.unlink(os.path.join(host.root, "status/new", made.name(1)))
    _, err = print_item(t, host.root, made.name(1), 66)
    contains(err, made.name(1) + ": is no longer in inbox status: a consumer has taken it")
    _, err = print_item(t, host.root, made.name(8), 66)
    contains(err, "was not acknowledged")
    flip(os.path.join(host.root, "status/cur", made.name(2)))
    _, err = print_item(t, host.root, made.name(2), 65)
    contains(err, "status/cur/%s: SHA-256 %s" % (made.name(2), ""))
    contains(err, "the ledger says " + sha256(data_of(2)))
    # A draft counts only if it is the item.
    with open(os.path.join(host.root, "status/tmp", made.name(7)), "ab") as file:
        file.write(b"!")
    _, err = print_item(t, host.root, made.name(7), 65)
    contains(err, "status/tmp/%s: 100001 bytes, the ledger says 100000" % made.name(7))
    os.unlink(os.path.join(host.root, "status/tmp", made.name(7)))
    _, err = print_item(t, host.root, made.name(7), 65)
    contains(err, "is neither there nor whole in the journal")
    os.symlink("/etc/passwd", os.path.join(host.root, "status/new", made.name(1)))
    _, err = print_item(t, host.root, made.name(1), 65)
    contains(err, "is no regular file")
    # A file without a record is no item, and no name is a path.
    with open(os.path.join(host.root, "status/new", "stranger"), "wb"):
        pass
    print_item(t, host.root, "stranger", 66)
    for name in ("../status/new/" + made.name(3), "", ".", "new/x", "x\n", "a" * 256):
        _, err = print_item(t, host.root, name, 64)
        contains(err, "want the name of an item")
    for operands, said in (((), "wants a NAME"), (("a", "b"), "one at a time"),
                           (("--inbox", "status", "a"), "no option --inbox"),
                           (("--json", "a"), "no option --json")):
        run = t.run([INBOXCTL, "print", "-r", host.root, *operands])
        equal(run.returncode, 64, operands)
        contains(run.stderr, said)
    equal(t.run([INBOXCTL, "print", "-r", os.path.join(t.folder, "nowhere"), "a"]).returncode, 66)


@test
def what_is_void_is_not_printed(t):
    made = Made(t)
    made.segment(0, 1)
    made.add(made.accept(1, part="tmp"), "void 1", made.accept(2, part="tmp"))
    _, err = print_item(t, made.root, made.name(1), 66)
    contains(err, "is void")
    # Not yet decided, but its bytes are what its client declared.
    equal(print_item(t, made.root, made.name(2)), (b"foo", ""))


@test
def an_item_whose_name_was_taken_is_found_under_the_other_one(t):
    host = Host(t)
    made, other = host.made, Made.name(3, 99)
    os.rename(os.path.join(host.root, "status/new", made.name(3)),
              os.path.join(host.root, "status/new", other))
    put(made, "new", 3, b"a stranger's")
    found, _ = verify(t, host.root, code=65, wrong=1, right=2, unknown=1)
    equal({row["name"] for row in found}, {made.name(3), other})
    write_lines(host.path, lines_of(host.path)[:-1] + [line("renamed 3 " + other),
                                                       line("mark 6 3")])
    found, _ = verify(t, host.root, code=65, unknown=1, right=3, claimed=1, journaled=3)
    equal([row["name"] for row in found], [made.name(3)])
    rows, _ = ledger(t, host.root, "--name", other)
    equal([(row["seq"], row["name"], row["renamed"]) for row in rows], [(3, made.name(3), other)])
    equal(ledger(t, host.root, "--name", made.name(3))[0], rows)
    text, _ = ledger(t, host.root, "--type", "renamed,accept", "--name", other, json_lines=False)
    equal([row.split(" ")[-1] for row in text.splitlines()], ["renamed=" + other, "name=" + other])
    # The journal has it no more.
    host.batch([], 7, 6)
    for name in (other, made.name(3)):
        equal(print_item(t, host.root, name), (data_of(3), ""), name)
    verify(t, host.root, code=65, unknown=1, right=3, claimed=3, journaled=1)


@test
def a_large_item_that_a_consumer_has_had_is_not_lost(t):
    host = Host(t)
    host.batch([], 7, 2)  # all drafts are durable: that of 5, too, which is not there
    verify(t, host.root, right=3, claimed=2, journaled=2)
    # It is on its way: for a moment it has two names, where a power failure may leave both.
    put(host.made, "new", 7, LARGE)
    verify(t, host.root, right=4, claimed=2, journaled=1)
    for part in ("tmp", "new"):
        os.unlink(os.path.join(host.root, "status", part, host.made.name(7)))
    verify(t, host.root, right=3, claimed=3, journaled=1)
    _, err = print_item(t, host.root, host.made.name(7), 66)
    contains(err, ": is no longer in inbox status")


@test
def a_torn_last_batch_was_never_promised(t):
    host = Host(t)
    host.flip(7, 30)
    _, err = verify(t, host.root, items=6, right=3, claimed=1, journaled=1, unconfirmed=1)
    equal(err, "")
    _, err = print_item(t, host.root, host.made.name(7), 66)
    contains(err, "in no record")


@test
def damage_of_the_journal_is_told_with_its_place(t):
    host = Host(t)
    segment, offset = host.places[5]
    # Its draft is nowhere: it is lost.  That of 6 would do for a frame that is damaged.
    host.flip(5, 200)
    found, err = verify(t, host.root, code=65, lost=1, damage=1, right=3, claimed=1, journaled=2)
    equal([(row["finding"], row["inbox"], row["name"]) for row in found],
          [("lost", "status", host.made.name(5))])
    contains(err, "journal/%04d: the frame of accept 5 at byte %d is damaged: its CRC-32C should "
             "be " % (segment, offset))
    _, err = print_item(t, host.root, host.made.name(5), 65)
    contains(err, "the frame of accept 5")
    put(host.made, "tmp", 5, data_of(5))
    verify(t, host.root, code=65, damage=1, **WELL)
    equal(print_item(t, host.root, host.made.name(5))[0], data_of(5))
    # A whole batch that cannot be read.
    host.flip(5, 200)
    verify(t, host.root, **WELL)
    os.unlink(os.path.join(host.root, "status/tmp", host.made.name(5)))
    host.flip_head(1)
    _, err = verify(t, host.root, code=65, lost=1, damage=1, right=3, claimed=1, journaled=2)
    contains(err, "journal: a batch is missing or damaged: accepts 5 to 5 may")
    _, err = print_item(t, host.root, host.made.name(5), 65)
    contains(err, "accepts 5 to 5")
    _, err = print_item(t, host.root, "unknown", 65)
    contains(err, "in no record of the ledger or the journal that can be read")
    host.flip_head(1)
    verify(t, host.root, **WELL)


@test
def segments_that_are_missing_or_strange_are_told(t):
    host = Host(t)
    os.rename(host.journal.path(3), host.journal.path(3) + "x")
    _, err = verify(t, host.root, code=65, damage=1, **WELL)
    contains(err, "journal/0003 is missing")
    equal(print_item(t, host.root, host.made.name(5)), (data_of(5), ""))
    os.rename(host.journal.path(3) + "x", host.journal.path(3))
    os.truncate(host.journal.path(3), 4096)
    _, err = verify(t, host.root, code=65, damage=1, **WELL)
    contains(err, "journal/0003 has 4096 bytes; want 1048576")
    os.truncate(host.journal.path(3), 1 << 20)
    with open(host.journal.path(), "r+b") as file:
        whole = file.read()
        file.seek(8)
        file.write(b"\x02\0\0\0crc!")
    _, err = verify(t, host.root, code=65, damage=1)
    contains(err, "journal/0000 has version 2; this program reads version 1")
    with open(host.journal.path(), "wb") as file:
        file.write(whole)
    with open(os.path.join(host.root, "id"), "w", encoding="ascii") as file:
        file.write(QUEUE + "\n")
    _, err = verify(t, host.root, code=65, damage=2, unknown=2)
    contains(err, "journal/0000 is of the root with the id ")
    os.rename(host.journal.folder, host.journal.folder + "x")
    os.symlink(host.journal.folder + "x", host.journal.folder)
    _, err = verify(t, host.root, code=65, damage=2, unknown=2)
    contains(err, "journal: Not a directory")


@test
def a_journal_and_a_ledger_that_do_not_belong_together_are_told(t):
    host = Host(t)
    whole = lines_of(host.path)

    def told(*parts, **want):
        _, err = verify(t, host.root, code=65, damage=1, **want)
        for part in parts:
            contains(err, part)

    # The journal is gone.
    os.rename(host.journal.folder, host.journal.folder + "x")
    told("journal: is missing", GENERATION, unconfirmed=4)
    os.rename(host.journal.folder + "x", host.journal.folder)
    # It is another one.
    write_lines(host.path, [line("begin 2 %s 1 root=0c5f7a91d2b84e63a1f09d8c7b6e5a42 journal=%s" %
                                 (clock(0), QUEUE))] + whole[1:])
    told("journal: is the journal %s: the ledger goes with %s" % (GENERATION, QUEUE))
    equal(seqs(ledger(t, host.root, code=65)[0])[5:], [(6, "unconfirmed")])
    # It is older than the ledger: accept 9 was acknowledged by one that was newer.
    write_lines(host.path, whole + [line(host.texts[7])] +
                [line(host.made.accept(seq, part=None)) for seq in (8, 9)] + [line("mark 9 2")])
    told("journal: ends with accept 7: the ledger says that accepts up to 9 were acknowledged",
         unconfirmed=2)
    # It is newer: what it has published, the ledger has not.
    write_lines(host.path, whole)
    host.batch([], 7, 7)
    told("ledger: ends with accept 6: the journal says that accepts up to 7 stand in it")
    # The ledger is of before there was one.
    write_lines(host.path, [line("begin 1 %s 1" % clock(0))] + whole[1:])
    told("ledger: ends with accept 6 and goes with no journal")
    os.unlink(host.path)
    _, err = verify(t, host.root, code=65, damage=1, unknown=2, items=0)
    contains(err, "ledger: ends with accept 0 and goes with no journal")


@test
def a_frame_that_tells_of_another_item_than_the_ledger_is_damage(t):
    host = Host(t)
    whole = lines_of(host.path)
    other = host.texts[5].replace(sha256(data_of(5)), sha256(b"other"))
    index = [number for number, text in enumerate(whole) if b"accept 5 " in text][0]
    write_lines(host.path, whole[:index] + [line(other)] + whole[index + 1:])
    _, err = verify(t, host.root, code=65, damage=1, lost=1)
    contains(err, "journal: accept 5 is another item there than in the ledger, which has status/"
             + host.made.name(5))


@test
def bytes_in_the_journal_that_are_not_the_items_are_neither_counted_nor_printed(t):
    made = Made(t)
    made.segment(0, 1, journal=GENERATION)
    texts = {seq: made.accept(seq, part=None) for seq in (1, 2)}
    made.add(*texts.values())
    made.journal().batch([(1, texts[1], b"fou"), (2, texts[2], b"foo")])
    found, err = verify(t, made.root, code=65, lost=1, journaled=1)
    equal(([row["name"] for row in found], err), ([made.name(1)], ""))
    verify(t, made.root, "--quick", journaled=2)
    _, err = print_item(t, made.root, made.name(1), 65)
    contains(err, "is neither there nor whole in the journal")
    equal(print_item(t, made.root, made.name(2)), (b"foo", ""))


@test
def a_torn_end_of_the_ledger_is_in_the_journal(t):
    host = Host(t)
    size = os.path.getsize(host.path)
    os.truncate(host.path, size - 3)
    verify(t, host.root, **WELL)
    whole = lines_of(host.path)
    write_lines(host.path, whole[:4] + [whole[4].replace(b"accept", b"abcept")] + whole[5:])
    rows, err = ledger(t, host.root)
    equal([row["seq"] for row in rows], [1, 2, 3, 4, 5, 6, 7])
    contains(err, ":5: torn: the last %d bytes were never synced, and do not count: what was "
             "promised of them stands in the journal\n" % len(b"".join(lines_of(host.path)[4:])))
    found, _ = verify(t, host.root, **WELL)
    equal(found, [])


@test
def a_root_of_before_the_journal_is_fine_with_a_new_one_and_without(t):
    made = Made(t)
    made.segment(0, 1)
    made.add(made.accept(1), made.accept(2, part=None), "mark 2 1")
    verify(t, made.root, items=2, right=1, unconfirmed=1)
    path = made.segment(50, 3)
    equal(seqs(ledger(t, made.root)[0]), [(1, "stored"), (2, "stored")])
    os.unlink(path)
    # It is being taken over: the journal is made, and the ledger of version 2 not begun.
    journal = made.journal()
    verify(t, made.root, items=2, right=1, unconfirmed=1)
    journal.last = 2
    journal.batch([], 2, 2)
    verify(t, made.root, items=2, right=1, unconfirmed=1)
    # It is begun, and decides what stood before it.
    made.segment(100, 3, [made.accept(1)], journal=GENERATION)
    made.add(made.accept(3))
    rows, _ = ledger(t, made.root)
    equal(seqs(rows), [(1, "stored"), (2, "stored"), (3, "unconfirmed")])
    verify(t, made.root, items=3, right=1, claimed=1, unconfirmed=1)


@test
def a_segment_beside_a_journal_decides_nothing_but_by_its_marks(t):
    made = Made(t)
    journal = made.journal()
    texts = {seq: made.accept(seq) for seq in range(1, 7)}
    journal.batch([(seq, texts[seq], b"foo") for seq in (1, 2)])
    made.segment(0, 1, journal=GENERATION)
    made.add(*[texts[seq] for seq in (1, 2, 3, 4)], "mark 2 1")
    path = made.path
    made.segment(100, 5, [texts[seq] for seq in (2, 3, 4)], journal=GENERATION)
    rows, _ = ledger(t, made.root)
    equal(seqs(rows), [(1, "stored"), (2, "acknowledged"), (3, "unconfirmed"), (4, "unconfirmed")])
    journal.batch([(4, texts[4], b"foo")])
    made.add("mark 4 2", "void 3", "mark 4 4", "void 5", texts[6])
    rows, err = ledger(t, made.root)
    equal(seqs(rows), [(1, "stored"), (2, "stored"), (3, "void"), (4, "stored"),
                       (6, "unconfirmed")])
    equal(err, "")
    # Copies alone, in the oldest segment: they were acknowledged at least.
    os.unlink(path)
    os.unlink(made.path)
    made.segment(100, 5, [texts[2], texts[4]], journal=GENERATION)
    equal(seqs(ledger(t, made.root)[0]), [(2, "acknowledged"), (4, "acknowledged")])
    made.add("mark 4 2")
    equal(seqs(ledger(t, made.root)[0]), [(2, "stored"), (4, "acknowledged")])
    # What no mark has decided, the journal may.
    journal.batch([], 4, 4)
    equal(seqs(ledger(t, made.root)[0]), [(2, "stored"), (4, "stored")])


# ---- a receiver

@test
def all_that_a_killed_receiver_has_acknowledged_is_on_its_disk(t):
    r = t.receiver()
    queue = t.queue()
    c = r.client(hello=queue)
    want = {}
    for n in range(1, 301):
        data = t.bytes(t.random.choice([0, 10, 3000, 60000, 70000]))
        c.put(n, t.random.choice(["status", "reports"]), data)
        want[n] = data
    names = {n: c.stored(n).name for n in want}
    r.kill()
    found, err = verify(t, r.root, items=len(want), unconfirmed=0, claimed=0)
    equal((found, err), ([], ""))
    for n in t.random.sample(sorted(want), 30) + [len(want)]:
        equal(print_item(t, r.root, names[n])[0], want[n], "item %d" % n)
    # No small draft has reached the disk: the journal is enough for those that it says may not.
    copy = r.root + "-copy"
    shutil.copytree(r.root, copy)
    for inbox in ("status", "reports"):
        for name in r.files(inbox, "tmp"):
            path = os.path.join(copy, inbox, "tmp", name)
            if os.path.getsize(path) <= 65536:
                os.unlink(path)
    found, err = verify(t, copy, items=len(want), unconfirmed=0)
    equal((found, err), ([], ""))
    r.start()


@test
def what_moves_while_it_is_read_is_neither_lost_nor_damaged(t):
    """A receiver goes round its journal several times, and a consumer takes what it publishes."""
    r = t.receiver({"receiver": {"journal": "4M", "ledger-size": "65536"}})
    r.consumed = True
    new = os.path.join(r.root, "status/new")
    done = threading.Event()
    wrong, looked = [], []

    def look():
        while not done.is_set():
            for command in ("verify", "ledger"):
                run = t.run([INBOXCTL, command, "-r", r.root])
                looked.append(command)
                if run.returncode != 0:
                    wrong.append(run)

    def consume():
        while not done.is_set():
            for name in os.listdir(new):
                os.unlink(os.path.join(new, name))
            time.sleep(0.005)

    threads = [threading.Thread(target=look), threading.Thread(target=consume)]
    for thread in threads:
        thread.start()
    try:
        c = r.client(hello=t.queue())
        for first in range(1, 1001, 50):
            sent = [t.bytes(20000) for _ in range(50)]
            for n, data in enumerate(sent, first):
                c.put(n, "status", data)
            name = [c.stored(n).name for n, _ in enumerate(sent, first)][-1]
            run = t.run([INBOXCTL, "print", "-r", r.root, name], stdin=b"")
            if run.returncode == 66:
                contains(run.stderr, b"is no longer in inbox status: a consumer")
            else:
                equal((run.returncode, run.stdout), (0, sent[-1]), run.stderr)
        c.quit()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    r.acks.clear()  # their files are gone
    equal(wrong, [])
    assert len(looked) >= 4, looked


if __name__ == "__main__":
    main()
