#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Items go up: what is acknowledged is stored, and what is not stored is said so."""

import os
import re
import signal
import socket
import time

from client import sha256
from harness import bound, cases, contains, equal, main, need_call, sanitizers, test, until


REFUSING = {"status": {}, "small": {"size": "1000"},
            "payroll": {"clients": "hr*.example.org, urn:x:hr"}}


def proc(receiver, key):
    """A figure of /proc/PID/status, in KiB."""
    with open("/proc/%d/status" % receiver.process.pid, encoding="ascii") as file:
        return int(re.search(r"^%s:\s+(\d+)" % key, file.read(), re.M).group(1))


# ---- stored

@test
def acknowledged_item_has_its_bytes_under_its_name(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    data = t.bytes(3000)
    c.put(1, "status", data, name="report.txt", when=1795356000)
    name = c.stored(1).name
    equal(r.read("status", name), data, "bytes")
    equal(os.stat(r.path("status", name)).st_mode & 0o777, 0o600, "mode")
    assert re.match(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}-\d+\.\d+-pc1\.example\.org$", name), name
    c.put(2, "reports", data)
    assert c.stored(2).name.endswith("-pc1.example.org.msg"), "the inbox's suffix"
    c.quit()


@test
def one_item_and_quit_leave_with_the_handshake(t):
    r = t.shared()
    c = r.client(handshake=False)
    c.post("HELLO 1 %s 1 pending=1 agent=test/1\n" % t.queue())
    c.put(1, "status", b"foo", name="report.txt")
    c.post("QUIT\n")
    lines = [line.verb for line in c.wait_close()]
    equal(lines, ["READY", "STORED", "BYE"])


@test
def ready_says_the_limits(t):
    r = t.receiver({"limits": {"window": "7", "bytes": "1M", "inline": "2M", "item": "5M",
                              "idle": "77s"}})
    ready = r.client(hello=t.queue()).ready
    equal((ready.host, ready.window, ready.bytes, ready.inline, ready.item, ready.idle,
           ready.settled), ("cap1", 7, 1 << 20, 2 << 20, 5 << 20, 77, 1))


@test
def empty_file_is_an_item(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    c.put(1, "status", b"")
    equal(r.read("status", c.stored(1).name), b"")
    c.put(2, "status", b"")
    c.stored(2)
    c.quit()


@test
def hundreds_in_flight_are_all_stored(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    items = {n: t.bytes(t.random.choice([0, 1, 10, 300, 5000, 40000])) for n in range(1, 601)}
    for n, data in items.items():
        c.put(n, t.random.choice(["status", "reports"]), data)
    names = {n: c.stored(n).name for n in t.random.sample(sorted(items), len(items))}
    equal(len(set(names.values())), len(items), "names")
    c.quit()


@test
def answers_of_other_items_do_not_wait_for_a_slow_one(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    for n in range(1, 20):
        c.put(n, "status" if n % 3 else "nosuch", b"%d" % n)
    data = t.bytes(5000)
    c.announce(20, "status", data)
    c.send(data[:100])  # the item hangs here
    for n in range(1, 20):
        equal(c.answer(n).verb, "STORED" if n % 3 else "REFUSED", "item %d" % n)
    c.send(data[100:])
    c.stored(20)
    c.quit()


@test
def many_clients_at_once_store_each_item_once(t):
    r = t.shared()
    clients = [r.client("pc%d.example.org" % (i % 3), hello=t.queue()) for i in range(24)]
    for n in range(1, 11):
        for i, c in enumerate(clients):
            c.put(n, "status", b"%d of %d" % (n, i))
    for c in clients:
        for n in range(1, 11):
            c.stored(n)
        c.quit()


@test
def byte_by_byte_client_is_served(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    line = "PUT 1 status 20 %s name=slow\n" % sha256(b"x" * 20)
    c.asked[1] = ("status", sha256(b"x" * 20))
    for byte in line.encode() + b"x" * 20 + b"PING\n":
        c.send(bytes([byte]))
    c.stored(1)
    c.expect("PONG")
    c.quit()


@test
def big_item_is_streamed_in_bounded_memory(t):
    r = t.receiver({"limits": {"inline": "1G"}})
    c = r.client(hello=t.queue())
    c.put(1, "status", b"warm")
    c.stored(1)
    before = proc(r, "VmHWM")
    size = 16 if sanitizers() else 100
    data = t.bytes(1 << 20) * size
    c.put(2, "status", data)
    c.stored(2, bound(60))
    grown = proc(r, "VmHWM") - before
    t.note("%d MiB stored; the receiver grew by %d KiB" % (size, grown))
    if not sanitizers():
        assert grown < 8192, "memory grew by %d KiB" % grown
    c.quit()


# ---- the window

@cases([("of items", {"window": "4"}, 300, 10), ("of bytes", {"bytes": "64K"}, 200, 30000)])
def client_that_overshoots_the_window_loses_nothing(t, limits, count, size):
    r = t.receiver({"limits": limits})
    c = r.client(hello=t.queue())
    for n in range(1, count + 1):
        c.put(n, "status", t.bytes(size))
    for n in range(1, count + 1):
        c.stored(n)
    c.quit()


@test
def item_larger_than_the_window_of_bytes_is_taken(t):
    r = t.receiver({"limits": {"bytes": "64K"}})
    c = r.client(hello=t.queue())
    c.put(1, "status", t.bytes(1 << 20))
    c.put(2, "status", b"small")
    c.stored(1)
    c.stored(2)
    c.quit()


@test
def client_that_reads_nothing_is_not_read_without_end(t):
    """40,000 refusals wait for a reader; the receiver keeps no more than it must."""
    r = t.receiver()
    c = r.client(hello=t.queue(), buffer=4096)
    before = proc(r, "VmRSS")
    line = "PUT %d nosuch 0 " + sha256(b"") + "\n"
    for n in range(1, 40001):
        c.asked[n] = ("nosuch", sha256(b""))
        c._out += (line % n).encode()
    # Only write: what comes back stays in the socket.
    limit = time.monotonic() + bound(3)
    c.sock.setblocking(False)
    while c._out and time.monotonic() < limit:
        c._tls.write(bytes(c._out[:16000]))
        del c._out[:16000]
        cipher = c._out_bio.read()
        while cipher and time.monotonic() < limit:
            try:
                cipher = cipher[c.sock.send(cipher):]
            except BlockingIOError:
                time.sleep(0.01)
        c._cipher = cipher
    if not sanitizers():
        grown = proc(r, "VmRSS") - before
        assert grown < 8192, "memory grew by %d KiB" % grown
    for n in range(1, 40001):
        equal(c.answer(n).verb, "REFUSED")
    c.quit()


# ---- the same item again

@test
def item_sent_again_gets_its_first_name_on_the_same_connection(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    c.put(1, "status", b"once")
    first = c.stored(1)
    equal(first.get("again"), None, "again")
    c.put(1, "status", b"once")
    second = c.stored(1)
    equal((second.name, second.again), (first.name, "1"))
    c.quit()


@test
def item_sent_twice_in_one_breath_is_stored_once(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    digest = sha256(b"twins")
    c.asked[1] = ("status", digest)
    c.send(("PUT 1 status 5 %s\ntwins" % digest) * 5)
    lines = [c.line() for _ in range(5)]
    equal({line.verb for line in lines}, {"STORED"})
    equal(len({line.name for line in lines}), 1, "names")
    equal(sorted(line.get("again", "") for line in lines), [""] + ["1"] * 4)
    c.quit()


@cases([("after a reconnect", None), ("after SIGTERM", "stop"), ("after SIGKILL", "kill")])
def item_sent_again_gets_its_first_name(t, end):
    r = t.receiver()
    queue = t.queue()
    c = r.client(hello=queue)
    items = {n: t.bytes(n * 50) for n in range(1, 31)}
    for n, data in items.items():
        c.put(n, "status", data, name="file %d" % n)
    names = {n: c.stored(n).name for n in items}
    c.cut()
    if end == "stop":
        r.stop()
        r.start()
    elif end == "kill":
        r.kill()
        r.start()
    c = r.client(hello=queue)
    for n, data in items.items():
        c.put(n, "status", data)
    for n in items:
        line = c.stored(n)
        equal((line.name, line.get("again")), (names[n], "1"))
    equal(len(r.files("status")), len(items), "files")
    c.put(31, "status", b"new")
    equal(c.stored(31).get("again"), None)
    c.quit()


@test
def same_number_with_other_bytes_is_another_item(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    c.put(1, "status", b"one")
    first = c.stored(1).name
    c.put(1, "status", b"two")
    second = c.stored(1)
    assert second.name != first
    equal(second.get("again"), None)
    c.put(1, "reports", b"one")
    third = c.stored(1)
    assert third.name not in (first, second.name)
    c.put(1, "status", b"one")
    line = c.stored(1)
    equal((line.name, line.again), (first, "1"))
    equal((r.read("status", first), r.read("status", second.name)), (b"one", b"two"))
    c.quit()


@test
def same_queue_of_another_identity_is_another_queue(t):
    r = t.shared()
    queue = t.queue()
    names = set()
    for who in ("pc1.example.org", "pc2.example.org"):
        c = r.client(who, hello=queue)
        c.put(1, "status", b"same")
        line = c.stored(1)
        equal(line.get("again"), None, "again for " + who)
        names.add(line.name)
        c.quit()
    equal(len(names), 2, "names")


# ---- two connections of one queue

@test
def newer_connection_ends_the_older_one(t):
    r = t.shared()
    queue = t.queue()
    old = r.client(hello=queue)
    old.put(1, "status", b"first")
    first = old.stored(1).name
    old.announce(2, "status", b"never whole")
    old.send(b"never")
    new = r.client(hello=queue)
    goaway = old.expect("GOAWAY")
    equal((goaway.seconds, goaway.code), (0, "superseded"))
    old.wait_close()
    new.put(1, "status", b"first")
    new.put(2, "status", b"never whole")
    equal(new.stored(1).name, first)
    equal(new.stored(2).get("again"), None)
    new.quit()


@test
def older_connection_that_is_heard_late_stores_nothing_again(t):
    """A client cut a connection and came back; what it had sent on the first one is read last."""
    r = t.receiver()
    queue = t.queue()
    old = r.client(handshake=False)
    new = r.client(hello=queue)
    new.put(1, "status", b"once")
    name = new.stored(1).name
    new.settled(2)
    new.quit()
    old.hello(queue, wait=False)
    old.put(1, "status", b"once")
    goaway = old.expect("GOAWAY")
    equal((goaway.seconds, goaway.code), (0, "superseded"))
    old.wait_close()
    equal(r.files("status"), [name])
    equal(r.metric("inboxd_sessions_superseded_total"), 1)
    back = r.client(hello={"queue": queue, "settled": 2})
    back.put(2, "status", b"next")
    back.stored(2)
    back.quit()


@test
def queues_that_fight_store_each_item_once(t):
    """A cloned machine: both send the same items, again and again."""
    r = t.receiver()
    queue = t.queue()
    items = {n: b"item %d" % n for n in range(1, 21)}
    seen = {}
    for _ in range(15):
        pair = [r.client(hello={"queue": queue, "wait": False}) for _ in range(2)]
        for c in pair:
            for n, data in items.items():
                c.put(n, "status", data)
            c.flow(0.01)
        for c in pair:
            c.cut()
    c = r.client(hello=queue)
    for n, data in items.items():
        c.put(n, "status", data)
        seen[n] = c.stored(n).name
    c.quit()
    equal(len(r.files("status")), len(items), "files")
    equal(r.files("status"), sorted(seen.values()), "names")


# ---- settled, skipped, missing

@test
def gaps_are_told_to_the_administrator(t):
    r = t.shared()
    queue = t.queue()
    c = r.client(hello={"queue": queue, "settled": 1, "pending": 12, "oldest": 1795350000,
                        "agent": "test/1"})
    for n in (1, 2, 5):
        c.put(n, "status", b"%d" % n)
        c.stored(n)
    c.skip(3, "removed")
    c.settled(6)  # 4 is missing
    c.ping()
    row = until(lambda: (lambda x: x if x["settled"] == 6 else None)(r.client_row(queue)))
    equal({key: row[key] for key in ("identity", "connected", "unsettled", "stored", "skipped",
                                     "missing", "pending", "pending_oldest", "address", "agent")},
          {"identity": "pc1.example.org", "connected": True, "unsettled": 0, "stored": 3,
           "skipped": 1, "missing": 1, "pending": 12, "pending_oldest": 1795350000,
           "address": "127.0.0.1", "agent": "test/1"})
    r.wait_log(r"event=\S*(gap|missing)\S* [^\n]*%s" % queue)
    shown = t.run([r.ctl, "-s", r.socket, "clients"])
    equal(shown.returncode, 0, shown.stderr)
    contains(shown.stdout, "pc1.example.org")
    c.quit()
    until(lambda: not r.client_row(queue)["connected"])


@test
def who_is_connected_is_seen_and_tells_what_lies_there(t):
    r = t.receiver()
    queue = t.queue()

    def row():
        page = r.json("/clients")
        [found] = [row for row in page["clients"] if row["queue"] == queue]
        return found, page["now"] - found["seen"]

    c = r.client(hello={"queue": queue, "pending": 0, "failed": 3, "agent": "test/1"})
    equal(c.ready.get("state"), 15)
    time.sleep(3.2)
    assert row()[1] <= 1, row()
    equal(row()[0]["failed"], 3)
    c.post("STATE pending=25 oldest=1795350000 failed=4\nSTATE x=1 pending=26 oldest=1795350001\n")
    c.ping()
    until(lambda: row()[0]["pending"] == 26)
    equal([row()[0][key] for key in ("pending", "pending_oldest", "failed", "agent")],
          [26, 1795350001, 0, "test/1"])
    c.quit()
    until(lambda: not row()[0]["connected"])
    time.sleep(2.2)
    assert 2 <= row()[1] < 10, row()


@test
def nonsense_of_one_client_spoils_no_figure_of_all(t):
    r = t.receiver()
    for _ in range(2):
        c = r.client(hello=t.queue())
        c.settled(9223372036854775807)
        c.ping()
        c.quit()
    equal(r.metric("inboxd_numbers_missing_total"), 2)
    equal(r.metric("inboxd_marks_jumped_total"), 2)
    until(lambda: r.log().count("event=mark_jumped") == 2)


@test
def settled_mark_never_goes_back(t):
    r = t.receiver()
    queue = t.queue()
    c = r.client(hello={"queue": queue, "settled": 5})
    equal(c.ready.settled, 5, "a queue not known begins at its client's mark")
    c.put(5, "status", b"five")
    c.stored(5)
    c.settled(6)
    c.settled(2)
    c.quit()
    r.restart()
    c = r.client(hello={"queue": queue, "settled": 1})
    equal(c.ready.settled, 6, "mark after a restart")
    equal(r.client_row(queue)["missing"], 0)
    c.quit()


@test
def mark_in_hello_settles_and_shows_gaps(t):
    r = t.shared()
    queue = t.queue()
    c = r.client(hello={"queue": queue, "settled": 1})
    c.put(1, "status", b"1")
    c.stored(1)
    c.quit()
    # The client settled 1 to 3 meanwhile; 2 and 3 went elsewhere.
    c = r.client(hello={"queue": queue, "settled": 4})
    equal(c.ready.settled, 1, "the receiver's mark")
    c.skip(2, "elsewhere")
    c.skip(3, "elsewhere")
    c.settled(4)
    c.ping()
    until(lambda: r.client_row(queue)["settled"] == 4)
    row = r.client_row(queue)
    equal((row["skipped"], row["missing"]), (2, 0))
    c.quit()


@test
def too_many_unsettled_are_later_and_the_connection_lives(t):
    r = t.receiver({"limits": {"unsettled": "10"}})
    c = r.client(hello=t.queue())
    for n in range(1, 11):
        c.put(n, "status", b"%d" % n)
        c.stored(n)
    c.put(11, "status", b"11")
    line = c.answer(11)
    equal((line.verb, line.code), ("LATER", "unsettled"))
    c.settled(11)
    c.put(11, "status", b"11")
    c.stored(11)
    c.quit()


# ---- name hints

@cases([("slashes", b"../../etc/passwd"), ("newline", b"a\nPUT 9 status 0 x\r\n"),
        ("spaces and percent", b"100 % of it"), ("NUL", b"a\0b"), ("255 bytes", b"n" * 255),
        ("control bytes", bytes(range(1, 32)) + b"\x7f\xff"), ("dots", b"..")])
def name_hint_names_nothing(t, hint):
    r = t.shared()
    c = r.client(hello=t.queue())
    c.put(1, "status", b"data", name=hint)
    name = c.stored(1).name
    equal(r.read("status", name), b"data")
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name), name
    c.quit()
    equal(sorted(os.listdir(os.path.join(r.root, "status"))), ["cur", "new", "tmp"])
    for line in r.log().splitlines():
        assert re.search(r" event=\w+", line), "not a line of a log: %r" % line


@test
def name_hint_is_in_the_ledger(t):
    r = t.receiver()
    c = r.client(hello=t.queue())
    c.put(1, "status", b"data", name=b"a\nb/c")
    name = c.stored(1).name
    c.quit()
    lines = []
    for file in os.listdir(os.path.join(r.root, "ledger")):
        with open(os.path.join(r.root, "ledger", file), encoding="ascii") as ledger:
            lines += ledger.read().splitlines()
    accepts = [line for line in lines if name in line]
    equal(len(accepts), 1, "records of the item")
    contains(accepts[0], "a%0Ab/c")
    contains(accepts[0], sha256(b"data"))


@cases([("300 bytes", "n" * 300), ("none", "")])
def name_hint_of_wrong_length_is_an_error(t, hint):
    r = t.shared()
    c = r.client(hello=t.queue())
    c.send("PUT 1 status 0 %s name=%s\n" % (sha256(b""), hint))
    line = c.line()
    equal((line.verb, line.code), ("ERROR", "field"))
    contains(line.text, "name")
    equal(c.line(), None)


# ---- not stored, and said so

@cases([("unknown inbox", "nosuch", "no-inbox"), ("client not allowed", "payroll", "not-allowed"),
        ("item too large", "small", "too-large")])
def refused_item_is_refused_before_its_bytes(t, inbox, code):
    r = t.shared("refusing", inboxes=REFUSING)
    c = r.client(hello=t.queue())
    data = t.bytes(100001)
    before = r.items("refused", code)
    c.announce(1, inbox, data)
    line = c.answer(1)  # not a byte has been sent
    equal((line.verb, line.code), ("REFUSED", code))
    assert line.text, "no text for people"
    equal(r.items("refused", code), before + 1, "counter")
    c.post(data)
    c.put(2, "status", b"next")
    c.stored(2)
    c.put(3, inbox, data)
    equal(c.answer(3).verb, "REFUSED")
    c.quit()


@test
def a_client_whose_items_wait_keeps_no_other_out(t):
    r = t.receiver({"limits": {"share": "64K", "inline": "64K"}},
                   inboxes={"status": {}, "reports": {"suffix": ".msg"}})
    r.consumed = True
    r.json("/inboxes")  # the count of the start is over
    one, other = r.client(hello=t.queue()), r.client("pc2.example.org", hello=t.queue())
    # Across inboxes and queues, small items and large; the first is taken whatever its size.
    one.put(1, "reports", t.bytes(30000))
    one.stored(1)
    one.put(2, "status", t.bytes(30000))
    one.stored(2)
    again = r.client(hello=t.queue())
    again.put(1, "status", t.bytes(6000))
    line = again.answer(1)
    equal((line.verb, line.code), ("LATER", "full"))
    assert 60 <= line.seconds <= 75, line
    contains(line.text, "waits here")
    large = t.bytes(70000)
    again.announce(2, "status", large, verb="OPEN")
    equal(again.answer(2).code, "full")
    # What is known is answered all the same.
    again.put(3, "status", b"small")
    again.stored(3)
    other.put(1, "status", t.bytes(60000))
    other.stored(1)
    equal(r.json("/status")["gauges"]["inboxd_full"], 0)
    for inbox in ("status", "reports"):
        for name in r.files(inbox):
            if "pc1" in name:
                os.rename(r.path(inbox, name), r.path(inbox, name, "cur"))
    r.acks.clear()
    r.json("/inboxes")  # counts
    numbers = iter(range(4, 1000))

    def is_taken():
        n = next(numbers)
        again.put(n, "status", b"x")
        return again.answer(n).verb == "STORED"
    until(is_taken)
    equal(other.put(2, "status", t.bytes(6000)) or other.answer(2).code, "full")
    one.quit(), other.quit(), again.quit()


@test
def what_waits_is_counted_by_a_restart(t):
    r = t.receiver({"limits": {"share": "10K"}})
    c = r.client(hello=t.queue())
    c.put(1, "status", t.bytes(9000))
    c.stored(1)
    c.quit()
    r.restart()
    r.json("/inboxes")
    c = r.client(hello=t.queue())
    c.put(1, "status", t.bytes(2000))
    equal(c.answer(1).code, "full")
    c.quit()


@test
def what_may_be_a_slip_is_put_off_and_comes_when_it_is_mended(t):
    r = t.receiver({"limits": {"forgive": "1d"}}, inboxes={**REFUSING, "payroll": {"clients": "*"}})
    before = r.metric("inboxd_reloads_total")
    r.inboxes, whole = {**REFUSING, "small": {"size": "10"}}, r.inboxes
    r.write_conf()
    r.process.send_signal(signal.SIGHUP)
    until(lambda: r.metric("inboxd_reloads_total") == before + 1)
    c = r.client(hello=t.queue())
    for n, (inbox, code) in enumerate((("nosuch", "no-inbox"), ("payroll", "not-allowed"),
                                       ("small", "too-large")), 1):
        c.put(n, inbox, b"a slip's item")
        line = c.answer(n)
        equal((line.verb, line.code), ("LATER", code))
        assert 15 <= line.seconds <= 18, line
        equal(r.items("later", code), 1, "counter")
    c.put(4, "status", b"another")
    c.stored(4)
    r.inboxes = whole
    r.write_conf()
    r.process.send_signal(signal.SIGHUP)
    until(lambda: r.metric("inboxd_reloads_total") == before + 2)
    c.put(2, "payroll", b"a slip's item")
    c.stored(2)
    c.quit()


@test
def what_is_no_slip_any_more_is_refused(t):
    r = t.receiver({"limits": {"forgive": "3s"}}, inboxes=REFUSING)
    c = r.client(hello=t.queue())

    def verb(n):
        c.put(n, "nosuch", b"x")
        return c.answer(n).verb
    equal(verb(1), "LATER")
    numbers = iter(range(2, 1000))
    until(lambda: verb(next(numbers)) == "REFUSED")
    # A reload that changes no rule begins nothing anew; one that does, does.
    for size, want in (("1000", "REFUSED"), ("999", "LATER")):
        reloads = r.metric("inboxd_reloads_total")
        r.inboxes = {**r.inboxes, "small": {"size": size}}
        r.write_conf()
        r.process.send_signal(signal.SIGHUP)
        until(lambda: r.metric("inboxd_reloads_total") == reloads + 1)
        equal(verb(next(numbers)), want, "with size " + size)
    c.quit()


@cases([(verb, verb) for verb in ("PUT", "OPEN")])
def what_is_stored_is_said_to_be_whatever_the_rules_have_become(t, verb):
    data, queue = t.bytes(500), t.queue()
    r = t.receiver({"limits": {"inline": "4K"}}, inboxes={"reports": {}, "others": {}})
    c = r.client(hello=queue)
    c.put(1, "reports", data)
    name = c.stored(1).name
    c.quit()
    for n, (inboxes, code) in enumerate((({"reports": {"size": "10"}}, "too-large"),
                                         ({"reports": {"clients": "hr*"}}, "not-allowed"),
                                         ({"others": {}}, "no-inbox")), 1):
        r.inboxes = inboxes
        r.write_conf()
        r.process.send_signal(signal.SIGHUP)
        until(lambda wanted=n: r.metric("inboxd_reloads_total") == wanted)
        c = r.client(hello=queue)
        for number in (1, 2):
            c.announce(number, "reports", data, verb=verb)
            c.post(data if verb == "PUT" else b"")
        line = c.answer(1)
        equal((line.verb, line.name, line.get("again")), ("STORED", name, "1"))
        line = c.answer(2)
        equal((line.verb, line.code), ("REFUSED", code))
        c.quit()
    r.inboxes["reports"] = {}


@test
def item_as_large_as_allowed_is_taken(t):
    r = t.shared("refusing", inboxes=REFUSING)
    c = r.client("hr1.example.org", hello=t.queue())
    c.put(1, "small", t.bytes(1000))
    c.put(2, "small", t.bytes(1001))
    c.put(3, "payroll", b"wages")
    c.stored(1)
    equal(c.answer(2).code, "too-large")
    c.stored(3)
    c.quit()


@test
def spoilt_bytes_are_later_and_leave_no_draft(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    data = t.bytes(70000)
    c.put(1, "status", data, digest=sha256(data + b"!"))
    line = c.answer(1)
    equal((line.verb, line.code), ("LATER", "digest"))
    contains(line.text, sha256(data)[:12])
    equal(r.files("status", "tmp"), [], "drafts")
    c.put(1, "status", data)
    equal(c.stored(1).get("again"), None)
    c.quit()


@cases([("in the line", 0, 20), ("after the line", 1, 0), ("in the item", 1, 5000),
        ("one byte short", 1, 9999)])
def connection_cut(t, whole_line, sent):
    r = t.shared()
    for how in ("cut", "close"):
        c = r.client(hello=t.queue())
        c.put(1, "status", b"whole")
        c.stored(1)
        offered, ends = r.balance()
        stored = ends["stored"]
        data = t.bytes(10000)
        line = "PUT 2 status 10000 %s\n" % sha256(data)
        c.send(line.encode() + data[:sent] if whole_line else line[:sent])
        until(lambda: r.balance()[0] == offered + whole_line, 10, "the item to be offered")
        getattr(c, how)()
        until(lambda: r.balance()[1]["cut_off"] == ends["cut_off"] + whole_line, 10,
              "cut_off to be counted")
        equal(r.balance()[1]["stored"], stored, "stored")
        until(lambda: r.files("status", "tmp") == [], 5, "the draft to go")


@test
def whole_items_before_a_cut_are_stored(t):
    r = t.receiver()
    r.others = True  # the cut may take answers with it that were on their way
    c = r.client(hello=t.queue())
    for n in range(1, 51):
        c.put(n, "status", b"%d" % n)
    c.send(b"PUT 51 sta")
    c.sock.shutdown(socket.SHUT_WR)
    c.wait_close()
    until(lambda: len(r.files("status")) == 50, 10, "50 files in new/")


@test
def open_gets_use_put_and_the_connection_goes_on(t):
    r = t.receiver({"limits": {"inline": "1G"}})
    c = r.client(hello=t.queue())
    c.announce(1, "status", b"some bytes", verb="OPEN")
    line = c.answer(1)
    equal((line.verb, line.code), ("LATER", "use-put"))
    c.put(1, "status", b"some bytes")
    c.stored(1)
    c.quit()


@test
def data_without_open_is_an_error(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    c.put(1, "status", b"before")
    c.send(b"DATA 1 0 3\nfoo")
    c.stored(1)
    line = c.expect("ERROR")
    equal(line.code, "state")
    c.wait_close()


@test
def broken_line_does_not_cost_the_items_before_it(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    for n in range(1, 101):
        c.put(n, "status", b"%d" % n)
    c.post("NONSENSE\n")
    for n in range(1, 101):
        c.stored(n)
    equal(c.expect("ERROR").code, "verb")
    c.wait_close()


@test
def quit_answers_what_is_in_flight(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    for n in range(1, 201):
        c.put(n, "status", b"%d" % n)
    c.post("QUIT\n")
    lines = c.wait_close()
    equal(lines[-1].verb, "BYE")
    equal(sum(line.verb == "STORED" for line in lines), 200)


@test
def who_leaves_behind_quit_is_no_failed_connection(t):
    r = t.receiver()
    for _ in range(10):
        c = r.client(hello=t.queue())
        c.post("QUIT\n")
        c.cut()
    until(lambda: r.metric("inboxd_connections") == 0, 10, "all to end")
    equal(r.metric("inboxd_connections_failed_total"), 0, "failed; " + r.log())


@test
def number_below_the_mark_is_stored(t):
    r = t.shared()
    c = r.client()
    c.hello(t.queue(), settled=50)
    c.put(7, "status", b"late")
    equal(r.read("status", c.stored(7).name), b"late")
    c.put(7, "reports", b"late")
    equal(r.read("reports", c.stored(7).name), b"late", "the inbox is part of an item's key")
    c.quit()


@cases([("filesystem", "filesystem"), ("auto", "auto")])
def other_ways_to_sync_store_as_well(t, sync):
    if sync == "filesystem":
        need_call("syncfs")
    r = t.receiver({"receiver": {"sync": sync}})
    c = r.client(hello=t.queue())
    for n in range(1, 101):
        c.put(n, "status", t.bytes(200))
    for n in range(1, 101):
        c.stored(n)
    c.quit()


if __name__ == "__main__":
    main()
