#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A fleet does not come in one moment: a few hundred real inboxq before one receiver that stops,
is killed and stays away, or was switched on with them.  When sessions begin is read in the
receiver's log, and shown as a histogram.

make check takes FLEET=40 of them and the first case alone; make check-fleet takes 300 and all.
"""

import calendar
import os
import re
import signal
import time

from copyqueue import Queue, cpu, run_in_background, said
from harness import CLOCK, Skip, bound, main, sanitizers, test, until

FLEET = int(os.environ.get("FLEET", "0"))
CLIENTS = FLEET or 40
PATIENCE = 400  # seconds a case may take, of check-fleet
READY = re.compile(r"(\S+)\.(\d{3})Z info +event=session_ready ")


def arrivals(r):
    """When sessions began since the receiver's last start: seconds since 1970."""
    return sorted(calendar.timegm(time.strptime(when, "%Y-%m-%dT%H:%M:%S")) + int(part) / 1000
                  for when, part in READY.findall(r.log(here=True)))


def tenths(times, begin, end):
    bins = [0] * 10
    for moment in times:
        bins[min(9, int((moment - begin) / (end - begin) * 10))] += 1
    return bins


def judge(t, what, times, begin, end, most):
    """None of the window's tenths has more than this share of all."""
    bins = tenths(times, begin, end)
    width = (end - begin) / 10
    t.note("%s: %d sessions in %.1f s" % (what, len(times), end - begin))
    for i, count in enumerate(bins):
        t.note("%5.1f to %4.1f s %4d %s" % (i * width, (i + 1) * width, count,
                                           "#" * round(60 * count / max(bins))))
    share = max(bins) / len(times)
    assert share <= most, "%s: a tenth has %.2f of all, want at most %.2f: %s" % (
        what, share, most, bins)


class Fleet:
    def __init__(self, t, env=None, **keys):
        signal.alarm(PATIENCE)
        self.t = t
        self.r = t.receiver({"limits": {"connections": "4000", "client-connections": "4000",
                                        "handshakes": "1000"}})
        self.r.sections["receiver"]["listen"] = "127.0.0.1:%d" % self.r.port
        self.r.write_conf()
        self.queues = [Queue(t, self.r, **keys) for _ in range(CLIENTS)]
        self.runs = [run_in_background(t, q, env=env) for q in self.queues]

    def wait(self, seconds):
        """Until all are there; when they came."""
        until(lambda: len(arrivals(self.r)) >= CLIENTS, seconds, "the whole fleet")
        return arrivals(self.r)[:CLIENTS]

    def cpu(self):
        return sum(cpu(run) for run in self.runs)

    def add(self):
        for q in self.queues:
            q.add("status", b"x")

    def end(self):
        for run in self.runs:
            run.send_signal(signal.SIGTERM)
        for run, q in zip(self.runs, self.queues):
            assert run.wait(bound(30)) == 0, said(q)


def only_for_many():
    if not FLEET:
        raise Skip("takes minutes: make check-fleet")
    if sanitizers():
        raise Skip("a sanitizer has a time of its own")


@test
def fleet_whose_receiver_restarts_comes_back_by_and_by(t):
    least = 5 if FLEET else 2
    fleet = Fleet(t, **{"retry-min": "%ds" % least, "retry-max": "%ds" % (60 * least)})
    fleet.wait(60)
    fleet.r.stop()
    stopped = time.time()
    fleet.r.start()
    times = fleet.wait(20 * least)
    # The first back-off is from retry-min to three times that.
    judge(t, "after a restart", times, stopped, stopped + 3 * least + 1, 0.3 if FLEET else 0.4)
    assert len(arrivals(fleet.r)) == CLIENTS, "somebody came twice"
    fleet.end()


@test
def fleet_whose_receiver_was_away_comes_back_by_and_by(t):
    only_for_many()
    fleet = Fleet(t, **{"retry-min": "2s", "retry-max": "60s"})
    fleet.wait(60)
    fleet.r.kill()
    fleet.add()
    begun, spent = time.monotonic(), fleet.cpu()
    time.sleep(30)
    spent, passed = fleet.cpu() - spent, time.monotonic() - begun
    each = spent / passed / CLIENTS
    t.note("while it was away a client took %.2f ms of processor time a second" % (1000 * each))
    assert each < 0.01, "%g s a second" % each
    started = time.time()
    fleet.r.start()
    times = fleet.wait(120)
    judge(t, "after an outage", times, started, times[-1], 0.35)
    until(lambda: len(fleet.r.files("status")) == CLIENTS, 60, "each one's item")
    fleet.end()


@test
def fleet_that_is_switched_on_comes_within_a_minute(t):
    only_for_many()
    clock = os.path.join(t.folder, "clock")
    with open("/proc/uptime", encoding="ascii") as file:
        uptime = int(float(file.read().split()[0]))
    with open(clock, "w", encoding="ascii") as file:
        file.write("%d" % (1 - uptime))
    begun = time.time()
    assert os.path.exists(CLOCK), "make tests/fault/clock.so first"
    fleet = Fleet(t, env={"LD_PRELOAD": CLOCK, "CLOCK_FILE": clock})
    started = time.time() - begun
    t.note("%.1f s to start all" % started)
    times = fleet.wait(90)
    judge(t, "after the power's return", times, begun, times[-1], 0.25)
    assert times[-1] - begun <= 60 + started + 3, "the last came after %g s" % (times[-1] - begun)
    fleet.end()


if __name__ == "__main__":
    main()
