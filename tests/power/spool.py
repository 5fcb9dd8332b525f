# SPDX-License-Identifier: ISC
"""make check-power-queue: what `inboxq add` has printed survives a power cut, on each file system.

As power.py for the receiver: a spool works on a disk that remembers (disk.py), then states of that
disk after a cut are mounted and looked at.  Two adders are at work at once, beside a run that
is killed and started again, against a receiver in memory, which forgets nothing.  sent.log is
turned over meanwhile.

On every state of the disk:

  - each number that an add had printed is in queue/ or failed/ with its bytes whole, or the
    receiver had said STORED (then sent.log has its line);
  - inboxq fsck finds nothing wrong;
  - the next add gives no number that was printed, or that the receiver had seen with other bytes;
  - all that waits in queue/ is sent, and comes whole.

  POWER_STATES=100         states a file system
  POWER_FS=ext4,xfs,btrfs
  POWER_MUTANTS=dir        the queues there (mutate.py) must all be caught, instead
  TEST_SEED=N              the same mixtures

It needs root, for loop devices, FUSE and mounts, which it makes in a mount namespace of its own.
"""

import collections
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../system"))
sys.path.insert(0, HERE)

import disk  # noqa: E402  (found through the lines above)
import harness  # noqa: E402
import power  # noqa: E402
from fakereceiver import ITEM, FakeReceiver  # noqa: E402
from pki import Pki  # noqa: E402

STATES = int(os.environ.get("POWER_STATES") or 100)
MUTANT_STATES = 400
BROKEN_MAX = 3
ROUNDS = 80          # of each adder
HEADER = 1024
SIZES = (0, 1, 300, 3000, 4096, 20000, 70000)
# What is in sent.log before, so that it is turned over soon.
OLD_LINE = b"20261101T000000.000000Z 0 STORED cap1 name status 3 " + b"a" * 64 + b"\n"

say = power.say


class Book:
    """What was said, and when in the disk's time; reads happen behind what they note."""

    def __init__(self, position):
        self.position = position
        self.lock = threading.Lock()
        self.printed = {}                           # n -> (position, bytes)
        self.twice = []
        self.seen = collections.defaultdict(list)   # n -> [(position, sha256)]
        self.stored = {}                            # n -> position right before STORED

    def note_printed(self, numbers, contents):
        now = self.position()
        with self.lock:
            for n, data in zip(numbers, contents):
                if n in self.printed:
                    self.twice.append(n)
                self.printed[n] = (now, data)

    def hook(self, connection, line):
        """Sees each line of the client first."""
        item = ITEM.fullmatch(line)
        if not item:
            return False
        n = int(item[2])
        self.seen[n].append((self.position(), item[5]))
        if item[3] != "bad":
            self.stored.setdefault(n, self.position())
            return False
        connection.body(int(item[4]))
        connection.say("REFUSED %d no-inbox" % n)
        return True


