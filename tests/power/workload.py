# SPDX-License-Identifier: ISC
"""What happens on the disk while it is recorded, and what was promised meanwhile.

Three clients send items of all sizes, alone and in batches, large ones in pieces, and some
twice; one settles its numbers.  A consumer claims about half of what comes to one inbox, another
program on the same file system syncs its own files, the file system is synced as a whole now
and then.  The ledger rotates; the receiver is killed twice and stopped once, under load, and
started again: so its recovery is cut, too.

For each STORED the log's position is read once the answer has come.  So at any cut at or behind
that position the item had been acknowledged.
"""

import contextlib
import os
import threading
import time
import zlib

import client as inbox1

SIZES = (1, 17, 300, 300, 511, 4096, 4097, 12000, 70000, 300000)
PIECE = 65536        # of a large item
OPEN_MAX = 8         # large items that a receiver lets one connection have open
CLAIMED = "reports"  # the inbox with a consumer
INBOXES = ("status", CLAIMED)


class Item:
    def __init__(self, owner, number, inbox, data):
        self.owner, self.number, self.inbox, self.data = owner, number, inbox, data
        self.digest = inbox1.sha256(data)
        self.name = None      # of its STORED
        self.acked_at = None  # the log's position


def offer(connection, item):
    """PUT, or OPEN where it is too large for that."""
    if len(item.data) <= connection.ready.get("inline", len(item.data)):
        connection.put(item.number, item.inbox, item.data)
    else:
        connection.announce(item.number, item.inbox, item.data, verb="OPEN")


def answer(connection, item):
    """The last answer to an item; its pieces are sent as they are asked for."""
    for _ in range(3):  # SEND, then again from 0 where what had come before was wrong
        line = connection.answer(item.number)
        if line.verb != "SEND":
            return line
        for start in range(line.offset, len(item.data), PIECE):
            part = item.data[start:start + PIECE]
            connection.post("DATA %d %d %d\n" % (item.number, start, len(part)))
            connection.post(part)
    return connection.answer(item.number)


def must_be_stored(item, line):
    if line.verb != "STORED":
        raise AssertionError("want STORED %d, got %r" % (item.number, line))


def batches(connection, items):
    """The items in order, never more large ones at once than may be open."""
    batch, large = [], 0
    for item in items:
        is_large = len(item.data) > connection.ready.get("inline", len(item.data))
        if large + is_large > OPEN_MAX:
            yield batch
            batch, large = [], 0
        batch.append(item)
        large += is_large
    yield batch


def deliver(connection, items):
    """Offers them all; each with its answer."""
    for batch in batches(connection, items):
        for item in batch:
            offer(connection, item)
        for item in batch:
            yield item, answer(connection, item)


class Sender:
    """One client with its queue, through all its connections."""

    def __init__(self, receiver, who, recording, random):
        self.receiver, self.who = receiver, who
        self.recording, self.random = recording, random
        self.queue = "%032x" % random.getrandbits(128)
        self.items = {}
        self.marks = [(0, 1)]  # (position before it was said, SETTLED)
        self.connection = None
        self.stray = []        # what was wrong with answers

    def on_stored(self, inbox, name, digest):
        position = self.recording.position()
        for item in self.items.values():
            if (item.inbox, item.digest) != (inbox, digest):
                continue
            if item.name is None:
                item.name, item.acked_at = name, position
            elif item.name != name:
                self.stray.append("item %d: %s, then %s" % (item.number, item.name, name))

    def connect(self):
        ctx = self.receiver.test.client_context(self.who)
        self.connection = inbox1.Client(self.receiver.address, ctx, on_stored=self.on_stored)
        self.connection.hello(self.queue, self.marks[-1][1])

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def make(self):
        number = len(self.items) + 1
        size = self.random.choice(SIZES)
        head = b"%s %d\n" % (self.who.encode(), number)
        data = head + self.random.getrandbits(8 * size).to_bytes(size, "big")
        item = Item(self, number, self.random.choice(INBOXES), data)
        self.items[number] = item
        return item

    def send(self, items):
        for item in items:
            offer(self.connection, item)

    def hear(self, items):
        for item in items:
            must_be_stored(item, answer(self.connection, item))

    def settle(self):
        """All that is acknowledged from the first on, but the last five."""
        mark = self.marks[-1][1]
        while mark in self.items and self.items[mark].name:
            mark += 1
        mark = max(self.marks[-1][1], mark - 5)
        self.marks.append((self.recording.position(), mark))
        self.connection.settled(mark)

    def mark_at(self, position):
        return max(mark for said, mark in self.marks if said <= position)


