# SPDX-License-Identifier: ISC
"""What a root lies on: CephFS, ext4 on an RBD image, and for comparison ext4 on a plain file.

No kernel client of Ceph is needed: CephFS comes by ceph-fuse; an RBD image by
qemu-storage-daemon, which shows it as a file by FUSE, on which a loop device is; a flush of that
device reaches librbd (the test looks, in flushes()).

attach() makes the storage ready on a host; crash() is what the host's death does to it; freeze()
and wake() are of a host that hangs; fence() keeps a host out, whatever it still believes, and
returns once that is so.
"""

import contextlib
import glob
import json
import os
import signal
import subprocess
import time

from hosts import run


class Attached:
    """Storage on one host."""

    def __init__(self, host):
        self.host = host
        self.process = None

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def wake(self):
        self.process.send_signal(signal.SIGCONT)

    def crash(self):
        self.process.kill()
        self.process.wait(30)

    def forget(self):
        """The host is gone for good, and the cluster need not wait for it."""

    def clean_up(self):
        """What is left of it on a host that has lost it, or whose end it was."""
        for _ in range(2):  # what is mounted over, first
            subprocess.run(self.host.inside("umount", "-l", self.host.mnt),
                           stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        if self.process.poll() is None:
            self.wake()
            self.crash()


class CephFs(Attached):
    name = "cephfs"
    sync = "files"

    def __init__(self, host, cluster, _name):
        super().__init__(host)
        self.cluster = cluster

    def prepare(self):
        pass

    def attach(self):
        self.process = self.host.spawn("ceph-fuse", "-f", "--id", self.host.name, self.host.mnt,
                                       log="ceph-fuse.out")
        for _ in range(1500):
            if os.path.ismount(self.host.path(self.host.mnt)):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError("ceph-fuse does not mount (%r)" % self.process.poll())

    def fence(self):
        """The MDS ends its session, and the OSDs hear no more of it."""
        mds = self.cluster.active_mds()
        client = self.cluster.sessions()[self.host.address]
        self.cluster.call("ceph", "tell", "mds." + mds, "client", "evict", "id=%d" % client)

    def forget(self):
        if self.host.address in self.cluster.sessions():
            self.fence()

    def detach(self):
        self.host.call("umount", self.host.mnt)
        self.process.wait(30)


class Device(Attached):
    """ext4 on a loop device on the file `self.file` of the host."""

    def mount(self):
        """The loop device goes with its mount."""
        loop = self.host.call("losetup", "--find", "--show", "--direct-io=on", self.file).strip()
        try:
            self.host.call("mount", "-t", "ext4", "-o", "noatime", loop, self.host.mnt)
        finally:
            self.host.call("losetup", "-d", loop)

    def detach(self):
        self.host.call("umount", self.host.mnt)
        self.end_process()


class Rbd(Device):
    name = "rbd"
    sync = "auto"

    def __init__(self, host, cluster, image):
        super().__init__(host)
        self.cluster = cluster
        self.image = image
        self.file = os.path.join(host.folder, "image")
        open(self.file, "w", encoding="ascii").close()

    def prepare(self):
        """The image, and the file system on it: once, for all hosts."""
        self.cluster.call("rbd", "create", "--size", "1G", "--image-feature",
                          "layering,exclusive-lock", self.image)
        self.show()
        self.host.call("mkfs.ext4", "-q", "-i", "4096", "-E", "nodiscard", self.file, limit=120)
        self.end_process()

    def show(self):
        """The image as a file."""
        self.process = self.host.spawn(
            "qemu-storage-daemon", "--blockdev",
            "driver=rbd,node-name=root,pool=rbd,image=%s,conf=%s" % (self.image,
                                                                   self.cluster.conf),
            "--export", "type=fuse,id=root,node-name=root,mountpoint=%s,writable=on" % self.file,
            log="qemu-storage-daemon.out")
        for _ in range(1500):
            with contextlib.suppress(OSError):
                if os.stat(self.host.path(self.file)).st_size:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError("qemu-storage-daemon shows no image (%r)" % self.process.poll())

    def attach(self):
        self.show()
        self.mount()

    def end_process(self):
        self.process.terminate()
        self.process.wait(30)

    def fence(self):
        """Whatever comes from that address is refused by the OSDs.

        The image's exclusive lock alone fences nobody: a host that lives gives it away when asked,
        and takes it back to write.
        """
        self.cluster.call("ceph", "osd", "blocklist", "add", self.host.address + ":0/0")

    def unfence(self):
        self.cluster.call("ceph", "osd", "blocklist", "rm", self.host.address + ":0/0")

    def clean_up(self):
        super().clean_up()
        subprocess.run(self.host.inside("umount", "-l", self.file), stdin=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)
        if self.cluster.is_blocklisted(self.host.address):
            self.unfence()

    def flushes(self):
        """How many librbd has been asked for, by its own count."""
        path, = glob.glob(os.path.join(self.cluster.folder, "run", "*.%d.asok"
                                       % self.process.pid))
        counts = json.loads(run("ceph", "daemon", path, "perf", "dump"))
        return sum(of["flush"] for name, of in counts.items() if name.startswith("librbd-"))


class Plain(Device):
    """ext4 on a file of this machine's disk: what the others are measured against."""
    name = "ext4"
    sync = "auto"

    def __init__(self, host, _cluster, _name):
        super().__init__(host)
        self.file = os.path.join(host.folder, "plain")

    def prepare(self):
        with open(self.file, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 1 << 30)
        self.host.call("mkfs.ext4", "-q", "-i", "4096", self.file, limit=120)

    def attach(self):
        self.mount()

    def end_process(self):
        pass
