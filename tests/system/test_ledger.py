#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""inboxctl ledger and verify tell what was accepted, and find what is not as it was.

Against a receiver that runs, is killed and rotates; and against ledgers made
here by inbox-spool(5), for what a receiver does once in a year.
"""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import threading
import time

from client import sha256
from harness import (INBOXCTL, SHIMMED, Skip, contains, equal, file_digest, main, sanitizers,
                     test, until)
from made import Made, QUEUE, clock, flip, ledger, line, lines_of, seqs, verify, write_lines

OTHER = "0123456789abcdef0123456789abcdef"


@test
def all_queues_are_shown_though_a_page_has_250(t):
    made = Made(t)
    queues = {"%032x" % n for n in range(601)}
    made.segment(1, 1, ["queue pc%d.example.org %s %d" % (n, queue, n + 1)
                        for n, queue in enumerate(sorted(queues))])
    r = t.receiver({"receiver": {"root": made.root}}, make=False)
    sizes, page = [], {"next": 0}
    while page["next"] is not None:
        page = r.json("/clients?from=%d" % page["next"])
        sizes.append(len(page["clients"]))
    equal(sizes, [250, 250, 101])
    equal(r.json("/clients")["next"], 250)
    shown = t.run([INBOXCTL, "--json", "-s", r.socket, "clients"])
    equal(shown.returncode, 0, shown.stderr)
    equal({row["queue"] for row in json.loads(shown.stdout)["clients"]}, queues)
    equal(len(t.run([INBOXCTL, "-s", r.socket, "clients"]).stdout.splitlines()), 602)


def has_open(pid, path):
    folder = "/proc/%d/fd" % pid
    found = set()
    with contextlib.suppress(OSError):  # a descriptor or the process may go meanwhile
        for fd in os.listdir(folder):
            found.add(os.readlink(os.path.join(folder, fd)))
    return os.path.realpath(path) in found


# ---- a receiver

@test
def ledger_and_verify_agree_with_every_ack_of_a_receiver_that_was_killed(t):
    r = t.receiver({"receiver": {"ledger-size": "65536"}})
    want = {}
    for turn in range(4):
        queue = t.queue()
        c = r.client("pc%d.example.org" % turn, hello=queue)
        for n in range(1, 101):
            data = t.bytes(t.random.choice([0, 10, 3000]))
            inbox = t.random.choice(["status", "reports"])
            c.put(n, inbox, data, name="report %d.txt" % n)
            want[queue, n] = (inbox, len(data), sha256(data))
        names = {n: c.stored(n).name for n in range(1, 101)}
        for n, name in names.items():
            want[queue, n] += (name, "pc%d.example.org" % turn)
        c.settled(40)
        c.ping()
        # While it runs, and what it answered last may not be marked yet.
        verify(t, r.root, items=len(want))
        if turn % 2:
            r.kill()
        else:
            c.quit()
            r.consumed = True
            r.stop()
        r.start()
    records, err = ledger(t, r.root)
    equal(err, "", "standard error")
    found = {(row["queue"], row["n"]): (row["inbox"], row["size"], row["sha256"], row["name"],
                                        row["client"]) for row in records}
    equal(found, want, "what the ledger tells")
    equal(len(records), len(want), "records")
    equal({row["outcome"] for row in records}, {"stored"}, "outcomes")
    assert len(os.listdir(os.path.join(r.root, "ledger"))) > 4, "segments"
    verify(t, r.root, items=400, right=400)
    verify(t, r.root, "--quick", items=400, right=400)


@test
def verify_is_clean_beside_a_receiver_and_consumers_at_work(t):
    r = t.receiver({"receiver": {"ledger-size": "65536"}})
    r.consumed = True
    dice = random.Random(t.random.getrandbits(32))
    done = threading.Event()
    taken = []

    def consume():
        while not done.is_set():
            for inbox in ("status", "reports"):
                for name in r.files(inbox):
                    how = dice.random()
                    if how < 0.5:
                        os.rename(r.path(inbox, name), r.path(inbox, name, "cur"))
                    elif how < 0.7:
                        os.rename(r.path(inbox, name), r.path(inbox, name, "cur"))
                        os.unlink(r.path(inbox, name, "cur"))
                        taken.append(name)
            time.sleep(0.01)

    consumer = threading.Thread(target=consume)
    consumer.start()
    try:
        c = r.client(hello=t.queue())
        for start in range(1, 2001, 250):
            for n in range(start, start + 250):
                c.put(n, dice.choice(["status", "reports"]), t.bytes(2000))
            verify(t, r.root)
            ledger(t, r.root)
            for n in range(start, start + 250):
                c.stored(n)
        c.quit()
    finally:
        done.set()
        consumer.join()
    r.acks.clear()  # their files are gone
    r.at_rest()
    verify(t, r.root, items=2000, claimed=len(taken), right=2000 - len(taken), unconfirmed=0)


@test
def tampering_with_a_receivers_root_is_found(t):
    r = t.receiver()
    r.consumed = True
    c = r.client(hello=t.queue())
    for n in range(1, 21):
        c.put(n, "status", b"item %d" % n)
    for n in range(1, 21):
        c.stored(n)
    c.quit()
    r.acks.clear()
    r.at_rest()
    verify(t, r.root, items=20, right=20)
    names = r.files("status")
    os.unlink(r.path("status", names[0]))
    verify(t, r.root, right=19, claimed=1)
    flip(r.path("status", names[1]))
    found, _ = verify(t, r.root, code=65, right=18, wrong=1)
    equal((found[0]["finding"], found[0]["inbox"], found[0]["part"], found[0]["name"]),
          ("wrong", "status", "new", names[1]))
    contains(found[0]["what"], file_digest(r.path("status", names[1])), "what was found")
    verify(t, r.root, "--quick", right=19)
    verify(t, r.root, "--inbox", "reports", items=0)
    with open(r.path("status", names[2]), "ab") as file:
        file.write(b"!")
    found, _ = verify(t, r.root, "--quick", code=65, wrong=1)
    equal((found[0]["name"], found[0]["what"]), (names[2], "7 bytes, the ledger says 6"))
    with open(r.path("status", "stranger\x1b[2J"), "wb"):
        pass
    found, _ = verify(t, r.root, code=65, wrong=2, unknown=1)
    equal((found[2]["finding"], found[2]["name"]), ("unknown", "stranger%1B[2J"))
    text = t.run([INBOXCTL, "verify", "-r", r.root]).stdout
    contains(text, "unknown status/new/stranger%1B[2J: in no record of the ledger\n")
    contains(text, "wrong status/new/%s: SHA-256 " % names[1])
    assert re.search(r"^ +20  items .*^ +17  right .*^ +2  wrong", text, re.M | re.S), text


# ---- the ledger as it was made

@test
def filters_let_through_what_they_say(t):
    made = Made(t)
    made.segment(0, 1)
    made.add("queue pc17.example.org %s 1 seen=%s pending=7 agent=inboxq/0.1" % (QUEUE, clock(1)))
    for n in range(1, 11):
        made.add(made.accept(n, b"x" * n, "reports" if n == 7 else "status", None,
                             OTHER if n == 5 else QUEUE,
                             client="pc9.example.org" if n == 5 else "pc17.example.org"))
    made.add("mark 10 9", "skip pc17.example.org %s 11 removed" % QUEUE,
             "gap pc9.example.org %s 3 6" % OTHER, "settled pc9.example.org %s 7" % OTHER)

    def told(*options):
        return [row["seq"] for row in ledger(t, made.root, *options)[0]]

    every = list(range(1, 11))
    equal(told(), every)
    equal(told("--client", "pc9*"), [5])
    equal(told("--client", "*.example.org"), every)
    equal(told("--client", "pc"), [])
    equal(told("--queue", OTHER[:8]), [5])
    equal(told("--queue", QUEUE), [n for n in every if n != 5])
    equal(told("--item", "3"), [3])
    equal(told("--inbox", "reports"), [7])
    equal(told("--name", made.name(4)), [4])
    equal(told("--name", "*-0.1-*"), [1])
    equal(told("--since", "2026-11-22"), every)
    equal(told("--since", "2026-11-22T00:00:08Z"), [8, 9, 10])
    equal(told("--until", "20261122T000003.000000Z"), [1, 2])
    equal(told("--since", "2026-11-22T00:00:03.000001", "--until", "2026-11-22T00:00:06"), [4, 5])
    equal(told("--since", "2026-11-22T00:01"), [])
    equal(told("--until", "2026-11-22"), [])
    equal(told("--until", "36500d"), [])
    equal(told("--since", "36500d"), every)
    equal([row["type"] for row in ledger(t, made.root, "--type", "all")[0]],
          ["begin", "queue"] + 10 * ["accept"] + ["mark", "skip", "gap", "settled"])
    equal([row["type"] for row in ledger(t, made.root, "--type", "gap,skip,mark", "--item",
                                         "4")[0]], ["gap"])
    equal([row["n"] for row in ledger(t, made.root, "--type", "skip,accept", "--client", "pc17*",
                                      "--since", "2026-11-22T00:00:09")[0]], [9, 10, 11])
    for options in (("--since", "yesterday"), ("--until", "2026-02-30"), ("--type", "accept,foo"),
                    ("--type", "state"), ("--item", "0"), ("--queue", "xyz"), ("--queue", ""),
                    ("--quick",), ("-s", "x"), ("--since", "2026-11-22T14:1")):
        _, err = ledger(t, made.root, *options, code=64)
        contains(err, options[0].lstrip("-") if options[0] != "-s" else "socket")


@test
def a_record_is_told_whole_as_text_and_as_json(t):
    made = Made(t)
    made.segment(0, 1)
    made.add(made.accept(1), made.accept(2, hint="-", sent=0), "void 2", made.accept(3), "mark 3 2")
    rows, _ = ledger(t, made.root)
    equal(rows[0], {"type": "accept", "time": "2026-11-22T00:00:01.000000Z",
                    "client": "pc17.example.org", "queue": QUEUE, "outcome": "stored",
                    "renamed": None, "seq": 1,
                    "n": 1, "inbox": "status", "size": 3, "sha256": sha256(b"foo"),
                    "name": made.name(1), "sent": 1795356000, "hint": "a%20b.txt"})
    equal((rows[1]["sent"], rows[1]["hint"], rows[1]["outcome"]), (None, None, "void"))
    text, _ = ledger(t, made.root, json_lines=False)
    equal(text.splitlines(), [
        "2026-11-22T00:00:01Z stored       pc17.example.org 6d0f3b5a 1 status 3 2c26b46b68ff "
        "%s a%%20b.txt" % made.name(1),
        "2026-11-22T00:00:02Z void         pc17.example.org 6d0f3b5a 2 status 3 2c26b46b68ff "
        "%s -" % made.name(2),
        "2026-11-22T00:00:03Z unconfirmed  pc17.example.org 6d0f3b5a 3 status 3 2c26b46b68ff "
        "%s a%%20b.txt" % made.name(3)])
    # What is void was not published: its file is a stranger's.
    found, _ = verify(t, made.root, code=65, items=3, right=1, unconfirmed=1, void=1, unknown=1)
    equal(found[0]["name"], made.name(2))


@test
def each_type_of_record_is_told_with_all_its_fields(t):
    made = Made(t)
    who = "pc17.example.org " + QUEUE
    made.segment(0, 1)
    made.add("queue %s 5 pending=7 colour=blue stored=2 seen=%s" % (who, clock(1)),
             made.accept(1), "void 1 colour=blue", "mark 1 0", "skip %s 6 removed" % who,
             "skip %s 7 -" % who, "gap %s 8 9" % who, "settled %s 10" % who)
    at, last = "2026-11-22T00:00:00.000000Z", "2026-11-22T00:00:01.000000Z"
    whose = {"client": "pc17.example.org", "queue": QUEUE, "time": last}
    rows, _ = ledger(t, made.root, "--type", "all")
    equal(rows[0], {"type": "begin", "time": at, "version": 1, "seq": 1, "root": None,
                    "journal": None, "age": 0})
    equal(rows[1], {"type": "queue", "settled": 5, "seen": last, "last_stored": None, "stored": 2,
                    "stored_bytes": 0, "pending": 7, "pending_oldest": None, "failed": 0, "free": 0,
                    "skipped": 0, "missing": 0, "reused": 0, "again": 0, "later": 0,
                    "refused": 0, "address": None,
                    "agent": None, "age": 0, "forgotten": None, "reason": None,
                    **whose})
    equal((rows[2]["type"], rows[2]["outcome"]), ("accept", "void"))
    equal(rows[3:], [{"type": "void", "time": last, "seq": 1},
                     {"type": "mark", "time": last, "synced": 1, "stored": 0, "age": 0},
                     {"type": "skip", "n": 6, "reason": "removed", **whose},
                     {"type": "skip", "n": 7, "reason": None, **whose},
                     {"type": "gap", "n": 8, "to": 9, "since": None, "known": 0, "kept": 0,
                      "missing": 0, "gaps": 0, **whose},
                     {"type": "settled", "n": 10, **whose}])
    text, _ = ledger(t, made.root, "--type", "all", json_lines=False)
    head = "2026-11-22T00:00:01Z %-12s"
    theirs = head + " pc17.example.org 6d0f3b5a"
    equal([line for line in text.splitlines() if " void         pc17" not in line], [
        "2026-11-22T00:00:00Z begin        seq=1 root=- journal=- age=0",
        theirs % "queue" + " settled=5 last_stored=- stored=2 stored_bytes=0 pending=7 "
        "pending_oldest=0 failed=0 free=0 skipped=0 missing=0 reused=0 again=0 later=0 refused=0 "
        "address=- agent=- "
        "age=0 forgotten=- reason=-",
        head % "void" + " seq=1", head % "mark" + " synced=1 stored=0 age=0",
        theirs % "skip" + " 6 removed", theirs % "skip" + " 7 -", theirs % "gap" + " 8 to 9",
        theirs % "settled" + " below 10"])


@test
def nothing_is_left_out_unsaid_where_memory_is_out(t):
    """Each thing that the program makes fails once: then it says so, or all is there."""
    made = Made(t)
    made.segment(0, 1)
    made.add(made.accept(1), made.accept(2, part=None), "mark 2 2")
    flip(os.path.join(made.root, "status/new", made.name(1)))
    with open(os.path.join(made.root, "status/new/stranger"), "wb"):
        pass
    met = os.path.join(t.folder, "met")
    for command, usual in (("ledger", 0), ("verify", 65)):
        argv = [INBOXCTL, command, "--json", "-r", made.root]
        whole = t.run(argv).stdout
        told = 0
        for at in range(1, 200):
            run = t.run(argv, env={**os.environ, **SHIMMED, "FAULT_SCOPE": "program",
                                   "FAULT": "malloc:%d:ENOMEM:once" % at, "FAULT_MET": met})
            if not os.path.exists(met):
                break
            os.unlink(met)
            if "cannot be read: Cannot allocate memory" in run.stdout:
                told += 1  # a file's digest
                continue
            if run.returncode == usual:
                equal(run.stdout, whole, "what %s says with malloc %d failed" % (command, at))
                continue
            equal(run.returncode in (66, 71), True, "exit code %d" % run.returncode)
            contains(run.stderr.lower(), "memory")
            told += 1
        assert 10 < told < 100, "%s: %d failures were told" % (command, told)


@test
def copies_of_state_are_told_once(t):
    made = Made(t)
    copies = [made.accept(seq, hint="-", sent=0) for seq in (3, 1)]
    skip = "skip pc17.example.org %s 9 gone" % QUEUE
    made.segment(100, 10, [copies[0], skip, copies[1]])
    made.add(made.accept(10), made.accept(11), "mark 11 10")
    made.segment(200, 12, [made.accept(11), copies[1], copies[0], made.accept(10), skip])
    made.add(made.accept(12), "mark 12 12")
    rows, err = ledger(t, made.root)
    equal(seqs(rows), [(3, "stored"), (1, "stored"), (10, "stored"), (11, "stored"),
                       (12, "stored")])
    equal(err, "")
    equal(rows[2]["hint"], "a%20b.txt")
    equal(len(ledger(t, made.root, "--type", "skip")[0]), 1)
    verify(t, made.root, items=5, right=5)


@test
def a_copy_stands_in_for_its_damaged_or_missing_record(t):
    made = Made(t)
    first = made.segment(0, 1)
    made.add(*[made.accept(seq) for seq in range(1, 7)], "mark 6 6")
    second = made.segment(100, 7, [made.accept(seq) for seq in (5, 2, 4)])
    made.add(made.accept(7), "mark 7 7")
    made.segment(200, 8, [made.accept(seq) for seq in (7, 4, 5)])
    made.add("mark 7 7")
    lines = lines_of(first)
    for damaged in (3, 5):  # accepts 2 and 4
        lines[damaged] = lines[damaged].replace(b" status ", b" stbtus ")
    write_lines(first, lines)
    rows, err = ledger(t, made.root, code=65)
    equal([row["seq"] for row in rows], [1, 3, 5, 6, 2, 4, 7])
    segment = os.path.basename(first)
    equal(err, "".join("inboxctl: ledger/%s:%d: a damaged record, and the mark in line 9 says "
                       "that it was whole\n" % (segment, number) for number in (4, 6)))
    verify(t, made.root, code=65, items=7, right=7, damage=2)
    # The segment in the middle is gone: the state of the one after it tells of accept 7.
    os.unlink(second)
    rows, err = ledger(t, made.root, code=65)
    equal([row["seq"] for row in rows], [1, 3, 5, 6, 7, 4])
    verify(t, made.root, code=65, items=6, unknown=1, damage=2)


@test
def a_missing_segment_is_told(t):
    made = Made(t)
    made.segment(0, 1)
    made.add(made.accept(1), "mark 1 1")
    second = made.segment(100, 2, [made.accept(1)])
    made.add(made.accept(2), made.accept(3), "mark 3 3")
    third = made.segment(200, 4, [made.accept(3)])
    made.add(made.accept(4), "mark 4 4")
    equal([row["seq"] for row in ledger(t, made.root)[0]], [1, 2, 3, 4])
    kept = lines_of(second)
    os.unlink(second)
    rows, err = ledger(t, made.root, code=65)
    equal([row["seq"] for row in rows], [1, 3, 4])
    contains(err, "ledger/%s: begins with accept 4, but accepts from 2 on stand nowhere"
             % os.path.basename(third))
    found, _ = verify(t, made.root, code=65, items=3, unknown=1, damage=1)
    equal(found[0]["name"], made.name(2))
    # The newest one is taken away, and the receiver has begun where it ended before.
    write_lines(second, kept)
    os.unlink(third)
    fourth = made.segment(300, 3, [made.accept(1)])
    made.add(made.accept(3, b"another", part=None).replace("-0.3-", "-0.77-"), "mark 3 3")
    rows, err = ledger(t, made.root, code=65)
    equal(len(rows), 4)
    contains(err, "ledger/%s: begins with accept 3, though" % os.path.basename(fourth))
    # The one before tells who followed it.
    made.path = os.path.join(made.root, "ledger", clock(100) + ".log")
    made.add("end %s" % os.path.basename(third))
    contains(verify(t, made.root, code=65, items=4, claimed=1, unknown=1, damage=2)[1],
             "ledger/%s is missing: ledger/%s says that it followed" % (
                 os.path.basename(third), os.path.basename(made.path)))
    # The oldest ones are deleted by the receiver: no damage.
    for path in sorted(os.listdir(os.path.join(made.root, "ledger")))[:2]:
        os.unlink(os.path.join(made.root, "ledger", path))
    rows, err = ledger(t, made.root)
    equal((len(rows), err), (2, ""))


def add_fields(path):
    """As a later program of the same version may have written it."""
    write_lines(path, [line(text[9:-1].decode() + " colour=blue x-2=a,b=c")
                       for text in lines_of(path)])


@test
def fields_added_to_records_are_passed_over(t):
    r = t.receiver()
    queue = t.queue()
    c = r.client(hello=queue)
    names = {}
    for n in range(1, 8):
        c.put(n, "status", b"item %d" % n, name="report %d.txt" % n)
        names[n] = c.stored(n).name
    c.settled(4)
    c.ping()
    c.quit()
    c = r.client(hello=queue)
    c.skip(9, "gone")
    c.settled(6)
    c.ping()
    c.quit()
    until(lambda: {row["outcome"] for row in ledger(t, r.root)[0]} == {"stored"})
    before = ledger(t, r.root)
    folder = os.path.join(r.root, "ledger")
    # Whole after a clean stop; with a tail for recovery after a kill.
    for end in (r.stop, r.kill):
        end()
        for name in os.listdir(folder):
            add_fields(os.path.join(folder, name))
        equal(ledger(t, r.root), before, "what the ledger tells")
        verify(t, r.root, items=7, right=7)
        r.start()
        c = r.client(hello=queue)
        for n in (6, 7):
            c.put(n, "status", b"item %d" % n)
            stored = c.stored(n)
            equal((stored.name, stored.again), (names[n], "1"))
        c.quit()


@test
def receiver_and_inboxctl_agree_on_what_is_torn_and_what_is_damaged(t):
    r = t.receiver()
    c = r.client(hello=t.queue())
    for n in range(1, 4):
        c.put(n, "status", b"item %d" % n)
        c.stored(n)
    c.ping()
    r.kill()
    folder = os.path.join(r.root, "ledger")
    before = {name: lines_of(os.path.join(folder, name)) for name in os.listdir(folder)}
    last = sorted(before)[-1]
    whole = b"".join(before[last])
    length = len(whole)
    starts = [len(b"".join(before[last][:i])) for i in range(len(before[last]))]
    wrong = [("flip", at + t.random.randrange(9)) for at in starts]
    wrong += [("flip", t.random.randrange(length)) for _ in range(8)]
    wrong += [("cut", t.random.randrange(starts[-2], length)) for _ in range(8)]
    wrong += [("cut", at) for at in starts[1:]]
    wrong += [("line", i) for i in range(len(starts))]
    verdicts = set()
    for how, at in wrong:
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        for name, text in before.items():
            write_lines(os.path.join(folder, name), text)
        path = os.path.join(folder, last)
        if how == "flip":
            flip(path, at)
        elif how == "cut":
            os.truncate(path, at)
        else:
            write_lines(path, before[last][:at] + [b"nonsense\n"] + before[last][at + 1:])
        run = t.run([INBOXCTL, "ledger", "-r", r.root])
        r.start(wait=False)
        starts_up = until_up_or_down(r)
        equal((how, at, run.returncode), (how, at, 0 if starts_up else 65), run.stderr + r.log())
        verdicts.add(starts_up)
        if starts_up:
            r.kill()
    equal(verdicts, {True, False}, "both verdicts are among them")


def is_ready(r):
    return re.search(r"event=ready\b", r.log(here=True))


def until_up_or_down(r):
    """Did the start go through?  If not, it ended with 65."""
    until(lambda: r.process.poll() is not None or is_ready(r), 10, "a start or an end")
    if is_ready(r) and r.process.poll() is None:
        return True
    r.wait_end(65)
    return False


@test
def a_root_keeps_its_id_and_a_broken_one_ends_a_start(t):
    r, other = t.receiver(), t.receiver()
    path = os.path.join(r.root, "id")
    with open(path, encoding="ascii") as file:
        want = file.read()
    equal(bool(re.fullmatch("[0-9a-f]{32}\n", want)), True, "an id and an LF: %r" % want)
    for again in (r.restart, r.kill, r.start):
        again()
        if r.process:
            equal(r.client(hello=t.queue()).ready.id + "\n", want, "id in READY")
    equal(other.client(hello=t.queue()).ready.id + "\n" == want, False, "it is the other's, too")
    r.stop()
    for text in ("", want.upper(), want + want, want[:31]):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        r.start(wait=False)
        r.wait_end(65)
        contains(r.log(here=True), "its file id: want 32 digits")
        equal(r.run("-t").returncode, 65, "-t")
        for command in ("ledger", "verify"):
            run = t.run([INBOXCTL, command, "-r", r.root])
            equal((run.returncode, run.stderr), (
                66, "inboxctl: %s/id: want 32 digits of lower-case hexadecimal\n" % r.root))
    with open(path, "w", encoding="ascii") as file:
        file.write(want)
    r.start()


def assert_refused(r, *parts):
    """No start, and -t says so, too."""
    before = sorted(os.listdir(os.path.join(r.root, "ledger")))
    checked = r.run("-t")
    equal(checked.returncode, 65, "-t: " + checked.stderr)
    r.start(wait=False)
    r.wait_end(65)
    for part in parts:
        contains(r.log(here=True), part)
        contains(checked.stderr, part)
    equal(sorted(os.listdir(os.path.join(r.root, "ledger"))), before, "segments")


def id_of(r):
    with open(os.path.join(r.root, "id"), encoding="ascii") as file:
        return file.read().strip()


@test
def a_segment_of_another_root_is_not_believed(t):
    r, other = t.receiver(), t.receiver()
    for receiver in (r, other):
        receiver.restart()
        c = receiver.client(hello=t.queue())
        c.put(1, "status", b"item")
        c.stored(1)
        c.quit()
        receiver.stop()
    folder = os.path.join(r.root, "ledger")
    old, new = sorted(os.listdir(folder))
    theirs = os.path.join(other.root, "ledger")
    stranger = os.path.join(theirs, sorted(os.listdir(theirs))[-1])
    for name in ("2099" + new[4:], new, old, "1999" + new[4:]):
        path = os.path.join(folder, name)
        kept = lines_of(path) if os.path.exists(path) else None
        shutil.copy(stranger, path)
        told = "ledger/%s:1: is of the root with the id %s, and this is %s" % (
            name, id_of(other), id_of(r))
        assert_refused(r, told)
        _, err = verify(t, r.root, code=65, damage=1, **({"unknown": 1} if name == new else {}))
        contains(err, told)
        _, err = ledger(t, r.root, code=65)
        contains(err, told)
        if kept:
            write_lines(path, kept)
        else:
            os.unlink(path)
    r.start()


@test
def a_root_whose_id_is_lost_is_not_taken_for_new(t):
    r = t.receiver()
    r.stop()
    path, kept = os.path.join(r.root, "id"), id_of(r)
    os.unlink(path)
    assert_refused(r, "its file id is missing, and its file lock says that it was " + kept)
    os.truncate(os.path.join(r.root, "lock"), 0)
    assert_refused(r, "is of the root with the id %s, and this is one without an id" % kept)
    verify(t, r.root, code=65, damage=2)
    with open(path, "w", encoding="ascii") as file:
        file.write(kept + "\n")
    verify(t, r.root)
    r.start()


@test
def a_ledger_from_before_roots_had_ids_is_taken_over(t):
    r = t.receiver()
    c = r.client(hello=t.queue())
    c.put(1, "status", b"item")
    c.stored(1)
    c.quit()
    r.stop()
    folder = os.path.join(r.root, "ledger")
    name, = os.listdir(folder)
    lines = lines_of(os.path.join(folder, name))
    contains(lines[0].decode(), " root=" + id_of(r))
    lines[0] = line(re.sub(" root=.*", "", lines[0][9:-1].decode().replace("n 2", "n 1")))
    write_lines(os.path.join(folder, name), lines)
    os.unlink(os.path.join(r.root, "id"))
    with open(os.path.join(r.root, "lock"), "w", encoding="ascii") as file:
        file.write("stopped\n")
    shutil.rmtree(os.path.join(r.root, "journal"))
    verify(t, r.root, items=1, right=1)
    r.start()
    newest = sorted(os.listdir(folder))[-1]
    contains(lines_of(os.path.join(folder, newest))[0].decode(), " root=" + id_of(r))
    verify(t, r.root, items=1, right=1)


def odd_files(elsewhere):
    """What makes something under a name that is to be a file's."""
    return os.mkdir, os.mkfifo, lambda path: os.symlink(elsewhere, path)


