# SPDX-License-Identifier: ISC
"""The roots that the lives of scenarios.py start from: one that is empty, and some whose receiver
was killed, or met a power cut, as far as that can be made by hand."""

import collections
import os
import re
import shutil
import time

from common import harness
from lives import BROKEN, LARGE, PATIENCE, ReceiverRun, must, send_pieces

Root = collections.namedtuple("Root", "folder queue items acked")
MANY = 40  # more than are dealt with one by one
TORN_AT = 12  # the journal's write that is torn


def started(t, template, fault="", journal="4M"):
    run = ReceiverRun(t, fault)
    for left in (run.arm_file, run.met_file):  # by the one before
        if os.path.exists(left):
            os.unlink(left)
    if template:
        run.use_root(template)
    else:
        run.r.make()
    run.set_journal(journal)
    must(run.start(), "it does not start")
    return run


def root_of(run):
    run.disarm()
    return Root(run.r.root, run.queue, run.items, run.acked)


def wait_killed(run, c):
    limit = time.monotonic() + harness.bound(PATIENCE)
    while run.alive() and time.monotonic() < limit:
        try:
            c.flow(0.01)
        except BROKEN:
            pass
    must(not run.alive(), "it was not killed")
    run.note_acks(c)
    c.close()
    run.r.process.wait()
    run.r.process = None


def killed(t, empty, count=5):
    """At the second rename: of one item a round before, or of the first of those that were
    acknowledged while that round's sync, which is late, held them up."""
    run = started(t, empty, "fdatasync@draft:1:300ms:once,renameat2:2:KILL:once,"
                            "renameat:2:KILL:once")
    run.arm()
    c = run.r.client(hello=run.queue)
    run.items = {n: ("status", t.bytes(100 * n)) for n in range(1, count + 1)}
    c.put(1, *run.items[1])
    c.stored(1)
    harness.until(run.met, 10, "the publisher's late sync")
    for n in range(2, count + 1):
        c.put(n, *run.items[n])
    wait_killed(run, c)
    must(run.r.files("status", now=True) and len(run.r.files("status", "tmp")) >= 2,
         "want drafts and files in new/")
    litter(run)
    return root_of(run)


def unsynced(t, empty, count):
    """All acknowledged, while the first sync of a draft is late: nobody knows which drafts are on
    the disk, and each is made anew."""
    run = started(t, empty, "fdatasync@draft:1:20000ms:once")
    run.arm()
    c = run.r.client(hello=run.queue)
    run.items = {n: ("reports" if n % 3 == 2 else "status", t.bytes(100 * n))
                 for n in range(1, count + 1)}
    for n in run.items:
        c.put(n, *run.items[n])
    for n in run.items:
        c.stored(n)
    run.note_acks(c)
    c.close()
    run.r.process.kill()
    run.r.process.wait()
    run.r.process = None
    must(not run.r.files("status", now=True), "want no files in new/")
    litter(run)
    return root_of(run)


def litter(run):
    """What nobody has promised: a stray in tmp/, half a record in the ledger."""
    with open(run.r.path("status", "stray", "tmp"), "wb") as file:
        file.write(b"stray")
    with open(newest_segment(run.r.root), "ab") as file:
        file.write(b"0badc0de accept torn")


def newest_segment(root):
    folder = os.path.join(root, "ledger")
    return os.path.join(folder, max(os.listdir(folder)))


def torn(t, empty):
    """While the sync of drafts is late, in the midst of a batch; then drafts that were
    never synced, and lines of the ledger, are made such as a power cut may leave them."""
    run = started(t, empty, "fdatasync@draft:1:20000ms:once,write@journal:%d:TORN:once" % TORN_AT)
    run.arm()
    c = run.r.client(hello=run.queue)
    run.items = {n: ("status", t.bytes(500 * n)) for n in range(1, TORN_AT + 1)}
    run.items[3] = ("status", t.bytes(LARGE))
    for n in sorted(run.items):
        if n == 3:
            c.announce(n, *run.items[n], verb="OPEN")
            must(c.answer(n).verb == "SEND", "no SEND")
            send_pieces(c, run.items, n, 0, [])
        else:
            c.put(n, *run.items[n])
        if n < TORN_AT:
            c.stored(n)
        harness.until(run.met, 10, "the publisher's late sync")
    wait_killed(run, c)
    counts = len(run.acked), len(run.r.files("status", now=True))
    must(counts == (TORN_AT - 1, 0), "%d acknowledged, %d visible", *counts)
    lose_drafts(run)
    cut_ledger(run)
    litter(run)
    return root_of(run)


def lose_drafts(run):
    for n, name in run.acked.items():
        path = run.r.path("status", name, "tmp")
        if n in (1, 4):
            os.unlink(path)
        elif n in (2, 5):
            os.truncate(path, 0)
        elif n == 6:
            os.truncate(path, len(run.items[n][1]) // 2)
        elif n == 7:
            with open(path, "r+b") as file:
                file.write(b"zzzz")


def cut_ledger(run):
    """From its fifth item on."""
    path = newest_segment(run.r.root)
    with open(path, "rb") as file:
        lines = file.read().splitlines(keepends=True)
    accepts = [at for at, line in enumerate(lines) if line.split(b" ")[1] == b"accept"]
    os.truncate(path, sum(map(len, lines[:accepts[4]])))


def old(t, root):
    """The same without a journal, and with a ledger of version 1."""
    folder = os.path.join(t.folder, "old-root")
    shutil.copytree(root.folder, folder)
    shutil.rmtree(os.path.join(folder, "journal"))
    for name in os.listdir(os.path.join(folder, "ledger")):
        path = os.path.join(folder, "ledger", name)
        with open(path, encoding="ascii") as file:
            begin, rest = file.read().split("\n", 1)
        text = re.sub(r"^begin \d+", "begin 1", begin.split(" ", 1)[1])
        text = re.sub(r" journal=\w+", "", text)
        with open(path, "w", encoding="ascii") as file:
            file.write("%08x %s\n%s" % (crc32c(text.encode()), text, rest))
    return root._replace(folder=folder)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def stopped(t, journal="4M"):
    run = started(t, None, journal=journal)
    run.r.stop(0)
    return run.r.root


def tried(function, *arguments):
    """A busy machine may be too late for the moment that is wanted."""
    for _ in range(5):
        try:
            return function(*arguments)
        except (AssertionError, *BROKEN) as error:
            last = error
            for run in arguments[0].receivers:
                if run.runs():
                    run.kill()
    raise last


def make_roots(t):
    made = ReceiverRun(t)
    made.r.make()
    roots = {"made": made.r.root, "empty": stopped(t), "wide": stopped(t, "6M")}
    roots["killed"] = tried(killed, t, roots["empty"])
    roots["many_drafts"] = tried(killed, t, roots["empty"], MANY)
    roots["many_frames"] = tried(unsynced, t, roots["empty"], MANY)
    roots["torn"] = tried(torn, t, roots["empty"])
    roots["old"] = old(t, roots["killed"])
    return roots
