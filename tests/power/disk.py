# SPDX-License-Identifier: ISC
"""A file system on a disk that remembers, and the states that disk may be in after a power cut.

Recording mounts a fresh file system on a loop device on disk.c's file.  Whatever a program does
there ends as a list of writes and flushes, the log; its size is the disk's time.

A disk with a volatile cache promises one thing: what was written before a flush that has
returned, stays.  So after a cut, a state of the disk is

    all writes before the last flush  +  any part of the writes between it and the cut

in any mixture, and a write that was under way may be torn at a sector.  states() draws such
mixtures, in the order of their flushes, so that one image grows along the log and each state is
a sparse copy of it.
"""

import bisect
import mmap
import os
import shutil
import struct
import subprocess
import time

PATH = os.environ.get("PATH", "") + ":/sbin:/usr/sbin"
ENTRY = struct.Struct("<QII")
WRITE, FLUSH = 1, 2


class FileSystem:
    """How to make and mount one.  `sector`: what it expects a disk to write whole."""

    def __init__(self, name, mkfs, mebibytes, options, sector):
        self.name, self.mkfs, self.size = name, mkfs, mebibytes << 20
        self.options, self.sector = options, sector

    def missing(self):
        """Why it cannot be tried here; None: it can."""
        if shutil.which("modprobe", path=PATH):
            subprocess.run(["modprobe", "-q", self.name], check=False, env={"PATH": PATH})
        with open("/proc/filesystems", encoding="ascii") as file:
            if self.name not in {line.split()[-1] for line in file}:
                return "the kernel has no %s" % self.name
        if not shutil.which(self.mkfs[0], path=PATH):
            return "%s is not installed" % self.mkfs[0]
        return None

    def make(self, image):
        with open(image, "wb") as file:
            file.truncate(self.size)
        run([*self.mkfs, image])

    def mount(self, device, folder, loop=False):
        options = ",".join(["noatime", *self.options, *(["loop"] if loop else [])])
        run(["mount", "-t", self.name, "-o", options, device, folder])

    def forget(self):
        """btrfs remembers devices by their UUID, which all our states share."""
        if self.name == "btrfs":
            subprocess.run(["btrfs", "device", "scan", "--forget"], check=False, env={"PATH": PATH},
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# commit=1 makes the file system itself write often, at moments that suit nobody.  btrfs counts
# on a disk that writes its superblock's 4 KiB whole.  So does xfs on its metadata: a block
# whose first sector is new and whose others are old is not replayed, and then does not mount.
FILE_SYSTEMS = {fs.name: fs for fs in (
    FileSystem("ext4", ["mkfs.ext4", "-q", "-F", "-b", "4096"], 64, ["commit=1"], 512),
    FileSystem("xfs", ["mkfs.xfs", "-q", "-f", "-s", "size=4096"], 320, [], 4096),
    FileSystem("btrfs", ["mkfs.btrfs", "-q", "-f"], 128, ["commit=1"], 4096),
)}


class Failed(Exception):
    """A command that has to work did not."""


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, timeout=120, env={**os.environ, "PATH": PATH})
    if done.returncode:
        raise Failed("%s: %s" % (" ".join(command), done.stdout.strip()))
    return done.stdout.strip()


def unmount(folder):
    """Waits for whoever just left it."""
    for wait in (0.02, 0.1, 0.5, 2, None):
        try:
            run(["umount", folder])
            return
        except Failed:
            if wait is None:
                raise
            time.sleep(wait)


