# SPDX-License-Identifier: ISC
"""Machines that are started, with systemd as their process 1, and the wires between them.

Each is a container of systemd-nspawn over an overlay, in a network namespace of its own, with one
address on a bridge; the bridge is in the namespace that the test itself runs in, which has no way
out of it.  What a test types there goes by nsenter(1), as root, and does not depend on what runs
in the machine.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time

import machine
from machine import Failed, Skip, call

NETWORK = "10.117.0."  # of the test's own namespace: it clashes with nothing
BOOT_TIME = 90
# What systemd-nspawn refuses: the first as it is older; the last is what IPAddressDeny= needs.
CALLS = "landlock_create_ruleset landlock_add_rule landlock_restrict_self bpf"


def make_bridge():
    """In a fresh network namespace."""
    os.makedirs("/run/netns", exist_ok=True)
    call(["mount", "-t", "tmpfs", "tmpfs", "/run/netns"], "mount")
    for line in ("link set lo up", "link add bridge type bridge",
                 "addr add %s1/24 dev bridge" % NETWORK, "link set bridge up"):
        call(["ip", *line.split()], "ip " + line)


def cgroup_of(folder):
    """The control group of the machines below `folder`, in the one hierarchy of them."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            left, right = line.split(" - ")
            if right.split()[0] == "cgroup2":
                return os.path.join(left.split()[4], folder.strip("/").replace("/", "-"))
    raise Skip("no hierarchy cgroup2 is mounted")


