#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Death anywhere: receiver and clients are killed at random moments, under load, through a bad net.

A kill is no power loss, what was written stays: so not only is nothing acknowledged
lost, no item may come twice either (P4).  SECONDS says how long, SEED repeats the
draws of a run (its timing is the machine's).  steps.py kills before every call, in order.
"""

import collections
import hashlib
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../fault")]

from common import harness  # noqa: E402
import lives  # noqa: E402
import meta  # noqa: E402
from actors import INBOXES, Consumer, PythonClient, Queue, id_of  # noqa: E402
from proxy import Proxy  # noqa: E402

PATIENCE = 60  # seconds for all that waits to arrive once nobody is killed any more
# Where the disk of a life is slow, so that much is acknowledged and not yet in new/ when it ends.
LATE = ("", "fdatasync@journal:1:15ms:on", "fdatasync@draft:1:8ms:on", "fsync@newdir:1:60ms:on",
        "syncfs:1:60ms:on", "renameat2@draft:1:8ms:on")


class Crash:
    def __init__(self, t, seed):
        self.t = t
        self.random = random.Random(seed)
        self.kills = collections.Counter()
        self.errors = []
        self.waited = 0  # items of the clients in Python that a kill found not visible yet
        self.run = lives.ReceiverRun(t)
        self.r = self.run.r
        self.r.sections["log"]["level"] = "info"
        self.ways = meta.ways(t.folder)
        for inbox, way in self.ways.items():
            self.r.inboxes[inbox]["meta"] = way
        self.r.write_conf()
        self.r.make()
        self.proxy = Proxy(lambda: ("127.0.0.1", self.r.port), self.draw())
        self.consumer = Consumer(self.draw(), self.r.root, self.ways)
        self.clients = [PythonClient(self.draw(), self.r, self.proxy.port, "p%d" % i)
                        for i in range(2)]
        self.queues = [Queue(self.draw(), self.r, self.proxy.port, "q%d" % i) for i in range(2)]

    def draw(self):
        return random.Random(self.random.getrandbits(64))

    # ---- killing

    def draw_life(self):
        """Each has its own way to sync."""
        self.r.sections["receiver"]["sync"] = self.random.choice(("auto", "files", "filesystem"))
        self.r.write_conf()
        late = self.random.choice(LATE)
        self.r.env = {**harness.SHIMMED, "FAULT": late} if late else {}

    def start_receiver(self):
        if not self.run.start():
            raise lives.Wrong("the receiver does not start:\n" + self.r.log(here=True))

    def kill_receiver(self):
        code = self.r.process.poll()
        if code is not None:
            raise lives.Wrong("the receiver ended with %d by itself:\n%s" % (
                code, self.r.log(here=True)[-3000:]))
        self.r.process.kill()
        self.r.process.wait()
        self.r.process = None
        self.kills["receiver"] += 1

    def restart_receiver(self):
        """Now and then it dies in its recovery, too."""
        self.draw_life()
        while self.random.random() < 0.25:
            self.r.start(wait=False)
            time.sleep(self.random.uniform(0, 0.02))
            self.kill_receiver()
            self.kills["in recovery"] += 1
        time.sleep(0.03)  # until the clients have noted what they heard before
        waiting = self.not_visible([(c.made[n][0], name) for c in self.clients
                                    for n, name in dict(c.acked).items()])
        self.waited += len(waiting)
        self.start_receiver()
        late = self.not_visible(waiting)
        self.expect(not late, "acknowledged, and not there when connections are taken: %r",
                    late[:5])

    def not_visible(self, items):
        """Which of these are neither in new/ nor claimed, which goes one way only."""
        return [(inbox, name) for inbox, name in items if not any(
            os.path.exists(self.r.path(inbox, name, part)) for part in ("new", "cur"))]

    def kill_some(self):
        dice = self.random.random()
        queue = self.random.choice(self.queues)
        if dice < 0.7:
            self.kill_receiver()
        if dice > 0.4:
            queue.kill()
            self.kills["inboxq run"] += 1
        if dice < 0.7:
            self.restart_receiver()
        if dice > 0.4:
            queue.run()

    def storm(self, seconds):
        self.start_receiver()
        for queue in self.queues:
            queue.add()
            queue.run()
        for actor in [self.consumer, *self.clients, *self.queues]:
            actor.start()
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            time.sleep(self.random.choice((0.01, 0.05, 0.1, 0.3)) * self.random.uniform(0.2, 1.5))
            self.kill_some()

    # ---- what must hold

    def calm(self):
        """Nobody is killed any more, nor slow: what waits arrives."""
        self.kill_receiver()
        self.r.env = {}
        self.start_receiver()
        self.proxy.cutting = False
        for actor in [*self.clients, *self.queues]:
            actor.finishing = True
        limit = time.monotonic() + harness.bound(PATIENCE)
        while time.monotonic() < limit and (
                any(c.waiting or c.thread.is_alive() for c in self.clients) or
                any(q.pending() or q.thread.is_alive() for q in self.queues)):
            time.sleep(0.05)
        for c in self.clients:
            self.expect(not c.waiting, "%s: %d items not stored", c.name, len(c.waiting))
        for q in self.queues:
            self.expect(not q.pending(), "%s: %d items not stored", q.name, len(q.pending()))
            self.expect(not q.pending("failed"), "%s: items set aside", q.name)
            q.end()
        self.r.at_rest()
        for queue in [c.queue for c in self.clients] + [q.queue_id() for q in self.queues]:
            row = self.r.client_row(queue)
            self.expect(row["missing"] == 0, "numbers missing: %r", row)
        self.r.stop(0)
        for actor in [self.consumer, *self.clients, *self.queues]:
            actor.stop()
            self.errors += actor.errors

    def recovered(self):
        """Items that recoveries published, or wrote anew and published."""
        lines = re.findall(r"event=recovered [^\n]*", self.r.log())
        return sum(map(int, re.findall(r" (?:finished|written)=(\d+)", "\n".join(lines))))

    def expect(self, holds, text, *values):
        if not holds:
            self.errors.append(text % values)

    def judge(self):
        found = dict(self.consumer.claimed)
        for inbox in INBOXES:
            for name in self.r.files(inbox):
                self.expect((inbox, name) not in found, "%s claimed, and in new/ again", name)
                data = found[inbox, name] = self.r.read(inbox, name)
                wrong = meta.wrong(os.path.join(self.r.root, inbox), "new", name,
                                   self.ways[inbox], hashlib.sha256(data).hexdigest())
                self.expect(not wrong, "in new/, and not told of: %s", wrong)
            self.expect(not self.r.files(inbox, "tmp"), "tmp/ of %s is not empty", inbox)
            beside = {name + ".json" for name in self.r.files(inbox)}
            left = set(os.listdir(os.path.join(self.r.root, inbox, "meta"))) - beside \
                if self.ways[inbox] == "json" else set()
            self.expect(not left, "in meta/ of %s without an item: %r", inbox, sorted(left)[:5])
        made = {}
        for c in self.clients:
            made.update({id_of(data): data for _, data in c.made.values()})
        must_be = set(made)
        for q in self.queues:
            made.update(q.made)
            must_be |= q.promised
        count = collections.Counter(id_of(data) for data in found.values())
        for data in found.values():
            self.expect(made.get(id_of(data)) == data, "torn or unknown: %r", data[:40])
        twice = [key for key, times in count.items() if times > 1]
        self.expect(not twice, "stored twice: %r", [
            (key, [name for name, data in found.items() if id_of(data) == key])
            for key in twice[:5]])
        lost = sorted(must_be - set(count))
        self.expect(not lost, "lost: %d, %r", len(lost), lost[:5])
        acks = [(c.made[n][0], name, harness.hashlib.sha256(c.made[n][1]).hexdigest())
                for c in self.clients for n, name in c.acked.items()]
        for q in self.queues:
            acks += q.acks()
        for inbox, name, digest in acks:
            data = found.get((inbox, name))
            self.expect(data is not None and hashlib.sha256(data).hexdigest() == digest,
                        "acknowledged and not there: %s/%s", inbox, name)
        return len(found), len(acks)

    def end(self):
        self.proxy.close()
        for actor in [self.consumer, *self.clients, *self.queues]:
            actor.stopping = True
        for q in self.queues:
            if q.process and q.process.poll() is None:
                q.process.kill()
                q.process.wait()
        if self.r.process and self.r.process.poll() is None:
            self.r.process.kill()
            self.r.process.wait()


def storm(seconds, seed):
    """(errors, one line of figures)"""
    folder = tempfile.mkdtemp(prefix="inboxd-crash-")
    crash, began = None, time.monotonic()
    try:
        pki = harness.Pki(os.path.join(folder, "pki"))
        t = harness.Test("crash", tempfile.mkdtemp(prefix="t", dir=folder), pki)
        crash = Crash(t, seed)
        items = acks = 0
        try:
            crash.storm(seconds)
            crash.calm()
            items, acks = crash.judge()
        except (AssertionError, OSError) as error:
            crash.errors.append("%s: %s" % (type(error).__name__, error))
            if crash.r.process:
                crash.errors.append(crash.r.log(here=True)[-2000:])
        crash.expect(not crash.r.complaints(), "complaints: %r", crash.r.complaints())
        kills = crash.kills.total() - crash.kills["in recovery"]
        kills += sum(q.adds_killed for q in crash.queues)
        took = time.monotonic() - began
        figures = ("seed %d, %d s: %d kills (%s, inboxq add %d; %d an hour), %d items in new/ or "
                   "claimed (%d claimed), %d acknowledgements, %d of them of items that a kill "
                   "found not visible yet, %d published by recoveries, %d connections through the "
                   "proxy, %d of them cut, %d items sent again after a lost ack" % (
                       seed, took, kills, ", ".join("%s %d" % pair for pair in
                                                    crash.kills.items()),
                       sum(q.adds_killed for q in crash.queues), kills / took * 3600, items,
                       len(crash.consumer.claimed), acks, crash.waited,
                       crash.recovered(), crash.proxy.connections,
                       crash.proxy.cuts, sum(c.again for c in crash.clients)))
        if crash.errors and os.environ.get("KEEP"):
            shutil.copytree(folder, os.environ["KEEP"], ignore_dangling_symlinks=True)
        return crash.errors, figures
    finally:
        if crash:
            crash.end()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    seconds = float(os.environ.get("SECONDS") or 60)
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
    print("seed %d (SEED=%d repeats it)" % (seed, seed), flush=True)
    errors, figures = storm(seconds, seed)
    print("check-crash: " + figures)
    for error in errors[:20]:
        print("not ok: " + error)
    return 1 if errors else 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    sys.exit(main())
