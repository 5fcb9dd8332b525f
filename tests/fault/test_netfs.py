#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A root, and a spool, on a network file system: one that knows no flags of renameat2(2), gives no
room in advance, whose syncfs(2) says yes and does nothing, and whose answers may be lost
(fault/netfs.c)."""

import os
import signal

from common import events, harness, shim
from copyqueue import Queue, all_there
from harness import bound, cases, contains, equal, main, test
from trace import Trace

CONFIG, IO, OS = 78, 74, 71
SIZES = (0, 1, 300, 3000, 30000, 65535, 65537, 70000)
# Done, and said to be not: each of these moves of a draft.
LIES = ",".join("renameat@draft:%d:DONE-%s:once" % row for row in (
    (1, "ENOENT"), (6, "EEXIST"), (11, "EIO"), (12, "ENOENT"), (23, "ENOENT")))


def on_netfs(t, root, faults="", delay=0, trace=False):
    env = {**shim(t, trace=trace), "FAULT_FS": "netfs", "FAULT_ROOT": root,
           "FAULT_FS_DELAY": str(delay)}
    return {**env, "FAULT": faults} if faults else env


def receiver(t, faults="", delay=0, start=True, **keys):
    r = t.receiver({"receiver": keys}, start=False)
    r.env.update(on_netfs(t, r.root, faults, delay, trace=True))
    r.sections["receiver"]["sandbox"] = "off"
    r.write_conf()
    return r.start() if start else r


def send(t, r, queue, items):
    c = r.client(hello=queue)
    for n, data in items.items():
        c.put(n, "status", data)
    for n in items:
        c.stored(n, bound(60))
    c.quit()


def some(t, count):
    return {n: t.bytes(SIZES[n % len(SIZES)]) for n in range(1, count + 1)}


def kept_order(t):
    """No sync that does nothing is asked for; each item waits for those that do."""
    found = events(t)
    equal([event for event in found if event.call == "nosync"], [], "syncs that do nothing")
    trace = Trace(found)
    trace.check()
    assert "syncfs" not in trace.syncs
    return trace


@cases([("auto", "auto"), ("files", "files")])
def items_stand_on_syncs_of_files(t, sync):
    r = receiver(t, sync=sync)
    contains(r.log(), "event=filesystem type=")
    contains(r.log(), " rename=look exchange=no reserve=no locks=yes ")
    contains(r.log(), " syncfs=no ")
    items = some(t, 40)
    send(t, r, t.queue(), items)
    all_there(r, items.values())
    r.check()
    r.stop()
    equal(len(kept_order(t).published), len(items), "items renamed into new/")


@test
def a_sync_of_the_whole_is_refused(t):
    r = receiver(t, start=False, sync="filesystem")
    before = sorted(os.listdir(r.root))
    for done in (r.run("-t"), r.run()):
        equal(done.returncode, CONFIG, done.stderr)
        contains(done.stderr, "sync = filesystem needs a syncfs(2) that writes all out")
        contains(done.stderr, "set files, or auto")
    equal(sorted(set(os.listdir(r.root)) - {"lock"}), before, "the root after a refused start")


# The first lock is the root's, the second asks who has it, the third is the trial's.
@cases([("none at all", "lock:1:ENOLCK:on", OS, "its file lock: No locks available"),
        ("none at the trial", "lock:3:ENOLCK:on", CONFIG, "that keep nobody out"),
        ("a server that is gone", "lock:1:ESTALE:on", IO, "its file lock: Stale file handle"),
        ("one that goes at the trial", "lock:3:ESTALE:on", IO, "Stale file handle")])
def without_locks_there_is_no_start(t, fault, code, text):
    r = receiver(t, fault, start=False)
    before = sorted(os.listdir(r.root))
    done = r.run()
    equal(done.returncode, code, done.stderr)
    contains(done.stderr, text)
    equal(sorted(set(os.listdir(r.root)) - {"lock", ".trial"}), before, "the root after it")
    del r.env["FAULT"]
    r.start()
    send(t, r, t.queue(), some(t, 3))


@test
def a_lock_that_cannot_be_asked_for_any_more_ends_it(t):
    """It may be another's by now: nothing is acknowledged."""
    r = receiver(t, "lock:9:ENOLCK:on")
    r.expect = IO
    c = r.client(hello=t.queue())
    for n in range(1, 10):
        c.put(n, "status", b"x")
    r.wait_log("event=root_lost .*No locks available")
    r.wait_end(IO)
    c.cut()


@test
def all_is_there_after_kills(t):
    """At any moment, with many items at once, so that threads help to recover them."""
    r = receiver(t, delay=1, sync="auto")
    queues = [t.queue() for _ in range(3)]
    items = some(t, 90)
    for life in range(5):
        clients = [r.client(hello=queue) for queue in queues]
        for n in range(1, 1 + (life + 1) * len(items) // 5):
            for c in clients:
                c.put(n, "status", items[n])
        for c in clients:
            c.flow(t.random.uniform(0, 0.3))
        for c in clients:
            c.cut()
        r.kill()
        r.start()
    for queue in queues:
        send(t, r, queue, items)
    all_there(r, list(items.values()) * len(queues))
    r.stop()
    kept_order(t)


@test
def an_answer_that_was_lost_is_no_failure(t):
    """What was moved is not moved a second time, under another name, nor missed."""
    r = receiver(t, LIES)
    items = some(t, 40)
    send(t, r, t.queue(), items)
    all_there(r, items.values())
    for event in ("publish_failed", "name_taken", "draft_gone"):
        assert "event=%s" % event not in r.log(), r.log()


@test
def nor_in_a_recovery(t):
    """Of items whose drafts were never synced, and of those that had to be moved only."""
    r = receiver(t, "fdatasync@draft:1:30000ms:once")
    # None so large that its draft is synced before it is acknowledged.
    queue, items = t.queue(), {n: t.bytes(300 * n) for n in range(1, 61)}
    send(t, r, queue, items)
    for faults in ("renameat@draft:20:KILL:once", LIES):
        r.consumed = True
        r.stop(None, signal.SIGKILL)
        r.env["FAULT"] = faults
        r.start(wait=faults == LIES)
        if faults != LIES:
            r.wait_end(-signal.SIGKILL)
    all_there(r, items.values())
    assert "event=name_taken" not in r.log(), r.log()
    send(t, r, queue, items)
    all_there(r, items.values())


@test
def a_spool_loses_nothing_and_sends_nothing_twice(t):
    r = t.receiver()
    q = Queue(t, r)
    added = list(q.add("status", b"the first").values())
    lies = on_netfs(t, q.spool, LIES)
    paths = []
    for n in range(30):
        added.append(t.bytes(500))
        paths.append(os.path.join(q.folder, "more%d" % n))
        with open(paths[-1], "wb") as file:
            file.write(added[-1])
    done = t.run([harness.INBOXQ, "add", "-c", q.conf, "-i", "status", *paths], env=lies)
    equal((done.returncode, len(done.stdout.split())), (0, 30), done.stderr)
    equal(q.numbers(), list(range(1, 32)), "numbers in the queue")
    done = t.run([harness.INBOXQ, "run", "--once", "-c", q.conf], env=on_netfs(t, q.spool))
    equal(done.returncode, 0, done.stderr)
    all_there(r, added)
    equal(q.numbers(), [], "numbers in the queue")


main()
