#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Every call made to fail: the N-th, for N = 1, 2, 3 ... until a run meets no fault.

Once, and from then on; each call with the errors that suit it; in each scenario
of scenarios.py.  After each run its promises are judged; what breaks one is told with
the line that repeats it:

  python3 enumerate.py RUN SCENARIO FAULT

SECONDS bounds the whole (0: to the end), SCENARIOS and CALLS (names, split by
commas) pick some, WORKERS says how many runs go on at once, STEP=3 takes each third N.
"""

import collections
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import lives  # noqa: E402
import roots  # noqa: E402
import scenarios  # noqa: E402
from common import harness  # noqa: E402

ONCE, ON, BOTH = ("once",), ("on",), ("once", "on")
N_MAX = 3000
FAILURES_MAX = 6  # of one call in one scenario
# Done, and said to be not, as by a server that was asked a second time.
LIES = [("DONE-ENOENT", ONCE), ("DONE-EEXIST", ONCE), ("DONE-EIO", ONCE)]
CALLS = {  # call -> [(error, modes)]
    "open": [("EIO", BOTH), ("EMFILE", BOTH)],
    "openat": [("ENOSPC", BOTH), ("EMFILE", BOTH), ("EIO", ONCE), ("EDQUOT", ONCE)],
    "write": [("EIO", BOTH), ("ENOSPC", BOTH), ("EDQUOT", ONCE), ("EINTR", ONCE),
              ("SHORT", BOTH)],
    "fill": [("EIO", ONCE), ("ENOSPC", BOTH), ("EDQUOT", ONCE), ("EINTR", ONCE), ("SHORT", BOTH)],
    "ioctl": [("EOPNOTSUPP", ON), ("EIO", ONCE)],
    "read": [("EIO", BOTH), ("EINTR", ONCE)],
    "lseek": [("EIO", ONCE)],
    "fsync": [("EIO", BOTH), ("ENOSPC", ONCE), ("EINTR", ONCE)],
    "fdatasync": [("EIO", BOTH), ("ENOSPC", BOTH), ("EDQUOT", ONCE), ("EINTR", ONCE)],
    "syncfs": [("EIO", BOTH), ("ENOSPC", ONCE), ("EINTR", ONCE)],
    "sync_file_range": [("EIO", BOTH)],
    "renameat": [("EIO", BOTH), ("ENOSPC", ONCE), ("EDQUOT", ONCE), *LIES],
    "renameat@draft": LIES,
    "renameat2": [("EIO", BOTH), ("ENOSPC", BOTH), ("EDQUOT", ONCE), ("ENOSYS", BOTH),
                  ("EPERM", ON), *LIES],
    "linkat": [("EIO", BOTH), ("ENOSPC", ONCE), ("EDQUOT", ONCE)],
    "unlinkat": [("EIO", BOTH), ("EDQUOT", ONCE)],
    "mkdirat": [("ENOSPC", BOTH), ("EDQUOT", ONCE)],
    "fallocate": [("ENOSPC", BOTH), ("EDQUOT", ONCE), ("EOPNOTSUPP", ON), ("EINTR", ONCE)],
    "flock": [("ENOLCK", BOTH)],
    "dup": [("EMFILE", ONCE)],
    "fflush": [("ENOSPC", BOTH)],
    "statvfs": [("EIO", BOTH), ("EINTR", ONCE)],
    "ftruncate": [("EIO", BOTH)],
    "fstat": [("EIO", BOTH)],
    "fstatat": [("EIO", BOTH)],
    "fcntl": [("EIO", BOTH)],
    "lock": [("EIO", BOTH), ("ENOLCK", BOTH)],
    "root": [("ESHUTDOWN", ON)],  # all of them
    "lease": [("EACCES", BOTH), ("EAGAIN", ONCE)],
    "inotify": [("EMFILE", BOTH)],
    "fdopendir": [("ENOMEM", BOTH)],
    "readdir": [("EIO", BOTH)],
    "close": [("EIO", BOTH), ("EINTR", ONCE)],
    "malloc": [("ENOMEM", BOTH)],
    "mmap": [("ENOMEM", BOTH)],
    "accept4": [("EMFILE", BOTH), ("ENOMEM", ONCE)],
    "eventfd": [("EMFILE", BOTH)],
    "poll": [("EINTR", ONCE), ("ENOMEM", BOTH)],
    "pthread_create": [("EAGAIN", BOTH)],
    "socket": [("EMFILE", BOTH)],
    "connect": [("EIO", BOTH)],
    "setsockopt": [("EINVAL", BOTH)],
    "event": [("ENOMEM", BOTH)],
    "getaddrinfo": [("ENOMEM", BOTH)],
    "system": [("EPERM", BOTH)],
    "SSL_new": [("ENOMEM", BOTH)],
    "SSL_io": [("EIO", BOTH)],
    "digest": [("ENOMEM", BOTH)],
}
# One of the writes that fill a segment of the journal is as the other.
STRIDES = {"fill": 15}
# Calls that may take long, while others go on.
LATE = [("80ms", ONCE)]
for call in ("write@journal", "fdatasync@journal", "fdatasync@draft", "fdatasync@ledger",
             "fsync@tmpdir", "fsync@newdir", "syncfs", "renameat2@draft"):
    CALLS[call] = CALLS.get(call, []) + LATE
# What only happens beside another fault.
BESIDE = {"linkat": "renameat2:1:ENOSYS:on,", "renameat@draft": "renameat2:1:EINVAL:on,",
          "ftruncate": "write@ledger:1:SHORT:once,write@ledger:2:ENOSPC:once,"}
# These scenarios run with `sync = filesystem`, too, for the calls that it concerns.
FILESYSTEM = "@filesystem"
FILESYSTEM_SCENARIOS = ("start", "upload", "duplicate", "rotation", "recovery",
                        "recovery_of_frames", "stop", "large")
FILESYSTEM_CALLS = {"openat", "write", "fdatasync", "fsync", "syncfs", "renameat2", "linkat",
                    "unlinkat", "close"}

Outcome = collections.namedtuple("Outcome", "scenario fault met error seconds")


class Bench:
    """What one process needs for its runs: certificates, template folders, a sound receiver."""

    def __init__(self, folder, pki):
        self.folder, self.pki = folder, pki
        self.count = 0
        self.base = self.new_test("base")
        self.roots = roots.make_roots(self.base)
        self.receiver = None

    def new_test(self, name):
        return harness.Test(name, tempfile.mkdtemp(prefix="t", dir=self.folder), self.pki)

    def sound_receiver(self):
        if self.receiver is None:
            self.receiver = self.base.receiver({"limits": lives.SETTINGS["limits"]})
        return self.receiver

    def run(self, scenario, fault):
        self.count += 1
        t = self.new_test("%s %s" % (scenario, fault))
        began, error, met = time.monotonic(), None, None
        name = scenario.removesuffix(FILESYSTEM)
        try:
            if name in scenarios.RECEIVER:
                run = lives.ReceiverRun(t, fault, "files" if name == scenario else "filesystem")
                steps = lambda: scenarios.RECEIVER[name](run, self.roots)  # noqa: E731
            else:
                run = lives.QueueRun(t, self.sound_receiver(), fault)
                steps = lambda: scenarios.QUEUE[scenario](run)  # noqa: E731
            try:
                steps()
                run.judge()
            finally:
                met = run.met()
        except Exception as what:
            error = "%s: %s" % (type(what).__name__, what)
            if not isinstance(what, lives.Wrong):
                error += "\n" + traceback.format_exc()
            if name in scenarios.RECEIVER and os.path.exists(run.r.log_path):
                error += "\n" + run.r.log()[-3000:]
        finally:
            self.clean(t)
            self.sweep()
        return Outcome(scenario, fault, met, error, time.monotonic() - began)

    def sweep(self):
        """What a run of the queue that went wrong left at the receiver is not the next one's."""
        for inbox in self.receiver.inboxes if self.receiver else ():
            for name in self.receiver.files(inbox):
                os.unlink(self.receiver.path(inbox, name))

    def clean(self, t):
        for thing in t.closing:
            thing.close()
        for r in t.receivers:
            if r.process and r.process.poll() is None:
                r.process.kill()
                r.process.wait()
        shutil.rmtree(t.folder, ignore_errors=True)

    def close(self):
        if self.receiver:
            self.receiver.stop(None)
        self.clean(self.base)


