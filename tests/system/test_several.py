#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""inboxctl of several receivers at a time: what an administrator of a fleet of them asks."""

import json
import os
import re
import shutil
import signal
import time

from client import sha256
from copyqueue import Queue
from harness import INBOXCTL, Skip, contains, equal, main, test, until
from made import DAY, Made, QUEUE, clock
from statussocket import StatusSocket, inbox, inboxes, status

PC = "pc17.example.org"


def ctl(t, *words, code=0):
    done = t.run([INBOXCTL, *words])
    equal(done.returncode, code, "exit code of %r: %s%s" % (words, done.stdout, done.stderr))
    return done


def listed(t, rows, name="receivers.conf"):
    """A file for -R of {name: {key: value}}."""
    path = os.path.join(t.folder, name)
    with open(path, "w", encoding="ascii") as file:
        for receiver, keys in rows.items():
            file.write("[receiver %s]\n" % receiver)
            file.writelines("%s = %s\n" % pair for pair in keys.items())
    return path


# ---- duplicates

def store(t, r, queue, items, who=PC):
    """{n: bytes} at one receiver; {n: name}"""
    c = r.client(who, hello=queue)
    for n, data in items.items():
        c.put(n, "status", data, name="file %d" % n)
    names = {n: c.stored(n).name for n in items}
    c.quit()
    return names


def duplicates(t, *words, code=1):
    """(what stands on standard output, an object a line; standard error)"""
    done = ctl(t, "duplicates", "--json", *words, code=code)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@test
def what_two_receivers_have_both_stored_is_told_with_the_name_at_each(t):
    one, two = t.receiver(), t.receiver()
    queue, other = t.queue(), t.queue()
    items = {n: b"item %d" % n for n in range(1, 31)}
    names = store(t, one, queue, items)
    again = store(t, two, queue, {**{n: items[n] for n in (7, 12)}, 13: b"of other bytes"})
    # The same number and bytes of another queue, or of another client, are other items.
    store(t, two, other, {1: items[1]})
    store(t, two, queue, {2: items[2]}, who="pc18.example.org")
    conf = listed(t, {"cap1": {"root": one.root}, "cap2": {"root": two.root}})
    for _ in range(2):  # while they run, and when they do not
        found, err = duplicates(t, "-R", conf)
        equal(err, "", "standard error")
        equal([(row["client"], row["queue"], row["n"], row["size"], row["sha256"], row["hint"])
               for row in found],
              [(PC, queue, n, len(items[n]), sha256(items[n]), "file%%20%d" % n)
               for n in (7, 12)])
        equal([[(copy["receiver"], copy["inbox"], copy["name"]) for copy in row["copies"]]
               for row in found],
              [[("cap1", "status", names[n]), ("cap2", "status", again[n])] for n in (7, 12)])
        lines = ctl(t, "duplicates", "-R", conf, code=1).stdout.splitlines()
        equal([(line.split()[0], *(line.split()[i] for i in (3, 7, 10))) for line in lines],
              [("1", "cap1", "status", names[7]), ("2", "cap2", "status", again[7]),
               ("1", "cap1", "status", names[12]), ("2", "cap2", "status", again[12])])
        for r in (one, two):
            r.consumed = True
            r.stop()
    # Of the receivers alone nothing is twice, and each of these is a way to name them.
    for r in (one, two):
        equal(duplicates(t, "-r", r.root, code=0)[0], [])
        equal(duplicates(t, "-c", r.conf, code=0)[0], [])
    for words in (["-r", one.root, "-r", two.root], ["-c", one.conf, "-c", two.conf],
                  ["-c", one.conf, "-r", two.root],
                  ["-c", os.path.join(t.folder, "*", "inboxd.conf")]):
        equal(len(duplicates(t, *words)[0]), 2, "found by %r" % words)
    # A root that is named twice is one.
    done = ctl(t, "duplicates", "-r", one.root, "-r", one.root + "/.", code=64)
    contains(done.stderr, "are one root")


@test
def what_came_to_one_receiver_twice_is_told_too(t):
    """Behind the mark its number is no number that the receiver remembers."""
    r = t.receiver()
    queue = t.queue()
    c = r.client(PC, hello=queue)
    c.put(1, "status", b"once")
    first = c.stored(1).name
    c.settled(2)
    c.put(1, "status", b"once")
    second = c.stored(1).name
    c.quit()
    found, _ = duplicates(t, "-c", r.conf)
    equal([[copy["name"] for copy in row["copies"]] for row in found], [[first, second]])


@test
def a_copy_of_the_ledger_alone_is_enough_and_what_it_lacks_is_said(t):
    one, two = t.receiver(), t.receiver()
    queue = t.queue()
    store(t, one, queue, {1: b"a", 2: b"b"})
    store(t, two, queue, {2: b"b"})
    for r in (one, two):
        r.consumed = True
        r.stop()
    copy = os.path.join(t.folder, "copies")
    for name, r in (("cap1", one), ("cap2", two)):
        shutil.copytree(os.path.join(r.root, "ledger"), os.path.join(copy, name, "ledger"))
    words = ["-r", os.path.join(copy, "cap1"), "-r", os.path.join(copy, "cap2")]
    found, err = duplicates(t, *words)
    equal([(row["n"], [one["receiver"] for one in row["copies"]]) for row in found],
          [(2, ["cap1", "cap2"])])
    equal(err.count("has no journal"), 2, err)
    contains(err, "inboxctl: cap1: has no journal")
    # Without the file by the ledger's first line: it is the same root.
    contains(ctl(t, "duplicates", *words[:2], "-r", one.root, code=64).stderr, "are one root")
    # One that cannot be read is no receiver without duplicates.
    contains(ctl(t, "duplicates", *words, "-r", os.path.join(copy, "cap3"), code=66).stderr,
             "cap3: No such file")


