# SPDX-License-Identifier: ISC
"""One life of the receiver or of the queue with one fault in it, and what must hold.

A scenario (scenarios.py) sets up without faults, makes the shim count (arm), does one thing,
and is then judged: by the exit code, by what a client saw acknowledged, by a start without
faults, where every item is sent again and must lie in new/ once.
"""

import contextlib
import os
import re
import shutil
import signal
import ssl
import subprocess
import time

from common import harness
from client import LAST, Closed, Timeout

EXIT_RECEIVER = {0, 69, 71, 73, 74, 75, 78}   # inboxd(8), without wrong usage and a damaged ledger
SET_ASIDE = 65
EXIT_QUEUE = {0, SET_ASIDE, 66, 69, 71, 73, 74, 75, 77, 78}  # inboxq(1), without wrong usage
PATIENCE = 20.0  # seconds, in which everything must have an answer
IMPATIENCE = 0.4  # where a fault stays, this long; then it is lifted
ROOM = 5.0       # seconds, in which it takes all again once the fault is over
BROKEN = (Closed, Timeout, OSError, ssl.SSLError)
SETTINGS = {"receiver": {"workers": "1", "drain": "3s", "ledger-size": "64K", "host": None},
            "limits": {"inline": "8K", "forgive": "0", "share": "1G"}}
INLINE = 8 * 1024
LARGE = 150000   # over 64 KiB, so that room is asked for at once
FRAME = 50000
NEVER = "1000T"  # a reserve that no disk has


class Wrong(AssertionError):
    """A promise was broken."""


def must(holds, text, *values):
    if not holds:
        raise Wrong(text % values)


class Run:
    """One life with one fault.  `fault` is as in judge.c, or empty."""

    def __init__(self, t, fault=""):
        self.t = t
        self.fault = fault
        self.lasts = fault.endswith(":on")
        self.kills = ":KILL:" in fault or ":TORN:" in fault
        self.is_gone = fault.startswith("root:")
        self.arm_file = os.path.join(t.folder, "arm")
        self.met_file = os.path.join(t.folder, "met")
        self.env = {**harness.SHIMMED, "LSAN_OPTIONS": "exitcode=0", "FAULT": fault,
                    "FAULT_SCOPE": "program", "FAULT_ARM": self.arm_file,
                    "FAULT_MET": self.met_file} if fault else {}

    def arm(self):
        with open(self.arm_file, "w", encoding="ascii"):
            pass

    def disarm(self):
        if os.path.exists(self.arm_file):
            os.unlink(self.arm_file)

    def met(self):
        """Where the fault struck, or None."""
        if not os.path.exists(self.met_file):
            return None
        with open(self.met_file, encoding="utf-8", errors="replace") as file:
            return file.read().strip()


# ---- how a client sends its items: {n: (inbox, bytes)}

def say(c, items, n):
    """A small item, or the announcement of a large one."""
    inbox, data = items[n]
    if len(data) > INLINE:
        c.announce(n, inbox, data, verb="OPEN")
    else:
        c.put(n, inbox, data)


def send_pieces(c, items, n, offset, between):
    """A large item from `offset` on; small ones go between its frames."""
    data = items[n][1]
    for at in range(offset, len(data), FRAME):
        part = data[at:at + FRAME]
        c.post("DATA %d %d %d\n" % (n, at, len(part)))
        c.post(part)
        if between:
            say(c, items, between.pop(0))


def converse(c, items, numbers, wait):
    """Sends these items until each has had its last answer; {n: that line}."""
    limit, answers = time.monotonic() + wait, {}
    large = {n for n in numbers if len(items[n][1]) > INLINE}
    between = [n for n in numbers if n not in large]
    for n in sorted(large):
        say(c, items, n)
    while len(answers) < len(numbers):
        while between and large <= set(answers):
            say(c, items, between.pop(0))
        line = c.line(max(0.001, limit - time.monotonic()))
        if line is None:
            raise Closed("no answer to %r" % sorted(set(numbers) - set(answers)))
        if line.verb == "SEND":
            send_pieces(c, items, line.n, line.offset, between)
        elif line.verb in LAST:
            must(line.n not in answers, "a second answer: %r", line)
            answers[line.n] = line
    return answers


