#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""inboxctl ledger for people: its end, what comes, and columns at a terminal."""

import json
import os
import re
import signal
import subprocess
import time

from harness import INBOXCTL, bound, contains, equal, main, test, until
from made import Made, QUEUE, clock, flip, ledger, seqs
from terminal import Terminal, screen

SEGMENTS, EACH = 8, 25


def long_ledger(t):
    """Segments of EACH accepts, all marked; each begins with a state of copies."""
    made = Made(t)
    made.paths = []
    for segment in range(SEGMENTS):
        first = segment * EACH + 1
        made.paths.append(made.segment(first, first, [
            made.accept(seq, b"x", part=None) for seq in range(max(1, first - 3), first)]))
        for seq in range(first, first + EACH):
            made.add(made.accept(seq, b"x", "reports" if seq % 10 == 0 else "status", None))
        made.add("mark %d %d" % (first + EACH - 1, first + EACH - 1))
    return made


# ---- the end

@test
def the_last_ones_are_those_that_stand_last_of_all(t):
    made = long_ledger(t)
    whole = [row["seq"] for row in ledger(t, made.root)[0]]
    equal(whole, list(range(1, SEGMENTS * EACH + 1)))
    for count in (0, 1, 2, EACH - 1, EACH, EACH + 1, 3 * EACH, len(whole), len(whole) + 7):
        found, err = ledger(t, made.root, "-n", str(count))
        equal(err, "")
        equal([row["seq"] for row in found], whole[len(whole) - min(count, len(whole)):])
    reports = [seq for seq in whole if seq % 10 == 0]
    for count in (1, 3, 4, 19, 20, 21):
        found, _ = ledger(t, made.root, "-n", str(count), "--inbox", "reports")
        equal([row["seq"] for row in found], reports[-count:])
        found, _ = ledger(t, made.root, "-n", str(count), "--name", "*0-pc17*")
        equal([row["seq"] for row in found], reports[-count:])
    equal({row["outcome"] for row in ledger(t, made.root, "-n", "60")[0]}, {"stored"})
    equal([row["seq"] for row in ledger(t, made.root, "-n", "2", "--until", clock(100))[0]],
          [98, 99])
    for wrong in ("x", "-1", "1000001"):
        _, err = ledger(t, made.root, "-n", wrong, code=64)
        contains(err, "--lines")


@test
def the_last_ones_cost_the_last_segments(t):
    made = long_ledger(t)
    for path in made.paths[:-2]:
        flip(path, 2000)
    _, err = ledger(t, made.root, code=65)
    assert err.count("damaged") >= SEGMENTS - 2, err
    for count in (1, EACH + 1, 2 * EACH):
        found, err = ledger(t, made.root, "-n", str(count))
        equal((len(found), err), (count, ""))


@test
def the_last_ones_of_a_damaged_end_are_told_with_the_damage(t):
    made = long_ledger(t)
    flip(made.paths[-1], 2000)
    found, err = ledger(t, made.root, "-n", "3", code=65)
    equal(len(found), 3)
    equal(err.count("damaged"), 1, err)


@test
def the_last_ones_of_a_receiver_that_runs_are_the_last_that_it_stored(t):
    r = t.receiver({"receiver": {"ledger-size": "65536"}})
    c = r.client(hello=t.queue())
    for start in range(1, 1001, 250):
        for n in range(start, start + 250):
            c.put(n, "status", b"%d" % n)
        for n in range(start, start + 250):
            c.stored(n)
        c.settled(start + 250)
    c.ping()
    assert len(os.listdir(os.path.join(r.root, "ledger"))) > 2
    found, _ = ledger(t, r.root, "-n", "400")
    equal([row["n"] for row in found], list(range(601, 1001)))
    c.quit()


# ---- what comes

class Follower:
    """inboxctl ledger --follow, and the rows that it has told."""

    def __init__(self, t, root, *arguments):
        self.path = os.path.join(t.folder, "followed%d" % t.random.getrandbits(32))
        with open(self.path, "wb") as out:
            self.child = t.spawn([INBOXCTL, "ledger", "-r", root, "--json", "-f", *arguments],
                                 stdout=out, stderr=subprocess.PIPE)

    def rows(self):
        with open(self.path, encoding="ascii") as file:
            return [json.loads(text) for text in file.read().splitlines(True)
                    if text.endswith("\n")]

    def until(self, count):
        until(lambda: len(self.rows()) >= count, 20, "%d rows" % count)
        return self.rows()

    def end(self):
        self.child.send_signal(signal.SIGINT)
        equal(self.child.wait(bound(5)), -signal.SIGINT)
        equal(self.child.stderr.read(), b"")
        self.child.stderr.close()


