# SPDX-License-Identifier: ISC
"""What happens to a host that has the root, and how long clients have to wait for it."""

import collections
import time

import hosts
import queues
from pair import ADDRESS, CLEANUP, LOOK, PORT, STANDBY, UNIT
from world import same, until, want

Outcome = collections.namedtuple("Outcome", "name seconds waited moved fenced lost twice items")
SCENARIOS = []
QUEUES = 2
PATIENCE = 60


def scenario(function):
    """A scenario takes a Scene, does its harm, and returns when it is over; its doc tells what."""
    function.witness = False
    SCENARIOS.append(function)
    return function


def with_a_witness(function):
    """One for three hosts."""
    scenario(function).witness = True
    return function


class Scene:
    """One scenario: who had the root before, and what was asked of the power's switch since."""

    def __init__(self, test):
        self.pair = test.pair
        self.test = test
        self.holder = self.pair.holder()
        self.other = self.pair.other(self.holder)
        self.asked = len(self.pair.switch.asked)
        self.begun = time.monotonic()
        self.clock = time.time()

    def fenced(self):
        return [what for _, what in self.pair.switch.asked[self.asked:]]

    def until_served_by(self, host, fenced=()):
        """It has the root, clients are served again for a while, and these were fenced."""
        until("%s has the root" % host.name, lambda: self.pair.holder() is host, PATIENCE)
        for name in fenced:
            until(name + " fenced", lambda name=name: "reboot " + name in self.fenced(), PATIENCE)
        moment = time.monotonic()
        until("clients are served by " + host.name,
              lambda: sum(when > moment for when in self.test.asker.served) > 20, PATIENCE)
        same(sorted(set(self.fenced())), sorted("reboot " + name for name in fenced), "fenced")
        want(self.pair.holder() is host, "the root did not stay at", host.name)


@scenario
def killed(s):
    """inboxd is killed: it is started again where it was."""
    pid = s.holder.show(UNIT, "MainPID")
    hosts.kill(s.holder, UNIT)
    until("another process", lambda: s.holder.show(UNIT, "MainPID") not in ("0", pid), PATIENCE)
    s.until_served_by(s.holder)


@scenario
def moved(s):
    """An administrator moves it."""
    s.holder.sh("crm_resource --move -r status -N " + s.other.name)
    s.until_served_by(s.other)


@scenario
def in_standby(s):
    """A host is to be updated, as inboxd-ha(7) has it."""
    go, come = STANDBY.replace("cap1", s.holder.name).splitlines()
    s.other.sh(LOOK + go)
    s.until_served_by(s.other)
    s.other.sh(come + "\n" + CLEANUP)


@scenario
def started_beside(s):
    """On the host that does not have it: there is no root, and nothing becomes one."""
    s.other.sh("fails systemctl start %s" % UNIT)
    same(s.other.show(UNIT, "ExecMainStatus"), "66", "what it ended with")
    s.other.sh("systemctl stop {0}\nsystemctl reset-failed {0} || true\n"
               "test -z \"$(ls -A {1})\"".format(UNIT, hosts.ROOT))
    s.until_served_by(s.holder)


@scenario
def file_system_gone(s):
    """The host lives, and its file system answers with errors: inboxd ends with 74."""
    s.holder.shut_files_down()
    s.until_served_by(s.other)


@scenario
def shut_down(s):
    """The host is shut down in order, as for an update."""
    s.holder.shut_down()
    s.until_served_by(s.other)
    s.holder.start_later()


@scenario
def dead(s):
    """The power of the host goes, and what it had not synced."""
    s.holder.off()
    s.until_served_by(s.other, fenced=[s.holder.name])


@scenario
def dead_and_not_fenced(s):
    """Nobody takes over from a host of which nobody knows whether it is dead."""
    s.pair.switch.works = False
    s.holder.off()
    until("fencing was tried", lambda: len(s.fenced()) > 1, PATIENCE)
    time.sleep(8)  # longer than any takeover takes here
    want(not s.pair.holder(), "somebody took the root of a host that was not fenced")
    s.pair.switch.works = True
    s.pair.other(s.holder).sh("stonith_admin --cleanup --history='*'", check=None)
    s.until_served_by(s.other, fenced=[s.holder.name])


@scenario
def hung(s):
    """Nothing runs in the host any more, and its file system is mounted still."""
    s.holder.hang()
    s.until_served_by(s.other, fenced=[s.holder.name])


@scenario
def cut(s):
    """The hosts do not hear each other, but clients hear both: one of them must go."""
    hosts.isolate(s.pair.hosts, True)
    try:
        s.until_served_by(s.holder, fenced=[s.other.name])
    finally:
        hosts.isolate(s.pair.hosts, False)


@with_a_witness
def dead_with_a_witness(s):
    """The same where two of three are left: nobody has to wait lest both shoot."""
    dead(s)


@with_a_witness
def unplugged(s):
    """The host hears nobody, and nobody it: the two others go on without it."""
    s.holder.plug(False)
    s.until_served_by(s.other, fenced=[s.holder.name])


class Test:
    """The hosts, and clients that never stop."""

    def __init__(self, pair):
        self.pair = pair
        self.queues = [queues.Queue(pair, n, ADDRESS, PORT) for n in range(QUEUES)]
        self.asker = queues.Asker((ADDRESS, PORT), pair.context())

    def close(self):
        self.asker.stop()
        for queue in self.queues:
            queue.close()

    def play(self, function):
        """An Outcome; Failed, where the scenario did not come to its end."""
        before = [len(queue.sent()) for queue in self.queues]
        until("clients are served", lambda: self.asker.served and
              time.monotonic() - self.asker.served[-1] < 0.5 and
              all(len(queue.sent()) > n + 5 for queue, n in zip(self.queues, before)), PATIENCE)
        scene = Scene(self)
        function(scene)
        seconds = self.asker.longest(scene.begun)
        for queue in self.queues:
            queue.until_empty()
        waited = max(queue.longest(scene.clock) for queue in self.queues)
        self.pair.until_whole()
        lost, twice, items = self.judge()
        for queue in self.queues:
            queue.resting.clear()
        return Outcome(function.__name__, seconds, waited,
                       self.pair.holder() is not scene.holder,
                       ", ".join(sorted(set(scene.fenced()))), lost, twice, items)

    def judge(self):
        """(acknowledged and not there, there twice, acknowledged) of all so far."""
        told = {(sent.name, sent.digest) for queue in self.queues for sent in queue.sent()}
        told |= set(dict(self.asker.items).items())
        there = self.pair.items()  # behind what was told, as the asker goes on
        digests = collections.Counter(there.values())
        want(not self.pair.watch.twice, "the file system was mounted twice")
        return (len(told - set(there.items())), sum(n > 1 for n in digests.values()), len(told))


def table(outcomes):
    """For people."""
    yield "%-20s %8s %8s  %-5s %-14s %5s %5s %7s" % (
        "", "next ack", "queue", "moved", "fenced", "lost", "twice", "items")
    for each in outcomes:
        yield "%-20s %6.1f s %6.1f s  %-5s %-14s %5d %5d %7d" % (
            each.name, each.seconds, each.waited, "yes" if each.moved else "no",
            each.fenced or "-", each.lost, each.twice, each.items)
