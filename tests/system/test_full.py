#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A full disk is a state: items wait with their clients, and nothing acknowledged is lost.

Needs a small file system: a tmpfs of its own, in a mount namespace that this script makes for
itself (without root: and a user namespace); for the quota root and btrfs.  4 MiB of each are the
journal's."""

import contextlib
import os
import subprocess
import sys

from client import sha256
from copyqueue import SET_ASIDE, Queue, all_there, run_in_background, said
from harness import SHIMMED, Skip, bound, cases, equal, file_digest, main, test, until

KIB = 1024
MIB = 1 << 20
LIMITS = {"inline": "64K", "reserve": "2M", "reserve-large": "6M", "reserve-inodes": "100"}


@contextlib.contextmanager
def small_disk(t, options):
    """A folder on a file system of its own, and the end of the receivers there."""
    folder = os.path.join(t.folder, "disk")
    os.makedirs(folder, 0o700, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700," + options, "tmpfs", folder],
                          stderr=subprocess.PIPE, timeout=bound(10), check=False)
    if done.returncode:
        raise Skip("no file system can be mounted here: " + done.stderr.decode().strip())
    try:
        yield folder
    finally:
        take_away(t, folder)


def take_away(t, folder):
    for r in t.receivers:
        if r.root.startswith(folder):
            r.stop(None)
    subprocess.run(["umount", "-l", folder], stderr=subprocess.DEVNULL, timeout=bound(10),
                   check=False)


def fill_up(folder):
    """To the last byte; the file that did it."""
    path = os.path.join(folder, "filler")
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return path


def offer(c, n, data):
    """One item, by PUT or in pieces; its answer."""
    if len(data) <= 64 * KIB:
        c.put(n, "status", data)
        return c.answer(n)
    c.announce(n, "status", data, verb="OPEN")
    line = c.answer(n)
    if line.verb != "SEND":
        return line
    c.pieces(n, data)
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
    there = r.files("status", now=True)
    names = there[:int(len(there) * share)]
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
    with small_disk(t, "size=20m") as folder:
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


@cases([("in pieces", "64K", 12 * MIB), ("in one piece", "16M", 15 * MIB)])
def item_too_large_for_what_is_free_keeps_no_other_out(t, inline, size):
    with small_disk(t, "size=20m") as folder:
        r = t.receiver({"limits": {**LIMITS, "inline": inline},
                        "receiver": {"root": folder + "/root", "workers": "1"}})
        c = r.client(hello=t.queue())
        verb = "OPEN" if inline == "64K" else "PUT"
        for n in range(1, 7, 2):
            data = bytes(size)
            c.announce(n, "status", data, verb=verb)
            if verb == "PUT":
                c.post(data)
            small = t.bytes(100 * KIB)
            c.announce(n + 1, "status", small, verb=verb)
            if verb == "PUT":
                c.post(small)
            line = c.answer(n)
            equal((line.verb, line.code), ("LATER", "full"), "the large item")
            equal(c.answer(n + 1).verb, "SEND" if verb == "OPEN" else "STORED", "the other one")
        equal(full(r), 0, "full")
        c.quit()
        r.finish()


@test
def upload_that_was_let_in_is_gone_on_with_when_room_is_short(t):
    """Its bytes are on the disk already: they are not asked for twice."""
    with small_disk(t, "size=20m") as folder:
        r = t.receiver({"limits": {**LIMITS, "reserve-large": "5M"},
                        "receiver": {"root": folder + "/root", "workers": "1"}})
        queue, data = t.queue(), t.bytes(9 * MIB)
        c = r.client(hello=queue)
        c.announce(1, "status", data, verb="OPEN")
        equal(c.answer(1).offset, 0, "offset")
        c.pieces(1, data, 0, 8 * MIB)
        c.ping()
        c.cut()
        r.at_rest()
        c = r.client(hello=queue)
        c.announce(1, "status", data, verb="OPEN")
        line = c.answer(1)
        equal((line.verb, line.get("offset")), ("SEND", 8 * MIB), "answer")
        c.pieces(1, data, 8 * MIB)
        equal(sha256(r.read("status", c.stored(1).name)), sha256(data), "bytes")
        c.quit()
        r.finish()


