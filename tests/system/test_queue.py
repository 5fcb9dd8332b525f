#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""inboxq and inboxd together: an item leaves the queue by STORED, by a refusal into failed/,
or by an operator's hand, and by nothing else (P5)."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time

from client import sha256
from copyqueue import SET_ASIDE, TEMPFAIL, Queue, all_there, run_in_background, said
from fakereceiver import Cut, FakeReceiver
from harness import (INBOXQ, SHIMMED, Skip, bound, cases, contains, equal, file_digest, main, test,
                     until)
from pki import Pair


@test
def files_go_through_the_queue_to_the_inbox(t):
    r = t.receiver()
    q = Queue(t, r)
    items = q.add("status", b"one", b"", t.bytes(100000), b"one")
    equal(sorted(items), [1, 2, 3, 4], "numbers")
    equal(q.status()["pending"], 4)
    contains(q("list").stdout, "file2.txt")
    q("run", "--once")
    all_there(r, items.values())
    equal((q.numbers(), q.numbers("failed")), ([], []), "queue/ and failed/")
    equal(q("list").stdout, "")
    log = q.sent_log()
    equal([line[2] for line in log], ["STORED"] * 4)
    equal({line[4] for line in log}, set(r.files("status")), "names in sent.log")
    row = r.client_row(q.id())
    equal((row["settled"], row["unsettled"], row["missing"], row["stored"]), (5, 0, 0, 4))
    equal(q.status()["pending"], 0)
    more = q.add("reports", b"later")
    equal(sorted(more), [5], "numbers go on")
    q("run", "--once")
    all_there(r, [b"later"], "reports")


@test
def who_is_sent_away_with_nothing_to_send_comes_back_with_the_first_item(t):
    """Its place was wanted, or its time was over: that is no failure to be waited out."""
    r = t.receiver({"limits": {"session": "1s"}})
    q = Queue(t, r, **{"retry-max": "900s", "retry-min": "20s"})
    q.add("status", b"one")
    run_in_background(t, q)
    until(q.sent_log, 30, "the first item")
    until(lambda: "event=cycle_over pending=0" in said(q), 20, "the client to be sent away")
    q.add("status", b"two")
    until(lambda: len(q.sent_log()) == 2, 10, "the second item")


@test
def standard_input_is_an_item(t):
    r = t.receiver()
    q = Queue(t, r)
    data = t.bytes(70000)
    equal(q("add", "-i", "status", "-n", "pipe", stdin=data).stdout.split(), [b"1"])
    q("run", "--once")
    all_there(r, [data])


@test
def hundreds_of_items_and_a_large_one(t):
    r = t.receiver()
    q = Queue(t, r)
    contents = [t.bytes(t.random.randrange(3000)) for _ in range(400)] + [t.bytes(1 << 20) * 9]
    items = q.add("status", *contents)
    q("run", "--once")
    all_there(r, items.values())
    equal(q.numbers(), [])


