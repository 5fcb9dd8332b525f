#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A fleet that is told something in one moment does not come back in one: seconds are by lot.

tests/unit/test_spread holds how they are drawn; here is what clients hear."""

import collections
import signal
import time

from harness import bound, equal, main, test

ITEMS = 60
FLEET = 520     # sessions: two seconds for them, at one for 250


@test
def later_is_another_second_for_each_item_and_client(t):
    r = t.receiver({"limits": {"reserve": "1000T"}})
    heard = []
    for _ in range(2):  # a worker each
        c = r.client(hello=t.queue())
        for n in range(1, ITEMS + 1):
            c.put(n, "status", b"x")
        lines = [c.answer(n) for n in range(1, ITEMS + 1)]
        equal({(line.verb, line.code) for line in lines}, {("LATER", "full")}, "answers")
        heard.append([line.seconds for line in lines])
        c.quit()
    for seconds in heard:
        assert 60 <= min(seconds) < max(seconds) <= 75, seconds
        assert len(set(seconds)) >= 8, seconds
    assert heard[0] != heard[1], "both workers draw alike"


@test
def fleet_of_a_receiver_that_stops_comes_back_by_and_by(t):
    r = t.receiver({"limits": {"client-connections": "1000"}})
    clients = [r.client(hello=t.queue()) for _ in range(FLEET)]
    r.process.send_signal(signal.SIGTERM)
    heard = collections.Counter()
    for c in clients:
        line = c.expect("GOAWAY")
        equal(line.code, "stopping")
        heard[line.seconds] += 1
        c.wait_close()
    r.wait_end(0)
    equal(sorted(heard), [0, 1, 2], "seconds for %d sessions" % FLEET)
    assert min(heard.values()) >= FLEET // 6, heard


@test
def crowd_comes_back_by_and_by(t):
    """No session makes room: each has begun a line."""
    r = t.receiver({"limits": {"connections": "2", "line": "300s"}})
    inside = [r.client(hello=t.queue()) for _ in range(2)]
    for c in inside:
        c.post("PIN")
        c.flow(0.1)
    heard = []
    limit = time.monotonic() + bound(30)
    while len(set(heard)) < 4 and len(heard) < 40 and time.monotonic() < limit:
        c = r.client()
        line = c.expect("GOAWAY")
        equal(line.code, "crowded")
        heard.append(line.seconds)
        c.wait_close()
    assert len(set(heard)) >= 4 and 60 <= min(heard) <= max(heard) <= 75, heard
    for c in inside:
        c.post("G\n")
        c.expect("PONG")
        c.quit()


if __name__ == "__main__":
    main()
