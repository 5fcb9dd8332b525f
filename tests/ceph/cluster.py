# SPDX-License-Identifier: ISC
"""A Ceph cluster on this machine: one monitor, a manager, three OSDs on files, two MDSs.

Its daemons are Debian's, started by hand: each in the foreground, a child of ours, ended by its
process id.  Three copies of all, of which two must be there; all else is as Ceph's defaults are,
but for memory, and for a machine that is one host (osd crush chooseleaf type).  Nothing is
authenticated: who may be on the test's own network may do all.
"""

import json
import os
import subprocess
import time
import uuid

ADDRESS = "10.77.0.1"
PROGRAMS = ["ceph", "ceph-mon", "ceph-mgr", "ceph-osd", "ceph-mds", "monmaptool", "rbd"]
OSDS = 3
CONF = """[global]
fsid = {fsid}
mon host = [v2:{address}:3300,v1:{address}:6789]
auth cluster required = none
auth service required = none
auth client required = none
log file = {folder}/log/$name.log
log to stderr = false
err to stderr = true
osd pool default size = 3
osd pool default min size = 2
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd crush update on start = false
[client]
log file =
admin socket = {folder}/run/$name.$pid.asok
[mon]
mon data = {folder}/mon.$id
admin socket = {folder}/run/$name.asok
mon cluster log file = {folder}/log/cluster.log
mon data avail warn = 1
mon osd reporter subtree level = osd
[mgr]
mgr data = {folder}/mgr.$id
admin socket = {folder}/run/$name.asok
mgr initial modules =
[osd]
osd data = {folder}/osd.$id
admin socket = {folder}/run/$name.asok
osd objectstore = bluestore
bluestore block size = 4G
bluestore cache autotune = false
bluestore cache size = 64M
osd memory target = 939524096
osd recovery sleep hdd = 0
osd recovery max active = 20
osd max backfills = 4
[mds]
mds data = {folder}/mds.$id
admin socket = {folder}/run/$name.asok
mds cache memory limit = 128M
"""


class Cluster:
    """All of it in `folder`; stop() ends it."""

    def __init__(self, folder):
        self.folder = folder
        self.conf = os.path.join(folder, "ceph.conf")
        self.fsid = str(uuid.uuid4())
        self.processes = {}
        for name in ("log", "run"):
            os.makedirs(os.path.join(folder, name))
        with open(self.conf, "w", encoding="ascii") as file:
            file.write(CONF.format(fsid=self.fsid, address=ADDRESS, folder=folder))
        os.environ["CEPH_CONF"] = self.conf

    def call(self, *command, limit=30):
        """Runs it to its end; what it printed."""
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=limit, check=False)
        if done.returncode:
            raise AssertionError("%s ended with %d:\n%s" % (" ".join(command), done.returncode,
                                                          done.stdout + done.stderr))
        return done.stdout

    def ask(self, *command):
        """ceph COMMAND, its answer in JSON."""
        return json.loads(self.call("ceph", *command, "--format=json"))

    def begin(self, name):
        """Starts a daemon: mon.a, osd.0, ..."""
        kind, which = name.split(".")
        with open(os.path.join(self.folder, "log", name + ".out"), "ab") as out:
            self.processes[name] = subprocess.Popen(
                ["ceph-" + kind, "-i", which, "-f"], stdin=subprocess.DEVNULL, stdout=out,
                stderr=out)

    def kill(self, name):
        """As its host's end, with nothing said."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def make_folder(self, name):
        os.mkdir(os.path.join(self.folder, name))

    # ---- from nothing to a file system

    def start(self):
        begun = time.monotonic()
        monmap = os.path.join(self.folder, "monmap")
        self.call("monmaptool", "--create", "--addv", "a", "[v2:%s:3300,v1:%s:6789]" % (
            ADDRESS, ADDRESS), "--fsid", self.fsid, monmap)
        self.make_folder("mon.a")
        self.call("ceph-mon", "-i", "a", "--mkfs", "--monmap", monmap)
        self.begin("mon.a")
        self.call("ceph", "mon", "stat")
        for name in ("mgr.x", "mds.a", "mds.b"):
            self.make_folder(name)
            self.begin(name)
        for number in range(OSDS):
            self.make_osd(str(number))
        self.make_pools()
        self.wait(lambda: self.active_mds() and self.standbys() and self.is_clean(), 60,
                  "a cluster that is active and clean")
        return time.monotonic() - begun

    def make_osd(self, number):
        own = str(uuid.uuid4())
        self.make_folder("osd." + number)
        self.call("ceph", "osd", "new", own, number)
        self.call("ceph-osd", "-i", number, "--mkfs", "--osd-uuid", own)
        self.call("ceph", "osd", "crush", "add", "osd." + number, "1", "root=default")
        self.begin("osd." + number)

    def make_pools(self):
        for pool in ("meta", "data", "rbd"):
            self.call("ceph", "osd", "pool", "create", pool, "8")
        self.call("ceph", "osd", "pool", "application", "enable", "rbd", "rbd")
        self.call("ceph", "fs", "new", "fs", "meta", "data")

    # ---- how it is

    @staticmethod
    def wait(check, seconds, what):
        limit = time.monotonic() + seconds
        while not check():
            if time.monotonic() > limit:
                raise AssertionError("did not come in %g s: %s" % (seconds, what))
            time.sleep(0.2)

    def mds_map(self):
        return self.ask("fs", "dump")

    def active_mds(self):
        """Its name; None: there is none."""
        for system in self.mds_map()["filesystems"]:
            for info in system["mdsmap"]["info"].values():
                if info["state"] == "up:active":
                    return info["name"]
        return None

    def standbys(self):
        return [info["name"] for info in self.mds_map()["standbys"]]

    def is_clean(self):
        """Do all placement groups have all their copies?  By the manager, some seconds late."""
        states = self.ask("pg", "stat")["pg_summary"]["num_pg_by_state"]
        return [state["name"] for state in states] == ["active+clean"]

    def sessions(self):
        """{address of a client of CephFS: its id}"""
        name = self.active_mds()
        return {session["entity"]["addr"]["addr"].split(":")[0]: session["id"]
                for session in self.ask("tell", "mds." + name, "session", "ls")}

    def is_up(self, osd):
        return any(str(each["osd"]) == osd and each["up"]
                   for each in self.ask("osd", "dump")["osds"])

    def is_blocklisted(self, address):
        return address + ":0/0" in self.ask("osd", "dump")["blocklist"]

    # ---- the end

    def stop(self):
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        self.processes.clear()

    def say(self):
        """How it is, for people."""
        try:
            return self.call("ceph", "status", limit=10)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            return str(error)