def remove(path):
    (os.rmdir if os.path.isdir(path) and not os.path.islink(path) else os.unlink)(path)


@test
def what_the_root_has_for_a_file_is_one(t):
    r = t.receiver()
    r.stop()
    for name, code in (("lock", 78), ("id", 65)):
        path, kept = os.path.join(r.root, name), os.path.join(r.folder, "kept")
        os.rename(path, kept)
        for make in odd_files(kept):
            make(path)
            r.start(wait=False)
            r.wait_end(code)
            contains(r.log(here=True), "root %s: its file %s: " % (r.root, name))
            remove(path)
        os.rename(kept, path)
    r.start()


@test
def what_is_no_file_of_the_ledger_is_told(t):
    r = t.receiver()
    r.restart()
    r.stop()
    folder = os.path.join(r.root, "ledger")
    old, new = sorted(os.listdir(folder))
    elsewhere = os.path.join(r.folder, "kept")
    makers = odd_files(elsewhere)
    for name in (new, old, "2099" + new[4:], "unfinished"):
        path = os.path.join(folder, name)
        with contextlib.suppress(FileNotFoundError):
            os.rename(path, elsewhere)
        for make in makers:
            make(path)
            assert_refused(r, "ledger/%s is no regular file" % name)
            if name != "unfinished":  # who only reads need not know of that
                _, err = ledger(t, r.root, code=65)
                contains(err, "ledger/%s: is no regular file" % name)
            remove(path)
        with contextlib.suppress(FileNotFoundError):
            os.rename(elsewhere, path)
    # What does not matter to a start is told, and is no reason not to start.
    with open(os.path.join(folder, "notes of\nmine.log"), "w", encoding="ascii"):
        pass
    flip(os.path.join(folder, old))
    r.start()
    r.stop()
    contains(r.log(here=True), "event=ledger_file_not_read file=notes%20of%0Amine.log error=")
    contains(r.log(here=True), "event=ledger_file_not_read file=%s error=\"ledger/%s:1: want a "
             "begin record" % (old, old))