class Recording:
    """The file system under test, mounted at .root, until stop()."""

    def __init__(self, fs, folder, program):
        self.fs = fs
        self.base, self.live, self.log, self.file, self.root = (
            os.path.join(folder, name) for name in ("base", "live", "log", "disk", "root"))
        fs.make(self.base)
        run(["cp", "--sparse=always", self.base, self.live])
        for path in (self.log, self.file):
            with open(path, "wb"):
                pass
        os.mkdir(self.root)
        self.server = subprocess.Popen([program, self.live, self.log, self.file],
                                       stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.device = None
        try:
            if self.server.stdout.readline() != b"ready\n":
                raise Failed("the recording disk did not start (FUSE?)")
            self.device = run(["losetup", "--find", "--show", self.file])
            fs.mount(self.device, self.root)
        except Failed:
            self.stop(False)
            raise

    def position(self):
        """Now, in the disk's time."""
        return os.stat(self.log).st_size

    def stop(self, mounted=True):
        if mounted:
            unmount(self.root)
            self.fs.forget()
        if self.device:
            run(["losetup", "--detach", self.device])
            self.device = None
        if self.server.poll() is None:
            try:
                unmount(self.file)
                self.server.wait(10)
            except (Failed, subprocess.TimeoutExpired):
                self.server.kill()
        self.server.wait()
        self.server.stdout.close()


class Log:
    """What a recording left: entries (kind, offset, length, where its bytes are, end)."""

    def __init__(self, path):
        self.entries, at = [], 0
        with open(path, "rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        while at < len(self.map):
            offset, length, kind = ENTRY.unpack_from(self.map, at)
            data, at = at + ENTRY.size, at + ENTRY.size + length
            self.entries.append((kind, offset, length, data, at))
        self.ends = [entry[4] for entry in self.entries]
        self.flushes = [i for i, entry in enumerate(self.entries) if entry[0] == FLUSH]

    def at(self, position):
        """How many entries stood there at that position."""
        return bisect.bisect_right(self.ends, position)

    def last_flush(self, cut, lies=0):
        """How many of the first `cut` entries a flush has made safe; the last `lies` did not."""
        found = bisect.bisect_left(self.flushes, cut) - lies
        return self.flushes[found - 1] + 1 if found > 0 else 0

    def write(self, image, entry, part=None):
        kind, offset, length, data, _ = entry
        start, end = part or (0, length)
        if kind == WRITE and end > start:
            os.pwrite(image, self.map[data + start:data + end], offset + start)


class State:
    """One state: entries [0, safe) all, entries [safe, cut) as `mode` has it."""

    MODES = ("none", "all", "some", "torn")

    def __init__(self, log, cut, mode, seed, lies=0):
        self.log, self.cut, self.mode, self.seed = log, cut, mode, seed
        self.safe = log.last_flush(cut, lies)
        self.position = log.ends[cut - 1] if cut else 0

    def __str__(self):
        return "cut after entry %d of %d, safe up to %d, of the rest %s (seed %d)" % (
            self.cut, len(self.log.entries), self.safe, self.mode, self.seed)

    def apply(self, image, random, sector):
        """Writes what of the unsafe part survived."""
        share = random.choice((0.1, 0.5, 0.9))
        for i in range(self.safe, self.cut):
            entry = self.log.entries[i]
            last = i == self.cut - 1
            if entry[0] != WRITE or self.mode == "none":
                continue
            if self.mode == "all" and not last:
                self.log.write(image, entry)
            elif self.mode == "all":
                self.log.write(image, entry, (0, random.randrange(0, entry[2] + 1, sector)))
            elif self.mode == "some":
                if random.random() < share:
                    self.log.write(image, entry)
            else:
                for start in range(0, entry[2], sector):
                    if random.random() < share:
                        self.log.write(image, entry, (start, min(start + sector, entry[2])))


def draw(log, first, acks, count, random):
    """`count` states from entry `first` on: a third right after an ack, a third right before
    a flush, when most is unsafe, a third anywhere."""
    points = sorted({log.at(position) for position in acks})
    points = [point for point in points if point > first] or [len(log.entries)]
    flushes = [flush for flush in log.flushes if flush > first] or points
    states = []
    for i in range(count):
        cut = (random.choice(points), random.choice(flushes),
               random.randrange(first + 1, len(log.entries) + 1))[i % 3]
        states.append(State(log, cut, random.choice(State.MODES), random.getrandbits(32)))
    return sorted(states, key=lambda state: state.safe)


def draw_lies(log, first, acks, count, random, lies=20):
    """States of a disk that says yes to flushes and does not do the last of them: nothing torn,
    nothing mixed, the file system is whole, only older than it should be."""
    points = [point for point in (log.at(ack) for ack in acks)
              if log.last_flush(point, lies) > first]
    return [State(log, cut, "none", random.getrandbits(32), lies)
            for cut in random.sample(points, min(count, len(points)))]


def images(states, base, folder, sector, random_class):
    """Each state and the path of its image, which the next one overwrites."""
    grown, path, done = os.path.join(folder, "grown"), os.path.join(folder, "state"), 0
    run(["cp", "--sparse=always", base, grown])
    file = os.open(grown, os.O_RDWR | os.O_CLOEXEC)
    try:
        for state in states:
            for entry in state.log.entries[done:state.safe]:
                state.log.write(file, entry)
            done = max(done, state.safe)
            run(["cp", "--sparse=always", grown, path])
            image = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            state.apply(image, random_class(state.seed), sector)
            os.close(image)
            yield state, path
    finally:
        os.close(file)
