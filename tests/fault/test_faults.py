#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Calls that fail: nothing is acknowledged that is not stored, nothing is lost, work goes on."""

import contextlib
import http.client
import os
import re
import signal
import threading
import time

from common import arm, shim
from client import Closed
from harness import (Skip, Unix, bound, cases, contains, equal, main, need_call, sanitizers, test,
                     until)


def start_without_faults(r):
    for name in ("FAULT", "LD_PRELOAD"):
        del r.env[name]
    r.start()


def judge_after_failure(r, queue, items, first):
    """The receiver has ended by itself: a start loses nothing that was acknowledged, and each item
    is there once when it is sent again."""
    r.wait_end(74)
    start_without_faults(r)
    there = r.files("status", now=True)  # before the first connection
    lost = [n for n, name in first.items() if name not in there]
    equal(lost, [], "acknowledged and not in new/ after the start")
    c = r.client(hello=queue)
    for n, data in items.items():
        if len(data) > 1000000:
            c.announce(n, "status", data, verb="OPEN")
            line = c.answer(n)
            if line.verb == "SEND":
                c.pieces(n, data, line.offset)
        else:
            c.put(n, "status", data)
    names = {n: c.stored(n).name for n in items}
    for n, name in first.items():
        equal(names[n], name, "the name of item %d" % n)
    c.quit()
    r.at_rest()
    equal(r.files("status"), sorted(names.values()), "files in new/")
    for n, data in items.items():
        equal(r.read("status", names[n]), data, "item %d" % n)


def offer_until_it_ends(t, r, sizes):
    """(queue, items, {n: name} of what was acknowledged)"""
    queue = t.queue()
    items = {n: t.bytes(size) for n, size in enumerate(sizes, 1)}
    c = r.client(hello=queue)
    arm(t)
    for n, data in items.items():
        c.put(n, "status", data)
    c.wait_close()
    return queue, items, {line.n: line.name for line in c.history if line.verb == "STORED"}


@cases([
    ("its sync", "fdatasync@journal:1:EIO:once"), ("its sync, for good",
                                                   "fdatasync@journal:1:EIO:on"),
    ("its sync, for want of space", "fdatasync@journal:1:ENOSPC:once"),
    ("its write", "write@journal:1:EIO:once"),
    ("its write, halfway", "write@journal:1:SHORT:once,fill@journal:1:EIO:once"),
    ("a later sync", "fdatasync@journal:3:EIO:once"),
    ("a later write", "write@journal:3:EIO:once"),
])
def acks_nothing_of_a_batch_whose_journal_fails(t, fault):
    """inboxd ends with 74, and a start makes all good (P9)."""
    r = t.receiver({"receiver": {"workers": "1"}}, env=shim(t, fault))
    r.consumed = True
    queue, items, first = offer_until_it_ends(t, r, [100 * n for n in range(1, 201)])
    r.wait_log(r"event=(sync_failed|journal_failed)[^\n]*error=")
    if "@journal:1:" in fault:
        equal(first, {}, "acks of the first batch")
    assert len(first) < len(items), "all were acknowledged"
    judge_after_failure(r, queue, items, first)


@cases([
    ("of a draft", "files", "fdatasync@draft:1:EIO:once"),
    ("of a later draft", "files", "fdatasync@draft:7:EIO:once"),
    ("of tmp/", "files", "fsync@tmpdir:1:EIO:once"),
    ("of new/", "files", "fsync@newdir:1:EIO:once"),
    ("of new/, for want of space", "files", "fsync@newdir:1:ENOSPC:once"),
    ("of the ledger", "files", "fdatasync@ledger:1:EIO:once"),
    ("of the ledger, for want of space", "files", "fdatasync@ledger:1:ENOSPC:once"),
    ("the first, of all", "filesystem", "syncfs:1:EIO:once"),
    ("the second, of all", "filesystem", "syncfs:2:EIO:once"),
    ("of all, for want of space, and then of new/", "filesystem",
     "syncfs:1:ENOSPC:on,fsync@newdir:1:EIO:once"),
    ("of all, for good", "filesystem", "syncfs:1:EIO:on"),
])
def loses_nothing_when_a_sync_behind_the_acknowledgement_fails(t, sync, fault):
    """inboxd ends with 74; what it has acknowledged is in new/ before it takes connections (P1)."""
    if sync == "filesystem":
        need_call("syncfs")
    r = t.receiver({"receiver": {"sync": sync, "workers": "1"}}, env=shim(t, fault))
    r.consumed = True
    queue, items, first = offer_until_it_ends(t, r, [100 * n for n in range(1, 201)])
    r.wait_log(r"event=sync_failed[^\n]*error=")
    judge_after_failure(r, queue, items, first)