@test
def many_adders_at_once_get_numbers_of_their_own(t):
    q = Queue(t, servers=["127.0.0.1:1"])
    q.add("status", b"first")
    path = os.path.join(q.folder, "x")
    with open(path, "w", encoding="ascii") as file:
        file.write("x")
    command = [INBOXQ, "add", "-c", q.conf, "-i", "status"] + [path] * 20
    adders = [t.spawn(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    numbers = [int(n) for child in adders for n in child.communicate(timeout=bound(60))[0].split()]
    equal(sorted(numbers), list(range(2, 122)), "numbers")
    equal(q.numbers(), list(range(1, 122)), "queue/")


@test
def add_that_cannot_takes_nothing(t):
    q = Queue(t, servers=["127.0.0.1:1"])
    done = q("add", "-i", "status", os.path.join(q.folder, "nothing"), expect=None)
    assert done.returncode not in (0, None), done
    contains(done.stderr, "nothing")
    equal(q("add", "-i", "bad inbox", q.conf, expect=64).returncode, 64)
    equal(q.numbers(), [])


@test
def refused_items_are_set_aside_with_their_reason(t):
    r = t.receiver(inboxes={"status": {"size": "1000"}, "private": {"clients": "boss"}})
    q = Queue(t, r)
    good = q.add("status", b"good")
    refused = [q.add("nosuch", b"no inbox"), q.add("private", b"not allowed"),
               q.add("status", t.bytes(1001))]
    last = q.add("status", b"after")
    q("run", "--once", expect=SET_ASIDE)
    all_there(r, [*good.values(), *last.values()])
    equal(q.numbers(), [])
    failed = [n for item in refused for n in item]
    equal(q.numbers("failed"), failed)
    for n, code in zip(failed, ("no-inbox", "not-allowed", "too-large")):
        with open(os.path.join(q.spool, "failed", "%020d.reason" % n), encoding="ascii") as file:
            contains(file.read(), code)
        contains(q("list").stdout, code)
    row = r.client_row(q.id())
    equal((row["skipped"], row["missing"]), (3, 0), "skipped and missing")
    # The inbox comes; the operator sends them again.
    r.inboxes["nosuch"] = {}
    r.write_conf()
    r.make()
    r.restart()
    q.point_at(r)
    q("requeue", str(failed[0]))
    equal(q.numbers("failed"), failed[1:])
    q("run", "--once")
    all_there(r, [b"no inbox"], "nosuch")
    equal(r.client_row(q.id())["missing"], 0)


@test
def a_slip_at_the_receiver_costs_no_item_its_queue(t):
    r = t.receiver({"limits": {"forgive": "1d"}},
                   inboxes={"status": {}, "mine": {"clients": "boss"}})
    q = Queue(t, r)
    items = [b"one", b"two"]
    q.add("mine", items[0])
    other = q.add("status", b"another")
    q.add("mine", items[1])
    q("run", "--once", expect=TEMPFAIL)
    all_there(r, other.values())
    equal((q.numbers(), q.numbers("failed")), ([1, 3], []))
    r.inboxes["mine"] = {"clients": "pc*"}
    r.write_conf()
    r.restart()
    q.point_at(r)
    q("run", "--once")
    all_there(r, items, "mine")
    equal(r.client_row(q.id())["missing"], 0)


def set_aside_since(q, seconds):
    for name in os.listdir(os.path.join(q.spool, "failed")):
        if name.endswith(".reason"):
            then = time.time() - seconds
            os.utime(os.path.join(q.spool, "failed", name), (then, then))


@test
def what_was_refused_is_offered_again_by_itself(t):
    r = t.receiver(inboxes={"status": {}, "mine": {"clients": "boss"}})
    q = Queue(t, r)
    q.add("mine", b"one")
    q.add("nosuch", b"two", b"three")
    q("run", "--once", expect=SET_ASIDE)
    with open(os.path.join(q.spool, "failed", "%020d.reason" % 3), "w", encoding="ascii") as file:
        file.write("damaged: its header is damaged (set aside here)\n")
    set_aside_since(q, 86400 - 60)
    r.inboxes["mine"] = {"clients": "pc*"}
    r.write_conf()
    r.restart()
    q.point_at(r)
    q("run", "--once")
    equal(q.numbers("failed"), [1, 2, 3], "not yet a day")
    set_aside_since(q, 86400)
    q("run", "--once", expect=SET_ASIDE)
    all_there(r, [b"one"], "mine")
    equal((q.numbers(), q.numbers("failed")), ([], [3, 5]), "queue/ and failed/")
    row = r.client_row(q.id())
    equal((row["skipped"], row["missing"], row["failed"]), (4, 0, 2))
    assert row["free"] > 1, row
    # It was refused again just now.
    q("run", "--once")
    equal(q.numbers("failed"), [3, 5])


@test
def what_was_refused_is_offered_again_while_the_runner_runs(t):
    r = t.receiver(inboxes={"status": {}})
    q = Queue(t, r, offer_again="2s")
    q.add("mine", b"one")
    run_in_background(t, q)
    until(lambda: r.items("refused", "no-inbox") == 2)
    r.inboxes["mine"] = {}
    r.write_conf()
    r.make()
    r.process.send_signal(signal.SIGHUP)
    until(lambda: r.files("mine"))
    all_there(r, [b"one"], "mine")
    until(lambda: q.numbers("failed") == [])
    assert r.items("refused", "no-inbox") < 6, "it spins"


@test
def nothing_is_offered_again_where_that_is_off(t):
    r = t.receiver()
    q = Queue(t, r, offer_again="0")
    q.add("nosuch", b"one")
    q("run", "--once", expect=SET_ASIDE)
    set_aside_since(q, 1e9)
    q("run", "--once")
    equal(q.numbers("failed"), [1])


@test
def what_lies_at_a_client_is_told_while_the_session_lasts(t):
    fake = FakeReceiver(t, odd=lambda c, line: c.say("LATER 1 60 full x") or c.body(3) or True
                        if line.startswith("PUT 1 ") else False, state=1)
    q = Queue(t, fake)
    run_in_background(t, q)
    until(lambda: fake.lines)
    contains(fake.lines[0], " pending=0 failed=0 ")
    q.add("status", b"one")
    until(lambda: any(re.fullmatch(r"STATE pending=1 oldest=\d+ failed=0 free=\d+", line)
                      for line in fake.lines))
    shutil.copy(os.path.join(q.spool, "queue", "%020d" % 1),
                os.path.join(q.spool, "failed", "%020d" % 7))
    until(lambda: any(re.fullmatch(r"STATE pending=1 oldest=\d+ failed=1 free=\d+", line)
                      for line in fake.lines))
    # What has not changed is not told again.
    time.sleep(2.5)
    equal([line.split()[0] for line in fake.lines if line != "PING"],
          ["HELLO", "PUT", "STATE", "STATE"])
    equal(fake.connections, 1)


@test
def receiver_that_is_always_out_of_time_is_not_asked_without_end(t):
    """LATER 0 is a second; a window of 0 lets one item go."""
    fake = FakeReceiver(t, odd=lambda c, line: c.say("LATER 1 0 full x") or c.body(3) or True
                        if line.startswith("PUT 1 ") else False, window=0, bytes=0)
    q = Queue(t, fake)
    run_in_background(t, q)
    q.add("status", b"one", b"two")
    until(lambda: 2 in fake.stored)
    time.sleep(2.5)
    assert 2 <= len(fake.said("PUT")) <= 6, fake.lines
    equal(fake.connections, 1)


@test
def a_cycle_ends_with_what_is_left(t):
    fake = FakeReceiver(t, odd=lambda c, line: c.say("LATER 2 60 full x") or c.body(3) or True
                        if line.startswith("PUT 2 ") else False, state=3600)
    q = Queue(t, fake)
    q.add("status", b"one", b"two", b"thr")
    q("run", "--once", expect=TEMPFAIL)
    contains(fake.lines[0], " pending=3 oldest=")
    assert re.fullmatch(r"STATE pending=1 oldest=\d+ failed=0 free=\d+",
                        fake.lines[-2]), fake.lines
    equal(fake.lines[-1], "QUIT")


@test
def a_receiver_that_does_not_know_state_is_not_told(t):
    fake = FakeReceiver(t)
    q = Queue(t, fake)
    q.add("status", b"one")
    q("run", "--once")
    equal([line.split()[0] for line in fake.lines], ["HELLO", "PUT", "SETTLED", "QUIT"])
    equal(fake.wrong, [])


@test
def a_number_that_is_not_there_uses_up_none(t):
    r = t.receiver()
    q = Queue(t, r)
    [first] = q.add("status", b"first")
    q("requeue", "99", expect=66)
    q("requeue", str(first), expect=66)
    q("remove", "99", expect=66)
    equal(list(q.add("status", b"second")), [first + 1])
    q("run", "--once")
    equal(r.client_row(q.id())["missing"], 0)


@test
def requeue_all_brings_all_back(t):
    r = t.receiver()
    q = Queue(t, r)
    items = q.add("later", b"a", b"b", b"c")
    q("run", "--once", expect=None)
    equal(len(q.numbers("failed")), 3)
    r.inboxes["later"] = {}
    r.write_conf()
    r.make()
    r.restart()
    q.point_at(r)
    q("requeue", "--all")
    equal((len(q.numbers()), q.numbers("failed")), (3, []))
    q("run", "--once")
    all_there(r, items.values(), "later")


@test
def requeue_whose_reader_takes_his_time_holds_up_nobody(t):
    q = Queue(t, servers=["127.0.0.1:1"])
    [first] = q.add("status", b"x")
    failed, count = os.path.join(q.spool, "failed"), 6000
    with open(os.path.join(q.spool, "queue", "%020d" % first), "rb") as file:
        item = file.read()
    for n in range(10, 10 + count):
        with open(os.path.join(failed, "%020d" % n), "wb") as file:
            file.write(item)
    with open(os.path.join(q.spool, "last"), "w", encoding="ascii") as file:
        file.write("%020d\n" % 8000000000000000000)  # numbers of 19 digits fill a pipe soon
    pager = t.spawn([INBOXQ, "requeue", "-c", q.conf, "--all"], stdout=subprocess.PIPE, text=True)
    t.closing.append(pager.stdout)
    seen = [0, 0.0]

    def stands_still():
        now = len(q.numbers())
        if now != seen[0]:
            seen[:] = [now, time.monotonic()]
        return now > 1000 and time.monotonic() - seen[1] > 0.5
    until(stands_still, 30)
    assert pager.poll() is None and q.numbers("failed"), "the pipe took it all"
    started = time.monotonic()
    [added] = q.add("status", b"meanwhile")
    q("remove", str(added))
    assert time.monotonic() - started < bound(5), "took %g s" % (time.monotonic() - started)
    said_numbers = [int(n) for n in pager.communicate(timeout=bound(60))[0].split()]
    equal(pager.returncode, 0, "exit code of requeue")
    equal((q.numbers(), q.numbers("failed")), ([first, *said_numbers], []))
    equal((len(said_numbers), added in said_numbers), (count, False), "numbers said")


@test
def removed_item_is_skipped_and_no_gap(t):
    r = t.receiver()
    q = Queue(t, r)
    q.add("status", b"1", b"2", b"3")
    q("remove", "2")
    equal(q.numbers(), [1, 3])
    q("run", "--once")
    all_there(r, [b"1", b"3"])
    row = r.client_row(q.id())
    equal((row["settled"], row["skipped"], row["missing"]), (4, 1, 0))
    equal(q("remove", "99", expect=None).returncode != 0, True, "an item that is not there")
    equal([line[2] for line in q.sent_log() if line[1] == "2"], ["REMOVED"])


@test
def draft_of_a_killed_add_goes_after_a_day_beside_a_run_that_lasts(t):
    r = t.receiver()
    q = Queue(t, r)
    dead = t.spawn(["true"])
    dead.wait()
    old, young, alive = names = ["%d.0-%s" % (dead.pid, kind) for kind in ("old", "young")] + [
        "%d.0-alive" % os.getpid()]
    q.add("status", b"1")
    child = run_in_background(t, q)
    until(lambda: not q.numbers(), what="the first to be sent")
    for name in names:
        path = os.path.join(q.spool, "tmp", name)
        with open(path, "wb"):
            pass
        if name != young:
            os.utime(path, (0, time.time() - 86400 - 60))
    q.add("status", b"2")
    until(lambda: not q.numbers() and old not in os.listdir(os.path.join(q.spool, "tmp")),
          what="the draft to go")
    equal(sorted(os.listdir(os.path.join(q.spool, "tmp"))), sorted([young, alive]), "in tmp/")
    child.terminate()
    equal(child.wait(bound(10)), 0, "exit code")


# ---- servers

@test
def without_a_server_nothing_is_lost(t):
    r = t.receiver()
    port = r.port
    r.stop()
    q = Queue(t, servers=["127.0.0.1:%d" % port])
    q.add("status", b"kept", b"too")
    done = q("run", "--once", expect=None)
    equal(done.returncode, TEMPFAIL, "exit code")
    equal(q.numbers(), [1, 2])
    r.start()
    q.point_at(r)
    q("run", "--once")
    all_there(r, [b"kept", b"too"])


@test
def second_server_is_used_when_the_first_is_away_and_told_of_it_later(t):
    first, second = t.receiver(), t.receiver({"receiver": {"host": "cap2"}})
    q = Queue(t, first, second)
    q.add("status", b"1", b"2")
    q("run", "--once")
    all_there(first, [b"1", b"2"])
    first.stop()
    q.add("status", b"3", b"4")
    q("run", "--once")
    all_there(second, [b"3", b"4"])
    equal(second.client_row(q.id())["missing"], 0, "missing at the second")
    first.start()
    q.point_at(first, second)
    q.add("status", b"5")
    q("run", "--once")
    all_there(first, [b"1", b"2", b"5"])
    row = first.client_row(q.id())
    equal((row["settled"], row["skipped"], row["missing"]), (6, 2, 0),
          "settled, skipped, missing at the first")


@test
def two_receivers_with_one_name_are_two(t):
    names = {"receiver": {"host": "cap"}}
    first, second = t.receiver(names), t.receiver(names)
    q = Queue(t, first)
    for n, r in enumerate([first, first, second, first, second], 1):
        q.point_at(r)
        q.add("status", b"%d" % n)
        q("run", "--once")
    all_there(first, [b"1", b"2", b"4"])
    all_there(second, [b"3", b"5"])
    for r, want in ((first, (5, 1, 0)), (second, (6, 1, 0))):
        row = r.client_row(q.id())
        equal((row["settled"], row["skipped"], row["missing"]), want, "settled, skipped, missing")
    equal([line[3] for line in q.sent_log()],
          ["cap/" + root_id(r) for r in (first, first, second, first, second)])


@test
def a_spool_from_a_backup_loses_nothing_and_is_seen(t):
    r = t.receiver()
    q = Queue(t, r)
    q.add("status", b"1", b"2")
    q("run", "--once")
    backup = q.spool + ".backup"
    shutil.copytree(q.spool, backup)
    q.add("status", b"three", b"four")
    q("run", "--once")
    equal((r.client_row(q.id())["reused"], r.metric("inboxd_numbers_reused_total")), (0, 0))
    shutil.rmtree(q.spool)
    os.rename(backup, q.spool)
    # 3 with other bytes, 4 with the same, 5 for the first time.
    equal(sorted(q.add("status", b"other", b"four", b"five")), [3, 4, 5], "numbers")
    q("run", "--once")
    all_there(r, [b"1", b"2", b"three", b"four", b"other", b"four", b"five"])
    equal(r.metric("inboxd_numbers_reused_total"), 2)
    for n in (3, 4):
        contains(r.log(), "event=number_reused client=pc1.example.org queue=%s n=%d " % (q.id(), n))
    row = r.client_row(q.id())
    equal((row["settled"], row["stored"], row["reused"], row["missing"]), (6, 7, 2, 0))
    for end in (r.kill, r.stop):
        end()
        r.start()
        equal(r.client_row(q.id())["reused"], 2, "after a restart")


def root_id(r):
    with open(os.path.join(r.root, "id"), encoding="ascii") as file:
        return file.read().rstrip("\n")


@test
def what_a_root_from_a_backup_lacks_is_a_gap(t):
    r = t.receiver()
    q = Queue(t, r)
    q.add("status", b"1", b"2")
    q("run", "--once")
    r.stop()
    backup = r.root + ".backup"
    shutil.copytree(r.root, backup)
    r.start()
    q.point_at(r)
    q.add("status", b"3", b"4", b"5")
    q("run", "--once")
    r.stop()
    shutil.rmtree(r.root)
    os.rename(backup, r.root)
    r.acks = [ack for ack in r.acks if os.path.exists(r.path(ack[0], ack[1]))]
    r.start()
    q.point_at(r)
    q.add("status", b"6")
    q("run", "--once")
    all_there(r, [b"1", b"2", b"6"])
    row = r.client_row(q.id())
    equal((row["settled"], row["skipped"], row["missing"]), (7, 0, 3), "settled, skipped, missing")
    contains(r.log(here=True), "event=gap client=pc1.example.org queue=%s from=3 to=5" % q.id())


@test
def many_items_stored_elsewhere_are_told_within_what_a_server_remembers(t):
    first = t.receiver({"limits": {"unsettled": "100"}})
    second = t.receiver({"receiver": {"host": "cap2"}})
    q = Queue(t, first)
    q.add("status", b"first")
    q("run", "--once")
    q.point_at(second)
    q.add("status", *[b"%d" % n for n in range(900)])
    q("run", "--once")
    q.point_at(first)
    q.add("status", b"last")
    q("run", "--once")
    row = first.client_row(q.id())
    equal((row["settled"], row["skipped"], row["missing"]), (903, 900, 0),
          "settled, skipped, missing")


def need_localhost():
    try:
        found = {address[4][0] for address in socket.getaddrinfo("localhost", None)}
    except OSError:
        found = set()
    if "127.0.0.1" not in found:
        raise Skip("localhost is no name of 127.0.0.1 here")


@test
def server_is_found_by_its_name(t):
    need_localhost()
    server = t.pki.good("server", "localhost")
    r = t.receiver({"tls": {"certificate": server.cert, "key": server.key}})
    q = Queue(t, r, servers=["localhost:%d" % r.port])
    q.add("status", b"by name")
    q("run", "--once")
    all_there(r, [b"by name"])


@cases([("a name", "localhost", need_localhost), ("an address", "127.0.0.1", lambda: None)])
def server_whose_certificate_is_for_another_is_not_trusted(t, host, need):
    need()
    other = t.pki.good("server", "other.example.org")
    r = t.receiver({"tls": {"certificate": other.cert, "key": other.key}})
    q = Queue(t, r, servers=["%s:%d" % (host, r.port)])
    q.add("status", b"secret")
    done = q("run", "--once", expect=None)
    equal(done.returncode, TEMPFAIL, "exit code")
    equal(q.numbers(), [1])
    equal(r.files("status"), [])
    equal(r.balance()[0], 0, "items offered")


@test
def spoilt_item_is_not_deleted(t):
    """The copy on the client's disk went bad: never stored, never lost from sight."""
    r = t.receiver()
    q = Queue(t, r)
    q.add("status", b"spoilt bytes", b"good")
    path = os.path.join(q.spool, "queue", "%020d" % 1)
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    q("run", "--once", expect=None)
    all_there(r, [b"good"])
    equal(q.numbers() + q.numbers("failed"), [1])


def set_aside_and_the_rest_stored(r, q, bad, rest):
    all_there(r, rest)
    equal((q.numbers(), q.numbers("failed")), ([], bad), "queue/ and failed/")
    row = r.client_row(q.id())
    equal((row["skipped"], row["missing"]), (len(bad), 0), "skipped and missing")


@test
def item_that_cannot_be_opened_is_set_aside_and_others_go_on(t):
    r = t.receiver()
    q = Queue(t, r)
    q.add("status", b"1", b"2", b"3")
    for n, spoil in ((1, lambda path: os.symlink(q.conf, path)), (2, os.mkdir)):
        path = os.path.join(q.spool, "queue", "%020d" % n)
        os.unlink(path)
        spoil(path)
    q("run", "--once", expect=SET_ASIDE)
    set_aside_and_the_rest_stored(r, q, [1, 2], [b"3"])
    for n in (1, 2):
        with open(os.path.join(q.spool, "failed", "%020d.reason" % n), encoding="ascii") as file:
            contains(file.read(), "damaged")


@test
def item_that_cannot_leave_the_queue_stays_and_others_go_on(t):
    r = t.receiver()
    q = Queue(t, r)
    q.add("nosuch", b"refused")
    q.add("status", b"2", b"3", b"4")
    other = os.path.join(q.spool, "failed", "%020d" % 1)
    with open(other, "wb") as file:
        file.write(b"another item of that number")
    for _ in range(2):  # it is tried again by each session
        done = q("run", "--once", expect=TEMPFAIL)
        contains(done.stderr, "event=item_stuck n=1 ")
        equal((q.numbers(), q.numbers("failed")), ([1], [1]), "queue/ and failed/")
        row = r.client_row(q.id())
        equal((row["settled"], row["skipped"]), (1, 0), "settled and skipped")
    equal(file_digest(other), sha256(b"another item of that number"))
    os.unlink(other)
    q("run", "--once", expect=SET_ASIDE)
    set_aside_and_the_rest_stored(r, q, [1], [b"2", b"3", b"4"])


@test
def refused_item_that_a_power_failure_left_in_both_folders_is_set_aside(t):
    r = t.receiver()
    q = Queue(t, r)
    q.add("nosuch", b"refused")
    q.add("status", b"2", b"3")
    os.link(*(os.path.join(q.spool, part, "%020d" % 1) for part in ("queue", "failed")))
    q("run", "--once", expect=SET_ASIDE)
    set_aside_and_the_rest_stored(r, q, [1], [b"2", b"3"])


@test
def queue_that_could_not_be_looked_at_is_not_said_to_be_empty(t):
    """The disk is full when the spool is synced before the first session."""
    r = t.receiver()
    q = Queue(t, servers=["127.0.0.1:1"])
    q.add("status", b"kept")
    q("run", "--once", expect=TEMPFAIL)  # the machine is noted, which is a sync more
    q.point_at(r)
    done = t.run([INBOXQ, "run", "-c", q.conf, "--once"],
                 env={**SHIMMED, "FAULT": "fsync:2:ENOSPC:once"})
    contains(done.stderr, "event=spool_trouble in=scan")
    equal(done.returncode, TEMPFAIL, "exit code")
    equal(r.json("/clients")["clients"], [], "what the receiver was told")
    q("run", "--once")
    all_there(r, [b"kept"])


# ---- crashes

@test
def receiver_killed_in_the_middle_of_a_run_has_each_item_once_in_the_end(t):
    r = t.receiver()
    q = Queue(t, r)
    items = q.add("status", *[t.bytes(t.random.randrange(20000)) for _ in range(500)])
    r.consumed = True
    for _ in range(3):
        run = run_in_background(t, q, "--once")
        files = len(r.files("status"))
        until(lambda n=files: run.poll() is not None or len(r.files("status")) > n + 40)
        r.process.kill()
        r.wait_end(-signal.SIGKILL)
        run.wait(bound(60))
        r.start()
        q.point_at(r)
    q("run", "--once")
    said(q)
    equal(q.numbers(), [])
    all_there(r, items.values())


@test
def client_killed_in_the_middle_of_a_run_sends_each_item_once(t):
    r = t.receiver()
    q = Queue(t, r)
    items = q.add("status", *[t.bytes(t.random.randrange(20000)) for _ in range(500)])
    for _ in range(3):
        run = run_in_background(t, q, "--once")
        files = len(r.files("status"))
        until(lambda n=files: run.poll() is not None or len(r.files("status")) > n + 40)
        run.kill()
        run.wait(bound(60))
    q("run", "--once")
    said(q)
    equal(q.numbers(), [])
    all_there(r, items.values())
    equal(r.client_row(q.id())["missing"], 0)


@test
def item_leaves_the_queue_only_after_its_ack(t):
    """Whatever is not in queue/ is in new/, at every moment."""
    r = t.receiver()
    q = Queue(t, r)
    items = q.add("status", *[b"item %d" % n for n in range(1, 301)])
    run = run_in_background(t, q, "--once")
    while run.poll() is None:
        left = set(q.numbers())
        there = {file_digest(r.path("status", name)) for name in r.files("status")}
        for n, data in items.items():
            assert n in left or sha256(data) in there, "item %d is nowhere" % n
    equal(run.returncode, 0, said(q))


@test
def running_queue_takes_what_is_added_and_ends_on_sigterm(t):
    r = t.receiver()
    q = Queue(t, r)
    q.add("status", b"first")
    run = run_in_background(t, q)
    until(lambda: len(r.files("status")) == 1, 10, "the first item")
    q.add("status", b"second")
    until(lambda: len(r.files("status")) == 2, 40, "the item added meanwhile")
    second = t.run([INBOXQ, "run", "-c", q.conf, "--once"])
    assert second.returncode != 0, "two runs on one spool"
    run.send_signal(signal.SIGTERM)
    equal(run.wait(bound(20)), 0, "exit code; " + said(q))
    equal(q.numbers(), [])


@test
def server_that_sends_us_away_is_left_alone_so_long(t):
    """Between two whole seconds GOAWAY's time may be short by one; a retry takes one."""
    hellos = []

    def odd(c, line):
        if line.startswith("HELLO"):
            hellos.append(time.monotonic())
        if line.startswith("PUT") and len(hellos) == 1:
            c.deal_with(line)
            c.say("GOAWAY 5 crowded")
            time.sleep(0.5)  # a reset would overtake it
            raise Cut
        return False
    fake = FakeReceiver(t, odd)
    q = Queue(t, fake)
    run = run_in_background(t, q)
    q.add("status", b"first")
    until(lambda: hellos and not q.numbers(), 10, "the first item")
    q.add("status", b"second")
    until(lambda: len(fake.stored) == 2, 40, "the second item")
    run.send_signal(signal.SIGTERM)
    equal(run.wait(bound(20)), 0, "exit code; " + said(q))
    equal((len(hellos), fake.wrong), (2, []), "sessions")
    assert hellos[1] - hellos[0] >= 4, hellos


@test
def running_queue_survives_a_restart_of_the_receiver(t):
    r = t.receiver({"receiver": {"listen": "127.0.0.1:0"}})
    r.sections["receiver"]["listen"] = "127.0.0.1:%d" % r.port
    r.write_conf()
    q = Queue(t, r)
    q.add("status", b"1")
    run = run_in_background(t, q)
    until(lambda: len(r.files("status")) == 1, 10, "the first item")
    r.stop()
    q.add("status", b"2")
    r.start()
    until(lambda: len(r.files("status")) == 2, 40, "the item added while it was away")
    run.send_signal(signal.SIGTERM)
    equal(run.wait(bound(20)), 0, said(q))
    all_there(r, [b"1", b"2"])


# ---- reload

@test
def running_queue_takes_a_renewed_certificate_and_keeps_what_it_has_from_a_bad_one(t):
    r = t.receiver()
    q = Queue(t, r)
    q.pair = Pair(os.path.join(q.folder, "own.crt"), os.path.join(q.folder, "own.key"))

    def install(who):
        for source, target in zip(t.pki.client(who), q.pair):
            shutil.copy(source, target)

    def hang_up(event, count=1):
        run.send_signal(signal.SIGHUP)
        until(lambda: said(q).count("event=" + event) == count or run.poll() is not None, 15,
              event)
        equal(run.poll(), None, "exit code; " + said(q))

    def add(data, who):
        """One more item, stored under the identity of `who`."""
        count = len(r.files("status")) + 1
        q.add("status", data)
        until(lambda: len(r.files("status")) == count, 20, "item %d" % count)
        names = [name for name in r.files("status") if file_digest(r.path("status", name)) ==
                 sha256(data)]
        assert who in names[0], "%s is not of %s" % (names, who)

    install("pc1.example.org")
    q.point_at(r)
    run = run_in_background(t, q)
    add(b"before", "pc1")
    install("pc2.example.org")
    hang_up("reloaded")
    add(b"renewed", "pc2")
    assert "session_lost" not in said(q), "the old session did not end in order: " + said(q)
    # The configuration breaks, the spool moves, the certificate goes: each is told.
    good = q.spool
    sessions = said(q).count("event=session_ready")
    q.keys["retry-mim"] = "1s"
    q.point_at(r)
    hang_up("reload_failed", 1)
    contains(said(q), "retry-mim")
    del q.keys["retry-mim"]
    q.spool = good + "2"
    q.point_at(r)
    hang_up("reload_failed", 2)
    contains(said(q), "[queue] spool")
    q.spool = good
    q.point_at(r)
    os.unlink(q.pair.cert)
    hang_up("reload_failed", 3)
    contains(said(q).split("event=reload_failed")[3], "own.crt")
    add(b"kept", "pc2")
    equal(said(q).count("event=session_ready"), sessions, "sessions after failed reloads")
    # What was mended is taken.
    install("pc1.example.org")
    hang_up("reloaded", 2)
    add(b"mended", "pc1")
    run.send_signal(signal.SIGTERM)
    equal(run.wait(bound(20)), 0, said(q))
    all_there(r, [b"before", b"renewed", b"kept", b"mended"])


# ---- the spool and the configuration

@test
def configuration_errors_are_told_with_their_lines(t):
    q = Queue(t, servers=["127.0.0.1:1"])
    with open(q.conf, "w", encoding="ascii") as file:
        file.write("[queue]\nspol = /x\n[server]\nservers = :::, a..b\nretry-min = never\n")
    done = q("list", expect=78)
    for part in (":2:", "spool", ":4:", ":5:"):
        contains(done.stderr, part)
    equal(q("check", expect=78).stderr, done.stderr)


@test
def check_tells_what_a_start_or_a_reload_would(t):
    q = Queue(t, servers=["127.0.0.1:1"])
    equal(q("check").stdout, q.conf + ": fine\n")
    assert not os.path.exists(q.spool), "it makes no spool"
    good = q.pair
    for pair, code, reason in (
            (t.pki.odd("expired"), 75, "was valid until"),
            (type(good)(good.cert, t.pki.client("other").key), 75, "is not the key of"),
            (type(good)(good.key, good.key), 78, "holds no certificate")):
        q.pair = pair
        q.point_at(servers=["127.0.0.1:1"])
        contains(q("check", expect=code).stderr, reason)


@test
def what_time_mends_ends_with_the_code_that_is_tried_again(t):
    q = Queue(t, servers=["127.0.0.1:1"])
    good, q.pair = q.pair, t.pki.odd("expired")
    q.point_at(servers=["127.0.0.1:1"])
    contains(q("run", "--once", expect=75).stderr, "was valid until Jan  2 00:00:00 2020")
    q.pair = type(good)(good.cert + ".later", good.key)
    q.point_at(servers=["127.0.0.1:1"])
    contains(q("run", "--once", expect=75).stderr, "No such file")
    q.pair = type(good)(good.key, good.key)
    q.point_at(servers=["127.0.0.1:1"])
    contains(q("run", "--once", expect=78).stderr, "holds no certificate")


@test
def spool_that_it_may_not_write_to_is_told(t):
    if os.geteuid() == 0:
        raise Skip("root may write anywhere")
    q = Queue(t, servers=["127.0.0.1:1"])
    os.mkdir(q.spool, 0o500)
    for command in (["run"], ["add", "-i", "status", q.conf]):
        contains(q(*command, expect=77).stderr, "tmp: Permission denied")


@test
def queue_id_is_made_once(t):
    q = Queue(t, servers=["127.0.0.1:1"])
    q.add("status", b"x")
    first = q.id()
    assert re.fullmatch("[0-9a-f]{32}", first), first
    q.add("status", b"y")
    equal(q.id(), first)


@test
def usage_is_told(t):
    for arguments in ([], ["nonsense"], ["add"], ["run", "surplus"], ["remove"],
                      ["list", "--all"]):
        equal(t.run([INBOXQ, *arguments]).returncode in (64, 78), True, repr(arguments))
    q = Queue(t, servers=["127.0.0.1:1"])
    q("add", q.conf, "-i", "status")  # options may stand behind
    q("add", "-i", "status", "--", q.conf)
    equal(q.numbers(), [1, 2])
    equal(t.run([INBOXQ, "-V"]).returncode, 0)
    equal(t.run([INBOXQ, "-h"]).returncode, 0)


if __name__ == "__main__":
    main()
