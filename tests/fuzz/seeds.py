#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Writes the seeds of the fuzzers' corpora: seeds.py FOLDER

Each is a case of inbox-protocol(7) or of a unit test, as the target's head
describes its input.  What fuzzing found on top lies beside them under other
names (40 hexadecimal digits, or crash-...): those this script leaves alone.
"""

import hashlib
import os
import struct
import subprocess
import sys
import tempfile

QUEUE = "6d0f3b5ac2e94a1f8b7c6d5e4f3a2b1c"
SHA = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of "foo"
NAME = "20261122T141103.123456Z-1f2e3d4c-0.1-pc17.example.org.msg"
SEEDS = []


def seed(target, name, data):
    SEEDS.append((target, name, data if isinstance(data, bytes) else data.encode("latin-1")))


# ---- codec

CLIENT = ["HELLO 1 %s 5 pending=3 oldest=1795356663 agent=inboxq/0.1%%20x" % QUEUE,
          "PUT 1 status 3 %s name=report%%20%%C3%%A4.txt time=17" % SHA,
          "OPEN 9223372036854775807 dumps 9223372036854775807 %s name=%%25 time=0" % SHA,
          "DATA 9 0 262144", "SETTLED 5", "SKIP 3 removed", "PING x= y=1 a-key-1=%zz==", "QUIT"]
SERVER = ["READY 1 cap1 window=1024 bytes=67108864 inline=0 item=1073741824 idle=300 settled=1 "
          "id=%s" % QUEUE,
          "STORED 1 %s again=1" % NAME, "LATER 7 60 full no space left in inbox status",
          "LATER 7 0 of-a-later-day  two  spaces ", "REFUSED 3 no-inbox no inbox nosuch",
          "SEND 9 262144", "PONG", "WAIT 10", "GOAWAY 30 stopping", "BYE",
          "ERROR verb unknown verb \"GET\""]
WRONG = ["PUT 15 status -3 " + SHA, "GET / HTTP/1.1", "PUT 1", "HELLO 1  1",
         "HELLO 1 %s 1 pending=1 pending=2" % QUEUE, "HELLO 1 %s 1 agent=%%0a" % QUEUE,
         "PUT 1 ../x 1 " + SHA, "PUT 1 s 9223372036854775808 " + SHA, "PING ", "PING\r",
         "PING \x00", "ERROR line \x7f",
         "STORED 1 a again=2", "READY 1 cap window=0", "LATER 1 4294967296 full"]


def codec():
    for i, line in enumerate(CLIENT + SERVER + WRONG):
        seed("codec", "line-%02d" % i, line + "\n")
    seed("codec", "all", "".join(line + "\n" for line in CLIENT + SERVER))
    seed("codec", "longest", "ERROR line " + 1012 * "x" + "\n")
    seed("codec", "too-long", "ERROR line " + 1013 * "x" + "\n")
    seed("codec", "hint", "PUT 1 s 0 %s name=%s\n" % (SHA, 255 * "%00"))
    seed("codec", "state", "STATE pending=25 oldest=17 failed=0\nSTATE\nREADY 1 cap1 state=15\n")
    seed("codec", "no-end", "PING\n\nPING\nQUI")


# ---- session: flags, steps, what the client says

HELLO = "HELLO 1 %s 1 pending=1 agent=inboxq/0.1\n" % QUEUE


def put(n, body, inbox="status", sha=None):
    sha = sha or hashlib.sha256(body.encode("latin-1")).hexdigest()
    return "PUT %d %s %d %s name=report.txt\n%s" % (n, inbox, len(body), sha, body)


def steps(*values):
    return bytes([len(values), *values])


SIZES = [1, 2, 3, 5, 7, 11, 16, 33, 64, 100, 200, 500, 1023, 1024, 4096, 16384]


def feed(text, op=0):
    """Steps that feed exactly this much."""
    left, found = len(text), []
    for i in reversed(range(16)):
        while SIZES[i] <= left:
            found.append(i << 4 | op)
            left -= SIZES[i]
    return found


def session():
    def case(name, text, flags=0, how=steps()):
        seed("session", name, bytes([flags]) + how + text.encode("latin-1"))
    case("one-item", HELLO + put(1, "foo") + "QUIT\n")
    case("byte-by-byte", HELLO + put(1, "foo") + "PING\nQUIT\n", 1, steps(0x00, 0x08))
    case("pipeline", HELLO + put(2, "foo") + put(3, "bar", "nosuch") + put(4, "") +
         "SKIP 3 refused\nSETTLED 5\nQUIT\n", 1, steps(0x50, 0x90, 0x06, 0xa0))
    case("again", HELLO + put(5, "foo") + put(5, "foo") + put(5, "fox") + "QUIT\n", 1)
    case("digest", HELLO + put(6, "foo", sha=64 * "0") + put(7, "ok"))
    case("later", HELLO + put(1, "a") + put(2, "b") + put(3, "c") + put(4, "d") + "QUIT\n", 1,
         steps(0xe0, 0x16, 0x26, 0x36, 0x06))
    case("too-large", HELLO + "PUT 1 status 5000 %s\n" % SHA + 3500 * "x")
    case("not-allowed", HELLO + put(1, "foo", "payroll") + "PING\n", 1)
    case("body-cut", HELLO + put(1, "foo", sha=SHA)[:-1])
    case("body-cut-close-first", HELLO + put(1, "foo"), 65)
    case("windows", HELLO + "".join(put(i, "x" * 70) for i in range(1, 9)) + "QUIT\n", 1 | 8 | 16,
         steps(0xf0, 0x06))
    case("small-queue", HELLO + "".join("SETTLED %d\n" % i for i in range(1, 9)) + put(9, "foo"),
         1 | 32, steps(0xd0, 0x06, 0x0a))
    case("state", HELLO + "STATE pending=25 oldest=17 failed=1\nSTATE\nSTATE failed=x\n", 1)
    case("crowded", HELLO + put(1, "foo"), 2)
    case("no-identity", HELLO + put(1, "foo"), 4)
    case("no-queue", HELLO + put(1, "foo"), 128)
    case("superseded", HELLO + put(1, "foo") + put(2, "bar") + "QUIT\n", 1,
         steps(0xa0, 0x08, 0xf0, 0x0c, 0x06))
    case("slow-disk", HELLO + put(1, "foo") + "QUIT\n", 1,
         steps(0xd0, 0x08, 0xd0, 0x29, 0x29, 0x06))
    case("hello-late", HELLO, 0, steps(0x00, 0xf9))
    case("no-handshake", HELLO, 0, steps(0xf9, 0xf9, 0xf9, 0xf9, 0xf9, 0xf9, 0xf9))
    case("stalled-reader", HELLO + 20 * "PING\n" + "QUIT\n", 0, steps(0x80, 0x08, 0x0b, 0x80, 0x0a))
    case("idle", HELLO + "PING\n", 0, steps(0x80, 0x08, 0x0d, 0x0d))
    case("idle-in-flight", HELLO + put(1, "foo") + "QUIT\nPI", 1,
         steps(*feed(HELLO), 0x08, *feed(put(1, "foo") + "QUIT\n"), 0x0b, 0x0d, 0x08))
    case("idle-and-heard", HELLO + put(1, "foo") + "QUIT\nPI", 1,
         steps(*feed(HELLO), 0x08, *feed(put(1, "foo") + "QUIT\n"), 0x0d, 0x08))
    case("stopping", HELLO + put(1, "foo") + put(2, "b"), 1, steps(0x90, 0x08, 0xa0, 0x0e, 0x06))
    case("broken", HELLO + put(1, "foo"), 1, steps(0x90, 0x08, 0xa0, 0x0f))
    case("disk-full", HELLO + put(1, "foo") + put(2, "b") + "QUIT\n", 1,
         steps(0xf0, 0x08, 0x8f, 0xcf, 0x20))
    whole = hashlib.sha256(b"foobars").hexdigest()
    case("no-room", HELLO + put(1, "foo") + put(2, "b") + put(3, "c") + "QUIT\n", 1,
         steps(0xf0, 0x08, 0xbd, 0x20, 0x9d))
    case("open-refused", HELLO + "OPEN 9 status 7 %s\n" % whole)
    opened = HELLO + "OPEN 9 status 7 %s name=x\n" % whole

    def large(name, text, *how, flags=1):
        case(name, text, flags, bytes([64 + len(how), *how]))
    large("open-data", opened + "DATA 9 0 3\nfooDATA 9 3 4\nbarsQUIT\n", 0x80, 0x06)
    large("open-and-put", opened + "DATA 9 0 3\nfoo" + put(10, "small") + "PING\n" +
          "DATA 9 3 4\nbarsQUIT\n", 0x70, 0x06)
    large("open-empty", HELLO + "OPEN 9 status 0 %s\n" % hashlib.sha256(b"").hexdigest(), 0x90, 6)
    large("open-again", opened + "DATA 9 0 7\nfoobarsOPEN 9 status 7 %s\n" % whole, 0x60, 0x06)
    large("open-twice", opened + opened[len(HELLO):] + "DATA 9 0 7\nfoobars", 0x60, 0x06)
    large("open-wrong", opened + "DATA 9 0 7\nfooxars", 0x60, 0x06, flags=0)
    large("resumed", opened + "DATA 9 0 3\nfoo" + opened + "DATA 9 3 4\nbars",
          *(7 * [0x70, 0x06]), 0x0f)
    large("resumed-wrong", opened + "DATA 9 0 3\nxoo" + opened + "DATA 9 3 4\nbars" +
          "DATA 9 0 7\nfoobars", *(12 * [0x60, 0x08]), 0x0f, flags=0)
    # What had come was cut short while the next piece was on its way.
    first, second, third = opened + "DATA 9 0 5\nfooba", opened, "DATA 9 5 2\nr"
    large("shortened", first + second + third + "sPING\nQUIT\n",
          *feed(HELLO), 8, *feed(first[len(HELLO):]), 8, 0x0f)
    how = feed(HELLO, 4) + [8] + feed(opened[len(HELLO):], 4) + [8]
    large("shortened-in-piece", first + second + third + "sPING\nQUIT\n",
          *how, *feed(first[len(opened):], 4), 0x0f, *how, *feed(third, 4), 0xf5, 0x05)
    large("data-behind", opened + "DATA 9 1 3\nfoo", 0x60, 0x06)
    large("data-too-long", opened + "DATA 9 0 8\nfoobarsx", 0x60, 0x06)
    large("data-of-closed", opened + "DATA 9 0 7\nfoobarsDATA 9 7 3\nfoo", 0x60, 0x06)
    large("use-open", HELLO + put(1, 70 * "x") + put(2, "foo"), 0x80, 0x06)
    large("many-open", HELLO + "".join(
        "OPEN %d status 99 %s\n" % (i, whole) for i in range(1, 20)), 0xa0, 0x08)
    large("disk-full-large", opened + "DATA 9 0 7\nfoobarsPING\n", 0x90, 0x08, 0x60, 0x8f)
    case("get", "GET / HTTP/1.1\r\n\r\n")
    case("put-first", put(1, "foo"))
    case("hello-twice", HELLO + HELLO)
    case("version", "HELLO 2 %s 1\n" % QUEUE)
    case("long-line", HELLO + "PING " + 1100 * "x")
    case("data", HELLO + "DATA 9 0 3\nfoo")
    case("skips", HELLO + "SKIP 1 removed\nSKIP 2 elsewhere\nSKIP 9223372036854775807 refused\n"
         "SETTLED 9223372036854775807\nQUIT\n", 8, steps(0x90, 0x06))


# ---- config

CONF = """[receiver]
root = /var/lib/inboxd
listen = 127.0.0.1:0 [::1]:7117, *:7118
host = cap1.example.org
workers = 2
sync = filesystem
drain = 1m
[tls]
certificate = /etc/inboxd/server.crt
key: /etc/inboxd/server.key
ca = /etc/inboxd/ca.crt
identity = cn
[limits]
window = 16
bytes = 64M ; a comment
item = 1G
idle = 5m
[status]
socket = /run/inboxd/status
mode = 0660
[log]
level = debug
[inbox status]
suffix = .msg
size = 1M
clients = *.example.org pc?
[inbox dumps]
"""


def config():
    seed("config", "whole", CONF)
    seed("config", "crlf-and-mark", "\xef\xbb\xbf" + CONF.replace("\n", "\r\n"))
    seed("config", "value-of-semicolon", CONF.replace("clients = ", "clients =;"))
    seed("config", "least", "[tls]\ncertificate=/c\nkey=/k\nca=/a\n[inbox a]\n")
    for name, text in (
            ("unknown-key", "[limits]\nwindov = 1\n"), ("unknown-section", "[limit]\nx = 1\n"),
            ("twice", "[limits]\nwindow = 1\nwindow = 2\n"), ("range", "[limits]\nwindow = 0\n"),
            ("size", "[limits]\nbytes = 99999999999999T\n"), ("choice", "[log]\nlevel = x\n"),
            ("nul", "[limits]\nwindow = 1\x002\n"), ("long", "[receiver]\nhost = " + 300 * "x"),
            ("path", "[receiver]\nroot = relative\n"), ("no-section", "window = 1\n"),
            ("continued", "[receiver]\nlisten = a:1\n  b:2\n"), ("no-value", "[limits]\nwindow\n"),
            ("bracket", "[limits\nwindow = 1\n"),
            ("inbox-name", "[inbox ../x]\n[inbox]\n[inbox  a]\n"),
            ("semicolon", "[receiver]\nhost = ;x\nlisten = a;b, ;c\n"), ("empty", ""),
            ("inbox-twice", "[inbox a]\nsize = 1\n[inbox a]\nsize = 2\n"), ("lf", "\n\n\n"),
            ("tab-in-key", "[log]\nleve\tl = x\n"),
            ("utf-8", "[inbox a]\nsuffix = .\xc3\xa4\n"), ("seconds", "[limits]\nidle = 1x\n")):
        seed("config", name, text)


# ---- ledger: flags, then a segment whose checksums the target mends

def ledger():
    now = "20261122T141103.123456Z"
    who = "pc17.example.org " + QUEUE
    begin = "begin 1 %s 1" % now
    journal = "begin 2 %s 1 journal=9b1e60c8f4d75a20e3718a6db5c2f094" % now
    queue = ("queue %s 5 seen=%s pending=3 pending_oldest=1795356663 agent=inboxq/0.1 stored=7 "
             "stored_bytes=4096 skipped=1 missing=2 last_stored=%s colour=x" % (who, now, now))
    accept = "accept %%d %s %s %%d status 3 %s %%s 17 report.txt" % (now, who, SHA)
    a = [accept % (i, i + 4, NAME.replace("0.1-", "0.%d-" % i)) for i in range(1, 5)]
    cases = {
        "begun": [begin, "state"],
        "ended": [begin, "state", a[0], "mark 1 1", "end 20261122T151103.123456Z.log"],
        "whole": [begin, queue, "state", a[0], a[1], "mark 2 0", a[2], "mark 3 2", "mark 3 3"],
        "tail": [begin, "state", a[0], "mark 1 1", a[1], a[2]],
        "void": [begin, "state", a[0], a[1], "void 2", "mark 2 1", "void 7"],
        "state": [begin, queue, a[0], "skip %s 7 removed" % who, "state",
                  "settled %s 7" % who, "gap %s 6 6" % who],
        "gaps": [journal, queue, "state", "gap %s 2 3 since=%s kept=1" % (who, now),
                 "gap %s 4 4 since=%s known=1 kept=1" % (who, now),
                 "gap %s 6 8 since=%s" % (who, now), "settled %s 9" % who,
                 "gap %s 3 7 known=1 time=%s" % (who, now), a[2], "skip %s 2 -" % who, "void 3"],
        "gaps-merged": [journal, queue.replace(" 5 ", " 25 ", 1), "state",
                        "gap %s 2 9 kept=1 missing=5 gaps=3" % who,
                        "gap %s 11 12 kept=1 missing=9 gaps=9223372036854775807" % who,
                        "gap %s 24 25 kept=1" % who, a[0], "gap %s 1 10 known=1" % who],
        "skips": [begin, "state", "skip %s 5 elsewhere" % who, "skip %s 6 -" % who, a[2],
                  "settled %s 9" % who],
        "bad-before-mark": [begin, "state", "!" + a[0], "mark 1 1"],
        "bad-tail": [begin, "state", a[0], "mark 1 0", "!" + a[1], a[2]],
        "bad-state": [begin, "!" + queue, "state"],
        "version": [begin.replace("begin 1", "begin 3"), "state"],
        "journal": [journal, queue, "state", "mark 0 0", a[0], a[1], "mark 2 0", a[2],
                    "renamed 2 " + NAME, "mark 3 2"],
        "not-vouched": [journal, "state", a[0], "!" + a[1], a[2], "mark 3 1"],
        "vouched": [journal, "state", a[0], "!" + a[1], a[2], "mark 3 2"],
        "void-alone": [journal, "state", a[0], "void 2", a[2], "mark 3 3"],
        "no-begin": ["state"],
        "no-state": [begin, queue],
        "queue-later": [begin, "state", queue, a[0], queue, "settled %s 9223372036854775807" % who],
        "forgotten": [journal, queue, "state", a[0], "settled %s 6" % who, "mark 1 1",
                      queue + " age=9 forgotten=%s reason=age" % now, queue, a[1]],
        "forgotten-in-the-tail": [journal, queue, "state", a[0], "settled %s 6" % who,
                                  queue + " forgotten=%s reason=room" % now, "void 1", a[1]],
        "forgotten-in-the-state": [journal, queue, a[0], queue + " forgotten=%s" % now, "state",
                                   queue + " forgotten=%s" % now, "skip %s 5 -" % who],
        "same-number": [begin, "state", a[0], a[0], a[0].replace(SHA, 64 * "0"), "mark 9 9"],
        "far": [begin, "state", a[0], "settled %s 9223372036854775806" % who,
                "skip %s 9223372036854775807 removed" % who],
        "below-the-mark": [begin, "state", queue.replace(" 5 ", " 25 ", 1), a[0]],
        "begin-twice": [begin, "state", a[0], begin, a[1], "state"],
    }
    for name, lines in cases.items():
        text = "".join("%s00000000 %s\n" % ("!" if l[0] == "!" else "", l.lstrip("!"))
                       for l in lines)
        seed("ledger", name, "\x01" + text)
    seed("ledger", "cut", "\x01" + "".join("00000000 %s\n" % l for l in cases["whole"])[:-30])
    seed("ledger", "empty", "\x01")
    seed("ledger", "unmended", "\x00" + "00000000 " + begin + "\n")


# ---- answers: flags, steps, what the server says

def answers():
    ready = "READY 1 cap1 window=64 bytes=1048576 inline=65536 item=1048576 idle=300 settled=3\n"

    def case(name, text, flags=0, how=steps()):
        seed("answers", name, bytes([flags]) + how + text.encode("latin-1"))
    seed("answers", "nothing", b"")
    case("all-stored", ready.replace("65536", "1048576") +
         "".join("STORED %d %s\n" % (n, NAME) for n in range(3, 8)) + "BYE\n", 1)
    case("some", ready + "STORED 3 a\nLATER 4 60 full no room\nREFUSED 5 no-inbox no inbox x\n"
         "STORED 6 b again=1\n", 1)
    case("byte-by-byte", ready + "STORED 3 a\nSTORED 4 b\nLATER 5 0 digest\nPONG\nBYE\n", 1,
         steps(0x07, 0x00, 0x0a, 0x09))
    case("early", "STORED 3 a\n" + ready)
    case("midway", ready + "STORED 6 a\nSTORED 7 a\nREFUSED 7 too-large x\n", 0,
         steps(0x07, 0xa0, 0x0b, 0x40))
    case("later-then-again", ready + "LATER 3 1 trouble\nLATER 3 1 trouble\nSTORED 3 x\n", 0,
         steps(0x07, 0x90, 0x18, 0x0a))
    case("unasked", ready + "STORED 1 a\nREFUSED 2 x y\nSTORED 99 c\nLATER 8 0 full\nSEND 3 0\n")
    case("twice", ready + "STORED 3 a\nSTORED 3 b\nREFUSED 3 x y\n", 4)
    case("ready-twice", ready + ready.replace("cap1", "cap2").replace("settled=3", "settled=1"), 1)
    case("mark-behind", ready.replace("settled=3", "settled=1") + "STORED 3 a\n", 1)
    case("mark-ahead", ready.replace("settled=3", "settled=9223372036854775807") +
         "STORED 3 a\n", 1)
    case("goaway", ready + "STORED 3 a\nGOAWAY 30 stopping\nSTORED 4 b\n")
    case("goaway-first", "GOAWAY 60 crowded\n")
    case("error", ready + "STORED 3 a\nERROR state PUT before HELLO\n")
    case("error-identity", "ERROR identity the certificate names 2 identities\n")
    case("bye-at-once", ready + "BYE\n", 1)
    case("wait", ready + "WAIT 10\nWAIT 4294967295\nSTORED 3 a\n", 0, steps(0x07, 0x90, 0x58, 0x58))
    case("small-window",
         ready.replace("window=64", "window=1").replace("bytes=1048576", "bytes=1") +
         "STORED 3 a\nSTORED 4 b\nSTORED 5 c\n", 1)
    case("send", ready + "STORED 3 a\nSEND 7 0\nSEND 6 5\nSTORED 7 b\n", 1)
    case("send-late", ready + "SEND 7 60000\nPONG\nSTORED 7 b\nSEND 7 0\n", 0,
         steps(0x07, 0xa0, 0x0a, 0x00))
    case("send-whole", ready + "SEND 7 70000\nSTORED 7 b\n")
    case("send-anew", ready + "SEND 7 60000\nSEND 7 0\nSEND 7 0\nSEND 7 0\n", 0,
         steps(0x07, 0xa0, 0x0a, 0x20))
    case("send-too-far", ready + "SEND 7 70001\n")
    case("stored-unasked-large", ready + "STORED 7 b\n")
    case("stored-before-send", ready + "PONG\nSTORED 7 b\n", 0, steps(0x07, 0x70, 0x60, 0x0a))
    case("state", ready.replace("settled=3", "settled=3 state=1") + "STORED 3 a\nSTORED 4 b\n" +
         "REFUSED 5 no-inbox x\nPONG\nBYE\n", 0, steps(0x07, 0x90, 0x18, 0x30, 0x18, 0x0a))
    case("use-put", ready + "LATER 7 60 use-put\nLATER 7 60 use-put\nSTORED 7 a\n", 0,
         steps(0x07, 0x70, 0x30, 0x0a))
    case("use-open", ready.replace("65536", "1048576") + "LATER 7 60 use-open\nSEND 7 0\n", 1,
         steps(0x07, 0x70, 0x30, 0x0a))
    case("busy", ready + "LATER 7 1 busy\nLATER 7 1 busy\nSEND 7 0\n", 0,
         steps(0x07, 0x70, 0x30, 0x0a, 0x18))
    case("two-addresses", ready + "STORED 3 a\n", 2, steps(0x0e, 0x07, 0xf0))
    case("removed", ready + "STORED 3 a\nSTORED 4 b\nREFUSED 5 x\n", 1,
         steps(0x0d, 0x07, 0x2d, 0xf0))
    case("stopped", ready + "STORED 3 a\nSTORED 4 b\n", 0, steps(0x07, 0x90, 0x5c, 0xa0, 0x48))
    case("grammar", ready + "STORED 3 ../x\n")
    case("no-line", ready + 1100 * "x")
    case("closed", ready + "STORED 3 a", 0, steps(0x07, 0xf0, 0x0f))
    case("idle", ready.replace("idle=300", "idle=2") + "PONG\nPONG\n", 0,
         steps(0x07, 0xa0, 0x18, 0x28))


# ---- identity: certificates in DER

CERT = """[req]
distinguished_name = dn
prompt = no
x509_extensions = ext
[dn]
%s
[ext]
%s
"""
USE = "extendedKeyUsage = clientAuth\n"


def certificate(subject, extensions):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "c")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CERT % (subject, extensions))
        return subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-config", path,
             "-days", "9", "-set_serial", "1", "-utf8", "-keyout", os.devnull, "-outform", "DER"],
            check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def by_hand(*names):
    body = b"".join(bytes([0x82, len(name)]) + name for name in names)
    return "subjectAltName = DER:" + (bytes([0x30, len(body)]) + body).hex(":") + "\n"


def identity():
    san = "subjectAltName = "
    cases = {
        "dns": ("CN = pc1", san + "DNS:pc17.example.org\n" + USE),
        "uri": ("CN = pc1", san + "URI:urn:uuid:6d0f3b5a-c2e9-4a1f-8b7c-6d5e4f3a2b1c\n" + USE),
        "two": ("CN = pc1", san + "DNS:a.example.org, DNS:b.example.org\n" + USE),
        "dns-ip-mail": ("CN = pc1", san + "IP:192.0.2.1, email:a@b.example, DNS:a\n" + USE),
        "no-use": ("CN = pc1", san + "DNS:a\n"),
        "server-use": ("CN = pc1", san + "DNS:a\nextendedKeyUsage = serverAuth\n"),
        "ca": ("CN = pc1", san + "DNS:a\nbasicConstraints = CA:TRUE\n" + USE),
        "nul": ("CN = pc1", by_hand(b"pc1\0.example.org") + USE),
        "control": ("CN = pc1", by_hand(b"pc1\n") + USE),
        "empty": ("CN = pc1", by_hand(b"") + USE),
        "cn": ("CN = pc1.example.org", USE),
        "cn-utf8": ("CN = pc\u00e4", USE),
        "no-name": ("O = Nobody", USE),
        "two-cn": ("0.CN = a\n1.CN = b", USE),
        "malformed-san": ("CN = a", "subjectAltName = DER:30:03:82:05:61\n" + USE),
        "other-name": ("CN = a", san + "otherName:1.2.3.4;UTF8:x, dirName:dn, RID:1.2.3\n" + USE),
    }
    for name, (subject, extensions) in cases.items():
        seed("identity", name, certificate(subject, extensions))
    seed("identity", "no-certificate", "\x30\x00")


# ---- status: flags, chunk, what is sent to the socket

def status():
    def case(name, text, flags=0, chunk=0):
        seed("status", name, bytes([flags, chunk]) + text.encode("latin-1"))
    for page in ("status", "clients", "inboxes", "metrics", "healthz", "", "nosuch"):
        case("get-" + (page or "root"), "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % page)
    case("head", "HEAD /status HTTP/1.1\r\nHost: x\r\n\r\n")
    case("openmetrics", "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\n\r\n")
    case("old", "GET /clients HTTP/1.0\r\n\r\n", 0, 1)
    case("oldest", "GET /status\r\n")
    case("post", "POST /status HTTP/1.1\r\nContent-Length: 3\r\n\r\nfoo", 0, 5)
    forget = "POST /forget HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s"
    for name, form in (("all", "identity=pc17.example.org"), ("wrong", "identity=%00&queue=x"),
                       ("one", "queue=6d0f&force=1&identity=a%2Bb"), ("empty", "")):
        case("forget-" + name, forget % (len(form), form))
    case("forget-late", forget % (13, "identity=pc17"), 1, 3)
    case("forget-gone", forget % (13, "identity=pc17"), 5)
    case("forget-half", forget % (14, "identity=pc17"), 8)
    case("forget-long", forget % (2049, 2049 * "x"))
    case("forget-get", "GET /forget HTTP/1.1\r\n\r\n")
    gap = "identity=pc17&queue=6d0f&first=3&last=9223372036854775807"
    case("gap", forget.replace("forget", "gap") % (len(gap), gap))
    case("gap-wrong", forget.replace("forget", "gap") % (28, "identity=a&first=0&last=1e5"))
    case("body-too-long", "POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n" + 2000 * "x")
    case("chunked", "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfoo\r\n0\r\n\r\n")
    case("pipeline", 3 * "GET /healthz HTTP/1.1\r\n\r\n")
    case("pipelined-metrics", 20 * "GET /metrics HTTP/1.1\r\n\r\n", 0, 128)
    case("pipelined-clients", 3 * "GET /clients HTTP/1.1\r\n\r\n", 1)
    case("clients-late", "GET /clients HTTP/1.1\r\n\r\n", 1)
    case("clients-gone", "GET /clients HTTP/1.1\r\n\r\n", 5)
    case("clients-no-memory", "GET /clients HTTP/1.1\r\n\r\n", 3)
    case("clients-half", "GET /clients HTTP/1.1\r\n\r\n", 9)
    case("parameters", "GET /status?x=%00 HTTP/1.1\r\n\r\n")
    case("absolute", "GET http://x/status#f HTTP/1.1\r\n\r\n")
    case("from", "GET /clients?from=9223372036854775807 HTTP/1.1\r\n\r\n")
    case("filter", "GET /clients?state=behind,never-came&match=pc%2a&identity=pc1&from=7 "
         "HTTP/1.1\r\n\r\n")
    case("filter-wrong", "GET /clients?state=behind,&match=%00 HTTP/1.1\r\n\r\n")
    case("nul", "GET /status HTTP/1.1\r\nX: \0\r\n\r\n")
    case("lines", "GET /metrics HTTP/1.1\nACCEPT: application/openmetrics-text\n\n", 0, 1)
    case("dots", "GET /../status HTTP/1.1\r\n\r\n")
    case("connect", "CONNECT x:1 HTTP/1.1\r\n\r\n")
    case("expect", "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    case("long-header", "GET / HTTP/1.1\r\nX: " + 3000 * "x" + "\r\n\r\n")
    case("no-http", "HELLO 1 %s 1\n" % QUEUE)
    case("unended", "GET /status HTTP/1.1\r\nHost")
    case("odd-version", "E /clients HTTP/1.11\r\n\r\n", 9)
    case("folded", "GET /status HTTP/1.1\r\nHost: a\r\n b\r\nHost: c\r\n\r\n")
    for name, host in (("address", "127.0.0.1:7119"), ("six", "[::1]:80"), ("name", "localhost"),
                       ("evil", "evil.example:7119"), ("long", 99 * "1"), ("open", "[::1"),
                       ("mapped", "[::ffff:127.0.0.1]:80"), ("net", "127.0.0.0/8"), ("none", "")):
        case("console-" + name, "GET /status HTTP/1.1\r\nHost: %s\r\n\r\n" % host, 16)
    case("console-page", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nIf-None-Match: \"x\"\r\n\r\n", 16)
    case("console-absolute", "GET http://[::1]:7/console.js HTTP/1.1\r\nHost: x\r\n\r\n", 16, 3)
    case("console-evil-absolute", "GET http://x?/status HTTP/1.1\r\nHost: ::1\r\n\r\n", 16)
    case("console-two", "GET / HTTP/1.1\r\nHost: ::1\r\nhOST: ::1\r\n\r\n", 16)
    case("console-late", "GET /clients HTTP/1.1\r\nHost:\t127.0.0.1 \r\n\r\n", 17)
    case("console-gone", "GET /clients HTTP/1.1\r\nHost: [::]\r\n\r\n", 21)
    case("console-post", forget % (13, "identity=pc17"), 16)


# ---- proxy: a flag, what a proxy sends

def expected():
    for name, text in (("some", "# the fleet\n\npc2\r\n\t pc1.example.com \t# cellar\nurn:pc:3"),
                       ("twice", "pc1\npc2\npc1\npc1"),
                       ("comments", "a#b #c\n#d\n #e\n# #\nf# g\n"),
                       ("two", "pc1 pc2\n"), ("nul", "pc1\0pc2\n"), ("empty", ""),
                       ("longest", 255 * "x" + "\n" + 255 * "y"), ("too-long", 256 * "x"),
                       ("utf-8", "\xef\xbb\xbfpc1\n"), ("blank", "\n \n\t\r\n\r"),
                       ("del", "pc\x7f\n")):
        seed("expected", name, text)


def proxy():
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    four = bytes([192, 0, 2, 1, 198, 51, 100, 1, 18, 103, 27, 205])
    six = bytes.fromhex("20010db8" + 23 * "00" + "01" + 8 * "00") + four[8:]
    mapped = 10 * b"\0" + b"\xff\xff" + four[:4] + 16 * b"\0" + four[8:]

    def case(name, data, flags=0):
        seed("proxy", name, bytes([flags]) + data)

    def two(command, family, addresses, *tlvs, length=None):
        rest = addresses + b"".join(bytes([kind, len(data) >> 8, len(data) & 255]) + data
                                    for kind, data in tlvs)
        length = len(rest) if length is None else length
        return (b"\r\n\r\n\0\r\nQUIT\n" + bytes([command, family, length >> 8, length & 255]) +
                rest)
    lines = {"tcp4": "TCP4 192.0.2.1 198.51.100.1 4711 7117", "unknown": "UNKNOWN",
             "tcp6": "TCP6 2001:db8::1 2001:db8::2 0 65535", "unknown-more": "UNKNOWN x \0 y",
             "mapped": "TCP6 ::ffff:192.0.2.1 ::1 1 1", "family": "TCP5 1.1.1.1 1.1.1.1 1 1",
             "zero": "TCP4 192.0.2.01 1.1.1.1 1 1", "port": "TCP4 1.1.1.1 1.1.1.1 65536 1",
             "port-zero": "TCP4 1.1.1.1 1.1.1.1 01 1", "blanks": "TCP4 1.1.1.1  1.1.1.1 1 1",
             "few": "TCP4 1.1.1.1 1.1.1.1 1", "many": "TCP4 1.1.1.1 1.1.1.1 1 1 1",
             "longest": "UNKNOWN " + 91 * "x", "too-long": "UNKNOWN " + 92 * "x",
             "scope": "TCP6 fe80::1%eth0 ::1 1 1", "unknowns": "UNKNOWNS"}
    for name, line in lines.items():
        case("v1-" + name, b"PROXY " + line.encode() + b"\r\n" + hello)
    case("v1-no-cr", b"PROXY UNKNOWN\n")
    case("v1-no-lf", b"PROXY UNKNOWN\r" + hello)
    case("v1-half", b"PROXY TCP4 192.0.2.1 ")
    case("hello", hello)
    case("nothing", b"")
    case("v2-tcp4", two(0x21, 0x11, four) + hello)
    case("v2-tcp6", two(0x21, 0x21, six) + hello)
    case("v2-mapped", two(0x21, 0x21, mapped) + hello)
    case("v2-unix", two(0x21, 0x31, 216 * b"x") + hello)
    case("v2-udp", two(0x21, 0x12, four))
    case("v2-unspec", two(0x21, 0x00, b"xyz") + hello)
    case("v2-local", two(0x20, 0x00, b"") + hello)
    case("v2-local-more", two(0x20, 0xff, b"whatever") + hello)
    case("v2-checksum", two(0x21, 0x11, four, (4, b"\0\0"), (3, 4 * b"\0"), (1, b"h2")) + hello, 1)
    case("v2-checksum-6", two(0x21, 0x21, six, (3, 4 * b"\0")), 1)
    case("v2-checksum-wrong", two(0x21, 0x11, four, (3, 4 * b"\0")))
    case("v2-checksum-short", two(0x21, 0x11, four, (3, 3 * b"\0")))
    case("v2-tlv-long", two(0x21, 0x11, four + b"\x05\x00\x09x"))
    case("v2-tlv-half", two(0x21, 0x11, four + b"\x05\x00"))
    case("v2-longest", two(0x21, 0x11, four, (4, 4065 * b"\0")) + hello)
    case("v2-too-long", two(0x21, 0x11, four, length=4081))
    case("v2-short", two(0x21, 0x21, six, length=35))
    case("v2-command", two(0x22, 0x11, four))
    case("v2-version", two(0x31, 0x11, four))
    case("v2-family", two(0x21, 0x41, four))
    case("v2-half", two(0x21, 0x11, four)[:20])


# ---- server: a word

def server():
    words = {"host": "cap1.example.org", "port": "cap1:7117", "dot": "cap1.example.org.:1",
             "v4": "192.0.2.1:80", "v6": "[2001:db8::1]:7117*10", "zone": "[fe80::1%eth0]",
             "srv": "srv:_inbox._tcp.example.org*3", "srv-host": "srv:7117", "bare-v6": "::1",
             "url": "inbox://cap1:7117/x", "idn": "b\xfccher.example", "short-v4": "127.1",
             "hex-v4": "0x7f000001", "empty-part": "a..b", "no-port": "cap1:", "port-0": "cap1:0",
             "weight-0": "cap1*0", "zone-of-none": "[::1%lo]", "long-v6": "[fe:0::1]",
             "link-local": "[fe80::1]",
             "longest": "a" * 63 + "." + "b" * 63 + ".c:7", "too-long": "a" * 300}
    for name, word in words.items():
        seed("server", name, word)


# ---- srv: an answer of the DNS

def srv():
    def name(text):
        return b"".join(bytes([len(part)]) + part for part in text.split(b".") if part) + b"\0"

    def record(priority, weight, port, target, kind=33):
        data = struct.pack("!HHH", priority, weight, port) + target
        return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data

    def case(label, *records, count=None):
        head = b"\0\1\x85\x80" + struct.pack(
            "!HHHH", 1, len(records) if count is None else count, 0, 0)
        seed("srv", label, head + name(b"_inbox._tcp.example") + b"\0\x21\0\1" +
             b"".join(records))
    cap = [name(b"cap%d.example" % n) for n in range(20)]
    case("one", record(0, 0, 7117, cap[1]))
    case("ranks", record(20, 1, 7, cap[1]), record(10, 0, 8, cap[2]), record(10, 65535, 9, cap[3]))
    case("many", *[record(n % 3, n, 7117, cap[n]) for n in range(20)])
    case("pointer", record(0, 0, 7117, b"\x04cap1\xc0\x18"))
    case("loop", record(0, 0, 7117, b"\xc0\x32"))
    case("none", record(0, 0, 0, b"\0"))
    case("address", record(0, 0, 7117, name(b"127.0.0.1")))
    case("escape", record(0, 0, 7117, b"\x05a\x1b[2J\x00"))
    case("other", record(0, 0, 7117, cap[1], kind=1))
    case("short", record(0, 0, 7117, b""))
    case("cut", record(0, 0, 7117, cap[1])[:-4])
    case("fewer", record(0, 0, 7117, cap[1]), count=9)
    case("nothing")


# ---- journal: what may happen, then what happens (the target's head)

def journal():
    def batch(*frames, published=0, op=0, gap=0):
        text = [op, published, len(frames) | gap << 5]
        for size, item in frames:
            text += [size | 1, item] if item is not None else [size & ~1]
        return text

    def torn(mask, wrong, *frames):
        return batch(*frames, op=2) + [mask, wrong // 257, wrong % 257]

    small, none, large, empty = (100, 1), (50, None), (240, 255), (60, 0)
    damage, copy, cut, forge, turn = 4, 5, 6, 7, [3]
    five = [byte for _ in range(5) for byte in batch(small, none)]
    wrap = [byte for i in range(14) for byte in batch(*6 * [large], published=6 * i)]

    def case(name, *parts, may=0):
        # The first batch has no operation's byte.
        seed("journal", name, bytes([may] + [byte for part in parts for byte in part]))

    first = batch()[1:]
    case("empty", [])
    case("first", first)
    case("frames", first, batch(small, none, large, empty), batch(), batch(large, gap=3))
    case("wrap", first, wrap, batch(small))
    case("turns", first, five, turn, five, turn, five, turn, five)
    case("torn", first, five, torn(0, 300, small), torn(255, 1000, large), batch(small))
    case("torn-last", first, five, torn(254, 9000, large, small))
    case("torn-head", first, five, torn(1, 3, small, large), five)
    case("torn-elsewhere", first, five, turn, torn(0, 900, large), turn, five, turn, five)
    case("flipped-head", first, five, [damage, 0, 3, 0, 100, 1], may=1)
    case("flipped-bytes", first, five, [damage, 0, 3, 1, 20, 255], may=1)
    case("flipped-before-torn", first, five, torn(1, 5000, large), [damage, 0, 5, 1, 20, 1],
         may=1)
    case("gone-before-torn", first, five, torn(1, 5000, large), [damage, 0, 5, 0, 100, 1], may=1)
    case("copied", first, five, [copy, 0, 1, 3, 0], five, may=1)
    case("copied-over", first, wrap, [copy, 0, 0, 0, 100], may=1)
    case("short", first, five, [cut, 1, 77], may=1)
    case("gone", first, five, turn, five, [cut, 0, 0], may=1)
    case("forged", first, five, [forge, 0, 3, 2, 0, 99, 8, 98], may=2)
    case("forged-count", first, five, [forge, 0, 4, 3, 56, 255, 57, 255, 58, 255], may=3)
    case("forged-newest", first, five, [forge, 0, 5, 4, 0, 200, 24, 255, 40, 1, 52, 1], may=3)


def main():
    folder = sys.argv[1]
    for make in (codec, session, config, expected, ledger, journal, answers, proxy, server, srv,
                 status):
        make()
    if not os.path.exists(os.path.join(folder, "identity")):
        identity()  # keys are drawn anew each time: only where there are none
    for target, name, data in SEEDS:
        os.makedirs(os.path.join(folder, target), exist_ok=True)
        with open(os.path.join(folder, target, name), "wb") as file:
            file.write(data)
    print("%d seeds" % len(SEEDS))


main()