def store_at_last(c):
    """Ten items, sent until each is stored: {name: bytes}"""
    names = {}

    def are_stored():
        for n in range(1, 11):
            c.put(n, "status", b"%d" % n)
        for n in range(1, 11):
            line = c.answer(n)
            if line.verb == "STORED":
                names[line.name] = b"%d" % n
        return len(set(names.values())) == 10
    until(are_stored, 10, "room")
    return names


@cases([("at once", "write@journal:1:ENOSPC:on"), ("of a quota", "write@journal:1:EDQUOT:on"),
        ("halfway", "write@journal:1:SHORT:on,fill@journal:1:ENOSPC:on")])
def journal_that_finds_no_room_acks_nothing_and_is_a_state(t, fault):
    """Where a file system writes elsewhere what is written over: LATER full, then all is stored."""
    r = t.receiver({"receiver": {"workers": "1"}}, env=shim(t, fault))
    queue = t.queue()
    c = r.client(hello=queue)
    arm(t)
    for n in range(1, 11):
        c.put(n, "status", b"%d" % n)
    equal({c.answer(n).code for n in range(1, 11)}, {"full"})
    os.unlink(os.path.join(t.folder, "arm"))
    names = store_at_last(c)
    c.cut()
    r.kill()
    start_without_faults(r)
    equal({name: r.read("status", name) for name in r.files("status")}, names)


@cases([("halfway", "write@journal:1:SHORT:on,fill@journal:1:ENOSPC:on", 0),
        ("in a later batch", "write@journal:2:SHORT:on,fill@journal:1:ENOSPC:on", 1)])
def batch_that_found_no_room_counts_for_nothing_after_a_kill(t, fault, before):
    """Its items heard LATER: they are sent again, and stored once."""
    r = t.receiver({"receiver": {"workers": "1"}}, env=shim(t, fault))
    queue = t.queue()
    c = r.client(hello=queue)
    arm(t)
    for n in range(1, before + 1):
        c.put(n, "status", b"%d" % n)
        equal(c.answer(n).verb, "STORED")
    for n in range(before + 1, 11):
        c.put(n, "status", b"%d" % n)
    equal({c.answer(n).code for n in range(before + 1, 11)}, {"full"})
    c.cut()
    r.kill()
    start_without_faults(r)
    c = r.client(hello=queue)
    names = store_at_last(c)
    c.quit()
    equal({name: r.read("status", name) for name in r.files("status")}, names)


@test
def filesystem_without_room_for_some_draft_is_a_state(t):
    """syncfs() tells of no room and not whose: each is asked, and all are stored."""
    need_call("syncfs")
    r = t.receiver({"receiver": {"sync": "filesystem"}}, env=shim(
        t, "syncfs:1:ENOSPC:once,fdatasync@draft:1:ENOSPC:once"))
    c = r.client(hello=t.queue())
    arm(t)
    names = store_at_last(c)
    equal({name: r.read("status", name) for name in r.files("status")}, names)
    c.quit()


@cases([("of the draft", "fdatasync@draft:1:EIO:once"), ("of tmp/", "fsync@tmpdir:1:EIO:once")])
def large_item_is_not_acknowledged_when_its_own_sync_fails(t, fault):
    r = t.receiver({"receiver": {"workers": "1"}}, env=shim(t, fault))
    r.consumed = True
    queue, items, first = offer_until_it_ends(t, r, [200000])
    equal(first, {}, "acknowledged")
    judge_after_failure(r, queue, items, first)


