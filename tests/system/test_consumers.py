#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The consumers in contrib, by the contract in inbox-spool(5): each item is dealt with, once,
whoever else is at work and whoever died at it."""

import hashlib
import importlib.machinery
import importlib.util
import json
import os
import pty
import shutil
import signal
import subprocess

from harness import Skip, bound, cases, contains, equal, main, test, until
from meta import need_xattr

CONTRIB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../contrib/consumer")
BOTH = [(name, os.path.join(CONTRIB, name)) for name in ("inbox-consumer", "inbox-consumer.py")]
# What an item says is done with it, and noted.
WORK = """#!/bin/sh
echo "$(cat "$1")" >>"%(folder)s/begun"
. "$1"
echo "$(cat "$1")" >>"%(folder)s/done"
"""


class Inbox:
    """An inbox of a receiver, with items that say what is to be done with them."""

    def __init__(self, t, consumer, *items, meta="none"):
        self.t, self.consumer = t, consumer
        self.r = t.receiver(inboxes={"status": {"clients": "*", "meta": meta}})
        self.r.consumed = True
        self.folder = os.path.join(self.r.root, "status")
        self.work = os.path.join(t.folder, "work")
        with open(self.work, "w", encoding="ascii") as file:
            file.write(WORK % {"folder": t.folder})
        os.chmod(self.work, 0o700)
        self.queue, self.number, self.acks = t.queue(), 0, self.r.acks
        self.add(*items)

    def add(self, *items):
        c = self.r.client(hello={"queue": self.queue, "settled": self.number + 1})
        for item in items:
            self.number += 1
            c.put(self.number, "status", item.encode())
            c.stored(self.number)
        c.quit()
        self.r.wait_published()
        self.r.acks.clear()  # they will not stay where they were stored

    def start(self):
        return self.t.spawn([self.consumer, self.folder, self.work], start_new_session=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def run(self):
        done = self.t.run([self.consumer, self.folder, self.work])
        equal((done.returncode, done.stderr), (0, ""), "code and standard error")

    def noted(self, what):
        path = os.path.join(self.t.folder, what)
        if not os.path.exists(path):
            return []
        with open(path, encoding="ascii") as file:
            return file.read().splitlines()

    def holds(self, part):
        return len(os.listdir(os.path.join(self.folder, part)))

    def is_empty(self):
        equal((self.holds("new"), self.holds("cur"), self.holds("failed")), (0, 0, 0),
              "files in new/, cur/ and failed/")


@cases(BOTH)
def consumer_deals_with_each_item_once_in_order(t, consumer):
    inbox = Inbox(t, consumer, *["true %d" % n for n in range(20)])
    inbox.run()
    equal(inbox.noted("done"), ["true %d" % n for n in range(20)], "items dealt with")
    inbox.is_empty()
    inbox.run()  # nothing waits


@cases(BOTH)
def consumer_sets_aside_what_cannot_be_dealt_with(t, consumer):
    inbox = Inbox(t, consumer, "true 1", "exit 1", "exit 99", "exit 125", "true 2")
    inbox.run()
    equal(inbox.noted("done"), ["true 1", "true 2"], "items dealt with")
    equal((inbox.holds("cur"), inbox.holds("failed")), (0, 3), "files in cur/ and failed/")


@cases(BOTH)
def command_may_take_its_item_away_itself(t, consumer):
    inbox = Inbox(t, consumer, 'mv "$1" %s/taken; exit' % t.folder, "true 2")
    inbox.run()
    equal(inbox.noted("done"), ["true 2"], "items dealt with behind it")
    inbox.is_empty()


@cases(BOTH)
def item_whose_command_was_killed_stays_for_the_next(t, consumer):
    """By who stops the consumer, or for want of memory: that is not the item's fault."""
    again = os.path.join(t.folder, "again")
    inbox = Inbox(t, consumer, "test -e %s || kill -9 $$" % again, "true 2")
    done = t.run([consumer, inbox.folder, inbox.work])
    equal(done.returncode, 75, "exit code")
    contains(done.stderr, inbox.folder)
    equal((inbox.noted("done"), inbox.holds("cur")), (["true 2"], 1), "done, and in cur/")
    done = t.run([consumer, inbox.folder, inbox.work + "-that-is-not-there"])
    assert done.returncode != 0, done
    equal(inbox.holds("cur"), 1, "in cur/, with a command that is not there")
    open(again, "w", encoding="ascii").close()
    inbox.run()
    inbox.is_empty()


@cases(BOTH)
def consumers_side_by_side_share_the_items(t, consumer):
    items = ["sleep 0.01; : %d" % n for n in range(40)]
    inbox = Inbox(t, consumer, *items)
    consumers = [inbox.start() for _ in range(4)]
    for child in consumers:
        equal(child.wait(bound(60)), 0, "exit code")
    equal(sorted(inbox.noted("done")), sorted(items), "items dealt with")
    inbox.is_empty()