@test
def a_segment_that_may_not_be_read_is_told(t):
    if os.geteuid() == 0:
        raise Skip("root reads everything")
    r = t.receiver()
    r.restart()
    r.stop()
    folder = os.path.join(r.root, "ledger")
    old, new = sorted(os.listdir(folder))
    os.chmod(os.path.join(folder, new), 0)
    r.start(wait=False)
    r.wait_end(78)
    contains(r.log(here=True), "open ledger/%s: Permission denied" % new)
    os.chmod(os.path.join(folder, new), 0o600)
    os.chmod(os.path.join(folder, old), 0)
    r.start()
    r.stop()
    contains(r.log(here=True), "event=ledger_file_not_read file=%s error=\"Permission denied" % old)


@test
def a_start_without_its_port_begins_no_segment(t):
    r = t.receiver()
    other = t.receiver()
    other.stop()
    other.sections["receiver"]["listen"] = "127.0.0.1:%d" % r.port
    other.write_conf()
    before = os.listdir(os.path.join(other.root, "ledger"))
    for _ in range(2):
        other.start(wait=False)
        other.wait_end(69)
    equal(os.listdir(os.path.join(other.root, "ledger")), before, "segments")


@test
def old_segments_go_at_a_start_too(t):
    r = t.receiver({"receiver": {"ledger-days": "2"}})
    folder = os.path.join(r.root, "ledger")
    r.restart()
    r.stop()
    then = time.time() - 86400 * 9
    for name in os.listdir(folder):
        os.utime(os.path.join(folder, name), (then, then))
    r.start()
    r.stop()
    equal(len(os.listdir(folder)), 3, "segments: no date deletes one")
    # But two days that it has run since the first one was ended.
    oldest, second, newest = sorted(os.listdir(folder))
    with open(os.path.join(folder, newest), "ab") as file:
        file.write(line("mark 0 0 age=%d" % (2 * 86400 - 1)))
    r.start()
    r.stop()
    equal(len(os.listdir(folder)), 4, "segments: a second is missing to two days")
    with open(os.path.join(folder, sorted(os.listdir(folder))[-1]), "ab") as file:
        file.write(line("mark 0 0 age=%d" % (2 * 86400)))
    r.start()
    r.stop()
    equal(sorted(os.listdir(folder))[:1], [newest], "the oldest that is left")
    equal(len(os.listdir(folder)), 3, "segments: of less than two days")
    for name in (oldest, second):
        contains(r.log(here=True), "event=ledger_deleted segment=%s days=2" % name)
    verify(t, r.root)
    r.start()