@test
def stored_large_item_is_known_on_a_full_disk(t):
    with small_disk(t, "size=20m") as folder:
        r = t.receiver({"limits": LIMITS, "receiver": {"root": folder + "/root"}})
        queue, data = t.queue(), t.bytes(500 * KIB)
        c = r.client(hello=queue)
        name = offer(c, 1, data).name
        with open(folder + "/filler", "wb") as file:
            file.write(bytes(14 * MIB))
        until(lambda: full(r) == 2, 10, "no items")
        c.cut()
        c = r.client(hello=queue)
        line = offer(c, 1, data)
        equal((line.verb, line.get("name"), line.get("again")), ("STORED", name, "1"), "answer")
        equal(offer(c, 2, data).verb, "LATER", "another one")
        equal(r.files("status", "tmp"), [], "tmp/")
        c.quit()
        r.finish()


@test
def inodes_run_out_like_bytes(t):
    with small_disk(t, "size=64m,nr_inodes=300") as folder:
        r = t.receiver({"limits": LIMITS, "receiver": {"root": folder + "/root"}})
        c = r.client(hello=t.queue())
        fill(t, c, 1, 10, 300)
        until(lambda: full(r) == 2, 10, "no items")
        consume(r, 0.8)
        until(lambda: full(r) == 0, 10, "room for all")
        c.quit()
        r.finish()


@test
def disk_without_a_reserve_fills_to_the_last_byte_and_loses_nothing(t):
    with small_disk(t, "size=8m") as folder:
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


@contextlib.contextmanager
def disk_with_quota(t, size, limit):
    """A folder with a quota on a file system of its own.  btrfs, since its quotas need no
    user of their own and hold for root, too; tmpfs, ext4 and xfs have them where the
    kernel was built so."""
    image, folder = os.path.join(t.folder, "image"), os.path.join(t.folder, "disk")
    os.mkdir(folder, 0o700)
    with open(image, "wb") as file:
        file.truncate(size)
    path = os.environ.get("PATH", "") + ":/sbin:/usr/sbin"
    part = folder + "/part"
    try:
        for command in (["mkfs.btrfs", "-q", image], ["mount", "-o", "loop", image, folder],
                        ["btrfs", "quota", "enable", folder],
                        ["btrfs", "subvolume", "create", part],
                        ["btrfs", "qgroup", "limit", str(limit), part]):
            try:
                done = subprocess.run(command, env={"PATH": path}, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE, timeout=bound(20), check=False)
            except OSError as error:  # not there, or behind a folder of PATH that is closed to us
                raise Skip("%s: %s" % (command[0], error.strerror)) from None
            if done.returncode:
                raise Skip("no quota can be set here: %s: %s" % (
                    command[0], " ".join(done.stderr.decode().split())))
        yield part
    finally:
        take_away(t, folder)


def load(t, r, queues, n, rounds):
    """Several clients at once, each with many items under way; how many were put off."""
    put_off = 0
    for n in range(n, n + 8 * rounds, 8):
        clients = [r.client(hello=queue) for queue in queues]
        for c in clients:
            for i in range(n, n + 8):
                c.put(i, "status", t.bytes(t.random.choice([10, 1000, 20000, 60000])))
        for c in clients:
            for i in range(n, n + 8):
                line = c.answer(i)
                assert line.verb == "STORED" or line.code in ("full", "trouble"), line
                put_off += line.verb == "LATER" and line.code == "full"
            c.cut()
        nothing_is_lost(r)
    return put_off


def nothing_is_lost(r):
    """What is acknowledged is in new/, or waits for room in tmp/ and is told to."""
    until(lambda: r.balance()[1]["in_flight"] == 0)
    until(lambda: r.gauge("unpublished_items") == 0 or r.gauge("publish_trouble"))
    for inbox, name, digest in r.acks:
        equal(digest_of(r, inbox, name), digest, "bytes of " + name)


def digest_of(r, inbox, name):
    for part in ("tmp", "new"):  # it may move meanwhile, but not back
        with contextlib.suppress(FileNotFoundError):
            return file_digest(r.path(inbox, name, part, now=True))
    raise AssertionError("acknowledged, and neither in tmp/ nor in new/: " + name)


