#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Names: how servers are written, and how they are found."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from copyqueue import TEMPFAIL, Queue, all_there, said
from fakereceiver import FakeReceiver
from harness import INBOXQ, SHIM, Skip, bound, cases, contains, equal, main, test, until

NAMES = os.path.join(os.path.dirname(SHIM), "names.so")  # tests/fault/names.c


# ---- how they are written

@cases([
    ("none", "", "a list, split at blanks or commas, of HOST, HOST:PORT"),
    ("bare IPv6", "::1", '"[::1]:7117"'),
    ("no port", "cap1:", "a port from 1 to 65535"),
    ("port 0", "cap1:0", "a port from 1 to 65535"),
    ("port 65536", "cap1:65536", "a port from 1 to 65535"),
    ("URL", "inbox://cap1:7117", '"cap1:7117", and no URL'),
    ("link-local without a zone", "[fe80::1]", "[fe80::1%eth0]"),
    ("half an address", "127.1", "four numbers"),
    ("weight", "cap1*0", "a weight from 1 to 65535"),
    ("twice", "cap1,cap2*3,CAP1.:7117*2", 'each server once; "CAP1.:7117*2" is "cap1" again'),
])
def server_that_cannot_work_is_refused_with_its_line(t, word, reason):
    q = Queue(t, servers=[word])
    said = q("check", expect=78).stderr
    contains(said, "inboxq.conf:4: servers: want ")
    contains(said, reason)
    contains(said, 'found "%s"' % word)


@test
def server_that_may_work_is_taken(t):
    q = Queue(t, servers=["cap1", "cap1.example.org.:80*2", "[::1]", "[fe80::1%eth0]:1", "a_b*7"])
    equal(q("check").stdout, q.conf + ": fine\n")


@test
def servers_with_weights_are_tried_in_the_client_s_own_order(t):
    """The same at each start, and not the same for all."""
    firsts = {}
    for who in ["pc%d.example.org" % n for n in range(1, 9)]:
        q = Queue(t, servers=["127.0.0.1:1*1", "127.0.0.1:2*1", "127.0.0.1:3"], who=who)
        q.add("status", b"kept")
        orders = {tuple(re.findall(r"connect_failed server=\S+ address=127.0.0.1:(\d)", text))
                  for text in [q("run", "--once", expect=TEMPFAIL).stderr for _ in range(2)]}
        order, = orders
        assert sorted(order) == ["1", "2", "3"] and order[2] == "3", order
        firsts[order[0]] = who
    equal(sorted(firsts), ["1", "2"], "first choices")


# ---- how they are found

class Named(Queue):
    """An inboxq whose name service is a file of ours; receivers are cap1.example."""

    def __init__(self, t, r, *hosts, **keys):
        port = r.port if r else 1
        if r:
            r.others = True
        super().__init__(t, servers=[h if ":" in h else "%s:%d" % (h, port) for h in hosts],
                         **keys)
        self.names = os.path.join(self.folder, "names")
        self.env = {"LD_PRELOAD": NAMES, "NAMES": self.names,
                    "ASAN_OPTIONS": "verify_asan_link_order=0"}
        self.know()

    def know(self, *lines):
        """One file in one moment: it may be read by now."""
        with open(self.names + ".new", "w", encoding="ascii") as file:
            file.write("".join(line + "\n" for line in lines))
        os.rename(self.names + ".new", self.names)

    def asked(self):
        if not os.path.exists(self.names + ".asked"):
            return []
        with open(self.names + ".asked", encoding="ascii") as file:
            return file.read().split()

    def once(self, expect=0):
        begun = time.monotonic()
        done = self.t.run([INBOXQ, "run", "--once", "-c", self.conf], env=self.env, timeout=60)
        equal(done.returncode, expect, "exit code; " + done.stderr)
        return done.stderr, time.monotonic() - begun

    def start(self):
        log = open(os.path.join(self.folder, "log"), "ab")  # closed with the test's folder
        self.t.closing.append(log)
        return self.t.spawn([INBOXQ, "run", "-c", self.conf], stdin=subprocess.DEVNULL,
                            stdout=log, stderr=log, env={**os.environ, **self.env})


