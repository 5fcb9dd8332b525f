# SPDX-License-Identifier: ISC
"""Hosts of the test: namespaces of mounts, the network and the host's name, on one bridge.

Each has an address, a boot id, a machine id and a clock of its own kernel, which all share.  What
a host's death loses is lost: its link is cut before its programs are killed, so that no peer
hears of it (Host.die).  The address by which clients ask for the receiver moves from one
to the other, as a cluster manager moves it.
"""

import json
import os
import re
import signal
import subprocess
import time
import uuid

import harness
from cluster import ADDRESS

NETWORK = "10.77.0."
SERVICE = NETWORK + "100"  # where clients find the receiver
PORT = 7117
INBOXD = os.environ.get("CEPH_INBOXD") or harness.INBOXD
HELD = 69  # the exit code of who finds another's lock


def run(*command, limit=30):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=limit, check=False)
    if done.returncode:
        raise AssertionError("%s ended with %d: %s" % (" ".join(command), done.returncode,
                                                       done.stdout))
    return done.stdout


def make_bridge():
    """Where all hosts meet; the cluster is at its own address."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "bridge", "type", "bridge")
    run("ip", "address", "add", ADDRESS + "/24", "dev", "bridge")
    run("ip", "link", "set", "bridge", "up")


class Host:
    def __init__(self, name, number, folder):
        self.name = name
        self.address = NETWORK + str(number)
        self.folder = os.path.join(folder, name)
        os.mkdir(self.folder)
        self.mnt = os.path.join(self.folder, "mnt")
        os.mkdir(self.mnt)
        self.children = []
        self.keeper = subprocess.Popen(["unshare", "-m", "-n", "-u", "sleep", "infinity"],
                                       stdin=subprocess.DEVNULL)
        self.wait_keeper()
        self.connect()
        self.call("hostname", name)
        self.set_ids()

    def wait_keeper(self):
        """Until unshare(1) has become sleep(1)."""
        for _ in range(500):
            with open("/proc/%d/comm" % self.keeper.pid, encoding="ascii") as file:
                if file.read() == "sleep\n":
                    return
            time.sleep(0.01)
        raise AssertionError("no namespaces for " + self.name)

    def connect(self):
        run("ip", "link", "add", "to-" + self.name, "type", "veth", "peer", "name", "eth0",
            "netns", str(self.keeper.pid))
        run("ip", "link", "set", "to-" + self.name, "master", "bridge", "up")
        self.call("ip", "link", "set", "lo", "up")
        self.call("ip", "address", "add", self.address + "/24", "dev", "eth0")
        self.call("ip", "link", "set", "eth0", "up")

    def set_ids(self):
        for path, text in (("/proc/sys/kernel/random/boot_id", str(uuid.uuid4())),
                           ("/etc/machine-id", uuid.uuid4().hex)):
            own = os.path.join(self.folder, os.path.basename(path))
            with open(own, "w", encoding="ascii") as file:
                file.write(text + "\n")
            if os.path.exists(path):
                self.call("mount", "--bind", own, path)

    # ---- what runs there

    def inside(self, *command):
        return ["nsenter", "-t", str(self.keeper.pid), "-m", "-n", "-u", *command]

    def call(self, *command, limit=30):
        return run(*self.inside(*command), limit=limit)

    def spawn(self, *command, log):
        with open(os.path.join(self.folder, log), "ab") as out:
            child = subprocess.Popen(self.inside(*command), stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=out)
        self.children.append(child)
        return child

    def path(self, path):
        """A path of this host, as others reach it."""
        return "/proc/%d/root%s" % (self.keeper.pid, path)

    # ---- its network

    def cut(self):
        run("ip", "link", "set", "to-" + self.name, "down")

    def mend(self):
        run("ip", "link", "set", "to-" + self.name, "up")
        subprocess.run(self.inside("ip", "route", "flush", "type", "blackhole"),
                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    def mute(self, address):
        """What it sends there is lost; it still hears."""
        self.call("ip", "route", "add", "blackhole", address)

    def take_service(self):
        """The address is here now, and all who knew it elsewhere are told."""
        self.call("ip", "address", "replace", SERVICE + "/24", "dev", "eth0")
        self.call("python3", "-S", "-c", ANNOUNCE, SERVICE)

    def leave_service(self):
        """What a host that is dead, or hangs, does by being so."""
        subprocess.run(self.inside("ip", "address", "del", SERVICE + "/24", "dev", "eth0"),
                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    # ---- its end

    def end_children(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.send_signal(signal.SIGCONT)
        for child in self.children:
            child.wait(30)
        self.children.clear()

    def end(self):
        run("ip", "link", "del", "to-" + self.name)
        self.end_children()
        self.keeper.kill()
        self.keeper.wait()


# A gratuitous ARP, as the kernel sends none for an address that is added.
ANNOUNCE = """import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0x0806))
mac, ip = s.getsockname()[4], socket.inet_aton(sys.argv[1])
for op in (1, 2):
    s.send(b"\\xff" * 6 + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, op)
           + mac + ip + b"\\xff" * 6 + ip)
