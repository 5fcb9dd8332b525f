#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Queues are forgotten when they are settled and unseen, and nothing is lost by it.

Machines that are gone make room, by age or where room is short; one with items that it may send
again never does, but by an administrator's word.  One that comes back after all is served as
before: nothing shows as missing, and nothing is stored twice, whatever ended in between.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile

from copyqueue import Queue, all_there
from harness import INBOXCTL, Skip, Unix, contains, equal, main, test, until
from made import Made, ledger, lines_of, write_lines

METRIC = "inboxd_queues_forgotten_total"
NOBODY = 65534


def forget(t, r, *arguments, code=0):
    run = t.run([INBOXCTL, "forget", "-s", r.socket, *arguments])
    equal(run.returncode, code, "exit code; %s%s" % (run.stdout, run.stderr))
    return run.stdout if code == 0 else run.stderr


def known(r):
    return sorted(row["identity"] for row in r.json("/clients")["clients"])


def reasons(t, r):
    """Why which queues were forgotten, as the ledger has it."""
    rows, _ = ledger(t, r.root, "--type", "queue")
    assert all(row["time"] == row["forgotten"] for row in rows if row["forgotten"]), rows
    return [(row["client"], row["reason"]) for row in rows if row["forgotten"]]


def settle_down(r, queue):
    """Waits until nobody speaks for it and all is in new/: then it rests, if it is settled."""
    until(lambda: not any(row["connected"] for row in r.json("/clients")["clients"]
                          if row["queue"] == queue), 10, "the client to be gone")
    r.at_rest()


def visit(r, who, queue, n=1, settle=True):
    """One item, and its answer; `n` is the number it has in the queue."""
    c = r.client(who, hello=(dict(queue=queue, settled=n)))
    c.put(n, "status", ("%s %d" % (who, n)).encode())
    line = c.stored(n)
    if settle:
        c.settled(n + 1)
    c.quit()
    settle_down(r, queue)
    return line


# ---- by room

@test
def machines_that_are_gone_make_room_the_one_unseen_for_longest_first(t):
    r = t.receiver({"limits": {"queues": "3"}})
    for i in range(1, 6):
        visit(r, "pc%d.example.org" % i, t.queue())
    equal(known(r), ["pc%d.example.org" % i for i in (3, 4, 5)])
    equal(r.metric(METRIC, 'reason="room"'), 2)
    equal(r.json("/status")["counters"][METRIC]["room"], 2)
    equal(r.gauge("queues"), 3)
    equal(reasons(t, r), [("pc1.example.org", "room"), ("pc2.example.org", "room")])
    r.wait_log(r"event=queue_forgotten client=pc1.example.org queue=[0-9a-f]{32} reason=room ")
    contains(t.run([INBOXCTL, "-s", r.socket, "status", "-v"]).stdout, 'queues_forgotten, room')
    text, _ = ledger(t, r.root, "--type", "queue", json_lines=False)
    contains(text, " reason=room\n")
    r.restart()
    equal(known(r), ["pc%d.example.org" % i for i in (3, 4, 5)])


@test
def who_is_connected_or_unsettled_makes_no_room(t):
    r = t.receiver({"limits": {"queues": "2", "forget": "1s"}})
    owed = t.queue()
    visit(r, "pc1.example.org", owed, settle=False)
    here = r.client("pc2.example.org", hello=t.queue())
    c = r.client("pc3.example.org")
    c.hello(t.queue(), wait=False)
    equal(c.expect("GOAWAY").code, "crowded")
    c.wait_close()
    here.ping()
    equal(known(r), ["pc1.example.org", "pc2.example.org"])
    here.quit()
    visit(r, "pc3.example.org", t.queue())
    # The item that was not settled is known still.
    equal(visit(r, "pc1.example.org", owed).get("again"), "1")


@test
def a_connection_that_is_heard_late_stores_nothing_again(t):
    """A client cut one and came back; its queue was forgotten when the first one is read."""
    r = t.receiver({"limits": {"queues": "1"}})
    queue = t.queue()
    old = r.client(handshake=False)
    name = visit(r, "pc1.example.org", queue).name
    visit(r, "pc2.example.org", t.queue())
    equal(known(r), ["pc2.example.org"])
    old.hello(queue, wait=False)
    old.put(1, "status", b"pc1.example.org 1")
    equal(old.expect("GOAWAY").code, "superseded")
    old.wait_close()
    equal(known(r), ["pc2.example.org"])
    equal(len(r.files("status")), 2)
    assert name in r.files("status")
    visit(r, "pc1.example.org", queue, n=2)


# ---- by age, and back