def named_receiver(t, port=0):
    pair = t.pki.good("server", "cap1.example")
    return t.receiver({"tls": {"certificate": pair.cert, "key": pair.key},
                       "receiver": {"listen": "127.0.0.1:%d" % port}})


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def stop(run):
    """Seconds that it took."""
    begun = time.monotonic()
    run.send_signal(signal.SIGTERM)
    equal(run.wait(bound(10)), 0, "exit code")
    return time.monotonic() - begun


def silent_listener(t, address, port):
    """Connections are made, and nobody ever says a word."""
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    t.closing.append(listener)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(16)
    return listener


@test
def name_server_that_is_silent_does_not_hold_up_a_stop(t):
    q = Named(t, None, "stuck.example")
    q.know("stuck.example sleep=600")
    q.add("status", b"kept")
    run = q.start()
    until(q.asked, 10, "the lookup")
    took = stop(run)
    assert took < bound(2), took
    contains(said(q), "event=stopped")
    equal(q.numbers(), [1])


@test
def name_server_that_is_silent_does_not_hold_up_the_next_server(t):
    """Nor does one cycle wait for it longer than it waits for any server."""
    r = t.receiver()
    q = Named(t, r, "stuck.example", "127.0.0.1", **{"connect-timeout": "2s"})
    q.know("stuck.example sleep=600")
    q.add("status", b"second")
    text, took = q.once()
    contains(text, 'event=resolve_failed server=stuck.example '
                   'error="no name server has answered within 2 seconds"')
    all_there(r, [b"second"])
    assert 2 <= took < bound(4), took


@test
def name_that_is_not_known_is_told_of_and_said_once(t):
    q = Named(t, None, "cap9.example")
    q.know("cap9.example none")
    q.add("status", b"kept")
    q.once(expect=TEMPFAIL)
    equal(q.status()["wrong"][1].rpartition(" (")[0], "cap9.example: Name or service not known")


@test
def one_lookup_of_a_server_is_under_way_at_a_time(t):
    q = Named(t, None, "stuck.example", **{"connect-timeout": "1s"})
    q.know("stuck.example sleep=600")
    q.add("status", b"kept")
    run = q.start()
    until(lambda: said(q).count("event=resolve_failed") >= 3, 20, "three tries")
    equal(q.asked(), ["stuck.example"])
    with open("/proc/%d/status" % run.pid, encoding="ascii") as file:
        threads = int(file.read().split("Threads:")[1].split()[0])
    assert threads <= 4, threads  # itself, its log's, the lookup's, a sanitizer's
    stop(run)


@test
def answer_that_comes_late_is_taken(t):
    r = named_receiver(t)
    q = Named(t, r, "cap1.example", **{"connect-timeout": "2s"})
    q.know("cap1.example sleep=3 127.0.0.1")
    q.add("status", b"late")
    run = q.start()
    until(lambda: r.files("status"), 20, "the item")
    stop(run)
    all_there(r, [b"late"])
    contains(said(q), "event=resolve_failed server=cap1.example")


@test
def server_that_has_moved_is_found_at_the_next_connection(t):
    r = named_receiver(t)
    q = Named(t, r, "cap1.example")
    q.know("cap1.example 127.0.0.2")
    q.add("status", b"moved")
    run = q.start()
    until(lambda: "connect_failed" in said(q), 10, "a try at the old address")
    q.know("cap1.example 127.0.0.1")
    until(lambda: r.files("status"), 10, "the item")
    stop(run)


