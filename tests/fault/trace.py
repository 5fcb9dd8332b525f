# SPDX-License-Identifier: ISC
"""The whole order of things, for every single item, as the kernel was asked for them.

Each arrow is a rule, and rule() below names it where it is broken.  A sync counts from its
begin (what was written before it is covered) to its end (only then is the promise made); syncfs
covers everything, but of the journal only its own sync counts.

  accept line in the ledger -> frame in a batch -> the journal's sync -> STORED
  of an item whose bytes the journal has not: draft, entry in tmp/ -> their sync -> frame
  draft, entry in tmp/ -> their sync -> batch with its seq "durable" -> the journal's sync
      -> renamed into new/
  renamed, accept line -> sync of new/, of the ledger's file -> batch with its seq "published"
  that batch -> the journal's sync -> its segment is written again
  batch -> the journal's sync -> the batch that follows it
"""

import bisect
import os

SYNCS = {"fdatasync", "fsync", "syncfs"}
RENAMES = {"renameat2", "renameat", "linkat"}
MARKS = ("durable", "published")
BLOCK, SEGMENT = 4096, 1 << 20
NEVER = float("inf")


class Broken(AssertionError):
    """An order was not kept."""


def rule(holds, text, *values):
    if not holds:
        raise Broken(text % values)


class Batch:
    """A write of the journal with a head: `begin` and `end` of the write, `synced`: the end of
    a sync that covers it."""

    def __init__(self, event, life):
        self.life = life
        head, *frames = event.detail.split("\x1e")
        for word in head.split(" "):
            key, value = word.split("=")
            setattr(self, key, int(value))
        self.path, self.begin = event.path, event.sequence
        self.end = self.synced = NEVER
        self.frames = [frame.split(" ", 2) for frame in frames]

    def says(self):
        return (self.number, self.last, self.durable, self.published, self.frames)


class Frame:
    def __init__(self, batch, seq, has_bytes):
        self.batch, self.seq, self.has_bytes = batch, seq, has_bytes


