#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Nobody waits without a word, however slow the disk is and however much others send.

The journal's disk is made slow by the shim (tests/fault), so that the commit thread's queue is
what all wait for."""

import os
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
    arm(t, slow=False)


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
