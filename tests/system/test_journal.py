#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What is acknowledged stands in the journal until it is in new/: how much may, who is told of
it, and that nothing keeps it from getting there, but for a time.

The publisher is held up by the shim (tests/fault), which makes a sync of tmp/ late; calls fail
while the file `arm` is there."""

import contextlib
import json
import os
import re
import shutil
import signal
import time

from client import Closed, sha256
from harness import (INBOXCTL, SHIMMED, bound, cases, contains, equal, file_digest, main,
                     need_call, slow, test, until)
from made import Made, line, lines_of, write_lines

KIB = 1024
SEGMENT = 1 << 20
ONE_WORKER = {"receiver": {"workers": "1"}}


def faulty(t, fault, sections=None, **how):
    """A receiver whose calls fail, or are late, while it is armed."""
    return t.receiver(sections, env={**SHIMMED, "FAULT": fault,
                                     "FAULT_ARM": os.path.join(t.folder, "arm")}, **how)


def held_up(for_ms):
    """The publisher, at its first sync."""
    return "fsync@tmpdir:1:%dms:once" % (for_ms * slow())


def arm(t):
    open(os.path.join(t.folder, "arm"), "w", encoding="ascii").close()


def disarm(t):
    os.unlink(os.path.join(t.folder, "arm"))


def lag(r):
    gauges = r.json("/status")["gauges"]
    return tuple(gauges["inboxd_unpublished_" + what]
                 for what in ("items", "bytes", "oldest_timestamp_seconds"))


def journal(r):
    """The sizes of its files."""
    folder = os.path.join(r.root, "journal")
    return {name: os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)}


def records(r, kind, root=None):
    done = r.test.run([INBOXCTL, "--json", "ledger", "-r", root or r.root, "--type", kind])
    equal(done.returncode, 0, "inboxctl ledger: " + done.stderr)
    return [json.loads(text) for text in done.stdout.splitlines()]


def snapshot(root):
    """All that lies there, but for the lock, which each start writes."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            if name != "lock":
                found[os.path.relpath(path, root)] = file_digest(path)
    return found


def refused(r, code, *words):
    r.start(wait=False)
    r.wait_end(code)
    for text in words:
        contains(r.log(here=True), text)


def stored_now(c, n, data):
    c.put(n, "status", data)
    line = c.answer(n)
    return line if line.verb == "STORED" else None


# ---- the bound

@cases([("by bytes", 90, 60 * KIB, (), 7000),
        ("by items, of which each may hold a descriptor", 200, 10, ("--nofile=400:400",), 2500)])
def at_the_bound_acknowledgements_wait_and_nothing_fails(t, count, size, limits, for_ms):
    r = faulty(t, held_up(for_ms), {"limits": {"connections": "10"}}, start=False)
    r.start(wrap=["prlimit", *limits] if limits else ())
    items = {n: t.bytes(size) for n in range(1, count + 1)}
    c = r.client(hello=t.queue())
    arm(t)
    began = time.time()
    for n, data in items.items():
        c.put(n, "status", data)
    if for_ms > 5000:
        c.expect("WAIT")
    c.flow(0.5)
    equal([line.verb for line in c.history if line.verb not in ("STORED", "WAIT")], ["READY"],
          "other answers")
    held = [line.n for line in c.history if line.verb == "STORED"]
    most = 100 if limits else 4 * SEGMENT // size
    assert most // 2 < len(held) <= most, "%d of at most %d items were acknowledged" % (
        len(held), most)
    now, told, oldest = lag(r)
    equal((now, told), (len(held), len(held) * size), "items and bytes not in new/")
    assert began - 2 < oldest < began + 3, (began, oldest)
    metrics = r.metrics()
    equal([metrics["inboxd_unpublished_" + what, ""]
           for what in ("items", "bytes", "oldest_timestamp_seconds")], [now, told, oldest])
    equal(r.files("status", now=True), [], "in new/")
    for n in items:  # it goes on
        c.stored(n)
    r.wait_published()
    equal(lag(r), (0, 0, 0), "what is not in new/")
    equal(len(r.files("status")), count, "in new/")
    c.quit()


