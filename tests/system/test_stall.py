#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A disk that stalls keeps those waiting whose items it has to take, with a word, and nobody else.

First its syncs hang, by the shim (tests/fault): so does a disk whose cache takes all there is to
write.  Then the whole file system is frozen, where root may do that: whoever writes there hangs."""

import os
import shutil
import signal
import subprocess
import time

from harness import SHIMMED, Skip, bound, equal, main, need_call, test, until

STALL = 8.0       # seconds: a WAIT is due after 5
QUICK = 2.0       # what does not wait for the disk comes within


def in_time(what, call):
    began = time.monotonic()
    value = call()
    took = time.monotonic() - began
    assert took < bound(QUICK), "%s took %.1f s" % (what, took)
    return value


def look_around(r):
    """A handshake and the pages."""
    in_time("a handshake", r.client).close()
    for page in ("/status", "/metrics", "/healthz"):
        equal(in_time(page, lambda p=page: r.get(p))[0], 200, page)


def waits(c):
    return sum(line.verb == "WAIT" for line in c.history)


@test
def syncs_that_hang_stall_nobody_else(t):
    """The journal's, and the publisher's behind it."""
    need_call("syncfs")
    arm = os.path.join(t.folder, "arm")
    r = t.receiver({"receiver": {"sync": "filesystem"}}, env={
        **SHIMMED, "FAULT_SCOPE": "program", "FAULT_ARM": arm, "FAULT": ",".join(
            "%s:%dms:on" % (call, 1000 * STALL) for call in ("fdatasync@journal:2", "syncfs:1"))})
    idle, sender = [r.client(hello=t.queue()) for _ in range(2)]
    open(arm, "w", encoding="ascii").close()
    sender.put(1, "status", b"acknowledged, and not published")
    sender.stored(1)
    time.sleep(0.1)
    began = time.monotonic()
    sender.put(2, "status", b"neither")
    sender.flow(0.5)  # it hangs now
    late = r.client()
    late.hello(t.queue(), wait=False)
    heard = [began]
    while 2 not in sender.answers:
        assert time.monotonic() - began < bound(3 * STALL), sender.history
        look_around(r)
        in_time("PONG", idle.ping)
        before = waits(sender)
        sender.flow(0.3)
        sender._sort()
        late.flow(0.01)
        heard += [time.monotonic()] * (waits(sender) - before)
    took = time.monotonic() - began
    os.unlink(arm)
    sender.stored(2)
    assert took > STALL / 2, "nothing hung: %.1f s" % took
    assert waits(sender) >= int(took / 6), "took %.1f s: %r" % (took, sender.history)
    gaps = [b - a for a, b in zip(heard, heard[1:])]
    assert all(4 < gap < bound(8) for gap in gaps), gaps
    late.expect("READY", bound(3 * STALL))
    assert waits(late) >= 1, late.history
    for c in (idle, sender, late):
        c.quit()
    r.wait_published(3 * STALL)


class Frozen:
    """A file system of its own for a root, which can be frozen; it thaws in any case."""

    def __init__(self, t):
        for tool in ("mkfs.ext4", "mount", "umount", "fsfreeze"):
            if not shutil.which(tool):
                raise Skip("there is no " + tool)
        if os.geteuid() != 0:
            raise Skip("only root can mount and freeze a file system")
        self.folder = os.path.join(t.folder, "disk")
        self.thaws = None
        image = os.path.join(t.folder, "image")
        os.mkdir(self.folder)
        with open(image, "wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        if subprocess.run(["mount", "-o", "loop", image, self.folder],
                          stderr=subprocess.DEVNULL).returncode != 0:
            raise Skip("this root may not mount a file system")

    def freeze(self):
        self.thaws = subprocess.Popen(["sh", "-c", 'sleep 60; fsfreeze -u "$0"', self.folder],
                                      start_new_session=True)
        subprocess.run(["fsfreeze", "-f", self.folder], check=True)

    def thaw(self):
        if self.thaws:
            subprocess.run(["fsfreeze", "-u", self.folder], check=True)
            os.killpg(self.thaws.pid, 9)
            self.thaws.wait()
            self.thaws = None

    def end(self):
        self.thaw()
        until(lambda: subprocess.run(["umount", self.folder], stderr=subprocess.DEVNULL)
              .returncode == 0, 10, "the file system to be unmounted")


@test
def file_system_that_is_frozen_stalls_who_writes_and_no_page(t):
    """A worker that makes a draft there hangs, with its connections; main, and the others, do not.
    Nothing is lost by it."""
    disk = Frozen(t)
    try:
        root = os.path.join(disk.folder, "root")
        r = t.receiver({"receiver": {"root": root, "workers": "2"},
                        "limits": {"reserve": "0", "reserve-large": "0", "reserve-inodes": "0"}})
        sender, other = [r.client(hello=t.queue()) for _ in range(2)]
        sender.put(1, "status", b"before")
        sender.stored(1)
        r.wait_published()
        disk.freeze()
        for _ in range(3):
            look_around(r)
            in_time("PONG", sender.ping)
        sender.put(2, "status", b"meanwhile")
        began = time.monotonic()
        while time.monotonic() - began < 3:
            for page in ("/status", "/metrics", "/healthz"):
                equal(in_time(page, lambda p=page: r.get(p))[0], 200, page)
            in_time("PONG of another worker", other.ping)
            sender.flow(0.2)
        equal(sum(line.verb == "STORED" for line in sender.history), 1, "answers")
        disk.thaw()
        sender.stored(2)
        for c in (sender, other):
            c.quit()
        r.check()
        r.stop()
    finally:
        disk.end()


@test
def receiver_that_is_ended_in_a_frozen_file_system_loses_nothing(t):
    """As its watchdog would: it ends once that thaws, and no sooner can the next one start."""
    disk = Frozen(t)
    try:
        root = os.path.join(disk.folder, "root")
        keys = {"receiver": {"root": root, "workers": "2"},
                "limits": {"reserve": "0", "reserve-large": "0", "reserve-inodes": "0"}}
        r = t.receiver(keys, start=False)
        r.start(wrap=["prlimit", "--core=0"])
        r.consumed = True
        sender, queue = r.client(), t.queue()
        sender.hello(queue)
        sender.put(1, "status", b"acknowledged")
        sender.stored(1)
        disk.freeze()
        sender.put(2, "status", b"not acknowledged")
        sender.flow(1)
        equal(2 in sender.answers, False, "an answer meanwhile")
        r.process.send_signal(signal.SIGABRT)
        time.sleep(0.5)
        equal(r.process.poll(), None, "the process hangs")
        disk.thaw()
        r.wait_end(-signal.SIGABRT)
        r.start()
        again = r.client()
        again.hello(queue)
        for n, data, is_again in ((1, b"acknowledged", True), (2, b"not acknowledged", False)):
            again.put(n, "status", data)
            equal(again.stored(n).get("again") == "1", is_again, "number %d is known" % n)
        again.quit()
        equal(len(r.files("status")), 2, "files")
        r.check()
        r.stop()
    finally:
        disk.end()


if __name__ == "__main__":
    main()