def last_of(call):
    """How the call stands in FAULT, with what must go beside it."""
    return BESIDE.get(call, "") + call


def has_struck(outcome, call):
    return outcome.met is not None and any(
        line.split(" ")[0] == call.split("@")[0] for line in outcome.met.splitlines())


def chain(bench, scenario, call, rows, limit, step=1):
    """Yields the outcomes of one call in one scenario; None where the time was over.
    What fails again and again is left alone: one cause has been told often enough."""
    wrong = 0
    for error, modes in rows:
        for mode in modes:
            for n in range(1, N_MAX, step * STRIDES.get(call, 1)):
                if limit and time.monotonic() > limit:
                    yield None
                    return
                outcome = bench.run(scenario, "%s:%d:%s:%s" % (last_of(call), n, error, mode))
                yield outcome
                wrong += outcome.error is not None
                if wrong >= FAILURES_MAX:
                    return
                if not has_struck(outcome, call):
                    if n == 1:
                        return  # not in this scenario, whatever the error
                    break


def work(folder, pki, tasks, results, limit, step):
    bench = Bench(tempfile.mkdtemp(prefix="w", dir=folder), pki)
    try:
        while True:
            task = tasks.get()
            if task is None:
                return
            for outcome in chain(bench, *task, limit, step):
                results.put(outcome or task)
    except Exception:
        results.put(traceback.format_exc())
    finally:
        bench.close()
        results.put(None)


