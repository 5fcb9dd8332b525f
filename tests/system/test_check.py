#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""inboxctl check: what is wrong in one line, by exit codes that Nagios and its kin know.

The line is read here as they read it: text, a stroke, then a label, a value with its unit and two
ranges for each figure.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from harness import INBOXCTL, Skip, contains, equal, main, test, until
from statussocket import StatusSocket

OK, WARNING, CRITICAL, UNKNOWN = range(4)
WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
NOBODY = 65534
PAGE = "# TYPE inboxd_full gauge\ninboxd_full 0\n"


class Answer:
    """What one check said."""

    def __init__(self, done):
        self.code, self.complaint = done.returncode, done.stderr
        lines = done.stdout.split("\n")
        equal((len(lines), lines[-1]), (2, ""), "one line: %r" % done.stdout)
        text, _, figures = lines[0].partition(" | ")
        match = re.fullmatch(r"INBOXD (\w+): ([ -{}~]+)", text)
        assert match, lines[0]
        equal(match.group(1), WORDS[self.code])
        self.text = match.group(2)
        self.names = [part.split(":")[0] for part in self.text.split("; ")]
        self.figures = {}
        for figure in figures.split():
            label, value, unit, warning, critical = re.fullmatch(
                r"([a-z-]+)=(-?\d+)(s|%|);(\d*:?);(\d*:?)", figure).groups()
            assert label not in self.figures, figures
            self.figures[label] = (int(value), unit, warning, critical)


def check(t, where, *options, code=OK):
    socket = where if isinstance(where, str) else getattr(where, "socket_path", None) or \
        where.socket
    answer = Answer(t.run([INBOXCTL, "check", "-s", socket, *options]))
    equal(answer.code, code, "exit code: " + answer.text + answer.complaint)
    return answer


@test
def a_receiver_is_well_and_then_not(t):
    r = t.receiver(sections={"limits": {"connections": "10"}})
    answer = check(t, r)
    equal((answer.text, answer.complaint), ("nothing is wrong", ""))
    equal(answer.figures["disk-full"], (0, "", "1", "2"))
    equal(answer.figures["connections-limit"], (0, "%", "80", "95"))
    equal(answer.figures["publish-lag"], (0, "s", "60", "600"))
    value, *rest = answer.figures["certificate-expiry"]
    equal(rest, ["s", "1209600:", "259200:"])
    assert 0 < value
    clients = [r.client(hello=t.queue()) for _ in range(8)]
    until(lambda: r.metric("inboxd_connections") == 8)
    answer = check(t, r, code=WARNING)
    equal(answer.text, "connections-limit: connections: 80% of as many as may be open")
    equal(answer.figures["connections-limit"][0], 80)
    equal([one["name"] for one in r.json("/status")["problems"]], answer.names)
    check(t, r, "--ignore", "connections-limit")
    check(t, r, "--warning", "connections-limit=81")
    equal(check(t, r, "--critical", "connections-limit=80%", code=CRITICAL).figures[
        "connections-limit"], (80, "%", "80", "80"))
    equal(list(check(t, r, "--only", "connections-limit,disk-full", code=WARNING).figures),
          ["disk-full", "connections-limit"])
    for c in clients:
        c.quit()
    r.stop()
    answer = check(t, r, code=CRITICAL)
    contains(answer.text, "down: the receiver does not answer: " + r.socket)
    equal(answer.figures, {})


@test
def a_receiver_is_found_by_its_configuration(t):
    r = t.receiver()
    equal(t.run([INBOXCTL, "-c", r.conf, "check"]).returncode, OK)
    # A slip elsewhere in it is the receiver's to tell at its next reload, and keeps nobody from
    # looking; where it may be about the socket, nothing is known.
    r.write_conf(extra="no pair\n")
    equal(t.run([INBOXCTL, "-c", r.conf, "check", "--ignore", "files-differ"]).returncode, OK)
    equal(t.run([INBOXCTL, "-c", r.conf, "reload"]).returncode, 78)
    contains(Answer(t.run([INBOXCTL, "-c", r.conf, "check"])).text, "reload-failed")
    r.write_conf(extra="[stat\n")
    answer = Answer(t.run([INBOXCTL, "-c", r.conf, "check"]))
    contains(answer.text, "not asked: ")
    contains(answer.text, "want [section]")
    equal(answer.code, UNKNOWN)
    r.write_conf()
    answer = Answer(t.run([INBOXCTL, "-c", "/nowhere/inboxd.conf", "check"]))
    equal((answer.code, answer.text),
          (UNKNOWN, "not asked: /nowhere/inboxd.conf: No such file or directory"))
    contains(answer.complaint, "/nowhere/inboxd.conf")


