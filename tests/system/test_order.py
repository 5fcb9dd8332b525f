#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""order = spread: a fleet with one and the same list of servers shares them, each client by its
name, who goes down its own order and back up."""

from copyqueue import Queue, end_run, run_in_background
from fakereceiver import FakeReceiver
from gate import Gate
from harness import equal, main, test, until

CLIENTS = 12


def order_of(q):
    """As a run says it."""
    until(lambda: (q.status()["run"] or {}).get("order"), 10, "the order")
    return q.status()["run"]["order"]


@test
def spread_shares_servers_by_the_clients_names(t):
    fakes = [FakeReceiver(t, host="fake%d" % i) for i in range(3)]
    words = ["127.0.0.1:%d" % fake.port for fake in fakes]
    first = set()
    for i in range(CLIENTS):
        q = Queue(t, *fakes, who="pc%d.example.org" % i, order="spread")
        before = [fake.connections for fake in fakes]
        q.add("status", b"one")
        q("run", "--once")
        went = [fake.connections - old for fake, old in zip(fakes, before)]
        equal((sum(went), q.numbers()), (1, []), "connections, and what is left")
        order = q.status()["run"]["order"]
        equal(sorted(order), sorted(words), "the order")
        equal(order[0], words[went.index(1)], "who was first")
        # Whoever writes the list in another order has the same one.
        q.point_at(*reversed(fakes))
        q("run", "--once")
        equal(q.status()["run"]["order"], order, "the order by another list")
        first.add(order[0])
    # Ports are drawn anew in each run: all at one of them is chance once in 177,000.
    assert len(first) > 1, first


@test
def spread_goes_down_its_order_and_back_up(t):
    fakes = [FakeReceiver(t, host="fake%d" % i) for i in range(3)]
    gates = [Gate(t, lambda fake=fake: ("127.0.0.1", fake.port)) for fake in fakes]
    q = Queue(t, *gates, order="spread")
    q.add("status", b"first")
    run = run_in_background(t, q)
    order = order_of(q)
    ways = [next(i for i, gate in enumerate(gates) if word == "127.0.0.1:%d" % gate.port)
            for word in order]
    until(lambda: fakes[ways[0]].said("HELLO"), 10, "a session with the first")
    words = q("status").stdout.split("\n")
    assert "servers      " + " ".join(order) in words, words
    for shut in (0, 1):
        gates[ways[shut]].is_shut = True
        gates[ways[shut]].cut()
        until(lambda shut=shut: fakes[ways[shut + 1]].said("HELLO"), 20, "the next one's turn")
        item = q.add("status", b"%d" % shut)
        until(lambda shut=shut, item=item: item.items() <= fakes[ways[shut + 1]].stored.items(),
              10, "an item at the next one")
    gates[ways[0]].is_shut = False
    until(lambda: len(fakes[ways[0]].said("HELLO")) == 2, 20, "the way back")
    item = q.add("status", b"back")
    until(lambda: item.items() <= fakes[ways[0]].stored.items(), 10, "an item at the first")
    end_run(run, q)


@test
def servers_that_fit_no_line_stand_in_several(t):
    fakes = [FakeReceiver(t, host="fake%d" % i) for i in range(3)]
    q = Queue(t, *fakes)
    with open(q.conf, encoding="ascii") as file:
        text = file.read()
    words = ["127.0.0.1:%d" % fake.port for fake in fakes]
    with open(q.conf, "w", encoding="ascii") as file:
        file.write(text.replace(" ".join(words), "\nservers = ".join(words)))
    q.add("status", b"one")
    q("run", "--once")
    equal((q.status()["run"]["order"], [fake.connections for fake in fakes]), (words, [1, 0, 0]))
    # Still, each of them once.
    with open(q.conf, "a", encoding="ascii") as file:
        file.write("[server]\nservers = %s\n" % words[1])
    done = q("check", expect=78)
    assert "each server once" in done.stderr, done.stderr


@test
def order_of_one_server_is_not_told_to_people(t):
    fake = FakeReceiver(t)
    q = Queue(t, fake)
    q.add("status", b"first")
    run = run_in_background(t, q)
    equal(order_of(q), ["127.0.0.1:%d" % fake.port])
    assert "servers " not in q("status").stdout, q("status").stdout
    end_run(run, q)


main()
