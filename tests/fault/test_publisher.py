#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What befalls an item between its acknowledgement and new/: a state, in which nothing is lost and
nothing waits that need not; when it is over, and at the latest after a start, the item is there."""

import os
import time

from common import arm, shim
from harness import bound, cases, contains, equal, main, need_call, test, until

TROUBLES = [
    ("no room to rename", "files", "renameat2@draft:1:ENOSPC:on", "full"),
    ("no quota to rename", "filesystem", "renameat2@draft:1:EDQUOT:on", "full"),
    ("a rename that fails", "files", "renameat2@draft:1:EACCES:on", "trouble"),
    ("no room for the bytes", "files", "fdatasync@draft:1:ENOSPC:on", "full"),
    ("no quota for the bytes, nor to write them anew", "files",
     "fdatasync@draft:1:EDQUOT:on,write@draft:9:EDQUOT:on", "full"),
]


def disarm(t):
    os.unlink(os.path.join(t.folder, "arm"))


def in_trouble(t, sync, fault):
    """A receiver that cannot publish what it has acknowledged: (receiver, queue, names)"""
    need_call("renameat2")
    if sync == "filesystem":
        need_call("syncfs")
    r = t.receiver({"receiver": {"sync": sync, "workers": "1"}}, env=shim(t, fault))
    queue = t.queue()
    c = r.client(hello=queue)
    arm(t)
    for n in range(1, 6):
        c.put(n, "status", b"%d" % n)
    # What comes when the trouble is known already is not taken.
    lines = [c.answer(n) for n in range(1, 6)]
    names = {line.name: b"%d" % line.n for line in lines if line.verb == "STORED"}
    r.wait_log("event=publish_failed")
    until(lambda: r.metric("inboxd_publish_trouble") == 1)
    equal(r.files("status", now=True), [], "visible")
    equal(r.metric("inboxd_unpublished_items"), len(names))
    c.quit()
    return r, queue, names


def content(r):
    return {name: r.read("status", name) for name in r.files("status", now=True)}


@cases(TROUBLES)
def what_the_publisher_cannot_do_is_a_state_and_passes(t, sync, fault, code):
    """New items hear LATER; when it is over all goes on without a start."""
    r, queue, names = in_trouble(t, sync, fault)
    c = r.client(hello=queue)
    if "write@draft" not in fault:
        c.put(1, "status", b"1")
        equal(c.stored(1).get("again"), "1", "what is known is answered still")
    c.put(6, "status", b"6")
    line = c.answer(6)
    equal((line.verb, line.code), ("LATER", code))
    disarm(t)
    until(lambda: content(r) == names, 10, "all to be visible")
    r.wait_log("event=publishing_again")
    until(lambda: r.metric("inboxd_publish_trouble") == 0)
    c.put(6, "status", b"6")
    names[c.stored(6).name] = b"6"
    until(lambda: content(r) == names)
    c.quit()


@cases([(row[0] + ": " + how, *row[1:3], how) for row in TROUBLES for how in ("stop", "kill")])
def what_could_not_be_published_is_there_after_a_start(t, sync, fault, how):
    """Before the first connection (P1)."""
    r, queue, names = in_trouble(t, sync, fault)
    r.consumed = True
    if how == "stop":
        r.stop()
    else:
        r.kill()
    disarm(t)
    r.start()
    equal(content(r), names, "in new/ after the start")
    c = r.client(hello=queue)
    for name, data in names.items():
        c.put(int(data), "status", data)
        equal(c.stored(int(data)).name, name)
    c.quit()


@test
def a_draft_that_somebody_deleted_is_made_anew(t):
    """Of the bytes that the journal has."""
    r = t.receiver({"receiver": {"workers": "1"}}, env=shim(t, "fdatasync@draft:1:1500ms:once"))
    c = r.client(hello=t.queue())
    arm(t)
    data = t.bytes(5000)
    c.put(1, "status", data)
    name = c.stored(1).name
    os.unlink(r.path("status", name, "tmp"))
    until(lambda: r.files("status", now=True) == [name], 10, "the item to be visible")
    contains(r.log(), "event=draft_gone inbox=status name=" + name)
    equal(r.read("status", name), data)
    c.quit()


@cases([("files", "files", "fsync@newdir:1:2000ms:once"),
        ("filesystem", "filesystem", "syncfs:2:2000ms:once")])
def a_slow_publisher_holds_up_no_answer(t, sync, late):
    if sync == "filesystem":
        need_call("syncfs")
    r = t.receiver({"receiver": {"sync": sync}}, env=shim(t, late))
    c = r.client(hello=t.queue())
    arm(t)
    c.put(1, "status", b"1")
    c.stored(1)
    until(lambda: r.files("status", now=True) or sync == "filesystem", 10)
    began = time.monotonic()
    for n in range(2, 52):
        c.put(n, "status", b"%d" % n)
        c.stored(n)
    took = time.monotonic() - began
    assert took < bound(1.5), "50 answers took %.1f s" % took
    assert r.metric("inboxd_unpublished_items") >= 50, "nothing waits for the publisher"
    assert r.metric("inboxd_unpublished_oldest_timestamp_seconds") > time.time() - 10
    r.at_rest()
    c.quit()


@test
def at_the_bound_answers_wait_and_none_fails(t):
    """The journal is full of what is not published: WAIT is said, and then all are stored (P1)."""
    r = t.receiver({"receiver": {"workers": "1"}}, env=shim(t, "fsync@newdir:1:7000ms:once"))
    c = r.client(hello=t.queue())
    arm(t)
    for n in range(1, 121):
        c.put(n, "status", t.bytes(60000))
    c.expect("WAIT", bound(10))
    heard = sum(line.verb == "STORED" for line in c.history)
    assert 20 < heard < 70, "%d of 120 items were acknowledged; the journal has room for 68" % heard
    equal(r.metric("inboxd_unpublished_items"), heard, "lag")
    for n in range(1, 121):
        c.stored(n)
    c.quit()


@test
def a_large_item_whose_sync_is_slow_holds_up_nobody(t):
    r = t.receiver({"receiver": {"workers": "1"}}, env=shim(t, "fdatasync@draft:1:2500ms:once"))
    c = r.client(hello=t.queue())
    arm(t)
    c.put(1, "status", t.bytes(100000))
    c.flow(0.3)
    began = time.monotonic()
    for n in range(2, 22):
        c.put(n, "status", b"%d" % n)
        c.stored(n)
    took = time.monotonic() - began
    assert took < bound(1.5), "20 answers took %.1f s" % took
    assert not [line for line in c.history if line.verb == "STORED" and line.n == 1], \
        "acknowledged before its sync"
    until(lambda: len(r.files("status", now=True)) == 20, 1.0, "the small items to be visible")
    c.stored(1)
    c.quit()


if __name__ == "__main__":
    main()
