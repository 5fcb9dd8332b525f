# SPDX-License-Identifier: ISC
"""Starts the receiver on a state of the disk and holds it to the promises.

A broken promise is a text, and the list of them is what check() returns:

  before recovery   P3: new/ holds whole items only, and each has what is to be told of it beside
                    it, as attributes in one inbox, as a file in the other
  after recovery    the same; P1: each item acknowledged before the cut is under its name in
                    new/ (or claimed, where there is a consumer), whole; tmp/ has no drafts
  after a second    a kill right behind the first recovery, and another start: nothing has
                    changed
  after resending   all items, acknowledged or not, get STORED; acknowledged ones the old name
                    and again=1 (P4); then each is there once, each file in new/ has its accept
                    record, not void, and inboxctl verify has nothing to say

None is there twice, acknowledged or not, but for those that the file system itself shows in new/
and cur/ at once: these are counted (`half_claimed`).
"""

import collections
import hashlib
import os
import re
import signal
import time

import client as inbox1
import harness
import meta
from workload import CLAIMED, INBOXES, deliver

PUBLISHED_IN = 20  # seconds


def listing(root):
    """{(inbox, part, name): digest}"""
    found = {}
    for inbox in INBOXES:
        for part in ("tmp", "new", "cur"):
            folder = os.path.join(root, inbox, part)
            for name in os.listdir(folder):
                try:
                    with open(os.path.join(folder, name), "rb") as file:
                        found[inbox, part, name] = hashlib.sha256(file.read()).hexdigest()
                except OSError as error:
                    found[inbox, part, name] = str(error)
    return found


def accepts(root):
    """{(inbox, name): digest} of the ledger's records that are not void."""
    found, void = {}, set()
    folder = os.path.join(root, "ledger")
    for segment in sorted(os.listdir(folder)):
        with open(os.path.join(folder, segment), "rb") as file:
            for line in file.read().split(b"\n")[:-1]:
                word = line.decode("ascii", "replace").split(" ")[1:]
                if word[:1] == ["accept"] and len(word) >= 10:
                    found[int(word[1])] = (word[6], word[9], word[8])
                elif word[:1] == ["void"]:
                    void.add(int(word[1]))
    return {(inbox, name): digest for seq, (inbox, name, digest) in found.items()
            if seq not in void}