@cases([
    ("no space for a draft", "write@draft:1:ENOSPC:once", "full"),
    ("no quota for a draft", "write@draft:1:EDQUOT:once", "full"),
    ("a draft that may not be made", "openat@draft:1:EACCES:once", "trouble"),
    ("no descriptor for a draft", "openat@draft:1:EMFILE:once", "trouble"),
    ("no descriptors in the system", "openat@draft:1:ENFILE:once", "trouble"),
    ("no inode for a draft", "openat@draft:1:ENOSPC:once", "full"),
    ("no room to be reserved", "fallocate:1:ENOSPC:once", "full"),
    ("room that may not be reserved", "fallocate:1:EPERM:once", "trouble"),
])
def item_is_later_and_the_connection_lives_with(t, fault, code):
    if "fallocate" in fault:
        need_call("fallocate")
    r = t.receiver(env=shim(t, fault))
    c = r.client(hello=t.queue())
    c.put(1, "status", b"before")
    c.stored(1)
    arm(t)
    data = t.bytes(200000)
    c.put(2, "status", data)
    c.put(3, "status", b"after")
    line = c.answer(2)
    equal((line.verb, line.code), ("LATER", code))
    c.stored(3)
    until(lambda: r.files("status", "tmp") == [], 5, "the draft to go")
    c.put(2, "status", data)
    equal(c.stored(2).get("again"), None)
    c.quit()
    equal(r.items("later", code), 1, "counter")


@cases([
    ("making a draft, read-only", "openat@draft:1:EROFS:on", 100),
    ("making a draft, shut out", "openat@draft:1:ESHUTDOWN:once", 100),
    ("writing a draft", "write@draft:1:EIO:once", 100),
    ("room for a draft", "fallocate@draft:1:ENODEV:once", 100000),
    ("making a part", "openat@draft:1:ENOTCONN:once", 3000000),
    ("writing a part", "write@draft:9:ESTALE:once", 3000000),
    ("a name for a part", "renameat2@draft:1:EIO:once,renameat@draft:1:EIO:once", 3000000),
    ("making it visible", "renameat2@draft:1:ESHUTDOWN:once,renameat@draft:1:ESHUTDOWN:once", 100),
    ("looking for room", "statvfs:1:ENOTCONN:once", 0),
    ("counting an inbox", "readdir@newdir:1:ESTALE:once", 0),
    ("all of it", "root:1:ESHUTDOWN:on", 100),
])
def file_system_that_is_gone_ends_it_before_anybody_hears_later(t, fault, size):
    """With 74, and a start loses nothing that was acknowledged."""
    if "fallocate" in fault:
        need_call("fallocate")
    env = shim(t, fault)
    r = t.receiver({"receiver": {"workers": "1"}}, env=env, start=False)
    r.env["FAULT_ROOT"] = r.root
    r.start()
    r.consumed = True
    queue, items = t.queue(), {n: t.bytes(size + n) for n in range(1, 4)}
    c = r.client(hello=queue)
    c.put(9, "status", b"before")
    first = {9: c.stored(9).name}
    items[9] = b"before"
    r.at_rest()
    arm(t)
    try:
        if size > 1000000:
            c.announce(1, "status", items[1], verb="OPEN")
            if c.answer(1).verb == "SEND":
                c.pieces(1, items[1])
        elif size:
            for n in range(1, 4):
                c.put(n, "status", items[n])
        elif "readdir" in fault:
            with contextlib.suppress(OSError, http.client.HTTPException):
                r.get("/inboxes")
    except (Closed, OSError):
        pass
    c.wait_close()
    equal([line for line in c.history if line.verb == "LATER"], [], "what was put off")
    r.wait_log(r"event=(filesystem_gone|root_lost|sync_failed|ledger_failed)\b[^\n]*exit=74")
    first.update((line.n, line.name) for line in c.history if line.verb == "STORED")
    judge_after_failure(r, queue, items, first)


@cases([("in new/", "readdir@newdir:1:EIO:on"), ("of a consumer's", "readdir@curdir:1:ESTALE:on")])
def folder_that_cannot_be_counted_ends_nothing(t, fault):
    """A bad sector in one that is only counted, or what somebody has made of cur/, is told."""
    r = t.receiver(env=shim(t, fault))
    c = r.client(hello=t.queue())
    arm(t)
    until(lambda: r.json("/inboxes")["inboxes"][0]["error"], 10, "the count")
    c.put(1, "status", b"1")
    c.stored(1)
    c.quit()


@cases([("of items", {"window": "4"}, 100, 4), ("of bytes", {"bytes": "100K"}, 30000, 4)])
def window_is_enforced(t, limits, size, most):
    """While the disk is slow, no more is taken than the window says; then all is."""
    r = t.receiver({"limits": limits}, env=shim(t, "fdatasync@journal:1:1500ms:once"))
    c = r.client(hello=t.queue())
    arm(t)
    for n in range(1, 61):
        c.put(n, "status", t.bytes(size))
    c.flow(0.3)
    seen = set()
    while not c.history[1:]:
        c.flow(0.05)
        seen.add(r.items("in_flight"))
    assert 0 < max(seen) <= most, "items in flight: %r" % seen
    for n in range(1, 61):
        c.stored(n)
    c.quit()