@test
def a_receiver_does_not_start_without_its_newest_segment(t):
    r = t.receiver()
    c = r.client(hello=t.queue())
    c.put(1, "status", b"first")
    name = c.stored(1).name
    r.stop()
    r.start()
    r.stop()
    folder = os.path.join(r.root, "ledger")
    old, new = (os.path.join(folder, name) for name in sorted(os.listdir(folder)))
    kept = lines_of(new)
    rows, err = ledger(t, r.root, "--type", "end")
    equal([row["next"] for row in rows], [os.path.basename(new)])
    equal(err, "")
    os.unlink(new)
    r.start(wait=False)
    r.wait_end(65)
    contains(r.log(here=True), "ledger/%s is missing: ledger/%s says that it followed" % (
        os.path.basename(new), os.path.basename(old)))
    verify(t, r.root, code=65, damage=1)
    # Put back, as the message asks for.
    write_lines(new, kept)
    r.start()
    r.stop()
    # Or gone for good, as it says, too: the journal knows that nothing is missing.
    newest = sorted(os.listdir(folder))[-1]
    os.unlink(os.path.join(folder, newest))
    write_lines(new, lines_of(new)[:-1])
    r.start()
    r.stop()
    # None is left at all.
    for part in os.listdir(folder):
        os.unlink(os.path.join(folder, part))
    r.start(wait=False)
    r.wait_end(65)
    contains(r.log(here=True), "ledger/ is empty, though this root has been used")
    # And on without memory, as the messages say.
    os.truncate(os.path.join(r.root, "lock"), 0)
    r.start(wait=False)
    r.wait_end(65)
    contains(r.log(here=True), "journal/ has been used, up to accept 1, and ledger/ is empty")
    shutil.rmtree(os.path.join(r.root, "journal"))
    r.start()
    equal(r.files("status"), [name])


