#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What inbox-protocol(7) tells the author of a client: each statement that no other test holds.

Others hold theirs by name: test_grammar the lines, test_open the large items, test_upload what
is sent again, test_tls and test_proofs the certificates, test_limits the bounds.  The last tests
run contrib/examples/inbox-put.py, which was written from the page.
"""

import json
import os
import re
import sys
import time

from client import sha256
from copyqueue import Queue, end_run, run_in_background
from fakereceiver import FakeReceiver
from harness import cases, contains, equal, main, test, until

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
PAGE = os.path.join(TOP, "src/lib/inbox-protocol.7")
MIB = 1 << 20
PUT = os.path.join(TOP, "contrib/examples/inbox-put.py")


def page():
    """Its text, without macros at the lines' heads, as one line."""
    with open(PAGE, encoding="ascii") as file:
        return " ".join(re.sub(r"^\.[A-Z]\w ", "", file.read(), flags=re.M).split())


# What each entry of FOR THE AUTHOR OF A CLIENT begins with, and who holds it to the code.
HELD = [
    ("Before READY nothing is known", [
        "test_protocol_page.py what_leaves_before_ready_is_little",
        "test_upload.py one_item_and_quit_leave_with_the_handshake"]),
    ("DATA waits for SEND", ["test_open.py data_before_send_is_an_error"]),
    ("Any size may be opened", ["test_protocol_page.py items_that_put_takes_may_be_opened"]),
    ("Up to eight items", ["test_open.py ninth_open_item_is_busy",
                           "test_limits.py open_items_are_bounded_of_a_client_and_of_all",
                           "test_protocol_page.py data_of_several_items_takes_turns"]),
    ("The bytes behind a PUT", ["test_upload.py refused_item_is_refused_before_its_bytes"]),
    ("A client has one item a number", [
        "test_protocol_page.py item_sent_again_before_its_answer_gets_two_of_one_name",
        "test_open.py same_item_open_twice_is_busy",
        "test_upload.py number_below_the_mark_is_stored"]),
    ("No number is refused", ["test_grammar.py numbers_below_the_mark_are_stored_all_the_same",
                              "test_production.py old_spool_sends_the_past_again"]),
    ("The order of sending", ["test_protocol_page.py numbers_need_not_rise_nor_begin_with_1",
                              "test_protocol_page.py what_is_put_off_holds_up_nothing_behind_it",
                              "test_upload.py too_many_unsettled_are_later"]),
    ("SKIP , SETTLED and STATE", [
        "test_protocol_page.py skip_settled_and_state_have_no_answer",
        "test_protocol_page.py they_are_heard_in_their_place",
        "test_protocol_page.py skip_of_a_missing_number_ends_that",
        "test_production.py old_root_tells_by_number"]),
    ("SETTLED is due now and then", ["test_protocol_page.py settled_is_said_each_hundred_numbers",
                                     "test_upload.py mark_in_hello_settles_and_shows_gaps"]),
    ("LATER and REFUSED speak", [
        "test_receivers.py refused_by_the_first_is_stored_by_the_second",
        "test_receivers.py what_the_first_has_without_our_knowing"]),
    ("The seconds of LATER and GOAWAY", [
        "test_waiting.py later_is_waited_for_and_a_little_longer_by_lot",
        "test_spread.py later_is_another_second_for_each_item_and_client",
        "test_spread.py fleet_of_a_receiver_that_stops_comes_back",
        "test_spread.py crowd_comes_back_by_and_by",
        "test_servers.c falls_by_a_stored_item_only", "test_waits.c begins_by_lot"]),
    ("LATER with 0 seconds", [
        "test_queue.py receiver_that_is_always_out_of_time_is_not_asked_without_end",
        "test_waiting.py alone_it_is_tried_again_but_nothing_spins"]),
    ("A READY with another version", [
        "test_liars.py who_lies_neither_gets_an_item_for_nothing_nor_keeps_one"]),
    ("A window or bytes of 0", ["test_queue.py receiver_that_is_always_out_of_time_is_not"]),
    ("Who does not say HELLO in time", [
        "test_door.py handshake_and_hello_have_a_deadline",
        "test_door.py strangers_beyond_the_room_for_handshakes_give_way"]),
    ("A line that was begun", ["test_door.py line_that_is_begun_has_a_deadline",
                               "test_door.py item_has_to_come_at_a_rate"]),
    ("A client that has nothing to send", [
        "test_door.py idle_session_makes_room_for_another_one",
        "test_door.py session_ends_in_order_after_its_time",
        "test_waiting.py who_has_nothing_to_send_stays_away_until_there_is_an_item"]),
    ("Of TLS's own messages", ["test_conn.c cuts_off_who_only_asks_for_keys"]),
    ("Behind QUIT a client may close", [
        "test_upload.py who_leaves_behind_quit_is_no_failed_connection"]),
]


