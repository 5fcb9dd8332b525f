#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""inboxq where somebody sets the clock.  (For sleep and wake: test_sleep.py.)"""

import os
import re
import signal
import time

from copyqueue import Queue, run_in_background, said
from fakereceiver import FakeReceiver
from harness import CLOCK, INBOXQ, Skip, bound, equal, main, sanitizers, slow, test, until

DAY = 86400
YEAR = 365 * DAY


class Clock:
    """What a program that is started with `env` takes for the time."""

    def __init__(self, t):
        if "thread" in sanitizers():
            raise Skip("ThreadSanitizer has clocks of its own")
        self.path = os.path.join(t.folder, "clock")
        self.env = {"LD_PRELOAD": CLOCK, "CLOCK_FILE": self.path,
                    "ASAN_OPTIONS": "verify_asan_link_order=0"}
        self.set()

    def set(self, day=0, boot=0):
        """Seconds ahead."""
        with open(self.path + ".new", "w", encoding="ascii") as file:
            file.write("%d %d\n" % (boot, day))
        os.rename(self.path + ".new", self.path)


def seconds_of(process):
    """Of the processor."""
    with open("/proc/%d/stat" % process.pid, encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(t, q, clock):
    process = run_in_background(t, q, env=clock.env)
    until(lambda: os.path.exists(os.path.join(q.folder, "log")) and
          "event=started " in said(q), 20, "a start")
    return process


def end(process):
    process.send_signal(signal.SIGTERM)
    equal(process.wait(bound(8)), 0, "exit code behind SIGTERM")


def gone(q, seconds=15):
    try:
        until(lambda: not q.numbers(), seconds, "the queue to be empty")
    except AssertionError as error:
        raise AssertionError("%s\n%s" % (error, said(q))) from None


@test
def whoever_sets_the_time_of_day_neither_stops_nor_hurries_the_queue(t):
    clock = Clock(t)
    fake = FakeReceiver(t)
    q = Queue(t, fake)
    process = start(t, q, clock)
    jumps = (YEAR, -YEAR, -int(time.time()) + 5, 20 * YEAR, 0)
    for number, jump in enumerate(jumps, 1):
        clock.set(day=jump)
        equal(sorted(q.add("status", b"item %d" % number)), [number])
        gone(q)
        time.sleep(0.5)
        line = q.sent_log()[-1]
        year = time.gmtime(time.time() + jump).tm_year
        equal((line[0][:4], line[1]), ("%04d" % year, str(number)), "sent.log's date and number")
        assert process.poll() is None, said(q)
    equal(len(fake.stored), len(jumps))
    equal(fake.connections, 1)
    equal(fake.wrong, [])
    used = seconds_of(process)
    assert used < 0.5 * slow(), "%.2f s of processor time" % used
    end(process)


@test
def waits_are_not_the_time_of_days(t):
    """Dials of a server that is away go on at their pace."""
    clock = Clock(t)
    fake = FakeReceiver(t, listens=False)
    q = Queue(t, fake, **{"retry-min": "1s", "retry-max": "2s"})
    q.add("status", b"one")
    process = start(t, q, clock)
    for jump in (10 * YEAR, -10 * YEAR):
        clock.set(day=jump)
        before = said(q).count("event=connect_failed")
        time.sleep(3)
        dials = said(q).count("event=connect_failed") - before
        assert 1 <= dials <= 4, "%d dials in 3 s, %d s ahead" % (dials, jump)
    fake.listen()
    until(lambda: "certificate is not yet valid" in said(q), 20, "the wrong date to be told")
    equal(q.numbers(), [1])
    clock.set()
    gone(q)
    used = seconds_of(process)
    assert used < 0.5 * slow(), "%.2f s of processor time" % used
    end(process)


@test
def ages_are_never_below_0(t):
    clock = Clock(t)
    q = Queue(t, servers=["127.0.0.1:1"])
    for jump in (YEAR, 0, -YEAR):
        clock.set(day=jump)
        done = t.run([INBOXQ, "add", "-c", q.conf, "-i", "status"], stdin="%d" % jump,
                     env=clock.env)
        equal(done.returncode, 0, done.stderr)
    for jump in (YEAR, 0, -YEAR, -int(time.time()) + 5):
        clock.set(day=jump)
        for command in ("list", "status"):
            for option in ([], ["--json"]):
                done = t.run([INBOXQ, command, "-c", q.conf, *option], env=clock.env)
                assert done.returncode in (0, 75), done.stderr
                assert not re.search(r"(^|[\s:\"])-\d", done.stdout), done.stdout
                assert "1844674407" not in done.stdout, done.stdout


@test
def what_was_refused_is_offered_again_at_its_pace_whatever_the_clock(t):
    clock = Clock(t)
    fake = FakeReceiver(t, on_put=lambda c, n, _: c.answer(n, "REFUSED %d no-inbox x" % n) or True)
    q = Queue(t, fake, offer_again="2s")
    q.add("status", b"one")
    process = start(t, q, clock)
    until(lambda: q.numbers("failed"), 20, "to be refused")
    for jump in (-YEAR, YEAR):
        clock.set(day=jump)
        before = len(fake.said("PUT"))
        time.sleep(5)
        again = len(fake.said("PUT")) - before
        assert 1 <= again <= 4, "offered %d times in 5 s, %d s ahead" % (again, jump)
    fake.on_put = lambda *_: False
    until(lambda: not q.numbers("failed") and not q.numbers(), 20, "to be stored")
    assert seconds_of(process) < 0.5 * slow(), "%.2f s" % seconds_of(process)
    end(process)


@test
def a_server_that_says_wait_for_ever_has_ten_minutes(t):
    clock = Clock(t)

    def waits(c, line):
        if not line.startswith("PUT "):
            return False
        while True:
            c.say("WAIT 5")
            time.sleep(0.2)

    fake, second = FakeReceiver(t, odd=waits), FakeReceiver(t)
    q = Queue(t, fake, second, timeout="5s")
    q.add("status", b"one")
    process = start(t, q, clock)
    until(lambda: fake.said("PUT"), 20, "the item to be sent")
    time.sleep(2)
    for minutes in (4, 8):
        clock.set(boot=60 * minutes)
        time.sleep(1.2)
        equal(second.connections, 0, "connections to the second behind %d minutes" % minutes)
    clock.set(boot=60 * 11)
    gone(q)
    equal(sorted(second.stored), [1])
    end(process)


main()
