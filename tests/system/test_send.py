# SPDX-License-Identifier: ISC
"""inboxq send: adds, uploads, waits, and says what became of each, with and without a run."""

import json
import os
import re
import signal
import subprocess
import time

from copyqueue import Queue, all_there, run_in_background, said
from fakereceiver import Cut, FakeReceiver
from harness import INBOXQ, bound, cases, contains, equal, main, test, until
from terminal import Terminal, screen


def stop_for_now(r):
    """It comes back at the same port."""
    r.sections["receiver"]["listen"] = "127.0.0.1:%d" % r.port
    r.write_conf()
    r.stop()


def write(q, name, content):
    path = os.path.join(q.folder, name)
    with open(path, "wb") as file:
        file.write(content)
    return path


def queued(q):
    """What is in the queue, if there is one yet."""
    return q.numbers() if os.path.isdir(os.path.join(q.spool, "queue")) else []


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def start_run(t, q):
    q("remove", *(str(n) for n in q.add("status", b"made, lest there be no spool")))
    child = run_in_background(t, q)
    until(lambda: (q.status()["run"] or {}).get("running"))
    return child


@cases([("without a run", False), ("beside one", True)])
def send_uploads_and_says_so(t, with_run):
    r = t.receiver()
    q = Queue(t, r)
    q.add("status", b"was there before")
    if with_run:
        start_run(t, q)
    paths = [write(q, "a b.txt", b"one"), write(q, "b.txt", t.bytes(3 << 20))]
    done = q("send", "-i", "status", *paths)
    lines = done.stdout.splitlines()
    equal(sorted(line.split(": stored at cap1 as ")[0] for line in lines), sorted(paths))
    assert {line.split(" as ")[1] for line in lines} <= set(r.files("status")), lines
    equal((q.numbers(), done.stderr), ([], ""))
    done = q("send", "-i", "status", "-n", "in.txt", stdin="from a pipe")
    contains(done.stdout, "standard input: stored at cap1 as ")
    all_there(r, [b"was there before", b"one", b"from a pipe", open(paths[1], "rb").read()])


@test
def send_speaks_json(t):
    r = t.receiver()
    q = Queue(t, r)
    path = write(q, "a.txt", b"one")
    found = events(q("send", "--json", "-i", "status", path).stdout)
    equal([event["event"] for event in found if event["event"] != "progress"],
          ["queued", "stored", "end"])
    queued, stored, end = [event for event in found if event["event"] != "progress"]
    equal((queued["number"], queued["file"], queued["size"]), (1, path, 3))
    equal((stored["number"], stored["server"], [stored["name"]]), (1, "cap1", r.files("status")))
    equal((end["stored"], end["queued"], end["exit"]), (1, 0, 0))
    done = q("send", "--json", "-i", "nowhere", path, expect=69)
    refused = [event for event in events(done.stdout) if event["event"] == "refused"][0]
    equal((refused["code"], refused["number"]), ("no-inbox", 2))
    contains(refused["reason"], "no-inbox: ")


@cases([(code, code, expect) for code, expect in (
    ("no-inbox", 69), ("not-allowed", 77), ("too-large", 65))])
def send_tells_why_it_was_refused(t, code, expect):
    def odd(connection, line):
        if line.startswith("PUT "):
            words = line.split(" ")
            connection.body(int(words[3]))
            connection.say("REFUSED %s %s as it is" % (words[1], code))
            return True
        return False
    fake = FakeReceiver(t, odd=odd)
    q = Queue(t, servers=["127.0.0.1:%d" % fake.port])
    done = q("send", "-i", "status", write(q, "a.txt", b"one"), expect=expect)
    contains(done.stdout, "a.txt: refused: %s: as it is" % code)
    equal(q.numbers("failed"), [1])


@cases([("without a run", False), ("beside one", True)])
def send_leaves_in_the_queue_what_no_server_takes(t, with_run):
    r = t.receiver()
    q = Queue(t, r, **{"retry-min": "20s", "retry-max": "20s"})
    stop_for_now(r)
    if with_run:
        start_run(t, q)
    path = write(q, "a.txt", b"one")
    began = time.monotonic()
    done = q("send", "-i", "status", path, expect=75, timeout=40)
    took = time.monotonic() - began
    assert took < bound(15), took
    contains(done.stderr, "refused")
    equal(done.stderr.count("refused"), 1, done.stderr)
    contains(done.stderr, "it stays in the queue; inboxq run tries again in " if with_run
             else "it stays in the queue\n")
    equal(done.stdout, "")
    equal(len(q.numbers()), 1)
    end = events(q("send", "--json", "-i", "status", path, expect=75, timeout=40).stdout)
    contains([event for event in end if event["event"] == "trouble"][0]["reason"], "refused")
    equal((end[-1]["queued"], end[-1]["exit"]), (1, 75))
    contains(end[-1]["reason"], "refused")
    r.start()
    q("run", "--once") if not with_run else q("send", "-i", "status", path)
    all_there(r, [b"one"] * (3 if with_run else 2))


