#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Which server inboxq goes to: whatever servers say, each item comes to one that takes it, nothing
spins, and one cycle ends.

That nothing spins is shown by the processor time of the client, and by how often it dials.
"""

import socket
import struct
import time

from copyqueue import TEMPFAIL, Listener, Queue, cpu, end_run, run_in_background, said
from fakereceiver import Cut, FakeReceiver, later_for
from gate import Gate
from harness import bound, cases, equal, main, test, until

ITEMS = [b"one", b"two", b"three"]


def bytes_of_ready(c, line):
    """One of them a second."""
    if line.startswith("HELLO"):
        for byte in b"READY 1 slow window=10 bytes=1000000 inline=1000 item=1000 idle=300\n":
            c.sock.sendall(bytes([byte]))
            time.sleep(1)
        return True
    return False


def words_without_an_answer(word):
    def odd(c, line):
        if line.startswith("PUT"):
            limit = time.monotonic() + 60
            while time.monotonic() < limit:
                c.say(word)
                time.sleep(0.2)
            raise Cut
        return False
    return odd


def no_word_of_tls(t):
    return Listener(t)


# ---- the next server has its turn

@cases([
    ("LATER 0", lambda t: FakeReceiver(t, later_for(0))),
    ("LATER 3600", lambda t: FakeReceiver(t, later_for(3600))),
    ("LATER 4294967295", lambda t: FakeReceiver(t, later_for(4294967295))),
    ("READY a byte a second", lambda t: FakeReceiver(t, bytes_of_ready)),
    ("PONG for ever", lambda t: FakeReceiver(t, words_without_an_answer("PONG"))),
    ("silence in TLS", no_word_of_tls),
    ("closes at once", lambda t: Listener(t, lambda sock: sock.close())),
])
def server_that_takes_nothing_keeps_nothing_from_the_next(t, make):
    first, second = make(t), FakeReceiver(t, host="fake2")
    q = Queue(t, first, second, timeout="2s", patience="2s", **{"connect-timeout": "2s"})
    items = q.add("status", *ITEMS)
    begun = time.monotonic()
    run = run_in_background(t, q)
    until(lambda: len(second.stored) == len(items), 20, "the items at the second server")
    time.sleep(2)
    spent, passed = cpu(run), time.monotonic() - begun
    assert first.connections <= 2 + passed, "%d dials in %g s" % (first.connections, passed)
    assert spent < 0.5 * bound(1), "%g s of processor time in %g s" % (spent, passed)
    end_run(run, q)
    equal((second.stored, q.numbers()), (items, []), "what the second one has")


# ---- and the way back

def with_a_gate(t, first, second, **keys):
    """The first server is behind a gate, which is shut."""
    gate = Gate(t, lambda: ("127.0.0.1", first.port))
    gate.is_shut = True
    return gate, Queue(t, gate, second, **{"retry-max": "2s", **keys})


@test
def preferred_server_is_gone_back_to_when_it_is_there(t):
    first, second = FakeReceiver(t), FakeReceiver(t, host="fake2")
    gate, q = with_a_gate(t, first, second)
    run = run_in_background(t, q)
    items = q.add("status", b"for the second")
    until(lambda: second.stored == items, 10, "the item at the second server")
    until(lambda: gate.connections >= 2, 20, "it to be looked for")
    gate.is_shut = False
    until(lambda: "event=server_back" in said(q), 10, "the first one to be found")
    until(lambda: first.said("HELLO"), 10, "a session with it")
    items = q.add("status", b"for the first")
    until(lambda: first.stored == items, 5, "the item at the first server")
    time.sleep(2)
    equal((second.connections, second.said("QUIT")), (1, ["QUIT"]), "the second one's session")
    equal(len(first.said("HELLO")), 1, "sessions with the first one")
    end_run(run, q)


@test
def preferred_server_that_proves_nothing_is_gone_to_less_and_less(t):
    """Its handshake is good, and then it ends each session."""
    def odd(_c, line):
        if line.startswith("HELLO"):
            raise Cut
        return False
    first, second = FakeReceiver(t, odd), FakeReceiver(t, host="fake2")
    q = Queue(t, first, second, patience="10s", **{"retry-max": "60s"})
    run = run_in_background(t, q)
    begun, count = time.monotonic(), 0
    while time.monotonic() - begun < 15:
        count += 1
        q.add("status", b"%d" % count)
        time.sleep(0.5)
    until(lambda: len(second.stored) == count, 10, "all items at the second server")
    # At most 3, 6, 12 ... seconds lie between two tries, and all of them fall short by lot.
    tries = len(first.said("HELLO"))
    assert tries <= 8, "%d sessions with the first one" % tries
    # It had items before READY but once: from then on that would put them off for nothing.
    assert said(q).count("reason=unanswered") <= 2, said(q)
    assert cpu(run) < 1 * bound(1), "%g s of processor time" % cpu(run)
    end_run(run, q)


@test
def large_item_under_way_is_not_given_up_for_a_better_server(t):
    first, second = FakeReceiver(t), FakeReceiver(t, host="fake2", inline=1000)
    gate, q = with_a_gate(t, first, second)
    second.rate = 400000
    run = run_in_background(t, q)
    items = q.add("status", bytes(2000000))
    until(lambda: second.said("DATA"), 10, "a part of it")
    gate.is_shut = False
    until(lambda: "event=server_back" in said(q), 10, "the first one to be found")
    small = q.add("status", b"small")
    until(lambda: second.stored == {**items, **small}, 30, "both at the second server")
    equal(len(second.said("OPEN")), 1, "uploads begun")
    until(lambda: first.said("HELLO"), 10, "a session with the first one")
    end_run(run, q)


# ---- one cycle

@test
def one_cycle_gives_each_server_one_turn(t):
    first = FakeReceiver(t, later_for(1))
    second = FakeReceiver(t, later_for(1, 2), host="fake2")
    third = FakeReceiver(t, later_for(1), host="fake3")
    q = Queue(t, first, second, third)
    items = q.add("status", *ITEMS)
    q("run", "--once", expect=TEMPFAIL)
    equal([fake.connections for fake in (first, second, third)], [1, 1, 1], "connections")
    equal((second.stored, q.numbers()), ({1: items[1], 3: items[3]}, [2]), "what is where")


def behind_the_last_answer(how):
    """Ends the connection where all is stored, without BYE."""
    def odd(c, line):
        if not line.startswith("PUT"):
            return line.startswith("QUIT") and how(c)
        c.deal_with(line)
        if len(c.receiver.stored) == len(ITEMS):
            how(c)
        return True
    return odd


def closes(c):
    raise Cut


def resets(c):
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(0.2)  # else the reset overtakes the answers
    c.sock.close()
    raise Cut


def goes_silent(c):
    time.sleep(20)
    raise Cut


def sends_away(c):
    c.say("GOAWAY 3600 idle")
    time.sleep(0.2)
    raise Cut


@cases([("closes", closes), ("resets", resets), ("goes silent", goes_silent),
        ("sends away", sends_away)])
def one_cycle_that_stored_all_ends_with_0(t, how):
    fake = FakeReceiver(t, behind_the_last_answer(how))
    q = Queue(t, fake, timeout="2s")
    q.add("status", *ITEMS)
    begun = time.monotonic()
    q("run", "--once", timeout=30)
    assert time.monotonic() - begun < bound(10), "it took %g s" % (time.monotonic() - begun)
    equal((fake.connections, q.numbers()), (1, []), "connections, and what is left")


@test
def one_cycle_without_a_server_that_speaks_ends_with_75(t):
    silent, fake = Listener(t), FakeReceiver(t, later_for(0), host="fake2")
    q = Queue(t, silent, fake, timeout="2s", **{"connect-timeout": "1s"})
    q("run", "--once", expect=0)
    q.add("status", *ITEMS)
    q("run", "--once", expect=TEMPFAIL)
    equal((silent.connections, fake.connections), (2, 2), "connections")


if __name__ == "__main__":
    main()
