#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A root that Pacemaker moves between two hosts, by contrib/ha, with clients that never stop.

  make check-ha [SYSTEMD_ROOTS=folder] [TEST_ONLY=word,...]

Two machines of Debian 12 are booted as make check-systemd boots its own, of the same roots, with
corosync and Pacemaker besides (the first run needs the network, for packages).  Between them is a
bridge, and no way out; both see a device, on which the root is; a third place on the bridge has
real copy queues, and a client that asks for a new connection twenty times a second.  The harm of
scenarios.py is done to whoever has the root; then everything that was acknowledged must be there,
once.

Root is needed, debootstrap, systemd-nspawn, cgroup2, loop devices, openssl, ip and
bridge; what is missing is said, and the exit code is 77.  The release (a tarball) is the last
argument.
"""

import fcntl
import glob
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, *(os.path.join(HERE, "..", part)
                        for part in ("systemd", "papers", "", "system"))]
import booted
import machine
import roots
import scenarios
from machine import Failed, Skip, need
from pair import Pair

NEEDED = ["unshare", "systemd-nspawn", "nsenter", "ip", "bridge", "losetup", "openssl"]
# What nothing of may start while it is installed.
CLUSTER = r"""
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
apt-get install pacemaker pacemaker-cli-utils corosync resource-agents iputils-arping psmisc \
    procps kmod
rm /usr/sbin/policy-rc.d
"""


class Roots(roots.Roots):
    """Those of check-systemd, and a layer with a cluster manager."""

    def has_all(self, release):
        return self.is_built("now", release) and os.path.exists(self.path("cluster.made"))

    def prepare(self, release, before=None):
        with self.locked():
            if self.has_all(release):
                return
        with self.locked(fcntl.LOCK_EX):
            if not os.path.exists(self.base):
                machine.debootstrap(roots.SUITES[self.system], self.base, roots.SYSTEM)
            if not os.path.exists(self.path("builder.made")):
                self.make_builder(release)
            if not self.is_built("now", release):
                self.build("now", release)
            if not os.path.exists(self.path("cluster.made")):
                self.make_cluster(release)

    def make_cluster(self, release):
        try:
            self.install("cluster", [self.upper("builder"), self.base], release, CLUSTER)
        except Failed as error:
            raise Skip("no cluster manager could be installed: %s" % error) from None

    def layers(self, which):
        return [self.path(which, "product"), self.upper("cluster"), self.upper("builder"),
                self.base]


def wanted():
    words = os.environ.get("TEST_ONLY")
    return [each for each in scenarios.SCENARIOS
            if not words or any(word in each.__name__ for word in words.split(","))]


def comment(text):
    print("# " + text.rstrip("\n").replace("\n", "\n# "), flush=True)


def play(test, function):
    """(Outcome or None, why it failed or None)."""
    try:
        outcome = test.play(function)
        if outcome.lost or outcome.twice:
            raise Failed("%d items lost, %d twice" % (outcome.lost, outcome.twice))
        return outcome, None
    except Exception as error:  # whatever it is, the next one has its turn
        text = "%s: %s" % (type(error).__name__, error)
        if not isinstance(error, Failed):
            text += "\n" + traceback.format_exc()
        return None, text + "\n" + test.pair.told()[-30000:]


def try_all(folder, layers, planned, first):
    """The Outcomes of what went well with one pair of hosts; first: the first one's number."""
    test = pair = None
    outcomes = []
    try:
        begun = time.monotonic()
        pair = Pair(folder, layers, planned[0].witness)
        comment("the cluster serves after %.1f s" % (time.monotonic() - begun))
        test = scenarios.Test(pair)
        for number, function in enumerate(planned, first):
            begun = time.monotonic()
            outcome, wrong = play(test, function)
            if wrong:
                comment(wrong)
            else:
                outcomes.append(outcome)
            print("%s %d - %s # %.1f s" % ("not ok" if wrong else "ok", number, function.__name__,
                                           time.monotonic() - begun), flush=True)
    finally:
        for each in (test, pair):
            if each:
                each.close()
    return outcomes


def check(folder, kept):
    """In namespaces of its own; True: all is well."""
    booted.make_bridge()
    planned = wanted()
    outcomes = []
    print("1..%d" % len(planned), flush=True)
    for witness in (False, True):
        some = [each for each in planned if each.witness is witness]
        if some:
            part = os.path.join(folder, "three" if witness else "two")
            os.mkdir(part)
            outcomes += try_all(part, kept.layers("now"), some, planned.index(some[0]) + 1)
    comment("\n".join(scenarios.table(outcomes)))
    return len(outcomes) == len(planned)


def check_apart(release):
    """True: all is well."""
    folder = tempfile.mkdtemp(prefix="inboxd-ha-")
    env = {**os.environ, "HA_STAGE": folder}
    child = subprocess.Popen(
        ["unshare", "-m", "-n", "-p", "-f", "--kill-child", "--mount-proc", sys.executable,
         sys.argv[0], release], env=env, stdin=subprocess.DEVNULL)
    try:
        return child.wait() == 0
    finally:
        child.kill()  # and with it all that is in its namespace
        child.wait()
        for image in glob.glob(folder + "/*/shared.img"):
            for line in machine.call(["losetup", "-j", image], "losetup").splitlines():
                machine.call(["losetup", "-d", line.split(":")[0]], "losetup")
        for part in ("two", "three"):
            booted.remove_cgroups(os.path.join(folder, part))
        machine.call(["rm", "-r", "--one-file-system", folder], "rm")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of what is tidied up
    stage = os.environ.get("HA_STAGE")
    where = os.path.abspath(os.environ.get("SYSTEMD_ROOTS") or "systemd-roots")
    release = os.path.abspath(sys.argv[1])
    if stage and os.path.isabs(stage):
        with roots.Roots(where, "debian12").locked():
            sys.exit(0 if check(stage, Roots(where, "debian12")) else 1)
    try:
        need(NEEDED)
        if not stage:
            os.environ["HA_STAGE"] = "all"
            os.execvp("unshare", ["unshare", "-m", sys.executable, *sys.argv])
        booted.cgroup_of("")
        if not os.path.exists("/dev/loop-control"):
            raise Skip("there are no loop devices")
        Roots(where, "debian12").prepare(release)
    except Skip as skip:
        print("1..0 # SKIP %s" % skip)
        sys.exit(77)
    sys.exit(0 if check_apart(release) else 1)


if __name__ == "__main__":
    main()
