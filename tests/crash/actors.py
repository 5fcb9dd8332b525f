# SPDX-License-Identifier: ISC
"""Who takes part in a crash test: a consumer, a client in Python, a copy queue.

Each runs in a thread of its own until `stopping`; what one of them sees go
wrong lands in its list `errors`.  Every item begins with an id that no other has.
"""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time

from common import harness
import meta
from lives import BROKEN, converse

INBOXES = ("status", "reports")


def item(random, origin, number):
    size = random.choice((0, 50, 300, 3000, 3000, 40000, 300000))
    return b"ID %s-%d\n" % (origin.encode(), number) + random.randbytes(size)


def id_of(data):
    return data.split(b"\n", 1)[0].decode("ascii", "replace")


class Actor:
    def __init__(self, random):
        self.random = random
        self.errors = []
        self.stopping = False   # at once
        self.finishing = False  # nothing new
        self.thread = threading.Thread(target=self.guarded, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def guarded(self):
        try:
            self.live()
        except Exception as error:
            self.errors.append("%s: %s: %s" % (type(self).__name__, type(error).__name__, error))

    def stop(self):
        self.stopping = True
        self.thread.join(20)
        if self.thread.is_alive():
            self.errors.append("%s does not end" % type(self).__name__)


class Consumer(Actor):
    """Claims files out of new/, as inbox-spool(5) has it."""

    def __init__(self, random, root, ways):
        super().__init__(random)
        self.root = root
        self.ways = ways  # {inbox: how it is told of its items}
        self.claimed = {}  # (inbox, name) -> bytes

    def live(self):
        while not self.stopping:
            for inbox in INBOXES:
                self.look(os.path.join(self.root, inbox), inbox)
            time.sleep(self.random.uniform(0, 0.03))

    def look(self, folder, inbox):
        for name in os.listdir(os.path.join(folder, "new")):
            if self.random.random() < 0.6:
                continue
            claimed = os.path.join(folder, "cur", name)
            if os.path.exists(claimed):
                self.errors.append("%s/%s came to new/ again" % (inbox, name))
            try:
                os.rename(os.path.join(folder, "new", name), claimed)
            except FileNotFoundError:
                continue
            with open(claimed, "rb") as file:
                data = self.claimed[inbox, name] = file.read()
            wrong = meta.wrong(folder, "cur", name, self.ways[inbox],
                               harness.hashlib.sha256(data).hexdigest())
            if wrong:
                self.errors.append("claimed, and not told of: " + wrong)
            elif self.ways[inbox] == "json":
                os.unlink(os.path.join(folder, "meta", name + ".json"))


class PythonClient(Actor):
    """Keeps what is not acknowledged, in memory, and dies only in its connections."""

    def __init__(self, random, receiver, port, name):
        super().__init__(random)
        self.r, self.port, self.name = receiver, port, name
        self.queue = "%032x" % random.getrandbits(128)
        self.context = receiver.test.client_context("pc1.example.org")
        self.waiting, self.made, self.acked = {}, {}, {}
        self.next = 1
        self.again = self.lives = 0

    def live(self):
        while not self.stopping and not (self.finishing and not self.waiting):
            if not self.finishing:
                for _ in range(self.random.randrange(12)):
                    self.waiting[self.next] = self.made[self.next] = (
                        self.random.choice(INBOXES), item(self.random, self.name, self.next))
                    self.next += 1
            self.lives += 1
            try:
                self.session()
            except BROKEN:
                pass
            time.sleep(self.random.uniform(0, 0.05))

    def session(self):
        c = harness.Client(("127.0.0.1", self.port), self.context, timeout=3)
        try:
            c.hello(self.queue, self.settled())
            items = dict(list(self.waiting.items())[:60])
            if self.random.random() < 0.2 and not self.finishing:
                with contextlib.suppress(*BROKEN):
                    converse(c, items, list(items), self.random.uniform(0, 0.02))
                c.cut()
                return
            converse(c, items, list(items), 3)
            self.note(c)
            c.settled(self.settled())
            c.ping(3)
        finally:
            self.note(c)
            c.close()

    def settled(self):
        return min(self.waiting, default=self.next)

    def note(self, c):
        for line in c.history:
            if line.verb != "STORED":
                continue
            if self.acked.setdefault(line.n, line.name) != line.name:
                self.errors.append("item %d has two names: %s, %s" % (
                    line.n, self.acked[line.n], line.name))
            self.again += line.get("again") == "1"
            self.waiting.pop(line.n, None)
        c.history.clear()


class Queue(Actor):
    """One spool: add after add, some killed; its `inboxq run` is killed from outside."""

    def __init__(self, random, receiver, port, name):
        super().__init__(random)
        self.r, self.name = receiver, name
        self.folder = os.path.join(receiver.test.folder, name)
        self.spool = os.path.join(self.folder, "spool")
        os.mkdir(self.folder, 0o700)
        self.conf = os.path.join(self.folder, "inboxq.conf")
        self.log = os.path.join(self.folder, "log")
        self.made, self.promised = {}, set()  # id -> bytes; ids
        self.count = self.adds_killed = 0
        self.process = None
        pair = receiver.test.pki.client("pc1.example.org")
        with open(self.conf, "w", encoding="ascii") as file:
            file.write("[queue]\nspool = %s\n[server]\nservers = 127.0.0.1:%d\n"
                       "connect-timeout = 3s\ntimeout = 5s\nretry-min = 1s\nretry-max = 1s\n"
                       "[tls]\ncertificate = %s\nkey = %s\nca = %s\n[log]\nlevel = notice\n" % (
                           self.spool, port, pair.cert, pair.key, receiver.test.pki.ca.cert))

    def live(self):
        while not self.stopping and not self.finishing:
            self.add()
            time.sleep(self.random.uniform(0, 0.15))

    def add(self):
        ids, paths = [], []
        for i in range(self.random.randrange(1, 6)):
            self.count += 1
            data = item(self.random, self.name, self.count)
            ids.append(id_of(data))
            self.made[ids[-1]] = data
            paths.append(os.path.join(self.folder, "file%d" % i))
            with open(paths[-1], "wb") as file:
                file.write(data)
        child = subprocess.Popen([harness.INBOXQ, "add", "-c", self.conf, "-i",
                                  self.random.choice(INBOXES), *paths],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.random.random() < 0.3:
            time.sleep(self.random.uniform(0, 0.02))
            child.kill()
            self.adds_killed += 1
        try:
            out, err = child.communicate(timeout=harness.bound(20))
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            self.errors.append("inboxq add hangs")
            return
        if child.returncode not in (0, -signal.SIGKILL):
            self.errors.append("inboxq add ended with %d: %s" % (child.returncode, err.decode()))
        self.promised.update(ids[:len(out.split())])

    def run(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([harness.INBOXQ, "run", "-c", self.conf],
                                            stdout=log, stderr=log)

    def kill(self):
        """True if it was alive until now."""
        code = self.process.poll()
        if code is not None:
            self.errors.append("inboxq run ended with %d by itself" % code)
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(harness.bound(10))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "no end"
        if code != 0:
            self.errors.append("inboxq run, at SIGTERM: %s" % code)

    def pending(self, part="queue"):
        folder = os.path.join(self.spool, part)
        return [name for name in os.listdir(folder) if name.isdigit()] \
            if os.path.isdir(folder) else []

    def acks(self):
        """[(inbox, name, digest)] of sent.log, but for lines that a kill has torn."""
        path = os.path.join(self.spool, "sent.log")
        if not os.path.exists(path):
            return []
        with open(path, encoding="ascii", errors="replace") as file:
            rows = [line.split(" ") for line in file.read().split("\n")]
        return [(row[5], row[4], row[7]) for row in rows if len(row) > 7 and row[2] == "STORED"
                and re.fullmatch("[0-9a-f]{64}", row[7])]

    def queue_id(self):
        with open(os.path.join(self.spool, "queue-id"), encoding="ascii") as file:
            return file.read().strip()