@test
def each_entry_for_the_author_is_held_by_a_test(t):
    part = re.search(r" FOR THE AUTHOR OF A CLIENT (.*?)\.El", page()).group(1)
    entries = part.split(" .It ")[1:]
    equal(len(entries), len(HELD), "entries")
    for entry, (begins, tests) in zip(entries, HELD):
        equal(entry[:len(begins)], begins, "an entry")
        for where, name in (one.split() for one in tests):
            folder = "tests/unit" if where.endswith(".c") else "tests/system"
            with open(os.path.join(TOP, folder, where), encoding="utf-8") as file:
                assert re.search(r"^(def )?%s\w*\(" % name, file.read(), re.M), (
                    "%s has no test %s" % (where, name))


# ---- before READY, and how often one settles

@cases([("many small ones", [1] * 40, 16), ("more bytes", [20000] * 8, 3),
        ("one that is larger", [500000] * 2, 0), ("a large one", [3 << 20], 0)])
def what_leaves_before_ready_is_little(t, sizes, want):
    def odd(c, line):
        if line.startswith("PUT"):
            c.body(int(line.split()[3]))
        return line.split()[0] in ("HELLO", "PUT")
    fake = FakeReceiver(t, odd)
    q = Queue(t, fake)
    q.add("status", *[b"x" * size for size in sizes])
    run = run_in_background(t, q)
    until(lambda: fake.lines)
    until(lambda: len(fake.said("PUT")) >= want)
    time.sleep(0.5)
    equal((len(fake.said("PUT")), fake.said("OPEN")), (want, []))
    end_run(run, q)


@test
def settled_is_said_each_hundred_numbers(t):
    fake = FakeReceiver(t, window=50)
    q = Queue(t, fake)
    q.add("status", *[b"x"] * 250)
    q("run", "--once")
    said = [int(line.split()[1]) for line in fake.said("SETTLED")]
    equal(said[-1], 251, "the last one")
    assert 2 <= len(said) <= 4, said
    equal(fake.lines[-1], "QUIT")


# ---- what the page says in numbers

@test
def numbers_of_the_page_are_the_defaults(t):
    r = t.receiver({"receiver": {"listen": None}}, start=False)
    done = r.run("-T")
    equal(done.returncode, 0, done.stderr)
    contains(done.stdout, "\nlisten = *:7117\n")
    contains(page(), "to port 7117 unless")
    contains(done.stdout, "\nunsettled = 100000\n")
    contains(page(), "up to 100,000 of a queue")
    with open(os.path.join(TOP, "src/inboxq/base/settings.c"), encoding="ascii") as file:
        settings = file.read()
    for key, value, words in (("retry-min", "5s", "from 5 seconds to 15"),
                              ("retry-max", "15m", "on to 15 minutes")):
        contains(settings, '"%s", CONF_SECONDS, AT(%s), .fallback = "%s"' % (
            key, key.replace("-", "_"), value))
        contains(page(), words)


# ---- who the receiver is

@cases([("a client's", "extendedKeyUsage = clientAuth"), ("nobody's", "keyUsage = keyAgreement\n"
                                                          "extendedKeyUsage = codeSigning")])
def receiver_does_not_start_without_serverauth(t, usage):
    pair = t.pki.make("not-a-server-" + usage[-6:], "CN = cap1",
                      "subjectAltName = IP:127.0.0.1\n" + usage, t.pki.ca)
    r = t.receiver({"tls": {"certificate": pair.cert, "key": pair.key}}, start=False)
    done = r.run("-t")
    equal(done.returncode, 78, done.stderr)
    contains(done.stderr, "serverAuth")