class Trace:
    """The events of a receiver, through all its lives, by what they tell of items."""

    def __init__(self, found):
        self.syncs = {}      # path, or "syncfs" -> [(begin, end)] of those that succeeded
        self.written = {}    # draft -> the last write of it, or its making
        self.entered = {}    # draft -> when tmp/ got this name
        self.accepted = {}   # name -> (sequence, file) of its accept line
        self.frames = {}     # name -> Frame
        self.published = {}  # name -> (begin, end, folder, draft as it was then)
        self.stored = []     # (sequence, name, again) of each answer
        self.batches = []
        self.begun, self.lives = {}, 0
        for event in renumbered(found):
            self.take(event)
        for path in self.syncs:
            self.syncs[path].sort()
        for batch in self.batches:
            batch.synced = self.sync_of(batch.path, batch.end)

    # ---- reading

    def take(self, event):
        key = (event.thread, event.call, event.path)
        if event.first:
            self.lives += 1
            self.begun.clear()
        if event.when == "begin":
            self.begun[key] = event.sequence
        if event.call in SYNCS:
            if event.when == "end" and event.result == 0:
                name = "syncfs" if event.call == "syncfs" else event.path
                self.syncs.setdefault(name, []).append((self.begun[key], event.sequence))
        elif event.call == "openat" and event.kind == "draft" and event.result >= 0:
            self.written[event.path] = self.entered[event.path] = event.sequence
        elif event.call == "write":
            self.take_write(event)
        elif event.call in RENAMES and event.when == "end" and event.result == 0:
            self.take_rename(event, self.begun[key])
        elif event.call == "SSL_write":
            words = event.detail.split(" ")
            self.stored.append((event.sequence, words[2], "again=1" in words))

    def take_write(self, event):
        if event.kind == "draft":
            self.written[event.path] = event.sequence
        elif event.kind == "ledger":
            for name in names_in(event.detail):
                self.accepted.setdefault(name, (event.sequence, event.path))
        elif event.when == "begin" and " number=" in event.detail:
            self.take_batch(Batch(event, self.lives))
        elif event.kind == "journal" and event.when == "end" and self.batches:
            batch = self.batches[-1]
            if batch.path == event.path and batch.end == NEVER and event.result == batch.size:
                batch.end = event.sequence

    def take_batch(self, batch):
        self.batches.append(batch)
        for seq, has_bytes, record in batch.frames:
            for name in names_in(record):
                self.frames.setdefault(name, Frame(batch, int(seq), has_bytes == "bytes"))

    def take_rename(self, event, begin):
        folder, name = os.path.split(event.detail)
        if os.path.basename(folder) == "new":
            rule(name not in self.published, "%s: published twice", name)
            self.published[name] = (begin, event.sequence, folder, event.path)
        elif event.path in self.written:  # a draft gets another name
            self.written[event.detail] = self.written.pop(event.path)
            self.entered[event.detail] = event.sequence

    # ---- asking

    def sync_of(self, path, after):
        """When the first sync of `path` was over that began after that moment."""
        found = self.syncs.get(path, [])
        at = bisect.bisect_right(found, (after, NEVER))
        return min((end for _, end in found[at:at + 20]), default=NEVER)

    def covered(self, path, after):
        return min(self.sync_of(path, after), self.sync_of("syncfs", after))

    # ---- the rules of the journal itself

    def check_journal(self):
        before, ends, lasts = None, {}, {}
        for batch in self.batches:
            what = "batch %d at %s:%d" % (batch.number, os.path.basename(batch.path), batch.at)
            if before and batch.says() == before.says() and batch.at == before.at:
                before = batch  # a new life writes the newest again
                continue
            rule(batch.at % BLOCK == 0 and batch.at + batch.size <= SEGMENT,
                 "%s: not in blocks, or not within its segment", what)
            rule(batch.published <= batch.durable <= batch.last,
                 "%s: published <= durable <= last is not so", what)
            self.check_place(batch, what, ends, lasts)
            if before:
                self.check_following(batch, before, what)
            ends[batch.path] = batch.at + batch.size
            lasts[batch.path] = batch.last
            before = batch

    def check_following(self, batch, before, what):
        rule(batch.number > before.number, "%s: its number does not ascend", what)
        # What a kill has torn is followed by nothing.
        rule(batch.before == before.number or batch.life != before.life,
             "%s: follows %d, not %d", what, batch.before, before.number)
        rule(before.synced < batch.begin or batch.life != before.life,
             "%s: begun before the one that it follows was synced", what)
        for mark in MARKS:
            rule(getattr(batch, mark) >= getattr(before, mark), "%s: %s went back", what, mark)

    def check_place(self, batch, what, ends, lasts):
        """Nothing that is wanted is written over."""
        if batch.at == 0:
            rule(lasts.get(batch.path, 0) <= self.mark_on_disk("published", batch.begin),
                 "%s: its segment is written again, and not all of its frames were free", what)
        else:
            rule(batch.at == ends.get(batch.path, batch.at), "%s: not behind the one before", what)

    def mark_on_disk(self, mark, moment):
        return max((getattr(batch, mark) for batch in self.batches if batch.synced < moment),
                   default=0)

    def first_with(self, mark, seq):
        """The first batch that says it of that seq: marks never go back."""
        at = bisect.bisect_left(self.batches, seq, key=lambda batch: getattr(batch, mark))
        return self.batches[at] if at < len(self.batches) else None

    # ---- the rules of an item

    def check_answer(self, said, name):
        """Its record and its bytes are on the disk when it is acknowledged."""
        rule(name in self.frames, "%s: acknowledged, and no frame has it", name)
        frame = self.frames[name]
        rule(frame.batch.synced < said, "%s: acknowledged before its frame was synced", name)

    def check_frame(self, name):
        frame = self.frames[name]
        rule(name in self.accepted, "%s: no accept line in the ledger", name)
        rule(self.accepted[name][0] < frame.batch.begin,
             "%s: its frame was written before its line in the ledger", name)
        if not frame.has_bytes and name in self.published:
            self.check_draft(name, frame.batch.begin, "its frame, which has no bytes,")

    def check_draft(self, name, moment, what):
        draft = self.published[name][3]
        rule(draft in self.written, "%s: a draft from nowhere", name)
        rule(self.covered(draft, self.written[draft]) < moment,
             "%s: %s was written before its draft was synced", name, what)
        rule(self.covered(os.path.dirname(draft), self.entered[draft]) < moment,
             "%s: %s was written before its entry in tmp/ was synced", name, what)

    def check_publication(self, name):
        """It may be claimed once it is renamed."""
        rule(name in self.frames, "%s: in new/, and no frame has it", name)
        begin, _, _, draft = self.published[name]
        mark = self.first_with("durable", self.frames[name].seq)
        rule(mark and mark.synced < begin,
             "%s: renamed before the mark that its draft is durable was synced", name)
        rule(self.written[draft] < begin, "%s: written to after it was renamed", name)
        self.check_draft(name, mark.begin, "the mark that its draft is durable")

    def check_end(self, name):
        """From here on its frame may be written over."""
        mark = self.first_with("published", self.frames[name].seq)
        if not mark:
            return
        _, end, folder, _ = self.published[name]
        line, path = self.accepted[name]
        rule(end < mark.begin, "%s: marked as published before it was renamed", name)
        rule(self.covered(folder, end) < mark.begin,
             "%s: marked as published before new/ was synced", name)
        rule(self.covered(path, line) < mark.begin,
             "%s: marked as published before its line in the ledger was synced", name)

    def check(self):
        self.check_journal()
        for said, name, _ in self.stored:
            self.check_answer(said, name)
        for name in self.frames:
            self.check_frame(name)
        for name in self.published:
            self.check_publication(name)
            self.check_end(name)

    # ---- figures

    def names(self):
        return {name for _, name, _ in self.stored}

    def fewest_free(self, segments):
        """How many segments were free when there were fewest."""
        fewest, lasts = segments, {}
        for batch in self.batches:
            lasts[batch.path] = batch.last
            done = self.mark_on_disk("published", batch.begin)
            fewest = min(fewest, segments - sum(
                path == batch.path or last > done for path, last in lasts.items()))
        return fewest


def names_in(text):
    """Of the accept records among these."""
    for record in text.split("\x1e"):
        words = record.split(" ")
        if len(words) > 10 and words[1] == "accept":
            yield words[10]


def renumbered(found):
    """Each life counts from 1; the lines lie in order."""
    before = 0
    for at, event in enumerate(found, 1):
        event.first = event.sequence == 1 or event.sequence < before
        before, event.sequence = event.sequence, at
        yield event
