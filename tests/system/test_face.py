# SPDX-License-Identifier: ISC
"""What inboxq shows to people, on terminals of several widths, and to programs."""

import json
import os
import re
import signal
import socket
import subprocess
import time

from copyqueue import TEMPFAIL, Queue, run_in_background
from harness import INBOXQ, bound, cases, contains, equal, main, sanitizers, test, until
from terminal import Terminal, screen

NOWHERE = ["127.0.0.1:1"]
COUNT = 100000


def write_item(q, n, inbox="status", name="", size=3, age=0, part="queue", header=None):
    """An item as the spool has it, without the price of adding it."""
    if header is None:
        header = "inboxq-item 1 %s %d %s time=%d%s" % (
            inbox, size, "ab" * 32, int(time.time()) - age, " name=" + name if name else "")
    with open(os.path.join(q.spool, part, "%020d" % n), "wb") as file:
        file.write(header.encode().ljust(1023) + b"\n" + b"x" * size)


def filled(t, count=0):
    """A queue of three items and one set aside, and of `count` more."""
    q = Queue(t, servers=NOWHERE)
    q("remove", *(str(n) for n in q.add("status", b"made, lest there be no spool")))
    # Ages that show no seconds.
    write_item(q, 1, name="file0.txt", size=12, age=11430)
    write_item(q, 2, name="file1.txt", size=1536, age=11430)
    write_item(q, 3, inbox="inventory-of-all", name="a%1B[31m%20long.txt", size=70000, age=7290)
    write_item(q, 4, name="old.txt", age=3 * 86400 + 1800, part="failed")
    with open(os.path.join(q.spool, "failed", "%020d.reason" % 4), "w", encoding="ascii") as file:
        file.write("no-inbox: no such inbox (cap1)\n")
    for n in range(5, 5 + count):
        write_item(q, n, name="f%d" % n)
    return q


@test
def list_has_columns_for_eyes(t):
    q = filled(t)
    equal(q("list").stdout.splitlines(), [
        "NUMBER  INBOX                 SIZE     AGE  NAME",
        "     1  status                12 B  3h 10m  file0.txt",
        "     2  status             1.5 KiB  3h 10m  file1.txt",
        "     3  inventory-of-all  68.4 KiB   2h 1m  a%1B[31m%20long.txt",
        "     4  status                 3 B      3d  old.txt  "
        "failed: no-inbox: no such inbox (cap1)"])


LIST_OF_80 = [
    "NUMBER  INBOX                 SIZE     AGE  NAME",
    "     1  status                12 B  3h 10m  file0.txt",
    "     2  status             1.5 KiB  3h 10m  file1.txt",
    "     3  inventory-of-all  68.4 KiB   2h 1m  a%1B[31m long~",
    "     4  status                 3 B      3d  old.txt         failed: no-inbox: n~"]


@cases([("40", 40), ("80", 80), ("COLUMNS", 0)])
def list_is_cut_to_the_terminal_and_never_folded(t, width):
    q = filled(t)
    code, text = Terminal(t, [INBOXQ, "list", "-c", q.conf], width or 0,
                          env={"LC_ALL": "C", "NO_COLOR": "1",
                               **({} if width else {"COLUMNS": "40"})}).end()
    equal(code, 0)
    equal([line.rstrip() for line in screen(text, width or 40)[:-1]],
          [line if (width or 40) == 80 or len(line) < 40 else line[:39] + "~"
           for line in LIST_OF_80])


@test
def list_shows_names_as_people_wrote_them_and_what_failed_in_colour(t):
    q = filled(t)
    write_item(q, 5, name="M%C3%BCll%20%E6%97%A5%E6%9C%AC.txt")
    code, text = Terminal(t, [INBOXQ, "list", "-c", q.conf], 120,
                          env={"LC_ALL": "C.UTF-8"}).end()
    equal(code, 0)
    contains(text, "  M\u00fcll \u65e5\u672c.txt\r\n")
    contains(text, "old.txt            \x1b[1;31mfailed: no-inbox: no such inbox (cap1)\x1b[0m\r\n")
    # For programs: a word, whatever the locale.
    contains(q("list").stdout, "  M%C3%BCll%20%E6%97%A5%E6%9C%AC.txt\n")


