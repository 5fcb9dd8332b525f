# SPDX-License-Identifier: ISC
"""Real copy queues that never stop, and a client that asks all the time whether it is served."""

import collections
import contextlib
import datetime
import hashlib
import os
import signal
import subprocess
import threading
import time

import client
from harness import INBOXQ
from machine import Failed

CONFIGURATION = """[queue]
spool = {folder}/spool
[server]
servers = {address}:{port}
connect-timeout = 3s
timeout = 10s
retry-min = 1s
retry-max = 3s
[tls]
certificate = {pair.cert}
key = {pair.key}
ca = {ca}
[log]
format = plain
"""
Sent = collections.namedtuple("Sent", "time name digest")


class Queue:
    """One inboxq; an item each 50 ms, until stop()."""

    def __init__(self, here, number, address, port):
        self.folder = os.path.join(here.folder, "q%d" % number)
        os.mkdir(self.folder, 0o700)
        self.conf = self.folder + "/inboxq.conf"
        with open(self.conf, "w", encoding="ascii") as file:
            file.write(CONFIGURATION.format(
                folder=self.folder, address=address, port=port, ca=here.pki.ca.cert,
                pair=here.pki.client("pc%d.example.org" % number)))
        self.added = []  # digests
        self.resting = threading.Event()
        self.ending = threading.Event()
        self.log = open(self.folder + "/log", "ab")
        self.run = subprocess.Popen([INBOXQ, "run", "-c", self.conf], stdin=subprocess.DEVNULL,
                                    stdout=self.log, stderr=self.log)
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while not self.ending.wait(0.05):
            if self.resting.is_set():
                continue
            data = b"%s %d\n" % (os.urandom(8).hex().encode(), len(self.added)) * 20
            done = subprocess.run([INBOXQ, "add", "-c", self.conf, "-i", "status"], input=data,
                                  stdout=self.log, stderr=self.log, check=False, timeout=60)
            if done.returncode == 0:
                self.added.append(hashlib.sha256(data).hexdigest())

    def sent(self):
        """What was acknowledged, as sent.log has it."""
        with contextlib.suppress(FileNotFoundError):
            with open(self.folder + "/spool/sent.log", encoding="ascii") as file:
                lines = [line.split(" ") for line in file.read().splitlines()]
            return [Sent(line[0], line[4], line[7]) for line in lines if line[2] == "STORED"]
        return []

    def longest(self, since):
        """As an Asker's, by sent.log; since: seconds since 1970."""
        times = sorted(datetime.datetime.fromisoformat(sent.time.replace("Z", "+00:00")).timestamp()
                       for sent in self.sent())
        return max((after - max(before, since) for before, after in zip(times, times[1:])
                    if after > since), default=0.0)

    def until_empty(self, timeout=60):
        """Nothing more is added, until resting is over, and all that was is acknowledged."""
        self.resting.set()
        limit = time.monotonic() + timeout
        while len(self.sent()) < len(self.added) or os.listdir(self.folder + "/spool/queue"):
            if time.monotonic() > limit:
                raise Failed("%d items of %d are not acknowledged after %d s" % (
                    len(self.added) - len(self.sent()), len(self.added), timeout))
            time.sleep(0.1)

    def close(self):
        self.ending.set()
        self.thread.join(60)
        self.run.send_signal(signal.SIGTERM)
        try:
            self.run.wait(20)
        except subprocess.TimeoutExpired:
            self.run.kill()
            self.run.wait(20)
        self.log.close()


class Asker:
    """Connects over and over; `served` has when each of its items was acknowledged."""

    def __init__(self, address, ctx):
        self.address = address
        self.ctx = ctx
        self.served = []
        self.items = {}  # name -> digest
        self.again = 0   # answered with the name from before: its acknowledgement had been lost
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        queue = os.urandom(16).hex()
        n = 1
        while not self.ending.wait(0.05):
            data = b"%s %d\n" % (queue.encode(), n)
            try:
                with client.Client(self.address, self.ctx, timeout=0.5) as one:
                    one.hello(queue, n)
                    one.put(n, "status", data)
                    answer = one.stored(n)
                    self.served.append(time.monotonic())
                    self.items[answer.name] = client.sha256(data)
                    self.again += answer.get("again") == "1"
                    n += 1
                    one.quit()
            except (OSError, AssertionError, client.Closed, client.Timeout):
                pass

    def longest(self, since):
        """The longest time without an acknowledgement that ended behind that moment."""
        served = list(self.served)
        return max((after - max(before, since) for before, after in zip(served, served[1:])
                    if after > since), default=None)

    def stop(self):
        self.ending.set()
        self.thread.join(30)