@test
def a_journal_that_was_full_many_times_over_loses_nothing(t):
    """Each segment is written some ten times; what has no bytes there is among it."""
    r = t.receiver()
    r.consumed = True  # for the starts below
    queue = t.queue()
    items = {n: t.bytes(t.random.choice([0, 1, 5000, 64 * KIB, 64 * KIB + 1, 150 * KIB]))
             for n in range(1, 601)}
    c = r.client(hello=queue)
    for n, data in items.items():
        c.put(n, "status", data)
    names = {n: c.stored(n).name for n in items}
    r.check_disk()
    r.restart()
    equal(sorted(names.values()), r.files("status"), "in new/")
    c = r.client(hello=queue)
    for n in t.random.sample(sorted(items), 50):
        c.put(n, "status", items[n])
        line = c.stored(n)
        equal((line.name, line.again), (names[n], "1"))
    c.quit()


# ---- its size

@test
def a_journal_grows_and_shrinks_with_a_start(t):
    r = t.receiver()
    queue, n, was = t.queue(), 0, 4 * SEGMENT
    for size, kill in (("4M", 0), ("8M", 0), ("6M", 1), ("64M", 1), ("5M", 0), ("4M", 1)):
        r.sections["receiver"]["journal"] = size
        r.write_conf()
        (r.kill if kill else r.stop)()
        r.start()
        equal(journal(r), {"%04d" % i: SEGMENT for i in range(int(size[:-1]))}, size)
        told = re.findall(r"event=journal_resized bytes=(\d+) before=(\d+)\n", r.log(here=True))
        now = int(size[:-1]) * SEGMENT
        equal(told, [(str(now), str(was))] if now != was else [], "told of the size")
        was = now
        c = r.client(hello={"queue": queue, "settled": n + 1})
        for n in range(n + 1, n + 41):  # to be in several of the segments
            c.put(n, "status", t.bytes(60 * KIB))
        for i in range(n - 39, n + 1):
            c.stored(i)
        c.quit()
    equal(len(r.files("status")), n, "files in new/")
    modes = {os.stat(os.path.join(r.root, "journal", name)).st_mode & 0o777 for name in journal(r)}
    equal((modes, os.stat(os.path.join(r.root, "journal")).st_mode & 0o777), ({0o600}, 0o700))
    # A reload says that it takes a restart.
    r.sections["receiver"]["journal"] = "8M"
    r.write_conf()
    r.process.send_signal(signal.SIGHUP)
    r.wait_log("event=reload_failed")
    contains(r.log(here=True), "[receiver] journal has changed, which needs a restart")
    equal(r.gauge("journal_bytes"), 4 * SEGMENT, "size told")


@cases([("while it grows", "4M", "8M", "openat@journal:3:KILL:once"),
        ("when it has grown", "4M", "8M", "fsync@journaldir:1:KILL:once"),
        ("while it shrinks", "8M", "4M", "unlinkat@journal:3:KILL:once"),
        ("before it shrinks", "8M", "4M", "unlinkat@journal:1:KILL:once")])
def a_resize_that_is_cut_off_is_done_again(t, before, after, fault):
    r = t.receiver({"receiver": {"journal": before}})
    queue, names = t.queue(), []

    def put(n):
        c = r.client(hello={"queue": queue, "settled": n})
        c.put(n, "status", b"item %d" % n)
        names.append(c.stored(n).name)
        c.quit()

    put(1)
    for n, size in ((2, after), (3, before)):  # on, and back again
        r.sections["receiver"]["journal"] = size
        r.write_conf()
        r.stop()
        if size == after:
            arm(t)
            r.start(wait=False, env={**SHIMMED, "FAULT": fault,
                                     "FAULT_ARM": os.path.join(t.folder, "arm")})
            r.wait_end(-signal.SIGKILL)
        r.start()
        equal(len(journal(r)), int(size[:-1]), "segments")
        put(n)
    r.restart()
    equal(r.files("status"), sorted(names), "in new/")


