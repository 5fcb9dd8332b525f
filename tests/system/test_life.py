#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The log of an item's life, in inboxq: one line a station, found by the item's number."""

import os
import re
import time

from copyqueue import Queue, run_in_background, said
from fakereceiver import FakeReceiver
from gate import Gate
from harness import equal, main, test, until


def life(log, n):
    """The stations of item n in their order, and what each line says."""
    lines = re.finditer(r"event=(item_[a-z_]+) ((?:.* )?n=%d(?: .*)?)$" % n, log, re.M)
    return [(match[1], dict(re.findall(r'([a-z_]+)=("[^"]*"|\S*)', match[2])))
            for match in lines]


def stations(log, n):
    return [name for name, _ in life(log, n)]


def log_of(q):
    return said(q)


@test
def lost_ack_is_told_at_both_ends(t):
    r = t.receiver()
    gate = Gate(t, lambda: r.address)
    q = Queue(t, gate, **{"retry-max": "2s"})
    r.others = True
    run_in_background(t, q)
    until(lambda: os.path.exists(os.path.join(q.folder, "log")) and
          "event=session_ready" in log_of(q), 20, "a session")
    gate.holds = True
    q.add("status", b"the report")
    until(lambda: r.metric("inboxd_items_stored_total") == 1, 10, "the item to be stored")
    until(lambda: gate.held > 0, 10, "the answer to be on its way")
    gate.holds = False
    gate.cut()
    until(lambda: not q.numbers(), 20, "the queue to be empty")
    log = log_of(q)
    equal(stations(log, 1), ["item_validating", "item_servicing", "item_trying", "item_requeued",
                             "item_servicing", "item_trying", "item_stored"])
    lines = life(log, 1)
    equal([line["try"] for name, line in lines if name == "item_trying"], ["1", "2"])
    equal(lines[3][1]["reason"], "unanswered")
    equal(lines[-1][1]["again"], "1")
    there = life(r.log(), 1)
    equal([(name, line["name"], line["again"]) for name, line in there],
          [("item_stored", lines[-1][1]["name"], "0"), ("item_stored", lines[-1][1]["name"], "1")])
    if os.environ.get("TEST_STORY"):
        t.note("---- the client's\n" + log + "---- the receiver's\n" + r.log())


@test
def what_is_put_off_refused_or_removed_is_told_with_the_reason(t):
    answers = {1: "LATER 1 2 full the disk is full", 2: "REFUSED 2 no-inbox there is none"}

    def on_put(c, n, _data):
        if n in answers:
            c.answer(n, answers.pop(n))
            return True
        return False

    fake = FakeReceiver(t, on_put=on_put, window=1)
    q = Queue(t, fake)
    q.add("status", b"one", b"two", b"three")
    run_in_background(t, q)
    until(lambda: not q.numbers(), 20, "the queue to be empty")
    time.sleep(0.1)
    log = log_of(q)
    equal(stations(log, 1), ["item_validating", "item_servicing", "item_trying", "item_requeued",
                             "item_servicing", "item_trying", "item_stored"])
    line = life(log, 1)[3][1]
    assert 2 <= int(line.pop("in")) <= 3, log  # a quarter more at most, by lot
    equal(line, {"n": "1", "server": "127.0.0.1", "reason": "full",
                 "note": '"the disk is full"'})
    equal(stations(log, 2), ["item_validating", "item_servicing", "item_trying", "item_refused",
                             "item_set_aside", "item_skipped"])
    equal(stations(log, 3)[-1], "item_stored")


@test
def each_of_many_items_has_each_line_once(t):
    q = Queue(t, FakeReceiver(t))
    q.add("status", *(b"%d" % n for n in range(1200)))
    log = q("run", "--once").stderr
    for station in ("validating", "servicing", "trying", "stored"):
        found = re.findall(r"event=item_%s (?:.* )?n=(\d+)" % station, log)
        equal(sorted(map(int, found)), list(range(1, 1201)), station)


@test
def a_server_that_is_away_is_no_try(t):
    fake = FakeReceiver(t, listens=False)
    q = Queue(t, fake)
    q.add("status", b"one")
    run_in_background(t, q)
    until(lambda: os.path.exists(os.path.join(q.folder, "log")) and
          log_of(q).count("event=connect_failed") >= 2, 20, "two failures")
    fake.listen()
    until(lambda: not q.numbers(), 20, "the queue to be empty")
    equal([line["try"] for name, line in life(log_of(q), 1) if name == "item_trying"], ["1"])


main()