@test
def a_torn_end_is_told_and_does_not_count(t):
    made = Made(t)
    path = made.segment(0, 1)
    made.add(made.accept(1), "mark 1 1", made.accept(2), "mark 2 1")
    whole = lines_of(path)
    # The last line cut: the mark, here; so the accept before it stays unconfirmed.
    write_lines(path, whole[:-1] + [whole[-1][:-3]])
    rows, err = ledger(t, made.root)
    equal(seqs(rows), [(1, "stored"), (2, "unconfirmed")])
    equal(err, "inboxctl: ledger/%s:6: torn: the last %d bytes were never promised, and do not "
          "count\n" % (os.path.basename(path), len(whole[-1]) - 3))
    verify(t, made.root, items=2, right=1, unconfirmed=1)
    # A bad line with no mark behind it, and an accept behind that: the receiver
    # dropped both, and gave the number again.
    bad = whole[4].replace(b"accept", b"abcept")
    lost = line(made.accept(3, part=None).replace("-0.3-", "-0.99-"))
    write_lines(path, whole[:4] + [bad, lost])
    made.segment(100, 2, [made.accept(1)])
    made.add(made.accept(2), made.accept(3), "mark 3 3")
    rows, err = ledger(t, made.root)
    equal([(row["seq"], row["name"]) for row in rows],
          [(seq, made.name(seq)) for seq in (1, 2, 3)])
    contains(err, "ledger/%s:5: torn: the last %d bytes" % (os.path.basename(path),
                                                            len(bad) + len(lost)))
    verify(t, made.root, items=3, right=3)
    # The same with a mark behind it: then it was whole once.
    write_lines(path, whole[:4] + [bad, whole[4], line("mark 2 1")])
    ledger(t, made.root, code=65)
    # Zeros, as a file system leaves them, with no end of line in sight.
    write_lines(path, whole[:4] + [bytes(300000)])
    rows, err = ledger(t, made.root)
    contains(err, ":5: torn: the last 300000 bytes")
    # A good record that ends a line too long for the reader's buffer is none.
    write_lines(path, whole[:4] + [bytes(16 * 2560) + whole[4], whole[5]])
    rows, err = ledger(t, made.root, code=65)
    contains(err, ":5: a damaged record")
    # The same within, with more lines behind them.
    os.unlink(made.path)
    write_lines(path, whole[:4] + [bytes(300000) + b"\n"] + whole[4:])
    rows, err = ledger(t, made.root, code=65)
    contains(err, ":5: a damaged record")
    equal([row["seq"] for row in rows], [1, 2])


