#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A full disk is a state: items wait with their clients, and nothing acknowledged is lost.

Needs a small file system: a tmpfs of its own, mounted as root or, without root, in a user
and mount namespace that this script makes for itself."""

import os
import subprocess
import sys

from client import sha256
from harness import Skip, bound, equal, main, test, until

KIB = 1024
MIB = 1 << 20
LIMITS = {"inline": "64K", "reserve": "2M", "reserve-large": "6M", "reserve-inodes": "100"}


def small_disk(t, options):
    """A folder on a file system of its own; taken away with the test."""
    folder = os.path.join(t.folder, "disk")
    os.mkdir(folder, 0o700)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700," + options, "tmpfs", folder],
                          stderr=subprocess.PIPE, timeout=bound(10), check=False)
    if done.returncode:
        raise Skip("no file system can be mounted here: " + done.stderr.decode().strip())
    return folder


def away(folder):
    subprocess.run(["umount", "-l", folder], timeout=bound(10), check=False)


def offer(c, n, data):
    """One item, by PUT or in pieces; its answer."""
    if len(data) <= 64 * KIB:
        c.put(n, "status", data)
        return c.answer(n)
    c.announce(n, "status", data, verb="OPEN")
    line = c.answer(n)
    if line.verb != "SEND":
        return line
    for offset in range(0, len(data), 256 * KIB):
        part = data[offset:offset + 256 * KIB]
        c.post("DATA %d %d %d\n" % (n, offset, len(part)))
        c.post(part)
    return c.answer(n)


def fill(t, c, n, size, most):
    """Offers items of `size` until one is put off; the number after it."""
    for n in range(n, n + most):
        line = offer(c, n, t.bytes(size))
        if line.verb == "LATER":
            equal(line.code, "full", "code")
            assert int(line.seconds) >= 60, line
            return n + 1
        equal(line.verb, "STORED", "answer")
    raise AssertionError("%d items of %d bytes, and the disk is not full" % (most, size))


def consume(r, share):
    """A consumer takes a share of what is there, and deletes it."""
    names = r.files("status")[:int(len(r.files("status")) * share)]
    for name in names:
        digest = next(d for i, n, d in r.acks if n == name)
        equal(sha256(r.read("status", name)), digest, "bytes of " + name)
        os.unlink(r.path("status", name))
    r.acks[:] = [ack for ack in r.acks if ack[1] not in names]
    r.consumed = True


def full(r):
    return r.metric("inboxd_full")


@test
def large_items_are_put_off_first_and_all_come_in_again(t):
    folder = small_disk(t, "size=16m")
    try:
        r = t.receiver({"limits": LIMITS, "receiver": {"root": folder + "/root"}})
        c = r.client(hello=t.queue())
        n = fill(t, c, 1, 500 * KIB, 40)
        until(lambda: full(r) == 1, 10, "no large items")
        equal(offer(c, n, t.bytes(1000)).verb, "STORED", "a small item")
        n = fill(t, c, n + 1, 50 * KIB, 200)
        until(lambda: full(r) == 2, 10, "no items")
        equal(offer(c, n, b"x").verb, "LATER", "the smallest item")
        r.wait_log("event=space takes=no_items")
        free = os.statvfs(folder)
        assert free.f_bavail * free.f_frsize >= MIB, "the reserve is left"
        r.check_disk()
        consume(r, 0.9)
        until(lambda: full(r) == 0, 10, "room for all")
        r.wait_log("event=space takes=room")
        equal(offer(c, n + 1, t.bytes(500 * KIB)).verb, "STORED", "a large item")
        c.quit()
        r.finish()
    finally:
        for one in t.receivers:
            one.stop(None)
        away(folder)


@test
def inodes_run_out_like_bytes(t):
    folder = small_disk(t, "size=64m,nr_inodes=300")
    try:
        r = t.receiver({"limits": LIMITS, "receiver": {"root": folder + "/root"}})
        c = r.client(hello=t.queue())
        fill(t, c, 1, 10, 300)
        until(lambda: full(r) == 2, 10, "no items")
        consume(r, 0.8)
        until(lambda: full(r) == 0, 10, "room for all")
        c.quit()
        r.finish()
    finally:
        for one in t.receivers:
            one.stop(None)
        away(folder)


@test
def disk_without_a_reserve_fills_to_the_last_byte_and_loses_nothing(t):
    folder = small_disk(t, "size=4m")
    try:
        none = {"reserve": "0", "reserve-large": "0", "reserve-inodes": "0", "inline": "64K"}
        r = t.receiver({"limits": none, "receiver": {"root": folder + "/root"}})
        queue, n = t.queue(), 1
        for _ in range(5):
            c = r.client(hello=queue)
            for n in range(n, n + 200):
                size = t.random.choice([10, 1000, 20000, 60000, 300000])
                line = offer(c, n, t.bytes(size))
                assert line.verb == "STORED" or line.code in ("full", "trouble"), line
            n += 1
            r.check_disk()
            consume(r, 0.7)
            c.cut()
            r.at_rest()
        r.restart()
        c = r.client(hello=queue)
        equal(offer(c, n, b"after it").verb, "STORED", "an item when there is room")
        c.quit()
        r.finish()
    finally:
        for one in t.receivers:
            one.stop(None)
        away(folder)


if __name__ == "__main__":
    if os.geteuid() != 0 and "INBOXD_TEST_NAMESPACE" not in os.environ:
        os.environ["INBOXD_TEST_NAMESPACE"] = "1"
        if subprocess.run(["unshare", "-rm", "true"], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0:
            os.execvp("unshare", ["unshare", "-rm", sys.executable, *sys.argv])
    main()
