# SPDX-License-Identifier: ISC
"""Roots made by hand, from inbox-spool(5) and lib/journal.h, and what inboxctl says of them."""

import json
import os
import struct

from client import sha256
from harness import INBOXCTL, equal

QUEUE = "6d0f3b5ac2e94a1f8b7c6d5e4f3a2b1c"
DAY = "20261122"
ROOT = "0c5f7a91d2b84e63a1f09d8c7b6e5a42"
GENERATION = "5d1c0b7e9f3a42688c1d0e2f4a6b8c0d"


def crc32c_table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


CRC32C = list(crc32c_table())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def line(text):
    return b"%08x %s\n" % (crc32c(text.encode()), text.encode())


def clock(second):
    return "%sT%02d%02d%02d.000000Z" % (DAY, second // 3600, second // 60 % 60, second % 60)


class Journal:
    """Batches one behind the other, from the first segment on."""

    SEGMENT, BLOCK = 1 << 20, 4096
    HEAD, ROW = struct.Struct("<8sII32s32s6Q4I"), struct.Struct("<Q4I")

    def __init__(self, root, generation, segments):
        self.folder = os.path.join(root, "journal")
        self.generation, self.segments = generation, segments
        self.at = self.number = self.last = self.chain = 0
        os.mkdir(self.folder)
        for segment in range(segments):
            with open(self.path(segment), "wb") as file:
                file.truncate(self.SEGMENT)

    def path(self, segment=0):
        return os.path.join(self.folder, "%04d" % segment)

    def batch(self, frames, durable=0, published=0, root=ROOT):
        """`frames` are (seq, text of the record, bytes or None); where each begins: (segment,
        offset)."""
        rows, data = b"", b""
        for seq, text, item in frames:
            frame = line(text) + (item or b"")
            rows += self.ROW.pack(seq, len(line(text)), len(item or b""), item is not None,
                                  crc32c(frame))
            data += frame
        size = self.HEAD.size + len(rows) + len(data)
        if self.at % self.SEGMENT + size > self.SEGMENT:
            self.at += -self.at % self.SEGMENT
        start, where = self.at % self.SEGMENT, []
        for seq, text, item in frames:
            where.append((self.at // self.SEGMENT, start + self.HEAD.size + len(rows) + sum(
                len(line(t)) + len(i or b"") for s, t, i in frames if s < seq)))
        last = frames[-1][0] if frames else self.last
        rest = self.HEAD.pack(b"", 0, 0, root.encode(), self.generation.encode(),
                              self.number + 1, self.number, self.last, last, durable, published,
                              self.chain, self.segments, len(frames), 0)[16:] + rows
        self.chain = crc32c(rest)
        with open(self.path(self.at // self.SEGMENT), "r+b") as file:
            file.seek(start)
            file.write(struct.pack("<8sII", b"inboxd-j", 1, self.chain) + rest + data)
        self.at += size + -size % self.BLOCK
        self.number, self.last = self.number + 1, last
        return where


class Made:
    """A root made by hand: an accept every second, item n of QUEUE is accept n."""

    def __init__(self, t, inboxes=("status", "reports")):
        self.t = t
        self.root = os.path.join(t.folder, "made%d" % t.random.getrandbits(32))
        os.makedirs(os.path.join(self.root, "ledger"))
        for inbox in inboxes:
            for part in ("tmp", "new", "cur"):
                os.makedirs(os.path.join(self.root, inbox, part))
        self.path = None

    def segment(self, second, seq, state=(), journal=None):
        """`journal`: the generation of the one that goes with it; then it is of version 2."""
        self.path = os.path.join(self.root, "ledger", clock(second) + ".log")
        begin = "begin %d %s %d" % (2 if journal else 1, clock(second), seq)
        if journal:
            begin += " root=%s journal=%s" % (ROOT, journal)
        self.add(begin, *state, "state")
        return self.path

    def journal(self, generation=GENERATION, segments=4):
        """A journal, and the root's id, for a ledger of version 2."""
        with open(os.path.join(self.root, "id"), "w", encoding="ascii") as file:
            file.write(ROOT + "\n")
        return Journal(self.root, generation, segments)

    def add(self, *texts, raw=b""):
        with open(self.path, "ab") as file:
            file.write(b"".join(line(text) for text in texts) + raw)

    @staticmethod
    def name(seq, second=None):
        return "%s-1f2e3d4c-0.%d-pc17.example.org" % (clock(second or seq), seq)

    def accept(self, seq, data=b"foo", inbox="status", part="new", queue=QUEUE, hint="a%20b.txt",
               client="pc17.example.org", sent=1795356000):
        """Its record's text; the file is made, too, unless `part` is None."""
        if part:
            with open(os.path.join(self.root, inbox, part, self.name(seq)), "wb") as file:
                file.write(data)
        return "accept %d %s %s %s %d %s %d %s %s %d %s" % (
            seq, clock(seq), client, queue, seq, inbox, len(data), sha256(data), self.name(seq),
            sent, hint)


def ledger(t, root, *options, code=0, json_lines=True):
    """(records, standard error)"""
    run = t.run([INBOXCTL, "ledger", "-r", root, *(["--json"] if json_lines else []), *options])
    equal(run.returncode, code, "exit code; " + run.stderr)
    if not json_lines:
        return run.stdout, run.stderr
    return [json.loads(text) for text in run.stdout.splitlines()], run.stderr


def seqs(records):
    return [(record["seq"], record["outcome"]) for record in records]


ENDS = ("right", "claimed", "journaled", "unconfirmed", "void", "wrong", "lost")
TROUBLE = ("wrong", "lost", "unknown", "older", "drafts", "damage")


def verify(t, root, *options, code=0, **want):
    """(findings, standard error); the counters named must be so, others of trouble 0."""
    run = t.run([INBOXCTL, "verify", "--json", "-r", root, *options])
    equal(run.returncode, code, "exit code; %s%s" % (run.stdout, run.stderr))
    page = json.loads(run.stdout)
    equal(page["complete"], True, "complete")
    for key in {*want, *TROUBLE}:
        equal(page[key], want.get(key, 0), "%s in %s%s" % (key, run.stdout, run.stderr))
    equal(page["items"], sum(page[key] for key in ENDS), "items of " + run.stdout)
    return page["findings"], run.stderr


def flip(path, offset=0):
    with open(path, "r+b") as file:
        file.seek(offset, os.SEEK_SET if offset >= 0 else os.SEEK_END)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 4]))


def lines_of(path):
    with open(path, "rb") as file:
        return file.read().splitlines(keepends=True)


def write_lines(path, lines):
    with open(path, "wb") as file:
        file.write(b"".join(lines))
