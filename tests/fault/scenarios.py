# SPDX-License-Identifier: ISC
"""Short lives of the receiver and the queue, each with one fault in it, and what must hold.

A scenario sets up without faults, makes the shim count (arm), does one thing,
and is then judged: by the exit code, by what a client saw acknowledged, by a
start without faults, where every item is sent again and must lie in new/ once.
One engine serves faults (enumerate.py) and kills (tests/crash/steps.py).
"""

import os
import re
import shutil
import signal
import ssl
import subprocess
import time

from common import harness
from client import Closed, Timeout

EXIT_RECEIVER = {0, 69, 71, 73, 74, 75, 78}   # inboxd(8), without wrong usage and a damaged ledger
EXIT_QUEUE = {0, 66, 69, 71, 73, 74, 75, 77, 78}  # inboxq(1), without wrong usage
PATIENCE = 20.0  # seconds, in which everything must have an answer
IMPATIENCE = 0.4 # where a fault stays, this long; then it is lifted
BROKEN = (Closed, Timeout, OSError, ssl.SSLError)
SETTINGS = {"receiver": {"workers": "1", "drain": "3s", "ledger-size": "64K"}}


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
        self.arm_file = os.path.join(t.folder, "arm")
        self.met_file = os.path.join(t.folder, "met")
        self.env = {"LD_PRELOAD": harness.SHIM, "ASAN_OPTIONS": "verify_asan_link_order=0",
                    "LSAN_OPTIONS": "exitcode=0", "FAULT": fault, "FAULT_SCOPE": "program",
                    "FAULT_ARM": self.arm_file, "FAULT_MET": self.met_file} if fault else {}

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


# ---- the receiver

class ReceiverRun(Run):
    def __init__(self, t, fault="", sync="files"):
        super().__init__(t, fault)
        self.queue = t.queue()
        self.items = {}  # n -> (inbox, bytes)
        self.acked = {}  # n -> name
        self.baseline = None
        settings = {"receiver": {**SETTINGS["receiver"], "sync": sync}}
        self.r = t.receiver(settings, start=False, make=False, env=self.env)

    def new_items(self, count, first=1, sizes=(0, 300, 5000)):
        numbers = range(first, first + count)
        for n in numbers:
            self.items[n] = ("reports" if n % 3 == 2 else "status",
                             self.t.bytes(sizes[n % len(sizes)]))
        return list(numbers)

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
        """Sends these items on a connection of their own; True if each had an answer."""
        c = None
        try:
            c = self.r.client(timeout=wait)
            c.hello(self.queue)
            for n in numbers:
                c.put(n, *self.items[n])
            for n in numbers:
                c.answer(n, wait)
            return True
        except BROKEN as error:
            if isinstance(error, (Timeout, TimeoutError)) and self.alive() and not self.lasts:
                raise Wrong("no answer in %g s: %s" % (wait, error)) from None
            return False
        finally:
            if c:
                self.note_acks(c)
                c.close()
                self.t.closing.remove(c)

    def note_acks(self, c):
        for line in c.history:
            if line.verb == "STORED":
                before = self.acked.setdefault(line.n, line.name)
                must(before == line.name, "item %d has two names: %s and %s", line.n, before,
                     line.name)

    def offer(self, numbers):
        """Offers items while the fault is there."""
        if self.alive():
            self.exchange(numbers, IMPATIENCE if self.lasts else harness.bound(PATIENCE))

    # ---- what must hold

    def judge(self):
        self.disarm()
        if self.alive() and not self.kills:
            self.judge_living()
        self.end_faulty()
        self.judge_restart()

    def judge_living(self):
        """The fault is over, and it goes on serving."""
        self.lasts = False
        if not self.exchange(sorted(self.items), harness.bound(PATIENCE)):
            self.await_end("a connection broke without a fault")
            return
        self.r.at_rest()
        offered, ends = self.r.balance()
        must(offered == sum(ends.values()), "offered %d, ends %r", offered, ends)
        if self.baseline is not None:
            limit = time.monotonic() + harness.bound(2)
            while self.descriptors() > self.baseline and time.monotonic() < limit:
                time.sleep(0.005)
            must(self.descriptors() <= self.baseline, "%d descriptors, %d at first: %s",
                 self.descriptors(), self.baseline, self.open_files())

    def open_files(self):
        folder = "/proc/%d/fd" % self.r.process.pid
        return sorted(os.readlink(os.path.join(folder, fd)) for fd in os.listdir(folder))

    def await_end(self, why):
        limit = time.monotonic() + harness.bound(2)
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
        # What a start held that failed, the system takes back.
        told = [word for word in self.r.complaints() if code == 0 or word != "LeakSanitizer"]
        must(not told, "the sanitizer: %r", told)

    def judge_restart(self):
        """Without faults: nothing acknowledged is gone, all is stored once, nothing is torn."""
        self.r.env = {}
        must(self.start(), "it does not start again")
        numbers = sorted(self.items)
        self.lasts = False
        must(self.exchange(numbers, harness.bound(PATIENCE)),
             "the connection after the restart broke")
        lost = [n for n in numbers if n not in self.acked]
        must(not lost, "not stored after the restart: %r", lost)
        found = {(inbox, name) for inbox in self.r.inboxes for name in self.r.files(inbox)}
        want = {(self.items[n][0], self.acked[n]) for n in numbers}
        must(found == want, "in new/ and not acknowledged: %r; acknowledged and not in new/: %r",
             found - want, want - found)
        for n in numbers:
            inbox, data = self.items[n]
            must(self.r.read(inbox, self.acked[n]) == data, "item %d is torn", n)
        self.r.at_rest()
        offered, ends = self.r.balance()
        must(offered == sum(ends.values()), "offered %d, ends %r", offered, ends)
        for inbox in self.r.inboxes:
            must(not self.r.files(inbox, "tmp"), "tmp/ of %s is not empty", inbox)
        self.r.stop(0)
        told = [word for word in self.r.complaints() if word != "LeakSanitizer"]
        must(not told, "the sanitizer: %r", told)