@test
def item_that_comes_after_its_queue_has_a_newer_connection_is_cut_off(t):
    """All that is late to the commit thread is dropped and counted; its client has it."""
    r = t.receiver(env=shim(t, "fdatasync@journal:1:1500ms:once"))
    queue = t.queue()
    old = r.client(hello=queue)
    arm(t)
    old.put(1, "status", b"accepted in time")
    old.flow(0.3)
    new = r.client(hello={"queue": queue, "wait": False})
    new.flow(0.3)
    old.put(2, "status", b"too late")
    equal(old.expect("GOAWAY").code, "superseded")
    old.wait_close()
    new.expect("READY")
    equal(r.items("cut_off"), 1, "cut off")
    new.put(1, "status", b"accepted in time")
    new.put(2, "status", b"too late")
    equal((new.stored(1).get("again"), new.stored(2).get("again")), ("1", None), "again=")
    new.quit()
    equal(len(r.files("status")), 2, "files in new/")


@cases([("a draft", "fdatasync@draft:1:ENOSPC:once"), ("a draft, by quota",
        "fdatasync@draft:1:EDQUOT:once")])
def sync_for_which_there_is_no_room_is_later(t, fault):
    """Of a large item, before it is acknowledged: delayed allocation tells it at the sync.  That
    item is LATER full, the others are stored."""
    r = t.receiver({"receiver": {"sync": "files"}}, env=shim(t, fault))
    c = r.client(hello=t.queue())
    arm(t)
    items = {n: t.bytes(70000 + n) for n in range(1, 11)}
    for n, data in items.items():
        c.put(n, "status", data)
    answers = [c.answer(n) for n in items]
    later = [line for line in answers if line.verb != "STORED"]
    equal([(line.verb, line.code) for line in later], [("LATER", "full")])
    c.put(later[0].n, "status", items[later[0].n])
    equal(c.stored(later[0].n).get("again"), None)
    c.quit()


@test
def full_disk_is_a_state_and_not_an_end(t):
    r = t.receiver(env=shim(t, "write@draft:1:ENOSPC:on"))
    c = r.client(hello=t.queue())
    arm(t)
    for n in range(1, 101):
        c.put(n, "status", b"%d" % n)
    for n in range(1, 101):
        equal(c.answer(n).code, "full")
    c.ping()
    c.quit()


@test
def taken_name_of_a_draft_is_a_reason_for_another_name(t):
    """EEXIST never counts as success (P2)."""
    r = t.receiver(env=shim(t, "openat@draft:1:EEXIST:once,openat@draft:2:EEXIST:once,"
                               "openat@draft:3:EEXIST:once"))
    c = r.client(hello=t.queue())
    arm(t)
    for n in range(1, 11):
        c.put(n, "status", b"%d" % n)
    names = {c.stored(n).name: n for n in range(1, 11)}
    equal(len(names), 10, "names")
    r.at_rest()
    for name, n in names.items():
        equal(r.read("status", name), b"%d" % n)
    c.quit()


@cases([("and goes on", False), ("and is killed", True)])
def taken_name_in_new_is_told_and_costs_nothing(t, killed):
    """Somebody made a file of that name in new/, where nobody may: the item, which was acknowledged
    under it, gets another one there, and log and ledger say which (P2)."""
    r = t.receiver({"receiver": {"workers": "1"}},
                   env=shim(t, "renameat2@draft:2:EEXIST:once,linkat@draft:2:EEXIST:once"))
    need_call("renameat2")
    r.others = r.consumed = True
    queue = t.queue()
    c = r.client(hello=queue)
    arm(t)
    names = {}
    for n in range(1, 4):
        c.put(n, "status", b"%d" % n)
        names[n] = c.stored(n).name
        r.at_rest()
    found = r.wait_log(r"event=name_taken inbox=status name=(\S+) instead=(\S+)")
    equal(found.group(1), names[2], "whose name was taken")
    equal(r.read("status", found.group(2)), b"2")
    r.acks.clear()  # one of them is a name that the file has not
    if killed:
        c.cut()
        r.kill()
        start_without_faults(r)
    c.put(2, "status", b"2") if not killed else None
    equal(sorted(r.read("status", name) for name in r.files("status")), [b"1", b"2", b"3"])
    if not killed:
        equal(c.stored(2).name, names[2], "the first name")
        c.quit()
        r.acks.clear()
        r.stop()
        with open(os.path.join(r.root, "ledger", max(os.listdir(os.path.join(
                r.root, "ledger")))), encoding="ascii") as file:
            contains(file.read(), found.group(2))