@test
def a_queue_unseen_for_long_is_forgotten_and_comes_back_as_if_it_had_not_been(t):
    r = t.receiver({"limits": {"forget": "2s"}, "receiver": {"ledger-size": "65536"}})
    q = Queue(t, r)
    sent = list(q.add("status", b"one", b"two").values())
    q("run", "--once")
    until(lambda: known(r) == [], 10, "the queue to be forgotten")
    equal(r.metric(METRIC, 'reason="age"'), 1)
    sent += q.add("status", b"three").values()
    q("run", "--once")
    equal(r.client_row(q.id())["settled"], 4)
    for end in ("restart", "rotation", "kill"):
        until(lambda: known(r) == [], 10, "the queue to be forgotten again")
        if end == "rotation":
            c = r.client("pc2.example.org", hello=t.queue())
            for n in range(1, 500):
                c.settled(n * 10)
                c.ping()
            r.wait_log(r"event=ledger_rotated ")
            c.close()
        elif end == "kill":
            r.kill()
            r.start()
        else:
            r.restart()
        q.point_at(r)
        sent += q.add("status", end.encode()).values()
        q("run", "--once")
        row = r.client_row(q.id())
        equal((row["settled"], row["missing"], row["stored"]), (len(sent) + 1, 0, 1), end)
        all_there(r, sent) if end != "rotation" else None
    all_there(r, sent)
    equal(reasons(t, r)[0], ("pc1.example.org", "age"))


@test
def what_is_connected_or_is_seen_again_is_not_forgotten(t):
    r = t.receiver({"limits": {"forget": "2s"}})
    here = r.client("pc1.example.org", hello=t.queue())
    visit(r, "pc2.example.org", t.queue())
    until(lambda: known(r) == ["pc1.example.org"], 10, "pc2 to be forgotten")
    here.quit()
    until(lambda: known(r) == [], 10, "pc1 to be forgotten")
    equal([who for who, why in reasons(t, r)], ["pc2.example.org", "pc1.example.org"])


@test
def age_is_what_receivers_have_run_and_not_what_dates_say(t):
    """A receiver that was down, or whose clock was wrong, forgets nobody for that."""
    made = Made(t)
    day, ran = 86400, 1000
    made.segment(1, 1, [
        "queue pc1.example.org %s 1 seen=%s age=%d" % (t.queue(), date, age * day)
        for date, age in (("20010101T000000.000000Z", ran - 20),
                          ("20991231T000000.000000Z", ran - 40))] +
        # Of before that was noted.
        ["queue pc2.example.org %s 1 seen=20010101T000000.000000Z" % t.queue()])
    made.add("mark 0 0 age=%d" % (ran * day))
    r = t.receiver({"receiver": {"root": made.root}, "limits": {"forget": "30d"}}, make=False)
    until(lambda: r.metric(METRIC, 'reason="age"'), 10, "one to be forgotten")
    equal([row["seen"] for row in r.json("/clients")["clients"]], 2 * [978307200])
    equal(known(r), ["pc1.example.org", "pc2.example.org"])


# ---- a crash between

@test
def a_record_that_power_took_leaves_the_queue_known(t):
    r = t.receiver()
    queue = t.queue()
    visit(r, "pc1.example.org", queue)
    contains(forget(t, r, "pc1.example.org"), "forgotten: 1 queue\n")
    equal(known(r), [])
    r.kill()
    path = os.path.join(r.root, "ledger", sorted(os.listdir(os.path.join(r.root, "ledger")))[-1])
    whole = lines_of(path)
    at = next(i for i, line in enumerate(whole) if b" forgotten=" in line)
    for end in (at, at + 1):  # the line did not reach the disk; or it did
        write_lines(path, whole[:end])
        r.start()
        equal(known(r), ["pc1.example.org"] if end == at else [])
        if end == at:
            r.kill()
            for segment in os.listdir(os.path.join(r.root, "ledger")):
                if segment > os.path.basename(path):
                    os.unlink(os.path.join(r.root, "ledger", segment))
    visit(r, "pc1.example.org", queue, n=2)
    row = r.client_row(queue)
    equal((row["settled"], row["missing"]), (3, 0))
    equal(len(r.files("status")), 2)


@test
def a_kill_at_any_time_loses_nothing_where_queues_come_and_go(t):
    r = t.receiver({"limits": {"queues": "2"}})
    queues = {i: [t.queue(), 1] for i in range(1, 5)}
    stored = 0
    for turn in range(12):
        i = t.random.choice(list(queues))
        queue, n = queues[i]
        c = r.client("pc%d.example.org" % i, hello=dict(queue=queue, settled=n))
        c.put(n, "status", b"%d %d" % (i, n))
        c.stored(n)
        stored += 1
        queues[i][1] = n + 1
        c.settled(n + 1)
        if turn % 3 == 0:
            c.ping()
            r.kill()
            c.close()
            r.start()
            # What it had settled may be forgotten with the kill: then it says so again.
            c = r.client("pc%d.example.org" % i, hello=dict(queue=queue, settled=n + 1))
        c.quit()
        settle_down(r, queue)
    equal(len(r.files("status")), stored)
    equal(sum(row["missing"] for row in r.json("/clients")["clients"]), 0)
    _, err = ledger(t, r.root)
    equal(err, "")


