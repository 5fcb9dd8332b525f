#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The order of things for every single item, as the kernel was asked for them (P1).

last write of the draft -> its sync          \\
                                               -> publish -> sync of new/ -> STORED
accept record in the ledger -> its sync       /

A sync counts from its begin (what was written before it is covered) to its end
(only then is the promise made); syncfs covers everything.
"""

import os
import re

from common import arm, events, shim
from harness import cases, equal, main, need_call, test

SYNCS = {"fdatasync", "fsync", "syncfs"}


class Trace:
    """The events of one receiver, by what they tell of items."""

    def __init__(self, found):
        self.syncs = []      # (begin, end, call, path) of those that succeeded
        self.last_write = {} # draft -> sequence
        self.created = {}    # draft -> sequence
        self.accepted = {}   # name -> sequence of the write of its accept record
        self.ledger = {}     # name -> the ledger's file
        self.published = {}  # name -> (begin, end, folder, draft)
        self.stored = []     # (sequence, name, again)
        begun = {}
        for event in found:
            key = (event.thread, event.call, event.path)
            if event.when == "begin":
                begun[key] = event.sequence
            if event.call in SYNCS and event.when == "end" and event.result == 0:
                self.syncs.append((begun[key], event.sequence, event.call, event.path))
            elif event.call == "openat" and event.kind == "draft" and event.result >= 0:
                self.created[event.path] = event.sequence
            elif event.call == "write" and event.kind == "draft":
                self.last_write[event.path] = event.sequence
            elif event.call == "write" and event.kind == "ledger":
                self.take_records(event)
            elif event.call in ("renameat2", "renameat", "linkat") and event.when == "end" \
                    and event.result == 0:
                self.take_publication(event, begun[key])
            elif event.call == "SSL_write":
                self.take_answer(event)

    def take_records(self, event):
        for record in event.detail.split("\x1e"):
            words = record.split(" ")
            if len(words) > 2 and words[1] == "accept":
                for word in words:
                    if re.match(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}-", word):
                        self.accepted[word] = event.sequence
                        self.ledger[word] = event.path

    def take_publication(self, event, begin):
        folder, name = os.path.split(event.detail)
        if os.path.basename(folder) == "new":
            assert name not in self.published, "published twice: " + name
            self.published[name] = (begin, event.sequence, folder, event.path)
        else:  # a draft gets another name
            for table in (self.last_write, self.created):
                if event.path in table:
                    table[event.detail] = table.pop(event.path)

    def take_answer(self, event):
        words = event.detail.split(" ")
        if (words[2], "again=1" in words) not in [s[1:] for s in self.stored[-50:]]:
            self.stored.append((event.sequence, words[2], "again=1" in words))

    def has_sync(self, path, after, before):
        """A sync of `path` that lies whole between two moments."""
        return any(after < begin and end < before and (call == "syncfs" or synced == path)
                   for begin, end, call, synced in self.syncs)

    def check(self, name, said):
        begin, end, folder, draft = self.published[name]
        assert draft in self.created, "a draft from nowhere: " + draft
        written = max(self.created[draft], self.last_write.get(draft, 0))
        assert written < begin, "%s: written to after it was published" % name
        assert self.has_sync(draft, written, begin), \
            "%s: published before its draft was synced" % name
        assert name in self.accepted, "%s: no accept record in the ledger" % name
        assert self.has_sync(self.ledger[name], self.accepted[name], begin), \
            "%s: published before its accept record was synced" % name
        assert self.has_sync(folder, end, said), \
            "%s: acknowledged before its folder was synced" % name


def load(t, r):
    """Many clients, in pipelines, small items and large, some of them twice."""
    clients = []
    for i in range(8):
        c = r.client("pc%d.example.org" % (i % 2), hello=t.queue())
        for n in range(1, 41):
            c.put(n, t.random.choice(["status", "reports"]),
                  t.bytes(t.random.choice([0, 1, 300, 3000, 70000])))
        clients.append(c)
    for c in clients:
        for n in range(1, 41):
            c.stored(n)
        c.put(41, "status", b"twice")
        c.stored(41)
        c.put(41, "status", b"twice")
        c.stored(41)
        c.quit()
    return 8 * 41


@cases([("files", "files", ""), ("filesystem", "filesystem", ""),
        ("files, without renameat2", "files", "renameat2:1:ENOSYS:on"),
        ("filesystem, without renameat2", "filesystem", "renameat2:1:EINVAL:on")])
def acks_only_after_both_syncs(t, sync, faults):
    if sync == "filesystem":
        need_call("syncfs")
    r = t.receiver({"receiver": {"sync": sync, "workers": "3"}}, env=shim(t, faults, trace=True))
    arm(t)
    count = load(t, r)
    r.at_rest()
    trace = Trace(events(t))
    names = {name for _, name, _ in trace.stored}
    equal(len(names), count, "items acknowledged in the trace")
    equal(names, set(trace.published), "items published")
    for said, name, _ in trace.stored:
        trace.check(name, said)
    used = {call for _, _, call, _ in trace.syncs}
    equal("syncfs" in used, sync == "filesystem", "syncfs used")
    t.note("%d items, %d syncs (%s)" % (count, len(trace.syncs), sync))


@test
def acks_after_recovery_only_what_is_synced_anew(t):
    """Killed between publishing and the second sync, then asked again: a fresh copy is synced."""
    r = t.receiver({"receiver": {"sync": "files"}},
                   env=shim(t, "fsync@newdir:1:EIO:on", trace=True))
    queue = t.queue()
    c = r.client(hello=queue)
    arm(t)
    c.put(1, "status", b"in doubt")
    c.wait_close()
    equal([line.verb for line in c.history if line.verb == "STORED"], [], "acks")
    r.wait_end(74)
    r.consumed = True
    os.unlink(os.path.join(t.folder, "trace"))
    os.unlink(os.path.join(t.folder, "arm"))
    r.start()
    found = events(t)
    ready = found[-1].sequence if found else 0
    name = r.files("status")
    equal(len(name), 1, "files in new/ after recovery")
    path = r.path("status", name[0])
    writes = [event for event in found if event.call == "write" and event.kind == "draft"]
    assert writes, "the bytes were not written anew"
    written = writes[-1]
    moved = [event for event in found if event.when == "end" and
             event.call in ("renameat2", "renameat") and
             event.detail == path and event.result == 0]
    assert moved, "the fresh copy did not take the place of %s" % path
    assert any(event.call in SYNCS and event.when == "end" and event.result == 0 and
               written.sequence < event.sequence < moved[-1].sequence and
               (event.call == "syncfs" or event.path == written.path) for event in found), \
        "the fresh copy was not synced before it was published"
    assert any(event.call in SYNCS and event.when == "end" and event.result == 0 and
               moved[-1].sequence < event.sequence <= ready and
               (event.call == "syncfs" or event.path == os.path.dirname(path))
               for event in found), "new/ was not synced before the first connection"
    c = r.client(hello=queue)
    c.put(1, "status", b"in doubt")
    equal(c.stored(1).name, name[0], "the name after recovery")
    c.quit()
    equal(len(r.files("status")), 1, "files in new/")


if __name__ == "__main__":
    main()
