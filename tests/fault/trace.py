# SPDX-License-Identifier: ISC
"""The whole order of things, for every single item, as the kernel was asked for them.

Each arrow is a rule, and check() tells all that were broken, and how often.  A sync counts from its
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
BLOCK, SEGMENT = 4096, 1 << 20
NEVER = float("inf")


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
        self.broken = {}     # rule -> what broke it
        self.begun, self.lives = {}, 0
        self.torn = []       # batches that a kill cut off
        self.syncs = {}      # path, or "syncfs" -> [(begin, end)] of those that succeeded
        self.written = {}    # draft -> the last write of it, or its making
        self.entered = {}    # draft -> when tmp/ got this name
        self.accepted = {}   # name -> (sequence, file) of its accept line
        self.frames = {}     # name -> Frame
        self.published = {}  # name -> (begin, end, folder, draft as it was then)
        self.stored = []     # (sequence, name, again) of each answer
        self.renaming = {}   # new path -> the begin of a rename that has no end yet
        self.batches = []
        for event in renumbered(found):
            self.take(event)
        self.take_cut_off()
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
            self.drop_torn()
        if event.when == "begin":
            self.begun[key] = event.sequence
        if event.call in RENAMES and event.when == "begin":
            self.renaming[event.detail] = event
        elif event.call in RENAMES:
            self.renaming.pop(event.detail, None)
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

    def drop_torn(self):
        """A batch that a kill cut off: if it is whole all the same, a new life writes it again."""
        if self.batches and self.batches[-1].end == NEVER:
            torn = self.batches.pop()
            self.torn.append(torn)
            self.frames = {name: frame for name, frame in self.frames.items()
                           if frame.batch is not torn}

    def take_cut_off(self):
        """A rename whose end no line tells, since a kill came between: what was acknowledged, and
        is renamed no other time, was renamed then.  That it is there the receiver's root tells."""
        for path, event in self.renaming.items():
            folder, name = os.path.split(path)
            if os.path.basename(folder) == "new" and name in self.names():
                self.published.setdefault(
                    name, (event.sequence, event.sequence, folder, event.path))

    def take_rename(self, event, begin):
        folder, name = os.path.split(event.detail)
        if os.path.basename(folder) == "new":
            self.rule(name not in self.published, "an item is renamed into new/ once", name)
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

    def rule(self, holds, text, what):
        if not holds:
            self.broken.setdefault(text, []).append(what)
        return holds

    # ---- the rules of the journal itself

    def check_journal(self):
        before, ends, lasts = None, {}, {}
        for batch in self.batches:
            what = "batch %d at %s:%d" % (batch.number, os.path.basename(batch.path), batch.at)
            if before and batch.life != before.life and batch.says() == before.says() and \
                    (batch.path, batch.at) == (before.path, before.at):
                before = batch
                continue
            self.rule(batch.at % BLOCK == 0 and batch.at + batch.size <= SEGMENT,
                      "in blocks, and within a segment", what)
            self.rule(batch.published <= batch.durable <= batch.last,
                      "published <= durable <= last", what)
            self.check_place(batch, what, ends, lasts)
            if before:
                self.check_following(batch, before, what)
            ends[batch.path] = batch.at + batch.size
            lasts[batch.path] = batch.last
            before = batch

    def check_following(self, batch, before, what):
        self.rule(batch.number > before.number, "numbers ascend", what)
        if batch.life != before.life:
            self.rule(batch.says() in [torn.says() for torn in self.torn],
                      "a new life writes the newest batch again", what)
            return
        self.rule(batch.before == before.number, "each batch follows the one before it", what)
        self.rule(before.synced < batch.begin,
                  "the batch that it follows is synced before it is written", what)
        self.rule(batch.durable >= before.durable and batch.published >= before.published,
                  "marks never go back", what)

    def check_place(self, batch, what, ends, lasts):
        if batch.at == 0:
            self.rule(lasts.get(batch.path, 0) <= self.published_on_disk(batch.begin),
                      "all frames of a segment are free before it is written again", what)
        else:
            self.rule(batch.at == ends.get(batch.path, batch.at),
                      "each batch lies behind the one before it", what)

    def published_on_disk(self, moment):
        return max((batch.published for batch in self.batches if batch.synced < moment),
                   default=0)

    def first_with(self, mark, seq):
        """The first batch that says it of that seq: marks never go back."""
        at = bisect.bisect_left(self.batches, seq, key=lambda batch: getattr(batch, mark))
        return self.batches[at] if at < len(self.batches) else None

    # ---- the rules of an item

    def check_answer(self, said, name):
        """Its record and its bytes are on the disk when it is acknowledged."""
        if self.rule(name in self.frames, "an item has a frame before its answer", name):
            self.rule(self.frames[name].batch.synced < said,
                      "its frame is synced before its answer", name)

    def check_frame(self, name):
        frame = self.frames[name]
        if self.rule(name in self.accepted, "an item has a line in the ledger", name):
            self.rule(self.accepted[name][0] < frame.batch.begin,
                      "its line in the ledger is written before its frame", name)
        if not frame.has_bytes and name in self.published:
            self.check_draft(name, frame.batch.begin, "its frame, which has no bytes,")

    def check_draft(self, name, moment, what):
        draft = self.published[name][3]
        if not self.rule(draft in self.written, "a draft is made before it is renamed", name):
            return
        self.rule(self.covered(draft, self.written[draft]) < moment,
                  "its draft is synced before %s is written" % what, name)
        self.rule(self.covered(os.path.dirname(draft), self.entered[draft]) < moment,
                  "its entry in tmp/ is synced before %s is written" % what, name)

    def check_publication(self, name):
        """It may be claimed once it is renamed."""
        begin, _, _, draft = self.published[name]
        if not self.rule(name in self.frames, "what comes to new/ has a frame", name):
            return
        mark = self.first_with("durable", self.frames[name].seq)
        self.rule(mark and mark.synced < begin,
                  "the mark that its draft is durable is synced before it is renamed", name)
        self.rule(self.written.get(draft, 0) < begin,
                  "nothing is written to it once it is renamed", name)
        if mark:
            self.check_draft(name, mark.begin, "the mark that it is durable")

    def check_end(self, name):
        """From here on its frame may be written over."""
        mark = self.first_with("published", self.frames[name].seq) if name in self.frames else None
        if not mark or name not in self.accepted:
            return
        _, end, folder, _ = self.published[name]
        line, path = self.accepted[name]
        self.rule(end < mark.begin, "it is renamed before the mark that it is published", name)
        self.rule(self.covered(folder, end) < mark.begin,
                  "new/ is synced before the mark that it is published is written", name)
        self.rule(self.covered(path, line) < mark.begin,
                  "its line in the ledger is synced before the mark that it is published", name)

    def check(self):
        self.check_journal()
        for said, name, _ in self.stored:
            self.check_answer(said, name)
        for name in self.frames:
            self.check_frame(name)
        for name in self.published:
            self.check_publication(name)
            self.check_end(name)
        assert not self.broken, "broken:" + "".join(
            "\n  %s: %d times, as by %s" % (text, len(which), which[0])
            for text, which in self.broken.items())

    # ---- figures

    def names(self):
        return {name for _, name, _ in self.stored}

    def fewest_free(self, segments):
        """How many segments were free when there were fewest."""
        fewest, lasts = segments, {}
        for batch in self.batches:
            lasts[batch.path] = batch.last
            done = self.published_on_disk(batch.begin)
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
