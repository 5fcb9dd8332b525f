#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""One copy queue with two receivers, whose answers get lost, and who come and go: each item is
stored somewhere, on each receiver once at most, and neither shows a gap where nothing is missing.

Both call themselves by one name: only their ids tell them apart.
"""

import os
import time

from copyqueue import Queue, run_in_background
from fakereceiver import FakeReceiver
from harness import bound, equal, main, test, until
from pair import Pair

ROUNDS = 12


@test
def lost_acks_failover_and_restarts_cost_no_item_no_double_and_no_gap(t):
    p = Pair(t)
    run = run_in_background(t, p.q)
    actions = ["lose", "shut", "restart", "lose", "kill", "both"]
    for turn in range(ROUNDS):
        p.add("status", *p.some(p.t.random.randint(1, 30)))
        action = actions[turn % len(actions)]
        i = p.t.random.randrange(2)
        if action == "lose":
            p.lose_answers(0, 0.4)
            p.lose_answers(1, 0.4)
        elif action == "shut":
            p.shut(0)
            time.sleep(2)
            p.add("status", *p.some(10))
            time.sleep(1)
            p.shut(0, False)
            p.gates[1].cut()
        elif action == "restart":
            p.receivers[i].restart()
        elif action == "kill":
            p.receivers[i].kill()
            p.receivers[i].start()
        elif action == "both":
            p.shut(0)
            p.shut(1)
            waiting = p.q.numbers()
            # What was answered as the gates shut may have left meanwhile (66).
            if waiting and p.q("remove", str(waiting[-1]), expect=None).returncode == 0:
                p.removed.add(waiting[-1])
            p.shut(0, False)
            p.shut(1, False)
        time.sleep(0.3)
    until(lambda: not p.q.numbers(), 40, "the queue to be empty")
    run.terminate()
    equal(run.wait(bound(10)), 0)
    for i in (0, 1):
        p.visit(i)
    p.check()


@test
def what_the_first_has_without_our_knowing_is_stored_by_the_second_and_skipped_at_none(t):
    """The one case in which an item is twice: the answer was lost, and the first is away for longer
    than we are patient."""
    p = Pair(t, patience="2s")
    p.shut(1)
    run = run_in_background(t, p.q)
    until(lambda: p.receivers[0].json("/clients")["clients"], 20, "a session with the first")
    p.gates[0].holds = True
    p.add("status", b"one", b"two")
    until(lambda: p.receivers[0].items("stored") == 2, 20, "both at the first")
    p.shut(0)
    p.shut(1, False)
    until(lambda: not p.q.numbers(), 20, "both at the second")
    p.gates[0].holds = False
    p.shut(0, False)
    run.terminate()
    equal(run.wait(bound(10)), 0)
    p.add("status", b"three")
    p.visit(0)
    p.visit(1)
    equal(p.check(), 2)
    equal([p.receivers[i].client_row(p.q.id())["skipped"] for i in (0, 1)], [0, 1])


@test
def refused_by_the_first_is_stored_by_the_second_in_the_end(t):
    p = Pair(t)
    p.add("second", b"for the second alone")
    p.add("status", b"for any")
    p.shut(1)
    p.q("run", "--once", expect=65)
    equal(p.q.numbers("failed"), [1])
    p.shut(1, False)
    p.shut(0)
    p.q("requeue", "1")
    p.q("run", "--once")
    p.shut(0, False)
    for i in (0, 1):
        p.visit(i)
    p.check()
    equal([r.client_row(p.q.id())["stored"] for r in p.receivers], [1, 1])


@test
def who_was_away_while_sent_log_was_rotated_hears_of_all_the_others(t):
    def store(c, n, _data):
        c.answer(n, "STORED %d %s%d" % (n, 220 * "x", n))
        return True

    r, fake = t.receiver(), FakeReceiver(t, on_put=store)
    q = Queue(t, r)

    def cycle(server):
        q.point_at(server)
        with open(q.conf, encoding="ascii") as file:
            text = file.read()
        with open(q.conf, "w", encoding="ascii") as file:
            file.write(text.replace("[queue]\n", "[queue]\nsent-log = 1M\n"))
        q("run", "--once")

    q.add("status", b"for the first")
    cycle(r)
    q.add("status", *(b"%d" % n for n in range(3000)))
    cycle(fake)
    assert os.path.exists(os.path.join(q.spool, "sent.log.1")), os.listdir(q.spool)
    cycle(r)
    row = r.client_row(q.id())
    equal((row["settled"], row["stored"], row["skipped"], row["missing"]), (3002, 1, 3000, 0))


@test
def removed_while_the_server_is_away_is_skipped_at_both(t):
    p = Pair(t)
    for i in (0, 1):
        p.add("status", *p.some(1))
        p.visit(i)
    p.shut(0)
    p.shut(1)
    p.add("status", *p.some(3))
    p.q("remove", "4")
    p.removed.add(4)
    p.shut(0, False)
    p.shut(1, False)
    for i in (0, 1):
        p.visit(i)
    p.check()


main()