def remove_cgroups(folder):
    """Once nothing runs in them."""
    for each, _, _ in os.walk(cgroup_of(folder), topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(each)


class Wire:
    """A network namespace with one interface, host0, on the bridge."""

    def __init__(self, name, number):
        self.name = name
        self.address = NETWORK + str(number)
        for line in ("netns add %s" % name,
                     "link add wire%d type veth peer name host0 netns %s" % (number, name),
                     "link set wire%d master bridge up" % number,
                     "-n %s addr add %s/24 dev host0" % (name, self.address),
                     "-n %s link set lo up" % name,
                     "-n %s link set host0 up" % name):
            call(["ip", *line.split()], "ip " + line)

    def remove(self):
        call(["ip", "netns", "del", self.name], "ip netns del")


class Machine:
    """One machine; start(), sh() as often as one likes, stop() or cut()."""

    def __init__(self, folder, name, number, lower):
        self.name = name
        self.overlay = machine.Overlay(os.path.join(folder, name), lower)
        self.wire = Wire(name, number)
        self.address = self.wire.address
        # Without one of its own the machines' units would be each other's.
        self.cgroup = os.path.join(cgroup_of(folder), name)
        os.makedirs(self.cgroup)
        self.process = None
        self.leader = None
        self.options = []  # more of them, for systemd-nspawn
        self.overlay.write("etc/hostname", name + "\n")
        self.overlay.write("etc/resolv.conf", "")
        # A fresh system of debootstrap has no id: it would be asked for on its first start.
        self.overlay.write("etc/machine-id", "%032x\n" % (0xB007 + number))

    def start(self, wait="multi-user.target"):
        """Boots it; returns when `wait` is reached."""
        with open(self.overlay.folder + "/console", "ab") as console:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                ["sh", "-ec", 'echo 0 >"$0/cgroup.procs"; exec "$@"', self.cgroup,
                 *self.overlay.nspawn("--boot", "--network-namespace-path=/run/netns/" + self.name,
                                      "--capability=CAP_NET_ADMIN", "--resolv-conf=off",
                                      "--system-call-filter=" + CALLS,
                                      "--link-journal=no", "--console=pipe", *self.options)],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=machine.BOOT_ENV,
                start_new_session=True)
        limit = time.monotonic() + BOOT_TIME
        self.leader = None
        while not self.leader or self.sh("systemctl is-active --quiet " + wait, check=None):
            if self.process.poll() is not None or time.monotonic() > limit:
                raise Failed("%s did not start:\n%s" % (self.name, self.console()))
            time.sleep(0.1)
            self.leader = self.find_leader()

    def console(self):
        with open(self.overlay.folder + "/console", encoding="utf-8", errors="replace") as file:
            return file.read()[-6000:]

    def find_leader(self):
        """The process that is 1 in there, by its number out here."""
        path = "/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)
        with open(path, encoding="ascii") as file:
            children = file.read().split()
        for child in children:
            try:
                with open("/proc/%s/status" % child, encoding="ascii") as file:
                    if "NSpid:\t%s\t1\n" % child in file.read():
                        return child
            except FileNotFoundError:
                pass
        return None

    def enter(self, *command):
        return ["nsenter", "-t", self.leader, "-m", "-u", "-i", "-n", "-p", "--",
                "env", "-i", "PATH=" + machine.PATH, "HOME=/root", "LC_ALL=C.UTF-8", *command]

    def sh(self, script, check=True, timeout=60):
        """What it printed, without the last newline; check None: its exit code instead."""
        try:
            done = subprocess.run(
                self.enter("sh", "-euc", machine.FAILS + script), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                check=False, timeout=timeout)
        except subprocess.TimeoutExpired as late:
            raise Failed("%s: not done after %d s:\n%s\n%s" % (self.name, timeout, script,
                                                              late.stdout or "")) from None
        if check is None:
            return done.returncode
        if done.returncode:
            raise Failed("%s: ended with %d:\n%s\n%s" % (self.name, done.returncode, script,
                                                        done.stdout[-4000:]))
        return done.stdout.rstrip("\n")

    def until(self, script, timeout=30, every=0.1):
        """Tries it until it ends well."""
        limit = time.monotonic() + timeout
        while self.sh(script, check=None, timeout=timeout):
            if time.monotonic() > limit:
                raise Failed("%s: not within %d s: %s" % (self.name, timeout, script))
            time.sleep(every)

    def show(self, unit, what):
        return self.sh("systemctl show -P %s %s" % (what, unit))

    def signal(self, unit, name):
        """To its main process; `systemctl kill` stumbles over the cgroups of some containers."""
        self.sh("kill -s %s $(systemctl show -P MainPID %s)" % (name, unit))

    def journal(self, unit, since=None):
        """What a unit has logged; since: a cursor from now()."""
        return self.sh("journalctl -b --no-pager -o short-precise %s %s" % (
            "-u '%s'" % unit, "--after-cursor='%s'" % since if since else ""))

    def said(self, since):
        """What the machine itself has to say of a check that failed."""
        try:
            return self.sh("journalctl -b --no-pager -o short-precise --after-cursor='%s' | "
                           "grep -e inbox -e systemd.1 | grep -v pam_unix || true" % since)
        except Failed as silent:
            return str(silent)

    def now(self):
        """Where the journal is."""
        return self.sh("journalctl -b --no-pager -n 1 --show-cursor | sed -n 's/^-- cursor: //p'")

    def write(self, path, text, mode="644", owner="root"):
        """A file in the running machine (an overlay may not be changed from without), at once."""
        done = subprocess.run(
            self.enter("sh", "-euc", 'mkdir -p "${1%/*}"; cat >"$1.new"; chmod "$2" "$1.new"; '
                       'chown "$3:" "$1.new"; mv "$1.new" "$1"', "sh", path, mode, owner),
            input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            timeout=20)
        if done.returncode:
            raise Failed("%s: %s cannot be written: %s" % (self.name, path, done.stdout))

    def stop(self):
        """In order; what takes too long is ended."""
        if self.process and self.process.poll() is None:
            if self.leader:
                self.sh("systemctl poweroff", check=None)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.cut()
        self.process = None

    def cut(self):
        """The power goes: nothing in there is told."""
        if self.leader:
            os.kill(int(self.leader), signal.SIGKILL)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self.process = None

    def remove(self):
        self.stop()
        self.wire.remove()
        self.overlay.umount()
        shutil.rmtree(self.overlay.folder)
