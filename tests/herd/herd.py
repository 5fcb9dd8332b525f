#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A fleet at once: inboxload against a real receiver, with faults, and judged.

make check-herd runs all(): CLIENTS (2000) virtual clients, each with a certificate and a queue of
its own, due in the same second, a good part of whose connections go wrong; then a smaller herd
whose receiver is killed and started again meanwhile.  test_herd_sample.py has the same, smaller.
SEED repeats what is drawn.

HERD=100000 is the whole fleet instead: so many clients, each with one item, all due in the same
second, against the same clients' bare handshakes with a TLS server that stores nothing
(tests/bench/tls_server.c); then 10,000 connections that are open and idle, and one more.  No more
than AT_ONCE connections are under way at a time: descriptors are finite, and beyond the listener's
backlog the kernel would have clients wait for seconds by its own clock.  Who is due meanwhile
waits, and that is counted.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../system"))

import harness  # noqa: E402
from harness import TOP_BUILD, bound, equal, test  # noqa: E402

INBOXLOAD = os.path.join(TOP_BUILD, "tests/herd/inboxload")
SIZES = "100:60,1K:30,64K:9,1200K:1"  # the last one is too large for PUT
FAULTS = {"lost-ack": 10, "slow-read": 2, "slow-write": 2, "silent": 3, "half-open": 4,
          "garbage": 3, "wrong-digest": 3, "again": 3}
SOURCES = 500  # addresses, of which each has good clients and bad ones
DEFAULTS = {"receiver": {"sync": None, "journal": None, "workers": None, "drain": None},
            "limits": {"forgive": None}, "log": {"level": "notice"}}
TLS_SERVER = os.path.join(TOP_BUILD, "tests/bench/tls_server")
AT_ONCE = 4000
IDLE = 10000
FIGURES = ("done", "seconds", "per_second", "ack_ms_p50", "ack_ms_p99", "ack_ms_p999",
           "due_ms_p99", "due_ms_max", "connect_ms_p99", "connections", "resent", "again",
           "cpu_s_per_1000", "own_cpu_s_per_1000", "syncs_per_item", "peak")


def options_of(options):
    """A value of True: the option takes none."""
    words = []
    for name, value in options.items():
        words += ["--" + name.replace("_", "-"), *([] if value is True else [str(value)])]
    return words


def command(r, seed, clients, **options):
    """inboxload's, judged."""
    words = [INBOXLOAD, "--json", "--pki", r.pki.folder, "--name", "cap1", "--root", r.root,
             "--pid", str(r.process.pid), "--socket", r.socket, "--seed", str(seed),
             "--clients", str(clients), "--book", os.path.join(r.folder, "book")]
    return [*words, *options_of(options), "127.0.0.1:%d" % r.port]


def finish(herd, what, seconds):
    """What it reports, once it has ended well."""
    signal.alarm(int(bound(seconds)) + 60)  # the harness gives a test 90 seconds
    out, err = herd.communicate(timeout=bound(seconds))
    for word in harness.COMPLAINTS:
        assert word not in err, err
    equal(herd.returncode, 0, "%s: exit code of inboxload, which said %s%s" % (what, err, out))
    return json.loads(out)


def start(t, words):
    return t.spawn(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                   stderr=subprocess.PIPE, text=True)


def run(t, r, clients, seconds, seed=None, **options):
    """A herd to its end."""
    r.others = True
    words = command(r, seed or t.random.getrandbits(32), clients,
                    **{"limit": int(bound(seconds)), **options})
    t.note(" ".join(words))
    return finish(start(t, words), t.name, seconds + 30)


def tell(t, report):
    t.note(", ".join("%s %s" % (name, report[name]) for name in FIGURES if name in report))


def check(r, report, clients, items):
    """Beside the judge's: nothing is missing by the receiver's own account, and all came."""
    equal(report["done"], clients * items, "items stored")
    equal(r.metric("inboxd_numbers_missing_total"), 0, "gaps")
    equal(r.metric("inboxd_numbers_reused_total"), 0, "numbers used again")
    equal(r.metric("inboxd_items_stored_total"), clients * items, "the receiver's own count")