class Bystanders:
    """The consumer and the other program."""

    def __init__(self, root, random):
        self.root, self.random = root, random
        self.over = threading.Event()
        self.threads = [threading.Thread(target=run) for run in (self.consume, self.tenant)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def consume(self):
        new, cur = (os.path.join(self.root, CLAIMED, part) for part in ("new", "cur"))
        left = set()
        while not self.over.wait(0.003):
            for name in os.listdir(new):
                if name in left:
                    continue
                if zlib.crc32(name.encode()) % 2:
                    left.add(name)
                    continue
                with contextlib.suppress(FileNotFoundError):
                    os.rename(os.path.join(new, name), os.path.join(cur, name))

    def tenant(self):
        path = os.path.join(os.path.dirname(self.root), "tenant")
        with open(path, "wb", buffering=0) as file:
            while not self.over.wait(0.05 if int(time.monotonic()) % 2 else 0.005):
                file.write(b"another program's line\n")
                os.fsync(file.fileno())


def run_rounds(senders, rounds, random):
    """Some batches with all answers heard."""
    for _ in range(rounds):
        batches = []
        for sender in senders:
            batch = [sender.make() for _ in range(random.choice((0, 1, 1, 2, 3, 6)))]
            if sender.items and random.random() < 0.2:
                again = random.choice(list(sender.items.values()))
                if again not in batch and again.number >= sender.marks[-1][1]:
                    batch.append(again)
            batches.append((sender, batch))
            sender.send(batch)
        for sender, batch in batches:
            sender.hear(batch)
        if random.random() < 0.2:
            senders[-1].settle()
        if random.random() < 0.1:
            os.sync()
        if random.random() < 0.3:
            time.sleep(random.random() / 20)


def break_off(senders, random):
    """Sends, and does not wait."""
    for sender in senders:
        items = [sender.make() for _ in range(random.randrange(1, 8))]
        sender.send(items)
        for item in items:  # and leaves a large one half sent
            if len(item.data) > PIECE:
                sender.connection.post("DATA %d 0 %d\n" % (item.number, PIECE))
                sender.connection.post(item.data[:PIECE])
        if random.random() < 0.5:
            sender.connection.flow(0.003)


def come_back(senders):
    """New connections; what was not acknowledged is sent again."""
    for sender in senders:
        sender.connect()
        open_items = [item for item in sender.items.values() if not item.name]
        for item, line in deliver(sender.connection, open_items):
            must_be_stored(item, line)


def run(receiver, recording, random, rounds):
    """All of it; the senders with their items.  The receiver runs, and is ended with a kill."""
    senders = [Sender(receiver, "pc%d.example.org" % i, recording, random) for i in (1, 2, 3)]
    with Bystanders(receiver.root, random):
        try:
            come_back(senders)
            run_rounds(senders, rounds, random)
            for end in (receiver.kill, receiver.stop, receiver.kill):
                break_off(senders, random)
                end()
                for sender in senders:
                    sender.close()
                receiver.start()
                come_back(senders)
                run_rounds(senders, rounds // 3, random)
            break_off(senders, random)
            receiver.kill()
        finally:
            for sender in senders:
                sender.close()
    stray = [text for sender in senders for text in sender.stray]
    return senders, stray
