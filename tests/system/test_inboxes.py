#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What an administrator sees of each inbox, and how it is held up: by what waits there, or by hand.

Items that an inbox does not take stay with their clients, told LATER, and those of other inboxes go
on; whatever happens meanwhile, each item is stored once or still with its client (P4, P5, P6).
"""

import os
import time

from harness import equal, main, test, until


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
    r.process.send_signal(1)
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


main()
