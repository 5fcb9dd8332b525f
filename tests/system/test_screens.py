#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""inboxctl's screens: first what is wrong, no line wider than the terminal, and no more lines than
were promised, on good days and on bad ones."""

import re
import time

from harness import INBOXCTL, cases, contains, equal, main, test
from statussocket import StatusSocket, inbox, inboxes, status
from terminal import Terminal, screen

SGR = re.compile(r"\x1b\[[0-9;]*m")
PROBLEMS = [
    {"severity": "critical", "name": "disk-full", "text": "the disk is full: all is told LATER"},
    {"severity": "warning", "name": "clients-missing", "text": "items of 1 client are missing"},
    {"severity": "warning", "name": "crl-ends", "text": "the CRL ends in 6 days"},
    {"severity": "warning", "name": "clients-silent", "text": "3 clients are silent"}]


def at_terminal(t, server, *arguments, width=80, env=None):
    """Lines that a terminal shows, and all that came, with its colours."""
    code, text = Terminal(t, [INBOXCTL, "-s", server.socket_path, *arguments], width,
                          env={"LC_ALL": "C", **(env or {})}).end()
    equal(code, 0, text)
    return [line.rstrip() for line in screen(SGR.sub("", text), width)[:-1]], text


def piped(t, server, *arguments):
    shown = t.run([INBOXCTL, "-s", server.socket_path, *arguments])
    equal((shown.returncode, shown.stderr), (0, ""))
    return shown.stdout.splitlines()


# ---- status

def bad_day(t):
    hour = int(time.time()) - 3 * 3600 - 120
    return StatusSocket(t, {"/status": status(problems=PROBLEMS, state="draining"),
                            "/inboxes": inboxes(inbox("status"), inbox("reports", oldest=hour))})


@test
def status_of_a_good_day_says_so_and_what_matters(t):
    hour = int(time.time()) - 3 * 3600 - 120
    server = StatusSocket(t, {"/status": status(), "/inboxes": inboxes(
        inbox("status"), inbox("reports", oldest=hour))})
    shown, text = at_terminal(t, server, "status")
    equal(shown, [
        "inboxd 0.1.0 on cap1.example.org, up 3d 4h: all is well",
        "items        1234540 stored (4.5/s on average), 12 again, 3 later, 3 refused",
        "under way    312 connections, 5 items in flight, 120 not in new/ yet (2s)",
        "inboxes      2: 34 waiting, the oldest for 3h 2m in reports; 2 claimed",
        "clients      1 missing items, 12 behind, 3 silent, 4 never came, 980 up to date",
        "disk         312.0 GiB free; journal of 256.0 MiB, 5.0 MiB of it not in new/ yet",
        "certificates own ends in 71d, CA ends in 3650d, CRL ends in 6d 1h"])
    contains(text, "\x1b[32mall is well\x1b[0m")
    contains(text, "\x1b[1;31m1 missing items\x1b[0m")
    contains(text, "\x1b[33mCRL ends in 6d 1h\x1b[0m")


@test
def status_says_first_what_is_wrong_and_in_ten_lines(t):
    shown, text = at_terminal(t, bad_day(t), "status")
    equal(shown[:4], [
        "inboxd 0.1.0 on cap1.example.org, up 3d 4h, draining: 4 problems",
        "CRITICAL  disk-full: the disk is full: all is told LATER",
        "warning   clients-missing: items of 1 client are missing",
        "and 2 more"])
    equal(len(shown), 10)
    contains(text, "\x1b[1;31m4 problems\x1b[0m")
    contains(text, "\x1b[1;31mCRITICAL\x1b[0m")
    # All of them by -v, whole, before all else.
    shown, _ = at_terminal(t, bad_day(t), "status", "-v", width=200)
    equal(shown[:5], ["%-9s %s: %s" % ("warning" if i else "CRITICAL", row["name"], row["text"])
                      for i, row in enumerate(PROBLEMS)] + [""])
    contains("\n".join(shown), "every item offered is accounted for")
    contains("\n".join(shown), "Counted since the start")


@test
def status_tells_of_an_inbox_that_takes_nothing(t):
    held = {"since": int(time.time()) - 60, "uid": 0, "reason": ""}
    pages = {"/status": status(), "/inboxes": inboxes(
        inbox("a", paused=held), inbox("b", over_limit=True), inbox("c", paused=held), inbox("d"))}
    server = StatusSocket(t, pages)
    contains(piped(t, server, "status")[3], " claimed; 2 paused; 1 full")
    server.pages["/status"] = status(state="paused")  # all are, as the first line says
    shown = piped(t, server, "status")
    contains(shown[0], ", paused: ")
    assert shown[3].endswith(" claimed"), shown


@test
def status_says_when_clients_were_counted_unless_it_is_now(t):
    page = status()
    server = StatusSocket(t, {"/status": page, "/inboxes": inboxes()})
    for ago, end in ((4, "up to date"), (5, "up to date, counted 5s ago"),
                     (40, "up to date, counted 40s ago")):
        page["clients"]["counted"] = page["now"] - ago
        server.pages["/status"] = page
        assert piped(t, server, "status")[4].endswith(end), ago


@test
def status_says_why_and_which_where_its_page_does(t):
    page = status(
        reload_error="/etc/inboxd.conf:12: want [section]",
        reload={"differs": True, "files": ["/etc/inboxd.conf", "/x"], "error": None, "at": 1},
        problems=[{"severity": "warning", "name": "reload-failed", "text": "it was not taken"},
                  {"severity": "warning", "name": "files-differ", "text": "not in force: 2"}])
    server = StatusSocket(t, {"/status": page, "/inboxes": inboxes()})
    equal(piped(t, server, "status")[1:3],
          ["warning   reload-failed: it was not taken: /etc/inboxd.conf:12: want [section]",
           "warning   files-differ: not in force: 2: /etc/inboxd.conf"])
    for key in ("reload_error", "reload"):
        page[key] = None
    server.pages["/status"] = page
    equal(piped(t, server, "status")[1:3], ["warning   reload-failed: it was not taken",
                                            "warning   files-differ: not in force: 2"])


@cases([(str(width), width) for width in (20, 40, 79, 120)])
def status_and_inboxes_are_cut_and_never_folded(t, width):
    server = bad_day(t)
    server.pages["/inboxes"] = inboxes(
        inbox("status" * 8, folder="/srv/" + "x" * 200), inbox("reports", error="new/: " * 40))
    for command in (["status"], ["inboxes"], ["inboxes", "-v"]):
        shown, _ = at_terminal(t, server, *command, width=width)  # screen() asserts the width
        assert len(shown) <= 10, shown


@test
def status_of_an_older_receiver_shows_what_nobody_may_overlook(t):
    page = status(reload_error="line 3: [tls] key: not there")
    for key in ("problems", "clients", "host", "state"):
        del page[key]
    page["gauges"].update({"inboxd_full": 2, "inboxd_publish_trouble": 1})
    server = StatusSocket(t, {"/status": page, "/inboxes": inboxes()})
    shown = piped(t, server, "status")
    equal(shown[0], "inboxd 0.1.0, up 3d 4h: 3 problems")
    assert shown[1].startswith("CRITICAL  what is acknowledged cannot be made visible"), shown
    equal(shown[2:4], ["CRITICAL  the disk is full: all new items are told LATER",
                       "warning   the last reload was not taken: line 3: [tls] key: not there"])
    contains(shown[7], "1000 queues known")


@test
def colours_stay_away_where_they_are_not_wanted(t):
    server = bad_day(t)
    _, text = at_terminal(t, server, "status", env={"NO_COLOR": "1"})
    assert "\x1b" not in text, text
    _, text = at_terminal(t, server, "inboxes", env={"TERM": "dumb"})
    assert "\x1b" not in text, text
    assert not any("\x1b" in line for line in piped(t, server, "status"))
    contains(at_terminal(t, server, "status")[1], "\x1b")


@test
def nothing_that_a_receiver_says_steers_the_terminal(t):
    evil = "x\x1b[2J\x9b31m\u202e\n"
    server = StatusSocket(t, {
        "/status": status(host=evil, state=evil, version=evil, problems=[
            {"severity": "critical", "name": evil, "text": evil}]),
        "/inboxes": inboxes(inbox(evil), inbox("p", paused={"since": 1, "reason": evil}),
                            inbox("e", error=evil))})
    for command in ("status", "inboxes"):
        for locale in ("C", "C.UTF-8"):
            _, text = at_terminal(t, server, command, width=200,
                                  env={"LC_ALL": locale, "NO_COLOR": "1"})
            text = text.replace("\r\n", "")
            assert all(0x20 <= ord(byte) < 0x7f for byte in text), repr(text)


# ---- inboxes

@test
def inboxes_shows_first_those_that_take_nothing_and_why(t):
    now = int(time.time())
    server = StatusSocket(t, {"/inboxes": inboxes(
        inbox("status"), inbox("dumps", over_limit=True),
        inbox("reports", paused={"since": now - 7260, "reason": "disk work"}),
        inbox("lost", waiting=None, oldest=None, error="new/: No such file or directory"))})
    shown, text = at_terminal(t, server, "inboxes")
    equal(shown, [
        "lost: cannot be read: new/: No such file or directory",
        "dumps: has as many items or bytes as it may: new ones are told LATER",
        "reports: paused for 2h 1m, disk work: new items are told LATER",
        "INBOX    STATE   WAITING      SIZE  OLDEST  CLAIMED  SINCE  STORED  LAST",
        "lost     unread        -  68.4 KiB       -        1     1m  123456    3s",
        "dumps    full         17  68.4 KiB      3m        1     1m  123456    3s",
        "reports  paused       17  68.4 KiB      3m        1     1m  123456    3s",
        "status   ok           17  68.4 KiB      3m        1     1m  123456    3s"])
    contains(text, "\x1b[1;31munread\x1b[0m")
    contains(text, "\x1b[33mpaused\x1b[0m")
    shown = piped(t, server, "inboxes", "-v")
    contains(shown[3], "LARGEST")
    contains(shown[4], "/var/lib/inboxd/lost")


@test
def a_pause_of_all_inboxes_is_one_sentence(t):
    server = StatusSocket(t, {"/inboxes": inboxes(
        *(inbox("i%d" % n, paused_all=True) for n in range(9)), inbox("x", error="new/: no"))})
    shown, _ = at_terminal(t, server, "inboxes")
    equal(shown[:3], ["all inboxes are paused: new items are told LATER",
                      "x: cannot be read: new/: no",
                      "INBOX  STATE   WAITING      SIZE  OLDEST  CLAIMED  SINCE  STORED  LAST"])
    equal([line.split()[1] for line in shown[3:]], ["unread"] + ["paused"] * 9)


main()