@test
def list_picks_by_inbox_and_state_and_speaks_json(t):
    q = filled(t)
    rows = json.loads(q("list", "--json").stdout)
    equal((rows["schema"], rows["queue"]), (1, q.id()))
    equal([(row["number"], row["state"], row["inbox"], row["size"]) for row in rows["items"]],
          [(1, "pending", "status", 12), (2, "pending", "status", 1536),
           (3, "pending", "inventory-of-all", 70000), (4, "failed", "status", 3)])
    equal([row["reason"] for row in rows["items"]],
          [None] * 3 + ["no-inbox: no such inbox (cap1)"])
    equal(rows["items"][2]["name"], "a%1B[31m%20long.txt")
    def numbers(*arguments):
        found = json.loads(q("list", "--json", *arguments).stdout)
        return [row["number"] for row in found["items"]]
    equal(numbers("-i", "status"), [1, 2, 4])
    equal(numbers("--state", "failed"), [4])
    equal(numbers("--state", "pending", "-i", "status"), [1, 2])
    equal(numbers("-i", "nothing"), [])
    equal(q("list", "-i", "nothing").stdout, "")
    q("list", "--state", "lost", expect=64)


@test
def list_shows_what_it_cannot_read(t):
    q = filled(t)
    write_item(q, 5, header="no header")
    contains(q("list").stdout, "     5  -                        -       -  -  damaged: ")
    row = json.loads(q("list", "--json").stdout)["items"][3]
    equal((row["number"], row["state"], "inbox" in row), (5, "pending", False))
    contains(row["reason"], "header")


