#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""inboxq against servers that lie (liars.py), all side by side: each client has a liar as its
first server, and an honest one as its second, which is away to begin with.

An item leaves queue/ only where one of the two had it whole and said STORED of it, or refused it;
nobody keeps a client busy, for ever, or from the second server.
"""

import contextlib
import os
import signal
import threading
import time

from copyqueue import Queue, run_in_background, said
from fakereceiver import FakeReceiver
from harness import bound, equal, main, slow, test, until
from liars import LIARS, TlsLiar

ALONE = 6.0      # seconds with the liar alone
REST = 20.0      # until the second one has all
ONCE = 25.0      # seconds that one cycle may take
STOP = 7.0       # until SIGTERM ends it
CPU = 1.0        # seconds of processor time, of each of the two lives
DIALS = 9        # of the liar, while it is alone: one a second, and what a clock may add
MEMORY = 40000   # KiB
ITEMS = (b"", b"abc", bytes(3000))  # and a large one


def status_of(process, key):
    with open("/proc/%d/status" % process.pid, encoding="ascii") as file:
        return int(next(line for line in file if line.startswith(key)).split()[1])


def seconds_of(process):
    """Of the processor."""
    with open("/proc/%d/stat" % process.pid, encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Trial:
    """One client with one liar."""

    def __init__(self, t, name, **how):
        self.t, self.name = t, name
        self.refuses = how.pop("refuses", False)
        self.stores, self.none = how.pop("stores", False), how.pop("none", False)
        self.event = how.pop("event", None)
        size = how.pop("size", 300000)
        minimum = how.pop("minimum", "1.3")
        self.liar = self.make_liar(**{"inline": 65536, **how})
        self.honest = FakeReceiver(t, host="honest", listens=False)
        self.q = Queue(t, self.liar, self.honest, timeout="2s", patience="1s", **{
            "connect-timeout": "2s", "retry-max": "2s"})
        self.set_minimum(minimum)
        self.items = self.q.add("status", *ITEMS, os.urandom(size))
        self.errors, self.figures, self.lives = [], [], 0
        self.thread = threading.Thread(target=self.run)

    def make_liar(self, openssl=None, done=None, **how):
        if openssl:
            return TlsLiar(self.t, *openssl)
        return FakeReceiver(self.t, on_complete=done, on_put=done, host="liar", **how)

    def set_minimum(self, version):
        """Of TLS."""
        with open(self.q.conf, encoding="ascii") as file:
            text = file.read()
        with open(self.q.conf, "w", encoding="ascii") as file:
            file.write(text.replace("[tls]\n", "[tls]\nminimum = %s\n" % version))

    def run(self):
        try:
            self.live(ALONE, lambda: False)
            self.honest.listen()
            self.live(REST, lambda: not self.q.numbers())
            self.look_at_the_end()
        except Exception as error:  # told by the test, for all of them
            self.errors.append(repr(error))

    def fault(self, text, *values):
        if text % values not in self.errors:
            self.errors.append(text % values)

    def log(self):
        with open(os.path.join(self.q.folder, "log"), encoding="ascii", errors="replace") as file:
            return file.read()

    def live(self, seconds, is_done):
        """One start of inboxq run, to its end by SIGTERM."""
        dials = self.liar.connections
        process = run_in_background(self.t, self.q)
        self.lives += 1
        until(lambda: self.log().count("event=started ") == self.lives, 20, "a start")
        begun = time.monotonic()
        while time.monotonic() - begun < bound(seconds) and not is_done():
            if process.poll() is not None:
                self.fault("inboxq run ended with %d", process.returncode)
                return
            self.look()
            time.sleep(0.1)
        alive = time.monotonic() - begun
        cpu, memory = seconds_of(process), status_of(process, "VmHWM")
        dials = self.liar.connections - dials
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            equal(process.wait(bound(STOP)), 0, "exit code behind SIGTERM")
        except Exception as error:
            self.fault("SIGTERM: %r", error)
        self.figures.append("%.1f s: %d dials, cpu %.2f s, %d KiB, stopped in %.1f s" % (
            alive, dials, cpu, memory, time.monotonic() - asked))
        if cpu > CPU * slow():
            self.fault("%.2f s of processor time in %.1f s", cpu, alive)
        if dials > DIALS * max(1, alive / ALONE):
            self.fault("%d dials in %.1f s", dials, alive)
        if slow() == 1.0 and memory > MEMORY:
            self.fault("%d KiB of memory", memory)
        self.look()

    def look(self):
        """What is gone had its answer.  It is read in this order, as items leave meanwhile."""
        failed = set(self.q.numbers("failed"))
        gone = set(self.items) - set(self.q.numbers()) - set(self.q.numbers("failed"))
        lost = gone - self.liar.right - set(self.honest.stored)
        if lost:
            self.fault("gone without a right STORED: %r", sorted(lost))
        if failed and not self.refuses:
            self.fault("set aside: %r", sorted(failed))

    def look_at_the_end(self):
        if self.q.numbers():
            self.fault("still in the queue: %r", self.q.numbers())
        for n, data in self.items.items():
            if n in self.honest.stored and self.honest.stored[n] != data:
                self.fault("item %d came spoilt", n)
        equal(self.honest.wrong, [], "what the client may not say")
        if self.stores and self.honest.stored:
            self.fault("not stored by the first, which takes them: %r", sorted(self.honest.stored))
        if self.none and len(self.honest.stored) < len(self.items):
            self.fault("the second has but %r", sorted(self.honest.stored))
        log = said(self.q)
        if self.event and "event=%s " % self.event not in log:
            self.fault("no event=%s in the log", self.event)
        if "event=log_lines_lost" in log or len(log) > 1 << 20:
            self.fault("a log of %d bytes", len(log))


class OneCycle(Trial):
    """Likewise, for one cycle, in which the second server is away: it ends."""

    def run(self):
        try:
            process = run_in_background(self.t, self.q, "--once")
            begun, cpu = time.monotonic(), 0
            while process.poll() is None and time.monotonic() - begun < bound(ONCE):
                with contextlib.suppress(OSError):
                    cpu = seconds_of(process)
                self.look()
                time.sleep(0.1)
            code = process.poll()
            self.figures.append("one cycle: %.1f s, %d dials, cpu %.2f s, exit code %s" % (
                time.monotonic() - begun, self.liar.connections, cpu, code))
            self.look()
            if code not in (0, 65, 75) or (code == 0) != (not self.q.numbers() and
                                                          not self.q.numbers("failed")):
                self.fault("one cycle: exit code %s with %r", code, self.q.numbers())
            said(self.q)
            if cpu > CPU * slow():
                self.fault("one cycle: %.2f s of processor time", cpu)
        except Exception as error:
            self.errors.append(repr(error))


@test
def who_lies_neither_gets_an_item_for_nothing_nor_keeps_one(t):
    wanted = os.environ.get("LIARS", "").split()
    names = [name for name in LIARS if not wanted or name in wanted]
    trials = [trial(t, name, **LIARS[name]) for name in names for trial in (Trial, OneCycle)]
    for trial in trials:
        trial.thread.start()
    for trial in trials:
        trial.thread.join()
    broken = [trial for trial in trials if trial.errors]
    for trial in trials:
        t.note("%-22s %s" % (trial.name, "; ".join(trial.figures)))
    for trial in broken:
        t.note("---- %s: %s\n%s" % (trial.name, "; ".join(trial.errors), trial.log()[-3000:]))
    equal([(trial.name, trial.errors) for trial in broken], [], "who got his way")


main()
