#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Calls that fail: nothing is acknowledged that is not stored, nothing is lost, work goes on."""

from common import arm, shim
from client import Closed
from harness import cases, equal, main, test, until


@cases([
    ("the first, of a draft", "files", "fdatasync@draft:1:EIO:once"),
    ("the first, of a later draft", "files", "fdatasync@draft:7:EIO:once"),
    ("the first, of the ledger", "files", "fdatasync@ledger:1:EIO:once"),
    ("the second, of new/", "files", "fsync@newdir:1:EIO:once"),
    ("the first, syncfs", "filesystem", "syncfs:1:EIO:once"),
    ("the second, syncfs", "filesystem", "syncfs:2:EIO:once"),
    ("for good, syncfs", "filesystem", "syncfs:1:EIO:on"),
])
def acks_nothing_when_sync_fails(t, sync, fault):
    """The failed batch is not acknowledged, inboxd ends with 74, a restart makes all good."""
    r = t.receiver({"receiver": {"sync": sync, "workers": "1"}}, env=shim(t, fault))
    r.consumed = True
    queue = t.queue()
    items = {n: t.bytes(100 * n) for n in range(1, 21)}
    c = r.client(hello=queue)
    arm(t)
    for n, data in items.items():
        c.put(n, "status", data)
    c.wait_close()
    r.wait_end(74)
    r.wait_log(r"(?i)sync[^\n]*(Input/output|EIO)")
    first = {line.n: line.name for line in c.history if line.verb == "STORED"}
    if ":1:EIO" in fault:
        equal(first, {}, "acks of the first batch")
    assert len(first) < len(items), "all were acknowledged"
    for name in ("FAULT", "LD_PRELOAD"):
        del r.env[name]
    r.start()
    c = r.client(hello=queue)
    for n, data in items.items():
        c.put(n, "status", data)
    names = {n: c.stored(n).name for n in items}
    for n, name in first.items():
        equal(names[n], name, "the name of item %d" % n)
    c.quit()
    equal(r.files("status"), sorted(names.values()), "files in new/")


@cases([
    ("no space for a draft", "write@draft:1:ENOSPC:once", "full"),
    ("no quota for a draft", "write@draft:1:EDQUOT:once", "full"),
    ("a draft that cannot be written", "write@draft:1:EIO:once", "trouble"),
    ("no descriptor for a draft", "openat@draft:1:EMFILE:once", "trouble"),
    ("no descriptors in the system", "openat@draft:1:ENFILE:once", "trouble"),
    ("no inode for a draft", "openat@draft:1:ENOSPC:once", "full"),
    ("a read-only file system", "openat@draft:1:EROFS:once", "trouble"),
])
def item_is_later_and_the_connection_lives_with(t, fault, code):
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


@cases([("of items", {"window": "4"}, 100, 4), ("of bytes", {"bytes": "100K"}, 30000, 4)])
def window_is_enforced(t, limits, size, most):
    """While the disk is slow, no more is taken than the window says; then all is."""
    r = t.receiver({"limits": limits}, env=shim(t, "fdatasync@draft:1:1500ms:once"))
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


@cases([("once", "once"), ("for a while", "on")])
def taken_name_is_a_reason_for_another_name(t, how):
    """EEXIST, of the draft or of the item, never counts as success (P2)."""
    fault = "openat@draft:1:EEXIST:once,renameat2@draft:2:EEXIST:once" if how == "once" else \
        "openat@draft:1:EEXIST:once,openat@draft:2:EEXIST:once,openat@draft:3:EEXIST:once"
    r = t.receiver(env=shim(t, fault))
    c = r.client(hello=t.queue())
    arm(t)
    for n in range(1, 11):
        c.put(n, "status", b"%d" % n)
    names = {}
    for n in range(1, 11):
        line = c.answer(n)
        equal(line.verb, "STORED", repr(line))
        names[line.name] = n
    equal(len(names), 10, "names")
    for name, n in names.items():
        equal(r.read("status", name), b"%d" % n)
    c.quit()


@cases([("on write", "write@ledger:1:EIO:once"), ("for want of space", "write@ledger:1:ENOSPC:on")])
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
    for name in ("FAULT", "LD_PRELOAD"):
        del r.env[name]
    r.start()
    c = r.client(hello=queue)
    for n in range(1, 6):
        c.put(n, "status", b"%d" % n)
    names = {c.stored(n).name for n in range(1, 6)}
    equal(r.files("status"), sorted(names))
    c.quit()


if __name__ == "__main__":
    main()
