#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Strangers at the door keep nobody out, and who holds a place for nothing gives it up."""

import os
import select
import signal
import socket
import threading
import time

from client import Client, Closed, Timeout
from harness import SHIMMED, bound, equal, main, slow, test, until

STRANGERS = 120


class Silent(threading.Thread):
    """Connections from one address that say nothing, and come anew when they are closed."""

    def __init__(self, address, count, source="127.0.0.1"):
        super().__init__(daemon=True)
        self.address, self.count, self.source = address, count, source
        self.over = threading.Event()
        self.ends = 0
        self.there = set()
        self.start()

    def dial(self):
        one = socket.socket()
        one.bind((self.source, 0))
        one.settimeout(1)
        try:
            one.connect(self.address)
        except OSError:
            one.close()
            return
        self.there.add(one)

    def run(self):
        while not self.over.is_set():
            if len(self.there) < self.count:
                self.dial()
            wait = 0.02 if len(self.there) == self.count else 0
            for one in select.select(list(self.there), [], [], wait)[0]:
                self.there.discard(one)
                one.close()
                self.ends += 1

    def stop(self):
        self.over.set()
        self.join(bound(10))
        for one in self.there:
            one.close()


def stores(t, r, source="127.0.0.1", seconds=20):
    """A client with an item, which comes again when it is closed, as inboxq would; how long
    it took."""
    began = time.monotonic()
    queue = t.queue()
    while True:
        try:
            with Client(r.address, t.client_context("pc1.example.org"), timeout=bound(seconds),
                        on_stored=lambda *ack: r.acks.append(ack), source=source) as c:
                c.hello(queue)
                c.put(1, "status", b"an item")
                c.stored(1)
                c.quit()
                return time.monotonic() - began
        except (OSError, Closed, Timeout) as error:
            assert time.monotonic() - began < bound(seconds), error
            time.sleep(0.05)


def strangers(t, limits, source, seconds):
    r = t.receiver({"limits": limits})
    silent = Silent(r.address, STRANGERS)
    try:
        until(lambda: len(silent.there) == STRANGERS, 10, "the strangers to be there")
        for _ in range(3):
            took = stores(t, r, source, seconds)
            assert took < bound(seconds), took
    finally:
        silent.stop()
    return r


@test
def silent_strangers_keep_out_no_client_from_elsewhere(t):
    strangers(t, {"connections": "50"}, "127.0.0.2", 5)


@test
def silent_strangers_keep_out_no_client_from_their_own_address(t):
    strangers(t, {"connections": "50"}, "127.0.0.1", 5)


@test
def strangers_beyond_the_room_for_handshakes_give_way(t):
    r = strangers(t, {"handshakes": "40"}, "127.0.0.2", 20)
    assert r.metric("inboxd_connections_cut_total", 'reason="displaced"') > 0
    assert r.gauge("handshakes") <= 40
    until(lambda: r.gauge("handshakes") == 0 and r.gauge("connections") == 0, 10, "all to go")


# ---- deadlines

def cut(r, reason):
    return r.metric("inboxd_connections_cut_total", 'reason="%s"' % reason)


def is_sent_away(r, c, reason, seconds=60):
    """GOAWAY idle, counted for this reason and no other."""
    line = c.expect("GOAWAY", bound(15))
    equal((line.seconds, line.code), (seconds, "idle"))
    c.wait_close()
    until(lambda: cut(r, reason) == 1, 5, "the counter of " + reason)
    r.wait_log("event=session_cut client=pc1.example.org peer=[^ ]+ reason=%s\n" % reason)
    equal(sum(n for (name, _), n in r.metrics().items()
              if name == "inboxd_connections_cut_total"), 1, "connections that were cut")


@test
def handshake_and_hello_have_a_deadline(t):
    r = t.receiver({"limits": {"hello": "1s"}})
    silent = socket.create_connection(r.address, timeout=bound(10))
    equal(silent.recv(1), b"", "no word")
    silent.close()
    until(lambda: cut(r, "handshake") == 1, 5, "the counter")
    c = r.client()
    equal(c.expect("GOAWAY", bound(10)).code, "idle")
    until(lambda: cut(r, "hello") == 1, 5, "the counter")