@cases([
    ("on write", "write@ledger:1:EIO:once"),
    ("for want of space", "write@ledger:1:ENOSPC:on"),
    ("halfway, and cannot be cut back",
     "write@ledger:1:SHORT:once,write@ledger:2:EIO:once,ftruncate:1:EIO:once"),
])
def ledger_that_fails_acks_nothing(t, fault):
    r = t.receiver(env=shim(t, fault))
    r.consumed = True
    queue = t.queue()
    c = r.client(hello={"queue": queue})
    arm(t)
    for n in range(1, 6):
        c.put(n, "status", b"%d" % n)
    answers = []
    try:
        for n in range(1, 6):
            answers.append(c.answer(n).verb)
    except Closed:
        pass
    assert "STORED" not in answers, answers
    c.cut()
    if r.process.poll() is None and len(answers) == 5:
        r.stop(None)
    else:
        r.wait_end(74)
    start_without_faults(r)
    c = r.client(hello=queue)
    for n in range(1, 6):
        c.put(n, "status", b"%d" % n)
    names = {c.stored(n).name for n in range(1, 6)}
    r.at_rest()
    equal(r.files("status"), sorted(names))
    c.quit()


def confirm_gap(r):
    """What somebody is answered who says that the gap is known; None: the receiver has ended."""
    connection = Unix(r.socket, 10)
    connection.request("POST", "/gap", body="identity=pc1.example.org&first=1&last=4")
    try:
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None


def make_gap(r, queue):
    c = r.client(hello=queue)
    c.settled(5)
    c.ping()
    c.quit()
    equal([gap["known"] for gap in r.client_row(queue)["gaps"]], [False])


@cases([("is not written", "write@ledger:1:EIO:once"),
        ("is not synced", "fdatasync@ledger:1:EIO:once")])
def gap_is_not_confirmed_where_the_record_of_it(t, fault):
    """Nobody hears that it is, and a failed sync is not made again (P9)."""
    r = t.receiver(env=shim(t, fault))
    make_gap(r, t.queue())
    arm(t)
    equal(confirm_gap(r), None)
    r.wait_end(74)


@test
def gap_is_confirmed_once_there_is_room_for_the_record_of_it(t):
    r = t.receiver(env=shim(t, "write@ledger:1:ENOSPC:on"))
    queue = t.queue()
    make_gap(r, queue)
    arm(t)
    equal(confirm_gap(r), 503)
    equal(confirm_gap(r), 503)
    os.unlink(os.path.join(t.folder, "arm"))
    until(lambda: confirm_gap(r) == 200, 10, "room")
    r.kill()
    start_without_faults(r)
    equal([gap["known"] for gap in r.client_row(queue)["gaps"]], [True])


@test
def draft_of_an_old_configuration_may_fail(t):
    """The item is the last to hold the configuration that a reload has replaced."""
    r = t.receiver({"receiver": {"workers": "1"}}, env=shim(t, "write@draft:1:ENOSPC:on"))
    c = r.client(hello=t.queue())
    data = t.bytes(200000)
    c.announce(1, "status", data)
    c.send(data[:50000])
    until(lambda: [n for n in r.files("status", "tmp")
                   if os.path.getsize(r.path("status", n, "tmp")) > 0], 10, "a part of the draft")
    r.process.send_signal(signal.SIGHUP)
    r.wait_log("event=reloaded")
    other = r.client(hello=t.queue())
    other.quit()
    arm(t)
    c.post(data[50000:])
    line = c.answer(1)
    equal((line.verb, line.code), ("LATER", "full"))
    contains(line.text, "inbox status")
    c.quit()


@test
def drain_has_an_end_where_one_worker_is_done_early(t):
    """A worker that is done counts once: the other one's slow disk is still given up on."""
    r = t.receiver({"receiver": {"workers": "2", "drain": "2s"}},
                   env=shim(t, "fdatasync@journal:1:20000ms:once"))
    r.consumed = True
    silent = r.client(handshake=False)
    c = r.client(hello=t.queue())
    arm(t)
    c.put(1, "status", b"slow")
    c.flow(0.3)
    until(lambda: r.items("in_flight") == 1, 10, "the item to be under way")
    began = time.monotonic()
    r.stop(75)
    took = time.monotonic() - began
    assert took < 10, "the drain took %.1f s" % took
    silent.close()