@test
def every_flipped_bit_is_told_with_its_line(t):
    made = Made(t)
    path = made.segment(0, 5, [made.accept(2), "skip pc17.example.org %s 4 gone" % QUEUE])
    made.add(made.accept(5), "mark 5 4", made.accept(6), "mark 6 5", made.accept(7), "mark 7 7")
    whole = lines_of(path)
    for number in range(len(whole)):
        for at in {0, 8, 9, len(whole[number]) // 2, len(whole[number]) - 2}:
            bad = bytearray(whole[number])
            bad[at] ^= 1 << t.random.randrange(7)
            if bad == whole[number] or b"\n" in bad[:-1]:
                continue
            write_lines(path, whole[:number] + [bytes(bad)] + whole[number + 1:])
            last = number == len(whole) - 1
            rows, err = ledger(t, made.root, code=0 if last else 65)
            contains(err, "%s:%d: %s" % (os.path.basename(path), number + 1,
                                         "torn" if last else
                                         "want a begin record" if number == 0 else
                                         "a damaged record"))
            missing = {1: 2, 4: 5, 6: 6, 8: 7}.get(number)
            equal([row["seq"] for row in rows],
                  [seq for seq in (2, 5, 6, 7) if seq != missing], "line %d" % (number + 1))
            verify(t, made.root, code=65 if missing or not last else 0,
                   unknown=1 if missing else 0, damage=0 if last else 1)


@test
def files_that_history_does_not_reach_are_told_apart(t):
    made = Made(t)
    made.segment(1000, 1001)
    made.add(made.accept(1001), "mark 1001 1001")
    os.utime(os.path.join(made.root, "status/new", made.name(1001)))
    for where in ("status/new/" + made.name(5), "status/new/" + made.name(2000),
                  "status/tmp/" + made.name(2001), "status/tmp/" + made.name(2002)):
        with open(os.path.join(made.root, where), "wb"):
            pass
    os.utime(os.path.join(made.root, "status/tmp", made.name(2001)), (1, 1))
    found, _ = verify(t, made.root, code=65, items=1, right=1, older=1, unknown=1, drafts=1)
    equal([(row["finding"], row["name"]) for row in found], [("unknown", made.name(2000))])
    os.unlink(os.path.join(made.root, "status/new", made.name(2000)))
    verify(t, made.root, right=1, older=1, drafts=1)


@test
def what_is_no_file_is_wrong_and_what_is_in_cur_is_checked(t):
    made = Made(t)
    made.segment(0, 1)
    made.add(made.accept(1, part="cur"), made.accept(2, part="cur"), made.accept(3, part=None),
             made.accept(4, part=None), made.accept(5, inbox="gone", part=None), "mark 5 5")
    flip(os.path.join(made.root, "status/cur", made.name(2)))
    os.mkdir(os.path.join(made.root, "status/new", made.name(3)))
    os.symlink("/etc/passwd", os.path.join(made.root, "status/new", made.name(4)))
    found, _ = verify(t, made.root, code=65, items=5, right=1, wrong=3, claimed=1)
    equal([(row["part"], row["name"]) for row in found],
          [("cur", made.name(2)), ("new", made.name(3)), ("new", made.name(4))])
    equal([row["what"] for row in found][1:], 2 * ["is no regular file"])


@test
def item_that_is_claimed_while_it_is_read_is_its_consumers(t):
    """Who has renamed it out of new/ may write to it, though verify still reads it."""
    made = Made(t)
    size = 128 << 20
    path = os.path.join(made.root, "status/new", made.name(1))
    with open(path, "wb") as file:
        file.truncate(size)
    text = made.accept(1, part=None).split(" ")
    text[7:9] = [str(size), file_digest(path)]
    made.segment(0, 1)
    made.add(" ".join(text), "mark 1 1")
    verify(t, made.root, right=1)
    with open(os.path.join(t.folder, "out"), "w+b") as out:
        child = t.spawn([INBOXCTL, "verify", "--json", "-r", made.root], stdout=out)
        until(lambda: has_open(child.pid, path) or child.poll() is not None, 10)
        child.send_signal(signal.SIGSTOP)
        os.rename(path, os.path.join(made.root, "claimed"))
        with open(os.path.join(made.root, "claimed"), "r+b") as file:
            file.seek(size - 1)
            file.write(b"!")
        child.send_signal(signal.SIGCONT)
        equal(child.wait(60), 0, "exit code")
        out.seek(0)
        page = json.loads(out.read())
    if page["right"]:
        raise Skip("it had read all of it before the file was claimed")
    equal((page["claimed"], page["wrong"]), (1, 0))


@test
def without_a_root_or_with_an_empty_ledger(t):
    made = Made(t)
    equal(ledger(t, made.root), ([], ""))
    verify(t, made.root, items=0)
    with open(os.path.join(made.root, "status/new", made.name(1)), "wb"):
        pass
    verify(t, made.root, code=65, unknown=1)
    for command in ("ledger", "verify"):
        run = t.run([INBOXCTL, command, "-r", os.path.join(t.folder, "nowhere")])
        equal(run.returncode, 66, command)
        contains(run.stderr, "nowhere: No such file or directory")
    run = t.run([INBOXCTL, "verify", "-r", made.root, "--inbox", "payroll"])
    equal(run.returncode, 66)
    contains(run.stderr, "payroll")
    equal(t.run([INBOXCTL, "verify", "-r", made.root, "--inbox", "../x"]).returncode, 64)
    made.segment(0, 1)
    made.add(made.accept(1), "mark 1 1")
    run = t.run(["sh", "-c", '"$0" ledger -r "$1" >/dev/full', INBOXCTL, made.root])
    equal(run.returncode, 74, "standard output is full")


@test
def segment_of_another_version_is_left_alone(t):
    made = Made(t)
    made.segment(0, 1)
    made.add(made.accept(1), "mark 1 1")
    made.path = os.path.join(made.root, "ledger", clock(100) + ".log")
    made.add("begin 3 %s 2" % clock(100), "state", made.accept(2))
    rows, err = ledger(t, made.root, code=65)
    equal([row["seq"] for row in rows], [1])
    contains(err, "has version 3; this program reads versions up to 2")


@test
def memory_does_not_grow_with_the_ledger(t):
    if sanitizers():
        raise Skip("a sanitizer takes memory of its own")
    made = Made(t)
    made.segment(0, 1)
    made.add(*[made.accept(seq) for seq in range(1, 301)], "mark 300 300")
    for last in range(1300, 50301, 1000):
        made.add(*[made.accept(seq, part=None) for seq in range(last - 999, last + 1)],
                 "mark %d %d" % (last, last))
    run = t.run(["sh", "-c", 'ulimit -v 40000; exec "$0" verify --json -r "$1"', INBOXCTL,
                 made.root])
    equal(run.returncode, 0, "exit code; " + run.stderr)
    page = json.loads(run.stdout)
    equal((page["right"], page["claimed"]), (300, 50000))


if __name__ == "__main__":
    main()