@test
def line_that_is_begun_has_a_deadline(t):
    r = t.receiver({"limits": {"line": "1s"}})
    c = r.client(hello=t.queue())
    for _ in range(6):
        c.ping()
        c.flow(0.3)
    c.post("PI")
    for byte in "NG-and-so-on-and-on":
        c.post(byte)
        c.flow(0.3)
        if c.eof or c.history[-1].verb == "GOAWAY":
            break
    is_sent_away(r, c, "line")


@test
def item_has_to_come_at_a_rate(t):
    r = t.receiver({"limits": {"line": "1s", "rate": "1000"}})
    # 3000 bytes may take 4 seconds, and do.
    c = r.client(hello=t.queue())
    data = t.bytes(3000)
    c.announce(1, "status", data)
    for at in range(0, 3000, 300):
        c.post(data[at:at + 300])
        c.flow(0.25)
    c.stored(1)
    c.announce(2, "status", data)
    for at in range(0, 3000, 100):
        c.post(data[at:at + 100])
        c.flow(0.4)
        if c.eof or c.history[-1].verb == "GOAWAY":
            break
    is_sent_away(r, c, "item")
    until(lambda: r.items("cut_off") == 1, 5, "the item to be cut off")


@test
def large_item_has_to_come_at_a_rate_and_goes_on_where_it_was(t):
    r = t.receiver({"limits": {"line": "1s", "rate": "1000", "inline": "1024"}})
    queue, data = t.queue(), t.bytes(2000)
    c = r.client(hello=queue)
    c.announce(1, "status", data, verb="OPEN")
    equal(c.answer(1).verb, "SEND")
    c.pieces(1, data, 0, 1500)
    # Lines in between are no excuse.
    for _ in range(40):
        c.post("PING\n")
        c.flow(0.25)
        if c.eof or c.history[-1].verb == "GOAWAY":
            break
    is_sent_away(r, c, "item")
    c = r.client(hello=queue)
    c.announce(1, "status", data, verb="OPEN")
    equal(c.answer(1).offset, 1500)
    c.pieces(1, data, 1500)
    c.stored(1)


@test
def time_in_which_we_do_not_read_is_not_the_clients(t):
    """The receiver reads no further while its journal's disk stands still."""
    r = t.receiver({"limits": {"line": "1s", "rate": "1000", "bytes": "1024"}},
                   env={**SHIMMED, "FAULT": "fdatasync@journal:1:4000ms:once",
                        "FAULT_SCOPE": "program", "FAULT_ARM": os.path.join(t.folder, "arm")})
    c = r.client(hello=t.queue())
    open(os.path.join(t.folder, "arm"), "w", encoding="ascii").close()
    c.put(1, "status", t.bytes(1000))
    c.flow(0.5)
    c.put(2, "status", t.bytes(1000))
    c.stored(1)
    c.stored(2)
    equal([line.verb for line in c.history if line.verb == "GOAWAY"], [])


@test
def time_in_which_we_stand_still_is_not_the_clients(t):
    """As a host does that was suspended, or whose disk hangs: what came meanwhile is read first."""
    limit = "%ds" % bound(3)
    r = t.receiver({"limits": {"hello": limit, "line": limit, "rate": "1M"},
                    "receiver": {"workers": "1"}})
    body, line = [[r.client(hello=t.queue()) for _ in range(8)] for _ in range(2)]
    greeting = [r.client() for _ in range(30)]
    for c in body:
        c.announce(1, "status", b"an item")
        c.post(b"an ")
    for c in line:
        c.post("PI")
    for c in body + line:
        c.flow(0.01)
    r.process.send_signal(signal.SIGSTOP)
    try:
        # The loop looks at 32 of them in its first turn, and at the clock before the others.
        for c in greeting:
            c.post("HELLO 1 %s 1\n" % t.queue())
        for c in body:
            c.post(b"item")
        for c in line:
            c.post("NG\n")
        shaking = [Shaking(r.address, t.client_context("pc1.example.org")) for _ in range(50)]
        for c in greeting + body + line:
            assert c.flow(0.01)
        time.sleep(bound(3) + 2)
    finally:
        r.process.send_signal(signal.SIGCONT)
    for c in line:
        c.expect("PONG", bound(10))
    for c in body:
        c.stored(1)
    for c in greeting:
        c.expect("READY", bound(10))
    for one in shaking:
        one.join(bound(20))
        equal(one.error, None)
    equal([cut(r, reason) for reason in ("handshake", "hello", "line", "item")], [0] * 4)