@test
def each_address_of_a_name_is_tried(t):
    r = named_receiver(t)
    q = Named(t, r, "cap1.example")
    q.know("cap1.example ::1 127.0.0.2 127.0.0.3 127.0.0.1")
    q.add("status", b"fourth")
    text, _ = q.once()
    all_there(r, [b"fourth"])
    for address in ("[::1]", "127.0.0.2", "127.0.0.3"):
        contains(text, "event=connect_failed server=cap1.example address=%s:%d error=\"connect: "
                 % (address, r.port))


@test
def address_that_is_silent_costs_its_share_of_the_time(t):
    """A third of it, where there are three; the one that is heard has all of it."""
    r = named_receiver(t)
    silent_listener(t, "127.0.0.2", r.port)
    q = Named(t, r, "cap1.example", **{"connect-timeout": "6s"})
    q.know("cap1.example 127.0.0.2 127.0.0.1 127.0.0.3")
    q.add("status", b"second")
    text, took = q.once()
    all_there(r, [b"second"])
    contains(text, 'address=127.0.0.2:%d error="handshake: no answer in time; '
                   'is it a TLS server?"' % r.port)
    assert 2 <= took < bound(4), took


@test
def address_that_speaks_slowly_leaves_the_next_one_its_share(t):
    """It may use up the time of all; what is behind it has 2 of 4 seconds, and takes 1."""
    fake = FakeReceiver(t)
    pair = t.pki.good("server", "both.example", "127.0.0.1")
    fake.ctx.load_cert_chain(pair.cert, pair.key)
    fake.ctx.sni_callback = lambda *_: time.sleep(1.2)
    listener = silent_listener(t, "127.0.0.2", fake.port)

    def dawdle():
        with contextlib.suppress(OSError):
            sock, _ = listener.accept()
            for byte in b"\x16\x03\x03\x00\x7a" + bytes(40):
                sock.sendall(bytes([byte]))
                time.sleep(0.2)
    threading.Thread(target=dawdle, daemon=True).start()
    q = Named(t, fake, "both.example", **{"connect-timeout": "4s"})
    q.know("both.example 127.0.0.2 127.0.0.1")
    q.add("status", b"second")
    text, took = q.once()
    equal(fake.stored, {1: b"second"})
    contains(text, "address=127.0.0.2:%d error=" % fake.port)
    assert 4 <= took < bound(8), took


@test
def address_where_sessions_are_lost_leaves_the_next_one_its_turn(t):
    fake = FakeReceiver(t)
    pair = t.pki.good("server", "both.example", "127.0.0.1")
    fake.ctx.load_cert_chain(pair.cert, pair.key)
    listener = silent_listener(t, "127.0.0.2", fake.port)
    lost = []

    def lose():
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                with fake.ctx.wrap_socket(sock, server_side=True) as tls:
                    lost.append(tls.recv(1))
    threading.Thread(target=lose, daemon=True).start()
    q = Named(t, fake, "both.example")
    q.know("both.example 127.0.0.2 127.0.0.1")
    q.add("status", b"second")
    run = q.start()
    until(lambda: fake.stored, 20, "the item")
    stop(run)
    equal(lost, [b"H"], "what was heard where it was lost")


@test
def addresses_found_last_are_tried_while_no_name_server_answers(t):
    r = named_receiver(t, free_port())
    q = Named(t, r, "cap1.example", **{"connect-timeout": "2s"})
    q.know("cap1.example 127.0.0.1")
    q.add("status", b"one")
    run = q.start()
    until(lambda: len(r.files("status")) == 1, 10, "the first item")
    q.know("cap1.example again")
    r.stop()
    until(lambda: "resolve_failed" in said(q), 20, "a lookup that fails")
    r.start()
    q.add("status", b"two")
    until(lambda: len(r.files("status")) == 2, 20, "the second item")
    contains(said(q), 'note="the addresses of before are tried"')
    # What a name server says is another thing: the name is gone.
    q.know("cap1.example none")
    r.stop()
    until(lambda: "Name or service not known\"\n" in said(q), 20, "a lookup that finds none")
    stop(run)
    r.start()


