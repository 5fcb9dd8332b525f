#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""HAProxy, where there is one, in front of receivers, as the sample in contrib/haproxy has it."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading
import time

from client import sha256
from copyqueue import Queue, all_there, end_run, run_in_background
from gate import Gate
from harness import Skip, bound, cases, contains, equal, file_digest, main, test, until
from proxied import REASONS, counts, is_served, receiver

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


class Agent:
    """Answers as inboxd-agent.socket does."""

    def __init__(self, t, r):
        self.command = [r.ctl, "-s", r.socket, "agent"]
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.words = []
        threading.Thread(target=self.answer, daemon=True).start()
        t.closing.append(self.listener)

    def answer(self):
        with contextlib.suppress(OSError):
            while True:
                with self.listener.accept()[0] as sock:
                    done = subprocess.run(self.command, stdout=subprocess.PIPE, check=True,
                                          stdin=subprocess.DEVNULL, timeout=bound(20))
                    self.words.append(done.stdout)
                    sock.sendall(done.stdout)


class HAProxy:
    """The sample's, with our addresses."""

    def __init__(self, t, receivers, says="send-proxy-v2", agents=None):
        self.program = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if not self.program:
            raise Skip("no haproxy here")
        with open(os.path.join(TOP, "contrib/haproxy/haproxy.cfg"), encoding="ascii") as file:
            text = file.read()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        agent = [" agent-port %d" % a.port for a in agents] if agents else ["", ""]
        for old, new in (("bind :7117", "bind 127.0.0.1:%d" % self.port),
                         ("inter 2s", "inter 100ms"),
                         # Another port for each: by default nobody is there to ask.
                         ("agent-check agent-port 7118 ", "" if not agents else "agent-check "),
                         ("maxconn 20000", "maxconn 100"),
                         ("send-proxy-v2", says),
                         ("192.0.2.21:7117", "127.0.0.1:%d" % receivers[0].port + agent[0]),
                         ("192.0.2.22:7117", "127.0.0.1:%d" % receivers[1].port + agent[1])):
            contains(text, old, "the sample")
            text = text.replace("    " + old if old.startswith("bind") else old,
                                "    " + new if old.startswith("bind") else new)
        path = os.path.join(t.folder, "haproxy.cfg")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        self.log = os.path.join(t.folder, "haproxy.log")
        with open(self.log, "wb") as log:
            t.spawn([self.program, "-db", "-f", path], stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log)
        until(self.listens, 10, "haproxy to listen")

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False


@cases([("by version 1", "send-proxy"),
        ("with a checksum", "send-proxy-v2 proxy-v2-options crc32c,ssl,cert-cn,unique-id")])
def haproxy_is_understood(t, says):
    r = receiver(t)
    proxy = HAProxy(t, [r, r], says)
    until(lambda: counts(r)["silent"] > 3, 10, "health checks")
    r.port = proxy.port
    is_served(t, r, b"", None, source="127.0.0.7")
    equal({name: counts(r)[name] for name in REASONS}, dict.fromkeys(REASONS, 0), "refusals")


@test
def haproxy_in_front_of_two_receivers(t):
    pair = [receiver(t) for _ in range(2)]
    proxy = HAProxy(t, pair)
    until(lambda: all(counts(r)["silent"] > 3 for r in pair), 10, "health checks")
    ports = [r.port for r in pair]
    for r in pair:
        r.others = True
        r.port = proxy.port
    # By the hash of its address each comes to one of them, and always to the same.
    home = {}
    for source in ["127.0.0.%d" % n for n in range(1, 17)] * 2:
        c = pair[0].client(hello=t.queue(), source=source)
        at = [re.escape("peer=%s:%d " % c.sock.getsockname())]
        found = until(lambda: [i for i, r in enumerate(pair) if re.search(at[0], r.log())], 10,
                      "its address in a log")
        equal(len(found), 1, "receivers that know it")
        equal(home.setdefault(source, found[0]), found[0], "the receiver of " + source)
        c.on_stored = lambda *ack, to=found[0]: pair[to].acks.append(ack)
        c.put(1, "status", source.encode())
        c.stored(1)
        c.quit()
    equal(set(home.values()), {0, 1}, "receivers that have clients")
    # One is killed: its clients come to the other, by the copy queue, too.
    gone, left = pair if home["127.0.0.1"] == 0 else pair[::-1]
    q = Queue(t, servers=["127.0.0.1:%d" % proxy.port])
    for r, text in ((gone, b"first %d"), (left, b"then %d")):
        items = q.add("reports", *[text % n for n in range(20)])
        q("run", "--once")
        all_there(r, items.values(), "reports")
        # What the other one has is not missing here.
        row = r.client_row(q.id())
        equal((row["stored"], row["missing"]), (20, 0), "stored, missing")
        if r is gone:
            gone.kill()
    for source in home:
        c = left.client(hello=t.queue(), source=source)
        c.put(1, "status", source.encode())
        c.stored(1)
        c.quit()
    contains(left.log(), "peer=127.0.0.9:")
    found = counts(left)
    equal({name: found[name] for name in REASONS + ("failed",)},
          dict.fromkeys(REASONS + ("failed",), 0), "failures")
    for line in left.log().partition("event=ready")[2].splitlines():
        assert " warning " not in line and " error " not in line, line
    # It comes back, and is used again.
    gone.sections["receiver"]["listen-proxy"] = "127.0.0.1:%d" % ports[pair.index(gone)]
    gone.write_conf()
    gone.start()
    gone.port = proxy.port

    def is_home():
        c = gone.client(hello=t.queue(), source="127.0.0.1")
        c.quit()
        return "event=session_ready" in gone.log(here=True)
    until(is_home, 10, "the receiver that came back to have its clients")