class Shaking(threading.Thread):
    """A client whose handshake begins while nobody is there."""

    def __init__(self, address, tls):
        super().__init__(daemon=True)
        self.address, self.tls, self.error = address, tls, "not over"
        self.start()

    def run(self):
        try:
            with Client(self.address, self.tls, timeout=bound(20)) as c:
                c.hello("%032x" % id(self))
                c.quit()
            self.error = None
        except (OSError, Closed, Timeout) as error:
            self.error = error


@test
def session_ends_in_order_after_its_time(t):
    r = t.receiver({"limits": {"session": "2s"}})
    c = r.client(hello=t.queue())
    n, began = 0, time.monotonic()
    while not c.eof and not any(line.verb == "GOAWAY" for line in c.history):
        n += 1
        c.put(n, "status", b"an item")
        c.flow(0.2)
        assert n < 100
    took = time.monotonic() - began
    assert took > 1.0, took
    is_sent_away(r, c, "session", 0)


@test
def line_is_a_quarter_while_room_is_short_and_idle_is_as_ready_said(t):
    r = t.receiver({"limits": {"idle": "12s", "line": "12s", "handshakes": "4"}})
    quiet, slow_one = r.client(hello=t.queue()), r.client(hello=t.queue())
    slow_one.post("PI")
    began = time.monotonic()
    silent = Silent(r.address, 4)
    try:
        until(lambda: r.gauge("room_short") == 1, 10, "room to be short")
        r.wait_log("event=room_short limit=handshakes now=4 most=4 ")
        is_sent_away(r, slow_one, "line")
        took = time.monotonic() - began
        assert 2.5 < took < 9 * slow(), took
        time.sleep(1.5)
        quiet.ping()
        equal(cut(r, "idle"), 0)
    finally:
        silent.stop()
    until(lambda: r.gauge("room_short") == 0, 10, "room to be there again")


# ---- room for those with items

@test
def idle_session_makes_room_for_another_one(t):
    r = t.receiver({"limits": {"connections": "3"}, "receiver": {"workers": "1"}})
    first, second, third = [r.client(hello=t.queue()) for _ in range(3)]
    first.put(1, "status", b"first")
    first.stored(1)
    time.sleep(bound(1))
    third.put(1, "status", b"third")
    third.stored(1)
    time.sleep(bound(3))
    for c in (first, second, third):
        c.ping()
    # The last item of the second one is longest ago, whatever it says besides.
    newcomer = r.client(hello=t.queue())
    newcomer.put(1, "status", b"newcomer")
    newcomer.stored(1)
    line = second.expect("GOAWAY", bound(10))
    equal((line.seconds, line.code), (0, "idle"))
    second.wait_close()
    equal(cut(r, "room"), 1)
    another = r.client(hello=t.queue())
    line = first.expect("GOAWAY", bound(10))
    equal(line.code, "idle")
    another.quit()
    third.ping()
    equal(r.metric("inboxd_connections_crowded_total"), 0)