@cases([("4095K", "4095K"), ("4 KiB", "4096"), ("more than its names can count", "10000M")])
def a_journal_of_a_size_that_cannot_be_is_refused(t, size):
    r = t.receiver({"receiver": {"journal": size}}, start=False, make=False)
    for options in (("-t",), ()):
        done = r.run(*options)
        equal(done.returncode, 78, "exit code")
        contains(done.stderr, "journal: want a size from 4M to 9999M")


SMALL = {"wrap": ["prlimit", "--fsize=500000:500000"]}
FULL = {"env": {**SHIMMED, "FAULT": "fill@journal:20:ENOSPC:on"}}  # in the second segment


@cases([("by the limit of a file's size", SMALL, "(LimitFSIZE)"),
        ("on a full disk", FULL, "make room, or set it smaller")])
def without_room_for_the_journal_a_start_ends_with_75(t, small, advice):
    r = t.receiver(start=False)
    for _ in range(2):
        r.start(wait=False, **small)
        r.wait_end(75)
        contains(r.log(here=True), "it wants 4 MiB ([receiver] journal): ")
        contains(r.log(here=True), advice)
        equal(journal(r), {}, "what was made")
    r.start()
    c = r.client(hello=t.queue())
    c.put(1, "status", b"x")
    c.stored(1)
    c.quit()
    # Nor where it is to grow; and then it can go on as it was.
    r.sections["receiver"]["journal"] = "6M"
    r.write_conf()
    r.stop()
    r.start(wait=False, **small)
    r.wait_end(75)
    contains(r.log(here=True), "it wants 6 MiB ([receiver] journal)")
    equal(len(journal(r)), 4, "segments")
    r.sections["receiver"]["journal"] = "4M"
    r.write_conf()
    r.start()
    equal(len(journal(r)), 4, "segments")


# ---- where the publisher cannot go on

@cases([("no space for a name", "renameat2:1:ENOSPC:on", "full"),
        ("a quota met", "renameat2:1:EDQUOT:on", "full"),
        ("a folder that lets nobody in", "renameat2:1:EACCES:on", "trouble"),
        ("no space for bytes", "fdatasync@draft:1:ENOSPC:on", "full")])
def a_publisher_in_trouble_is_a_state_and_loses_nothing(t, fault, code):
    r = faulty(t, fault)
    queue = t.queue()
    c = r.client(hello=queue)
    arm(t)
    name = (c.put(1, "status", b"acknowledged"), c.stored(1))[1].name
    until(lambda: r.gauge("publish_trouble") == 1, 10, "to be told")
    r.wait_log("event=publish_failed [^\n]*name=%s " % name)
    c.put(2, "status", b"put off")
    equal(c.answer(2).code, code, "code of what comes then")
    c.put(1, "status", b"acknowledged")
    again = c.stored(1)
    equal((again.name, again.again), (name, "1"), "what is known")
    before = r.metric("inboxd_publish_failures_total")
    until(lambda: r.metric("inboxd_publish_failures_total") > before, 10, "it is tried again")
    equal((lag(r)[:2], r.files("status", now=True)), ((1, 12), []), "not in new/")
    disarm(t)
    r.wait_log("event=publishing_again")
    r.wait_published()
    equal((r.gauge("publish_trouble"), r.files("status")), (0, [name]))
    c.put(2, "status", b"put off")
    c.stored(2)
    c.quit()


