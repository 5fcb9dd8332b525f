# SPDX-License-Identifier: ISC
"""make check-power: what is acknowledged survives a power cut, on each file system.

For each file system and each setting of `sync` the receiver works on a disk that remembers
(disk.py, workload.py); then states of that disk after a cut are mounted, the receiver is started
on each, and its promises are checked (promises.py).

  POWER_STATES=200         states a file system
  POWER_FS=ext4,xfs,btrfs
  POWER_SYNC=auto,files
  POWER_MUTANTS=dir        the receivers there (mutate.py) must all be caught, instead
  TEST_SEED=N              the same mixtures; what the recorded threads do, time decides

It needs root, for loop devices, FUSE and mounts, which it makes in a mount namespace of its own.
The images of the first broken states are kept, and it says where.
"""

import collections
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../system"))
sys.path.insert(0, HERE)

import disk  # noqa: E402  (found through the lines above)
import harness  # noqa: E402
import meta  # noqa: E402
import workload  # noqa: E402
from pki import Pki  # noqa: E402
from promises import Promises  # noqa: E402

DISK = os.path.join(harness.TOP_BUILD, "tests/power/disk")
STATES = int(os.environ.get("POWER_STATES") or 200)
SYNCS = (os.environ.get("POWER_SYNC") or "auto,files").split(",")
CHOSEN = (os.environ.get("POWER_FS") or "ext4,xfs,btrfs").split(",")
MUTANTS = os.environ.get("POWER_MUTANTS")
ROUNDS = 30          # of the workload
MUTANT_STATES = 300  # in which a mutant has to show itself
KEPT = 3             # images of broken states
SAID = 6             # broken promises told of a state
BROKEN_MAX = 5       # states, then it ends
NOT_MOUNTED = "the file system does not mount"


def say(text):
    print(text, flush=True)


def why_not():
    """What stands against a run; None: nothing."""
    if os.geteuid() != 0:
        return "needs root"
    for path in ("/dev/fuse", "/dev/loop-control"):
        if not os.access(path, os.R_OK | os.W_OK):
            return "needs " + path
    for tool in ("unshare", "losetup", "mount", "umount", "cp"):
        if not shutil.which(tool, path=disk.PATH):
            return "needs " + tool
    return None


def set_boot(folder):
    """A start after a power cut is on another boot of the system, as the receiver sees it."""
    path, seen = os.path.join(folder, "boot_id"), "/proc/sys/kernel/random/boot_id"
    with open(path, "w", encoding="ascii") as file:
        file.write("%s\n" % uuid.uuid4())
    if set_boot.mounted:
        disk.unmount(seen)
    disk.run(["mount", "--bind", path, seen])
    set_boot.mounted = True


set_boot.mounted = False


