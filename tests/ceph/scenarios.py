# SPDX-License-Identifier: ISC
"""What happens to a root on Ceph, and how long clients wait for it.

A scenario begins with a receiver that works on one of two hosts, and ends with one that works,
there or on the other, when all has been judged.
"""

import collections
import os
import time

from hosts import Host, Receiver
from load import Clients
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
        self.attached = [storage(host, cluster) for host in self.hosts]
        self.receivers = [Receiver(host, pki, storage.sync) for host in self.hosts]
        self.at = 0  # which of the two it is now
        self.home = Host(storage.name + "-c", 9, folder)
        self.repeated = 0
        self.clients = None
        self.attached[0].prepare()
        self.attached[0].attach()
        self.receivers[0].make()
        self.receivers[0].start()
        self.hosts[0].take_service()
        self.clients = Clients(self.home, pki)
        self.pki = pki

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

    def lose(self):
        """The host is dead: nothing more comes from it."""
        self.host.cut()
        lost = time.monotonic()
        self.receiver.process.kill()  # waits for its disk, maybe, which must go as well
        self.attachment.crash()
        self.receiver.process.wait(30)
        self.host.leave_service()
        return lost

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

    def log(self):
        """What the receivers said last."""
        return "\n".join("---- inboxd on %s\n%s" % (receiver.host.name, receiver.log()[-3000:])
                         for receiver in self.receivers)


@scenario(CephFs, Rbd)
def host_dies(world):
    """Its storage is fenced at once, as a cluster manager does."""
    world.begin()
    old, lost = world.at, world.lose()
    note = world.take_over()
    pause = world.clients.wait_ack(lost + 0.1, 60) + 0.1
    world.repair(old)
    return world.finish("host_dies", pause, note)