@cases([("SIGTERM", lambda r: r.stop()), ("SIGKILL", lambda r: r.kill())])
def what_trouble_kept_out_of_new_gets_there_with_the_next_start(t, end):
    r = faulty(t, "renameat2@draft:1:ENOSPC:on")
    queue = t.queue()
    c = r.client(hello=queue)
    arm(t)
    items = {1: b"small", 2: t.bytes(100 * KIB)}
    names = {}
    for n, data in items.items():
        c.put(n, "status", data)
        names[n] = c.stored(n).name
        if n == 1:  # the other one must arrive before the trouble is told
            disarm(t)
            r.wait_published()
            r.process.send_signal(signal.SIGSTOP)
            arm(t)
            r.process.send_signal(signal.SIGCONT)
    until(lambda: r.gauge("publish_trouble") == 1, 10, "to be told")
    c.cut()
    end(r)
    equal(sorted(os.listdir(os.path.join(r.root, "status", "tmp"))), [names[2]], "in tmp/")
    r.start(wait=False)
    r.wait_end(75)  # there is no room still
    disarm(t)
    r.start()
    r.consumed = True
    equal(r.files("status"), sorted(names.values()), "in new/")
    c = r.client(hello=queue)
    for n, data in items.items():
        c.put(n, "status", data)
        equal(c.stored(n).name, names[n], "the name")
    c.quit()


@cases([("at once", "write@journal:1:ENOSPC:on"),
        ("in the midst of a batch", "write@journal:1:SHORT:once,fill@journal:1:EDQUOT:on,"
         "write@journal:2:EDQUOT:on")])
def a_journal_that_cannot_be_written_for_want_of_room_is_a_state(t, fault):
    """Where a file system takes new blocks for what is written over, or counts them by quota."""
    r = faulty(t, fault)
    queue = t.queue()
    c = r.client(hello=queue)
    items = {n: t.bytes(10000) for n in range(1, 6)}
    c.put(1, "status", items[1])
    names = {1: c.stored(1).name}
    r.wait_published()
    arm(t)
    for n in (2, 3):
        c.put(n, "status", items[n])
        equal(c.answer(n).code, "full", "code of item %d" % n)
    r.wait_log("event=journal_full ")
    equal(r.gauge("journal_full"), 1, "inboxd_journal_full")
    c.put(1, "status", items[1])
    equal(c.stored(1).again, "1", "what is known")
    equal(r.drafts("status"), [], "in tmp/")
    r.check()
    # So it may end: nothing was promised, and nothing is found.
    r.kill()
    disarm(t)
    r.start()
    equal(r.files("status"), [names[1]], "in new/")
    c = r.client(hello=queue)
    for n in (2, 3):
        c.put(n, "status", items[n])
        names[n] = c.stored(n).name
    # Or go on.
    c.cut()
    r.stop()
    r.start()
    c = r.client(hello=queue)
    arm(t)
    c.put(4, "status", items[4])
    equal(c.answer(4).code, "full", "code of item 4")
    disarm(t)
    for n in (4, 5):
        line = until(lambda n=n: stored_now(c, n, items[n]), 10, "item %d to be taken" % n)
        names[n] = line.name
    r.wait_log("event=journal_has_room ")
    equal(r.gauge("journal_full"), 0, "inboxd_journal_full")
    equal(r.files("status"), sorted(names.values()), "in new/")
    c.cut()
    r.restart()
    equal(r.files("status"), sorted(names.values()), "in new/, after a start")
    ends = {n: [] for n in items}
    for row in records(r, "accept"):
        ends[row["n"]].append(row["outcome"])
    equal({n: [end for end in found if end != "void"] for n, found in ends.items()},
          {n: ["stored"] for n in items}, "accepts that are not void")
    equal(ends[2], ["void", "stored"], "of the first one that found no room")


# ---- names that others have taken

def take(r, name):
    with open(r.path("status", name, now=True), "w", encoding="ascii") as file:
        file.write("a stranger's")