@test
def what_is_not_acknowledged_or_was_voided_is_no_copy(t):
    made = [Made(t) for _ in range(2)]
    for at, one in enumerate(made):
        one.segment(1, 1)
        one.add(*(one.accept(n, b"%d" % n, part=None) for n in range(1, 6)))
        if at == 0:
            one.add("mark 5 5")
        else:
            one.add("mark 2 2", "void 3", "mark 4 4")
    words = [word for one in made for word in ("-r", one.root)]
    found, _ = duplicates(t, *words)
    equal([row["n"] for row in found], [1, 2, 4], "not 3, which is void, nor 5, undecided")
    equal([row["n"] for row in duplicates(t, *words, "--since", clock(4))[0]], [4])
    equal(duplicates(t, *words, "--since", "1h", code=0)[0], [])
    day = "%s-%s-%s" % (DAY[:4], DAY[4:6], DAY[6:])
    equal([row["n"] for row in duplicates(t, *words, "--since", day)[0]], [1, 2, 4])
    contains(ctl(t, "duplicates", *words, "--since", "noon", code=64).stderr, "want a time")


@test
def damage_of_a_ledger_is_said_with_whose_it_is(t):
    one, two = Made(t), Made(t)
    for made in (one, two):
        made.segment(1, 1)
        made.add(made.accept(1, part=None), "mark 1 1")
    two.add(raw=b"nonsense\n")
    two.add(two.accept(2, part=None), "mark 2 2")
    conf = listed(t, {"cap1": {"root": one.root}, "cap2": {"root": two.root}})
    found, err = duplicates(t, "-R", conf, code=65)
    equal([(row["n"], row["queue"]) for row in found], [(1, QUEUE)])
    contains(err, "inboxctl: cap2: ledger/")
    equal(err.count("ledger/"), 1, "told once: " + err)