def with_faults(t, clients, items, seconds):
    r = t.receiver(DEFAULTS)
    report = run(t, r, clients, seconds, items=items, sizes=SIZES, connect="fresh", at_once=True,
                 sources=min(clients, SOURCES), hold=2, **{name.replace("-", "_"): rate
                                                          for name, rate in FAULTS.items()})
    tell(t, report)
    for fault in FAULTS:
        key = {"wrong-digest": "wrong_digest", "again": "repeated"}.get(fault, "fault_" + fault)
        assert report[key] > 0, "nothing of %s was drawn: %r" % (fault, report)
    check(r, report, clients, items)


def with_kills(t, clients, items, kills, seconds):
    """It comes back on the same port, whatever it was doing."""
    r = t.receiver(DEFAULTS)
    r.sections["receiver"]["listen"] = "127.0.0.1:%d" % r.port
    r.write_conf()
    r.others = True
    words = command(r, t.random.getrandbits(32), clients, items=items, connect="fresh",
                    ramp=2 * kills + 1, sizes=SIZES, lost_ack=10, sources=min(clients, SOURCES),
                    limit=int(bound(seconds)))
    del words[words.index("--pid"):words.index("--socket") + 2]
    herd = start(t, words)
    for _ in range(kills):
        time.sleep(1.0 + t.random.random())
        assert herd.poll() is None, "all was sent before the receiver was killed"
        r.stop(-signal.SIGKILL, signal.SIGKILL)
        r.start()
    report = finish(herd, t.name, seconds + 30)
    tell(t, report)
    equal(report["done"], clients * items, "items stored")
    equal(report["lost"] + report["torn"] + report["twice"] + report["unexpected"], 0, "findings")


# ---- the whole fleet

def at_once(clients, seconds):
    return {"clients": clients, "items": 1, "open": AT_ONCE, "sources": clients, "at_once": True,
            "limit": seconds, "patience": seconds, "no_verify": True}


def bare_handshakes(t, clients, seconds):
    """The same clients at a server that does nothing else."""
    pair = t.pki.server()
    server = t.spawn([TLS_SERVER, t.pki.ca.cert, pair.cert, pair.key, str(os.cpu_count()), "0"],
                     stdout=subprocess.PIPE, text=True)
    words = [INBOXLOAD, "--json", "--pki", t.pki.folder, "--pid", str(server.pid), "--handshakes",
             *options_of(at_once(clients, seconds)),
             "127.0.0.1:%s" % server.stdout.readline().strip()]
    try:
        return finish(start(t, words), "handshakes", seconds)
    finally:
        server.kill()


def whole_fleet(t, clients):
    seconds = 60 + clients // 40
    r = t.receiver(DEFAULTS)
    bare = [bare_handshakes(t, clients // 5, seconds)]
    options = at_once(clients, seconds)
    report = run(t, r, options.pop("clients"), seconds, **options)
    bare.append(bare_handshakes(t, clients // 5, seconds))
    tell(t, report)
    check(r, report, clients, 1)
    for name in ("per_second", "cpu_s_per_1000"):
        there = sum(one[name] for one in bare) / len(bare)
        t.note("%s: bare handshakes %s, mean %.3f; the fleet %.3f, its share %.2f" % (
            name, [one[name] for one in bare], there, report[name], report[name] / there))


def idle_connections_are_held(t):
    r = t.receiver(DEFAULTS)
    report = run(t, r, 1, 300, idle=IDLE, sources=IDLE, open=AT_ONCE * 4, hold=20)
    t.note(", ".join("%s %s" % pair for pair in report.items()))
    equal(report["held"], IDLE, "connections that heard READY")


def main():
    if os.environ.get("HERD"):
        @test
        def fleet_due_in_one_second_is_stored_whole_and_once(t):
            whole_fleet(t, int(os.environ["HERD"]))

        test(idle_connections_are_held)
        harness.main()
        return
    clients = int(os.environ.get("CLIENTS") or 2000)

    @test
    def fleet_due_in_one_second_is_stored_whole_and_once_whatever_goes_wrong(t):
        with_faults(t, clients, 2, 100)

    @test
    def fleet_of_a_receiver_that_is_killed_is_stored_whole_and_once(t):
        with_kills(t, max(clients // 5, 20), 5, 4, 100)

    harness.main()


if __name__ == "__main__":
    if re.fullmatch(r"\d+", os.environ.get("SEED") or ""):
        harness.SEED = int(os.environ["SEED"])
    main()