@test
def what_comes_is_told_across_segments_and_once(t):
    made = long_ledger(t)
    last = SEGMENTS * EACH
    f = Follower(t, made.root, "-n", "2")
    equal(seqs(f.until(2)), [(last - 1, "stored"), (last, "stored")])
    made.add(made.accept(last + 1, b"x", part=None))
    made.add(made.accept(last + 2, b"x", part=None), "mark %d %d" % (last + 2, last + 2))
    equal(seqs(f.until(4))[2:], [(last + 1, "stored"), (last + 2, "stored")])
    # The next segment begins with a copy; half a line is no line.
    made.segment(last + 3, last + 3, [made.accept(last + 2, b"x", part=None)])
    text = made.accept(last + 3, b"x", part=None)
    made.add(text, "void %d" % (last + 3))
    equal(seqs(f.until(5))[4:], [(last + 3, "void")])
    made.add(raw=b"01234567 accept")
    time.sleep(1)
    equal(len(f.rows()), 5)
    f.end()


@test
def what_nothing_decides_is_told_after_a_moment(t):
    made = long_ledger(t)
    last = SEGMENTS * EACH
    f = Follower(t, made.root, "-n", "0")
    time.sleep(0.5)
    made.add(made.accept(last + 1, b"x", part=None))
    equal(seqs(f.until(1)), [(last + 1, "unconfirmed")])
    made.add("mark %d %d" % (last + 1, last + 1), made.accept(last + 2, b"x", part=None),
             "mark %d %d" % (last + 2, last + 2))
    equal(seqs(f.until(2)), [(last + 1, "unconfirmed"), (last + 2, "stored")])
    f.end()


@test
def a_receiver_is_followed_through_stops_and_kills(t):
    r = t.receiver({"receiver": {"ledger-size": "65536"}})
    r.consumed = True
    r.stop()
    f = Follower(t, r.root)  # it is down, and has nothing yet
    want = []
    for turn in range(4):
        r.start()
        queue = t.queue()
        c = r.client("pc%d.example.org" % turn, hello=queue)
        for n in range(1, 151):
            c.put(n, "status", b"%d" % n)
        for n in range(1, 151):
            want.append((queue, n, c.stored(n).name))
        if turn % 2:
            r.kill()
        else:
            c.quit()
            r.stop()
    r.start()
    found = [(row["queue"], row["n"], row["name"]) for row in f.until(len(want))]
    equal(sorted(found), sorted(want))
    f.end()


@test
def a_follower_ends_when_nobody_reads_it(t):
    made = long_ledger(t)
    child = t.spawn([INBOXCTL, "ledger", "-r", made.root, "--follow"], stdout=subprocess.PIPE)
    lines = [child.stdout.readline() for _ in range(10)]
    contains(lines[9].decode(), made.name(SEGMENTS * EACH))
    child.stdout.close()
    began = time.monotonic()
    equal(child.wait(bound(5)), 0)
    assert time.monotonic() - began < bound(2)


# ---- at a terminal

def shown(t, root, *arguments, width=80, locale="C.UTF-8"):
    code, text = Terminal(t, [INBOXCTL, "ledger", "-r", root, *arguments], width,
                          env={"LC_ALL": locale, "NO_COLOR": "1"}).end()
    equal(code, 0, text)
    return [line.rstrip() for line in screen(text, width)[:-1]]


@test
def columns_have_heads_units_and_names_as_written(t):
    made = Made(t)
    made.segment(0, 1)
    made.add(made.accept(1, b"x" * 12, hint="M%C3%BCll%20%E6%97%A5%E6%9C%AC.txt", part=None),
             made.accept(2, b"x" * 70000, "reports", hint="-", part=None),
             made.accept(3, b"", client="workstation-with-a-long-name.example.org",
                         hint="a%1B[31m%20name%20that%20goes%20on%20for%20long", part=None),
             "mark 3 2", "void 3")
    equal(shown(t, made.root), [
        "TIME (UTC)      OUTCOME  CLIENT            ITEM  INBOX        SIZE  NAME",
        "11-22 00:00:01  stored   pc17.example.org     1  status       12 B  "
        "M\u00fcll \u65e5\u672c.t\u2026",
        "11-22 00:00:02  stored   pc17.example.org     2  reports  68.4 KiB  -",
        "11-22 00:00:03  void     workstation-wit\u2026     3  status        0 B  "
        "a%1B[31m na\u2026"])
    contains(shown(t, made.root, width=200)[3],
             "  a%1B[31m name that goes on for long  " + made.name(3))
    for width in (20, 40, 79, 80, 120, 200):
        for locale in ("C", "C.UTF-8"):
            shown(t, made.root, width=width, locale=locale)
            shown(t, made.root, "--type", "all", width=width, locale=locale)
    # For programs: one word each, in the same places as ever.
    text, _ = ledger(t, made.root, json_lines=False)
    equal(text.splitlines()[0], "2026-11-22T00:00:01Z stored       pc17.example.org %s 1 status 12 "
          "%s %s M%%C3%%BCll%%20%%E6%%97%%A5%%E6%%9C%%AC.txt" % (
              QUEUE[:8], re.search(r" 12 ([0-9a-f]{12}) ", text).group(1), made.name(1)))


main()