@test
def receivers_that_are_not_named_well_are_refused(t):
    made = Made(t)
    made.segment(1, 1)
    for text, why in (
            ("[receiver a]\nroot = /a\n[receiver a]\nroot = /b\n", "stands there twice"),
            ("[receiver a/b]\nroot = /b\n", "letters"), ("[receiver a]\n", "no root"),
            ("[receiver a]\nsocket = /x\n", "receiver a has no root"),
            ("".join("[receiver a%d]\nroot = /x\n" % i for i in range(257)),
             "inboxctl: more than 256 receivers\n"),
            ("[receiver a]\nroot = x\n", "absolute"), ("", "receiver"),
            ("[receiver a]\nrot = /x\n", "root")):
        path = os.path.join(t.folder, "receivers.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        contains(ctl(t, "duplicates", "-R", path, code=78).stderr, why, text)
    contains(ctl(t, "duplicates", "-c", os.path.join(t.folder, "*.none"), code=78).stderr,
             "no such file")
    contains(ctl(t, "duplicates", "-r", made.root, "-r", made.root, code=78).stderr,
             "two receivers go by that")
    for command in ("ledger", "verify"):
        contains(ctl(t, command, "-r", made.root, "-r", made.root, code=64).stderr,
                 "of one receiver at a time")
    contains(ctl(t, "duplicates", *(65 * ["-r", made.root]), code=64).stderr, "64 times")


# ---- status

def three(t):
    """Two receivers, one with items and one that is paused, and a third that is down; and -R."""
    one, two, gone = t.receiver(), t.receiver(), t.receiver(start=False)
    store(t, one, t.queue(), {1: b"a", 2: b"bc"})
    store(t, two, t.queue(), {1: b"def"})
    ctl(t, "pause", "-s", two.socket, "--reason", "disk work", "reports")
    for r in (one, two):
        r.at_rest()
    return one, two, gone, listed(t, {
        name: {"socket": r.socket} for name, r in (("cap1", one), ("cap2", two), ("cap3", gone))})


def table(text, head):
    """{first word: its other words}, of the lines behind the one that begins so."""
    lines = text.splitlines()
    start = [i for i, line in enumerate(lines) if line.startswith(head)]
    equal(len(start), 1, "lines that begin with %s in %s" % (head, text))
    return {line.split()[0]: line.split()[1:] for line in lines[start[0] + 1:]}


@test
def status_tells_of_each_and_first_of_one_that_does_not_answer(t):
    one, two, gone, conf = three(t)
    done = ctl(t, "status", "-R", conf, code=69)
    lines = done.stdout.splitlines()
    equal(lines[0], "3 receivers: 1 without an answer")
    equal(lines[1], "CRITICAL  cap3: down: the receiver does not answer: "
          "No such file or directory")
    equal(done.stderr, "inboxctl: cap3: No such file or directory\n")
    rows = table(done.stdout, "RECEIVER")
    equal(list(rows), ["cap3", "cap1", "cap2", "all"], "the worst first")
    equal(rows["cap3"][:2], ["down", "1"])
    equal(rows["cap1"][:2] + rows["cap1"][3:5] + rows["cap1"][-1:],
          ["running", "0", "2", "2", "cap1"])
    equal(rows["all"][:5], ["-", "1", "-", "3", "3"])
    page = json.loads(ctl(t, "status", "--json", "-R", conf, code=69).stdout)
    equal([(row["name"], row["socket"], row["error"], row["same"]) for row in page["receivers"]],
          [("cap1", one.socket, None, None), ("cap2", two.socket, None, None),
           ("cap3", gone.socket, "No such file or directory", None)])
    equal(page["receivers"][2]["status"], None)
    equal(page["receivers"][0]["status"]["items"]["stored"], 2)
    equal([page["all"][key] for key in ("answered", "stored", "waiting")], [2, 3, 3])
    # By their paths, with what tells them apart for a name; and all that is wrong.
    words = [word for r in (one, two) for word in ("-s", r.socket)]
    done = ctl(t, "status", "-v", *words)
    equal(done.stdout.splitlines()[0], "2 receivers: all is well")
    equal(list(table(done.stdout, "RECEIVER")),
          [os.path.basename(r.folder) for r in (one, two)] + ["all"])
    # Only a configuration may be found by a pattern: each has one, whether it runs or not.
    pattern = os.path.join(t.folder, "*", "inboxd.conf")
    contains(ctl(t, "status", "-c", pattern, code=69).stdout, "3 receivers: 1 without")
    pattern = os.path.join(one.folder, "inboxd.c?nf")
    contains(ctl(t, "status", "-c", pattern).stdout, "1 receiver: all is well")
    ctl(t, "status", "-s", os.path.join(t.folder, "*", "status"), code=69)
    for command in (["top", "--once"], ["reload"], ["pause"], ["forget", "pc1"]):
        contains(ctl(t, *command[:1], *words, *command[1:], code=64).stderr,
                 "of one receiver at a time")


@test
def a_receiver_that_hangs_has_the_others_answer_all_the_same(t):
    one, two = t.receiver(), t.receiver()
    conf = listed(t, {"cap1": {"socket": one.socket}, "cap2": {"socket": two.socket},
                      "cap3": {"socket": one.socket + "/nothing"}})
    os.kill(one.process.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        done = ctl(t, "status", "-R", conf, code=69)
        took = time.monotonic() - began
    finally:
        os.kill(one.process.pid, signal.SIGCONT)
    contains(done.stdout, "cap1: down: the receiver does not answer: no answer within 15 seconds")
    contains(done.stdout, "3 receivers: 2 without an answer")
    equal(table(done.stdout, "RECEIVER")["cap2"][0], "running")
    assert 14 < took < 20, took


@test
def problems_of_all_stand_above_the_table_the_most_severe_first(t):
    def problem(severity, name):
        return {"severity": severity, "name": name, "text": "of %s" % name}
    rows = {
        "cap1": [problem("warning", "one"), problem("warning", "two"), problem("warning", "three")],
        "cap2": [problem("critical", "four"), problem("warning", "five")],
        "cap3": [], "cap4": [problem("critical", "\u001b[1mseven"), problem("critical", "eight")]}
    fakes = {name: StatusSocket(t, {"/status": status(problems=list_), "/inboxes": inboxes(
        inbox("status"))}, name) for name, list_ in rows.items()}
    fakes["cap3"].pages["/inboxes"] = None
    conf = listed(t, {name: {"socket": fake.socket_path} for name, fake in fakes.items()})
    lines = ctl(t, "status", "-R", conf).stdout.splitlines()
    equal(lines[:7], [
        "4 receivers: 8 problems", "CRITICAL  cap2: four: of four",
        "CRITICAL  cap4: %1B[1mseven: of %1B[1mseven", "CRITICAL  cap4: eight: of eight",
        "warning   cap2: five: of five",
        "warning   cap1: one: of one", "and 3 more"])
    lines = ctl(t, "status", "-v", "-R", conf).stdout.splitlines()
    contains(lines[8], "cap3: its inboxes are not known: /inboxes: 404")
    equal([line.split()[0] for line in lines[-6:]],
          ["RECEIVER", "cap2", "cap4", "cap1", "cap3", "all"])


@test
def one_receiver_by_two_names_counts_once_and_one_that_waits_for_its_root_is_well(t):
    root, pages = {"path": "/srv", "id": "ab" * 16}, {"/inboxes": inboxes(inbox("status"))}
    states = {"cap1": status(root=root, state="waiting"), "cap2": status(root=root),
              "cap3": status(root=root), "cap4": status(root={**root, "id": "cd" * 16})}
    fakes = [StatusSocket(t, {**pages, "/status": page}, name) for name, page in states.items()]
    conf = listed(t, {name: {"socket": os.path.join(t.folder, name)}
                      for name in ("cap1", "cap2", "cap3", "cap4")})
    done = ctl(t, "status", "-R", conf)
    equal(done.stdout.splitlines()[:2], [
        "4 receivers: 1 problem", "warning   cap3: is the same receiver as cap2, and counts once"])
    rows = table(done.stdout, "RECEIVER")
    equal(rows["cap1"][:2], ["waiting", "0"])
    equal(rows["all"][3:5], ["2469080", "34"])
    page = json.loads(ctl(t, "status", "--json", "-R", conf).stdout)
    equal([row["same"] for row in page["receivers"]], ["cap2", None, "cap2", None])
    equal(page["all"]["answered"], 4)
    known = {"schema": 1, "now": int(time.time()), "next": None, "clients": [client_row("pc1")]}
    for fake in fakes:
        fake.pages["/clients"] = known
    equal(clients(t, conf), [("pc1", "up-to-date", "0", "cap2,cap4")])
    for fake in fakes:
        fake.pages["/metrics"] = METRICS
    equal(check(t, conf)[0], "nothing is wrong")
    # Whose root nobody else has, as far as is known, should not wait for long.
    alone = listed(t, {name: {"socket": os.path.join(t.folder, name)} for name in ("cap1", "cap4")},
                   "alone.conf")
    want = "cap1: waits for its root, which none of the others has"
    contains(ctl(t, "status", "-R", alone).stdout, "warning   " + want)
    equal(check(t, alone, code=1)[0], want)


def waiting(t, r):
    """A receiver on another host, by its machine-id, that waits for the root of this one."""
    path = os.path.join(t.folder, "machine-id")
    with open(path, "w", encoding="ascii") as file:
        file.write("0123456789abcdef" * 2 + "\n")
    wrap = ["unshare", "-m", "--propagation", "private", "sh", "-c",
            'mount --bind "$0" /etc/machine-id && exec "$@"', path]
    if not shutil.which("unshare") or t.run([*wrap, "true"]).returncode:
        raise Skip("no mount namespace of its own is to be had here")
    other = t.receiver({"receiver": {"root": r.root, "host": "cap2"}}, start=False, make=False)
    other.others = other.consumed = True
    other.start(wait=False, wrap=wrap)
    other.wait_log("event=root_waiting ")
    return other


@test
def real_pair_of_which_one_waits_is_one_receiver(t):
    one = t.receiver()
    two = waiting(t, one)
    store(t, one, t.queue(), {1: b"a"})
    one.at_rest()
    conf = listed(t, {"cap1": {"socket": one.socket}, "cap2": {"socket": two.socket}})
    for words, first in ((["status"], "2 receivers: all is well"),
                         (["check"], "INBOXD OK: nothing is wrong | receivers=2;; down=0;;1")):
        assert ctl(t, *words, "-R", conf).stdout.startswith(first), words
    rows = table(ctl(t, "status", "-R", conf).stdout, "RECEIVER")
    equal([rows[name][0] for name in ("cap1", "cap2")], ["running", "waiting"])
    equal(rows["all"][3:5], ["1", "1"])
    equal(table(ctl(t, "inboxes", "-R", conf).stdout, "INBOX")["status"][1], "1")
    equal(clients(t, conf), [(PC, "up-to-date", "0", "cap1")])
    # The first is killed: the second takes the root, and is the receiver then.
    one.kill()
    two.wait_log(r"event=ready\b", 20)
    text = ctl(t, "status", "-R", conf, code=69).stdout
    contains(text, "2 receivers: 1 without an answer")
    equal(table(text, "RECEIVER")["cap2"][0], "running")
    equal(clients(t, conf, code=69), [(PC, "up-to-date", "0", "cap2")])


# ---- inboxes

@test
def inboxes_are_added_up_and_what_is_closed_says_where(t):
    one, two, gone, conf = three(t)
    done = ctl(t, "inboxes", "-R", conf, code=69)
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"cap2: reports: paused for \d+s, disk work: new items are told LATER",
                        lines[0]), lines
    equal(done.stderr, "inboxctl: cap3: No such file or directory\n")
    rows = table(done.stdout, "INBOX")
    equal(list(rows), ["reports", "status"])
    equal((rows["reports"][:2], rows["status"][:4]), (["paused", "0"], ["ok", "3", "6", "B"]))
    rows = [line.split()[:4] for line in
            ctl(t, "inboxes", "-v", "-R", conf, code=69).stdout.splitlines()[2:]]
    equal(rows, [["reports", "cap2", "paused", "0"], ["status", "cap1", "ok", "2"],
                 ["status", "cap2", "ok", "1"], ["reports", "cap1", "ok", "0"]])
    page = json.loads(ctl(t, "inboxes", "--json", "-R", conf, code=69).stdout)
    equal([row["error"] for row in page["receivers"]],
          [None, None, "No such file or directory"])
    row = next(row for row in page["inboxes"] if row["name"] == "status")
    equal((row["waiting"], row["waiting_bytes"], row["stored_total"], row["over_limit"]),
          (3, 6, 3, False))
    equal([(part["receiver"], part["waiting"]) for part in row["receivers"]],
          [("cap1", 2), ("cap2", 1)])


@test
def times_are_told_by_each_receivers_own_clock(t):
    for name, ahead in (("cap1", 0), ("cap2", 90000)):
        now = int(time.time()) + ahead
        page = inboxes(inbox("status", oldest=now - (7200 if ahead else 300), claimed_oldest=None,
                             last_stored=now - (600 if ahead else 60)))
        page["now"] = now
        StatusSocket(t, {"/status": status(now=now), "/inboxes": page}, name)
    words = [word for name in ("cap1", "cap2")
             for word in ("-s", os.path.join(t.folder, name))]
    row = table(ctl(t, "inboxes", *words).stdout, "INBOX")["status"]
    equal(" ".join(row), "ok 34 136.7 KiB 2h 2 - 246912 1m")


# ---- clients

def client_row(who, queue="a", state="up-to-date", **changed):
    """A row of /clients; `gaps` are (first, last, known)."""
    now = int(time.time())
    gaps = [{"first": first, "last": last, "missing": last - first + 1, "since": now,
             "known": known} for first, last, known in changed.pop("gaps", ())]
    unknown = sum(not gap["known"] for gap in gaps)
    states = [name for name in ("missing", "silent", "behind") if
              name == state or (name == "missing" and unknown)]
    return {"identity": who, "queue": queue and 32 * queue, "state": (states or [state])[0],
            "states": states or [state], "connected": False, "settled": 100, "unsettled": 0,
            "gaps": gaps, "gaps_total": len(gaps), "gaps_unknown": unknown,
            "stored": 5, "stored_bytes": 50, "seen": now - 3600, "last_stored": now - 3600,
            "pending": 0, "pending_oldest": None, "failed": 0, "missing": 0, "address": "192.0.2.1",
            "agent": "test", **changed}


def fleet(t, ahead=None, **rows):
    """-R of fakes that know these clients; a page has two.  `ahead` is a clock's, of some."""
    for name, known in rows.items():
        def page(query, known=known, more=(ahead or {}).get(name, 0)):
            at = int(dict(pair.split("=") for pair in query.split("&") if pair).get("from", 0))
            return {"schema": 1, "now": int(time.time()) + more, "clients": known[at:at + 2],
                    "next": at + 2 if at + 2 < len(known) else None}
        StatusSocket(t, {"/status": status(), "/clients": page}, name)
    return listed(t, {name: {"socket": os.path.join(t.folder, name)} for name in rows})


def clients(t, conf, *words, code=0):
    """[(client, state, gaps, who knows it)], in order."""
    run = ctl(t, "clients", "-R", conf, *words, code=code)
    lines = [line.split() for line in run.stdout.splitlines()]
    columns = [lines[0].index(head) for head in ("CLIENT", "STATE", "GAPS", "RECEIVERS")]
    # "2d 3h" is two words, and it stands before what is looked for.
    return [tuple(line[column] for column in columns)
            for line in (re.sub(r"(\d+[dhm]) (\d+[hms])", r"\1\2", text).split()
                         for text in run.stdout.splitlines()[1:])]


@test
def client_that_uses_another_receiver_is_not_silent(t):
    now = int(time.time())
    ago = {"seen": now - 900000}
    conf = fleet(
        t,
        cap1=[client_row("pc1", state="silent", **ago), client_row("pc2", state="silent", **ago),
              client_row("pc3", state="never-came", queue=None, seen=None, settled=None),
              client_row("pc4", state="never-came", queue=None, seen=None, settled=None),
              client_row("pc5", "e", state="silent", **ago),
              client_row("pc6", "f", state="silent", pending=3, **ago),
              client_row("pc7", state="behind", pending=3, **ago)],
        cap2=[client_row("pc1", connected=True, seen=now - 990000),
              client_row("pc2", state="silent", seen=now - 800000),
              client_row("pc3"), client_row("pc5", "b"), client_row("pc6", "c"),
              client_row("pc7")],
        cap3=[client_row("pc4", state="never-came", queue=None, seen=None, settled=None),
              client_row("pc2", state="silent", seen=now - 950000)])
    equal(clients(t, conf), [
        ("pc4", "never-came", "0", "cap1,cap3"), ("pc2", "silent", "0", "cap2,cap1,cap3"),
        ("pc6", "silent", "0", "cap1"), ("pc1", "up-to-date", "0", "cap2,cap1"),
        ("pc3", "up-to-date", "0", "cap2"), ("pc5", "up-to-date", "0", "cap2"),
        ("pc5", "up-to-date", "0", "cap1"), ("pc6", "up-to-date", "0", "cap2"),
        ("pc7", "up-to-date", "0", "cap2,cap1")])
    page = json.loads(ctl(t, "clients", "--json", "-R", conf).stdout)
    found = {(row["identity"], (row["queue"] or "-")[0]): (
        row["state"], [at["receiver"] for at in row["receivers"]]) for row in page["clients"]}
    equal(found, {
        ("pc1", "a"): ("up-to-date", ["cap2", "cap1"]),
        ("pc2", "a"): ("silent", ["cap2", "cap1", "cap3"]),
        ("pc3", "a"): ("up-to-date", ["cap2"]),
        ("pc4", "-"): ("never-came", ["cap1", "cap3"]),
        ("pc5", "e"): ("up-to-date", ["cap1"]), ("pc5", "b"): ("up-to-date", ["cap2"]),
        ("pc6", "f"): ("silent", ["cap1"]), ("pc6", "c"): ("up-to-date", ["cap2"]),
        ("pc7", "a"): ("up-to-date", ["cap2", "cap1"])})


@test
def number_that_another_receiver_knows_of_is_no_loss(t):
    """Its mark is above it, and it has no gap there."""
    conf = fleet(
        t,
        cap1=[client_row("pc1", gaps=[(7, 9, False)]), client_row("pc2", gaps=[(7, 9, False)]),
              client_row("pc3", gaps=[(7, 9, False)]), client_row("pc4", gaps=[(7, 9, False)]),
              client_row("pc5", gaps=[(7, 9, False), (20, 20, False)]),
              client_row("pc6", gaps=[(7, 9, True)]),
              client_row("pc7", gaps=[(7, 9, False)], seen=5)],
        cap2=[client_row("pc1"), client_row("pc2", gaps=[(9, 12, False)]),
              client_row("pc3", settled=9), client_row("pc4", gaps=[(7, 9, False)]),
              client_row("pc5", settled=15), client_row("pc7", gaps=[(9, 9, True)])])
    want = [("pc2", "missing", "2", "cap1(1),cap2(1)"),
            ("pc3", "missing", "1", "cap1(1),cap2"), ("pc4", "missing", "1", "cap1(1),cap2(1)"),
            ("pc5", "missing", "1", "cap1(2),cap2"), ("pc7", "missing", "1", "cap2,cap1(1)"),
            ("pc1", "up-to-date", "0", "cap1(1),cap2"), ("pc6", "up-to-date", "0", "cap1")]
    equal(clients(t, conf), want)
    equal(clients(t, conf, "--missing"), want[:5])
    equal([row[0] for row in clients(t, conf, "--gaps")],
          ["pc2", "pc3", "pc4", "pc5", "pc7", "pc1", "pc6"])
    equal([row[0] for row in clients(t, conf, "--sort", "-client", "--client", "pc[1-4]")],
          ["pc4", "pc3", "pc2", "pc1"])
    equal([row[0] for row in clients(t, conf, "--limit", "2")], ["pc2", "pc3"])
    page = json.loads(ctl(t, "clients", "--json", "--missing", "-R", conf).stdout)
    equal([row["identity"] for row in page["clients"]], ["pc2", "pc3", "pc4", "pc5", "pc7"])
    equal([(at["receiver"], [gap["first"] for gap in at["gaps"]])
           for at in page["clients"][3]["receivers"]], [("cap1", [7, 20]), ("cap2", [])])


@test
def figures_are_those_of_who_saw_it_last_or_added_up(t):
    now = int(time.time())
    conf = fleet(
        t,
        cap1=[client_row("pc1", seen=now - 100, pending=7, pending_oldest=now - 50, failed=3,
                         stored=5, missing=1, last_stored=now - 100, address="192.0.2.1")],
        cap2=[client_row("pc1", seen=now - 50, pending=2, pending_oldest=now - 40, failed=1,
                         stored=50, missing=2, last_stored=now - 3600, address="192.0.2.2")])
    row = dict(zip(*(line.split() for line in re.sub(
        r"(\d+[dhm]) (\d+[hms])", r"\1\2", ctl(t, "clients", "-v", "-R", conf).stdout)
        .replace(" B ", "B ").splitlines())))
    equal([row[head] for head in ("PENDING", "FAILED", "STORED", "BYTES", "MISSING", "ADDRESS",
                                  "RECEIVERS")],
          ["2", "1", "55", "100B", "3", "192.0.2.2", "cap2,cap1"])
    assert row["LAST-STORED"][:2] == "1m" and row["SEEN"] in ("50s", "51s", "52s"), row
    equal([row[0] for row in clients(t, conf, "--silent", "70s")], [])
    equal([row[0] for row in clients(t, conf, "--silent", "40s")], ["pc1"])


@test
def who_saw_it_last_is_told_by_each_receivers_own_clock(t):
    now = int(time.time())
    conf = fleet(t, {"cap2": 86400}, cap1=[client_row("pc1", seen=now - 600, pending=1)],
                 cap2=[client_row("pc1", seen=now + 86400 - 1200, pending=2)])
    row = ctl(t, "clients", "-R", conf).stdout.splitlines()[1].split()
    equal(row[:5], ["pc1", "up-to-date", "10m", "cap1,cap2", "1"])


@test
def clients_of_one_that_does_not_answer_are_missing_from_all_and_that_is_said(t):
    conf = fleet(t, cap1=[client_row("pc%d" % n) for n in range(7)], cap2=[client_row("pc9")])
    gone = listed(t, {"cap1": {"socket": os.path.join(t.folder, "cap1")},
                      "cap3": {"socket": "/nowhere"}}, "other.conf")
    equal(len(clients(t, conf)), 8, "all pages of both")
    equal(len(clients(t, gone, code=69)), 7)
    contains(ctl(t, "clients", "-R", gone, code=69).stderr,
             "inboxctl: cap3: No such file or directory\n")
    page = json.loads(ctl(t, "clients", "--json", "-R", gone, code=69).stdout)
    equal([(row["name"], row["error"]) for row in page["receivers"]],
          [("cap1", None), ("cap3", "No such file or directory")])
    # One that ends amid its pages has told nothing.
    def page_of(query):
        return None if query else {"schema": 1, "now": 1, "next": 1,
                                   "clients": [client_row("pc8")]}
    StatusSocket(t, {"/status": status(), "/clients": page_of}, "cap3")
    cut = listed(t, {name: {"socket": os.path.join(t.folder, name)} for name in ("cap1", "cap3")},
                 "cut.conf")
    equal(len(clients(t, cut, code=76)), 7)
    contains(ctl(t, "clients", "-R", cut, code=76).stderr, "inboxctl: cap3: /clients?from=1: 404")
    contains(ctl(t, "clients", "-R", cut, "--sort", "nosuch", code=64).stderr, "--sort nosuch")


@test
def a_queue_that_went_to_its_second_receiver_is_one_line(t):
    """For real: the first goes away, the second takes the rest; the first is back, without it."""
    host = {"clients": {"silent": "2s"}}
    one, two = t.receiver(host), t.receiver(host)
    conf = listed(t, {"cap1": {"socket": one.socket}, "cap2": {"socket": two.socket}})
    q = Queue(t, one, two, who=PC)
    q.add("status", b"a", b"b")
    q("run", "--once")
    q.add("status", b"c", b"d", b"e")
    q.point_at(two)
    q("run", "--once")
    for r, stored in ((one, 2), (two, 3)):
        until(lambda r=r: r.client_row(q.id())["connected"] is False, 10, "it to be gone")
        equal(r.client_row(q.id())["stored"], stored)
    until(lambda: one.client_row(q.id())["state"] == "silent", 10, "it to be silent")
    q.add("status", b"f")
    q("run", "--once")
    equal(clients(t, conf), [(PC, "up-to-date", "0", "cap2,cap1")])
    page = json.loads(ctl(t, "clients", "--json", "-R", conf).stdout)
    row, = page["clients"]
    equal((row["queue"], row["state"], row["states"], row["gaps_unknown"]),
          (q.id(), "up-to-date", ["up-to-date"], 0))
    equal([(at["receiver"], at["stored"], at["state"]) for at in row["receivers"]],
          [("cap2", 4, "up-to-date"), ("cap1", 2, "silent")])
    equal(ctl(t, "duplicates", "-r", one.root, "-r", two.root).stdout, "")


@test
def story_is_told_by_each_receiver(t):
    one, two = t.receiver(), t.receiver()
    queue = t.queue()
    store(t, one, queue, {1: b"a"})
    c = two.client(PC, hello=queue)
    c.put(3, "status", b"c")
    c.stored(3)
    c.settled(4)
    c.quit()
    rows = {"cap1": {"socket": one.socket, "root": one.root}, "cap2": {"socket": two.socket}}
    conf = listed(t, rows)
    text = ctl(t, "client", "-R", conf, PC).stdout
    first, second = text.split("== cap2\n")
    assert first.startswith("== cap1\n" + PC), first
    contains(first, "The last 1 in the ledger:")
    contains(second, "missing     1-2, seen ")
    page = json.loads(ctl(t, "client", "--json", "-R", conf, PC).stdout)
    equal([(row["receiver"], row["story"]["queues"][0]["stored"], len(row["story"]["records"]))
           for row in page["receivers"]], [("cap1", 1, 1), ("cap2", 1, 0)])
    equal(ctl(t, "client", "-c", one.conf, "-c", two.conf, PC).stdout.count("in the ledger:"), 2)
    # One who is known to one alone is known; one whose receiver is away is told by its ledger.
    store(t, one, t.queue(), {1: b"x"}, who="pc9.example.org")
    done = ctl(t, "client", "-R", conf, "pc9.example.org")
    contains(done.stderr, "inboxctl: cap2: pc9.example.org: no such client is known")
    page = json.loads(ctl(t, "client", "--json", "-R", conf, "pc9.example.org").stdout)
    equal([row["story"] is None for row in page["receivers"]], [False, True])
    ctl(t, "client", "-R", conf, "pc8.example.org", code=66)
    one.stop()
    contains(ctl(t, "client", "-R", conf, PC).stdout, "The receiver does not answer: by the ledger")
    two.stop()
    done = ctl(t, "client", "-R", conf, PC, code=69)
    contains(done.stderr, "inboxctl: cap2: ")
    contains(ctl(t, "client", "-r", one.root, "-s", "/a", "-s", "/b", PC, code=78).stderr,
             "-R names sockets and roots together")


# ---- check

METRICS = "# TYPE inboxd_full gauge\ninboxd_full 0\n"
WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def check(t, conf, *words, code=0):
    """(what the line says, {figure: value})"""
    line = ctl(t, "check", "-R", conf, *words, code=code).stdout
    match = re.fullmatch(r"INBOXD (\w+): ([^|]*) \| ([^|]*)\n", line)
    assert match, line
    equal(match.group(1), WORDS[code])
    return match.group(2), {name: int(value) for name, value in
                            re.findall(r"([a-z-]+)=(-?\d+)", match.group(3))}


@test
def check_has_the_worst_of_all_and_says_whose_it_is(t):
    one, two = t.receiver({"limits": {"connections": "10"}}), t.receiver()
    conf = listed(t, {"cap1": {"socket": one.socket}, "cap2": {"socket": two.socket}})
    text, figures = check(t, conf)
    equal((text, figures["receivers"], figures["down"], figures["connections-limit"]),
          ("nothing is wrong", 2, 0, 0))
    held = [one.client(hello=t.queue()) for _ in range(8)]
    until(lambda: one.metric("inboxd_connections") == 8)
    text, figures = check(t, conf, code=1)
    equal((text, figures["connections-limit"]),
          ("cap1: connections-limit: connections: 80% of as many as may be open", 80))
    more = listed(t, {"cap1": {"socket": one.socket}, "cap2": {"socket": two.socket},
                      "cap3": {"socket": "/nowhere"}}, "more.conf")
    text, figures = check(t, more, code=2)
    equal(text.split("; ")[0], "cap3: down: the receiver does not answer: "
          "No such file or directory")
    contains(text.split("; ")[1], "cap1: connections-limit")
    equal((figures["receivers"], figures["down"]), (3, 1))
    equal(check(t, more, "--ignore", "down,connections-limit", code=3)[0],
          "cap3: No such file or directory")
    check(t, conf, "--only", "disk-full,publish-lag")
    check(t, conf, "--critical", "connections-limit=80", code=2)
    contains(ctl(t, "check", "-R", conf, "--only", "nosuch", code=3).stdout, "no such thing")
    contains(ctl(t, "check", "-R", "/nowhere", code=3).stdout,
             "INBOXD UNKNOWN: not asked: /nowhere")
    for c in held:
        c.quit()


def metrics_of(known):
    """What a receiver counts of these clients, each with one queue."""
    states = [row["state"] for row in known]
    return METRICS + "# TYPE inboxd_clients gauge\n" + "".join(
        'inboxd_clients{state="%s"} %d\n' % (state, states.count(state))
        for state in ("up-to-date", "behind", "silent", "missing", "never-came")) + \
        "# TYPE inboxd_gaps_unknown gauge\ninboxd_gaps_unknown %d\n" % sum(
            row["gaps_unknown"] for row in known)


@test
def check_judges_clients_over_all_receivers(t):
    known = {"cap1": [client_row("pc1", state="silent", seen=5), client_row("pc2"),
                      client_row("pc3", gaps=[(7, 9, False)])],
             "cap2": [client_row("pc1"), client_row("pc3")]}
    conf = fleet(t, **known)

    def tell():
        for name, rows in known.items():
            fakes[name].pages["/metrics"] = metrics_of(rows)
    fakes = {one.socket_path.rsplit("/", 1)[1]: one for one in t.closing}
    tell()
    equal(check(t, conf)[0], "nothing is wrong", "each alone has a complaint")
    equal([path for path, _ in fakes["cap1"].asked],
          ["/status", "/metrics", "/clients", "/clients"])
    # What is wrong all the same is told once, of all.
    known["cap2"][1] = client_row("pc3", gaps=[(8, 8, False)])
    known["cap2"][0] = client_row("pc1", state="silent", seen=9)
    tell()
    text, figures = check(t, conf, code=1)
    equal(text, "all: items-missing: gaps in what clients sent that nobody has confirmed: 2; "
          "inboxctl clients --missing says whose; "
          "all: clients-missing: 33% of the clients miss items; "
          "all: clients-silent: 33% of the clients are silent")
    equal((figures["items-missing"], figures["clients-silent"]), (2, 33))
    equal(check(t, conf, "--warning", "clients-silent=34,clients-missing=never",
                "--ignore", "items-missing")[0], "nothing is wrong")
    # A client is as the worst of its queues.
    before = {name: fake.pages["/clients"] for name, fake in fakes.items()}
    for name, rows in (("cap1", [client_row("pc1", "e", state="silent", pending=1, seen=9)]),
                       ("cap2", [client_row("pc1", "f")])):
        fakes[name].pages["/clients"] = {"schema": 1, "now": int(time.time()), "next": None,
                                         "clients": rows}
    equal(check(t, conf, "--only", "clients-silent", code=2)[0],
          "all: clients-silent: 100% of the clients are silent")
    fakes["cap1"].pages["/clients"] = before["cap1"]
    # Of those who do not tell their clients, each has its own complaint.
    fakes["cap2"].pages["/clients"] = None
    text, _ = check(t, conf, "--only", "clients-silent", code=2)
    equal(text, "cap2: clients-silent: 50% of the clients are silent; "
          "cap1: clients-silent: 33% of the clients are silent")
    # Who has no complaint is not asked for a list.
    fakes["cap1"].asked.clear()
    check(t, conf, "--ignore", "items-missing,clients-missing,clients-silent")
    equal([path for path, _ in fakes["cap1"].asked], ["/status", "/metrics"])


@test
def check_ends_within_ten_seconds_whoever_hangs(t):
    one, two = t.receiver(), t.receiver()
    conf = listed(t, {"cap1": {"socket": one.socket}, "cap2": {"socket": two.socket}})
    os.kill(one.process.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        text, _ = check(t, conf, code=2)
        took = time.monotonic() - began
    finally:
        os.kill(one.process.pid, signal.SIGCONT)
    equal(text, "cap1: down: the receiver does not answer: no answer within 3 seconds")
    assert 2.5 < took < 10, took


main()