@cases([("at once", None), ("by the next start", lambda r: r.kill())])
def an_item_whose_name_is_taken_in_new_gets_another_one_there(t, end):
    r = faulty(t, held_up(2500), ONE_WORKER)
    queue = t.queue()
    c = r.client(hello=queue)
    arm(t)
    names = {}
    for n in (1, 2):
        c.put(n, "status", b"item %d" % n)
        names[n] = c.stored(n).name
    take(r, names[1])
    if end:
        c.cut()
        end(r)
        disarm(t)
        r.start()
    told = r.wait_log(r"event=name_taken inbox=status name=(\S+) instead=(\S+)")
    equal(told.group(1), names[1], "the name that was taken")
    other = told.group(2)
    assert other != names[1] and other.endswith("-pc1.example.org"), other
    equal(r.files("status"), sorted([names[1], names[2], other]), "in new/")
    equal([r.read("status", name) for name in (names[1], other, names[2])],
          [b"a stranger's", b"item 1", b"item 2"], "bytes")
    if not end:
        equal(r.metric("inboxd_names_taken_total"), 1, "counted")
    until(lambda: records(r, "renamed"), 10, "the ledger's record")
    equal([(row["seq"], row["name"]) for row in records(r, "renamed")], [(1, other)], "records")
    # To its client it is what it was, through further starts.
    r.restart()
    c = r.client(hello=queue)
    c.put(1, "status", b"item 1")
    line = c.stored(1)
    equal((line.name, line.again), (names[1], "1"), "the answer to it")
    c.quit()
    equal(len(r.files("status")), 3, "in new/")
    r.others = r.consumed = True
    r.acks[:] = [ack for ack in r.acks if ack[1] != names[1]]


# ---- stops and kills

@test
def a_clean_stop_leaves_nothing_unpublished(t):
    r = faulty(t, held_up(2500))
    c = r.client(hello=t.queue())
    arm(t)
    items = {n: t.bytes(t.random.choice([10, 5000, 100 * KIB])) for n in range(1, 21)}
    for n, data in items.items():
        c.put(n, "status", data)
    names = sorted(c.stored(n).name for n in items)
    assert lag(r)[0] > 0, "all is in new/ already: nothing is tried here"
    c.cut()
    r.stop()
    equal(r.files("status"), names, "in new/")
    equal(r.files("status", "tmp"), [], "in tmp/")
    equal(records(r, "mark")[-1]["stored"], len(items), "stored, by the ledger's last mark")
    r.start()
    contains(r.log(here=True), "finished=0 replaced=0 mended=0 claimed=0 void=0 strays=0 written=0 "
             "visible=0")


@test
def after_a_kill_the_bytes_come_from_the_journal_and_not_from_a_draft(t):
    """Nobody knows whether that was ever on the disk."""
    r = faulty(t, held_up(60000))
    queue = t.queue()
    c = r.client(hello=queue)
    arm(t)
    items = {n: b"item %d" % n for n in range(1, 5)}
    names = {}
    for n, data in items.items():
        c.put(n, "status", data)
        names[n] = c.stored(n).name
    c.cut()
    r.kill()
    disarm(t)
    with open(r.path("status", names[2], "tmp"), "wb") as file:
        file.write(b"ITEM 2")
    os.truncate(r.path("status", names[3], "tmp"), 0)
    os.unlink(r.path("status", names[4], "tmp"))
    r.start()
    contains(r.log(here=True), " written=4 ")
    equal({n: r.read("status", name) for n, name in names.items()}, items, "bytes")
    equal(r.files("status", "tmp"), [], "in tmp/")
    c = r.client(hello=queue)
    for n, data in items.items():
        c.put(n, "status", data)
        line = c.stored(n)
        equal((line.name, line.again), (names[n], "1"))
    c.quit()


