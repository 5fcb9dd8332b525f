#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Machines that sleep for hours, or were just started: a wait is not begun anew, and a connection
that died in the sleep is not trusted.

The sleep is played (fault/clock.c): the clock that goes on in one jumps, the other does not.
"""

import os
import re
import signal
import time

from copyqueue import Listener, Queue, end_run, run_in_background, said
from fakereceiver import FakeReceiver
from harness import CLOCK, equal, main, test, until

HOUR = 3600


class Clock:
    """What a client's machine has slept."""

    def __init__(self, q):
        self.path = os.path.join(q.folder, "clock")
        self.env = {"LD_PRELOAD": CLOCK, "CLOCK_FILE": self.path,
                    "ASAN_OPTIONS": "verify_asan_link_order=0"}
        self.set(0)

    def set(self, seconds):
        with open(self.path + ".new", "w", encoding="ascii") as file:
            file.write("%d" % seconds)
        os.rename(self.path + ".new", self.path)


@test
def wait_is_over_when_the_machine_wakes(t):
    away = Listener(t, lambda sock: sock.close())
    q = Queue(t, away, **{"retry-min": "20s", "retry-max": "600s"})
    clock = Clock(q)
    q.add("status", b"one")
    run = run_in_background(t, q, env=clock.env)
    until(lambda: "event=cycle_over" in said(q), 10, "the wait before the first dial")
    run.send_signal(signal.SIGUSR1)
    until(lambda: away.connections == 1, 10, "the first dial")
    time.sleep(2.5)
    equal(away.connections, 1, "dials before the sleep")
    clock.set(HOUR)
    until(lambda: away.connections == 2, 5, "a dial after it")
    end_run(run, q)


@test
def connection_that_the_server_has_given_up_is_not_trusted(t):
    fake = FakeReceiver(t, idle=300)
    q = Queue(t, fake)
    clock = Clock(q)
    q.add("status", b"one")
    run = run_in_background(t, q, env=clock.env)
    until(lambda: not q.numbers(), 10, "the first item")
    clock.set(HOUR)
    until(lambda: "asleep for longer than the server waits" in said(q), 5, "the end of it")
    until(lambda: fake.connections == 2, 10, "a new one")
    q.add("status", b"two")
    until(lambda: not q.numbers(), 10, "the second item")
    end_run(run, q)
    equal(fake.wrong, [], "what the client may not say")


@test
def connection_is_tried_after_a_short_sleep(t):
    """Nothing that was due counts as late by the sleep, but the server has to say something."""
    answers = [True]

    def odd(c, line):
        return line == "PING" and not answers[0]
    fake = FakeReceiver(t, odd, idle=300)
    q = Queue(t, fake, timeout="2s")
    clock = Clock(q)
    q.add("status", b"one")
    run = run_in_background(t, q, env=clock.env)
    until(lambda: not q.numbers(), 10, "the first item")
    equal(fake.said("PING"), [], "what keeps the connection")
    clock.set(100)
    until(lambda: fake.said("PING"), 5, "a question after the sleep")
    time.sleep(3)
    equal(fake.connections, 1, "connections while the server answers")
    answers[0] = False
    clock.set(200)
    until(lambda: "no answer in time" in said(q), 10, "the loss of who does not")
    until(lambda: fake.connections == 2, 10, "a new one")
    end_run(run, q)


@test
def stopped_client_goes_on_where_it_was(t):
    fake = FakeReceiver(t, idle=300)
    q = Queue(t, fake, timeout="2s")
    q.add("status", b"one")
    run = run_in_background(t, q)
    until(lambda: not q.numbers(), 10, "the first item")
    run.send_signal(signal.SIGSTOP)
    time.sleep(7)
    run.send_signal(signal.SIGCONT)
    q.add("status", b"two")
    until(lambda: not q.numbers(), 10, "the second item")
    end_run(run, q)
    equal(fake.connections, 1, "connections")


@test
def fleet_that_is_switched_on_comes_within_a_minute(t):
    """Each at a time of its own, by its name and queue."""
    waits = []
    fake = FakeReceiver(t)
    with open("/proc/uptime", encoding="ascii") as file:
        uptime = int(float(file.read().split()[0]))
    for _ in range(8):
        q = Queue(t, fake)
        clock = Clock(q)
        found = []
        for _ in range(2):
            # The second start of the machine is as the first.
            clock.set(5 - uptime)
            run = run_in_background(t, q, env=clock.env)
            line = until(lambda q=q, n=len(found): re.findall(
                r"event=cycle_over pending=0 next_in=(\d+)", said(q))[n:], 10, "a wait")
            found.append(int(line[0]))
            end_run(run, q)
        assert abs(found[0] - found[1]) <= 2, found
        waits.append(found[0])
    assert max(waits) <= 60 and max(waits) - min(waits) > 10, waits


if __name__ == "__main__":
    main()
