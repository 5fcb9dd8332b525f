# SPDX-License-Identifier: ISC
"""Receivers that misbehave, in each way that inbox-protocol(7) allows and forbids: a row each.

A liar is `odd` (it sees each line of the client first), `done` (it answers an item that came
whole), or `raw` (it has the connection before TLS), as fakereceiver.py has them; else it does
what an honest one does.
"""

import contextlib
import os
import re
import socket
import struct
import subprocess
import threading
import time

from fakereceiver import ITEM, Cut

CHUNK = b"x" * 65536


def hello(*lines):
    """Says these in place of READY, and goes on."""
    def odd(c, line):
        if line.startswith("HELLO "):
            c.say(*lines)
            return True
        return False
    return odd


def early(*lines):
    """Answers PUT and OPEN on the line; a PUT's bytes are read behind that."""
    def odd(c, line):
        item = ITEM.fullmatch(line)
        if not item:
            return False
        c.say(*(text.format(n=int(item[2]), size=int(item[4]), more=int(item[4]) + 1)
                for text in lines))
        if item[1] == "PUT":
            c.body(int(item[4]))
        return True
    return odd


def on_open(*lines):
    """Answers OPEN alone so."""
    answer = early(*lines)
    return lambda c, line: line.startswith("OPEN ") and answer(c, line)


def on_large_put(*lines):
    """Answers a PUT of more than the system takes at once on the line."""
    answer = early(*lines)
    return lambda c, line: (ITEM.fullmatch(line) and int(ITEM.fullmatch(line)[4]) > 1 << 20 and
                            answer(c, line))


def done(*lines):
    """Answers what came whole."""
    def complete(c, n, _data):
        for text in lines:
            c.answer(n, text.format(n=n, other=n + 1000))
        return True
    return complete


def sends(data, every=0.05, behind="HELLO"):
    """Says this for ever behind the first line that begins so, and hears nothing more."""
    def odd(c, line):
        if not line.startswith(behind):
            return False
        if behind != "HELLO":
            return sends_on(c)
        c.say("READY 1 liar window=4 bytes=65536 inline=65536")
        return sends_on(c)

    def sends_on(c):
        while True:
            c.sock.sendall(data)
            if every:
                time.sleep(every)
    return odd


def trickles(text):
    """In place of READY, a byte a second."""
    def odd(c, line):
        if line.startswith("HELLO "):
            for byte in text:
                c.sock.sendall(byte.encode())
                time.sleep(1)
            return True
        return False
    return odd


def is_silent(behind):
    """Says nothing from that line on, and reads all, or nothing."""
    def odd(c, line):
        if line.startswith(behind):
            while True:
                c.more()
                c.buffer.clear()
        return False
    return odd


def reads_nothing(c, line):
    if line.startswith("HELLO "):
        c.say("READY 1 liar")
        time.sleep(8)
        raise Cut
    return False


def closes_after(count):
    """The nth connection ends behind so many bytes of an answer more."""
    def odd(c, line):
        text = "READY 1 liar window=4 inline=65536\nLATER 1 0 full x\n"
        if line.startswith("HELLO "):
            c.sock.sendall(text[:count + c.number].encode())
            raise Cut
        return False
    return odd


def half_closes(c, line):
    """No more from us, but it is listened to."""
    if line.startswith("HELLO "):
        c.say("READY 1 liar")
        c.sock.shutdown(socket.SHUT_WR)
        while True:
            c.more()
            c.buffer.clear()
    return False


def resets(c, line):
    if line.startswith("PUT "):
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Cut
    return False


