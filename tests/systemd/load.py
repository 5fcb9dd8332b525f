# SPDX-License-Identifier: ISC
"""Clients that never stop, while something is done to their receiver.

Each has a queue of its own and makes a new connection for every few items, so that an address
which nobody listens on shows at once.  An item is sent until it is acknowledged, as a copy queue
does, and Load remembers under which name.
"""

import os
import threading
import time

import client

ITEMS = 3  # a connection
PATIENCE = 60


class Load:
    """with Load(...) as load: whatever; then load.stored has what must lie in the inbox."""

    def __init__(self, address, ctx, threads=4, inbox="status"):
        self.address = address
        self.ctx = ctx
        self.inbox = inbox
        self.stored = {}     # name -> digest
        self.refused = []    # what connections failed of, before TLS had begun
        self.broken = 0      # connections that ended amid their work
        self.connections = 0
        self.stuck = []
        self.longest = 0.0   # from the first try of an item to its acknowledgement
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join(PATIENCE + 10)
        self.stuck += ["a thread did not end" for thread in self.threads if thread.is_alive()]

    def wait(self, items, timeout=PATIENCE):
        """Until so many more are acknowledged."""
        want = len(self.stored) + items
        limit = time.monotonic() + timeout
        while len(self.stored) < want:
            if time.monotonic() > limit or self.stuck:
                raise AssertionError("%d items are missing after %g s: %s" % (
                    want - len(self.stored), timeout, self.told()))
            time.sleep(0.02)

    def told(self):
        return "%d stored by %d connections, %d refused (%s), %d broken, %.1f s at most; %s" % (
            len(self.stored), self.connections, len(self.refused), self.refused[:1], self.broken,
            self.longest, self.stuck[:2])

    def work(self):
        queue = os.urandom(16).hex()
        n = 1
        begun = time.monotonic()
        while not self.ending.is_set():
            was = n
            n = self.session(queue, n)
            if n > was:
                self.longest = max(self.longest, time.monotonic() - begun)
                begun = time.monotonic()
            elif time.monotonic() - begun > PATIENCE:
                self.stuck.append("number %d of %s is not answered" % (n, queue))
                return

    def session(self, queue, n):
        """One connection; the first number that is not acknowledged then."""
        try:
            connection = client.Client(self.address, self.ctx, timeout=PATIENCE)
        except (ConnectionError, OSError, client.Closed, client.Timeout) as error:
            with self.lock:
                if isinstance(error, ConnectionRefusedError):
                    self.refused.append(repr(error))
                else:
                    self.broken += 1
            time.sleep(0.05)
            return n
        with connection:
            try:
                connection.hello(queue, n)
                for number in range(n, n + ITEMS):
                    connection.put(number, self.inbox, self.item(queue, number))
                for number in range(n, n + ITEMS):
                    name = connection.stored(number).name
                    with self.lock:
                        self.stored[name] = client.sha256(self.item(queue, number))
                    n += 1
                connection.quit()
                with self.lock:
                    self.connections += 1
            except (OSError, AssertionError, client.Closed, client.Timeout):
                self.broken += 1
                time.sleep(0.05)
        return n

    @staticmethod
    def item(queue, number):
        return b"%s %d\n" % (queue.encode(), number) * 20