class Promises:
    """What was said until the cut, and what is true on this state."""

    def __init__(self, receiver, senders, position, counts):
        self.receiver, self.senders, self.position = receiver, senders, position
        self.root, self.counts, self.broken = receiver.root, counts, []
        self.before = {}
        self.items = [item for sender in senders for item in sender.items.values()]
        self.acked = [item for item in self.items
                      if item.name and item.acked_at <= position]
        self.digests = {(item.inbox, item.digest) for item in self.items}

    def say(self, text, *values):
        self.broken.append(text % values)

    def check(self):
        try:
            self.before = listing(self.root)
            self.whole(self.before, "before recovery")
            self.receiver.start()
            after = self.recovered("after recovery")
            self.receiver.stop(None, signal.SIGKILL)
            self.receiver.start()
            again = self.recovered("after a second recovery")
            if again != after:
                self.say("a second recovery changed %s", sorted(set(after) ^ set(again)))
            self.resend()
            self.once()
            self.verify()
            self.receiver.stop()
        except (AssertionError, OSError, inbox1.Closed, inbox1.Timeout, inbox1.Violation) as error:
            self.say("%s: %s", type(error).__name__, error)
        return self.broken

    def stored(self, found, when):
        for item in self.acked:
            digest = found.get((item.inbox, "new", item.name)) or (
                item.inbox == CLAIMED and found.get((item.inbox, "cur", item.name)))
            if digest != item.digest:
                lies = [place for place in found if place[2].startswith(item.name)]
                self.say("%s: acknowledged and %s: %s of %s, %d bytes%s", when,
                         "not whole" if digest else "not there", item.name, item.inbox,
                         len(item.data), "; it lies in %s" % lies if lies else "")
        self.whole(found, when)

    def whole(self, found, when):
        for (inbox, part, name), digest in found.items():
            if part == "tmp":
                continue
            if (inbox, digest) not in self.digests:
                self.say("%s: not a whole item: %s/%s/%s", when, inbox, part, name)
            wrong = meta.wrong(os.path.join(self.root, inbox), part, name,
                               self.receiver.inboxes[inbox]["meta"], digest)
            if wrong:
                self.say("%s: not told of: %s: %s", when, inbox, wrong)

    def recovered(self, when):
        for finished, replaced, claimed, void in re.findall(
                r"event=recovered .*finished=(\d+) replaced=(\d+) mended=0 claimed=(\d+) "
                r"void=(\d+)",
                self.receiver.log(here=True)):
            self.counts.update(finished=int(finished), replaced=int(replaced),
                               claimed=int(claimed), void=int(void))
        found = listing(self.root)
        self.stored(found, when)
        self.no_drafts(found, when)
        self.counts.update(partials=sum(place[1] == "tmp" for place in found))
        return {place: digest for place, digest in found.items() if place[1] != "tmp"}

    def no_drafts(self, found, when, partials=True):
        """Partial uploads may stay in tmp/ while their items have not come."""
        drafts = [place for place in found if place[1] == "tmp" and not (
            partials and place[2].startswith("part-"))]
        if drafts:
            self.say("%s: left in tmp/: %s", when, drafts)

    def resend(self):
        for sender in self.senders:
            mark = sender.mark_at(self.position)
            items = [item for item in sender.items.values() if item.number >= mark]
            ctx = self.receiver.test.client_context(sender.who)
            with inbox1.Client(self.receiver.address, ctx) as connection:
                connection.hello(sender.queue, mark)
                for item, line in deliver(connection, items):
                    self.answered(item, line)
                connection.quit()

    def answered(self, item, line):
        if line.verb != "STORED":
            self.say("sent again: %r", line)
        elif item in self.acked and (line.name, line.get("again")) != (item.name, "1"):
            self.say("%s, acknowledged, was sent again and answered %r", item.name, line)

    def published(self):
        """What is acknowledged becomes visible a moment later."""
        end = time.monotonic() + PUBLISHED_IN
        while any(part == "tmp" for _, part, _ in listing(self.root)) and time.monotonic() < end:
            time.sleep(0.01)

    def once(self):
        """Each item that was sent is there once; each file is in the ledger."""
        self.published()
        found, known = listing(self.root), accepts(self.root)
        self.no_drafts(found, "when all was sent again", partials=False)
        places = collections.defaultdict(list)
        for (inbox, part, name), digest in found.items():
            places[inbox, digest].append((part, name))
            if part == "new" and known.get((inbox, name)) != digest:
                self.say("new/ has %s of %s, and the ledger has not", name, inbox)
        acked = {(item.inbox, item.digest) for item in self.acked}
        resent = {(item.inbox, item.digest) for sender in self.senders
                  for item in sender.items.values()
                  if item.number >= sender.mark_at(self.position)}
        for key in resent | acked:
            there = places.get(key, [])
            if len(there) == 1:
                continue
            if len(there) == 2 and self.is_half_claimed(key, there):
                self.counts.update(half_claimed=1)
            else:
                self.say("%d times there: %s", len(there), there)

    def is_half_claimed(self, key, there):
        """btrfs may undo the half of a rename that was not synced: the consumer's old name
        is back beside the new one before anybody starts."""
        inbox, digest = key
        return {part for part, _ in there} == {"new", "cur"} and all(
            self.before.get((inbox, part, name)) == digest for part, name in there)

    def verify(self):
        """The administrator's own check, where it is built."""
        help_text = self.receiver.test.run([harness.INBOXCTL, "-h"])
        if "verify" not in help_text.stdout + help_text.stderr:
            return
        done = self.receiver.test.run([harness.INBOXCTL, "verify", "-r", self.root])
        if done.returncode:
            self.say("inboxctl verify: exit code %d: %s", done.returncode,
                     (done.stdout + done.stderr).strip())