@cases(BOTH)
def item_of_a_living_consumer_is_left_alone(t, consumer):
    go = os.path.join(t.folder, "go")
    slow = "for n in $(seq 400); do test -e %s || sleep 0.05; done" % go
    inbox = Inbox(t, consumer, slow)
    first = inbox.start()
    until(lambda: inbox.noted("begun") == [slow], what="the first to be at work")
    inbox.add("true")
    inbox.run()
    equal((inbox.noted("done"), inbox.holds("cur")), (["true"], 1), "done, and files in cur/")
    # Its command lives on where it is killed itself, and is still at work.
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    inbox.run()
    equal((inbox.noted("begun"), inbox.holds("cur")), ([slow, "true"], 1), "begun, and in cur/")
    open(go, "w", encoding="ascii").close()
    until(lambda: slow in inbox.noted("done"), what="the command to end")


@cases(BOTH)
def item_of_a_dead_consumer_is_dealt_with_by_the_next(t, consumer):
    inbox = Inbox(t, consumer, "test -e %s/again || sleep 30" % t.folder)
    first = inbox.start()
    until(lambda: inbox.noted("begun"), what="the first to be at work")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    equal((inbox.holds("new"), inbox.holds("cur")), (0, 1), "files in new/ and cur/")
    open(os.path.join(t.folder, "again"), "w", encoding="ascii").close()
    until(lambda: inbox.run() or inbox.noted("done"), what="the next to deal with it")
    equal(len(inbox.noted("begun")), 2, "how often it was begun")
    inbox.is_empty()


@cases(BOTH)
def item_of_another_user_is_deleted_without_a_question(t, consumer):
    """rm(1) would ask whoever tries the consumer at a terminal."""
    if os.geteuid():
        raise Skip("only root can be another user")
    folder = os.path.join(t.folder, "inbox")
    for part in ("new", "cur", "failed"):
        os.makedirs(os.path.join(folder, part))
        os.chmod(os.path.join(folder, part), 0o777)
    open(os.path.join(folder, "new/item"), "w", encoding="ascii").close()
    os.chmod(os.path.join(folder, "new/item"), 0o644)
    consumer = shutil.copy(consumer, t.folder)
    path = t.folder
    while not os.stat(path).st_mode & 0o001:
        os.chmod(path, os.stat(path).st_mode | 0o011)
        path = os.path.dirname(path)
    terminal, stdin = pty.openpty()
    os.write(terminal, b"n\n")
    done = subprocess.run([consumer, folder, "true"], stdin=stdin, capture_output=True, text=True,
                          cwd=folder, user=65534, group=65534, extra_groups=[],
                          timeout=bound(30), check=False)
    os.close(terminal)
    os.close(stdin)
    equal((done.returncode, done.stderr), (0, ""), "code and standard error")
    equal(os.listdir(os.path.join(folder, "cur")), [], "in cur/")


@cases(BOTH)
def what_lies_beside_an_item_goes_with_it(t, consumer):
    """Deleted behind it, set aside with it, left where it is left; and the command is told."""
    inbox = Inbox(t, consumer, meta="json")
    noted = os.path.join(t.folder, "noted")
    note = 'cat "${INBOX_META:-/dev/null}" >>%s; ' % noted
    inbox.add(note + "true 1", note + "exit 1", note + "kill -9 $$")
    os.environ["INBOX_META"] = "/nowhere"
    try:
        done = t.run([consumer, inbox.folder, inbox.work])
    finally:
        del os.environ["INBOX_META"]
    equal(done.returncode, 75, "exit code")
    with open(noted, encoding="utf-8") as file:
        equal([json.loads(line)["number"] for line in file], [1, 2, 3], "told")
    left, = os.listdir(os.path.join(inbox.folder, "cur"))
    equal(os.listdir(os.path.join(inbox.folder, "meta")), [left + ".json"], "in meta/")
    failed = sorted(os.listdir(os.path.join(inbox.folder, "failed")))
    equal([failed[0] + ".json"], failed[1:], "in failed/")


@cases([("xattr", "xattr"), ("json", "json"), ("none", "none")])
def python_is_told_whose_an_item_is(t, meta):
    if meta == "xattr":
        need_xattr(t)
    inbox = Inbox(t, BOTH[1][1], "true", meta=meta)
    spec = importlib.util.spec_from_loader("consumer", importlib.machinery.SourceFileLoader(
        "consumer", BOTH[1][1]))
    consumer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(consumer)
    for claimed, _ in consumer.items(inbox.folder):
        told = consumer.told(claimed)
        if meta == "none":
            equal(told, {})
            continue
        equal((told["client"], told["queue"], str(told["number"]), told["inbox"]),
              ("pc1.example.org", inbox.queue, "1", "status"))
        equal(told["sha256"], hashlib.sha256(b"true").hexdigest())


@test
def consumer_that_cannot_claim_says_so(t):
    for consumer in (path for _, path in BOTH):
        done = t.run([consumer, os.path.join(t.folder, "nowhere"), "true"])
        assert done.returncode not in (0, 64), done
        contains(done.stderr, "nowhere")
        equal(t.run([consumer]).returncode, 64, "EX_USAGE")
        folder = os.path.join(t.folder, os.path.basename(consumer))
        os.makedirs(folder + "/new/item")  # a folder goes into no file's place
        os.makedirs(folder + "/cur")
        with open(folder + "/cur/item", "w", encoding="ascii"):
            pass
        done = t.run([consumer, folder, "false"])
        assert done.returncode != 0, done
        contains(done.stderr, folder)


if __name__ == "__main__":
    main()