@test
def dot_behind_a_name_is_for_the_resolver_alone(t):
    r = named_receiver(t)
    q = Named(t, r, "CAP1.example.")
    q.know("CAP1.example. 127.0.0.1")
    q.add("status", b"absolute")
    q.once()
    equal(q.asked(), ["CAP1.example."])
    all_there(r, [b"absolute"])


@cases([("name", "both.example", "both.example"), ("dot", "Both.example.", "both.example"),
        ("address", "127.0.0.1", None)])
def server_hears_the_name_that_its_certificate_has(t, host, name):
    """SNI: RFC 6066, section 3: no dot at the end, and no address."""
    fake = FakeReceiver(t)
    pair = t.pki.good("server", "both.example", "127.0.0.1")
    fake.ctx.load_cert_chain(pair.cert, pair.key)
    heard = []
    fake.ctx.sni_callback = lambda _tls, name, _ctx: heard.append(name)
    q = Named(t, fake, host)
    q.know(host + " 127.0.0.1")
    q.add("status", b"heard")
    q.once()
    equal(heard, [name])


@test
def zone_of_no_interface_is_told(t):
    q = Named(t, None, "[fe80::1%nosuch9]:7117")
    q.add("status", b"kept")
    text, took = q.once(TEMPFAIL)
    contains(text, 'event=resolve_failed server=fe80::1 error="fe80::1: no such interface here"')
    assert took < bound(2), took


# ---- SRV records

