# SPDX-License-Identifier: ISC
"""Two receivers that call themselves by one name, behind gates, and a copy queue with both."""

import time

from client import sha256
from copyqueue import Queue
from gate import Gate
from harness import equal, file_digest

HOST = {"receiver": {"host": "cap"}, "limits": {"forgive": "0"}}
BOTH = {"status": {"clients": "*"}}


class Pair:
    """Two receivers behind gates, and a queue with both as its servers."""

    def __init__(self, t, **keys):
        self.t = t
        self.receivers = [t.receiver(HOST, inboxes) for inboxes in
                          (BOTH, {**BOTH, "second": {"clients": "*"}})]
        for r in self.receivers:
            r.consumed = True
        self.gates = [Gate(t, lambda r=r: r.address) for r in self.receivers]
        self.q = Queue(t, *self.gates, **{"timeout": "2s", "connect-timeout": "2s", **keys})
        self.items = {}    # n: bytes
        self.removed = set()

    def add(self, inbox, *contents):
        self.items.update(self.q.add(inbox, *contents))

    def some(self, count):
        """No two alike, so that a digest tells whose copies they are."""
        sizes = (0, 30, 300, 3000, 70000)
        return [b"%d of %d " % (i, len(self.items)) + self.t.bytes(self.t.random.choice(sizes))
                for i in range(count)]

    def lose_answers(self, i, seconds):
        """What the receiver says is lost for a while, then the connection."""
        self.gates[i].holds = True
        time.sleep(seconds)
        self.gates[i].cut()
        self.gates[i].holds = False

    def shut(self, i, is_shut=True):
        self.gates[i].is_shut = is_shut
        if is_shut:
            self.gates[i].cut()

    def visit(self, i):
        """A cycle with one of them alone, so that it hears what it has to know."""
        self.q.point_at(self.gates[i])
        self.q("run", "--once")

    def check(self):
        """All is somewhere, nothing twice at one; neither misses a number."""
        equal(self.q.numbers(), [], "queue/")
        equal(self.q.numbers("failed"), [], "failed/")
        there, marks = [], set()
        for i, r in enumerate(self.receivers):
            r.at_rest()
            found = [file_digest(r.path(inbox, name)) for inbox in r.inboxes
                     for name in r.files(inbox)]
            equal(len(found), len(set(found)), "items that are twice at receiver %d" % i)
            there += found
        for n, data in self.items.items():
            assert sha256(data) in there or n in self.removed, "item %d is nowhere" % n
        for i, r in enumerate(self.receivers):
            row = r.client_row(self.q.id())
            equal((r.metric("inboxd_numbers_missing_total"), row["missing"]), (0, 0),
                  "numbers missing at receiver %d" % i)
            marks.add(row["settled"])
            assert "event=gap" not in r.log(), r.log()
        # What was offered again has another number by now.
        assert len(marks) == 1 and min(marks) > max(self.items), "the marks: %r" % marks
        doubles = len(there) - len(set(there))
        self.t.note("%d items, %r stored, %d of them at both; %d connections" % (
            len(self.items), [r.client_row(self.q.id())["stored"] for r in self.receivers],
            doubles, sum(gate.connections for gate in self.gates)))
        return doubles
