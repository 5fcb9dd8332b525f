#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What an administrator sees of each inbox, and how it is held up: by what waits there, or by hand.

Items that an inbox does not take stay with their clients, told LATER, and those of other inboxes go
on; whatever happens meanwhile, each item is stored once or still with its client (P4, P5, P6).
"""

import os
import signal
import socket
import subprocess
import threading
import time

from copyqueue import Queue, all_there, end_run, run_in_background, said
from harness import INBOXCTL, SHIMMED, contains, equal, main, test, until


def row(r, inbox="status"):
    """What /inboxes says of one."""
    return next(one for one in r.json("/inboxes")["inboxes"] if one["name"] == inbox)


def counted(r, want, key="waiting", inbox="status"):
    """Waits until a count shows so much; the row."""
    return until(lambda: (lambda now: now[key] == want and now)(row(r, inbox)), 20,
                 "%s of inbox %s to be %r" % (key, inbox, want))


def take_all(r, inbox="status", part=None):
    """As a consumer: takes what waits there."""
    r.consumed = True
    names = r.files(inbox)[:part]
    for name in names:
        r.acks = [ack for ack in r.acks if ack[1] != name]
        os.unlink(r.path(inbox, name))
    return len(names)


# ---- figures

@test
def each_inbox_tells_what_waits_what_is_claimed_and_what_came(t):
    r = t.receiver()
    started = int(time.time())
    equal((row(r)["stored_total"], row(r)["last_stored"]), (0, None))
    c = r.client(hello=t.queue())
    for n, inbox in enumerate(("status", "status", "reports", "status"), 1):
        c.put(n, inbox, n * b"x")
    names = [c.stored(n).name for n in range(1, 5)]
    os.rename(r.path("status", names[0]), r.path("status", names[0], "cur"))
    now = counted(r, 2)
    equal((now["waiting_bytes"], now["claimed"], now["claimed_bytes"]), (6, 1, 1))
    equal((now["stored_total"], now["stored_bytes_total"]), (3, 7))
    assert started <= now["last_stored"] <= time.time(), now
    equal((now["limit_items"], now["limit_bytes"], now["over_limit"]), (None, None, False))
    equal(row(r, "reports")["stored_bytes_total"], 3)
    label = 'inbox="status"'
    for name, want in (("waiting", 2), ("waiting_bytes", 6), ("claimed", 1), ("claimed_bytes", 1),
                       ("stored_total", 3), ("stored_bytes_total", 7), ("over_limit", 0)):
        equal(r.metrics().get(("inboxd_inbox_" + name, label)), want, name)
    equal(r.metrics().get(("inboxd_inbox_waiting_limit", label)), None)
    # A reload changes the configuration, and not what came.
    r.inboxes["status"]["waiting-items"] = "1000"
    reload(r)
    now = counted(r, 2)
    equal((now["stored_total"], now["limit_items"]), (3, 1000))
    c.put(5, "status", b"again")
    c.stored(5)
    equal(row(r)["stored_total"], 4)
    r.consumed = True


def reload(r):
    r.write_conf()
    before = r.json("/status")["counters"]["inboxd_reloads_total"]
    r.process.send_signal(signal.SIGHUP)
    until(lambda: r.json("/status")["counters"]["inboxd_reloads_total"] > before, 10, "a reload")


# ---- bounds

@test
def an_inbox_that_is_full_puts_off_its_own_items_alone(t):
    r = t.receiver(inboxes={"status": {"waiting-items": "20"}, "reports": {}})
    c = r.client(hello=t.queue())
    for n in range(1, 31):
        c.put(n, "status", b"%d" % n)
        c.put(100 + n, "reports", b"%d" % n)
    answers = [c.answer(n) for n in range(1, 31)]
    equal([line.verb for line in answers], 20 * ["STORED"] + 10 * ["LATER"])
    equal({line.code for line in answers[20:]}, {"inbox-full"})
    assert all(30 <= line.seconds <= 90 for line in answers[20:]), answers
    equal([c.answer(100 + n).verb for n in range(1, 31)], 30 * ["STORED"])
    equal(row(r)["over_limit"], True)
    equal(r.metrics()["inboxd_inbox_over_limit", 'inbox="status"'], 1)
    equal(r.metrics()["inboxd_inbox_over_limit", 'inbox="reports"'], 0)
    equal(r.items("later", "inbox-full"), 10)
    # One that it knows is answered by its name all the same.
    c.put(7, "status", b"7")
    equal(c.answer(7).get("again"), "1")
    # A consumer makes room, but not enough; then more.
    equal(take_all(r, part=1), 1)
    counted(r, 19)
    c.put(21, "status", b"21")
    equal(c.answer(21).code, "inbox-full")
    equal(take_all(r, part=1), 1)
    until(lambda: not row(r)["over_limit"], 20, "room")
    for n in (21, 22, 23):
        c.put(n, "status", b"%d" % n)
    equal([c.answer(n).verb for n in (21, 22, 23)], ["STORED", "STORED", "LATER"])
    log = r.log()
    equal((log.count("event=inbox_over_limit"), log.count("event=inbox_has_room")), (2, 1))


@test
def room_is_seen_without_being_asked_for(t):
    r = t.receiver(inboxes={"status": {"waiting-bytes": "1000"}})
    c = r.client(hello=t.queue())
    for n in range(1, 5):
        c.put(n, "status", 300 * b"x" + b"%d" % n)
    equal([c.answer(n).verb for n in range(1, 5)], 3 * ["STORED"] + ["LATER"])
    c.put(5, "status", 97 * b"y")  # this one has room beside them
    c.stored(5)
    c.put(6, "status", b"y")
    equal(c.answer(6).code, "inbox-full")
    take_all(r)
    # Nobody asks for /inboxes: the survey does it by itself, sooner than once a minute.
    r.wait_log(r"event=inbox_has_room inbox=status waiting=0 ", 20)
    c.put(4, "status", b"z")
    c.stored(4)
    c.put(6, "status", 5000 * b"z")
    equal(c.answer(6).verb, "LATER")  # larger than all that may wait: when nothing does
    take_all(r)
    counted(r, 0)
    c.put(6, "status", 5000 * b"z")
    c.stored(6)


@test
def large_items_are_asked_for_before_their_bytes_and_not_again(t):
    r = t.receiver({"limits": {"inline": "1K"}}, {"dumps": {"waiting-items": "2"}})
    c = r.client(hello=t.queue())
    data = [t.bytes(5000) for _ in range(4)]
    for n in (1, 2, 3):  # none of them waits yet
        c.announce(n, "dumps", data[n], verb="OPEN")
        equal(c.answer(n).verb, "SEND")
    for n in (1, 2, 3):
        c.pieces(n, data[n])
        c.stored(n)
    c.announce(4, "dumps", data[0], verb="OPEN")
    equal(c.answer(4).code, "inbox-full")
    equal(len(r.files("dumps")), 3)


@test
def what_waited_before_a_start_counts(t):
    r = t.receiver(inboxes={"status": {"waiting-items": "3"}})
    c = r.client(hello=t.queue())
    for n in (1, 2, 3):
        c.put(n, "status", b"%d" % n)
        c.stored(n)
    c.quit()
    r.restart()
    counted(r, 3)
    c = r.client(hello=t.queue())
    c.put(1, "status", b"more")
    equal(c.answer(1).code, "inbox-full")
    # A reload with a higher bound is in force at the next count, which it brings.
    r.inboxes["status"]["waiting-items"] = "4"
    reload(r)
    until(lambda: not row(r)["over_limit"], 20, "room")
    c.put(1, "status", b"more")
    c.stored(1)


# ---- pauses

def ctl(t, r, *arguments, code=0):
    run = t.run([INBOXCTL, "-s", r.socket, *arguments])
    equal(run.returncode, code, "exit code; %s%s" % (run.stdout, run.stderr))
    return run.stdout if code == 0 else run.stderr


def marker(r, *inbox):
    return os.path.join(r.root, *inbox, "paused")


@test
def a_paused_inbox_puts_off_its_own_items_alone(t):
    r = t.receiver()
    c = r.client(hello=t.queue())
    c.put(1, "status", b"before")
    name = c.stored(1).name
    equal(ctl(t, r, "pause", "status", "--reason", "a new disk, f\u00fcr \"all\""),
          "status: paused (a new disk, f\u00fcr \"all\"); items are told LATER\n")
    before = row(r)
    equal(before["paused"]["reason"], "a new disk, f\u00fcr \"all\"")
    equal((before["paused"]["uid"], before["paused_all"]), (os.getuid(), False))
    assert time.time() - 60 < before["paused"]["since"] <= time.time(), before
    c.put(2, "status", b"held")
    line = c.answer(2)
    equal((line.verb, line.code, line.text), ("LATER", "paused", "inbox status is paused"))
    assert 30 <= line.seconds <= 90, line
    c.put(3, "reports", b"goes on")
    c.stored(3)
    # What is known is answered by its name.
    c.put(1, "status", b"before")
    equal(c.stored(1).name, name)
    equal(r.items("later", "paused"), 1)
    equal(r.metrics()["inboxd_inbox_paused", 'inbox="status"'], 1)
    since = {label: value for (name, label), value in r.metrics().items()
             if name == "inboxd_inbox_paused_timestamp_seconds"}
    equal(since, {'inbox="status"': before["paused"]["since"]})
    equal(r.metrics()["inboxd_inbox_paused", 'inbox="reports"'], 0)
    equal((r.gauge("paused"), r.json("/status")["state"]), (0, "running"))
    # A second pause changes nothing, not even who and when.
    contains(ctl(t, r, "pause", "status", "--reason", "another"), "paused already (a new disk")
    equal(row(r)["paused"], before["paused"])
    equal(ctl(t, r, "resume", "status"), "status: items are taken again\n")
    equal(ctl(t, r, "resume", "status"), "status: is not paused\n")
    equal(row(r)["paused"], None)
    c.put(2, "status", b"held")
    c.stored(2)
    equal(os.path.exists(marker(r, "status")), False)


@test
def a_pause_of_all_outlasts_reload_restart_and_kill(t):
    r = t.receiver()
    contains(ctl(t, r, "pause", "--reason", "moving"), "all inboxes: paused (moving)")
    ctl(t, r, "pause", "reports")

    def is_held():
        equal((r.json("/status")["state"], r.gauge("paused")), ("paused", 1))
        equal((row(r)["paused"]["reason"], row(r)["paused_all"]), ("moving", True))
        equal(r.gauge("paused_timestamp_seconds"), row(r)["paused"]["since"])
        c = r.client(hello=t.queue())
        for n, inbox in enumerate(("status", "reports"), 1):
            c.put(n, inbox, b"x")
            equal(c.answer(n).code, "paused")
        c.quit()
    is_held()
    reload(r)
    is_held()
    r.restart()
    is_held()
    r.wait_log(r"event=paused inbox=\* since=\d+ uid=%d reason=\"moving\"" % os.getuid())
    r.kill()
    r.start()
    is_held()
    run = r.run("-t")
    equal(run.returncode, 0)
    contains(run.stderr, 'event=paused inbox=* since=')
    contains(run.stderr, 'event=paused inbox=reports since=')
    contains(ctl(t, r, "resume", "status"), "status: items are told LATER still")
    contains(ctl(t, r, "resume"), "all inboxes: items are taken again")
    equal((r.json("/status")["state"], r.gauge("paused")), ("running", 0))
    equal(r.gauge("paused_timestamp_seconds"), 0)
    c = r.client(hello=t.queue())
    c.put(1, "status", b"x")
    c.stored(1)
    c.put(2, "reports", b"x")  # this one has a pause of its own
    equal(c.answer(2).code, "paused")
    ctl(t, r, "resume", "reports")
    r.kill()
    r.start()
    equal((row(r)["paused"], row(r, "reports")["paused"]), (None, None))


@test
def large_items_on_their_way_keep_what_has_come(t):
    r = t.receiver({"limits": {"inline": "1K"}}, {"dumps": {"size": "1M"}, "status": {}})
    queue = t.queue()
    c = r.client(hello=queue)
    data = t.bytes(300000)
    c.announce(1, "dumps", data, verb="OPEN")
    equal(c.answer(1).offset, 0)
    c.pieces(1, data, 0, 100000, size=50000)
    c.put(2, "status", b"small")  # answered behind the pieces
    c.stored(2)
    c.announce(3, "status", b"0123456789")  # its bytes do not come
    c.post(b"01234")
    ctl(t, r, "pause")
    # Nobody says a word, and nothing stays under way.
    equal(c.answer(1).code, "paused")
    equal(c.answer(3).code, "paused")
    until(lambda: r.balance()[1]["in_flight"] == 0, 10, "nothing to be in flight")
    c.post(b"56789")  # nobody's
    c.pieces(1, data, 100000, 150000)  # these had been on their way
    c.announce(1, "dumps", data, verb="OPEN")
    equal(c.answer(1).code, "paused")
    r.restart()
    ctl(t, r, "resume")
    c = r.client(hello=queue)
    c.announce(1, "dumps", data, verb="OPEN")
    equal(c.answer(1).offset, 100000)
    c.pieces(1, data, 100000)
    c.stored(1)
    equal(r.read("dumps", r.acks[-1][1]), data)


@test
def a_pause_that_cannot_be_kept_is_none(t):
    r = t.receiver()
    os.mkdir(marker(r, "status"))
    contains(ctl(t, r, "pause", "status", code=74), "nothing is paused")
    r.wait_log(r"event=pause_failed inbox=status ")
    equal(row(r)["paused"], None)
    c = r.client(hello=t.queue())
    c.put(1, "status", b"x")
    c.stored(1)
    os.rmdir(marker(r, "status"))
    # A hand may pause, too; what it wrote need not be ours.
    with open(marker(r, "status"), "w", encoding="ascii") as file:
        file.write("for lunch\n")
    os.chmod(marker(r, "status"), 0o600)
    made = os.stat(marker(r, "status"))
    reload(r)
    equal(row(r)["paused"], {"since": int(made.st_mtime), "uid": made.st_uid, "reason": None})
    # Since when it is there: so one that was forgotten shows.
    equal(r.metrics()["inboxd_inbox_paused_timestamp_seconds", 'inbox="status"'],
          int(made.st_mtime))
    c.put(2, "status", b"x")
    equal(c.answer(2).code, "paused")
    ctl(t, r, "resume", "status")
    c.put(2, "status", b"x")
    c.stored(2)


@test
def wishes_that_are_none_are_told_so(t):
    r = t.shared()
    contains(ctl(t, r, "pause", "nobody", code=66), "inboxctl: nobody: there is no such inbox")
    contains(ctl(t, r, "resume", "nobody", code=66), "no such inbox")
    contains(ctl(t, r, "pause", "../status", code=64), "an inbox's name")
    contains(ctl(t, r, "pause", "a", "b", code=64), "one at a time")
    contains(ctl(t, r, "pause", "--reason", "two\nlines", code=76), "reason= wants a text")
    contains(ctl(t, r, "pause", "--reason", 256 * "x", code=76), "reason= wants a text")
    contains(ctl(t, r, "drain", "--timeout", "1y", code=64), "want a time")
    equal(r.json("/status")["state"], "running")
    run = t.receiver(inboxes={"paused": {}}, start=False, make=False).run("-t")
    contains(run.stderr, "the receiver itself uses")


@test
def a_drain_waits_for_what_is_under_way_and_loses_nothing(t):
    r = t.receiver()
    q = Queue(t, r)
    items = q.add("status", *[b"%d" % n for n in range(2000)])
    run = run_in_background(t, q)
    until(lambda: r.items("stored") > 20, 20, "some items to be stored")
    text = ctl(t, r, "drain")
    contains(text, "all inboxes: paused (drain)")
    contains(text, "drained: ")
    equal((r.balance()[1]["in_flight"], r.gauge("unpublished_items")), (0, 0))
    stored = r.items("stored")
    assert stored < len(items), "all had come before the drain"
    equal(len(r.files("status", now=True)), stored)
    r.kill()  # as a power cut of the host
    equal(len(os.listdir(os.path.join(r.root, "status", "new"))), stored)
    r.start()
    equal(len(r.files("status")), stored)
    end_run(run, q)
    equal(len(q.numbers()) + stored, len(items), "items with the client or stored")
    contains(said(q), "paused")
    ctl(t, r, "resume")
    q.point_at(r)
    q("run", "--once")
    all_there(r, items.values())
    contains(ctl(t, r, "drain", "--reason", "again"), "paused (again)")


@test
def a_drain_that_takes_too_long_says_so_and_stays_paused(t):
    arm = os.path.join(t.folder, "arm")
    r = t.receiver(env={**SHIMMED, "FAULT_ARM": arm, "FAULT": "fdatasync@journal:1:4000ms:once"})
    c = r.client(hello=t.queue())
    open(arm, "w", encoding="ascii").close()
    c.put(1, "status", b"slow")
    until(lambda: r.balance()[1]["in_flight"] == 1, 5, "an item to be in flight")
    contains(ctl(t, r, "drain", "--timeout", "1s", code=75), "not drained in time")
    equal(r.json("/status")["state"], "paused")
    # What had come before the pause is stored; a second try sees the end of it.
    contains(ctl(t, r, "drain", "--timeout", "20s"), "drained: ")
    c.stored(1)
    ctl(t, r, "resume")


@test
def pauses_under_load_lose_nothing(t):
    """Pause and resume, again and again, a kill among it: each item is stored once."""
    r = t.receiver()
    r.others = True
    names, lock, errors = {}, threading.Lock(), []
    stop = threading.Event()

    def send(who):
        """Items one after the other, each until it is stored; a new connection as it must."""
        queue, n = t.queue(), 1
        c = None
        while not stop.is_set() or n % 10:
            try:
                if c is None:
                    c = r.client("pc%d.example.org" % who, hello={"queue": queue, "settled": n},
                                 timeout=10)
                data = b"%d %d" % (who, n)
                c.put(n, "status" if n % 2 else "reports", data)
                line = c.answer(n)
                if line.verb == "STORED":
                    with lock:
                        names[line.name] = data
                    n += 1
                elif line.code != "paused":
                    errors.append(line)
                    return
                else:
                    time.sleep(0.02)
            except OSError:
                c = None
                time.sleep(0.1)
            except Exception as error:  # the receiver was killed
                c = None
                time.sleep(0.1)
                if "REFUSED" in str(error):
                    errors.append(error)
                    return
    senders = [threading.Thread(target=send, args=(who,)) for who in range(4)]
    for sender in senders:
        sender.start()
    try:
        for turn in range(12):
            what = ("pause", "status") if turn % 3 else ("pause",)
            ctl(t, r, *what)
            time.sleep(0.05)
            if turn in (4, 9):
                r.kill()
                r.start()
                equal(row(r)["paused"] is not None, True)
            ctl(t, r, "resume", *what[1:])
            time.sleep(0.1)
    finally:
        stop.set()
        for sender in senders:
            sender.join(60)
    equal(errors, [])
    assert len(names) > 40, len(names)
    there = {name: inbox for inbox in ("status", "reports") for name in r.files(inbox)}
    for name, data in names.items():
        equal(r.read(there[name], name), data, "the bytes of " + name)
    found = sorted(r.read(inbox, name) for name, inbox in there.items())
    equal(len(found), len(set(found)), "items that are there once")
    r.acks = []


@test
def who_got_no_answer_is_told_that_it_may_be_done(t):
    """What a receiver that hung has in its socket, it does when it goes on."""
    path = os.path.join(t.folder, "mute.sock")
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(path)
        mute.listen(1)
        child = subprocess.Popen([INBOXCTL, "-s", path, "pause", "status"], text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        mute.settimeout(20)
        connection = mute.accept()[0]
        contains(connection.recv(4096).decode(), "POST /pause ")
        connection.close()
        shown, complaint = child.communicate(timeout=30)
    equal((child.returncode, shown), (76, ""))
    contains(complaint, "it may be done all the same")
    done = t.run([INBOXCTL, "-s", path + "x", "pause", "status"])
    equal(done.returncode, 69)
    assert "done" not in done.stderr, done.stderr


main()