@test
def one_that_goes_takes_no_place_any_more(t):
    """It has been told, and its client has not closed yet."""
    r = t.receiver({"limits": {"connections": "2"}, "receiver": {"workers": "1"}})
    first = r.client(hello=t.queue())
    time.sleep(bound(1))
    second = r.client(hello=t.queue())
    time.sleep(bound(3))
    r.client(hello=t.queue()).quit()
    equal(first.expect("GOAWAY", bound(10)).code, "idle")
    r.client(hello=t.queue()).quit()
    equal(cut(r, "room"), 1)
    second.ping()


@test
def session_with_something_under_way_makes_no_room(t):
    r = t.receiver({"limits": {"connections": "3", "inline": "1024", "line": "300s"},
                    "receiver": {"workers": "1"}})
    data = t.bytes(2000)
    body, line, large = [r.client(hello=t.queue()) for _ in range(3)]
    body.announce(1, "status", b"only the line")
    body.flow(0.1)
    line.post("PIN")
    line.flow(0.1)
    large.announce(1, "status", data, verb="OPEN")
    equal(large.answer(1).verb, "SEND")
    time.sleep(bound(3))
    newcomer = r.client()
    away = newcomer.expect("GOAWAY", bound(10))
    equal(away.code, "crowded")
    assert 60 <= away.seconds <= 75, away
    newcomer.wait_close()
    equal(r.metric("inboxd_connections_crowded_total"), 1)
    equal(cut(r, "room"), 0)
    body.post(b"only the line")
    body.stored(1)
    line.post("G\n")
    line.expect("PONG")
    large.pieces(1, data)
    large.stored(1)


@test
def session_that_has_just_sent_an_item_makes_no_room(t):
    """It would only come again.  Where this host is too slow for that, it is tried again."""
    r = t.receiver({"limits": {"connections": "1"}, "receiver": {"workers": "1"}})

    def newcomer_is_told_to_come_back():
        c = r.client(hello=t.queue())
        c.put(1, "status", b"an item")
        c.stored(1)
        newcomer = r.client()
        newcomer.hello(t.queue(), wait=False)
        until(lambda: newcomer.flow(0.05) or len(newcomer.history) > 0, 10, "a word")
        word = newcomer.history[0]
        for one in (newcomer, c):
            one.cut()
        until(lambda: r.gauge("connections") == 0, 10, "both to be gone")
        return word.verb == "GOAWAY" and word.code == "crowded"
    until(newcomer_is_told_to_come_back, 20, "one that is not let in")


# ---- limits of an address, descriptors, reload

@test
def an_address_has_a_bound_and_a_reload_changes_it(t):
    r = t.receiver({"limits": {"address": "2"}})
    there = [r.client(hello=t.queue()) for _ in range(2)]
    refused = 'reason="address"'
    third = socket.create_connection(r.address, timeout=bound(10))
    equal(third.recv(1), b"")
    third.close()
    equal(r.metric("inboxd_connections_refused_total", refused), 1)
    r.wait_log("event=connection_refused peer=127.0.0.1:[0-9]+ reason=address")
    stores(t, r, "127.0.0.2")
    r.sections["limits"]["address"] = "3"
    r.write_conf()
    r.process.send_signal(signal.SIGHUP)
    r.wait_log("event=reloaded")
    stores(t, r)
    there[0].quit()
    there[1].quit()


@test
def at_the_limit_of_descriptors_it_rests_and_goes_on(t):
    limit = 90
    r = t.receiver({"limits": {"hello": "60s"}, "receiver": {"workers": "1"}}, start=False)
    r.start(wrap=["sh", "-c", "ulimit -n %d; exec \"$@\"" % limit, "sh"])
    silent = [socket.create_connection(r.address, timeout=bound(10)) for _ in range(limit)]
    r.wait_log("event=accept_failed")
    before, began = processor_seconds(r), time.monotonic()
    time.sleep(bound(2))
    share = (processor_seconds(r) - before) / (time.monotonic() - began)
    assert share < 0.2, "of a processor, at rest: %g" % share
    for one in silent:
        one.close()
    took = stores(t, r)
    t.note("%.2f s until a client was served" % took)


def processor_seconds(r):
    with open("/proc/%d/stat" % r.process.pid, encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