@cases([("settled", "SETTLED 1\n"), ("skip", "SKIP 1 removed\n")])
def notices_do_not_pile_up_while_the_disk_is_slow(t, line):
    """They cost the client its window, not the receiver its memory."""
    if sanitizers():
        raise Skip("a sanitizer has its own memory")
    r = t.receiver({"receiver": {"workers": "1"}}, env=shim(t, "fdatasync@journal:1:3000ms:once"))
    c = r.client(hello=t.queue())

    def peak():
        with open("/proc/%d/status" % r.process.pid, encoding="ascii") as file:
            return int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1))

    before = peak()
    arm(t)
    c.put(1, "status", b"slow")
    c.post(line * 1000000)
    c.stored(1)
    c.ping()
    grown = peak() - before
    assert grown < 32000, "grew by %d kB" % grown
    c.quit()


@test
def a_count_that_takes_long_holds_up_nobody(t):
    """The page then has the last count and says when it was; and the end is not held up."""
    r = t.receiver(env=shim(t, "fstatat@item:1:1000ms:on"))
    c = r.client(hello=t.queue())
    for n in range(1, 9):
        c.put(n, "status", b"%d" % n)
        c.stored(n)

    def row():
        return r.json("/inboxes")["inboxes"][0]
    until(lambda: row()["waiting"] == 8)
    counted = row()["counted"]
    c.put(9, "status", b"9")
    c.stored(9)
    arm(t)
    pages = []
    asker = threading.Thread(target=lambda: pages.append((row(), time.monotonic())))
    began = time.monotonic()
    asker.start()
    time.sleep(0.3)
    other = r.client(hello=t.queue())
    other.put(1, "status", b"1")
    other.stored(1)
    equal(r.get("/healthz")[0], 200)
    equal(r.metric("inboxd_inbox_waiting", 'inbox="status"'), 8)
    assert not pages and time.monotonic() - began < bound(2), "it was held up"
    asker.join()
    last, ended = pages[0]
    equal((last["waiting"], last["counted"]), (8, counted))
    assert ended - began < bound(5), "the page waits for the count"
    c.quit()
    other.quit()
    began = time.monotonic()
    r.stop()
    assert time.monotonic() - began < bound(4), "the end waits for the count"


@cases([("a folder", "mkdirat", "ENOSPC"), ("its descriptor", "open", "EMFILE"),
        ("its sync", "fsync", "EIO"), ("the owner's part", "seteuid", "EPERM")])
def folders_that_cannot_be_made_are_told_and_made_the_next_time(t, call, error):
    """inboxd -m, each of its calls that does that once."""
    if call == "seteuid" and os.geteuid() != 0:
        raise Skip("only root plays the owner's part")
    arm(t)
    for n in range(1, 100):
        r = t.receiver(start=False, make=False)
        done = r.run("-m", env=shim(t, "%s:%d:%s:once" % (call, n, error)))
        if done.returncode == 0:
            break
        if done.returncode == 78 and call == "open":
            continue  # it was the configuration
        equal(done.returncode, 73, "exit code with fault %d: %s" % (n, done.stderr))
        contains(done.stderr, r.root)
        r.make()
        equal(r.run("-t").returncode, 0, "what a start would say")
    assert n > 1, "no %s was met" % call


@test
def while_the_survey_rests_the_last_count_is_told_at_once(t):
    r = t.receiver(env=shim(t, "fstatat@item:1:200ms:on"))
    c = r.client(hello=t.queue())
    for n in range(1, 7):
        c.put(n, "status", b"%d" % n)
        c.stored(n)

    def waiting():
        return r.json("/inboxes")["inboxes"][0]["waiting"]
    until(lambda: waiting() == 6)
    arm(t)
    began = time.monotonic()
    until(lambda: waiting() == 6 and time.monotonic() - began > 1)
    c.put(7, "status", b"7")
    c.stored(7)
    began = time.monotonic()
    equal(waiting(), 6, "nine times 1.2 seconds are not over")
    assert time.monotonic() - began < bound(1), "the page waits for the rest to end"
    c.quit()


if __name__ == "__main__":
    main()