class Run:
    """One file system with one setting of sync."""

    def __init__(self, fs, sync, pki, folder, seed):
        self.fs, self.sync = fs, sync
        self.seed = "%d %s %s" % (seed, fs.name, sync)
        self.random = random.Random(self.seed)
        self.folder = tempfile.mkdtemp(prefix=fs.name, dir=folder)
        self.test = harness.Test(fs.name, self.folder, pki)
        self.counts = collections.Counter()
        self.kept = 0

    def receiver(self, root):
        one = harness.Receiver(self.test, {"receiver": {
            "root": root, "sync": self.sync, "journal": "4M",
            "ledger-size": "65536"}, "limits": {
                "inline": "16K", "reserve": "0", "reserve-large": "0", "reserve-inodes": "0"}},
            make=False)
        one.root = root
        for inbox, way in meta.ways(self.folder).items():
            one.inboxes[inbox]["meta"] = way
        one.write_conf()
        self.test.receivers.append(one)
        return one

    def record(self, inboxd):
        """Runs the workload on a recorded disk; (log, first entry, senders)."""
        recording = disk.Recording(self.fs, self.folder, DISK)
        usual, harness.INBOXD = harness.INBOXD, inboxd or harness.INBOXD
        receiver = None
        try:
            receiver = self.receiver(os.path.join(recording.root, "inbox"))
            receiver.make()
            receiver.start()
            os.sync()
            first = recording.position()
            senders, stray = workload.run(receiver, recording, self.random, ROUNDS)
        finally:
            harness.INBOXD = usual
            if receiver and receiver.process:
                receiver.process.kill()
                receiver.process.wait()
            recording.stop()
        assert not stray, stray
        log = disk.Log(recording.log)
        self.control(recording, log)
        return recording, log, log.at(first), senders

    def control(self, recording, log):
        """The log, from its first entry to its last, is all that ever happened to the disk."""
        path = os.path.join(self.folder, "control")
        disk.run(["cp", "--sparse=always", recording.base, path])
        file = os.open(path, os.O_RDWR)
        for entry in log.entries:
            log.write(file, entry)
        os.close(file)
        disk.run(["cmp", path, recording.live])
        os.unlink(path)

    def try_state(self, receiver, state, path, senders):
        """The promises broken on this state."""
        mountpoint = os.path.dirname(receiver.root)
        try:
            self.fs.mount(path, mountpoint, loop=True)
        except disk.Failed as error:
            return ["%s: %s" % (NOT_MOUNTED, error)]
        set_boot(self.test.folder)
        try:
            return Promises(receiver, senders, state.position, self.counts).check()
        finally:
            if receiver.process:
                receiver.process.kill()
                receiver.process.wait()
                receiver.process = None
            disk.unmount(mountpoint)
            self.fs.forget()

    def keep(self, state, path, base):
        """The image of a broken state, as it was before it was mounted."""
        self.kept += 1
        if self.kept > KEPT:
            return
        where = os.path.join(tempfile.gettempdir(), "inboxd-power-%s-%s-%d.img" % (
            self.fs.name, self.sync, self.kept))
        for _, image in disk.images([state], base, os.path.dirname(path), self.fs.sector,
                                    random.Random):
            shutil.move(image, where)
        say("#   its image: %s" % where)

    def states(self, recorded, count, until_broken=False, draw=disk.draw):
        """How many states were tried, and how many were broken."""
        recording, log, first, senders = recorded
        mountpoint = os.path.join(self.folder, "state-root")
        os.makedirs(mountpoint, exist_ok=True)
        receiver = self.receiver(os.path.join(mountpoint, "inbox"))
        acks = [item.acked_at for sender in senders for item in sender.items.values()
                if item.name]
        states = draw(log, first, acks, count, self.random)
        if until_broken:
            self.random.shuffle(states)
        tried = broken = 0
        for state in states:
            work = tempfile.mkdtemp(prefix="w", dir=self.folder) if until_broken else self.folder
            batch = [state] if until_broken else states
            for one, path in disk.images(batch, recording.base, work, self.fs.sector,
                                         random.Random):
                tried += 1
                wrong = self.try_state(receiver, one, path, senders)
                if until_broken and wrong and wrong[0].startswith(NOT_MOUNTED):
                    continue  # whatever that shows, it is not what is looked for
                broken += bool(wrong)
                if wrong:
                    self.tell(one, path, recording.base, wrong, receiver, until_broken)
                if broken == BROKEN_MAX:
                    return tried, broken
            if not until_broken or broken:
                break
            shutil.rmtree(work)
        return tried, broken

    def tell(self, state, path, base, wrong, receiver, is_wanted):
        say("#   %s" % state)
        for text in wrong[:2 if is_wanted else SAID]:
            say("#     " + text)
        if len(wrong) > SAID:
            say("#     and %d more" % (len(wrong) - SAID))
        if not is_wanted:
            self.keep(state, os.path.join(tempfile.mkdtemp(dir=self.folder), "x"), base)
            lines = [line for line in receiver.log(here=True).splitlines()
                     if " debug " not in line]
            for line in lines[-12:]:
                say("#     log: " + line)

    def end(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def check(run, count):
    """The receiver itself: no state may break a promise."""
    began = time.monotonic()
    recorded = run.record(None)
    _, log, first, senders = recorded
    items = sum(len(sender.items) for sender in senders)
    took = time.monotonic() - began
    tried, broken = run.states(recorded, count)
    say("%s - %s, sync = %s: %d states in %.0f s, %d broken" % (
        "not ok" if broken else "ok", run.fs.name, run.sync, tried,
        time.monotonic() - began, broken))
    say("#   recorded in %.0f s: %d writes, %d flushes, %d items; recovery: %s" % (
        took, len(log.entries) - len(log.flushes), len(log.flushes), items,
        ", ".join("%s %d" % pair for pair in sorted(run.counts.items()))))
    # A disk that ignores flushes: the states must be bad, or this test sees nothing.
    tried, broken = run.states(recorded, MUTANT_STATES, True, disk.draw_lies)
    say("%s - %s, sync = %s: a disk that ignores flushes is caught (state %d)" % (
        "ok" if broken else "not ok", run.fs.name, run.sync, tried))
    return run.kept == 0 and broken > 0


def check_mutant(run, mutant):
    """A receiver with a defect: a state has to show it."""
    began = time.monotonic()
    try:
        recorded = run.record(mutant)
    except AssertionError as error:
        # Not even a kill was survived.
        if "ended with 65" not in str(error):
            raise
        say("ok - %s, sync = %s: %s is caught while it is recorded" % (
            run.fs.name, run.sync, os.path.basename(mutant)))
        return True
    tried, broken = run.states(recorded, MUTANT_STATES, True)
    say("%s - %s, sync = %s: %s is caught (state %d, %.0f s)" % (
        "ok" if broken else "not ok", run.fs.name, run.sync, os.path.basename(mutant), tried,
        time.monotonic() - began))
    return broken > 0


def one_run(fs, sync, pki, folder, job):
    run = Run(fs, sync, pki, folder, harness.SEED)
    try:
        return job(run)
    except Exception:
        say("not ok - %s, sync = %s" % (fs.name, sync))
        harness.comment(traceback.format_exc())
        return False
    finally:
        run.end()


def work(folder):
    pki = Pki(os.path.join(folder, "pki"))
    good, done = True, 0
    for name in CHOSEN:
        fs = disk.FILE_SYSTEMS[name]
        if fs.missing():
            say("ok - %s # SKIP %s" % (name, fs.missing()))
            continue
        for sync in SYNCS:
            jobs = [lambda run: check(run, -(-STATES // len(SYNCS)))]
            if MUTANTS:
                jobs = [lambda run, path=os.path.join(MUTANTS, path): check_mutant(run, path)
                        for path in sorted(os.listdir(MUTANTS)) if path.startswith("no_")
                        and os.access(os.path.join(MUTANTS, path), os.X_OK)]
            for job in jobs:
                done += 1
                good &= one_run(fs, sync, pki, folder, job)
    return good and done > 0


def stop(_signal, _frame):
    raise KeyboardInterrupt


def main(prefix, run_all):
    """In a mount namespace of its own, with a folder that begins with `prefix`."""
    why = why_not()
    if why:
        say("1..0 # SKIP %s" % why)
        sys.exit(77)
    if "INBOXD_POWER" not in os.environ:
        os.environ["INBOXD_POWER"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable,
                              *sys.argv])
    signal.signal(signal.SIGTERM, stop)
    memory = "/dev/shm"
    folder = tempfile.mkdtemp(prefix=prefix,
                              dir=memory if os.access(memory, os.W_OK) else None)
    say("# seed %d" % harness.SEED)
    began = time.monotonic()
    try:
        good = run_all(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    say("# %.0f s" % (time.monotonic() - began))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main("inboxd-power-", work)
