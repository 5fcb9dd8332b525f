# SPDX-License-Identifier: ISC
"""An independent client of inbox/1, written from inbox-protocol(7) alone.

It shares nothing with the C code, so that the tests try the specification
and not only the agreement of our two ends: every line of the receiver is
held to the grammar, and what does not fit raises Violation.

TLS runs over memory BIOs with select(2): one thread reads while it writes, so
that a receiver which stops reading (its window is full) cannot deadlock us, and
every wait is bounded.  Python's own SSLSocket cannot do both at once.
"""

import hashlib
import re
import select
import socket
import ssl
import struct
import time

TIMEOUT = 30.0
CHUNK = 65536

NUMBER = r"(?:[1-9][0-9]{0,18})"
COUNT = r"(?:0|[1-9][0-9]{0,18})"
NAME = r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,254})"
CODE = r"(?:[a-z][a-z0-9-]{0,31})"
KEYS = r"(?P<keys>(?: [a-z][a-z0-9-]{0,31}=[\x21-\x7e]*)*)"
TEXT = r"(?P<text>(?: [\x20-\x7e]*)?)"

GRAMMAR = {
    "READY": r"READY 1 (?P<host>%s)%s" % (NAME, KEYS),
    "STORED": r"STORED (?P<n>%s) (?P<name>%s)%s" % (NUMBER, NAME, KEYS),
    "LATER": r"LATER (?P<n>%s) (?P<seconds>%s) (?P<code>%s)%s" % (NUMBER, COUNT, CODE, TEXT),
    "REFUSED": r"REFUSED (?P<n>%s) (?P<code>%s)%s" % (NUMBER, CODE, TEXT),
    "SEND": r"SEND (?P<n>%s) (?P<offset>%s)" % (NUMBER, COUNT),
    "PONG": r"PONG",
    "WAIT": r"WAIT (?P<seconds>%s)" % COUNT,
    "GOAWAY": r"GOAWAY (?P<seconds>%s) (?P<code>%s)" % (COUNT, CODE),
    "BYE": r"BYE",
    "ERROR": r"ERROR (?P<code>%s)%s" % (CODE, TEXT),
}
CODES = {
    "LATER": {"digest", "full", "trouble", "unsettled", "busy", "use-open", "use-put",
              "no-inbox", "not-allowed", "too-large", "paused", "inbox-full"},
    "REFUSED": {"no-inbox", "not-allowed", "too-large"},
    "GOAWAY": {"stopping", "idle", "superseded", "crowded"},
    "ERROR": {"line", "verb", "state", "field", "version", "identity"},
}
LAST = {"STORED", "LATER", "REFUSED"}
NUMERIC = {"n", "seconds", "offset", "window", "bytes", "inline", "item", "idle", "settled",
           "state"}


class Violation(Exception):
    """The receiver said something that inbox-protocol(7) does not allow."""


class Closed(Exception):
    """The connection ended before what was waited for came."""


class Timeout(Exception):
    """Nothing came in time."""


class Line:
    """One line of the receiver: .verb, .raw, and its fields by name."""

    def __init__(self, raw):
        self.raw = raw.decode("ascii", "backslashreplace")
        self.verb = self.raw.split(" ")[0]
        if len(raw) + 1 > 1024:
            raise Violation("line of %d bytes: %r" % (len(raw) + 1, self.raw))
        pattern = GRAMMAR.get(self.verb)
        match = pattern and re.fullmatch(pattern, self.raw)
        if not match:
            raise Violation("not a line of inbox/1: %r" % self.raw)
        self.fields = {k: v for k, v in match.groupdict().items() if v is not None}
        for pair in self.fields.pop("keys", "").split():
            key, value = pair.split("=", 1)
            if key in self.fields:
                raise Violation("%s= stands there twice: %r" % (key, self.raw))
            self.fields[key] = value
        for key in NUMERIC & set(self.fields):
            self.fields[key] = int(self.fields[key])
        if "text" in self.fields:
            self.fields["text"] = self.fields["text"][1:]
        code = self.fields.get("code")
        if code is not None and code not in CODES[self.verb]:
            raise Violation("unknown code: %r" % self.raw)

    def __getattr__(self, key):
        try:
            return self.__dict__["fields"][key]
        except KeyError:
            raise AttributeError(key) from None

    def get(self, key, other=None):
        return self.fields.get(key, other)

    def __repr__(self):
        return "<%s>" % self.raw


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def escape(data):
    """A text value: bytes outside 0x21 to 0x7e and '%' as %XX."""
    return "".join(chr(b) if 0x21 <= b <= 0x7E and b != 0x25 else "%%%02X" % b for b in data)


