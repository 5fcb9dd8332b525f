# SPDX-License-Identifier: ISC
"""A receiver of inbox/1 in memory, written from inbox-protocol(7) alone, for what the real one
does not do on demand: to cut the connection at a given byte, or to answer oddly.

A test gives `odd`, a function that sees each line of the client first; where it returns
True it has dealt with the line.  What the client may not say is kept in `wrong`.  `raw` gets a
connection before TLS, and deals with it where it returns True.

What came whole is in `whole`, of it what was then answered STORED in `right`: no other item may
leave a client's queue.
"""

import contextlib
import hashlib
import re
import select
import socket
import ssl
import threading
import time

READY = {"window": 1024, "bytes": 1 << 26, "inline": 1 << 20, "item": 1 << 40, "idle": 300}
ITEM = re.compile(r"(PUT|OPEN) (\d+) (\S+) (\d+) ([0-9a-f]{64})(?: .*)?")
STORED = re.compile(r"STORED (\d+) [A-Za-z0-9][A-Za-z0-9._-]{0,254}(?: again=1)?")
DATA_MAX = 262144


class Cut(Exception):
    """The connection ends here."""


class Connection:
    """One client; `where` counts the bytes it sent."""

    def __init__(self, receiver, sock, number):
        self.receiver = receiver
        self.sock = sock
        self.number = number
        self.buffer = bytearray()
        self.where = 0
        self.opened = {}   # n -> [size, digest, bytes that came]
        self.dropped = set()  # answered while on their way

    def more(self):
        rate = self.receiver.rate
        data = self.sock.recv(rate // 10 if rate else 65536)
        if rate:
            time.sleep(0.1)
        if not data:
            raise Cut
        self.receiver.bytes += len(data)
        self.buffer += data

    def take(self, count):
        """So many bytes; the connection is cut after `cuts[number]` bytes of all."""
        cut = self.receiver.cuts.get(self.number)
        left = count if cut is None else min(count, cut - self.where)
        while len(self.buffer) < left:
            self.more()
        data = bytes(self.buffer[:left])
        del self.buffer[:left]
        self.where += left
        return data, left < count

    def line(self):
        while b"\n" not in self.buffer:
            self.more()
        data, cut = self.take(self.buffer.index(b"\n") + 1)
        if cut:
            raise Cut
        return data[:-1].decode("ascii")

    def body(self, count):
        data, cut = self.take(count)
        if cut:
            raise Cut
        return data

    def say(self, *lines):
        for line in lines:
            stored = STORED.fullmatch(line)
            if stored and int(stored[1]) in self.receiver.whole:
                self.receiver.right.add(int(stored[1]))
        self.sock.sendall("".join(line + "\n" for line in lines).encode())

    def is_quiet(self, seconds):
        """Does nothing come for a time?"""
        return not self.buffer and not self.sock.pending() and \
            not select.select([self.sock], [], [], seconds)[0]

    # ---- what an honest receiver does

    def answer(self, n, line):
        if n in self.opened:
            del self.opened[n]
            self.dropped.add(n)
        self.say(line)

    def store(self, n, size, digest, data):
        if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
            self.answer(n, "LATER %d 60 digest spoilt" % n)
            return
        self.receiver.stored[n] = bytes(data)
        self.answer(n, "STORED %d name-%d" % (n, n))

    def open(self, n, size, digest):
        if n in self.receiver.stored:
            self.say("STORED %d name-%d again=1" % (n, n))
            return
        data = self.receiver.partials.setdefault((n, digest), bytearray())
        self.opened[n] = [size, digest, data]
        self.dropped.discard(n)
        self.say("SEND %d %d" % (n, len(data)))

    def data(self, n, offset, length):
        """One frame; what came of it before a cut is kept."""
        if not 1 <= length <= DATA_MAX:
            self.receiver.wrong.append("DATA of %d bytes" % length)
        if n not in self.opened:
            if n not in self.dropped:
                self.receiver.wrong.append("DATA of %d, which is not open" % n)
            self.body(length)
            self.receiver.late_bytes += length
            return
        size, digest, whole = self.opened[n]
        if offset != len(whole) or offset + length > size:
            self.receiver.wrong.append("DATA %d %d %d at %d" % (n, offset, length, len(whole)))
            raise Cut
        part, cut = self.take(length)
        whole += part
        if cut:
            raise Cut
        if len(whole) == size:
            self.receiver.whole.add(n)
        if len(whole) == size and not self.receiver.on_complete(self, n, whole):
            self.store(n, size, digest, whole)

    def deal_with(self, line):
        words = line.split(" ")
        item = ITEM.fullmatch(line)
        if item:
            n, size, digest = int(item[2]), int(item[4]), item[5]
            self.receiver.digests[n] = digest
            if item[1] == "OPEN":
                self.open(n, size, digest)
            else:
                data = self.body(size)
                self.receiver.whole.add(n)
                if not self.receiver.on_put(self, n, data):
                    self.store(n, size, digest, data)
        elif words[0] == "DATA" and len(words) == 4:
            self.data(*(int(word) for word in words[1:]))
        elif words[0] == "HELLO":
            self.say("READY 1 %s %s" % (self.receiver.host, " ".join(
                "%s=%d" % pair for pair in self.receiver.ready.items())))
        elif line == "PING":
            self.say("PONG")
        elif line == "QUIT":
            self.say("BYE")
            raise Cut
        elif words[0] == "STATE" and "state" not in self.receiver.ready:
            self.receiver.wrong.append(line)
        elif words[0] not in ("SETTLED", "SKIP", "STATE"):
            self.receiver.wrong.append(line)

    def serve(self):
        while True:
            line = self.line()
            self.receiver.lines.append(line)
            if not self.receiver.odd or not self.receiver.odd(self, line):
                self.deal_with(line)


class FakeReceiver:
    """Serves one connection after the other until the test ends."""

    def __init__(self, t, odd=None, on_complete=None, on_put=None, cuts=None, host="fake1",
                 raw=None, listens=True, **ready):
        self.odd = odd
        self.raw = raw or (lambda _: False)
        # (connection, n, bytes): True where it has answered an upload that is complete, or a PUT
        self.on_complete = on_complete or (lambda *_: False)
        self.on_put = on_put or (lambda *_: False)
        self.cuts = cuts or {}   # number of the connection -> bytes
        self.host = host
        self.rate = None         # bytes a second that it takes; None: all
        self.ready = {**READY, **ready}
        self.stored, self.partials, self.digests = {}, {}, {}
        self.whole, self.right = set(), set()
        self.lines, self.wrong = [], []
        self.connections = 0
        self.bytes = 0       # that came, over all of them
        self.late_bytes = 0  # of DATA that came behind its item's answer
        self.others = True
        self.ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ctx.minimum_version = ssl.TLSVersion.TLSv1_3
        self.ctx.set_alpn_protocols(["inbox/1"])
        self.ctx.num_tickets = 0
        pair = t.pki.server()
        self.ctx.load_cert_chain(pair.cert, pair.key)
        self.ctx.load_verify_locations(t.pki.ca.cert)
        self.ctx.verify_mode = ssl.CERT_REQUIRED
        self.listener = socket.socket()
        # Little room, so that what a small item waits behind is the client's doing.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        if listens:
            self.listen()
        t.closing.append(self)

    def listen(self):
        """Until then its port refuses connections."""
        self.listener.listen(16)
        self.thread.start()

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with contextlib.suppress(Cut, OSError):
                sock.settimeout(60)
                if self.raw(sock):
                    sock.close()
                    continue
                with self.ctx.wrap_socket(sock, server_side=True) as tls:
                    Connection(self, tls, self.connections).serve()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def said(self, *verbs):
        return [line for line in self.lines if line.split(" ")[0] in verbs]


def later_for(seconds, *numbers):
    """For these numbers; without any, for all."""
    def odd(c, line):
        if line.startswith("PUT") and int(line.split()[1]) in (numbers or range(100)):
            c.body(int(line.split()[3]))
            c.say("LATER %s %s full no room" % (line.split()[1], seconds))
            return True
        return False
    return odd
