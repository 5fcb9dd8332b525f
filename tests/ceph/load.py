# SPDX-License-Identifier: ISC
"""Real clients that never stop, a book of what they were told, and the judge of it.

Each client is an inboxq run with a spool of its own, on a host of its own; items are added to it
while it works.  What a client was told is what its sent.log says, which is read as it grows: so
the moment of each acknowledgement is known to some hundredths of a second.
"""

import collections
import hashlib
import os
import subprocess
import threading
import time

import client
from harness import INBOXQ
from hosts import PORT, SERVICE

CLIENTS = 3
BATCH = 10      # items that are added at once
PAUSE = 0.25    # seconds between two batches of a client
DEPTH = 100     # no more are added to a queue that has so many

INBOXQ_CONF = """[queue]
spool = %s/spool
[server]
servers = %s:%d
connect-timeout = 3s
timeout = 10s
retry-min = 1s
retry-max = 3s
[tls]
certificate = %s
key = %s
ca = %s
[log]
level = debug
format = plain
"""

Ack = collections.namedtuple("Ack", "when name digest")


class Client:
    """One inboxq with its spool; its two threads add items and read sent.log."""

    def __init__(self, number, host, pki):
        self.folder = os.path.join(host.folder, "q%d" % number)
        self.host = host
        self.number = number
        self.conf = os.path.join(self.folder, "inboxq.conf")
        self.added = {}   # digest -> number
        self.acks = []
        self.odd = []     # lines of sent.log that are no STORED
        self.feeds = threading.Event()
        self.ends = threading.Event()
        self.failed = None
        os.mkdir(self.folder, 0o700)
        pair = pki.client("pc%d.example.org" % number)
        with open(self.conf, "w", encoding="ascii") as file:
            file.write(INBOXQ_CONF % (self.folder, SERVICE, PORT, pair.cert, pair.key,
                                      pki.ca.cert))
        self.add(1)  # makes the spool
        self.process = host.spawn(INBOXQ, "run", "-c", self.conf, log="q%d/log" % number)
        self.threads = [threading.Thread(target=self.guard, args=(work,), daemon=True)
                        for work in (self.feed, self.watch)]
        for thread in self.threads:
            thread.start()

    def guard(self, work):
        try:
            work()
        except Exception as error:  # told by the thread that waits for us
            self.failed = error

    def add(self, count):
        paths = []
        for i in range(count):
            data = b"%d %d %s\n" % (self.number, i, os.urandom(100 + 120 * i).hex().encode())
            paths.append(os.path.join(self.folder, "item%d" % i))
            with open(paths[-1], "wb") as file:
                file.write(data)
        digests = [digest_of(path) for path in paths]
        done = subprocess.run([INBOXQ, "add", "-c", self.conf, "-i", "status", *paths],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        numbers = done.stdout.split()
        if done.returncode or len(numbers) != count:
            raise AssertionError("inboxq add ended with %d: %s" % (done.returncode, done.stdout))
        self.added.update(zip(digests, map(int, numbers)))

    def waiting(self):
        return len(os.listdir(os.path.join(self.folder, "spool/queue")))

    def feed(self):
        while not self.ends.is_set():
            if self.feeds.wait(0.1) and self.waiting() < DEPTH:
                self.add(BATCH)
            self.ends.wait(PAUSE)

    def watch(self):
        path = os.path.join(self.folder, "spool/sent.log")
        at, rest = 0, b""
        while not self.ends.is_set():
            if os.path.exists(path) and os.path.getsize(path) > at:
                with open(path, "rb") as file:
                    file.seek(at)
                    data = file.read()
                at += len(data)
                *lines, rest = (rest + data).split(b"\n")
                self.heard(lines, time.monotonic())
            time.sleep(0.02)

    def heard(self, lines, when):
        for line in lines:
            words = line.decode("ascii").split(" ")
            if words[2] == "STORED":
                self.acks.append(Ack(when, words[4], words[7]))
            else:
                self.odd.append(" ".join(words))

    def end(self):
        self.ends.set()
        for thread in self.threads:
            thread.join()


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


class Witness:
    """A client of its own kind, at a host's own address: all that this receiver says is known."""

    def __init__(self, address, pki):
        pair = pki.client("witness.example.org")
        self.told = []   # (name, digest)
        self.sent = set()
        self.number = 0
        self.connection = client.Client(
            (address, PORT), client.context(pki.ca.cert, pair.cert, pair.key),
            on_stored=lambda inbox, name, digest: self.told.append((name, digest)))
        self.connection.hello(os.urandom(16).hex())

    def send(self, count):
        for _ in range(count):
            self.number += 1
            data = os.urandom(400)
            self.sent.add(client.sha256(data))
            self.connection.put(self.number, "status", data)

    def wait_stored(self, count):
        for number in range(self.number - count + 1, self.number + 1):
            self.connection.stored(number)

    def end(self):
        """The receiver's last lines, until it closed."""
        return self.connection.wait_close(60)


class Verdict:
    """What became of what was acknowledged, on the root."""

    def __init__(self):
        self.lost, self.twice, self.unknown, self.unheard, self.odd = [], [], [], [], []

    def is_good(self):
        return not (self.lost or self.twice or self.unknown or self.unheard or self.odd)

    def __str__(self):
        return ", ".join("%s: %d %s" % (what, len(found), found[:3])
                         for what, found in vars(self).items() if found) or "good"


class Clients:
    def __init__(self, host, pki):
        self.all = [Client(number, host, pki) for number in range(CLIENTS)]
        self.others = []   # (name, digest) that a client of another kind was told
        self.strays = set()  # digests that such a client sent
        self.consumed = collections.Counter()  # digest -> files of it, that were there before
        self.judged = set()  # (name, digest), found by an earlier judgement

    def check(self):
        for each in self.all:
            if each.failed:
                raise each.failed
            if each.process.poll() is not None:
                raise AssertionError("inboxq ended with %d" % each.process.poll())

    def feed(self, on=True):
        for each in self.all:
            each.feeds.set() if on else each.feeds.clear()

    def hear(self, witness):
        """What it was told is held to the root, too."""
        self.others += witness.told
        self.strays |= witness.sent

    def count(self):
        return sum(len(each.acks) for each in self.all)

    def moments(self, since):
        """When acknowledgements came, from then on, in order."""
        return sorted({ack.when for each in self.all for ack in list(each.acks)
                       if ack.when > since})

    def wait_ack(self, since, seconds):
        """Seconds from `since` to the first acknowledgement that is heard after it."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            self.check()
            moments = self.moments(since)
            if moments:
                return moments[0] - since
            time.sleep(0.02)
        raise AssertionError("no acknowledgement within %g s" % seconds)

    def longest_pause(self, since):
        """Between two acknowledgements, the first of which may be before `since`."""
        moments = [since, *self.moments(since), time.monotonic()]
        return max(later - earlier for earlier, later in zip(moments, moments[1:]))

    def drain(self, seconds=60):
        """Adds no more, and waits until all are sent."""
        self.feed(False)
        time.sleep(PAUSE)
        limit = time.monotonic() + seconds
        while any(each.waiting() or len(each.acks) + len(each.odd) < len(each.added)
                  for each in self.all):
            self.check()
            if time.monotonic() > limit:
                raise AssertionError("not all sent in %g s: %r wait" % (
                    seconds, [each.waiting() for each in self.all]))
            time.sleep(0.05)

    def judge(self, new):
        """Holds what was told to what lies in the folder `new`, and takes that away, as consumers
        do.  All is sent, and visible."""
        verdict, there = Verdict(), collections.Counter()
        found = set()
        for name in os.listdir(new):
            path = os.path.join(new, name)
            digest = digest_of(path)
            found.add((name, digest))
            there[digest] += 1
            os.unlink(path)
        known = {digest for each in self.all for digest in each.added} | self.strays
        told = {(ack.name, ack.digest) for each in self.all for ack in each.acks}
        told |= set(self.others)
        verdict.lost = sorted(told - found - self.judged)
        verdict.twice = [digest for digest in there if there[digest] + self.consumed[digest] > 1]
        verdict.unknown = [digest for digest in there if digest not in known]
        heard = {digest for _, digest in told}
        verdict.unheard = [digest for each in self.all for digest in each.added
                           if digest not in heard]
        verdict.odd = [line for each in self.all for line in each.odd]
        self.consumed.update(there)
        self.judged |= found
        return verdict, len(found)

    def end(self):
        for each in self.all:
            each.end()
