# SPDX-License-Identifier: ISC
"""An inbox with its `inboxq relay`, for the tests that look at that."""

import os

from client import sha256
from copyqueue import Queue
from harness import equal, file_digest, until
from hotfolder import Hot


class Relay(Hot):
    """One inbox here, of a receiver or made by hand, and the queue for the receiver further up."""

    command = "relay"
    defaults = {}

    def __init__(self, t, *above, folder=None, q=None, queue="", **keys):
        q = q or Queue(t, *above, servers=None if above else ["127.0.0.1:1"])
        if queue:
            with open(q.conf, encoding="ascii") as file:
                text = file.read().replace("[queue]\n", "[queue]\n" + queue + "\n")
            with open(q.conf, "w", encoding="ascii") as file:
                file.write(text)
        self.names = 0
        super().__init__(t, q, folder, **keys)
        for part in ("new", "cur"):
            os.makedirs(os.path.join(self.folder, part), exist_ok=True)

    def configure(self, *relays):
        with open(self.q.conf, encoding="ascii") as file:
            text = file.read().split("[relay")[0]
        for i, one in enumerate(relays):
            text += "[relay r%d]\nfolder = %s\n" % (i, one.folder)
            text += "".join("%s = %s\n" % pair for pair in {"inbox": "status", **one.keys}.items())
        with open(self.q.conf, "w", encoding="ascii") as file:
            file.write(text)

    def path(self, name, part="new"):
        return os.path.join(self.folder, part, name)

    def put_items(self, *contents):
        """As a receiver here would: {name: bytes}."""
        made = {}
        for data in contents:
            self.names += 1
            name = "20261122T141103.%06dZ-1f2e3d4c-0.%d-pc1.msg" % (self.names, self.names)
            draft = os.path.join(self.folder, "draft")
            with open(draft, "wb") as file:
                file.write(data)
            os.rename(draft, self.path(name))
            made[name] = data
        return made

    def new(self):
        return sorted(os.listdir(os.path.join(self.folder, "new")))

    def known(self):
        """The names of which there is a copy, or was."""
        there = {name.decode() for name, _, _ in self.items().values()}
        sent = os.path.join(self.q.spool, "sent.log")
        return there | {line[-2] for line in self.q.sent_log()} if os.path.exists(sent) else there

    def wait_new(self, *stay, seconds=20):
        until(lambda: self.new() == sorted(stay), seconds,
              "new/ to hold %r" % (sorted(stay)[:5],))

    def wait_queued(self, count, seconds=20):
        until(lambda: len(self.q.numbers()) == count if os.path.exists(self.q.spool) else False,
              seconds, "%d items in the queue" % count)


def stored_once(r, items, inbox="status"):
    """Each of {name here: bytes} is up there once, under a name of its own; nothing else is."""
    there = [(file_digest(r.path(inbox, name))) for name in r.files(inbox)]
    equal(sorted(there), sorted(sha256(data) for data in items.values()), "digests up there")