"""

INBOXD_CONF = """[receiver]
listen = *:%d
host = cap1
root = %s
journal = 16M
sync = %s
sandbox = %s
[tls]
certificate = %s
key = %s
ca = %s
[status]
socket = %s
[inbox status]
clients = *
[limits]
reserve = 16M
reserve-large = 16M
[log]
level = info
format = plain
"""


class Receiver:
    """inboxd on a host, through all its starts."""

    def __init__(self, host, pki, sync, root):
        self.host = host
        self.conf = os.path.join(host.folder, "inboxd.conf")
        self.socket = os.path.join(host.folder, "status")
        self.log_path = os.path.join(host.folder, "inboxd.log")
        self.root = os.path.join(host.mnt, root)
        self.process = None
        server = pki.good("server", "cap1", SERVICE, NETWORK + "11", NETWORK + "12")
        with open(self.conf, "w", encoding="ascii") as file:
            file.write(INBOXD_CONF % (PORT, self.root, sync,
                                      "off" if harness.is_watched() else "auto", server.cert,
                                      server.key, pki.ca.cert, self.socket))

    def make(self):
        self.host.call(INBOXD, "-c", self.conf, "-m")

    def start(self, seconds=60):
        """Until it is ready; how long that took.  While another holds the root it is started again,
        as a supervisor does, where it does not wait itself."""
        begun = time.monotonic()
        self.spawn()
        while not re.search(r"event=ready\b", self.log()):
            if self.process.poll() == HELD:
                time.sleep(1)
                self.spawn()
            if self.process.poll() is not None or time.monotonic() > begun + seconds:
                raise AssertionError("no inboxd on %s (exit code %r):\n%s" % (
                    self.host.name, self.process.poll(), self.log()[-3000:]))
            time.sleep(0.02)
        return time.monotonic() - begun

    def spawn(self):
        self.mark = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        self.process = self.host.spawn(INBOXD, "-c", self.conf, log="inboxd.log")

    def refuse(self, sync):
        """A start that fails, with this setting: (exit code, what it said)."""
        with open(self.conf, encoding="ascii") as file:
            text = re.sub("(?m)^sync = .*$", "sync = " + sync, file.read())
        with open(self.conf + ".odd", "w", encoding="ascii") as file:
            file.write(text)
        done = subprocess.run(self.host.inside(INBOXD, "-c", self.conf + ".odd"),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=30, check=False)
        return done.returncode, done.stdout

    def log(self):
        """What it said since its last start."""
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            file.seek(self.mark)
            return file.read()

    def get(self, page):
        connection = harness.Unix(self.socket, 10)
        try:
            connection.request("GET", page)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def json(self, page):
        return json.loads(self.get(page))

    def wait_published(self, seconds=30):
        limit = time.monotonic() + seconds
        while self.json("/status")["gauges"]["inboxd_unpublished_items"]:
            if time.monotonic() > limit:
                raise AssertionError("not all visible in %g s" % seconds)
            time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        code = self.process.wait(60)
        if code:
            raise AssertionError("inboxd ended with %d:\n%s" % (code, self.log()[-3000:]))
