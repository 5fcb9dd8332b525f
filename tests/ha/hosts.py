# SPDX-License-Identifier: ISC
"""Two hosts that a cluster manager watches, the device both see, and the switch of their power.

Each host is a machine of tests/systemd/booted.py with corosync and Pacemaker.  The device is one
file behind two loop devices, a host each, so that a host has a file system of its own, with caches
of its own, and what it has not synced is lost with it: off() shuts that file system down as it
stands, cuts the wire, and kills every process, in this order.  This is what the fence agent
(fence_test) asks for, by a socket in a folder that both hosts see.
"""

import contextlib
import fcntl
import os
import signal
import socket
import struct
import subprocess
import threading
import time

import booted
from machine import Failed, call

ROOT = "/var/lib/inboxd-status"
DEVICE = "/dev/shared"
SHUT_DOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
NO_FLUSH = 2            # not even of what is in the file system's own journal


class Host(booted.Machine):
    """A machine whose power can be cut, or which can be hung; it keeps what it was given."""

    def __init__(self, folder, name, number, lower, image):
        super().__init__(folder, name, number, lower)
        self.number = number
        self.device = call(["losetup", "-f", "--show", "--direct-io=on", image], "losetup").strip()
        self.options = ["--bind=%s/power:/srv/power" % folder]
        self.lock = threading.RLock()
        self.starting = None
        self.on = False

    def start(self, wait="multi-user.target"):
        with self.lock:
            if not self.on:
                self.plug(True)
                super().start(wait)
                self.on = True

    def enter(self, *command):
        if not self.leader:
            raise Failed("%s is off" % self.name)
        return super().enter(*command)

    def start_later(self):
        """As a machine does that is switched on by nobody who waits for it."""
        def go():
            with contextlib.suppress(Failed):
                self.start()
        self.starting = threading.Thread(target=go, daemon=True)
        self.starting.start()

    def plug(self, there):
        call(["ip", "link", "set", "wire%d" % self.number, "up" if there else "down"], "ip link")

    def mounted(self):
        """Is the root's file system mounted in there?"""
        try:
            with open("/proc/%s/mountinfo" % self.leader, encoding="ascii") as file:
                return any(line.split()[2] == "7:" + self.device[len("/dev/loop"):]
                           for line in file)
        except OSError:
            return False

    def shut_files_down(self):
        """The file system, where it is mounted, loses all that is not on the device yet."""
        if not self.mounted():
            return
        with contextlib.suppress(FileNotFoundError):
            fd = os.open("/proc/%s/root%s" % (self.leader, ROOT), os.O_RDONLY | os.O_DIRECTORY)
            try:
                dev = os.fstat(fd).st_dev
                if "/dev/loop%d" % os.minor(dev) != self.device or os.major(dev) != 7:
                    raise Failed("%s is not on %s" % (ROOT, self.device))
                fcntl.ioctl(fd, SHUT_DOWN, struct.pack("I", NO_FLUSH))
            finally:
                os.close(fd)

    def hang(self):
        """Nothing in there runs any more; its memory and its file systems stay."""
        with open(self.cgroup + "/cgroup.freeze", "w", encoding="ascii") as file:
            file.write("1")

    def shut_down(self):
        """In order; returns when it is off."""
        with self.lock:
            self.sh("systemctl poweroff")
            self.process.wait(60)
            self.put_out()

    def off(self):
        """The power goes."""
        with self.lock:
            self.plug(False)
            if not self.on:
                return
            self.on = False
            self.shut_files_down()
            with open(self.cgroup + "/cgroup.kill", "w", encoding="ascii") as file:
                file.write("1")
            with open(self.cgroup + "/cgroup.freeze", "w", encoding="ascii") as file:
                file.write("0")
            self.process.wait(20)
            self.put_out()

    def put_out(self):
        """Its processes are gone."""
        self.on = False
        self.plug(False)
        self.process = self.leader = None
        # The wire's namespace outlives its machine; what the cluster put there does not.
        call(["ip", "-n", self.name, "addr", "flush", "dev", "host0"], "ip addr")
        for line in ("addr add %s/24 dev host0" % self.address, "link set host0 up"):
            call(["ip", "-n", self.name, *line.split()], "ip " + line)

    def remove(self):
        if self.starting:
            self.starting.join(booted.BOOT_TIME + 10)
        self.off()
        # A namespace goes when the kernel gets to it, and the next host has the same wire.
        call(["ip", "link", "del", "wire%d" % self.number], "ip link")
        self.wire.remove()
        self.overlay.umount()
        subprocess.run(["losetup", "-d", self.device], check=False)


class Switch:
    """What fence_test asks: "off cap1" is answered once it is done; others as fencing has them."""

    def __init__(self, folder, hosts):
        self.hosts = {host.name: host for host in hosts}
        self.asked = []  # (when, what)
        self.works = True
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(folder + "/power/switch")
        self.socket.listen(16)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(peer,), daemon=True).start()

    def answer(self, peer):
        with peer, contextlib.suppress(OSError):
            action, _, name = peer.makefile().readline().strip().partition(" ")
            peer.sendall(self.do(action, self.hosts.get(name)).encode() + b"\n")

    def do(self, action, host):
        if action == "monitor":
            return "done"
        if action == "list":
            return "done\n" + "\n".join(self.hosts)
        if not host:
            return "no such host"
        if action == "status":
            return "done" if host.on else "off"
        self.asked.append((time.monotonic(), "%s %s" % (action, host.name)))
        if not self.works:
            return "the switch does not answer"
        if action in ("off", "reboot"):
            host.off()
        if action in ("on", "reboot"):
            host.start_later()
        return "done"

    def close(self):
        self.socket.close()


class Watch:
    """Looks twenty times a second that no two hosts have the file system mounted at once."""

    def __init__(self, hosts):
        self.hosts = hosts
        self.twice = []
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while not self.ending.wait(0.05):
            if sum(host.on and host.mounted() for host in self.hosts) > 1:
                self.twice.append(time.monotonic())

    def close(self):
        self.ending.set()
        self.thread.join()


def isolate(hosts, apart):
    """They hear each other no more, but everybody else does."""
    for host in hosts:
        call(["bridge", "link", "set", "dev", "wire%d" % host.number, "isolated",
              "on" if apart else "off"], "bridge link")


def kill(host, unit):
    """The service's main process, at once."""
    pid = host.show(unit, "MainPID")
    host.sh("kill -s KILL " + pid)
    return signal.SIGKILL
