# SPDX-License-Identifier: ISC
"""What happens to a root on Ceph, and how long clients wait for it.

A scenario begins with a receiver that works on one of two hosts, and ends with one that works,
there or on the other, when all has been judged.
"""

import collections
import os
import signal
import time

from cluster import ADDRESS
from hosts import Host, Receiver
from load import Clients, Witness
from storage import CephFs, Rbd

SCENARIOS = []
Row = collections.namedtuple("Row", "storage name pause verdict repeated items note")


def scenario(*storages):
    def mark(function):
        SCENARIOS.extend((storage, function) for storage in storages)
        return function
    return mark


class World:
    """Two hosts for a receiver, its storage on each, and the clients' host."""

    def __init__(self, storage, cluster, pki, folder):
        os.mkdir(folder)
        self.cluster = cluster
        self.storage = storage
        self.hosts = [Host(storage.name + "-" + name, number, folder)
                      for name, number in (("a", 11), ("b", 12))]
        name = os.path.basename(folder)
        self.attached = [storage(host, cluster, name) for host in self.hosts]
        self.receivers = [Receiver(host, pki, storage.sync, name) for host in self.hosts]
        self.at = 0  # which of the two it is now
        self.home = Host(storage.name + "-c", 9, folder)
        self.repeated = 0
        self.pki = pki
        self.clients = None
        try:
            self.start()
        except Exception:
            self.end()
            raise

    def start(self):
        self.attached[0].prepare()
        self.attached[0].attach()
        self.receivers[0].make()
        self.receivers[0].start()
        self.hosts[0].take_service()
        self.clients = Clients(self.home, self.pki)

    # ---- who is who

    @property
    def host(self):
        return self.hosts[self.at]

    @property
    def attachment(self):
        return self.attached[self.at]

    @property
    def receiver(self):
        return self.receivers[self.at]

    def new(self):
        return self.host.path(os.path.join(self.receiver.root, "status/new"))

    # ---- steps

    def begin(self):
        """Clients at work; until they are heard."""
        self.clients.feed()
        self.clients.wait_ack(time.monotonic(), 30)
        time.sleep(1)
        self.repeated = self.again()

    def again(self):
        return self.receiver.json("/status")["items"]["again"]

    def take_over(self, fence=True):
        """The other host takes the root; what each step took, as text."""
        old, marks = self.attachment, [time.monotonic()]
        if fence:
            old.fence()
        marks.append(time.monotonic())
        self.at = 1 - self.at
        self.repeated = 0
        self.attachment.attach()
        marks.append(time.monotonic())
        self.receiver.start(150)
        marks.append(time.monotonic())
        self.host.take_service()
        steps = [later - earlier for earlier, later in zip(marks, marks[1:])]
        return ("fence %.1f, " % steps[0] if fence else "") + "mount %.1f, start %.1f" % (
            steps[1], steps[2])

    def lose_answers(self):
        """For half a second items are stored, and nobody hears of it."""
        self.host.mute(self.home.address)
        time.sleep(0.5)

    def lose(self):
        """The host is dead: nothing more comes from it."""
        self.lose_answers()
        self.host.cut()
        lost = time.monotonic()
        self.receiver.process.kill()  # waits for its disk, maybe, which must go as well
        self.attachment.crash()
        self.receiver.process.wait(30)
        self.host.leave_service()
        return lost

    def pause_since(self, lost):
        """Seconds to the first acknowledgement since `lost`, when nothing more came."""
        return self.clients.wait_ack(lost + 0.1, 60) + 0.1

    def repair(self, number):
        """The host as after a boot."""
        self.attached[number].clean_up()
        self.hosts[number].mend()

    def finish(self, name, pause, note=""):
        """The judgement; a row of the table."""
        self.clients.drain()
        self.receiver.wait_published()
        verdict, items = self.clients.judge(self.new())
        return Row(self.storage.name, name, pause, verdict, self.again() - self.repeated, items,
                   note)

    def end(self):
        if self.clients:
            self.clients.end()
        for host in [*self.hosts, self.home]:
            host.end()
        for attachment in self.attached:
            attachment.forget()

    def log(self):
        """What the receivers said last."""
        return "\n".join("---- inboxd on %s\n%s" % (receiver.host.name, receiver.log()[-3000:])
                         for receiver in self.receivers)


# ---- hosts

@scenario(CephFs, Rbd)
def host_dies(world):
    """Its storage is fenced at once, as a cluster manager does."""
    world.begin()
    old, lost = world.at, world.lose()
    note = world.take_over()
    pause = world.pause_since(lost)
    world.repair(old)
    return world.finish("host_dies", pause, note)


@scenario(CephFs, Rbd)
def host_dies_and_nobody_fences(world):
    """The cluster finds out itself: the MDS by the session's time, RBD by the image's watch."""
    world.begin()
    old, lost = world.at, world.lose()
    note = world.take_over(fence=False)
    pause = world.pause_since(lost)
    world.repair(old)
    return world.finish("host_dies_unfenced", pause, note)