class Spool:
    """inboxq with its configuration, for a spool on some disk."""

    def __init__(self, test, folder, spool, port, inboxq=None):
        self.test, self.spool = test, spool
        self.inboxq = inboxq or harness.INBOXQ
        self.conf = os.path.join(tempfile.mkdtemp(prefix="q", dir=folder), "inboxq.conf")
        pair = test.pki.client("pc1.example.org")
        with open(self.conf, "w", encoding="ascii") as file:
            file.write("[queue]\nspool = %s\nsent-log = 1M\n[server]\nservers = 127.0.0.1:%d\n"
                       "retry-min = 1s\nretry-max = 1s\n[tls]\ncertificate = %s\nkey = %s\n"
                       "ca = %s\n" % (spool, port, pair.cert, pair.key, test.pki.ca.cert))

    def __call__(self, command, *arguments, stdin=None):
        return subprocess.run(
            [self.inboxq, command, "-c", self.conf, *arguments], input=stdin, timeout=60,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    def start(self):
        return subprocess.Popen([self.inboxq, "run", "-c", self.conf], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def adder(spool, book, seed, folder):
    """Adds, a few files at a time."""
    rand = random.Random(seed)
    for _ in range(ROUNDS):
        contents = [rand.randbytes(rand.choice(SIZES)) for _ in range(rand.choice((1, 1, 2, 5)))]
        paths = []
        for i, data in enumerate(contents):
            paths.append(os.path.join(folder, "file%d" % i))
            with open(paths[-1], "wb") as file:
                file.write(data)
        done = spool("add", "-i", rand.choice(("status", "status", "bad")), *paths)
        if done.returncode:
            raise AssertionError("add: %d %r" % (done.returncode, done.stdout))
        book.note_printed([int(n) for n in done.stdout.split()], contents)
        time.sleep(rand.random() / 10)


def work(spool, book, rand, folder):
    """Two adders and a run that is killed twice; raises what an adder raised."""
    errors = []

    def guarded(seed):
        try:
            adder(spool, book, seed, tempfile.mkdtemp(prefix="a", dir=folder))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(rand.getrandbits(32),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    run = spool.start()
    try:
        while any(thread.is_alive() for thread in threads):
            time.sleep(1 + rand.random() * 3)
            run.kill() if rand.random() < 0.6 else run.terminate()
            run.wait(20)
            run = spool.start()
        time.sleep(1.5)
    finally:
        run.kill()
        run.wait()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]


class Run:
    """One file system."""

    def __init__(self, fs, pki, folder, seed):
        self.fs = fs
        self.random = random.Random("%d %s" % (seed, fs.name))
        self.folder = tempfile.mkdtemp(prefix=fs.name, dir=folder)
        self.test = harness.Test(fs.name, self.folder, pki)
        self.counts = collections.Counter()

    def record(self, inboxq):
        recording = disk.Recording(self.fs, self.folder, power.DISK)
        book = Book(recording.position)
        try:
            fake = FakeReceiver(self.test, odd=book.hook)
            spool = Spool(self.test, self.folder, os.path.join(recording.root, "spool"),
                          fake.port, inboxq)
            spool("add", "-i", "status", "/dev/null/none")
            with open(os.path.join(spool.spool, "sent.log"), "wb") as file:
                file.write(OLD_LINE * ((1 << 20) // len(OLD_LINE) - 40))
            os.sync()
            first = recording.position()
            work(spool, book, self.random, self.folder)
            turned = os.path.exists(os.path.join(spool.spool, "sent.log.1"))
        finally:
            recording.stop()
        if book.twice:
            raise AssertionError("numbers printed twice: %r" % book.twice)
        log = disk.Log(recording.log)
        return recording, log, log.at(first), book, turned

    def states(self, recorded, count, until_broken=False, draw=disk.draw):
        """How many states were tried, and how many were broken."""
        recording, log, first, book, _ = recorded
        acks = [position for position, _ in book.printed.values()] + list(book.stored.values())
        states = draw(log, first, acks, count, self.random)
        if until_broken:
            self.random.shuffle(states)
        tried = broken = 0
        for state in states:
            folder = tempfile.mkdtemp(prefix="w", dir=self.folder) if until_broken else self.folder
            batch = [state] if until_broken else states
            for one, path in disk.images(batch, recording.base, folder, self.fs.sector,
                                         random.Random):
                tried += 1
                wrong = self.try_state(book, one, path)
                if until_broken and wrong and wrong[0].startswith(power.NOT_MOUNTED):
                    continue
                broken += bool(wrong)
                if wrong:
                    say("#   %s" % one)
                    for text in wrong[:4]:
                        say("#     " + text)
                if broken == BROKEN_MAX:
                    return tried, broken
            if not until_broken or broken:
                break
            shutil.rmtree(folder)
        return tried, broken

    def try_state(self, book, state, path):
        mountpoint = os.path.join(self.folder, "state-root")
        os.makedirs(mountpoint, exist_ok=True)
        try:
            self.fs.mount(path, mountpoint, loop=True)
        except disk.Failed as error:
            return ["%s: %s" % (power.NOT_MOUNTED, error)]
        power.set_boot(self.test.folder)
        try:
            return list(self.judge(book, state.position, os.path.join(mountpoint, "spool")))
        finally:
            disk.unmount(mountpoint)
            self.fs.forget()

    # ---- what must hold

    def judge(self, book, position, folder):
        printed = {n: data for n, (when, data) in book.printed.items() if when <= position}
        yield from self.all_there(book, position, folder, printed)
        fake = FakeReceiver(self.test, odd=Book(lambda: 0).hook)
        spool = Spool(self.test, self.folder, folder, fake.port)
        try:
            yield from self.goes_on(book, position, spool, printed, fake)
        finally:
            fake.close()

    def all_there(self, book, position, folder, printed):
        ended = set()
        for name in ("sent.log", "sent.log.1"):
            path = os.path.join(folder, name)
            if os.path.exists(path):
                with open(path, "rb") as file:
                    ended.update(int(line.split(b" ")[1]) for line in file.read().splitlines()
                                 if line.count(b" ") > 6)
        for n, data in printed.items():
            places = [path for path in (os.path.join(folder, part, "%020d" % n)
                                        for part in ("queue", "failed")) if os.path.exists(path)]
            for path in places:
                with open(path, "rb") as file:
                    if file.read()[HEADER:] != data:
                        yield "item %d is not whole in %s" % (n, os.path.basename(
                            os.path.dirname(path)))
            if not places and book.stored.get(n, position + 1) > position:
                yield "item %d was printed, and is nowhere" % n
            elif not places and n not in ended:
                yield "item %d has left, and sent.log knows nothing of it" % n
            self.counts["there" if places else "stored"] += 1

    def goes_on(self, book, position, spool, printed, fake):
        done = spool("fsck")
        if done.returncode and os.path.isdir(spool.spool):
            yield "fsck: %s" % done.stdout.decode().strip().replace("\n", "; ")
        queue = os.path.join(spool.spool, "queue")
        waiting = [int(name) for name in os.listdir(queue)] if os.path.isdir(queue) else []
        done = spool("add", "-i", "status", stdin=b"the next one")
        if done.returncode:
            yield "add: %d %r" % (done.returncode, done.stdout)
            return
        n = int(done.stdout)
        digest = hashlib.sha256(b"the next one").hexdigest()
        if n in printed:
            yield "number %d was printed before, and is given again" % n
        if any(when <= position and sha != digest for when, sha in book.seen[n]):
            yield "number %d was sent before, and is given again" % n
        done = spool("run", "--once")
        if done.returncode not in (0, 65):
            yield "run: %d %r" % (done.returncode, done.stdout[-500:])
        for waits in waiting + [n]:
            failed = os.path.join(spool.spool, "failed", "%020d" % waits)
            data = fake.stored.get(waits)
            if data is None and not os.path.exists(failed):
                yield "item %d waited, and was not sent" % waits
            elif data is not None and waits in printed and data != printed[waits]:
                yield "item %d was sent with other bytes" % waits


def check(run):
    """The queue itself: no state may break a promise."""
    began = time.monotonic()
    recorded = run.record(None)
    _, log, _, book, turned = recorded
    tried, broken = run.states(recorded, STATES)
    good = not broken and turned
    say("%s - %s: %d states in %.0f s, %d broken" % (
        "ok" if good else "not ok", run.fs.name, tried, time.monotonic() - began, broken))
    say("#   recorded: %d writes, %d flushes, %d items%s; printed ones found: %s" % (
        len(log.entries) - len(log.flushes), len(log.flushes), len(book.printed),
        "" if turned else ", sent.log WAS NOT TURNED OVER",
        ", ".join("%s %d" % pair for pair in sorted(run.counts.items()))))
    tried, broken = run.states(recorded, MUTANT_STATES, True, disk.draw_lies)
    say("%s - %s: a disk that ignores flushes is caught (state %d)" % (
        "ok" if broken else "not ok", run.fs.name, tried))
    return good and broken > 0


def check_mutant(run, mutant):
    """A queue with a defect: a state has to show it."""
    began = time.monotonic()
    name = os.path.basename(mutant)
    tried, broken = run.states(run.record(mutant), MUTANT_STATES, True)
    say("%s - %s: %s is caught (state %d, %.0f s)" % (
        "ok" if broken else "not ok", run.fs.name, name, tried, time.monotonic() - began))
    return broken > 0


def one_run(fs, pki, folder, job):
    run = Run(fs, pki, folder, harness.SEED)
    try:
        return job(run)
    except Exception:
        say("not ok - %s" % fs.name)
        harness.comment(traceback.format_exc())
        return False
    finally:
        for thing in run.test.closing:
            thing.close()
        shutil.rmtree(run.folder, ignore_errors=True)


def run_all(folder):
    pki = Pki(os.path.join(folder, "pki"))
    good, done = True, 0
    for name in power.CHOSEN:
        fs = disk.FILE_SYSTEMS[name]
        if fs.missing():
            say("ok - %s # SKIP %s" % (name, fs.missing()))
            continue
        jobs = [check]
        if power.MUTANTS:
            jobs = [lambda run, path=os.path.join(power.MUTANTS, path): check_mutant(run, path)
                    for path in sorted(os.listdir(power.MUTANTS)) if path.startswith("queue_")
                    and "." not in path]
        for job in jobs:
            done += 1
            good &= one_run(fs, pki, folder, job)
    return good and done > 0


if __name__ == "__main__":
    power.main("inboxq-power-", run_all)
