#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""inboxctl top: a live screen at any size, that gives the terminal back whatever ends it."""

import os
import re
import signal
import termios
import time

from harness import INBOXCTL, bound, cases, contains, equal, main, test, until
from statussocket import StatusSocket, inbox, inboxes, status
from terminal import Full, Terminal

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l\x1b[2J", "\x1b[0m\x1b[?25h\x1b[?1049l"
STARTED = int(time.time()) - 1000


class Day:
    """A receiver that stores 100 items a second, as its pages have it."""

    def __init__(self, t, **changed):
        self.began = time.monotonic()
        self.changed = changed
        self.since = STARTED
        self.socket = StatusSocket(t, {"/status": self.status, "/inboxes": self.inboxes,
                                       "/clients": self.clients})

    def count(self):
        return int(100 * (time.monotonic() - self.began))

    def status(self, _query):
        page = status(since=self.since, **self.changed)
        page["items"]["stored"] = self.count()
        page["counters"]["inboxd_syncs_total"] = self.count() // 10
        # All are acknowledged within 10 to 20 ms.
        page["histograms"] = {"inboxd_acknowledge_seconds": {
            "count": self.count(), "sum": 0.0, "buckets": [
                [0.01, 0], [0.02, self.count()], [1.0, self.count()]]}}
        return page

    def inboxes(self, _query):
        return inboxes(inbox("status", stored_total=self.count()),
                       *(inbox("reports%d" % n) for n in range(9)),
                       inbox("dumps", over_limit=True))

    @staticmethod
    def clients(_query):
        rows = [{"identity": "pc%d.example.org" % n, "queue": "0" * 32, "state": state,
                 "pending": n, "pending_oldest": int(time.time()) - 7300, "seen": None,
                 "missing": 0, "address": "192.0.2.7"}
                for n, state in enumerate(["behind"] * 300 + ["up-to-date", "missing"])]
        return {"schema": 1, "now": int(time.time()), "next": 250, "clients": rows}


class Live:
    """top at a terminal, and what stands on its screen."""

    def __init__(self, t, day, *arguments, width=80, height=24, env=None):
        self.width, self.height = width, height
        self.terminal = Terminal(
            t, [INBOXCTL, "-s", day.socket.socket_path, "top", "--interval", "1", *arguments],
            width, height=height, env={"LC_ALL": "C.UTF-8", **(env or {})})
        self.before = termios.tcgetattr(self.terminal.master)

    def screen(self):
        """As far as it came; an escape may have come in part."""
        text = self.terminal.text.decode("utf-8", "ignore")
        return Full(self.width, self.height).feed(re.sub(r"\x1b(\[[?0-9;]*)?$", "", text))

    def settle(self):
        """Waits until the frame that is under way is whole."""
        before = -1
        while len(self.terminal.text) != before:
            before = len(self.terminal.text)
            self.terminal.read(0.3)

    def until(self, word, seconds=20):
        def look():
            self.terminal.read(0.2)
            shown = "\n".join(self.screen().lines())
            return re.search(word, shown) and shown
        return until(look, seconds, word)

    def resize(self, width, height):
        """What came before was for another size."""
        self.width, self.height = width, height
        self.terminal.resize(width, height)
        time.sleep(0.3)
        while self.terminal.read(0.3):
            if self.terminal.text.rfind(b"\x1b[H") >= 0:
                break
        self.terminal.text = self.terminal.text[self.terminal.text.rfind(b"\x1b[H"):]

    def assert_given_back(self, code):
        found, text = self.terminal.end()
        equal(found, code, text)
        equal((text.count(ENTER), text.count(LEAVE), text.endswith(LEAVE)), (1, 1, True), text)


@test
def top_shows_what_goes_on_and_first_what_is_wrong(t):
    live = Live(t, Day(t, problems=[{"severity": "critical", "name": "disk-full",
                                     "text": "the disk is full"}]))
    shown = live.until(r"items/s +\d+ stored").splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d UTC 1 problem: inboxd 0.1.0 on cap1.example.org, up .*",
                        shown[0]), shown[0]
    equal(shown[1], "CRITICAL  disk-full: the disk is full")
    rate = float(re.search(r"items/s +(\d+) stored", shown[2]).group(1))
    assert 50 < rate < 200, rate
    contains("\n".join(shown), "acknowledged 15 ms (99%: 20 ms), in new/ - (99%: -)")
    # Full ones before the others, missing ones before those behind; both lists have room.
    table = [line.split()[:2] for line in shown]
    order = [row for row in table if len(row) == 2 and row[1] in (
        "full", "ok", "missing", "behind", "up-to-date")]
    equal(order[:2], [["dumps", "full"], ["status", "ok"]])
    equal([row for row in order if row[1] in ("missing", "behind")][:2],
          [["pc301.example.org", "missing"], ["pc0.example.org", "behind"]])
    contains(live.until(r"status +ok +[0-9]"), " 68.4 KiB ")
    live.terminal.type("q")
    live.assert_given_back(0)


@cases([("%dx%d" % size, size) for size in ((80, 24), (200, 60), (40, 10), (20, 3), (20, 1))])
def top_fits(t, size):
    live = Live(t, Day(t, problems=[{"severity": "warning", "name": "x", "text": "y" * 300}] * 5),
                width=size[0], height=size[1])
    live.until(r"items/s +\d|all|UTC 5 pr")
    live.settle()
    lines = live.screen().lines()  # which asserts that nothing is folded or scrolled
    contains(lines[0], " UTC 5 pr")
    if size == (200, 60):
        equal(sum(" behind " in line for line in lines), 60 - 1 - 3 - 8 - 1 - 12 - 1 - 2)
    if size == (40, 10):
        equal([line.split(" ")[0] for line in lines[1:6]],
              ["and", "items/s", "latency", "", "batches"])
    live.terminal.type("q")
    live.assert_given_back(0)


@test
def top_follows_a_terminal_that_changes_its_size(t):
    live = Live(t, Day(t))
    live.until("items/s")
    for size in ((40, 10), (120, 40), (80, 24), (20, 2)):
        live.resize(*size)
        live.until("UTC")
    live.terminal.type("q")
    equal(live.terminal.end()[0], 0)


@test
def top_stays_while_the_receiver_is_away_and_goes_on_when_it_is_back(t):
    day = Day(t)
    live = Live(t, day)
    live.until(r"items/s +\d+ stored")
    day.socket.close()
    os.unlink(day.socket.socket_path)
    shown = live.until("no answer for")
    contains(shown.splitlines()[0], "UTC no answer: inboxd")
    contains(shown, "No such file")
    contains(shown, "items/s      - stored")
    day.since += 500  # another life
    day.began = time.monotonic()
    day.socket = StatusSocket(t, day.socket.pages)
    shown = live.until(r"items/s +\d+ stored")
    contains(shown.splitlines()[0], "UTC all is well")
    live.terminal.type("q")
    live.assert_given_back(0)


@test
def top_pauses_and_asks_at_once_by_key(t):
    day = Day(t)
    live = Live(t, day, "--interval", "1h")
    live.until("UTC")

    def asked():
        return sum(path == "/status" for path, _ in day.socket.asked)
    before = asked()
    live.terminal.type("  ")
    until(lambda: asked() >= before + 1, 10)
    live.terminal.type("p")
    live.until("this screen is paused")
    before = asked()
    live.terminal.type("   ")
    time.sleep(1)
    equal(asked(), before, "asked while paused")
    live.terminal.type("p")
    until(lambda: asked() > before, 10)
    # Nothing of a longer line stays behind a shorter one.
    until(lambda: live.terminal.read(0.2) and re.fullmatch(
        r"\d\d:\d\d:\d\d UTC all is well: inboxd 0.1.0 on cap1.example.org, up [0-9hm ]+",
        live.screen().lines()[0]), 10)
    live.terminal.type("x")  # no key of ours
    live.terminal.type("Q")
    live.assert_given_back(0)


@cases([(number.name, number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)])
def top_gives_the_terminal_back_when_killed(t, number):
    live = Live(t, Day(t))
    live.until("items/s")
    live.terminal.child.send_signal(number)
    live.assert_given_back(-number)


@test
def top_gives_the_terminal_back_while_it_is_stopped(t):
    live = Live(t, Day(t))
    live.until("items/s")
    child = live.terminal.child
    flags = termios.tcgetattr(live.terminal.master)[3]
    assert not flags & termios.ECHO and not flags & termios.ICANON, flags
    child.send_signal(signal.SIGTSTP)

    def is_stopped():
        with open("/proc/%d/stat" % child.pid, encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "T"
    until(is_stopped, 10)
    live.terminal.until(LEAVE)
    flags = termios.tcgetattr(live.terminal.master)[3]
    assert flags & termios.ECHO and flags & termios.ICANON, flags
    child.send_signal(signal.SIGCONT)
    until(lambda: live.terminal.read(0.2) and live.terminal.text.decode().count(ENTER) == 2, 10)
    live.terminal.type("q")
    code, text = live.terminal.end()
    equal((code, text.count(LEAVE)), (0, 2))


@test
def top_costs_little_while_nothing_happens(t):
    live = Live(t, Day(t))
    live.until("items/s")

    def spent():
        with open("/proc/%d/stat" % live.terminal.child.pid, encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
    before, began = spent(), time.monotonic()
    while time.monotonic() < began + 4:
        live.terminal.read(0.2)
    cost = (spent() - before) / (time.monotonic() - began)
    t.note("%.1f%% of a processor, at a screen a second" % (100 * cost))
    assert cost < bound(0.05), cost
    live.terminal.type("q")
    live.assert_given_back(0)


# ---- without a terminal

@test
def batch_prints_as_many_screens_for_logs(t):
    day = Day(t)
    command = [INBOXCTL, "-s", day.socket.socket_path, "top"]
    done = t.run([*command, "--batch", "2", "--interval", "1"])
    equal((done.returncode, done.stderr), (0, ""))
    assert "\x1b" not in done.stdout
    frames = done.stdout.split("\n\n")
    equal(done.stdout.count(" UTC all is well: inboxd"), 2)
    equal(len(re.findall(r"^items/s +\d+ stored", done.stdout, re.M)), 2, done.stdout)
    contains(frames[1], "reports8")  # all of them
    done = t.run([*command, "--once"])
    equal((done.returncode, done.stdout.count(" UTC all is well")), (0, 1))


@test
def top_says_why_it_cannot(t):
    day = Day(t)
    command = [INBOXCTL, "-s", day.socket.socket_path, "top"]
    done = t.run(command)
    equal((done.returncode, done.stdout), (64, ""))
    contains(done.stderr, "no terminal")
    for option in (["--interval", "0"], ["--interval", "2h"], ["--batch", "x"], ["--batch", "0"]):
        done = t.run([*command, *option])
        equal(done.returncode, 64, option)
        contains(done.stderr, option[0])
    done = t.run([INBOXCTL, "-s", day.socket.socket_path + "x", "top", "--once"])
    equal(done.returncode, 69)
    contains(done.stderr, "systemctl status")
    for page, why in (({}, "no schema number"), ({"schema": 2}, "schema 2"),
                      ({"schema": 1}, 'no "items"')):
        done = t.run([INBOXCTL, "-s", StatusSocket(t, {"/status": page}).socket_path, "top",
                      "--once"])
        equal((done.returncode, done.stdout), (76, ""))
        contains(done.stderr, why)
    code, text = Terminal(t, [INBOXCTL, "-s", day.socket.socket_path + "x", "top"]).end()
    equal(code, 69)
    assert "\x1b" not in text, text


main()
