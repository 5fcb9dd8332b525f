#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""An administrator's day, under a real systemd: receivers and a client on machines that boot.

  make check-systemd [SYSTEMD_ROOTS=folder] [SYSTEMD_SYSTEMS=debian12,debian13]
                     [SYSTEMD_BEFORE=tarball|commit] [TEST_ONLY=word,...]

For each system debootstrap makes a minimal root, once: it is kept, with what is built in it, in
SYSTEMD_ROOTS (default: systemd-roots below the build directory), and needs the network, for
packages alone.  Then machines of it are booted by systemd-nspawn, each with systemd as its
process 1 and a network namespace of its own; between them is a bridge, and no way out.  What is
done to them is in day.py, variants.py, sockets.py, faults.py, shared.py, beside.py and life.py, a
function a check.

Root is needed, debootstrap, systemd-nspawn, cgroup2, mkfs.ext4, openssl and ip; what is missing
is said, and the exit code is 77.  The release (a tarball) is the last argument.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, ".."), os.path.join(HERE, "../system")]
import beside
import booted
import day
import faults
import life
import mutants
import roots
import shared
import sockets
import variants
import world
from machine import Failed, Skip, need

NEEDED = ["unshare", "systemd-nspawn", "nsenter", "ip", "mkfs.ext4", "fsfreeze", "losetup",
          "openssl"]


def systems():
    wanted = os.environ.get("SYSTEMD_SYSTEMS") or ",".join(roots.SUITES)
    for system in wanted.split(","):
        if system not in roots.SUITES:
            raise SystemExit("SYSTEMD_SYSTEMS: %s: one of %s" % (system, ", ".join(roots.SUITES)))
        yield system


def wanted_checks():
    words = os.environ.get("TEST_ONLY")
    return [check for check in world.CHECKS
            if not words or any(word in check.__name__ for word in words.split(","))]


def wanted_mutants():
    words = os.environ.get("TEST_ONLY")
    return [case for case in mutants.cases()
            if not words or any(word in case[0] for word in words.split(","))]


def comment(text):
    print("# " + text.rstrip("\n").replace("\n", "\n# "), flush=True)


def try_one(here, check):
    """None, or why it failed, with what the machines have to say."""
    marks = []
    try:
        marks = [(each, each.now()) for each in here.machines]
        here.reset()
        check(here)
        return None
    except Exception as error:  # whatever it is, the next check has its turn
        text = "%s: %s" % (type(error).__name__, error)
        if not isinstance(error, Failed):
            text += "\n" + traceback.format_exc()
        for each, mark in marks:
            text += "\n---- the journal of %s\n%s" % (each.name, each.said(mark)[-5000:])
        return text


class Tally:
    """The lines of TAP of one system, whose first has the number `first`."""

    def __init__(self, first):
        self.number = first - 1
        self.failed = 0

    def line(self, good, name, seconds):
        self.number += 1
        self.failed += not good
        print("%s %d - %s # %.1f s" % ("ok" if good else "not ok", self.number, name, seconds),
              flush=True)


def run(folder, system, kept, checks, tally):
    here = None
    try:
        begun = time.monotonic()
        here = world.World(folder, kept)
        comment("%s: the machines are up after %.1f s" % (system, time.monotonic() - begun))
    except Failed as error:
        comment(str(error))
    try:
        if os.environ.get("SYSTEMD_MUTANTS"):
            try_mutants(here, system, tally)
            return
        for check in checks:
            begun = time.monotonic()
            wrong = try_one(here, check) if here else "the machines did not come up"
            if wrong:
                comment(wrong)
            tally.line(not wrong, "%s: %s" % (system, check.__name__), time.monotonic() - begun)
    finally:
        if here:
            here.close()


def try_mutants(here, system, tally):
    """A check that lets a mutant pass has failed itself."""
    checks = {check.__name__: check for check in world.CHECKS}
    for mutant, name in wanted_mutants():
        begun = time.monotonic()
        here.reset()
        undo = mutants.put(here, mutant)
        wrong = try_one(here, checks[name])
        here.reset()
        undo()
        if wrong:
            comment(wrong.splitlines()[0])
        tally.line(wrong, "%s: %s is seen by %s" % (system, mutant, name),
                   time.monotonic() - begun)


def prepare(release):
    """Makes and builds what is missing, with the network there is."""
    booted.cgroup_of("")
    where = os.path.abspath(os.environ.get("SYSTEMD_ROOTS") or "systemd-roots")
    os.makedirs(where, exist_ok=True)
    earlier = roots.before(where)
    for system in systems():
        begun = time.monotonic()
        roots.Roots(where, system).prepare(release, earlier)
        comment("%s: the roots are ready after %.1f s" % (system, time.monotonic() - begun))
    os.environ["SYSTEMD_ROOTS"] = where


def check_one(folder):
    """One system, in namespaces of its own: of mounts, the network, and processes."""
    booted.make_bridge()
    system = os.environ["SYSTEMD_SYSTEMS"]
    tally = Tally(int(os.environ["SYSTEMD_FIRST"]))
    kept = roots.Roots(os.environ["SYSTEMD_ROOTS"], system)
    with kept.locked():
        run(os.path.join(folder, system), system, kept, wanted_checks(), tally)
    return not tally.failed


def begin_all(folder, planned):
    """[(process, where it writes; None: here)], one for each system."""
    for number, system in enumerate(systems()):
        env = {**os.environ, "SYSTEMD_STAGE": folder, "SYSTEMD_SYSTEMS": system,
               "SYSTEMD_FIRST": str(number * planned + 1)}
        os.mkdir(os.path.join(folder, system))
        said = open(os.path.join(folder, system + ".tap"), "w+", encoding="utf-8")
        yield subprocess.Popen(
            ["unshare", "-m", "-n", "-p", "-f", "--kill-child", "--mount-proc", sys.executable,
             *sys.argv], env=env, stdin=subprocess.DEVNULL, stdout=said if number else None), said


def check_all():
    """All systems at once; what the first says is shown as it comes, the others' behind it."""
    planned = len(wanted_mutants() if os.environ.get("SYSTEMD_MUTANTS") else wanted_checks())
    folder = tempfile.mkdtemp(prefix="inboxd-systemd-")
    begun = time.monotonic()
    good = True
    print("1..%d" % (planned * len(list(systems()))), flush=True)
    children = list(begin_all(folder, planned))
    try:
        for child, said in children:
            good &= child.wait() == 0
            said.seek(0)
            shutil.copyfileobj(said, sys.stdout)
    finally:
        for child, said in children:
            child.kill()  # and with it all that is in its namespace
            child.wait()
            said.close()
        for system in systems():
            booted.remove_cgroups(os.path.join(folder, system))
            shared.free_devices(os.path.join(folder, system))
        shutil.rmtree(folder, ignore_errors=True)
    comment("%s, in %.0f s" % ("all is well" if good else "NOT all is well",
                               time.monotonic() - begun))
    return good


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of what is tidied up
    stage = os.environ.get("SYSTEMD_STAGE")
    if stage and os.path.isabs(stage):
        sys.exit(0 if check_one(stage) else 1)
    try:
        need(NEEDED)
        if not stage:
            os.environ["SYSTEMD_STAGE"] = "all"
            os.execvp("unshare", ["unshare", "-m", sys.executable, *sys.argv])
        prepare(os.path.abspath(sys.argv[1]))
    except Skip as skip:
        print("1..0 # SKIP %s" % skip)
        sys.exit(77)
    sys.exit(0 if check_all() else 1)


if __name__ == "__main__":
    main()
