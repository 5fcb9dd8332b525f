#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The order of things for every single item, from a trace (P1, P3): trace.py has the rules."""

import re

from common import arm, events, shim
from harness import bound, cases, equal, main, need_call, test
from trace import Trace

SMALL = (0, 1, 300, 3000, 30000)
EDGES = (65535, 65536, 65537, 70000)  # the journal has no bytes of items above 64 KiB
LARGE = 300000
SEGMENTS = 4


def converse(t, r, many, sizes):
    """Clients in pipelines: items whole, one in pieces beside them, one sent twice."""
    clients = []
    for i in range(8):
        c = r.client("pc%d.example.org" % (i % 2), hello=t.queue())
        large = t.bytes(LARGE)
        c.announce(1, "status", large, verb="OPEN")
        for n in range(2, many + 1):
            c.put(n, t.random.choice(["status", "reports"]), t.bytes(t.random.choice(sizes)))
        clients.append((c, large))
    for c, large in clients:
        equal(c.answer(1).verb, "SEND")
        c.pieces(1, large, size=60000)
    for c, _ in clients:
        for n in range(1, many + 1):
            c.stored(n, bound(60))
        send_twice(c, many + 1)
        c.quit()
    return 8 * (many + 1)


def send_twice(c, n):
    """So that both stand in the same turn, as a rule."""
    c.put(n, "status", b"twice")
    c.put(n, "status", b"twice")
    answers = []
    while len(answers) < 2:
        line = c.line()
        if line.verb == "STORED":
            answers.append(line)
    equal([line.get("again") for line in answers], [None, "1"])
    equal(answers[0].name, answers[1].name)


def ended(t, r, count, twice=8):
    """Stops it when all is visible, and holds its trace to the rules."""
    r.check()
    r.stop()
    trace = Trace(events(t))
    equal(len(trace.names()), count, "items acknowledged in the trace")
    equal(set(trace.frames), trace.names(), "items in the journal")
    equal(set(trace.published), trace.names(), "items renamed into new/")
    trace.check()
    last = trace.batches[-1]
    equal((last.durable, last.published), (last.last, last.last), "the marks after a stop")
    again = sum(again for _, _, again in trace.stored)
    assert again == twice or trace.lives > 1, "%d answers to what was sent twice" % again
    return trace


@cases([("auto", "auto", ""), ("files", "files", ""), ("filesystem", "filesystem", ""),
        ("auto, without renameat2", "auto", "renameat2:1:EPERM:on"),
        ("files, without renameat2", "files", "renameat2:1:ENOSYS:on"),
        ("filesystem, without renameat2", "filesystem", "renameat2:1:EINVAL:on")])
def each_step_waits_for_the_one_it_stands_on(t, sync, faults):
    if sync == "filesystem":
        need_call("syncfs")
    r = t.receiver({"receiver": {"sync": sync, "workers": "3",
                                 "ledger-size": "64K"}}, env=shim(t, faults, trace=True))
    arm(t)
    count = converse(t, r, 40, SMALL + EDGES)
    trace = ended(t, r, count)
    without = [name for name, frame in trace.frames.items() if not frame.has_bytes]
    assert 8 < len(without) < count, "%d frames of %d without bytes" % (len(without), count)
    first, *_, last = trace.batches
    used = [begin for begin, _ in trace.syncs.get("syncfs", ()) if first.end < begin < last.begin]
    assert sync == "auto" or bool(used) == (sync == "filesystem"), "%d syncfs" % len(used)
    segments = {path for _, path in trace.accepted.values()}
    assert len(segments) > 1, "the ledger was not rotated"
    t.note("%d items, %d batches, %d frames without bytes, %d syncs, %d of them syncfs, "
           "%d segments of the ledger" % (
               count, len(trace.batches), len(without), sum(map(len, trace.syncs.values())),
               len(used), len(segments)))


@cases([("new/", "files", "fsync@newdir:1:100ms:on"),
        ("all", "filesystem", "syncfs:1:100ms:on")])
def no_frame_is_written_over_before_its_item_is_published(t, sync, late):
    """The journal is small and its publisher slow: segments are used in turn, and waited for."""
    if sync == "filesystem":
        need_call("syncfs")
    r = t.receiver({"receiver": {"sync": sync, "workers": "3"}, "limits": {"window": "100"}},
                   env=shim(t, late, trace=True))
    arm(t)
    count = converse(t, r, 60, (30000, 65536, 65000))
    trace = ended(t, r, count)
    begun = [batch.path for batch in trace.batches if batch.at == 0]
    assert len(begun) >= 3 * SEGMENTS, "only %d segments were begun" % len(begun)
    equal(len(set(begun)), SEGMENTS, "segments that were used")
    # The last one is for those of whom one item waits, as may be or not.
    assert trace.fewest_free(SEGMENTS) <= 1, "segments were never waited for"
    t.note("%d items, %d batches, %d segments begun" % (count, len(trace.batches), len(begun)))


@test
def lines_of_the_ledger_are_synced_though_it_is_rotated_meanwhile(t):
    """The publisher is at its sync of the old file when lines come into it and the new one is
    begun: those, rotation itself has to sync."""
    r = t.receiver({"receiver": {"workers": "3", "ledger-size": "64K"}},
                   env=shim(t, "fdatasync@ledger:1:200ms:on", trace=True))
    arm(t)
    count = converse(t, r, 120, SMALL)
    trace = ended(t, r, count)
    segments = {path for _, path in trace.accepted.values()}
    assert len(segments) > 1, "the ledger was not rotated"
    t.note("%d items, %d batches, %d segments of the ledger" % (
        count, len(trace.batches), len(segments)))


@cases([("files", "files", "fdatasync@draft:1:20ms:on"), ("filesystem", "filesystem",
                                                          "syncfs:1:80ms:on")])
def a_recovery_keeps_the_order_too(t, sync, late):
    """Killed again and again with items at every step: the trace goes on from life to life."""
    if sync == "filesystem":
        need_call("syncfs")
    r = t.receiver({"receiver": {"sync": sync}}, env=shim(t, late, trace=True))
    arm(t)
    queues = [t.queue() for _ in range(3)]
    items = [t.bytes(t.random.choice(SMALL + EDGES)) for _ in range(40)]
    for life in range(6):
        clients = [r.client(hello=queue) for queue in queues]
        for n in range(1, 1 + (life + 1) * len(items) // 6):
            for c in clients:
                c.put(n, "status", items[n - 1])
        for c in clients:
            c.flow(t.random.uniform(0, 0.1))
        for c in clients:
            c.cut()
        r.kill()
        r.start()
    clients = [r.client(hello=queue) for queue in queues]
    for c in clients:
        for n, data in enumerate(items, 1):
            c.put(n, "status", data)
    for c in clients:
        for n in range(1, len(items) + 1):
            c.stored(n)
        c.quit()
    trace = ended(t, r, len(queues) * len(items), 0)
    equal(trace.lives, 1 + 7, "lives in the trace, with that which made the folders")
    lines = re.findall(r"event=recovered [^\n]*", r.log())
    t.note("%d batches; written anew by recoveries: %d, found as drafts: %d, visible: %d" % (
        len(trace.batches), *(sum(map(int, re.findall(r" %s=(\d+)" % word, "\n".join(lines))))
                              for word in ("written", "finished", "visible"))))


if __name__ == "__main__":
    main()