@cases([(sync, sync) for sync in ("files", "filesystem")])
def quota_is_met_like_a_full_disk(t, sync):
    with disk_with_quota(t, 512 * MIB, 10 * MIB) as part:
        r = t.receiver({"limits": LIMITS, "receiver": {"root": part + "/root", "sync": sync}})
        queues, n = [t.queue() for _ in range(3)], 1
        for _ in range(2):
            assert load(t, r, queues, n, 20) > 0, "the quota was not met"
            free = os.statvfs(part)
            assert free.f_bavail * free.f_frsize > 64 * MIB, "it is the quota, not the disk"
            equal(full(r), 0, "the marks see nothing of a quota")
            # btrfs may find room again for some, when it has settled its accounts.
            n = fill(t, r.client(hello=queues[0]), n + 1000, 500 * KIB, 20)
            consume(r, 0.9)
            os.sync()  # only then has btrfs the room again
            r.check_disk()
            data = t.bytes(500 * KIB)
            c = r.client(hello=queues[0])
            until(lambda: offer(c, n, data).verb == "STORED", 10, "a large item")
            c.quit()
            n += 1
        r.kill()
        r.start()
        c = r.client(hello=queues[0])
        equal(offer(c, n, b"after it").verb, "STORED", "an item after a kill")
        c.quit()
        r.finish()


# ---- a start

@test
def a_start_without_room_ends_with_75_and_loses_nothing(t):
    with small_disk(t, "size=8m") as folder:
        r = t.receiver({"limits": LIMITS, "receiver": {"root": folder + "/root"}})
        c = r.client(hello=t.queue())
        c.put(1, "status", b"before")
        name = c.stored(1).name
        c.quit()
        r.stop()
        filler = fill_up(folder)
        for _ in range(2):
            r.start(wait=False)
            r.wait_end(75)
        os.unlink(filler)
        r.start()
        equal(r.files("status"), [name])
        r.finish()


@cases([("published", "fsync@newdir:1:KILL:once"),
        ("a draft", "renameat2:2:KILL:once")])
def recovery_needs_no_room_for_a_second_copy(t, fault):
    armed = os.path.join(t.folder, "arm")
    with small_disk(t, "size=20m") as folder:
        r = t.receiver({"limits": {**LIMITS, "reserve-large": "2M"},
                        "receiver": {"root": folder + "/root"}}, start=False)
        r.start(env={**SHIMMED, "FAULT": fault, "FAULT_ARM": armed})
        queue, data = t.queue(), t.bytes(9 * MIB)
        c = r.client(hello=queue)
        c.announce(1, "status", data, verb="OPEN")
        equal(c.answer(1).verb, "SEND", "answer")
        c.pieces(1, data, 0, len(data) - 1)
        c.ping()
        with open(armed, "wb"):
            pass
        c.pieces(1, data, len(data) - 1)
        with contextlib.suppress(OSError):
            c.wait_close()
        r.wait_end(-9)
        os.unlink(armed)
        place = "new" if fault.startswith("fsync") else "tmp"
        equal(len(r.files("status", place)), 1, "files in %s/ after the kill" % place)
        r.start()
        c = r.client(hello=queue)
        c.announce(1, "status", data, verb="OPEN")
        line = c.answer(1)
        equal((line.verb, line.again), ("STORED", "1"), "answer to a known item")
        equal(sha256(r.read("status", line.name)), sha256(data), "bytes")
        equal(r.files("status", "tmp"), [], "files in tmp/")
        c.quit()
        r.finish()


# ---- the client's disk

@test
def queue_that_filled_its_own_disk_drains(t):
    """It never ran before, and not a byte is left."""
    r = t.receiver()
    q = Queue(t, r)
    with small_disk(t, "size=4m") as folder:
        q.spool = os.path.join(folder, "spool")
        q.point_at(r)
        q.add("nosuch", b"refused")
        items = [b"%d" % n for n in range(400)]
        q.add("status", *items)
        path = os.path.join(q.folder, "item")
        while True:
            data = t.bytes(50000)
            with open(path, "wb") as file:
                file.write(data)
            done = q("add", "-i", "status", path, expect=None)
            if done.returncode:
                equal((done.returncode, done.stdout), (74, ""), "of the add that found no room")
                break
            items.append(data)
        fill_up(folder)
        equal(os.statvfs(folder).f_bavail, 0, "blocks left")
        # The refused one's reason finds room once others have left.
        codes = [q("run", "--once", expect=None).returncode for _ in range(2)]
        assert codes[1] in (0, SET_ASIDE) and SET_ASIDE in codes, codes
        all_there(r, items)
        equal((q.numbers(), q.numbers("failed")), ([], [1]), "queue/ and failed/")
        row = r.client_row(q.id())
        equal((row["settled"], row["missing"]), (len(items) + 2, 0), "settled and missing")
        q.add("status", b"there is room again")


