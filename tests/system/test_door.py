#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Strangers at the door keep nobody out, and who holds a place for nothing gives it up."""

import select
import socket
import threading
import time

from client import Client, Closed, Timeout
from harness import bound, main, test, until

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


if __name__ == "__main__":
    main()