# ---- by hand

@test
def an_administrator_forgets_by_hand_what_may_be_forgotten(t):
    r = t.receiver()
    first, second = "a" + t.queue()[1:], "b" + t.queue()[1:]
    visit(r, "pc1.example.org", first)
    visit(r, "pc1.example.org", second, settle=False)
    visit(r, "pc2.example.org", t.queue())
    contains(forget(t, r, "pc3.example.org", code=66), "no such client or queue")
    contains(forget(t, r, "pc1.example.org", "c", code=66), "no such client or queue")
    contains(forget(t, r, "pc1.example.org", code=75), "1 items are remembered")
    equal(len(known(r)), 3)
    here = r.client("pc1.example.org", hello=dict(queue=first, settled=2))
    contains(forget(t, r, "pc1.example.org", "--force", code=75),
             "queue %s is connected" % first[:8])
    here.quit()
    settle_down(r, first)
    equal(forget(t, r, "pc1.example.org", first[:8]), "forgotten: 1 queue\n")
    contains(forget(t, r, "pc1.example.org", second, "--force"),
             "forgotten: 1 queue\n1 item may be stored twice")
    equal(known(r), ["pc2.example.org"])
    page = json.loads(forget(t, r, "--json", "pc2.example.org"))
    equal((page["schema"], page["queues"], page["unsettled"]), (1, 1, 0))
    equal(r.metric(METRIC, 'reason="command"'), 3)
    equal([why for _, why in reasons(t, r)], 3 * ["command"])
    # By force it was said: the item that was not settled is stored again.
    equal(visit(r, "pc1.example.org", second).get("again"), None)


@test
def a_wish_that_is_none_is_told_so(t):
    r = t.shared()
    for arguments, says in (((), "whose?"), (("pc1", "xyz"), "want the first digits"),
                            (("pc1", "ABC"), "want the first digits"), (("pc1", ""), "want"),
                            (("pc1", 33 * "0"), "want"), (("",), "identity"),
                            ((256 * "x",), "identity"), (("pc1", "0", "more"), "one queue"),
                            (("pc1", "-r", r.root), "no option --root")):
        contains(forget(t, r, *arguments, code=64), says)
    for arguments in (("a b",), ("caf\u00e9",)):
        contains(forget(t, r, *arguments, code=76), "400 identity=")
    run = t.run([INBOXCTL, "status", "--force", "-s", r.socket])
    equal(run.returncode, 64)
    contains(forget(t, r, "pc&identity=x+y%", code=66), "no such client")
    run = t.run([INBOXCTL, "forget", "-s", r.socket + "x", "pc1"])
    equal(run.returncode, 69)


def as_nobody(path):
    """What a stranger is answered by POST /forget: (code, text)."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            connection = Unix(path, 10)
            connection.request("POST", "/forget", body="identity=pc1.example.org&force=1")
            answer = connection.getresponse()
            os.write(writing, b"%d %s" % (answer.status, answer.read()))
            code = 0
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    equal(os.waitpid(child, 0)[1], 0, "exit status of the stranger")
    return text


@test
def a_strangers_wish_is_refused(t):
    if os.geteuid() != 0:
        raise Skip("only root can be somebody else")
    folder = tempfile.mkdtemp(prefix="inboxd-status-")
    try:
        os.chmod(folder, 0o755)
        r = t.receiver({"status": {"socket": os.path.join(folder, "socket"), "mode": "0666"}})
        r.socket = os.path.join(folder, "socket")
        visit(r, "pc1.example.org", t.queue())
        text = as_nobody(r.socket)
        contains(text, "403 root and the receiver's own user may")
        r.wait_log(r"event=status_denied path=/forget uid=%d" % NOBODY)
        equal(known(r), ["pc1.example.org"])
        program = shutil.copy(INBOXCTL, folder)
        run = subprocess.run([program, "forget", "-s", r.socket, "pc1.example.org"],
                             user=NOBODY, group=NOBODY, extra_groups=[], timeout=30, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        equal(run.returncode, 77, run.stderr)
        run = subprocess.run([program, "-s", r.socket, "clients"], user=NOBODY, group=NOBODY,
                             extra_groups=[], timeout=30, check=False, stdout=subprocess.PIPE,
                             text=True)
        equal(run.returncode, 0)
        assert re.search(r"^pc1\.example\.org ", run.stdout, re.M), run.stdout
        forget(t, r, "pc1.example.org")
        r.stop()
    finally:
        shutil.rmtree(folder)


main()