def resets_at_once(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return True


def says_plain(data, every=None):
    """Without TLS."""
    def raw(sock):
        for part in ([data] if every is None else [bytes([byte]) for byte in data]):
            sock.sendall(part)
            time.sleep(every or 0)
        return True
    return raw


def is_mute(sock):
    """Takes a connection and all it is told, and says nothing."""
    while sock.recv(65536):
        pass
    return True


def sends_again(offset):
    """SEND once more, and again, of what was opened."""
    def complete(c, n, data):
        if isinstance(data, bytes):
            return False
        del data[offset:]
        c.say("SEND %d %d" % (n, offset))
        return True
    return complete


def sends_backwards(c, line):
    """Once a frame has come, it wants it again."""
    words = line.split(" ")
    if words[0] == "DATA":
        c.body(int(words[3]))
        c.say("SEND %s 0" % words[1])
        return True
    return False


def stores_at_first_frame(c, line):
    words = line.split(" ")
    if words[0] == "DATA":
        c.say("STORED %s too-early" % words[1])
        c.body(int(words[3]))
        return True
    return False


def swaps_verbs(c, line):
    """PUT is to be OPEN, and OPEN PUT."""
    item = ITEM.fullmatch(line)
    if not item:
        return False
    c.say("LATER %s 0 %s x" % (item[2], "use-open" if item[1] == "PUT" else "use-put"))
    if item[1] == "PUT":
        c.body(int(item[4]))
    return True


def goes_away_and_stays(c, line):
    if line.startswith("HELLO "):
        c.say("READY 1 liar", "GOAWAY 0 stopping")
        while True:
            c.say("PONG")
            time.sleep(0.3)
    return False


class TlsLiar:
    """openssl s_server, for what TLS itself allows to say: its commands K (KeyUpdate, which is to
    be answered), k (likewise, which is not) and r (renegotiation)."""

    def __init__(self, t, storm, *options):
        pair = t.pki.server()
        self.storm = storm
        self.connections, self.right = 0, set()
        self.child = t.spawn(
            ["openssl", "s_server", "-accept", "127.0.0.1:0", "-alpn", "inbox/1", "-cert",
             pair.cert, "-key", pair.key, "-CAfile", t.pki.ca.cert, "-Verify", "2", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        said = b""
        while not (found := re.search(rb"ACCEPT 127.0.0.1:(\d+)\n", said)):
            said += self.child.stdout.read(1)
        self.port = int(found[1])
        threading.Thread(target=self.hear, daemon=True).start()

    def hear(self):
        with contextlib.suppress(OSError):
            while said := self.child.stdout.read(65536):
                if said.count(b"HELLO "):
                    self.connections += 1
                    threading.Thread(target=self.rage, daemon=True).start()

    def rage(self):
        """A command at a time, as s_server takes a reading for one."""
        with contextlib.suppress(OSError):
            for line in ["READY 1 liar"] + 1000 * self.storm:
                self.child.stdin.write(line.encode() + b"\n")
                time.sleep(0.002)


STORED_ALL = ["STORED %d x" % n for n in range(1, 200)]

# name: {"odd", "done", "raw", "openssl", what READY says}, and of what is to come of it: "stores",
# it is honest but odd, and gets all; "none", nothing it says counts; "refuses", items are set
# aside; "event", of the log; "size", of the large item; "minimum", of TLS.
LIARS = {
    # ---- answers
    "wrong-number": {"done": done("STORED {other} x")},
    "no-such-number": {"done": done("REFUSED {other} no-inbox", "LATER {other} 1 full")},
    "twice": {"done": done("STORED {n} a", "STORED {n} b", "REFUSED {n} no-inbox")},
    "stored-then-again": {"done": done("STORED {n} a", "STORED {n} a again=1")},
    "refused-then-stored": {"done": done("REFUSED {n} no-inbox", "STORED {n} a"), "refuses": True},
    "later-then-stored": {"done": done("LATER {n} 30 full", "STORED {n} a")},
    "all-numbers-at-once": {"odd": hello("READY 1 liar", *STORED_ALL[3:])},
    "before-ready": {"odd": hello(*STORED_ALL)},
    "before-the-bytes": {"odd": on_open("STORED {n} x"), "inline": 1000},
    "at-the-first-frame": {"odd": stores_at_first_frame, "inline": 1000, "size": 8 << 20},
    "at-the-line-of-put": {"odd": on_large_put("STORED {n} x"), "inline": 1 << 30,
                           "size": 8 << 20},
    "no-name": {"done": done("STORED {n}")},
    "name-with-slash": {"done": done("STORED {n} ../../etc/passwd")},
    "name-with-dot": {"done": done("STORED {n} .hidden")},
    "name-too-long": {"done": done("STORED {n} " + 256 * "n")},
    "refused-oddly": {"done": done("REFUSED {n} because-i-say-so %00 text"), "refuses": True},
    "refused-without-code": {"done": done("REFUSED {n} NO")},
    "refused-early": {"odd": early("REFUSED {n} too-large x"), "refuses": True},
    "answers-not": {"done": lambda c, n, data: True},
    "answers-pings-alone": {"done": lambda c, n, data: True, "idle": 1},
    # ---- LATER
    "later-0": {"done": done("LATER {n} 0 full x")},
    "later-0-early": {"odd": early("LATER {n} 0 busy x")},
    "later-for-all": {"done": done("LATER {n} 60 full x")},
    "later-for-ages": {"done": done("LATER {n} 4294967295 full x")},
    "later-too-large": {"done": done("LATER {n} 4294967296 full x")},
    "later-1000-years": {"done": done("LATER {n} 31556952000 full x")},
    "later-digest": {"done": done("LATER {n} 0 digest x")},
    "use-put-use-open": {"odd": swaps_verbs},
    "use-open-for-ever": {"odd": early("LATER {n} 0 use-open x")},
    # ---- READY
    "ready-twice": {"odd": hello("READY 1 liar", "READY 1 other"), "none": True},
    "ready-2": {"odd": hello("READY 2 liar"), "none": True},
    "ready-0": {"odd": hello("READY 0 liar"), "none": True},
    "ready-huge": {"odd": hello("READY 1 liar window=9223372036854775808")},
    "ready-minus": {"odd": hello("READY 1 liar window=-1")},
    "ready-no-host": {"odd": hello("READY 1")},
    "ready-late": {"odd": trickles("READY 1 liar window=1000\n")},
    "windows-of-0": {"window": 0, "bytes": 0, "stores": True},
    "windows-of-all": {"window": (1 << 63) - 1, "bytes": (1 << 63) - 1, "stores": True},
    "inline-above-item": {"inline": 1 << 40, "item": 1 << 30, "stores": True},
    "inline-0": {"inline": 0, "stores": True},
    "item-0": {"inline": 0, "item": 0, "stores": True},
    "idle-0": {"idle": 0, "done": done("LATER {n} 1 full x")},
    "idle-1": {"idle": 1, "done": done("LATER {n} 1 full x")},
    "state-1": {"state": 1, "done": done("LATER {n} 1 full x")},
    "settled-beyond": {"settled": (1 << 63) - 1, "stores": True, "event": "queue_behind"},
    # ---- SEND
    "send-beyond": {"odd": on_open("SEND {n} {more}"), "inline": 1000},
    "send-all-is-there": {"odd": on_open("SEND {n} {size}"), "inline": 1000},
    "send-backwards": {"odd": sends_backwards, "inline": 1000},
    "send-twice": {"odd": on_open("SEND {n} 0", "SEND {n} 0"), "inline": 1000},
    "send-0-for-ever": {"done": sends_again(0), "inline": 1000},
    "send-1-again": {"done": sends_again(1), "inline": 1000},
    "send-for-put": {"odd": early("SEND {n} 0")},
    "send-for-none": {"odd": hello("READY 1 liar", "SEND 4000000000 0")},
    # ---- the rest of what a server may say
    "goaway-at-once": {"odd": hello("GOAWAY 0 stopping")},
    "goaway-0": {"odd": hello("READY 1 liar", "GOAWAY 0 crowded")},
    "goaway-and-stays": {"odd": goes_away_and_stays},
    "goaway-for-ages": {"odd": hello("READY 1 liar", "GOAWAY 4294967295 crowded")},
    "superseded": {"odd": hello("READY 1 liar", "GOAWAY 0 superseded")},
    "pong-unasked": {"odd": sends(b"PONG\n", 0.2)},
    "pong-flood": {"odd": sends(1000 * b"PONG\n", 0.01)},
    "bye-unasked": {"odd": hello("READY 1 liar", "BYE"), "none": True},
    "bye-at-once": {"odd": hello("BYE"), "none": True},
    "error": {"odd": hello("ERROR identity who are you")},
    "error-oddly": {"odd": hello("READY 1 liar", "ERROR so-there \\x1b[2J")},
    "errors-for-ever": {"odd": sends(b"ERROR line x\n")},
    "says-hello": {"odd": hello("HELLO 1 0123456789abcdef0123456789abcdef 1")},
    # ---- no lines
    "garbage": {"odd": sends(os.urandom(4096))},
    "nul": {"odd": hello("READY 1 liar\0")},
    "cr-lf": {"odd": hello("READY 1 liar\r")},
    "empty-lines": {"odd": sends(b"\n")},
    "small-letters": {"odd": hello("ready 1 liar")},
    "line-of-1-mib": {"odd": sends(16 * CHUNK)},
    "records-of-a-byte": {"odd": sends(b"x", 0.001)},
    # ---- the connection
    "silent-behind-hello": {"odd": is_silent("HELLO")},
    "silent-behind-put": {"odd": is_silent("PUT")},
    "reads-nothing": {"odd": reads_nothing},
    "closes-at-each-byte": {"odd": closes_after(0)},
    "closes-behind-ready": {"odd": closes_after(34)},
    "half-closes": {"odd": half_closes},
    "resets": {"odd": resets},
    "resets-at-once": {"raw": resets_at_once},
    "closes-at-once": {"raw": lambda sock: True},
    "mute": {"raw": is_mute},
    "plain": {"raw": says_plain(b"220 mail.example.org ESMTP ready\r\n")},
    "plain-slow": {"raw": says_plain(b"\x16\x03\x03\x40\x00" + bytes(60), 0.2)},
    "key-updates": {"openssl": [["K"], "-tls1_3"]},
    "key-updates-unasked": {"openssl": [["k"], "-tls1_3"]},
    "renegotiates": {"openssl": [["r"], "-tls1_2"], "minimum": "1.2"},
    "half-a-record": {"raw": says_plain(b"\x16\x03\x03\x10")},
}
