#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""How long inboxq waits: as long as a server asks, by lot, and never so little that it spins, which
is shown by its processor time and by how often it dials; and when who has nothing to send comes."""

import signal
import time

from copyqueue import TEMPFAIL, Listener, Queue, cpu, end_run, run_in_background, said
from fakereceiver import Cut, FakeReceiver, later_for
from harness import bound, cases, equal, main, test, until

ITEMS = [b"one", b"two", b"three"]


def sends_away_at_once(seconds):
    def odd(c, line):
        if not line.startswith("HELLO"):
            return False
        c.deal_with(line)
        c.say("GOAWAY %d crowded" % seconds)
        time.sleep(0.1)
        raise Cut
    return odd


@cases([
    ("GOAWAY 0", lambda t: FakeReceiver(t, sends_away_at_once(0))),
    ("LATER 0", lambda t: FakeReceiver(t, later_for(0))),
    ("ERROR", lambda t: FakeReceiver(t, lambda c, line: c.say("ERROR field no") or True)),
    ("closes", lambda t: Listener(t, lambda sock: sock.close())),
])
def alone_it_is_tried_again_but_nothing_spins(t, make):
    """Whatever it says, retry-min lies between two sessions, and a second between two tries."""
    fake = make(t)
    q = Queue(t, fake)
    q.add("status", *ITEMS)
    run = run_in_background(t, q)
    until(lambda: fake.connections, 10, "the first dial")
    begun, before = time.monotonic(), cpu(run)
    time.sleep(6)
    passed = time.monotonic() - begun
    assert fake.connections <= 2 + passed, "%d dials in %g s" % (fake.connections, passed)
    puts = len(fake.said("PUT")) if isinstance(fake, FakeReceiver) else 0
    assert puts <= len(ITEMS) * (2 + passed), "%d tries in %g s" % (puts, passed)
    spent = cpu(run) - before
    assert spent < 0.2 * bound(1), "%g s of processor time" % spent
    end_run(run, q)
    equal(len(q.numbers()), len(ITEMS), "items in the queue")


@test
def a_reload_cuts_no_wait_short_that_the_server_asked_for(t):
    said_so = []

    def odd(c, line):
        if line.startswith("PUT"):
            c.say("GOAWAY 4 stopping")
            said_so.append(time.monotonic())
            time.sleep(1)
            raise Cut
        return False
    fake = FakeReceiver(t, odd)
    q = Queue(t, fake)
    q.add("status", b"one")
    run = run_in_background(t, q)
    until(lambda: "event=goaway" in said(q), 10, "GOAWAY")
    run.send_signal(signal.SIGHUP)
    until(lambda: "event=reloaded" in said(q), 10, "the reload")
    until(lambda: len(said_so) == 2, 20, "the next session")
    assert said_so[1] - said_so[0] >= 4, "after %g s" % (said_so[1] - said_so[0])
    end_run(run, q)


@test
def who_takes_nothing_is_sent_little_and_all_once_it_does(t):
    fake = FakeReceiver(t, later_for(1), inline=1 << 20)
    q = Queue(t, fake)
    q.add("status", *[b"%d" % n for n in range(90)])
    run = run_in_background(t, q)
    until(lambda: len(fake.said("PUT")) >= 90, 10, "all of it, once")
    begun = time.monotonic()
    time.sleep(6)
    most = 90 + time.monotonic() - begun + 2
    assert 93 <= len(fake.said("PUT")) <= most, "%d tries" % len(fake.said("PUT"))
    fake.odd = None
    until(lambda: not q.numbers(), 6, "an empty queue")
    end_run(run, q)


@test
def one_cycle_that_is_stopped_has_left_items(t):
    fake = FakeReceiver(t, lambda c, line: line.startswith("PUT"))
    q = Queue(t, fake)
    q.add("status", *ITEMS)
    run = run_in_background(t, q, "--once")
    until(lambda: fake.said("PUT"), 10, "the first item")
    run.send_signal(signal.SIGTERM)
    equal(run.wait(bound(10)), TEMPFAIL, "exit code")


@test
def who_is_hurried_by_a_signal_keeps_to_the_floor(t):
    away = Listener(t, lambda sock: sock.close())
    q = Queue(t, away, **{"retry-min": "100s", "retry-max": "900s"})
    run = run_in_background(t, q)
    until(lambda: "event=started" in said(q), 10, "its start")
    begun = time.monotonic()
    while time.monotonic() - begun < 5:
        run.send_signal(signal.SIGUSR1)
        time.sleep(0.05)
    passed = time.monotonic() - begun
    assert 3 <= away.connections <= 2 + passed, "%d dials in %g s" % (away.connections, passed)
    asks = FakeReceiver(t, sends_away_at_once(3600))
    q.point_at(asks)
    run.send_signal(signal.SIGHUP)
    until(lambda: "event=reloaded" in said(q), 10, "the reload")
    for _ in range(60):
        run.send_signal(signal.SIGUSR1)
        time.sleep(0.05)
    equal(asks.connections, 1, "dials at a server that asked for an hour")
    end_run(run, q)


@test
def later_is_waited_for_and_a_little_longer_by_lot(t):
    """For each item of its own: those told in one moment do not come back in one."""
    came = {}

    def odd(c, line):
        if not line.startswith("PUT"):
            return False
        n = int(line.split()[1])
        came.setdefault(n, []).append(time.monotonic())
        if len(came[n]) > 1:
            return False
        c.body(int(line.split()[3]))
        c.say("LATER %d 8 full" % n)
        return True
    fake = FakeReceiver(t, odd)
    q = Queue(t, fake)
    items = q.add("status", *[b"%d" % i for i in range(40)])
    run = run_in_background(t, q)
    until(lambda: fake.stored == items, 30, "all items")
    waits = sorted(times[1] - times[0] for times in came.values())
    assert 7 < waits[0] < waits[-1] < 12 and waits[-1] - waits[0] > 0.9, waits
    end_run(run, q)


@test
def two_that_share_a_queue_push_each_other_away_slowly_and_say_so(t):
    def odd(c, line):
        if line.startswith("PUT"):
            c.deal_with(line)
            c.say("GOAWAY 0 superseded")
            time.sleep(0.2)
            raise Cut
        return False
    fake = FakeReceiver(t, odd)
    q = Queue(t, fake, **{"retry-max": "3s"})
    begun = time.monotonic()
    run = run_in_background(t, q)
    for _ in range(4):
        q.add("status", b"one")
    until(lambda: not q.numbers(), 30, "the items")
    assert fake.connections <= 2 + time.monotonic() - begun, "%d sessions" % fake.connections
    q.add("status", b"one more")
    until(lambda: "event=queue_shared" in said(q), 30, "the word of it")
    end_run(run, q)
    equal(said(q).count("event=queue_shared"), 1, "how often it is said")


# ---- who has nothing to send

def sends_away_who_has_nothing(c, line):
    if not line.startswith("HELLO") or " pending=0 " not in line:
        return False
    c.deal_with(line)
    c.receiver.hellos.append(time.monotonic())
    c.say("GOAWAY 0 idle")
    time.sleep(0.2)
    raise Cut


@test
def who_has_nothing_to_send_shows_up_at_its_time(t):
    fake = FakeReceiver(t, sends_away_who_has_nothing)
    fake.hellos = []
    q = Queue(t, fake, report="3s")
    run = run_in_background(t, q)
    until(lambda: len(fake.hellos) == 5, 30, "five times")
    end_run(run, q)
    # The first one is by lot, and the next may be near it.
    gaps = [b - a for a, b in zip(fake.hellos[1:], fake.hellos[2:])]
    assert all(1.5 < gap < 4.5 for gap in gaps) and 7.5 < sum(gaps) < 10.5, gaps


@test
def who_has_nothing_to_send_stays_away_until_there_is_an_item(t):
    fake = FakeReceiver(t, sends_away_who_has_nothing)
    fake.hellos = []
    q = Queue(t, fake)
    run = run_in_background(t, q)
    until(lambda: fake.hellos, 10, "the first time")
    time.sleep(4)
    equal(fake.connections, 1, "connections, with nothing to send")
    items = q.add("status", b"one")
    until(lambda: fake.stored == items, 5, "the item")
    assert cpu(run) < 0.5 * bound(1), "%g s of processor time" % cpu(run)
    end_run(run, q)


if __name__ == "__main__":
    main()
