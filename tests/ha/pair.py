# SPDX-License-Identifier: ISC
"""The two hosts with corosync, Pacemaker and one root, set up as inboxd-ha(7) says.

With a witness a third host is a member, too, which never has the root: its vote is what it is for.
"""

import contextlib
import os
import re
import shutil
import subprocess
import time

import booted
import client
import papers
import pki
from hosts import DEVICE, ROOT, Host, Switch, Watch
from machine import Failed, call
from world import World, text_of, until, want

ADDRESS = booted.NETWORK + "100"  # where clients come, wherever the root is
PORT = 7117
UNIT = "inboxd@status"
HERE = os.path.dirname(os.path.abspath(__file__))
CONTRIB = os.path.join(HERE, "../../contrib/ha")
SAMPLES = ("drbd.xml", "rbd.xml", "cephfs.xml")
# What inboxd-ha(7) has one type, by how it begins.
CONFIGURATION, MOUNT_POINT, AGENT, NEW_ROOT, LOOK, STANDBY, CLEANUP = (
    next(block for block in papers.blocks("src/inboxd/inboxd-ha.7") if block.startswith(start))
    for start in ("[receiver]", "install -d ", "install -D ", "mkfs.ext4 ", "crm_mon ",
                  "crm_attribute ", "crm_resource --cleanup"))
MORE = """[tls]
certificate = /etc/inboxd/server.crt
key = /etc/inboxd/server.key
ca = /etc/inboxd/clients-ca.crt
[limits]
reserve = 1M
reserve-large = 2M
reserve-inodes = 10
[inbox status]
"""
COROSYNC = """totem {
	version: 2
	cluster_name: inbox
	transport: knet
	token: 1000
	crypto_cipher: none
	crypto_hash: none
}
nodelist {
%s}
quorum {
	provider: corosync_votequorum
%s}
logging {
	to_syslog: yes
}
"""
NODE = "\tnode {\n\t\tname: %s\n\t\tnodeid: %d\n\t\tring0_addr: %s\n\t}\n"
TWO_NODES = "\ttwo_node: 1\n\twait_for_all: 0\n"
# How long a site's fencing may take; that of the test takes no time.
DELAY = 'name="priority-fencing-delay" value="5s"'
# The power switch of a test in place of a site's own.
STONITH = """<configuration>
  <resources>
    <primitive id="power" class="stonith" type="fence_test">
      <instance_attributes id="power-is">
        <nvpair id="power-hosts" name="pcmk_host_list" value="%s"/>
      </instance_attributes>
    </primitive>
  </resources>
</configuration>
"""


