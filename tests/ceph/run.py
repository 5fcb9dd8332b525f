# SPDX-License-Identifier: ISC
"""make check-ceph: a receiver's root on Ceph, and what happens to it there.

  make check-ceph [TEST_ONLY=word,...]
  make check-ceph-mutants               shows that it can fail
  make bench-ceph [CEPH_SECONDS=5]      items a second there instead (figures.py)

A cluster of Debian's daemons is started on this machine, and two hosts, each of which is a set of
namespaces with the inboxd of this build; real inboxq send from a third.  Then hosts die
and hang, and daemons of the cluster are killed (scenarios.py).  Each time all that was acknowledged
must be on the root, once; the table at the end says how long clients waited for the next
acknowledgement.

It takes some minutes, root, and of Debian ceph-mon ceph-mgr ceph-osd ceph-mds ceph-fuse
ceph-common qemu-block-extra qemu-system-common; what is missing is said, and the exit code is 77.
All of it is in namespaces of mounts, the network and processes of its own, which end with it;
CEPH_KEEP=1 keeps the folder.
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
import cluster
import figures
import hosts
import scenarios
from machine import Skip, need
from pki import Pki

PROGRAMS = [*cluster.PROGRAMS, "ceph-fuse", "qemu-storage-daemon", "mkfs.ext4", "losetup",
            "unshare", "nsenter", "ip", "openssl"]
MUTANT = os.environ.get("CEPH_INBOXD")  # a receiver that each scenario must find wrong


def comment(text):
    print("# " + text.rstrip("\n").replace("\n", "\n# "), flush=True)


def check_needs():
    need(PROGRAMS)
    for path in ("/dev/fuse", "/dev/loop-control"):
        if not os.access(path, os.R_OK | os.W_OK):
            raise Skip(path + " is needed")
    done = subprocess.run(["qemu-storage-daemon", "--blockdev",
                           "driver=rbd,node-name=r,pool=p,image=i,conf=/dev/null"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    if "Unknown driver" in done.stderr or "does not accept" in done.stderr:
        raise Skip("qemu-storage-daemon knows no rbd (Debian: qemu-block-extra)")


def wanted():
    words = os.environ.get("TEST_ONLY")
    return [(storage, function) for storage, function in scenarios.SCENARIOS
            if not words or any(word in "%s %s" % (storage.name, function.__name__)
                                for word in words.split(","))]


class Run:
    def __init__(self, folder):
        self.folder = folder
        self.pki = Pki(os.path.join(folder, "pki"))
        self.cluster = cluster.Cluster(os.path.join(folder, "ceph"))
        self.rows = []
        self.failed = 0
        self.number = 0
        self.worlds = 0

    def line(self, good, name, seconds):
        if MUTANT:
            good, name = not good, name + " sees " + os.path.basename(MUTANT)
        self.number += 1
        self.failed += not good
        print("%s %d - %s # %.1f s" % ("ok" if good else "not ok", self.number, name, seconds),
              flush=True)

    def new_world(self, storage):
        self.worlds += 1
        return scenarios.World(storage, self.cluster, self.pki, os.path.join(
            self.folder, "%s%d" % (storage.name, self.worlds)))

    def try_one(self, world, function):
        """Is its row a good one?"""
        try:
            row = function(world)
        except Exception:  # whatever it is, the next one has its turn, in a new world
            comment(traceback.format_exc() + world.log() + self.cluster.say())
            return False
        self.rows.append(row)
        if not row.verdict.is_good():
            comment("%s\n%s" % (row.verdict, world.log()))
        return row.verdict.is_good()

    def try_storage(self, storage, chosen):
        """Its scenarios in turn; behind one that failed, in a new world."""
        world = None
        for function in chosen:
            begun = time.monotonic()
            try:
                world = world or self.new_world(storage)
            except Exception:
                self.failed += 1
                comment(traceback.format_exc() + self.cluster.say())
            good = bool(world) and self.try_one(world, function)
            self.line(good, "%s: %s" % (storage.name, function.__name__),
                      time.monotonic() - begun)
            if world and not good:
                world.end()
                world = None
        if world:
            world.end()

    def all(self, chosen):
        comment("the cluster is up after %.1f s" % self.cluster.start())
        for storage in dict.fromkeys(storage for storage, _ in chosen):
            self.try_storage(storage, [function for its, function in chosen if its is storage])
        self.table()

    def table(self):
        form = "%-8s %-24s %9s %6s %6s %6s %9s  %s"
        comment(form % ("root on", "what happens", "next ack", "items", "lost", "twice",
                        "repeated", "of which"))
        for row in self.rows:
            comment(form % (row.storage, row.name, "%.1f s" % row.pause, row.items,
                            len(row.verdict.lost), len(row.verdict.twice), row.repeated,
                            row.note))


def bench(run):
    comment("the cluster is up after %.1f s" % run.cluster.start())
    figures.all_of(run.cluster, run.pki, run.folder, comment)


def check_all(chosen):
    hosts.make_bridge()
    folder = tempfile.mkdtemp(prefix="inboxd-ceph-")
    begun = time.monotonic()
    run = Run(folder)
    try:
        if os.environ.get("CEPH_FIGURES"):
            bench(run)
        else:
            run.all(chosen)
    except Exception:
        run.failed += 1
        comment(traceback.format_exc() + run.cluster.say())
    finally:
        run.cluster.stop()
        if os.environ.get("CEPH_KEEP"):
            comment("kept: " + folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    comment("%s, in %.0f s" % ("NOT all is well" if run.failed else "all is well",
                               time.monotonic() - begun))
    return not run.failed


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of what is tidied up
    try:
        check_needs()
    except Skip as skip:
        print("1..0 # SKIP %s" % skip)
        sys.exit(77)
    if os.environ.pop("CEPH_INSIDE", None) != str(os.getpid()):
        os.environ["CEPH_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "-m", "-n", "-p", "-f", "--kill-child", "--mount-proc",
                              sys.executable, *sys.argv])
    chosen = wanted()
    if not os.environ.get("CEPH_FIGURES"):
        print("1..%d" % len(chosen), flush=True)
    sys.exit(0 if check_all(chosen) else 1)


if __name__ == "__main__":
    main()