@test
def a_receiver_that_hangs_is_down_within_ten_seconds(t):
    r = t.receiver()
    os.kill(r.process.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        contains(check(t, r, code=CRITICAL).text, "no answer within 8 seconds")
        assert 7 < time.monotonic() - began < 10, time.monotonic() - began
    finally:
        os.kill(r.process.pid, signal.SIGCONT)
    check(t, r)


@test
def a_wrong_command_line_is_unknown(t):
    fake = StatusSocket(t, {"/metrics": PAGE})
    for options, why in (
            (["--nonsense"], "nonsense"), (["--warning"], "warning"), (["other"], "other"),
            (["--warning", "disk-full"], "NAME=NUMBER"), (["--warning", "disk-full="], "NUMBER"),
            (["--warning", "disk-full=x"], "NUMBER"), (["--critical", "disk-full=50%"], "NUMBER"),
            (["--warning", "publish-lag=5x"], "TIME"), (["--warning", "publish-lag=-5"], "TIME"),
            (["--warning", "clients-silent=5s"], "PERCENT"), (["--warning", "=5"], "no such"),
            (["--critical", "disk=5"], "no such thing"), (["--only", ""], "no such thing"),
            (["--only", "disk-full,"], "no such thing"), (["--ignore", "all"], "no such thing"),
            (["--warning", "down=1"], "no limit"), (["--only", "restarts"], "Prometheus"),
            (["--warning", "disk-full=1", "--warning", "publish-lag=5m"], "once"),
            (["--json"], "has no option --json"), (["-r", "/root"], "has no option --root")):
        answer = check(t, fake, *options, code=UNKNOWN)
        contains(answer.complaint, why, "complaint")
    equal(fake.asked, [])
    for options in (["--warning", "disk-full=never,publish-lag=5m,clients-silent=20%"],
                    ["--critical", "publish-lag=9223372036854775807"], ["--ignore", "down"]):
        check(t, fake, *options)
    # A word that is one of another command's is none of ours.
    equal(t.run([INBOXCTL, "ledger", "--inbox", "check", "--nonsense"]).returncode, 64)


@test
def who_is_asked_by_name_and_does_not_tell_is_unknown(t):
    fake = StatusSocket(t, {"/metrics": PAGE})
    check(t, fake)
    check(t, fake, "--only", "disk-full,down")
    contains(check(t, fake, "--only", "disk-full,reload-failed", code=UNKNOWN).text,
             "reload-failed: this receiver does not tell it")
    # An inbox in which nothing waits has no sample of it.
    fake.pages["/metrics"] = PAGE + "# TYPE inboxd_inbox_oldest_timestamp_seconds gauge\n"
    check(t, fake, "--only", "inbox-unclaimed")


@test
def what_is_no_receiver_is_unknown_and_what_cannot_answer_is_down(t):
    fake = StatusSocket(t, {})
    contains(check(t, fake, code=UNKNOWN).text, "fake.sock")
    for page in ("", "{}", "# TYPE node_up gauge\nnode_up 1\n", "inboxd_full 0\n"):
        fake.pages["/metrics"] = page
        contains(check(t, fake, code=UNKNOWN).text, "no receiver")
    fake.close()
    contains(check(t, fake, code=CRITICAL).text, "down: ")
    check(t, fake, "--ignore", "down", code=UNKNOWN)
    check(t, os.path.join(t.folder, "nothing"), code=CRITICAL)


@test
def nothing_that_comes_over_the_socket_steers_what_reads_the_line(t):
    fake = StatusSocket(t, {"/metrics": PAGE + "".join(
        'inboxd_inbox_over_limit{inbox="%s"} 1\n' % name for name in
        ("\x1b[31mred", "a|down=1", 'a"b', "x" * 200, "\u00fc"))})
    answer = check(t, fake, code=WARNING)
    equal(answer.text,
          "inbox-over-limit: inbox a?down=1 has reached its limit: its items are put off")
    equal(answer.figures["inbox-over-limit"], (1, "", "1", ""))


@test
def who_may_not_open_the_socket_does_not_know(t):
    if os.geteuid() != 0:
        raise Skip("only root can ask as somebody else")
    r = t.receiver()
    folder = tempfile.mkdtemp(dir="/tmp")
    try:
        os.chmod(folder, 0o755)
        program = shutil.copy(INBOXCTL, folder)
        os.chmod(r.socket, 0o600)
        done = subprocess.run([program, "check", "-s", r.socket], user=NOBODY, group=NOBODY,
                              extra_groups=[], timeout=30, check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        answer = Answer(done)
        equal(answer.code, UNKNOWN, answer.text)
        contains(answer.text, "may not be opened")
    finally:
        shutil.rmtree(folder)


main()
