#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""An item whose answer was lost waits for the receiver that may have it: for so long it is at no
other, while all else goes on; and none is lost by it.

Without patience the same losses make copies: what is counted here would show them.
"""

import re
import signal
import time

from copyqueue import TEMPFAIL, Queue, end_run, run_in_background, said
from fakereceiver import Cut, FakeReceiver
from harness import cases, equal, main, test, until
from pair import Pair

LONG = "5m"  # longer than a test
ROUNDS = 6


def stored(p, i):
    return p.receivers[i].items("stored")


def lose_two(p, i):
    """Both are stored at receiver i, which is away then."""
    p.gates[i].holds = True
    before = stored(p, i)
    p.add("status", b"one", b"two")
    until(lambda: stored(p, i) == before + 2, 20, "both at receiver %d" % i)
    p.shut(i)
    p.gates[i].holds = False


def begin(t, **keys):
    """A session with the first is there."""
    p = Pair(t, **keys)
    run = run_in_background(t, p.q)
    until(lambda: "event=session_ready" in said(p.q), 20, "a session with the first")
    return p, run


def finish(p, run, doubles):
    until(lambda: not p.q.numbers(), 20, "the queue to be empty")
    end_run(run, p.q)
    for i in (0, 1):
        p.shut(i, False)
        p.visit(i)
    equal(p.check(), doubles, "items that are at both")


# ---- who waits, and for whom

@test
def lost_answer_waits_for_its_receiver_and_nothing_else_does(t):
    p, run = begin(t, patience=LONG)
    lose_two(p, 0)
    p.add("status", b"three")
    until(lambda: stored(p, 1) == 1, 20, "the third at the second")
    until(lambda: "event=items_held" in said(p.q), 10, "a word of those that wait")
    time.sleep(2)
    equal((p.q.numbers(), stored(p, 1)), ([1, 2], 1), "what waits, and what the second has")
    p.shut(0, False)
    finish(p, run, 0)
    equal(len(re.findall(r"event=item_stored .*again=1", said(p.q))), 2, said(p.q))


@test
def another_has_it_when_patience_is_over(t):
    p, run = begin(t, patience="6s")
    lose_two(p, 0)
    lost = time.monotonic()
    p.add("status", b"three")
    until(lambda: stored(p, 1) == 1, 5, "the third at the second")
    until(lambda: stored(p, 1) == 3, 30, "all at the second")
    assert time.monotonic() - lost > 5, "after %g s" % (time.monotonic() - lost)
    finish(p, run, 2)


@test
def reload_with_less_patience_is_for_those_that_wait(t):
    p, run = begin(t, patience=LONG)
    lose_two(p, 0)
    p.add("status", b"three")
    until(lambda: stored(p, 1) == 1, 20, "the third at the second")
    with open(p.q.conf, "r+", encoding="ascii") as file:
        text = file.read()
        file.seek(0)
        file.write(text.replace("patience = " + LONG, "patience = 0"))
        file.truncate()
    run.send_signal(signal.SIGHUP)
    until(lambda: stored(p, 1) == 3, 20, "all at the second")
    finish(p, run, 2)


@test
def root_that_comes_back_elsewhere_has_it_at_once(t):
    p, run = begin(t, patience=LONG)
    lose_two(p, 0)
    # The second address leads to it now; its own host is gone.
    p.gates[1].target = lambda: p.receivers[0].address
    p.gates[1].cut()
    until(lambda: not p.q.numbers(), 20, "the queue to be empty")
    equal((stored(p, 0), p.receivers[0].items("again"), stored(p, 1)), (2, 2, 0))
    p.gates[1].target = lambda: p.receivers[1].address
    p.gates[1].cut()
    finish(p, run, 0)


@test
def two_roots_behind_one_address_are_two(t):
    """As behind a proxy that sends a connection wherever it likes."""
    p = Pair(t, patience=LONG)
    gate = p.gates[0]
    p.q.point_at(gate)
    run = run_in_background(t, p.q)
    until(lambda: "event=session_ready" in said(p.q), 20, "a session with the first")
    gate.holds = True
    p.add("status", b"one", b"two")
    until(lambda: stored(p, 0) == 2, 20, "both at the first")
    gate.target = lambda: p.receivers[1].address
    gate.cut()
    gate.holds = False
    p.add("status", b"three")
    until(lambda: stored(p, 1) == 1, 20, "the third at the second")
    time.sleep(2)
    equal((p.q.numbers(), stored(p, 1)), ([1, 2], 1), "what waits, and what the second has")
    gate.target = lambda: p.receivers[0].address
    gate.cut()
    finish(p, run, 0)


@test
def receiver_that_is_not_preferred_is_visited_for_what_it_may_have(t):
    p = Pair(t, patience=LONG)
    p.shut(0)
    run = run_in_background(t, p.q)
    until(lambda: "event=session_ready" in said(p.q), 20, "a session with the second")
    lose_two(p, 1)
    p.shut(0, False)
    p.add("status", b"three")
    until(lambda: stored(p, 0) == 1, 20, "the third at the first")
    p.shut(1, False)
    until(lambda: not p.q.numbers(), 20, "the queue to be empty")
    assert "for=held" in said(p.q), said(p.q)
    until(lambda: "for=better" in said(p.q), 20, "the way back")
    p.add("status", b"four")
    until(lambda: stored(p, 0) == 2, 20, "the fourth at the first")
    finish(p, run, 0)


def parts_in_order(c):
    c.sock.unwrap()
    raise Cut


def parts_without_a_word(_c):
    raise Cut


@cases([("stops in order", parts_in_order, True), ("is killed", parts_without_a_word, False)])
def receiver_that_stops_in_order_has_none_of_what_it_did_not_answer(t, how, at_once):
    def odd(c, line):
        if not line.startswith("PUT"):
            return False
        c.body(int(line.split(" ")[3]))
        c.say("GOAWAY 30 stopping")
        how(c)
        return True

    first, second = FakeReceiver(t, odd), FakeReceiver(t, host="fake2")
    q = Queue(t, first, second, patience="5s")
    items = q.add("status", b"one")
    begun = time.monotonic()
    run = run_in_background(t, q)
    until(lambda: second.stored == items, 20, "the item at the second")
    passed = time.monotonic() - begun
    assert (passed < 4) == at_once, "%g s" % passed
    end_run(run, q)


@test
def what_was_sent_before_ready_waits_for_the_address(t):
    lost = []

    def odd(c, line):
        if lost:
            return False
        if line.startswith("PUT"):
            c.body(int(line.split(" ")[3]))
            lost.append(line)
            raise Cut
        return True

    first, second = FakeReceiver(t, odd), FakeReceiver(t, host="fake2")
    q = Queue(t, first, second, patience=LONG)
    items = q.add("status", b"one")
    run = run_in_background(t, q)
    until(lambda: q.numbers() == [], 20, "the item to be stored")
    equal((len(lost), first.stored, second.stored), (1, items, {}), "what is where")
    end_run(run, q)


@test
def large_item_that_came_in_part_goes_elsewhere_at_once(t):
    first = FakeReceiver(t, cuts={1: 700000}, inline=1000)
    second = FakeReceiver(t, host="fake2", inline=1000)
    q = Queue(t, first, second, patience=LONG)
    items = q.add("status", bytes(2000000))
    run = run_in_background(t, q)
    until(lambda: second.stored == items or first.stored == items, 20, "the item somewhere")
    assert "held=" not in said(q), said(q)
    end_run(run, q)


@test
def one_cycle_leaves_it_to_the_next_one(t):
    def stores_and_dies(c, n, data):
        if c.number > 1:
            return False
        c.receiver.stored[n] = data
        raise Cut

    first = FakeReceiver(t, on_put=stores_and_dies)
    second = FakeReceiver(t, host="fake2")
    q = Queue(t, first, second, patience=LONG)
    items = q.add("status", b"one")
    q("run", "--once", expect=TEMPFAIL)
    equal((first.stored, second.stored, q.numbers()), (items, {}, [1]), "what is where")
    q("run", "--once")
    equal((second.stored, q.numbers()), ({}, []), "what is where")


@cases([("is killed", lambda run, q: (run.kill(), run.wait(10))),
        ("is stopped", lambda run, q: end_run(run, q))])
def client_that_starts_anew_waits_on(t, end):
    p, run = begin(t, patience=LONG)
    p.gates[0].holds = True
    p.add("status", b"one", b"two")
    until(lambda: stored(p, 0) == 2, 20, "both at the first")
    # A second late at most, it is noted what is under way.
    time.sleep(1.5)
    end(run, p.q)
    p.shut(0)
    p.gates[0].holds = False
    run = run_in_background(t, p.q)
    p.add("status", b"three")
    until(lambda: stored(p, 1) == 1, 20, "the third at the second")
    until(lambda: p.q.status()["held"], 10, "a word of what waits")
    time.sleep(2)
    held = p.q.status()["held"]
    equal((held["low"], held["high"], p.q.numbers()), (1, 2, [1, 2]), "what waits")
    assert 250 < held["until"] - time.time() <= 300, held
    words = re.search(r"held +of items 1 to 2 those that (\S+) may have stored; for others in \S+",
                      p.q("status").stdout)
    assert words and words[1] == held["holder"] and "/" in words[1], p.q("status").stdout
    equal(stored(p, 1), 1, "what the second has")
    p.shut(0, False)
    finish(p, run, 0)
    equal(p.q.status()["held"], None)


# ---- a receiver that is killed amid lost answers, again and again

@cases([("3 minutes", "3m"), ("none", "0")])
def killed_amid_lost_answers_it_costs_copies_only_without_patience(t, patience):
    p = Pair(t, patience=patience, order="spread")
    run = run_in_background(t, p.q)
    for turn in range(ROUNDS):
        i = turn % 2
        p.gates[0].holds = p.gates[1].holds = True
        p.add("status", *p.some(20))
        time.sleep(0.7)
        p.receivers[i].kill()
        p.gates[i].cut()
        p.gates[0].holds = p.gates[1].holds = False
        p.gates[1 - i].cut()
        time.sleep(2)
        p.add("status", *p.some(5))
        p.receivers[i].start()
        time.sleep(1)
    until(lambda: not p.q.numbers(), 60, "the queue to be empty")
    end_run(run, p.q)
    for i in (0, 1):
        p.visit(i)
    doubles = p.check()
    if patience == "0":
        assert 0 < doubles <= len(p.items), doubles
    else:
        equal(doubles, 0, "items that are at both")


main()