# ---- the receiver

class ReceiverRun(Run):
    def __init__(self, t, fault="", sync="files"):
        super().__init__(t, fault)
        self.queue = t.queue()
        self.items = {}  # n -> (inbox, bytes)
        self.acked = {}  # n -> name
        self.baseline = None
        self.before = None  # what is said before TLS
        self.is_full = False  # by its marks
        settings = {"receiver": {**SETTINGS["receiver"], "sync": sync},
                    "limits": dict(SETTINGS["limits"])}
        self.r = t.receiver(settings, start=False, make=False, env=self.env)
        self.codes = {74}  # where the file system is gone
        if fault:
            self.r.env["FAULT_ROOT"] = self.r.root

    def new_items(self, count, first=1, sizes=(0, 300, 5000)):
        numbers = range(first, first + count)
        for n in numbers:
            self.items[n] = ("reports" if n % 3 == 2 else "status",
                             self.t.bytes(sizes[n % len(sizes)]))
        return list(numbers)

    def new_large(self, n):
        self.items[n] = ("status", self.t.bytes(LARGE))
        return n

    def set_marks(self, **marks):
        self.is_full = bool(marks)
        self.r.sections["limits"] = {**SETTINGS["limits"], **marks}
        self.r.write_conf()

    def set_journal(self, size):
        self.r.sections["receiver"]["journal"] = size
        self.r.write_conf()

    def listen_behind_a_proxy(self):
        self.r.sections["receiver"].update(
            {"listen": "", "listen-proxy": "127.0.0.1:0", "proxies": "127.0.0.1"})
        self.r.write_conf()

        def say_preface(sock):
            sock.sendall(b"PROXY TCP4 192.0.2.1 ")
            time.sleep(0.01)  # the rest has to be waited for
            sock.sendall(b"192.0.2.2 4711 7117\r\n")
        self.before = say_preface

    def reload(self):
        """Until it has said what came of it, or has ended."""
        before = self.r.log(here=True).count("event=reload")
        self.r.process.send_signal(signal.SIGHUP)
        limit = time.monotonic() + harness.bound(PATIENCE)
        while self.alive() and self.r.log(here=True).count("event=reload") == before:
            must(time.monotonic() < limit, "the reload came to no end")
            time.sleep(0.004)

    def use_root(self, template):
        shutil.copytree(template, self.r.root)

    def alive(self):
        return self.r.process is not None and self.r.process.poll() is None

    def start(self):
        """Starts it; it may fail.  True if it serves."""
        self.r.start(wait=False)
        limit = time.monotonic() + harness.bound(PATIENCE)
        while True:
            ended = not self.alive()
            log = self.r.log(here=True)
            if re.search(r"event=ready\b", log):
                found = re.search(r"event=listening [^\n]*address=\S+:(\d+)", log)
                self.r.port = int(found.group(1))
                return not ended
            if ended:
                return False
            if time.monotonic() > limit:
                if self.lasts and os.path.exists(self.arm_file):
                    self.disarm()
                    limit = time.monotonic() + harness.bound(PATIENCE)
                    continue
                raise Wrong("neither ready nor at its end after %g s" % PATIENCE)
            time.sleep(0.004)

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.r.process.pid))

    def exchange(self, numbers, wait):
        """Sends these items on a connection of their own; {n: its answer}, or None where
        the connection broke."""
        c = None
        try:
            c = self.r.client(timeout=wait, before=self.before)
            c.hello(self.queue)
            return converse(c, self.items, numbers, wait)
        except BROKEN as error:
            if isinstance(error, (Timeout, TimeoutError)) and self.alive() and not self.lasts:
                raise Wrong("no answer in %g s: %s" % (wait, error)) from None
            return None
        finally:
            if c:
                self.note_acks(c)
                c.close()
                self.t.closing.remove(c)

    def note_acks(self, c):
        for line in c.history:
            must(not self.is_gone or line.get("code") != "trouble",
                 "the file system is gone, and a client hears %r", line)
            if line.verb == "STORED":
                before = self.acked.setdefault(line.n, line.name)
                must(before == line.name, "item %d has two names: %s and %s", line.n, before,
                     line.name)

    def offer(self, numbers):
        """Offers items while the fault is there, as exchange(), and waits until they are published,
        or cannot be: most calls are made behind the acknowledgement."""
        if not self.alive():
            return None
        answers = self.exchange(numbers, IMPATIENCE if self.lasts else harness.bound(PATIENCE))
        self.settle()
        return answers

    def settle(self):
        """Until it says that it has published what it acknowledged, or it ends, or the fault has
        struck and it may be in trouble.  What it says is its last mark in the ledger: a
        question would make calls that count."""
        limit = time.monotonic() + harness.bound(ROOM)
        while self.alive() and time.monotonic() < limit and not self.is_published():
            if self.met():
                limit = min(limit, time.monotonic() + IMPATIENCE)
            time.sleep(0.004)

    def is_published(self):
        """By the newest segment: what it lacks of the accepts stands in the mark of its state."""
        folder = os.path.join(self.r.root, "ledger")
        segment = max(name for name in os.listdir(folder) if name.endswith(".log"))
        with open(os.path.join(folder, segment), encoding="ascii", errors="replace") as file:
            lines = file.read().split("\n")[:-1]  # the last may not be whole yet
        records = [line.split(" ") for line in lines]
        accepts = [int(words[2]) for words in records if len(words) > 3 and words[1] == "accept"]
        marks = [int(words[3]) for words in records if len(words) > 3 and words[1] == "mark"]
        return max(accepts, default=0) <= max(marks, default=0)

    # ---- what must hold

    def judge(self):
        if self.is_gone and self.met():
            self.await_end("the file system is gone, and it goes on", 4)
        self.disarm()
        was_full = self.is_full
        self.set_marks()
        if self.alive() and not self.kills:
            if was_full:
                self.reload()
            try:
                self.judge_living()
            except ConnectionError:
                # What fails behind the acknowledgement ends it when it comes to that, also amid
                # an answer.
                self.await_end("it gives no answer")
        self.end_faulty()
        self.judge_restart()

    def judge_living(self):
        """The fault is over, and it goes on serving."""
        self.lasts = False
        limit = time.monotonic() + harness.bound(ROOM)
        while True:
            answers = self.exchange(sorted(self.items), harness.bound(PATIENCE))
            if answers is None:
                self.await_end("a connection broke without a fault")
                return
            if set(self.acked) == set(self.items):
                break
            must(time.monotonic() < limit, "not stored once the fault is over: %r", answers)
            time.sleep(0.1)
        self.judge_counters()
        if self.baseline is not None:
            limit = time.monotonic() + harness.bound(2)
            while self.descriptors() > self.baseline and time.monotonic() < limit:
                time.sleep(0.005)
            must(self.descriptors() <= self.baseline, "%d descriptors, %d at first: %s",
                 self.descriptors(), self.baseline, self.open_files())

    def judge_counters(self):
        self.r.at_rest()
        offered, ends = self.r.balance()
        must(offered == sum(ends.values()), "offered %d, ends %r", offered, ends)

    def open_files(self):
        folder = "/proc/%d/fd" % self.r.process.pid
        found = []
        for fd in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                found.append(os.readlink(os.path.join(folder, fd)))
        return sorted(found)

    def await_end(self, why, seconds=2):
        limit = time.monotonic() + harness.bound(seconds)
        while self.alive() and time.monotonic() < limit:
            time.sleep(0.005)
        must(not self.alive(), "%s", why)

    def end_faulty(self):
        if self.alive():
            self.r.process.send_signal(signal.SIGKILL if self.kills else signal.SIGTERM)
        process, self.r.process = self.r.process, None
        if process is None:
            return
        try:
            code = process.wait(harness.bound(PATIENCE))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Wrong("SIGTERM did not end it in %g s" % PATIENCE) from None
        must(code in ({-signal.SIGKILL} | EXIT_RECEIVER if self.kills else EXIT_RECEIVER),
             "exit code %d", code)
        must(not self.is_gone or not self.met() or code in self.codes,
             "the file system is gone, and the exit code is %d", code)
        self.judge_new()
        # What a start held that failed, the system takes back.
        told = [word for word in self.r.complaints() if code == 0 or word != "LeakSanitizer"]
        must(not told, "the sanitizer: %r", told)

    def in_new(self):
        return {(inbox, name) for inbox in self.r.inboxes for name in self.r.files(inbox, now=True)}

    def judge_new(self):
        """Whatever happened, what is visible is whole, and one of ours."""
        if not os.path.isdir(os.path.join(self.r.root, "status")):
            return
        whole = list(self.items.values())
        for inbox, name in self.in_new():
            must((inbox, self.r.read(inbox, name)) in whole, "in new/, and torn: %s/%s", inbox,
                 name)

    def judge_restart(self):
        """Without faults: nothing acknowledged is gone, all is stored once, nothing is torn."""
        self.r.env = {}
        must(self.start(), "it does not start again")
        numbers = sorted(self.items)
        self.lasts = False
        there = self.in_new()
        late = [n for n, name in self.acked.items() if (self.items[n][0], name) not in there]
        must(not late, "acknowledged, and not in new/ when connections are taken: %r", late)
        must(self.exchange(numbers, harness.bound(PATIENCE)) is not None,
             "the connection after the restart broke")
        lost = [n for n in numbers if n not in self.acked]
        must(not lost, "not stored after the restart: %r", lost)
        self.judge_counters()
        found = self.in_new()
        want = {(self.items[n][0], self.acked[n]) for n in numbers}
        must(found == want, "in new/ and not acknowledged: %r; acknowledged and not in new/: %r",
             found - want, want - found)
        for n in numbers:
            inbox, data = self.items[n]
            must(self.r.read(inbox, self.acked[n]) == data, "item %d is torn", n)
        for inbox in self.r.inboxes:
            must(not self.r.files(inbox, "tmp"), "tmp/ of %s is not empty", inbox)
        self.r.stop(0)
        told = [word for word in self.r.complaints() if word != "LeakSanitizer"]
        must(not told, "the sanitizer: %r", told)