@test
def add_takes_nothing_where_sent_log_has_no_room(t):
    """Lest an item come in that could not leave."""
    q = Queue(t, servers=["127.0.0.1:1"])
    with small_disk(t, "size=1m") as folder:
        q.spool = os.path.join(folder, "spool")
        q.point_at(servers=["127.0.0.1:1"])
        done = q("add", "-i", "status", q.conf, expect=74)
        equal(done.stdout, "", "numbers printed")
        equal(q.numbers(), [])


@test
def queue_without_inodes_is_refused_or_made_and_mends_itself(t):
    """However many are left when it is made: each command says what is the matter, and once
    there are more all goes on."""
    r = t.receiver()
    met = set()
    for inodes in range(2, 16):
        q = Queue(t, r)
        with small_disk(t, "size=4m,nr_inodes=%d" % inodes) as folder:
            q.spool = os.path.join(folder, "spool")
            q.point_at(r)
            ran = q("run", "--once", expect=None)
            done = q("add", "-i", "status", q.conf, expect=None)
            met.add((ran.returncode, done.returncode))
            assert ran.returncode in (0, 75), (inodes, ran.returncode, ran.stderr)
            assert done.returncode in (0, 73, 74), (inodes, done.returncode, done.stderr)
            if done.returncode:
                assert "No space left on device" in done.stderr, done.stderr
                equal(done.stdout, "")
            if ran.returncode:
                assert "No space left on device" in ran.stderr, ran.stderr
            subprocess.run(["mount", "-o", "remount,nr_inodes=1000", folder], check=True,
                           timeout=bound(10))
            q.add("status", b"there are more now, %d" % inodes)
            q("run", "--once")
            equal(q.numbers(), [])
            done = q("fsck", expect=None)
            equal((done.returncode, done.stdout), (0, "0 items, 0 wrong, 0 repaired\n"))
    assert len(met) > 2, met


@test
def run_that_lasts_goes_on_whatever_is_full(t):
    """Its disk has not a byte and not an inode left: what can leave does, the rest waits."""
    r = t.receiver()
    q = Queue(t, r)
    with small_disk(t, "size=4m,nr_inodes=600") as folder:
        q.spool = os.path.join(folder, "spool")
        q.point_at(r)
        q.add("nosuch", b"refused")
        items = [b"%d" % n for n in range(400)]
        q.add("status", *items)
        fill_up(folder)
        with contextlib.suppress(OSError):
            for n in range(600):
                os.mknod(os.path.join(folder, "inode%d" % n))
        process = run_in_background(t, q)
        until(lambda: len(r.files("status")) == 400 or process.poll() is not None, 30,
              "all that can be stored")
        equal((process.poll(), said(q) if process.poll() else ""), (None, ""), "run goes on")
        until(lambda: q.numbers() in ([], [1]), 10, "they leave")
        for n in range(600):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, "inode%d" % n))
        os.unlink(os.path.join(folder, "filler"))
        q.add("status", b"there is room again")
        until(lambda: len(r.files("status")) == 401, 30, "the next one")
        process.terminate()
        equal(process.wait(20), 0)
        q("run", "--once", expect=None)
        equal((q.numbers(), q.numbers("failed")), ([], [1]))


if __name__ == "__main__":
    if "INBOXD_TEST_NAMESPACE" not in os.environ:
        os.environ["INBOXD_TEST_NAMESPACE"] = "1"
        unshare = ["unshare", "-m" if os.geteuid() == 0 else "-rm"]
        if subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0:
            os.execvp("unshare", [*unshare, sys.executable, *sys.argv])
    main()