def serving(run, root):
    run.use_root(root)
    must(run.start(), "it does not start")
    run.baseline = run.descriptors()


def start(run, roots):
    run.use_root(roots["empty"])
    run.arm()
    if run.start():
        run.offer(run.new_items(2))
    else:
        run.new_items(2)


def upload(run, roots):
    serving(run, roots["empty"])
    run.arm()
    run.offer(run.new_items(3))


def duplicate(run, roots):
    serving(run, roots["empty"])
    numbers = run.new_items(3)
    must(run.exchange(numbers, harness.bound(PATIENCE)), "no answer before the fault")
    run.arm()
    run.offer(numbers)


def reload(run, roots):
    serving(run, roots["empty"])
    numbers = run.new_items(2)
    run.arm()
    run.r.process.send_signal(signal.SIGHUP)
    limit = time.monotonic() + harness.bound(PATIENCE)
    while run.alive() and "event=reload" not in run.r.log(here=True):
        must(time.monotonic() < limit, "the reload came to no end")
        time.sleep(0.004)
    run.offer(numbers)


def rotation(run, roots):
    """The ledger is filled with SKIPs up to its size; the items take it over."""
    serving(run, roots["empty"])
    segment = max(os.listdir(os.path.join(run.r.root, "ledger")))
    path = os.path.join(run.r.root, "ledger", segment)
    goal = os.path.getsize(path) + 64 * 1024 - 500
    c = run.r.client(hello=run.queue)
    n = 1000
    run.new_items(1, 500)
    while os.path.getsize(path) < goal:
        must(n < 9000, "the ledger does not grow")
        for _ in range(max(1, min(200, (goal - os.path.getsize(path)) // 110))):
            c.skip(n, "removed")
            n += 1
        c.put(500, *run.items[500])  # again and again: its answer says that the SKIPs are written
        c.stored(500)
    run.note_acks(c)
    c.close()
    run.r.at_rest()
    run.arm()
    run.offer(run.new_items(4))
    run.offer(run.new_items(2, 10))


def recovery(run, roots):
    run.use_root(roots["killed"])
    run.queue, run.items, acked = roots["killed-items"]
    run.items, run.acked = dict(run.items), dict(acked)
    run.arm()
    if run.start():
        run.offer(sorted(run.items))


def stop(run, roots):
    serving(run, roots["empty"])
    numbers = run.new_items(3)
    c = run.r.client(hello=run.queue)
    for n in numbers[:2]:
        c.put(n, *run.items[n])
        c.stored(n)
    run.arm()
    c.put(numbers[2], *run.items[numbers[2]])
    run.r.process.send_signal(signal.SIGTERM)
    limit = time.monotonic() + harness.bound(PATIENCE)
    try:
        while not c.eof and time.monotonic() < limit:
            c.flow(0.01)
    except BROKEN:
        pass
    must(c.eof or not run.alive(), "the connection was not ended")
    run.note_acks(c)
    c.close()
    if run.lasts:
        time.sleep(0.05)


def killed_run(t, empty):
    """A receiver killed at the second publishing of a turn; which items were in that turn
    is a matter of timing."""
    run = ReceiverRun(t, "renameat2:2:KILL:once,linkat:2:KILL:once")
    run.use_root(empty)
    must(run.start(), "it does not start")
    numbers = run.new_items(2, sizes=(40, 300))
    must(run.exchange(numbers, harness.bound(PATIENCE)), "no answer")
    run.items.update({n: ("status", t.bytes(100 * n)) for n in range(11, 15)})
    run.arm()
    c = run.r.client(hello=run.queue)
    data = b"".join(b"PUT %d status %d %s\n" % (n, len(body), harness.hashlib.sha256(
        body).hexdigest().encode()) + body for n, (_, body) in run.items.items() if n > 10)
    for n in range(11, 15):
        c.asked[n] = ("status", "")
    c.post(data)  # in one batch
    with_end = time.monotonic() + harness.bound(PATIENCE)
    while run.alive() and time.monotonic() < with_end:
        c.flow(0.01)
    must(not run.alive(), "it was not killed")
    run.note_acks(c)
    c.close()
    run.r.process.wait()
    run.r.process = None
    return run


def make_roots(t):
    """The folders that runs start from: an empty root, and one whose receiver was killed."""
    roots = {}
    run = ReceiverRun(t)
    run.r.make()
    roots["empty"] = run.r.root
    for _ in range(20):
        try:
            run = killed_run(t, roots["empty"])
        except Wrong:
            continue  # a busy machine: it took too long
        if len(run.r.files("status", "tmp")) >= 2 and run.r.files("status"):
            break
    else:
        raise Wrong("want drafts and files in new/")
    with open(run.r.path("status", "stray", "tmp"), "wb") as file:
        file.write(b"stray")
    segment = max(os.listdir(os.path.join(run.r.root, "ledger")))
    with open(os.path.join(run.r.root, "ledger", segment), "ab") as file:
        file.write(b"0badc0de accept torn")
    run.disarm()
    roots["killed"] = run.r.root
    roots["killed-items"] = (run.queue, run.items, run.acked)
    return roots


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
        self.promised, self.offered, self.refused = [], [], []
        pair = t.pki.client("pc1.example.org")
        with open(self.conf, "w", encoding="ascii") as file:
            file.write("[queue]\nspool = %s\n[server]\nservers = localhost:%d\n"
                       "connect-timeout = 3s\ntimeout = 5s\nretry-min = 1s\nretry-max = 1s\n"
                       "[tls]\ncertificate = %s\nkey = %s\nca = %s\n" % (
                           self.spool, receiver.port, pair.cert, pair.key, t.pki.ca.cert))

    def inboxq(self, *arguments, env=None):
        try:
            return self.t.run([harness.INBOXQ, arguments[0], "-c", self.conf, *arguments[1:]],
                              timeout=20, env=env)
        except subprocess.TimeoutExpired:
            raise Wrong("inboxq %s hangs" % arguments[0]) from None

    def add(self, count, inbox="status", env=None):
        contents = [self.t.bytes(20 + 700 * i) for i in range(count)]
        paths = []
        for i, content in enumerate(contents):
            paths.append(os.path.join(self.folder, "file%d" % i))
            with open(paths[-1], "wb") as file:
                file.write(content)
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

    def judge_code(self, code):
        must(code in ({-signal.SIGKILL} | EXIT_QUEUE if self.kills else EXIT_QUEUE),
             "exit code %d", code)

    def judge(self):
        self.disarm()
        for attempt in range(3):
            done = self.inboxq("run", "--once")
            if done.returncode != 75:
                break
        must(done.returncode == 0, "run without faults ends with %d: %s", done.returncode,
             done.stderr)
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


def first_add(run):
    run.arm()
    run.judge_code(run.add(2, env=run.env))
    if not os.path.isdir(run.spool):
        run.disarm()
        run.add(1)


def add(run):
    run.add(1)
    run.arm()
    run.judge_code(run.add(2, env=run.env))


def run_once(run):
    run.add(2)
    run.add(1, "nosuch")
    run.arm()
    run.judge_code(run.inboxq("run", "--once", env=run.env).returncode)


RECEIVER = {function.__name__: function for function in (
    start, upload, duplicate, reload, rotation, recovery, stop)}
QUEUE = {"first_add": first_add, "add": add, "run_once": run_once}