class Pair:
    """Everything; close() ends it."""

    def __init__(self, folder, layers, witness=False):
        self.folder = folder
        self.witness = witness
        self.names = {"cap1": 2, "cap2": 3, **({"cap3": 4} if witness else {})}
        self.pki = pki.Pki(os.path.join(folder, "pki"))
        self.hosts = []
        self.switch = self.watch = None
        self.image = os.path.join(folder, "shared.img")
        os.mkdir(os.path.join(folder, "power"))
        try:
            call(["truncate", "-s", "256M", self.image], "truncate")
            for name, number in self.names.items():
                self.hosts.append(Host(folder, name, number, layers, self.image))
                self.furnish(self.hosts[-1])
            self.switch = Switch(folder, self.hosts)
            for host in self.hosts:
                host.start()
            for host in self.hosts:
                self.set_up(host)
            self.make_root()
            self.watch = Watch(self.hosts)
            self.load_group()
        except BaseException:
            self.close()
            raise

    def close(self):
        for each in (self.watch, self.switch):
            if each:
                each.close()
        for host in self.hosts:
            host.remove()

    # ---- as an administrator does it

    def furnish(self, host):
        """What is there before it is switched on."""
        nodes = "".join(NODE % (name, n, booted.NETWORK + str(n))
                        for name, n in self.names.items())
        host.overlay.write("etc/corosync/corosync.conf",
                           COROSYNC % (nodes, "" if self.witness else TWO_NODES))
        self.configure(host)
        host.overlay.write("etc/systemd/system/corosync.service.d/device.conf",
                           "[Service]\nExecStartPre=/bin/mknod %s b 7 %s\n" % (
                               DEVICE, host.device[len("/dev/loop"):]))
        shutil.copy(os.path.join(HERE, "fence_test"), host.overlay.path("usr/sbin/fence_test"))
        os.makedirs(host.overlay.path("root/contrib/ha"))
        shutil.copy(CONTRIB + "/inboxd.ocf", host.overlay.path("root/contrib/ha"))

    def set_up(self, host):
        """What needs the receiver's user; and a folder to mount the root on, that is no root."""
        pair = self.pki.good("server", "inbox.example.org", ADDRESS)
        host.sh("ldconfig\n" + MOUNT_POINT + "cd /root\n" + AGENT)
        host.write("/etc/inboxd/server.crt", text_of(pair.cert))
        host.write("/etc/inboxd/server.key", text_of(pair.key), mode="600", owner="inboxd")
        host.write("/etc/inboxd/clients-ca.crt", text_of(self.pki.ca.cert))

    def make_root(self):
        """Once, on one host."""
        self.hosts[0].sh(NEW_ROOT)

    def load_group(self):
        """contrib/ha's, with the test's own power, device and address."""
        host = self.hosts[0]
        until("a cluster of all", lambda: self.members() == set(self.names), 60, 0.3)
        if self.witness:
            host.sh("crm_attribute -N cap3 -n standby -v on")
        with open(CONTRIB + "/shared.xml", encoding="utf-8") as file:
            group = file.read().replace("192.0.2.10", ADDRESS)
        want(DELAY in group, "no", DELAY, "in the group")
        group = group.replace(DELAY, DELAY.replace("5s", "1s"))
        power = STONITH % " ".join(self.names)
        for name, text in (("power", power), ("group", group)):
            host.write("/root/%s.xml" % name, text)
            host.sh("cibadmin -M -c -x /root/%s.xml" % name)
        host.sh("crm_verify -L -V")
        self.try_samples(host)
        self.until_served(60)
        root_id = self.holder().sh("cat %s/id" % ROOT).strip()
        for host in self.hosts:
            self.configure(host, root_id)

    @staticmethod
    def configure(host, root_id=None):
        """id: known once the root has been started for the first time."""
        more = "[receiver]\njournal = 8M\n" + ("id = %s\n" % root_id if root_id else "")
        text = CONFIGURATION.replace("[receiver]\n", more) + MORE
        if root_id:
            host.write("/etc/inboxd/status.conf", text)
        else:
            host.overlay.write("etc/inboxd/status.conf", text)

    @staticmethod
    def try_samples(host):
        """What is loaded beside the group, where it lies elsewhere, is such as a cluster takes."""
        for name in SAMPLES:
            with open(os.path.join(CONTRIB, name), encoding="utf-8") as file:
                host.write("/root/" + name, file.read())
            host.sh("cibadmin -Q >/root/try.xml\n"
                    "CIB_file=/root/try.xml cibadmin -M -c -x /root/%s\n"
                    "crm_verify -V -x /root/try.xml" % name)

    # ---- how it is

    def members(self):
        for host in self.hosts:
            if host.on:
                with contextlib.suppress(Failed):
                    said = host.sh("crm_mon -1")
                    return {name for names in re.findall(r"Online: \[ (.*?) \]", said)
                            for name in names.split()} | set(
                                re.findall(r"Node (\S+): standby", said))
        return set()

    def holder(self):
        """The host that has the root's file system, or None."""
        for host in self.hosts:
            if host.on and host.mounted():
                return host
        return None

    def other(self, host):
        return self.hosts[1 - self.hosts.index(host)]

    def context(self, who="load.example.org"):
        pair = self.pki.client(who)
        return client.context(self.pki.ca.cert, pair.cert, pair.key)

    def store(self, timeout=1.0):
        """One item by a client of its own, or an exception."""
        with client.Client((ADDRESS, PORT), self.context(), timeout=timeout) as one:
            one.hello(os.urandom(16).hex())
            one.put(1, "status", b"is it there? %s\n" % os.urandom(8).hex().encode())
            return one.stored(1).name

    def until_served(self, timeout):
        limit = time.monotonic() + timeout
        while True:
            try:
                return self.store()
            except (OSError, AssertionError, client.Closed, client.Timeout) as error:
                if time.monotonic() > limit:
                    raise Failed("nobody serves after %d s: %r\n%s" % (
                        timeout, error, self.told())) from None
                time.sleep(0.1)

    def items(self):
        """{name: digest} of what is in new/, once nothing waits to be published."""
        return World.items(self.holder(), root=ROOT)

    def told(self):
        """What the cluster says of itself."""
        said = []
        for host in self.hosts:
            with contextlib.suppress(Failed, subprocess.SubprocessError):
                if host.on:
                    said.append("---- %s\n%s\n%s" % (
                        host.name, host.sh("crm_mon -1rfA", timeout=20),
                        host.sh("journalctl -b --no-pager -o short-precise -n 60", timeout=20)))
        return "\n".join(said)

    def until_whole(self, timeout=90):
        """All hosts are members again, nothing is marked as failed, and somebody serves."""
        until("all hosts up", lambda: all(host.on for host in self.hosts), timeout, 0.3)
        until("a cluster of all", lambda: self.members() == set(self.names), timeout, 0.5)
        self.hosts[0].sh("crm_resource --cleanup; crm_resource --clear -r status")
        self.until_served(timeout)