@test
def send_tries_again_as_long_as_it_is_told_to(t):
    r = t.receiver()
    q = Queue(t, r)
    stop_for_now(r)
    path = write(q, "a.txt", b"one")
    child = t.spawn([INBOXQ, "send", "-c", q.conf, "-i", "status", "--timeout", "60s", path],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: queued(q) == [1])
    time.sleep(1.5)
    r.start()
    out, err = child.communicate(timeout=bound(60))
    equal(child.returncode, 0)
    contains(out.decode(), "stored at cap1")
    contains(err.decode(), "refused")
    began = time.monotonic()
    stop_for_now(r)
    q("send", "-i", "status", "--timeout", "3s", path, expect=75)
    assert 2 < time.monotonic() - began < bound(20)
    r.start()
    q("run", "--once")


@cases([("without a run", False), ("beside one", True)])
def send_does_not_wait_for_what_is_put_off(t, with_run):
    def odd(connection, line):
        if line.startswith("PUT "):
            words = line.split(" ")
            connection.body(int(words[3]))
            connection.say("LATER %s 3000 full no room" % words[1])
            return True
        return False
    fake = FakeReceiver(t, odd=odd)
    q = Queue(t, servers=["127.0.0.1:%d" % fake.port])
    if with_run:
        start_run(t, q)
        until(lambda: q.status()["run"]["phase"] == "connected")
    done = q("send", "-i", "status", write(q, "a.txt", b"one"), expect=75, timeout=20)
    contains(done.stderr, "puts off item %d for 3000 s: full: no room" % (1 + with_run))
    equal(q.numbers(), [1 + with_run])


@test
def send_that_comes_as_a_session_ends_waits_for_the_try_that_follows(t):
    """Which may not be at once: what is left is explained by it, not by what was before."""
    r = t.receiver()
    q = Queue(t, r, **{"retry-min": "20s", "retry-max": "20s"})
    start_run(t, q)
    q("send", "-i", "status", write(q, "a", b"one"))
    r.process.send_signal(signal.SIGTERM)
    until(lambda: "event=goaway" in said(q))
    done = q("send", "-i", "status", write(q, "b", b"two"), expect=75)
    contains(done.stderr, "connect: Connection refused")


@test
def send_does_not_wait_for_a_server_that_wants_to_be_left_alone(t):
    def odd(connection, line):
        if line.startswith("HELLO "):
            connection.say("READY 1 fake", "GOAWAY 600 crowded")
            raise Cut
        return False
    q = Queue(t, servers=["127.0.0.1:%d" % FakeReceiver(t, odd=odd).port])
    start_run(t, q)
    until(lambda: re.search(r"event=cycle_over pending=0 next_in=[67]\d\d", said(q)))
    done = q("send", "-i", "status", write(q, "a.txt", b"one"), expect=75, timeout=20)
    contains(done.stderr, "it wants to be left alone for 600 s: crowded")
    contains(done.stderr, "; inboxq run tries again in ")


@test
def sends_at_once_share_the_work(t):
    r = t.receiver()
    q = Queue(t, r)
    children = []
    for i in range(6):
        path = write(q, "f%d" % i, b"item %d" % i)
        children.append(t.spawn([INBOXQ, "send", "-c", q.conf, "-i", "status", path],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE))
    for child in children:
        out, err = child.communicate(timeout=bound(60))
        equal((child.returncode, err), (0, b""), out)
    all_there(r, [b"item %d" % i for i in range(6)])


@test
def send_says_what_was_not_taken_and_sends_the_rest(t):
    r = t.receiver()
    q = Queue(t, r)
    path = write(q, "a.txt", b"one")
    done = q("send", "-i", "status", os.path.join(q.folder, "missing"), path, expect=66)
    contains(done.stderr, "missing: No such file")
    contains(done.stdout, "a.txt: stored")
    missing = os.path.join(q.folder, "missing")
    found = events(q("send", "--json", "-i", "status", missing, expect=66).stdout)
    equal([(event["event"], event.get("file")) for event in found],
          [("not_taken", missing), ("end", None)])
    contains(found[0]["reason"], "missing: No such file")
    q("send", "-i", "in box", path, expect=64)
    q("send", path, expect=64)
    q("send", "-i", "status", "--timeout", "soon", path, expect=64)