@cases([("auto", "auto"), ("files", "files"), ("filesystem", "filesystem")])
def what_was_acknowledged_is_there_once_after_any_kill(t, sync):
    """In a journal that is full for most of the time, and with a consumer that deletes."""
    if sync == "filesystem":
        need_call("syncfs")
    r = t.receiver({"receiver": {"sync": sync}})
    r.consumed = True
    queue = t.queue()
    items = {n: t.bytes(t.random.choice([0, 100, 60 * KIB, 60 * KIB, 100 * KIB]))
             for n in range(1, 201)}
    names, dealt = {}, {}
    for life in range(6):
        c = r.client(hello={"queue": queue, "wait": False})
        for n in sorted(items):
            if n not in names or t.random.random() < 0.2:
                c.put(n, "status", items[n])
        c.flow(t.random.uniform(0.01, 0.15) if life < 5 else 0)
        if life < 5:
            r.process.kill()
            with contextlib.suppress(Closed, OSError):
                c.flow(bound(5))
        else:
            for n in items:
                if n not in names:
                    c.stored(n)
        for line in c.history:
            if line.verb == "STORED":
                equal(names.setdefault(line.n, line.name), line.name, "name of item %d" % line.n)
        c.cut()
        if life < 5:
            r.wait_end(-signal.SIGKILL)
            consume(t, r, dealt)
            r.start()
            there = set(r.files("status")) | set(dealt)
            missing = set(names.values()) - there
            assert not missing, "acknowledged, and neither there nor consumed: %r" % missing
    for name in r.files("status"):
        assert name not in dealt, "once more: " + name
        dealt[name] = file_digest(r.path("status", name))
    equal(len(dealt), len(items), "items")
    equal({name: dealt[name] for name in names.values()},
          {names[n]: sha256(items[n]) for n in names}, "digests")
    r.acks.clear()


def consume(t, r, dealt):
    """A consumer takes some of what is in new/."""
    for name in r.files("status", now=True):
        if t.random.random() < 0.4:
            assert name not in dealt, "a second time in new/: " + name
            dealt[name] = file_digest(r.path("status", name))
            os.unlink(r.path("status", name))


# ---- what belongs together

@test
def a_journal_that_is_not_whole_or_not_the_roots_ends_a_start(t):
    """In words, with nothing changed; and put right, all is there."""
    r, other = faulty(t, held_up(60000)), t.receiver()
    other.stop()
    c = r.client(hello=t.queue())
    arm(t)
    c.put(1, "status", b"in the journal alone")
    name = c.stored(1).name
    c.cut()
    r.kill()
    disarm(t)
    folder, aside = os.path.join(r.root, "journal"), os.path.join(r.folder, "aside")
    before = snapshot(r.root)

    def put_back():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(aside, folder)

    def cut(name, size):
        os.truncate(os.path.join(folder, name), size)

    shutil.copytree(folder, aside)
    segments = sorted(os.listdir(folder))
    wrongs = [("journal/ is missing or empty", lambda: shutil.rmtree(folder)),
              ("journal/ is missing or empty",
               lambda: [os.unlink(os.path.join(folder, name)) for name in segments]),
              ("journal/0002", lambda: os.unlink(os.path.join(folder, "0002"))),
              ("journal/0003", lambda: cut("0003", SEGMENT - 1)),
              ("is of the root with the id", lambda: (shutil.rmtree(folder), shutil.copytree(
                  os.path.join(other.root, "journal"), folder)))]
    for words, spoil in wrongs:
        spoil()
        spoilt = snapshot(r.root)
        refused(r, 65, words, "Put back what belongs there")
        equal(snapshot(r.root), spoilt, "what a start changed: " + words)
        put_back()
    equal(snapshot(r.root), before, "as it was")
    r.start()
    equal((r.files("status"), r.read("status", name)), ([name], b"in the journal alone"))


@test
def a_journal_older_or_newer_than_the_ledger_ends_a_start(t):
    """As a backup makes it that has them of two moments."""
    r = t.receiver()
    kept = os.path.join(r.folder, "kept")
    queue, parts = t.queue(), {}
    for n in (1, 2):
        c = r.client(hello={"queue": queue, "settled": n})
        c.put(n, "status", b"item %d" % n)
        c.stored(n)
        c.quit()
        r.stop()
        for part in ("ledger", "journal"):
            parts[part, n] = "%s-%s-%d" % (kept, part, n)
            shutil.copytree(os.path.join(r.root, part), parts[part, n])
        r.start()
        # A start begins a segment: here both are to be of one.
    r.stop()

    def put(part, n):
        shutil.rmtree(os.path.join(r.root, part))
        shutil.copytree(parts[part, n], os.path.join(r.root, part))

    put("ledger", 2)
    put("journal", 1)
    refused(r, 65, "journal/ is older than the ledger: it ends with accept 1, and ", "2 was")
    put("ledger", 1)
    put("journal", 2)
    refused(r, 65, " is older than the journal: it ends with accept 1, and ", "2 was published")
    put("ledger", 2)
    r.start()
    equal(len(r.files("status")), 2)