def tell(outcome):
    print("not ok: %s %s (met: %s)\n    python3 %s RUN %s '%s'\n    %s" % (
        outcome.scenario, outcome.fault, outcome.met, os.path.abspath(__file__),
        outcome.scenario, outcome.fault, outcome.error.replace("\n", "\n    ")), flush=True)


def gather(results, workers, show=tell):
    """(runs, faults met, failures, tasks not finished), when all workers are done."""
    runs = met = 0
    failures, unfinished = [], set()
    while workers:
        outcome = results.get(timeout=harness.bound(120))
        if outcome is None:
            workers -= 1
        elif isinstance(outcome, str):
            failures.append(outcome)
            print(outcome, flush=True)
        elif not isinstance(outcome, Outcome):
            unfinished.add(outcome[:2])
        else:
            runs += 1
            met += outcome.met is not None
            if outcome.error:
                failures.append(outcome)
                show(outcome)
    return runs, met, failures, unfinished


def all_scenarios():
    return [*scenarios.RECEIVER, *scenarios.QUEUE,
            *(name + FILESYSTEM for name in FILESYSTEM_SCENARIOS)]


def concerns(call, scenario):
    """syncfs is for `sync = filesystem` alone; there only some calls are made to fail."""
    if scenario.endswith(FILESYSTEM):
        return call.split("@")[0] in FILESYSTEM_CALLS
    return call != "syncfs"


def enumerate_all(calls, seconds, workers, step=1, chosen=None):
    names = chosen or all_scenarios()
    tasks_all = [(scenario, call, rows) for call, rows in calls.items() for scenario in names
                 if concerns(call, scenario)]
    folder = tempfile.mkdtemp(prefix="inboxd-fault-")
    try:
        pki = harness.Pki(os.path.join(folder, "pki"))
        pki.server()
        pki.client("pc1.example.org")
        context = multiprocessing.get_context("fork")
        tasks, results = context.Queue(), context.Queue()
        for task in tasks_all + [None] * workers:
            tasks.put(task)
        limit = time.monotonic() + seconds if seconds else None
        children = [context.Process(target=work, args=(folder, pki, tasks, results, limit, step))
                    for _ in range(workers)]
        for child in children:
            child.start()
        try:
            return gather(results, workers)
        finally:
            for child in children:
                child.join(20)
                if child.is_alive():
                    child.terminate()
                    child.join()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_one(scenario, fault):
    folder = tempfile.mkdtemp(prefix="inboxd-fault-")
    try:
        bench = Bench(folder, harness.Pki(os.path.join(folder, "pki")))
        outcome = bench.run(scenario, fault)
        bench.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if outcome.error:
        tell(outcome)
    else:
        print("ok: %s %s (met: %s), %.2f s" % (scenario, fault, outcome.met, outcome.seconds))
    return 1 if outcome.error else 0


def report(title, calls):
    """Enumerates as the environment says; the exit code."""
    pick = os.environ.get("CALLS")
    chosen = os.environ.get("SCENARIOS")
    if pick:
        calls = {call: calls[call] for call in pick.split(",")}
    began = time.monotonic()
    runs, met, failures, unfinished = enumerate_all(
        calls, float(os.environ.get("SECONDS") or 0), int(os.environ.get("WORKERS") or 2),
        int(os.environ.get("STEP") or 1), chosen.split(",") if chosen else None)
    took = time.monotonic() - began
    print("%s: %d runs, %d met a fault, %d failures, %d s (%.2f s a run)" % (
        title, runs, met, len(failures), took, took / max(runs, 1)))
    if unfinished:
        print("the time was over before these were done: %s" % ", ".join(
            "%s/%s" % pair for pair in sorted(unfinished)))
    return 1 if failures or not met else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["RUN"]:
        sys.exit(run_one(sys.argv[2], sys.argv[3]))
    sys.exit(report("check-fault", CALLS))
