# SPDX-License-Identifier: ISC
"""The machines of one run, set up as README says: receivers cap1 and cap2, a client pc17, and one
that is both, with the version before; pkg, which has nothing but what the packages depend on; and
db, which has engines besides.

A check may do to them what it likes: reset() puts back what it has changed.
"""

import contextlib
import os
import time

import booted
import client
import pki
from load import Load
from machine import Failed, call


PORT = 7117
INBOXD = """[receiver]
host = {host}
journal = 8M
{receiver}
[tls]
certificate = /etc/inboxd/server.crt
key = /etc/inboxd/server.key
ca = /etc/inboxd/clients-ca.crt
{tls}
[limits]
reserve = 1M
reserve-large = 2M
reserve-inodes = 10
[inbox status]
[inbox dumps]
size = 1G
{more}
"""
INBOXQ = """[server]
servers = {servers}
retry-min = 1s
retry-max = 2s
connect-timeout = 5s
[tls]
certificate = /etc/inboxq/client.crt
key = /etc/inboxq/client.key
ca = /etc/inboxq/ca.crt
"""
# What a check may have left behind; the root's content is its own business.
RESET = """
systemctl stop 'inbox*' || true
for unit in /etc/systemd/system/*; do
	case $unit in
	*/inbox*.d) rm -r "$unit" ;;
	*/var-lib-inboxd.mount)
		systemctl stop var-lib-inboxd.mount || umount -l /var/lib/inboxd
		rm "$unit" ;;
	esac
done
rm -rf /run/systemd/system/inbox*
systemctl daemon-reload
systemctl reset-failed
"""
# As README says; the users are there where sysusers.d has made them at boot.
RECEIVER = """
id inboxd || useradd -r -d /var/lib/inboxd inboxd
install -d -o inboxd -g inboxd -m 700 /var/lib/inboxd
"""
CLIENT = """
id inboxq || useradd -r -d /var/spool/inboxq inboxq
install -d -o inboxq -g inboxq -m 700 /var/spool/inboxq
"""