def at(pair, proxy, source, t):
    """Which of the two it comes to."""
    for r in pair:
        r.port = proxy.port
    c = pair[0].client(hello=t.queue(), source=source)
    peer = re.escape("peer=%s:%d " % c.sock.getsockname())
    found = until(lambda: [i for i, r in enumerate(pair) if re.search(peer, r.log())], 10,
                  "its address in a log")
    c.quit()
    return found[0]


@test
def who_is_paused_gets_no_new_clients_and_keeps_those_it_has(t):
    pair = [receiver(t) for _ in range(2)]
    agents = [Agent(t, r) for r in pair]
    proxy = HAProxy(t, pair, agents=agents)
    until(lambda: all(b"up ready\n" in a.words for a in agents), 10, "the agents to be asked")
    for r in pair:
        r.others = True
    sources = ["127.0.0.%d" % n for n in range(1, 17)]
    homes = {source: at(pair, proxy, source, t) for source in sources}
    equal(set(homes.values()), {0, 1}, "receivers that have clients")
    first = next(source for source in sources if homes[source] == 0)
    there = pair[0].client(hello=t.queue(), source=first)
    pause = [pair[0].ctl, "-s", pair[0].socket, "pause", "--reason", "a new disk"]
    equal(t.run(pause).returncode, 0)
    until(lambda: agents[0].words[-1] == b"drain\n", 10, "the word of it")
    until(lambda: at(pair, proxy, first, t) == 1, 10, "new clients to come to the other")
    equal({at(pair, proxy, source, t) for source in sources}, {1}, "where all come")
    there.ping()
    there.put(1, "status", b"x")
    equal(there.answer(1).code, "paused")
    equal(t.run([pair[0].ctl, "-s", pair[0].socket, "resume"]).returncode, 0)
    there.put(2, "status", b"x")
    there.stored(2)
    there.quit()
    until(lambda: at(pair, proxy, first, t) == 0, 10, "it to have its clients again")
    # One that is not there is said to be so.
    pair[0].kill()
    until(lambda: agents[0].words[-1].startswith(b"down #"), 10, "the word of its end")
    until(lambda: at(pair, proxy, first, t) == 1, 10, "new clients to come to the other")


ROUNDS = 6


@test
def killed_with_answers_on_their_way_loses_nothing(t):
    """Answers get lost, and then their receiver, and HAProxy sends its clients to the other one:
    each item is stored somewhere, and on each receiver once at most."""
    pair = [receiver(t) for _ in range(2)]
    proxy = HAProxy(t, pair)
    gate = Gate(t, lambda: ("127.0.0.1", proxy.port))
    for r in pair:
        r.consumed = True
        # It comes back where HAProxy looks for it.
        r.sections["receiver"]["listen-proxy"] = "127.0.0.1:%d" % r.port
        r.write_conf()
    queues = [Queue(t, gate, who="pc%d.example.org" % i, timeout="2s",
                    patience="1s") for i in range(1, 5)]
    runs = [run_in_background(t, q) for q in queues]
    items = []

    def add_some():
        for q in queues:
            items.extend(q.add("status", *[t.bytes(300) for _ in range(10)]).values())

    def wait_sent():
        until(lambda: not any(q.numbers() for q in queues), 60, "all to be stored")

    for _ in range(ROUNDS):
        add_some()
        wait_sent()
        # All that come from one address come to one.
        victim = max(pair, key=lambda r: r.metric("inboxd_connections"))
        stored = victim.metric("inboxd_items_stored_total") + 10 * len(queues)
        gate.holds = True
        add_some()
        until(lambda r=victim, n=stored: r.metric("inboxd_items_stored_total") >= n, 20,
              "items that lose their answers")
        victim.kill()
        gate.cut()
        gate.holds = False
        wait_sent()
        victim.start()
    for run, q in zip(runs, queues):
        end_run(run, q)
    copies = []
    for i, r in enumerate(pair):
        r.at_rest()
        found = [file_digest(r.path("status", name)) for name in r.files("status")]
        equal(len(found), len(set(found)), "items that are twice at receiver %d" % i)
        copies += found
        equal(r.metric("inboxd_numbers_missing_total"), 0, "numbers missing")
    assert not {sha256(data) for data in items} - set(copies), "items are nowhere"
    t.note("%d items, %d copies more, %d bytes of answers lost" % (
        len(items), len(copies) - len(items), gate.held))


if __name__ == "__main__":
    main()