# ---- the queue

class QueueRun(Run):
    """inboxq with a fault, against a receiver without."""

    def __init__(self, t, receiver, fault=""):
        super().__init__(t, fault)
        self.r = receiver
        self.folder = os.path.join(t.folder, "client")
        os.mkdir(self.folder, 0o700)
        self.spool = os.path.join(self.folder, "spool")
        self.conf = os.path.join(self.folder, "inboxq.conf")
        self.hot = os.path.join(self.folder, "hot")
        self.promised, self.offered, self.refused = [], [], []
        pair = t.pki.client("pc1.example.org")
        with open(self.conf, "w", encoding="ascii") as file:
            file.write("[queue]\nspool = %s\n[server]\nservers = 127.0.0.1:%d\n"
                       "connect-timeout = 3s\ntimeout = 5s\nretry-min = 1s\nretry-max = 1s\n"
                       "[tls]\ncertificate = %s\nkey = %s\nca = %s\n" % (
                           self.spool, receiver.port, pair.cert, pair.key, t.pki.ca.cert))
        if fault:
            self.env["FAULT_ROOT"] = self.spool

    def inboxq(self, *arguments, env=None, stdin=None):
        try:
            return self.t.run([harness.INBOXQ, arguments[0], "-c", self.conf, *arguments[1:]],
                              timeout=20, env=env, stdin=stdin)
        except subprocess.TimeoutExpired:
            raise Wrong("inboxq %s hangs" % arguments[0]) from None

    def add(self, count, inbox="status", env=None, sizes=(20, 720), by_stdin=False):
        contents = [self.t.bytes(size) for size in sizes[:count]]
        paths = []
        for i, content in enumerate(contents):
            paths.append(os.path.join(self.folder, "file%d" % i))
            with open(paths[-1], "wb") as file:
                file.write(content)
        if by_stdin:
            done = self.inboxq("add", "-i", inbox, env=env, stdin=contents[0])
        else:
            done = self.inboxq("add", "-i", inbox, *paths, env=env)
        printed = [int(n) for n in done.stdout.split()]
        must(env or done.returncode == 0, "add: %s", done.stderr)
        must(done.returncode != 0 or len(printed) == count, "add ends with 0 and queued %d of %d",
             len(printed), count)
        # All or a part: which ones is told by what lies under the numbers.
        for n in printed:
            path = os.path.join(self.spool, "queue", "%020d" % n)
            must(os.path.isfile(path), "%d was printed and is not queued", n)
            with open(path, "rb") as file:
                body = file.read()[1024:]
            must(body in contents, "%d is queued and torn", n)
            (self.promised if inbox == "status" else self.refused).append(body)
        self.offered += contents
        return done.returncode

    def put(self, count):
        """Files into the hot folder: whatever happens now, each is to be queued in the end."""
        os.makedirs(self.hot, exist_ok=True)
        for _ in range(count):
            data = self.t.bytes(700)
            with open(os.path.join(self.hot, "hot%d" % len(self.offered)), "wb") as file:
                file.write(data)
            self.offered.append(data)
            self.promised.append(data)

    def watch(self, env=None, seconds=PATIENCE):
        """Until nothing is left of the files, the time is over, or it ends by itself."""
        claims = os.path.join(self.hot, ".inboxq")
        child = self.t.spawn([harness.INBOXQ, "watch", "-c", self.conf, self.hot, "-i", "status"],
                             env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + harness.bound(seconds)
        while child.poll() is None and time.monotonic() < limit and (
                os.listdir(self.hot) != [".inboxq"] or os.listdir(claims) != ["lock"]):
            time.sleep(0.01)
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
        try:
            code = child.wait(harness.bound(PATIENCE))
        except subprocess.TimeoutExpired:
            raise Wrong("inboxq watch hangs") from None
        return 0 if code == -signal.SIGTERM else code  # it had not even begun

    def judge_code(self, code):
        must(code in ({-signal.SIGKILL} | EXIT_QUEUE if self.kills else EXIT_QUEUE),
             "exit code %d", code)

    def judge(self):
        self.disarm()
        for attempt in range(3):
            done = self.inboxq("run", "--once")
            if done.returncode not in (SET_ASIDE, 75):
                break
            time.sleep(0.2 * attempt)
        must(done.returncode in (0, SET_ASIDE), "run without faults ends with %d: %s",
             done.returncode, done.stderr)
        part = os.path.join(self.spool, "queue")
        must(os.listdir(part) == [], "still queued: %r", os.listdir(part))
        found = []
        for inbox in self.r.inboxes:
            for name in self.r.files(inbox):
                found.append(self.r.read(inbox, name))
                os.unlink(self.r.path(inbox, name))
        aside = []
        part = os.path.join(self.spool, "failed")
        for name in os.listdir(part):
            if name.isdigit():
                with open(os.path.join(part, name), "rb") as file:
                    aside.append(file.read()[1024:])
                must(os.path.exists(os.path.join(part, name.lstrip("0") + ".reason")) or
                     os.path.exists(os.path.join(part, name + ".reason")), "no reason beside it")
        # What could not be read is set aside as damaged; then the reader was at fault.
        both = found + aside
        must(len(set(both)) == len(both), "stored twice, or stored and set aside")
        must(all(data in both for data in self.promised), "queued and lost")
        must(all(data in self.offered for data in both), "torn")
        must(all(data in aside for data in self.refused), "refused and lost")
        must(not aside or self.fault or set(aside) == set(self.refused), "set aside")
