#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Nobody waits without a word, however slow the disk is and however much others send.

The journal's disk is made slow by the shim (tests/fault), so that the commit thread's queue is
what all wait for."""

import os
import statistics
import time

from client import sha256
from harness import SHIMMED, bound, equal, main, test, until

MIB = 1 << 20
QUEUE = 64
ONE_WORKER = {"limits": {"queue": str(QUEUE)},
              "receiver": {"workers": "1"}}


def slow_disk(t, fault, sections):
    """A receiver whose calls are late once arm() was called."""
    return t.receiver(sections, env={**SHIMMED, "FAULT": fault, "FAULT_SCOPE": "program",
                                     "FAULT_ARM": os.path.join(t.folder, "arm")})


def arm(t, slow=True):
    path = os.path.join(t.folder, "arm")
    if slow:
        open(path, "w", encoding="ascii").close()
    else:
        os.unlink(path)


def offer(c, first, count):
    digest = sha256(b"x")
    for n in range(first, first + count):
        c.asked[n] = ("status", digest)
    c.post("".join("PUT %d status 1 %s\nx" % (n, digest) for n in range(first, first + count)))


def stored(c):
    return sum(line.verb == "STORED" for line in c.history)


def flow_until(clients, done, seconds, what):
    """Lets all of them talk at once."""
    limit = time.monotonic() + bound(seconds)
    while not done():
        assert time.monotonic() < limit, "%s: did not come in %g s; stored: %r" % (
            what, bound(seconds), [stored(c) for c in clients])
        for c in clients:
            c.flow(0.002)


def leave(t, r, clients):
    """In the middle of it all: some of what was stored is not heard."""
    r.others = True
    for c in clients:
        c.cut()
    if os.path.exists(os.path.join(t.folder, "arm")):
        arm(t, slow=False)
    # What had come of them is read to its end, a piece at a time: nothing is at rest before.
    until(lambda: r.metric("inboxd_connections") == 0, 20, "all to be gone")


@test
def clients_that_send_much_get_equal_shares(t):
    r = slow_disk(t, "fdatasync@journal:1:100ms:on", ONE_WORKER)
    clients = [r.client(hello=t.queue()) for _ in range(3)]
    first, *others = clients
    arm(t)
    offer(first, 1, 3000)
    flow_until(clients, lambda: stored(first) >= QUEUE, 20, "the first one, alone")
    before = stored(first)
    for c in others:
        offer(c, 1, 3000)
    flow_until(clients, lambda: sum(map(stored, clients)) >= before + 8 * QUEUE, 30,
               "eight turns")
    shares = [stored(first) - before, *map(stored, others)]
    assert 2 * min(shares) >= max(shares), "stored: %r" % shares
    leave(t, r, clients)


@test
def client_that_sends_much_gets_what_others_leave(t):
    r = slow_disk(t, "fdatasync@journal:1:100ms:on", ONE_WORKER)
    clients = [r.client(hello=t.queue()) for _ in range(QUEUE // 4 + 1)]
    bulk, *others = clients
    arm(t)
    offer(bulk, 1, 3000)
    flow_until(clients, lambda: stored(bulk) >= QUEUE, 20, "the first one, alone")
    before = stored(bulk)
    for n in range(1, 5):
        for c in others:
            offer(c, n, 1)
        flow_until(clients, lambda n=n: all(stored(c) == n for c in others), 20, "one of each")
    assert stored(bulk) - before >= 2 * QUEUE, "stored: %d" % (stored(bulk) - before)
    leave(t, r, clients)


@test
def each_of_more_clients_than_the_queue_holds_is_served(t):
    r = slow_disk(t, "fdatasync@journal:1:100ms:on", ONE_WORKER)
    clients = [r.client(hello=t.queue()) for _ in range(QUEUE + 6)]
    bulk, *others = clients
    arm(t)
    offer(bulk, 1, 9000)
    flow_until(clients, lambda: stored(bulk) >= QUEUE, 20, "the first one, alone")
    before = stored(bulk)
    for c in others:
        offer(c, 1, 4)
    flow_until(clients, lambda: all(stored(c) == 4 for c in others), 20, "the others' items")
    assert stored(bulk) < 9000, "the first one was done"
    assert stored(bulk) - before <= 15 * QUEUE, stored(bulk) - before
    leave(t, r, clients)


def wait_for_one(c, n, others):
    """How long an item takes to be stored while others talk, too: seconds."""
    began = time.monotonic()
    offer(c, n, 1)
    flow_until([c, *others], lambda: stored(c) == n, 20, "item %d" % n)
    return time.monotonic() - began


@test
def fifty_wait_for_no_millionaire(t):
    """It has filled what may wait for the publisher, which is slow; what they send has room."""
    r = slow_disk(t, "fdatasync@draft:1:100ms:on", {"receiver": {"workers": "1"}})
    greedy, *fifty = [r.client(hello=t.queue()) for _ in range(51)]
    alone = statistics.median([wait_for_one(c, 1, []) for c in fifty])
    r.wait_published()
    arm(t)
    data = t.bytes(2000)
    for n in range(1, 5001):
        greedy.put(n, "status", data)

    def is_at_the_bound():
        greedy.flow(0.05)
        return r.gauge("unpublished_items") > 1000
    until(is_at_the_bound, 60)
    beside = statistics.median([wait_for_one(c, 2, [greedy]) for c in fifty])
    assert stored(greedy) < 5000, "the millionaire is done"
    # Behind a thousand at the publisher, a few at a time, they would wait for six seconds.
    assert beside < max(20 * alone, bound(1)), "alone %.3f s, beside %.3f s" % (alone, beside)
    leave(t, r, [greedy, *fifty])


@test
def nor_for_one_who_sends_one_by_one(t):
    """The room is full of its items, though never two of them waited."""
    r = slow_disk(t, "fdatasync@draft:1:2000ms:on", {"receiver": {"workers": "1"}})
    steady, *fifty = [r.client(hello=t.queue()) for _ in range(51)]
    arm(t)
    data = t.bytes(16000)
    for n in range(1, 1000):
        steady.put(n, "status", data)
        began = time.monotonic()
        while stored(steady) < n and time.monotonic() - began < bound(0.5):
            steady.flow(0.01)
        if stored(steady) < n:
            break
    else:
        raise AssertionError("there was room for all")
    times = [wait_for_one(c, 1, []) for c in fifty]
    assert max(times) < bound(2), times
    leave(t, r, [steady, *fifty])


def send_unread(c, text):
    """As much of it as the receiver takes, and nothing is read."""
    c._tls.write(text.encode("ascii"))
    data = c._out_bio.read()
    try:
        while data:
            data = data[c.sock.send(data):]
    except BlockingIOError:
        return False
    return True


@test
def slow_ones_stall_nobody(t):
    """One reads nothing, one sends a byte now and then, one has begun a line, one an item."""
    r = t.receiver({"receiver": {"workers": "1"}})
    c = r.client(hello=t.queue())
    deaf, slow, half, midway = others = [r.client(hello=t.queue()) for _ in range(4)]
    half.post("PUT 1 sta")
    midway.post("PUT 1 status 100000 %s\n" % sha256(b"never") + "x" * 50000)
    for _ in range(1000):
        if not send_unread(deaf, "PING\n" * 10000):
            break
    else:
        raise AssertionError("the receiver took all that was said, and its answers were not read")
    line = "PUT 1 status 1 %s\nx" % sha256(b"x")
    slow.asked[1] = ("status", sha256(b"x"))
    times = []
    for n in range(1, len(line) + 1):
        slow.post(line[n - 1])
        times.append(wait_for_one(c, n, []))
    assert statistics.median(times) < bound(0.15), times
    slow.stored(1)
    for other in [c, slow]:
        other.quit()
    leave(t, r, [deaf, half, midway])


@test
def who_is_not_read_for_want_of_room_hears_wait(t):
    """It has said nothing that is answered, but for what lies unread."""
    r = slow_disk(t, "fdatasync@journal:1:6500ms:once",
                  {"limits": {"queue": str(QUEUE), "idle": "2s"}, "receiver": {"workers": "1"}})
    c, other = [r.client(hello=t.queue()) for _ in range(2)]
    arm(t)
    other.put(1, "status", b"slow")
    until(lambda: r.drafts("status"), 10, "the draft")
    other.flow(0.3)
    c.post("SETTLED 1\n" * (QUEUE + 1))
    c.put(1, "status", b"x")
    c.stored(1)
    equal([line.verb for line in c.history], ["READY", "WAIT", "STORED"], "lines")
    c.quit()
    other.stored(1)
    other.quit()


@test
def upload_is_read_back_at_leisure(t):
    """What had come of it takes longer to digest than a connection may be idle."""
    r = slow_disk(t, "read:1:40ms:on", {"limits": {"idle": "2s"}})
    queue, data = t.queue(), t.bytes(10 * MIB)
    for begin, end in ((0, len(data) - 1), (len(data) - 1, len(data))):
        c = r.client(hello=queue)
        c.announce(1, "status", data, verb="OPEN")
        equal(c.answer(1).offset, begin, "offset")
        c.pieces(1, data, begin, end)
        if end < len(data):
            c.ping()
            c.cut()
            r.at_rest()
            arm(t)
    name = c.stored(1).name
    arm(t, slow=False)
    equal(sha256(r.read("status", name)), sha256(data), "bytes")
    assert {line.verb for line in c.history} == {"READY", "SEND", "WAIT", "STORED"}, c.history
    c.quit()


@test
def last_answers_come_however_short_idle_is(t):
    r = slow_disk(t, "fdatasync@journal:1:2500ms:once", {"limits": {"idle": "1s"}})
    c = r.client(hello=t.queue())
    arm(t)
    c.put(1, "status", b"slow")
    c.post("QUIT\n")
    c.stored(1)
    c.expect("BYE")
    equal(r.metric("inboxd_answers_unheard_total"), 0, "unheard")


if __name__ == "__main__":
    main()