class Domain:
    """A network of its own with a name server (dns.py); `inside` begins a command there."""

    def __init__(self, t):
        if os.geteuid() != 0 or not shutil.which("nsenter") or not shutil.which("ip"):
            raise Skip("no root, nsenter or ip: no network with a name server of its own")
        if t.run(["unshare", "-mn", "--propagation", "private", "true"]).returncode:
            raise Skip("no namespaces are to be had here")
        self.zone = os.path.join(t.folder, "zone")
        self.say()
        server = t.spawn(["unshare", "-mn", "--propagation", "private", sys.executable,
                          os.path.join(os.path.dirname(os.path.abspath(__file__)), "dns.py"),
                          self.zone, os.path.join(t.folder, "resolv.conf")],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        t.closing.append(server.stdout)
        equal(server.stdout.readline(), "ready\n", "the name server")
        self.inside = ["nsenter", "-t", str(server.pid), "-n", "-m"]

    def say(self, *lines):
        with open(self.zone + ".new", "w", encoding="ascii") as file:
            file.write("".join(line + "\n" for line in lines))
        os.rename(self.zone + ".new", self.zone)


def domain_receiver(t, domain, name):
    pair = t.pki.good("server", name)
    r = t.receiver({"tls": {"certificate": pair.cert, "key": pair.key}}, start=False)
    r.start(wrap=domain.inside)
    return r


def once_inside(t, q, domain, expect=0):
    done = t.run([*domain.inside, INBOXQ, "run", "--once", "-c", q.conf], timeout=60)
    equal(done.returncode, expect, "exit code; " + done.stderr)
    return done.stderr


@test
def link_local_server_is_reached_through_its_interface(t):
    domain = Domain(t)
    if t.run([*domain.inside, *"ip addr add fe80::1/64 dev lo nodad".split()]).returncode:
        raise Skip("no link-local address is to be had here")
    pair = t.pki.good("server", "link.example", "fe80::1")
    r = t.receiver({"tls": {"certificate": pair.cert, "key": pair.key},
                    "receiver": {"listen": "[::]:0"}}, start=False)
    r.start(wrap=domain.inside)
    q = Queue(t, r, servers=["[fe80::1%%lo]:%d" % r.port])
    q.add("status", b"over the link")
    once_inside(t, q, domain)
    all_there(r, [b"over the link"])


@test
def both_families_of_a_name_are_tried(t):
    domain = Domain(t)
    r = domain_receiver(t, domain, "cap1.example")
    domain.say("cap1.example A 127.0.0.1", "cap1.example AAAA ::1")
    q = Queue(t, r, servers=["cap1.example:%d" % r.port])
    q.add("status", b"by the second")
    text = once_inside(t, q, domain)
    contains(text, "event=connect_failed server=cap1.example address=[::1]:%d " % r.port)
    all_there(r, [b"by the second"])


@test
def servers_of_a_domain_are_found_by_their_records(t):
    """By priority; where one is away, the next has its turn within the same cycle."""
    domain = Domain(t)
    first = domain_receiver(t, domain, "cap1.example")
    second = domain_receiver(t, domain, "cap2.example")
    first.others = second.others = True
    q = Queue(t, servers=["srv:example"])
    addresses = ["cap1.example A 127.0.0.1", "cap2.example A 127.0.0.1"]
    ranks = ["_inbox._tcp.example SRV %d 1 %d cap%d.example"] * 2
    domain.say(*addresses, ranks[0] % (10, first.port, 1), ranks[1] % (20, second.port, 2))
    q.add("status", b"to the first")
    once_inside(t, q, domain)
    domain.say(*addresses, ranks[0] % (30, first.port, 1), ranks[1] % (20, second.port, 2))
    q.add("status", b"to the second")
    contains(once_inside(t, q, domain), "server=cap2.example")
    all_there(first, [b"to the first"])
    all_there(second, [b"to the second"])
    domain.say(*addresses, ranks[0] % (30, first.port, 1), ranks[1] % (20, 9, 2),
               "_inbox._tcp.example SRV 1 1 7 nosuch.example")
    q.add("status", b"to what is left")
    text = once_inside(t, q, domain)
    contains(text, "event=connect_failed server=cap2.example address=127.0.0.1:9 ")
    contains(text, 'error="nosuch.example: ')
    contains(text, 'note="its other servers are tried"')
    assert "of before" not in text, text
    all_there(first, [b"to the first", b"to what is left"])


@test
def servers_of_one_rank_are_in_the_order_of_the_client(t):
    """Of records in any order each time the same one is the first, and not the same for all."""
    domain = Domain(t)
    names = ["cap%d.example" % n for n in range(1, 5)]
    firsts = set()
    for who in ["pc%d.example.org" % n for n in range(1, 7)]:
        q = Queue(t, servers=["srv:_inbox._tcp.example."], who=who)
        q.add("status", b"kept")
        seen = set()
        for order in (names, names[::-1]):
            domain.say(*["%s A 127.0.0.1" % name for name in names],
                       *["_inbox._tcp.example SRV 0 5 9 " + name for name in order])
            text = once_inside(t, q, domain, TEMPFAIL)
            equal(text.count("event=connect_failed"), 4, "tries")
            seen.add(text.split("connect_failed server=")[1].split()[0])
        equal(len(seen), 1, "first of " + who)
        firsts |= seen
    assert len(firsts) > 1, firsts


@cases([
    ("none", ["cap1.example A 127.0.0.1"], "example: it has no SRV records"),
    ("no service", ["_inbox._tcp.example SRV 0 0 0 ."], "its SRV records name no server"),
    ("an address", ["_inbox._tcp.example SRV 0 0 7117 127.0.0.1"],
     "its SRV records name no server"),
    ("no text", ["_inbox._tcp.example SRV 0 0 7117 a\x1b[2J.example"],
     "its SRV records name no server"),
    ("silence", ["_inbox._tcp.example SILENT"], "no name server gives its SRV records now"),
])
def domain_without_servers_is_told(t, lines, why):
    domain = Domain(t)
    domain.say(*lines)
    q = Queue(t, servers=["srv:example"])
    q.add("status", b"kept")
    text = once_inside(t, q, domain, TEMPFAIL)
    contains(text, "event=resolve_failed server=example error=")
    contains(text, why)


if __name__ == "__main__":
    main()