@test
def list_of_a_large_queue_begins_at_once_and_takes_no_memory(t):
    q = filled(t, COUNT)
    for arguments in ([], ["--json"]):
        began = time.monotonic()
        child = t.spawn([INBOXQ, "list", "-c", q.conf, *arguments],
                        stdout=subprocess.PIPE)
        child.stdout.readline()
        first = time.monotonic() - began
        lines = sum(1 for _ in zip(range(COUNT // 2), child.stdout))
        with open("/proc/%d/status" % child.pid, encoding="ascii") as file:
            memory = int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1))
        lines += sum(1 for _ in child.stdout)
        whole = time.monotonic() - began
        child.stdout.close()
        equal((child.wait(), lines), (0, COUNT + 4))
        t.note("%s: first line %.2f s, all %.2f s, %d KiB" % (
            arguments, first, whole, memory))
        assert first < bound(2) and whole < bound(20), (first, whole)
        assert memory < 16384 or sanitizers(), memory


@test
def add_takes_a_priority(t):
    q = Queue(t, servers=NOWHERE)
    q.add("status", b"x")
    path = os.path.join(q.folder, "urgent")
    with open(path, "wb") as file:
        file.write(b"x")
    for n, word in ((2, "high"), (3, "low"), (4, "normal")):
        equal(q("add", "-i", "status", "-p", word, path).stdout, "%d\n" % n)
    q("add", "-i", "status", "-p", "urgent", path, expect=64)
    found = {row["number"]: row["priority"]
             for row in json.loads(q("list", "--json").stdout)["items"]}
    equal([found[n] for n in (1, 2, 3, 4)], ["normal", "high", "low", "normal"])
    contains(q("list").stdout, "  urgent  priority: high\n")


# ---- requeue and remove

def with_failed(t):
    """A queue of two items that wait, and three that are set aside."""
    q = Queue(t, servers=NOWHERE)
    q.add("status", *(b"x" * n for n in range(1, 6)))
    for n, reason in ((3, "no-inbox"), (4, "too-large"), (5, "no-inbox")):
        name = "%020d" % n
        os.rename(os.path.join(q.spool, "queue", name), os.path.join(q.spool, "failed", name))
        with open(os.path.join(q.spool, "failed", name + ".reason"), "w", encoding="ascii") as file:
            file.write("%s: so it is (cap1)\n" % reason)
    return q


@cases([("a reason", ["--reason", "no-inbox"], [6, 7], [4]), ("all", ["all"], [6, 7, 8], []),
        ("the old way", ["--all"], [6, 7, 8], []), ("numbers", ["4"], [6], [3, 5]),
        ("no reason", ["--reason", "no"], [], [3, 4, 5])])
def requeue_takes_what_is_meant(t, words, numbers, left):
    q = with_failed(t)
    done = q("requeue", *words)
    equal([int(n) for n in done.stdout.split()], numbers)
    equal(done.stderr, "" if numbers else "inboxq: no item was set aside for no\n")
    equal((q.numbers(), q.numbers("failed")), ([1, 2] + numbers, left))


@cases([("none", []), ("all and more", ["all", "3"]), ("both", ["--reason", "no-inbox", "3"]),
        ("a word", ["some"]), ("both ways", ["--all", "3"])])
def requeue_and_remove_ask_what_is_meant(t, words):
    q = with_failed(t)
    q("requeue", *words, expect=64)
    if words[:1] != ["--all"]:
        q("remove", *words, expect=64)
    equal((q.numbers(), q.numbers("failed")), ([1, 2], [3, 4, 5]))


@test
def remove_asks_whoever_is_there(t):
    q = with_failed(t)
    asks = Terminal(t, [INBOXQ, "remove", "-c", q.conf, "1", "4"])
    asks.until("Remove 2 items, 5 B, for good?  No server has stored them.  [y/N] ")
    asks.type("n\n")
    code, text = asks.end()
    equal((code, "Nothing is removed." in text), (0, True))
    equal((q.numbers(), q.numbers("failed")), ([1, 2], [3, 4, 5]))
    asks = Terminal(t, [INBOXQ, "remove", "-c", q.conf, "1", "4"])
    asks.until("[y/N] ")
    asks.type("\x04")  # the end of input is no yes
    equal(asks.end()[0], 0)
    equal((q.numbers(), q.numbers("failed")), ([1, 2], [3, 4, 5]))
    asks = Terminal(t, [INBOXQ, "remove", "-c", q.conf, "1", "4"])
    asks.until("[y/N] ")
    asks.type("y\n")
    equal(asks.end()[0], 0)
    equal((q.numbers(), q.numbers("failed")), ([2], [3, 5]))
    code, text = Terminal(t, [INBOXQ, "remove", "-c", q.conf, "--yes", "2"]).end()
    equal((code, text), (0, ""))
    # Nobody is there: numbers are meant, all is asked about.
    q("remove", "all", expect=64)
    equal(q.numbers("failed"), [3, 5])
    q("remove", "--reason", "too-large")
    q("remove", "3")
    equal(q.numbers("failed"), [5])
    q("remove", "5", "5", "77", expect=66)
    q("remove", "all", "--yes")
    equal((q.numbers(), q.numbers("failed"), [line[2] for line in q.sent_log()]),
          ([], [], ["REMOVED"] * 5))


@test
def remove_of_many_is_quick_and_told_to_the_receiver(t):
    r = t.receiver()
    q = Queue(t, r)
    q.add("status", b"the receiver knows the queue")
    q("run", "--once")
    q.add("status", b"waits")
    for _ in range(3):
        q.add("status", *(b"%d" % n for n in range(200)))
    q("remove", *(str(n) for n in range(3, 603)))
    equal((q.numbers(), len(q.sent_log())), ([2], 601))
    q.add("status", b"goes")
    q("run", "--once")
    row = r.client_row(q.id())
    equal((row["skipped"], row["missing"], row["stored"]), (600, 0, 3))


# ---- status

def stop_for_now(r):
    """It comes back at the same port."""
    r.sections["receiver"]["listen"] = "127.0.0.1:%d" % r.port
    r.write_conf()
    r.stop()


def state_of(q):
    return q.status()["run"]


@test
def status_says_first_what_is_wrong(t):
    r = t.receiver()
    q = Queue(t, r)
    q("status", expect=73)
    q("remove", *(str(n) for n in q.add("status", b"x")))
    lines = q("status").stdout.splitlines()
    equal(lines[:6], ["All is well.", "", "pending      0 items, 0 B", "failed       0 items",
                      "run          none is running", "last-stored  -"])
    q.add("status", b"an item")
    lines = q("status").stdout.splitlines()
    equal(lines[0], "wrong        no inboxq run is running: nothing is uploaded")
    contains(lines[2], "pending      1 item, 7 B, the oldest for ")
    q("run", "--once")
    contains(q("status").stdout, "last-stored  ")
    assert abs(q.status()["last_stored"] - time.time()) < bound(20)
    equal(q.status()["wrong"], [])
    write_item(q, 7, header="none")
    write_item(q, 8, part="failed")
    write_item(q, 9, age=200000)
    wrong = q.status()["wrong"]
    equal(wrong, ["no inboxq run is running: nothing is uploaded", "1 item cannot be read",
                  "the oldest item has waited for 2d 7h",
                  "1 item is set aside: inboxq list --state failed says why"])
    state = q.status()
    equal((state["pending"], state["failed"], state["unreadable"], state["bytes"]), (2, 1, 1, 3))


@test
def status_says_that_the_queue_is_full(t):
    q = with_failed(t)
    with open(q.conf, "r+", encoding="ascii") as file:
        text = file.read().replace("[queue]\n", "[queue]\nitems = 5\nbytes = 2M\n")
        file.seek(0)
        file.write(text)
    assert "the queue is full: 5 items of at most 5" in q.status()["wrong"], q.status()
    q("remove", "5")
    equal([line for line in q.status()["wrong"] if "full" in line], [])


@test
def status_knows_how_run_is_and_when_it_is_no_more(t):
    r = t.receiver()
    q = Queue(t, r, **{"retry-min": "10s", "retry-max": "30s"})
    stop_for_now(r)
    q.add("status", b"waits")
    child = run_in_background(t, q)
    until(lambda: state_of(q) and state_of(q)["phase"] == "waiting" and
          state_of(q)["trouble"], 40)
    state = q.status()
    equal((state["run"]["running"], state["run"]["process"]), (True, child.pid))
    contains(state["run"]["trouble"], "127.0.0.1")
    contains(state["run"]["trouble"], "refused")
    assert 0 <= state["run"]["next"] - time.time() <= 31, state
    contains(state["wrong"][0], "refused")
    contains(state["wrong"][0], "next try in ")
    contains(q("status").stdout, "run          process %d for " % child.pid)
    # What a process that is gone has said is history.
    child.kill()
    child.wait()
    state = q.status()
    equal((state["run"]["running"], state["run"]["phase"]), (False, "waiting"))
    equal(state["wrong"][0], "no inboxq run is running: nothing is uploaded")
    contains(state["wrong"][1], "refused")
    # A receiver is there, and the trouble is over.
    r.start()
    child = run_in_background(t, q)
    until(lambda: state_of(q)["running"])
    child.send_signal(signal.SIGUSR1)
    until(lambda: state_of(q)["phase"] == "connected" and state_of(q)["stored"] == 1, 40)
    equal(q.status()["wrong"], [])
    equal(state_of(q)["trouble"], None)
    contains(q("status").stdout, ": connected with 127.0.0.1:%d" % r.port)
    child.terminate()
    equal(child.wait(bound(20)), 0)
    equal((state_of(q)["running"], state_of(q)["phase"]), (False, "ended"))


@cases([("a block that is torn", b"x", 2000), ("one that was cut", b"", 0),
        ("nothing", None, 0)])
def status_believes_no_run_state_that_is_not_whole(t, with_what, at):
    q = Queue(t, servers=NOWHERE)
    q.add("status", b"waits")
    q("run", "--once", expect=TEMPFAIL)
    equal(state_of(q)["phase"], "ended")
    path = os.path.join(q.spool, "run.state")
    if with_what is None:
        os.unlink(path)
    else:
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(with_what)
            file.truncate() if not with_what else None
    equal(state_of(q), None)
    q("run", "--once", expect=TEMPFAIL)
    equal(state_of(q)["phase"], "ended")


@test
def a_waiting_run_writes_nothing(t):
    q = Queue(t, servers=NOWHERE, **{"retry-min": "60s", "retry-max": "60s"})
    q.add("status", b"waits")
    run_in_background(t, q)
    until(lambda: state_of(q) and state_of(q)["phase"] == "waiting", 80)
    path = os.path.join(q.spool, "run.state")
    # On a busy machine something may happen still: it waits a moment, then tries, then waits long.
    for _ in range(4):
        before = os.stat(path).st_mtime_ns
        time.sleep(4)
        after = os.stat(path).st_mtime_ns
        if after == before:
            break
    equal(after, before, "writes of run.state while nothing happens")


# ---- the supervisor

class Supervisor:
    def __init__(self, t):
        self.path = os.path.join(t.folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.heard = []
        t.closing.append(self.socket)

    def until(self, want, seconds=30):
        self.socket.settimeout(bound(seconds))
        while not any(want in word for word in self.heard):
            self.heard.append(self.socket.recv(4096).decode())
        return next(word for word in self.heard if want in word)


@test
def run_tells_its_supervisor_how_it_is(t):
    r = t.receiver()
    q = Queue(t, r, **{"retry-min": "1s", "retry-max": "2s"})
    stop_for_now(r)
    q.add("status", b"one", b"two")
    supervisor = Supervisor(t)
    with open(os.path.join(q.folder, "log"), "wb") as log:
        child = t.spawn([INBOXQ, "run", "-c", q.conf], stdout=log, stderr=log, env={
            **os.environ, "NOTIFY_SOCKET": supervisor.path, "WATCHDOG_USEC": "3000000"})
    equal(supervisor.until("READY=1"), "READY=1")
    text = supervisor.until("next try at")
    assert re.fullmatch(r"STATUS=2 items wait; next try at \d\d:\d\d:\d\d: 127\.0\.0\.1.*refused",
                        text), text
    r.start()
    supervisor.until("STATUS=0 items wait; connected to 127.0.0.1:%d" % r.port)
    supervisor.until("WATCHDOG=1")
    supervisor.heard.clear()
    child.send_signal(signal.SIGHUP)
    supervisor.until("RELOADING=1\nMONOTONIC_USEC=")
    supervisor.until("READY=1")
    child.terminate()
    supervisor.until("STOPPING=1")
    equal(child.wait(bound(20)), 0)


@test
def one_cycle_is_no_supervisors_business(t):
    q = Queue(t, servers=NOWHERE)
    q.add("status", b"waits")
    supervisor = Supervisor(t)
    t.run([INBOXQ, "run", "--once", "-c", q.conf], env={"NOTIFY_SOCKET": supervisor.path})
    supervisor.socket.settimeout(0.1)
    try:
        raise AssertionError(supervisor.socket.recv(4096))
    except socket.timeout:
        pass


# ---- a reload that has an answer

@test
def reload_says_whether_it_was_taken(t):
    q = Queue(t, servers=NOWHERE)
    q("remove", *(str(n) for n in q.add("status", b"made, lest there be no spool")))
    contains(q("reload", expect=69).stderr, "no inboxq run is at work that could reload")
    child = run_in_background(t, q)
    until(lambda: q("reload", expect=None).returncode == 0, 10, "run to be there")
    equal(q("reload").stdout, "")
    # Wrong in itself: all errors are told, as by any command, and run is not asked.
    with open(q.conf, encoding="ascii") as file:
        good = file.read()
    with open(q.conf, "w", encoding="ascii") as file:
        file.write(good + "nonsense = 1\n")
    contains(q("reload", expect=78).stderr, "nonsense")
    # Wrong in what it names: run finds it.
    with open(q.conf, "w", encoding="ascii") as file:
        file.write(good.replace(q.pair.cert, t.pki.ca.cert))
    contains(q("reload", expect=78).stderr,
             "inboxq: not taken, the old configuration stays: %s: the certificate is not for a "
             "client" % t.pki.ca.cert)
    with open(q.conf, "w", encoding="ascii") as file:
        file.write(good)
    q("reload")
    child.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        contains(q("reload", expect=TEMPFAIL).stderr, "process %d does not answer" % child.pid)
        assert 8 < time.monotonic() - began < bound(15), time.monotonic() - began
    finally:
        child.send_signal(signal.SIGCONT)
    child.send_signal(signal.SIGTERM)
    equal(child.wait(bound(20)), 0)
    q("reload", expect=69)


if __name__ == "__main__":
    main()