@test
def send_says_that_a_certificate_does_not_do(t):
    r = t.receiver()
    q = Queue(t, r)
    path = write(q, "a.txt", b"one")
    q.pair = q.pair._replace(key=os.path.join(q.folder, "no-such"))
    q.point_at(r)
    done = q("send", "-i", "status", path, expect=None)
    assert done.returncode in (75, 78), done
    contains(done.stderr, "no-such")
    contains(done.stderr, "stays in the queue")

# ---- at a terminal

class Slow:
    """A receiver that takes its time."""

    def __init__(self, t, rate):
        self.fake = FakeReceiver(t, inline=65536)
        self.fake.rate = rate  # a TLS record each tenth of a second at most
        self.queue = Queue(t, servers=["127.0.0.1:%d" % self.fake.port])

    def send(self, t, width, size, env=None):
        path = write(self.queue, "big", t.bytes(size))
        return Terminal(t, [INBOXQ, "send", "-c", self.queue.conf, "-i", "status", path], width,
                        env)


@cases([("80", 80), ("40", 40), ("20", 20)])
def bar_fits_the_terminal_and_goes_when_all_is_done(t, width):
    terminal = Slow(t, 1 << 20).send(t, width, 600000)
    terminal.until("/s  ")
    code, text = terminal.end(60)
    equal(code, 0)
    shown = screen(text.replace("\r\n", "\n\r"), max(width, 200))
    for part in text.split("\r"):
        if "%" in part:
            assert len(part.replace("\x1b[K", "").rstrip("\n")) < width or "stored" in part, part
    equal([line for line in shown if "%" in line], [], "what is left of the bar")
    contains(shown[0], "big: stored at ")
    if width == 80:
        contains(text, "0/1  ")
        contains(text, " / 585.9 KiB")
        contains(text, "[=")
        contains(text, " left")


@test
def rate_does_not_fall_between_two_words_of_the_uploader(t):
    """Nor is a time told before there is something to tell it from."""
    terminal = Slow(t, 1 << 20).send(t, 100, 800000)
    code, text = terminal.end(60)
    equal(code, 0)
    rates, lefts = {}, []
    for done, rate, left in re.findall(r"0/1  (\S+ \S+) / .*?  (\S+ \S+/s)  (\S+) left", text):
        rates.setdefault(done, set()).add(rate)
        lefts.append(left)
    assert len(rates) > 2, text
    assert all(len(found) == 1 for found in list(rates.values())[:-1]), rates
    equal(lefts[0], "?")
    assert re.fullmatch(r"\ds", lefts[-1]), lefts


@test
def bar_follows_the_terminals_width(t):
    terminal = Slow(t, 1 << 20).send(t, 100, 700000)
    terminal.until("[=")
    terminal.resize(30)
    time.sleep(0.5)
    terminal.read(0.1)
    before = len(terminal.text)
    code, text = terminal.end(60)
    equal(code, 0)
    for part in text[before:].split("\r"):
        if "%" in part:
            assert len(part.replace("\x1b[K", "")) < 30, part


@test
def ctrl_c_leaves_the_items_in_the_queue_and_says_so(t):
    slow = Slow(t, 100000)
    terminal = slow.send(t, 80, 8 << 20)
    terminal.until("/s  ")
    began = time.monotonic()
    terminal.type("\x03")
    code, text = terminal.end(30)
    equal(code, 75)
    assert time.monotonic() - began < bound(12)
    contains(text, "stays in the queue: interrupted; inboxq run, or the next send, uploads it")
    equal(slow.queue.numbers(), [1])
    equal(slow.queue.status()["run"]["running"], False)


@cases([("dumb", {"TERM": "dumb"})])
def no_bar_where_nothing_can_be_drawn(t, env):
    terminal = Slow(t, 1 << 20).send(t, 80, 200000, env)
    code, text = terminal.end(60)
    equal(code, 0)
    assert "\x1b" not in text and "%" not in text.replace("%2", ""), text


@test
def send_that_is_killed_loses_nothing(t):
    slow = Slow(t, 200000)
    path = write(slow.queue, "big", t.bytes(300000))
    child = t.spawn([INBOXQ, "send", "-c", slow.queue.conf, "-i", "status", path],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: queued(slow.queue) == [1])
    child.send_signal(signal.SIGKILL)
    child.wait()
    slow.fake.rate = 0
    # Its own upload goes on to its end, or another one takes over.
    until(lambda: slow.queue("run", "--once", expect=None).returncode == 0, 40)
    equal(slow.queue.numbers(), [])


if __name__ == "__main__":
    main()