@test
def name_that_is_asked_for_in_the_handshake_is_not_looked_at(t):
    r = t.shared()
    ctx = t.client_context("pc1.example.org")
    c = r.client(ctx=ctx, hostname="somebody.else.example", hello=t.queue())
    c.put(1, "status", b"asked for another")
    c.stored(1)
    c.quit()


@test
def certificate_has_the_address_that_was_asked_for(t):
    r = t.shared()
    ctx = t.client_context("pc1.example.org", hostname=True)
    r.client(ctx=ctx, hostname="127.0.0.1", hello=t.queue()).quit()
    try:
        r.client(ctx=ctx, hostname="cap9.example.org")
    except Exception as error:
        contains(str(error), "mismatch")
    else:
        raise AssertionError("a certificate without the name was taken")


# ---- items

@cases([("empty", b""), ("small", b"small")])
def items_that_put_takes_may_be_opened(t, data):
    r = t.shared()
    c = r.client(hello=t.queue())
    c.announce(1, "status", data, verb="OPEN")
    equal(c.answer(1).offset, 0)
    if data:
        c.pieces(1, data)
    equal(r.read("status", c.stored(1).name), data)
    c.quit()


@test
def data_of_several_items_takes_turns(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    items = {n: t.bytes(2000) for n in (1, 2, 3)}
    for n, data in items.items():
        c.announce(n, "status", data, verb="OPEN")
    for n in items:
        equal(c.answer(n).offset, 0)
    for begin in range(0, 2000, 500):
        for n, data in items.items():
            c.pieces(n, data, begin, begin + 500)
    for n, data in items.items():
        equal(r.read("status", c.stored(n).name), data)
    c.quit()


@test
def item_sent_again_before_its_answer_gets_two_of_one_name(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    c.asked[1] = ("status", sha256(b"twice"))
    c.send(("PUT 1 status 5 %s\ntwice" % c.asked[1][1]) * 2)
    lines = [c.line(), c.line()]
    equal(len({line.name for line in lines}), 1, "names")
    equal(sorted(line.get("again", "") for line in lines), ["", "1"], "again")
    c.quit()


@test
def numbers_need_not_rise_nor_begin_with_1(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    for n in (7, 3, 900, 12):
        c.put(n, "status", b"%d" % n)
    for n in (900, 7, 12, 3):
        equal(r.read("status", c.stored(n).name), b"%d" % n)
    c.quit()


@test
def what_is_put_off_holds_up_nothing_behind_it(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    c.put(1, "status", b"spoilt", digest=sha256(b"other"))
    c.put(2, "status", b"right")
    equal(r.read("status", c.stored(2).name), b"right")
    equal(c.answer(1).code, "digest")
    c.put(1, "status", b"mended")
    c.stored(1)
    c.quit()


# ---- SKIP, SETTLED, STATE

@test
def skip_settled_and_state_have_no_answer(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    for line in ("SKIP 1 removed", "SKIP 1 removed", "SKIP 9223372036854775807 refused",
                 "SETTLED 5", "SETTLED 2", "SKIP 3 elsewhere", "SKIP 4 whatever",
                 "STATE pending=3", "STATE", "SETTLED 9223372036854775807", "PING", "QUIT"):
        c.post(line + "\n")
    equal([line.raw for line in c.wait_close()], ["PONG", "BYE"])


@test
def they_are_heard_in_their_place(t):
    """The item before SETTLED is no gap, and SKIP before it is none."""
    r = t.shared()
    queue = t.queue()
    c = r.client(hello=queue)
    c.put(1, "status", b"before")
    c.post("SKIP 2 removed\nSETTLED 3\nPING\n")
    c.stored(1)
    c.expect("PONG")
    row = until(lambda: (lambda x: x if x["settled"] == 3 else None)(r.client_row(queue)))
    equal((row["missing"], row["skipped"], row["stored"]), (0, 1, 1))
    c.quit()


@test
def skip_of_a_missing_number_ends_that_and_of_others_changes_nothing(t):
    r = t.shared()
    queue = t.queue()
    c = r.client(hello=queue)
    c.put(1, "status", b"one")
    c.stored(1)
    c.settled(4)  # 2 and 3 never came
    row = until(lambda: (lambda x: x if x["settled"] == 4 else None)(r.client_row(queue)))
    equal(row["missing"], 2)
    for n, missing, skipped in ((1, 2, 0), (2, 1, 1), (2, 1, 1), (3, 0, 2)):
        c.skip(n, "removed")
        c.settled(2)  # not above the mark
        c.ping()
        row = until(lambda want=missing: (lambda x: x if x["missing"] == want else None)(
            r.client_row(queue)))
        equal((row["skipped"], row["settled"]), (skipped, 4), "behind SKIP %d" % n)
    c.quit()


# ---- the client that was written from the page

class Put:
    """contrib/examples/inbox-put.py with its state."""

    def __init__(self, t, r, who="pc1.example.org"):
        self.t = t
        self.pair = t.pki.client(who)
        self.folder = os.path.join(t.folder, "put")
        os.mkdir(self.folder)
        self.state = os.path.join(self.folder, "state")
        self.point_at(r)

    def point_at(self, r, ca=None):
        r.others = True
        self.to = ["127.0.0.1:%d" % r.port, ca or self.t.pki.ca.cert]

    def file(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def __call__(self, inbox, *paths, expect=0):
        done = self.t.run([sys.executable, "-W", "error", PUT, self.state, *self.to,
                           self.pair.cert, self.pair.key, inbox, *paths], timeout=60)
        equal(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def kept(self):
        with open(self.state, encoding="ascii") as file:
            return json.load(file)


def contents(r, inbox="status"):
    found = []
    for name in r.files(inbox):
        found.append(r.read(inbox, name))
    return sorted(found)


@test
def client_of_the_page_stores_files_of_each_size_once(t):
    r = t.receiver({"limits": {"inline": "64K"}})
    put = Put(t, r)
    items = [b"", b"small", t.bytes(65536), t.bytes(65537), t.bytes(MIB)]
    paths = [put.file("file %d%%" % n, data) for n, data in enumerate(items)]
    equal(put("status", *paths).count(" STORED "), 5)
    equal(contents(r), sorted(items))
    row = r.client_row(put.kept()["queue"])
    equal((row["stored"], row["missing"], row["settled"]), (5, 0, 6))
    put("status")
    equal(put.kept()["waiting"], {})


@test
def client_of_the_page_sends_again_what_it_has_no_answer_to(t):
    r = t.receiver()
    put = Put(t, r)
    path = put.file("report", b"once")
    queue = t.queue()
    c = r.client(hello=queue)
    c.put(1, "status", b"once")
    name = c.stored(1).name
    c.cut()
    with open(put.state, "w", encoding="ascii") as file:  # as if its answer had been lost
        json.dump({"queue": queue, "next": 2, "waiting": {"1": ["status", path]},
                   "skipped": []}, file)
    contains(put("status"), "STORED 1 %s again=1" % name)
    equal(contents(r), [b"once"])


@test
def client_of_the_page_survives_a_receiver_that_dies(t):
    r = t.receiver()
    put = Put(t, r)
    paths = [put.file("one", b"1"), put.file("two", b"2")]
    put("status", paths[0])
    r.kill()
    contains(put("status", paths[1], expect=75), "again later")
    r.start()
    put.point_at(r)
    contains(put("status"), "STORED 2 ")
    equal(contents(r), [b"1", b"2"])


@test
def client_of_the_page_says_what_will_not_come(t):
    r = t.receiver()
    put = Put(t, r)
    gone = put.file("gone", b"gone")
    paths = [put.file("one", b"1"), gone]
    put("status")
    r.stop()
    put("status", *paths, expect=75)
    os.unlink(gone)
    r.start()
    put.point_at(r)
    said = put("nosuch", put.file("three", b"3"), expect=65)
    for words in ("STORED 1 ", "GONE", "REFUSED 3 no-inbox"):
        contains(said, words)
    row = r.client_row(put.kept()["queue"])
    equal((row["stored"], row["skipped"], row["missing"], row["settled"]), (1, 2, 0, 4))


@test
def client_of_the_page_trusts_no_stranger(t):
    r = t.receiver()
    put = Put(t, r)
    put.point_at(r, ca=t.pki.other_ca().cert)
    contains(put("status", put.file("one", b"1"), expect=76), "certificate verify failed")
    equal(contents(r), [])
    put.point_at(r)
    contains(put("status"), "STORED 1 ")


if __name__ == "__main__":
    main()
