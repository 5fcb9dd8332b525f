#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A root that moves from host to host is the same receiver: real copy queues go on within seconds,
what they were told stays true, and what they did not hear is answered with its first name.

The hosts are namespaces of tests/ceph/hosts.py.  The root is ext4 on one disk that both can
reach, as on a storage network: of what a host had not flushed when it died, the other sees
nothing (tests/power/disk.c).  As root only.
"""

import contextlib
import os
import shutil
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../ceph"), os.path.join(HERE, "..")]
import hosts
import harness
import machine
from copyqueue import Queue
from harness import INBOXQ, TOP_BUILD, bound, equal, main, test, until
from scenarios import World
from storage import Device

DISK = os.path.join(TOP_BUILD, "tests/power/disk")


class Disk(Device):
    """The disk as one of the hosts has it."""
    name = "disk"
    sync = "auto"

    def __init__(self, host, cluster, _name):
        super().__init__(host)
        self.image = cluster
        self.file = os.path.join(host.folder, "disk")

    def prepare(self):
        with open(self.image, "wb") as file:
            file.truncate(256 << 20)
        self.host.call("mkfs.ext4", "-q", self.image)

    def attach(self):
        open(self.file, "wb").close()
        self.process = self.host.spawn(DISK, self.image, "/dev/null", self.file, log="disk.out")
        until(lambda: os.path.getsize(self.host.path(self.file)), 10, "the disk")
        self.mount()

    def end_process(self):
        self.host.call("umount", self.file)
        self.process.wait(30)

    def fence(self):
        """It has the disk no more."""
        if self.process.poll() is None:
            self.crash()

    def clean_up(self):
        super().clean_up()
        self.host.call("umount", "-l", self.file)


def start(t):
    if os.geteuid() != 0:
        raise harness.Skip("needs root")
    try:
        machine.need(["mkfs.ext4", "losetup", "unshare", "nsenter", "ip"])
    except machine.Skip as skip:
        raise harness.Skip(str(skip)) from None
    for path in ("/dev/fuse", "/dev/loop-control"):
        if not os.access(path, os.R_OK | os.W_OK):
            raise harness.Skip(path + " is needed")
    world = World(Disk, os.path.join(t.folder, "image"), t.pki, os.path.join(t.folder, "world"))
    t.closing.append(Closing(world))
    return world


class Closing:
    def __init__(self, world):
        self.world = world

    def close(self):
        self.world.end()


def judge(t, world, name, pause):
    row = world.finish(name, pause)
    assert row.verdict.is_good(), "%s\n%s" % (row.verdict, world.log())
    t.note("%s: next acknowledgement after %.1f s, %d items, %d answered again" % (
        name, pause, row.items, row.repeated))
    return row.repeated


@contextlib.contextmanager
def answers_lost(world):
    """The host hears its clients, and they do not hear it: it has a wrong address for them."""
    neighbor = [world.home.address, "dev", "eth0"]
    host = world.host
    host.call("ip", "neigh", "replace", *neighbor, "lladdr", "02:00:00:00:00:01", "nud",
              "permanent")
    yield
    host.call("ip", "neigh", "del", *neighbor)


@test
def host_that_dies_hands_its_root_over(t):
    world = start(t)
    for _ in range(2):
        world.begin()
        with answers_lost(world):
            time.sleep(0.7)
            old, lost = world.at, world.lose()
        world.take_over(fence=False)
        pause = world.clients.wait_ack(lost + 0.1, bound(20)) + 0.1
        world.repair(old)
        assert judge(t, world, "host dies", pause), "nothing was answered again"


@test
def root_moves_in_order(t):
    world = start(t)
    world.begin()
    root = world.receiver.json("/status")["root"]["id"]
    world.receiver.stop()
    world.attachment.detach()
    world.host.leave_service()
    gone = time.monotonic()
    world.take_over(fence=False)
    pause = world.clients.wait_ack(gone, bound(20))
    equal(world.receiver.json("/status")["root"]["id"], root, "the root's id")
    judge(t, world, "moved", pause)


@test
def host_that_hung_wakes_up_and_says_nothing_any_more(t):
    world = start(t)
    world.begin()
    old, receiver = world.at, world.receiver
    receiver.process.send_signal(signal.SIGSTOP)
    world.host.leave_service()
    hung = time.monotonic()
    world.take_over()
    pause = world.clients.wait_ack(hung + 0.1, bound(20))
    receiver.process.send_signal(signal.SIGCONT)
    # Who knows its address still comes, and hears nothing.
    q = Queue(t, servers=["%s:%d" % (receiver.host.address, hosts.PORT)], who="pc9.example.org")
    q.add("status", b"kept")
    done = t.run(world.home.inside(INBOXQ, "run", "-c", q.conf, "--once"), timeout=60)
    equal(done.returncode, 75, "exit code of inboxq; " + done.stderr)
    equal(q.numbers(), [1], "what is in its queue")
    equal(receiver.process.wait(bound(30)), 74, "exit code of the one that woke; " +
          receiver.log()[-2000:])
    world.repair(old)
    judge(t, world, "host hangs and wakes", pause)


def go_inside():
    """A network and processes of our own, which end with us."""
    if os.environ.pop("MOVED_INSIDE", None):
        return
    os.environ["MOVED_INSIDE"] = "1"
    os.execvp("unshare", ["unshare", "-m", "-n", "-p", "-f", "--kill-child", "--mount-proc",
                          sys.executable, *sys.argv])


if __name__ == "__main__":
    if os.geteuid() == 0 and shutil.which("unshare") and shutil.which("ip"):
        go_inside()
        hosts.make_bridge()
    main()