# ---- versions

def as_version_1(r):
    """Makes its root one of before there was a journal."""
    folder = os.path.join(r.root, "ledger")
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        first, *rest = lines_of(path)
        text = first[9:-1].decode()
        contains(text, "begin 2 ")
        text = re.sub(" journal=[0-9a-f]*", "", text.replace("begin 2 ", "begin 1 "))
        write_lines(path, [line(text), *rest])
    shutil.rmtree(os.path.join(r.root, "journal"))


@cases([("SIGTERM", lambda r: r.stop()), ("SIGKILL", lambda r: r.kill())])
def a_root_of_before_the_journal_is_taken_over(t, end):
    r = t.receiver()
    queue = t.queue()
    c = r.client(hello=queue)
    names = {}
    for n in (1, 2):
        c.put(n, "status", b"item %d" % n)
        names[n] = c.stored(n).name
    c.cut()
    r.wait_published()
    end(r)
    as_version_1(r)
    r.start()
    r.consumed = True
    equal(len(journal(r)), 4, "segments")
    contains(r.log(here=True), "event=journal_made bytes=4194304\n")
    contains(r.log(here=True), "event=root_taken_over ")
    newest = max(os.listdir(os.path.join(r.root, "ledger")))
    first = lines_of(os.path.join(r.root, "ledger", newest))[0].decode()
    assert re.search(r" begin 2 .* journal=[0-9a-f]{32}\b", first), first
    equal(r.files("status"), sorted(names.values()), "in new/")
    c = r.client(hello=queue)
    for n in (1, 2, 3):
        c.put(n, "status", b"item %d" % n)
        equal(c.stored(n).get("again"), "1" if n < 3 else None, "again")
    c.quit()
    r.restart()
    equal(len(r.files("status")), 3, "in new/")


@test
def an_unclean_tail_of_before_the_journal_is_finished_by_its_own_rules(t):
    made = Made(t)
    r = t.receiver({"receiver": {"root": made.root}}, make=False, start=False)
    r.others = r.consumed = True
    made.segment(0, 1)
    made.add(made.accept(1), "mark 1 1",
             made.accept(2, b"a draft", part="tmp"),       # no mark speaks of it, but it is whole
             made.accept(3, b"visible", part="new"),
             made.accept(4, b"never on the disk", part=None))
    with open(os.path.join(made.root, "lock"), "w", encoding="ascii") as file:
        file.write("another boot\n")
    r.start()
    contains(r.log(here=True), " finished=1 replaced=1 mended=0 claimed=0 void=1 ")
    equal(r.files("status"), sorted(made.name(seq) for seq in (1, 2, 3)), "in new/")
    equal(r.files("status", "tmp"), [], "in tmp/")
    equal(r.read("status", made.name(2)), b"a draft")
    r.restart()
    equal(len(r.files("status")), 3, "in new/")


@test
def a_root_of_a_version_to_come_ends_a_start(t):
    """As the version before this one, which knows 1 alone, ends on a root of ours."""
    r = t.receiver()
    r.stop()
    folder = os.path.join(r.root, "ledger")
    path = os.path.join(folder, max(os.listdir(folder)))
    first, *rest = lines_of(path)
    write_lines(path, [line(first[9:-1].decode().replace("begin 2 ", "begin 3 ")), *rest])
    before = snapshot(r.root)
    refused(r, 65, "has version 3; this program reads versions up to 2")
    equal(snapshot(r.root), before, "what a start changed")


if __name__ == "__main__":
    main()