class World:
    """Everything that one system's checks need; close() ends it."""

    def __init__(self, folder, roots, release="now"):
        self.folder = folder
        self.roots = roots
        self.pki = pki.Pki(os.path.join(folder, "pki"))
        self.machines = []
        self.mounts = []
        try:
            self.cap1 = self.make("cap1", 2, release)
            self.cap2 = self.make("cap2", 3, release)
            self.pc17 = self.make("pc17", 4, release)
            self.old = None
            if roots.has("before"):
                self.old = self.make("old", 5, "before")
                self.bring(self.old, roots.path("now", "product"), "srv/now")
            self.pkg = self.make("pkg", 6, "packages")
            self.bring(self.pkg, roots.path("packages"), "srv/debs")
            self.db = None
            self.disk = self.add_disk(self.cap1, "srv/disk")
            self.shared = os.path.join(folder, "shared")  # as a file system that hosts share
            os.makedirs(self.shared)
            for each in (self.cap1, self.cap2, self.pkg):
                self.bring(each, self.shared, "srv/shared", "bind")
            for each in self.machines:
                each.start()
            for cap in (self.cap1, self.cap2):
                self.set_up_receiver(cap)
            self.set_up_client(self.pc17)
            if self.old:
                self.set_up_receiver(self.old)
                self.set_up_client(self.old, "pc18.example.org")
        except BaseException:
            self.close()
            raise

    def close(self):
        for each in self.machines:
            each.stop()
        for mounted in self.mounts:
            call(["umount", mounted], "umount")
        for each in self.machines:
            each.remove()

    # ---- what is there

    def make(self, name, number, release="now"):
        made = booted.Machine(self.folder, name, number, self.roots.layers(release))
        self.machines.append(made)
        hosts = ["127.0.0.1 localhost"]
        for n, who in ((2, "cap1"), (3, "cap2"), (4, "pc17"), (5, "old"),
                       (6, "pkg")):
            hosts.append("%s%d %s.example.org %s" % (booted.NETWORK, n, who, who))
        made.overlay.write("etc/hosts", "\n".join(hosts) + "\n")
        return made

    def add_disk(self, where, path, size="96M"):
        """A file system of its own, ext4, in a machine that has not been started yet."""
        image = os.path.join(self.folder, where.name + ".img")
        call(["truncate", "-s", size, image], "truncate")
        call(["mkfs.ext4", "-q", "-F", "-m", "0", image], "mkfs.ext4")
        self.bring(where, image, path, "loop")
        return "/" + path

    def with_engines(self):
        """db, which boots for the first one who asks for it."""
        if not self.db:
            made = self.make("db", 7, "engines")
            self.bring(made, self.roots.path("packages"), "srv/debs")
            self.bring(made, self.shared, "srv/shared", "bind")
            made.start()
            self.db = made
        return self.db

    def bring(self, where, what, path, how="bind,ro"):
        """Something mounted in a machine that has not been started yet."""
        os.makedirs(where.overlay.path(path), exist_ok=True)
        call(["mount", "-o", how, what, where.overlay.path(path)], "mount of " + what)
        self.mounts.append(where.overlay.path(path))

    def set_up_receiver(self, cap):
        cap.sh("ldconfig\n" + RECEIVER)
        self.give(cap, self.pki.good("server", cap.name + ".example.org", cap.address),
                  "/etc/inboxd/server", "inboxd")
        self.configure(cap)
        cap.sh("inboxd -m")

    def set_up_client(self, where, who="pc17.example.org"):
        where.sh("ldconfig\n" + CLIENT)
        self.give(where, self.pki.client(who), "/etc/inboxq/client", "inboxq")
        where.write("/etc/inboxq/ca.crt", text_of(self.pki.ca.cert))
        self.configure_client(where)

    def give(self, where, pair, path, owner):
        """A certificate and its key, as `path`.crt and .key."""
        where.write(path + ".crt", text_of(pair.cert))
        where.write(path + ".key", text_of(pair.key), mode="600", owner=owner)
        if owner == "inboxd":
            where.write("/etc/inboxd/clients-ca.crt", text_of(self.pki.ca.cert))

    @staticmethod
    def configure(cap, receiver="", tls="", more=""):
        cap.write("/etc/inboxd.conf", INBOXD.format(
            host=cap.name + ".example.org", receiver=receiver, tls=tls, more=more))

    @staticmethod
    def configure_client(where, servers="cap1.example.org cap2.example.org"):
        where.write("/etc/inboxq.conf", INBOXQ.format(servers=servers))

    # ---- before each check

    def reset(self):
        """As it was made, with nothing of inboxd running and no item anywhere."""
        for each in self.machines:
            each.sh(RESET)
        for cap in (self.cap1, self.cap2):
            self.give(cap, self.pki.good("server", cap.name + ".example.org", cap.address),
                      "/etc/inboxd/server", "inboxd")
            self.configure(cap)
            cap.sh("find /var/lib/inboxd/*/new -type f -delete")
        self.give(self.pc17, self.pki.client("pc17.example.org"), "/etc/inboxq/client", "inboxq")
        self.configure_client(self.pc17)
        self.pc17.sh("rm -rf /var/spool/inboxq/*")

    def drop_in(self, where, unit, text, name="check"):
        where.write("/etc/systemd/system/%s.d/%s.conf" % (unit, name), text)
        where.sh("systemctl daemon-reload")

    # ---- what checks do

    def context(self, who="load.example.org"):
        pair = self.pki.client(who)
        return client.context(self.pki.ca.cert, pair.cert, pair.key)

    def load(self, cap, **how):
        return Load((cap.address, PORT), self.context(), **how)

    def connect(self, cap, who="load.example.org", **how):
        return client.Client((cap.address, PORT), self.context(who), **how)

    def store(self, cap, data=b"an item\n", inbox="status", **how):
        """One item by a client of its own; its name."""
        return self.store_by((cap.address, PORT), data, inbox, **how)

    def store_by(self, address, data=b"an item\n", inbox="status", who="load.example.org", **how):
        with client.Client(address, self.context(who), **how) as one:
            one.hello(os.urandom(16).hex())
            one.put(1, inbox, data)
            name = one.stored(1).name
            one.quit()
            return name

    def add(self, text="a report", where=None):
        """An item into the queue of pc17, or of another; its number."""
        return (where or self.pc17).sh(
            "echo '%s' | runuser -u inboxq -- inboxq add -i status" % text)

    @staticmethod
    def items(cap, inbox="status", root="/var/lib/inboxd"):
        """{name: digest} of what is in new/, once nothing waits to be published."""
        said = cap.sh("cd %s/%s\nfor i in $(seq 100); do test -n \"$(ls tmp)\" || break; "
                      "sleep 0.1; done\nfind new -type f -exec sha256sum {} +" % (root, inbox))
        pairs = [line.split() for line in said.splitlines()]
        return {os.path.basename(path): digest for digest, path in pairs}

    def whole(self, cap, load, root="/var/lib/inboxd"):
        """What was acknowledged is there, each once, and nothing besides but what was unheard."""
        there = self.items(cap, root=root)
        missing = set(load.stored.items()) - set(there.items())
        if missing or load.stuck:
            raise Failed("%d of %d acknowledged items are not there; %s" % (
                len(missing), len(load.stored), load.told()))
        if len(set(there.values())) != len(there):
            raise Failed("an item is there twice")
        cap.sh("inboxctl verify" + (" -r " + root if root != "/var/lib/inboxd" else ""))


def text_of(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def until(what, done, timeout=30, every=0.05):
    """Waits for done(); what: what is waited for, in words."""
    limit = time.monotonic() + timeout
    while True:
        found = done()
        if found:
            return found
        if time.monotonic() > limit:
            raise Failed("not within %g s: %s" % (timeout, what))
        time.sleep(every)


def want(true, *what):
    if not true:
        raise Failed(" ".join(str(word) for word in what))


def same(got, wanted, what):
    if got != wanted:
        raise Failed("%s: %r, and not %r" % (what, got, wanted))


@contextlib.contextmanager
def fails(*kinds):
    """What is done in there must fail so."""
    try:
        yield
    except kinds:
        return
    raise Failed("it went well, and should have failed")


CHECKS = []


def check(function):
    """A check takes the world; its doc says why it is one."""
    CHECKS.append(function)
    return function