@scenario(CephFs, Rbd)
def hung_host_wakes(world):
    """It has been fenced meanwhile: it ends with 74, and nobody hears a word of items from it."""
    world.begin()
    old, receiver = world.at, world.receiver
    witness = Witness(world.host.address, world.pki)
    witness.send(5)
    witness.wait_stored(5)
    world.lose_answers()
    receiver.process.send_signal(signal.SIGSTOP)
    world.attachment.freeze()
    lost = time.monotonic()
    witness.send(20)
    world.host.leave_service()
    note = world.take_over()
    pause = world.pause_since(lost)
    world.attached[old].wake()
    receiver.process.send_signal(signal.SIGCONT)
    woken = time.monotonic()
    code = receiver.process.wait(60)
    note += ", the old one ended %.1f s after it woke" % (time.monotonic() - woken)
    told = witness.end()
    if code != 74 or [line for line in told if line.verb in ("STORED", "LATER", "REFUSED")]:
        raise AssertionError("inboxd ended with %d and said %r" % (code, told))
    world.clients.hear(witness)
    world.repair(old)
    return world.finish("hung_host_wakes", pause, note)


@scenario(CephFs, Rbd)
def host_loses_the_cluster(world):
    """Its clients still reach it: what they hear from then on must be true, and no item is."""
    world.begin()
    old, receiver = world.at, world.receiver
    world.host.mute(ADDRESS)
    lost = time.monotonic()
    time.sleep(3)
    world.host.leave_service()
    note = world.take_over()
    pause = world.pause_since(lost)
    world.hosts[old].mend()
    code = receiver.process.wait(60)
    if code != 74:
        raise AssertionError("inboxd ended with %d" % code)
    world.repair(old)
    return world.finish("host_loses_the_cluster", pause, "3 s alone, " + note)


@scenario(CephFs, Rbd)
def root_is_moved(world):
    """As an administrator moves it: stopped here, started there."""
    world.begin()
    begun = time.monotonic()
    world.receiver.stop()
    world.attachment.detach()
    world.host.leave_service()
    note = "stop %.1f, " % (time.monotonic() - begun) + world.take_over(fence=False)
    return world.finish("root_is_moved", world.pause_since(begun), note)


@scenario(CephFs)
def syncfs_that_does_nothing_is_refused(world):
    """As sync = filesystem has it, before anything stands on it."""
    world.receiver.stop()
    code, text = world.receiver.refuse(sync="filesystem")
    if code != 78 or "sync" not in text:
        raise AssertionError("inboxd ended with %d: %s" % (code, text))
    world.receiver.start()
    world.begin()
    return world.finish("syncfs_is_refused", 0)


@scenario(Rbd)
def flushes_reach_the_image(world):
    """What the receiver waits for is a flush of librbd, and no page cache's word."""
    before, acks = world.attachment.flushes(), world.clients.count()
    world.begin()
    flushes, acks = world.attachment.flushes() - before, world.clients.count() - acks
    if not flushes:
        raise AssertionError("%d acknowledgements, and librbd has flushed nothing" % acks)
    return world.finish("flushes_reach_the_image", 0, "%d flushes for %d acks" % (flushes, acks))


# ---- the cluster

@scenario(CephFs)
def mds_is_killed(world):
    """The standby takes over once the monitor misses its beacon."""
    world.begin()
    cluster = world.cluster
    name = cluster.active_mds()
    begun = time.monotonic()
    cluster.kill("mds." + name)
    cluster.wait(lambda: cluster.active_mds() not in (None, name), 90, "another MDS")
    note = "another MDS active after %.1f" % (time.monotonic() - begun)
    world.clients.wait_ack(time.monotonic(), 60)
    time.sleep(2)
    pause = world.clients.longest_pause(begun)
    cluster.begin("mds." + name)
    row = world.finish("mds_is_killed", pause, note)
    cluster.wait(cluster.standbys, 30, "a standby again")
    return row


@scenario(CephFs, Rbd)
def osd_is_killed(world):
    """Two of three copies are left, which is enough."""
    world.begin()
    cluster = world.cluster
    begun = time.monotonic()
    cluster.kill("osd.0")
    cluster.wait(lambda: not cluster.is_up("0"), 60, "osd.0 to be known as down")
    note = "known after %.1f" % (time.monotonic() - begun)
    world.clients.wait_ack(time.monotonic(), 60)
    time.sleep(3)
    pause = world.clients.longest_pause(begun)
    cluster.begin("osd.0")
    row = world.finish("osd_is_killed", pause, note)
    cluster.wait(lambda: cluster.is_up("0") and cluster.is_clean(), 60, "all copies again")
    return row


@scenario(CephFs, Rbd)
def too_many_osds_are_killed(world):
    """One copy is not enough: all waits, and goes on once there are two again."""
    world.begin()
    cluster = world.cluster
    begun = time.monotonic()
    for name in ("osd.1", "osd.2"):
        cluster.kill(name)
    time.sleep(10)
    for name in ("osd.1", "osd.2"):
        cluster.begin(name)
    back = time.monotonic()
    world.clients.wait_ack(back, 60)
    time.sleep(2)
    pause = world.clients.longest_pause(begun)
    row = world.finish("too_many_osds_are_killed", pause, "two OSDs away for 10 s")
    cluster.wait(lambda: cluster.is_up("1") and cluster.is_up("2") and cluster.is_clean(), 60,
                 "all copies again")
    return row