def context(ca, cert=None, key=None, alpn=("inbox/1",), tls12=False, hostname=False):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = hostname
    ctx.load_verify_locations(ca)
    ctx.minimum_version = ssl.TLSVersion.TLSv1_2 if tls12 else ssl.TLSVersion.TLSv1_3
    if tls12:
        ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    if alpn:
        ctx.set_alpn_protocols(list(alpn))
    if cert:
        ctx.load_cert_chain(cert, key)
    return ctx


class Client:
    """One connection.  `on_stored(inbox, name, digest)` hears of every STORED.

    `source` is an address of ours to connect from; `before(sock)` runs before TLS.
    """

    def __init__(self, address, ctx, timeout=TIMEOUT, on_stored=None, handshake=True,
                 hostname=None, buffer=None, source=None, before=None):
        self.timeout = timeout
        self.on_stored = on_stored
        self.answers = {}      # n -> [Line], in order, for what nobody has asked for yet
        self.others = []       # WAIT, GOAWAY, ... in order
        self.asked = {}        # n -> (inbox, digest)
        self.history = []      # every line, as it came
        self.ready = None
        self.eof = False
        self.error = None      # why it ended, where TLS or TCP says so
        self._plain = bytearray()
        self._lines = []
        self._out = bytearray()
        self._cipher = b""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        if source:
            self.sock.bind((source, 0))
        self.sock.settimeout(timeout)
        self.sock.connect(address)
        if before:
            before(self.sock)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self._in_bio, self._out_bio = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = ctx.wrap_bio(self._in_bio, self._out_bio, server_hostname=hostname)
        self._shaken = False
        if handshake:
            self._wait(lambda: self._shaken, timeout)
            if not self._shaken:
                raise Closed("handshake: %s" % (self.error or "closed"))

    # ---- the pump

    def _advance(self):
        """Moves what can move between plain text and the BIOs."""
        if self.eof:
            return
        try:
            if not self._shaken:
                self._tls.do_handshake()
                self._shaken = True
            while True:
                data = self._tls.read(CHUNK)
                if not data:
                    self.eof = True
                    return
                self._plain += data
        except ssl.SSLWantReadError:
            if self._in_bio.eof:
                self.eof = True
        except ssl.SSLError as error:
            self.eof = True
            if not isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
                self.error = error

    def _pump(self, wait):
        """One turn: at most `wait` seconds of waiting."""
        if not self._shaken:
            self._advance()
        while self._out and self._shaken and self._out_bio.pending < CHUNK:
            try:
                self._tls.write(bytes(self._out[:CHUNK]))
            except ssl.SSLError as error:
                self.error = self.error or error
                self._out.clear()
                break
            del self._out[:CHUNK]
        pending = self._cipher = self._cipher or self._out_bio.read(4 * CHUNK)
        readable, writable, _ = select.select(
            [self.sock], [self.sock] if pending else [], [], wait)
        if writable:
            try:
                sent = self.sock.send(pending)
                self._cipher = pending[sent:]
            except BlockingIOError:
                pass
            except OSError as error:
                self._cipher = b""
                self._out.clear()
                self.error = self.error or error
        if readable:
            try:
                data = self.sock.recv(4 * CHUNK)
                if data:
                    self._in_bio.write(data)
                else:
                    self._in_bio.write_eof()
            except BlockingIOError:
                pass
            except OSError as error:
                self.error = error
                self._in_bio.write_eof()
            self._advance()
        self._split()

    def _split(self):
        while True:
            end = self._plain.find(b"\n")
            if end < 0:
                if len(self._plain) > 1024:
                    raise Violation("line over 1024 bytes")
                return
            line = Line(bytes(self._plain[:end]))
            del self._plain[:end + 1]
            self.history.append(line)
            self._lines.append(line)
            if line.verb in LAST:
                if line.n not in self.asked:
                    raise Violation("an answer to nothing: %r" % line)
                if line.verb == "STORED":
                    inbox, digest = self.asked[line.n]
                    if self.on_stored:
                        self.on_stored(inbox, line.name, digest)

    def _unsent(self):
        return bool(self._out) or bool(self._cipher) or self._out_bio.pending > 0

    def _wait(self, done, timeout):
        limit = time.monotonic() + timeout
        while not done() and not self.eof:
            left = limit - time.monotonic()
            if left <= 0:
                raise Timeout("after %g s; so far: %r" % (timeout, self.history[-5:]))
            self._pump(min(left, 0.5))

    # ---- what one says

    def post(self, data):
        """Queues bytes: what fits goes out now, the rest while we wait for anything."""
        if isinstance(data, str):
            data = data.encode("ascii")
        self._out += data
        if self._shaken and not self.eof:
            self._pump(0)

    def send(self, data, timeout=None):
        """Bytes as they are, right or wrong; returns when the kernel has them."""
        self.post(data)
        self._wait(lambda: not self._unsent(), timeout or self.timeout)

    def flow(self, seconds):
        """Lets things happen for a time; True if all output went out."""
        limit = time.monotonic() + seconds
        while not self.eof and time.monotonic() < limit:
            self._pump(max(0.0, min(0.05, limit - time.monotonic())))
        return not self._unsent()

    def hello(self, queue, settled=1, wait=True, **keys):
        line = "HELLO 1 %s %d" % (queue, settled)
        for key, value in keys.items():
            line += " %s=%s" % (key, value if isinstance(value, int) else escape(value.encode()))
        self.post(line + "\n")
        if wait:
            self.ready = self.expect("READY")
        return self.ready

    def announce(self, n, inbox, data, verb="PUT", name=None, when=None, digest=None, size=None):
        """The line alone."""
        digest = digest or sha256(data)
        self.asked[n] = (inbox, digest)
        line = "%s %d %s %d %s" % (verb, n, inbox, len(data) if size is None else size, digest)
        if name is not None:
            line += " name=" + escape(name if isinstance(name, bytes) else name.encode())
        if when is not None:
            line += " time=%d" % when
        self.post(line + "\n")

    def put(self, n, inbox, data, **how):
        """Queues a whole item; answer(n) brings what became of it."""
        self.announce(n, inbox, data, **how)
        self.post(data)

    def pieces(self, n, data, begin=0, end=None, size=1 << 18):
        """DATA from `begin` on."""
        end = len(data) if end is None else end
        for offset in range(begin, end, size):
            part = data[offset:min(offset + size, end)]
            self.post("DATA %d %d %d\n" % (n, offset, len(part)))
            self.post(part)

    def settled(self, n):
        self.post("SETTLED %d\n" % n)

    def skip(self, n, reason):
        self.post("SKIP %d %s\n" % (n, reason))

    # ---- what one hears

    def line(self, timeout=None):
        """The next line, whatever it is; None at the end."""
        self._wait(lambda: self._lines, timeout or self.timeout)
        return self._lines.pop(0) if self._lines else None

    def _sort(self):
        for line in self._lines:
            if line.verb in LAST or line.verb == "SEND":
                there = self.answers.setdefault(line.n, [])
                if there and there[-1].verb in LAST:
                    raise Violation("a line behind the answer to %d: %r" % (line.n, line))
                there.append(line)
            else:
                self.others.append(line)
        self._lines.clear()

    def answer(self, n, timeout=None):
        """The answer to item n, or the next line of it: SEND comes before."""
        def there():
            self._sort()
            return n in self.answers
        self._wait(there, timeout or self.timeout)
        self._sort()
        if n not in self.answers:
            raise Closed("no answer to %d; last lines: %r; %s" % (
                n, self.history[-3:], self.error))
        line = self.answers[n].pop(0)
        if not self.answers[n]:
            del self.answers[n]
        return line

    def stored(self, n, timeout=None):
        line = self.answer(n, timeout)
        if line.verb != "STORED":
            raise AssertionError("want STORED %d, got %r" % (n, line))
        return line

    def expect(self, verb, timeout=None):
        """The next line of this verb; other lines stay for later."""
        def find():
            for i, line in enumerate(self.others):
                if line.verb == verb:
                    return i
            return None

        def there():
            self._sort()
            return find() is not None
        self._wait(there, timeout or self.timeout)
        self._sort()
        at = find()
        if at is None:
            raise Closed("no %s; last lines: %r; %s" % (verb, self.history[-3:], self.error))
        return self.others.pop(at)

    def ping(self, timeout=None):
        self.post("PING\n")
        return self.expect("PONG", timeout)

    def wait_close(self, timeout=None):
        """Reads to the end and closes, too; the lines that nobody had read before."""
        before = len(self.history) - len(self._lines)
        self._wait(lambda: self.eof, timeout or self.timeout)
        self.close()
        return self.history[before:]

    def quit(self, timeout=None):
        self.post("QUIT\n")
        self.expect("BYE", timeout)
        self.wait_close(timeout)

    # ---- the end

    def close(self):
        self.sock.close()

    def cut(self):
        """A reset, as when a machine dies."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
