#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Hot folders: what is whole is taken once, what is not stays, whatever happens in between."""

import mmap
import os
import shutil
import signal
import time

from harness import INBOXQ, Skip, bound, cases, contains, equal, main, test, until
from hotfolder import Hot, OWN

LATE = "lease:1:EACCES:on"  # as for another user's file without CAP_LEASE


def need_leases():
    """An --enable-portable build asks for none, nor for inotify."""
    with open(INBOXQ, "rb") as file:
        if b"inotify_init1" not in file.read():
            raise Skip("inboxq was built without leases")


def stays(hot, *names, seconds=1.5):
    """Is not taken for so long."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        assert set(names) <= hot.left()[0], "taken: %r" % (hot.left(),)
        time.sleep(0.05)


# ---- what is taken

@test
def files_are_taken_however_they_come(t):
    hot = Hot(t)
    want = {"old": t.bytes(1000), "empty": b""}
    for name, data in want.items():
        hot.put(name, data)
    hot.start()
    for way, name, size in (("write", "written", 100000), ("rename", "renamed", 10),
                            ("write", "large", 3 << 20)):
        want[name] = t.bytes(size)
        hot.put(name, want[name], way)
    want["linked"] = b"by a link"
    hot.put(".elsewhere", want["linked"])
    os.link(hot.path(".elsewhere"), hot.path("linked"))
    want["copied"] = want["written"]
    shutil.copy2(os.path.join(hot.q.conf), hot.path("conf.part"))
    want["conf"] = open(hot.q.conf, "rb").read()
    os.rename(hot.path("conf.part"), hot.path("conf"))
    hot.put("copied", want["copied"])
    hot.wait_taken(".elsewhere")
    hot.equal_items(want)
    hot.stop()
    equal(os.listdir(hot.path(OWN)), ["lock"])


@test
def odd_names_are_names(t):
    hot = Hot(t).start()
    want = {b"new\nline": b"1", "gr\u00fc\u00df".encode(): b"2", b"\x01\x7f\xff": b"3",
            b"n" * 255: b"4", b"blank and %41": b"5", b"-c": b"6", b"claim=00": b"7"}
    for name, data in want.items():
        with open(os.path.join(os.fsencode(hot.folder), name), "wb") as file:
            file.write(data)
    hot.wait_taken()
    hot.equal_items(want)
    hot.stop()


@test
def what_is_no_whole_file_stays_and_is_named_once(t):
    hot = Hot(t)
    os.mkdir(hot.path("folder"))
    with open(os.path.join(hot.path("folder"), "below"), "wb") as file:
        file.write(b"not ours")
    os.mkfifo(hot.path("fifo"))
    os.symlink("/etc/passwd", hot.path("link"))
    hot.start()
    for name in (".hidden", "a.tmp", "b.part", "c~"):
        hot.put(name, b"not yet")
    hot.put("good", b"good")
    hot.wait_log("n=1 ")
    stay = {"folder", "fifo", "link", ".hidden", "a.tmp", "b.part", "c~"}
    stays(hot, *stay)
    os.chmod(hot.path("fifo"), 0o600)  # a change is no reason to say it again
    os.rename(hot.path("a.tmp"), hot.path("a"))
    hot.wait_taken(*stay - {"a.tmp"})
    hot.equal_items({"good": b"good", "a": b"not yet"})
    for name in ("folder", "fifo", "link"):
        equal(hot.log().count("file=%s reason=" % name), 1, name)
    equal(hot.log().count("watch_not_taken"), 3)
    assert os.path.exists(os.path.join(hot.path("folder"), "below"))
    hot.stop()


@test
def ignored_names_are_the_administrators_to_set(t):
    hot = Hot(t, ignore="*.new draft?").start()
    for name in ("x.new", "draft1", "x.tmp"):
        hot.put(name, b"x")
    hot.wait_taken("x.new", "draft1")
    hot.equal_items({"x.tmp": b"x"})
    hot.stop()


# ---- what is not whole yet

@test
def who_writes_slowly_is_waited_for(t):
    need_leases()
    hot = Hot(t).start()
    with open(hot.path("slow"), "wb", buffering=0) as file:
        for i in range(8):
            file.write(b"%d" % i)
            stays(hot, "slow", seconds=0.3)
    hot.wait_taken()
    hot.equal_items({"slow": b"01234567"})
    hot.stop()


@test
def what_was_there_before_is_taken_only_without_a_writer(t):
    need_leases()
    hot = Hot(t)
    with open(hot.path("log"), "wb", buffering=0) as file:
        file.write(b"first ")
        hot.start()
        stays(hot, "log", seconds=2.5)
        file.write(b"last")
    hot.wait_taken()
    hot.equal_items({"log": b"first last"})
    hot.stop()


@test
def one_of_two_writers_is_waited_for(t):
    need_leases()
    hot = Hot(t).start()
    with open(hot.path("both"), "ab", buffering=0) as one:
        with open(hot.path("both"), "ab", buffering=0) as other:
            one.write(b"one ")
            other.write(b"other ")
        stays(hot, "both")
        one.write(b"end")
    hot.wait_taken()
    hot.equal_items({"both": b"one other end"})
    hot.stop()


@test
def who_maps_a_file_is_a_writer(t):
    need_leases()
    hot = Hot(t).start()
    with open(hot.path("mapped"), "w+b") as file:
        file.truncate(8192)
        area = mmap.mmap(file.fileno(), 8192)
    stays(hot, "mapped")
    area[5000:5004] = b"late"
    area.close()
    hot.wait_taken()
    hot.equal_items({"mapped": bytes(5000) + b"late" + bytes(8192 - 5004)})
    hot.stop()


@test
def a_file_written_in_several_goes_is_one_with_after_close(t):
    hot = Hot(t, **{"after-close": "2s"}).start()
    for part in (b"one ", b"two ", b"three"):
        with open(hot.path("parts"), "ab") as file:
            file.write(part)
        stays(hot, "parts", seconds=0.7)
    hot.wait_taken()
    hot.equal_items({"parts": b"one two three"})
    hot.stop()


@test
def without_after_close_no_byte_of_several_goes_is_lost(t):
    hot = Hot(t).start()
    for i in range(40):
        with open(hot.path("parts"), "ab") as file:
            file.write(b"%02d " % i)
        time.sleep(0.02 * (i % 3))
    hot.wait_taken()
    equal(b"".join(data for _, data, _ in hot.items().values()),
          b"".join(b"%02d " % i for i in range(40)))
    hot.stop()


@test
def without_leases_what_settles_is_taken(t):
    hot = Hot(t)
    hot.put("old", b"lies here")
    with open(hot.path("growing"), "wb", buffering=0) as file:
        file.write(b".")
        hot.start(faults=LATE)
        contains(hot.log(), "writers=unknown")
        for _ in range(8):
            stays(hot, "growing", seconds=0.3)
            file.write(b".")
        hot.put("closed", b"closed")
        hot.wait_log("file=old ")
        until(lambda: "closed" not in hot.left()[0], 2, "what was closed to be taken")
    hot.wait_taken()
    hot.equal_items({"old": b"lies here", "closed": b"closed", "growing": b"........."})
    hot.stop()


@test
def what_is_written_after_it_was_queued_is_queued_again_as_a_whole(t):
    """Two have it open, and one closes it: without leases nobody knows of the other."""
    hot = Hot(t, settle="2s").start(faults=LATE)
    with open(hot.path("both"), "ab", buffering=0) as one:
        with open(hot.path("both"), "ab", buffering=0) as other:
            other.write(b"other ")
        hot.wait_log("file=both n=1 ")
        one.write(b"late")
    hot.wait_taken()
    contains(hot.log(), "event=watch_changed")
    equal([data for _, data, _ in sorted(hot.items().values(), key=lambda item: len(item[1]))],
          [b"other ", b"other late"])
    hot.stop()


@test
def what_was_only_touched_after_it_was_queued_is_one_item(t):
    hot = Hot(t, settle="2s").start(faults=LATE)
    with open(hot.path("touched"), "ab", buffering=0) as file:
        with open(hot.path("touched"), "ab", buffering=0) as other:
            other.write(b"bytes")
        hot.wait_log("file=touched n=1 ")
        os.fchmod(file.fileno(), 0o600)
        os.utime(file.fileno(), (1, 1))
    hot.wait_taken()
    hot.equal_items({"touched": b"bytes"})
    hot.stop()


@test
def a_name_that_is_written_over_meanwhile_gives_both(t):
    hot = Hot(t).start()
    sent = []
    for i in range(60):
        sent.append(b"version %d" % i)
        hot.put("same", sent[-1], "rename")
        until(lambda: "same" not in hot.left()[0], 10, "the file to be claimed")
    hot.wait_taken()
    equal(sorted(data for _, data, _ in hot.items().values()), sorted(sent))
    hot.stop()


# ---- kills

def at_rest(hot):
    """As a start without faults leaves it."""
    hot.start()
    hot.wait_taken()
    hot.stop()
    equal(os.listdir(hot.path(OWN)), ["lock"])


def die_with_claim(hot, faults=""):
    """Killed between queueing and deleting: before the first of these calls that finds an item."""
    for n in range(1, 20):
        hot.start(faults=faults + "unlinkat:%d:KILL:once" % n, wait=False)
        equal(hot.process.wait(bound(20)), -signal.SIGKILL)
        if hot.items():
            return
    raise AssertionError("it never queued a file")


KILLED = [(call, call) for call in ("renameat2", "mkdirat", "openat", "unlinkat", "fsync",
                                    "fdatasync", "write", "ftruncate", "fstatat", "lease")]


@cases(KILLED)
def killed_at_every_step_it_takes_each_file_once(t, call):
    if call == "lease":
        need_leases()
    hot = Hot(t)
    for n in range(1, 200):
        want = {"a%d" % n: t.bytes(3000), "b%d" % n: b"b", "c%d" % n: b"b"}
        for name, data in want.items():
            hot.put(name, data)
        hot.start(faults="%s:%d:KILL:once" % (call, n), wait=False)
        until(lambda: hot.process.poll() is not None or hot.is_done(), 20,
              "the kill, or all to be taken")
        if hot.process.poll() is None:
            hot.stop()
            break
        equal(hot.process.wait(), -signal.SIGKILL)
        at_rest(hot)
        hot.equal_items(want)
        hot.q("remove", *map(str, hot.items()))
    else:
        raise AssertionError("%s: no end of calls" % call)
    t.note("%d kills" % (n - 1))
    assert n > 1, "no kill"


@test
def killed_at_random_it_takes_each_file_once(t):
    hot = Hot(t)
    want = {}
    for _ in range(12):
        hot.start(wait=False)
        limit = time.monotonic() + t.random.uniform(0.02, 0.5)
        for _ in range(300):
            name = "f%d" % len(want)
            want[name] = t.bytes(t.random.randrange(1, 5000))
            hot.put(name, want[name], t.random.choice(["write", "rename"]))
        time.sleep(max(0.0, limit - time.monotonic()))
        hot.kill()
    at_rest(hot)
    hot.equal_items(want)
    t.note("%d files" % len(want))


@test
def what_was_sent_before_the_kill_is_not_queued_again(t):
    """It is known from sent.log alone."""
    r = t.receiver()
    hot = Hot(t, q=None)
    hot.q.point_at(r)
    hot.configure(hot)
    hot.put("once", b"once")
    die_with_claim(hot)
    equal(hot.left()[1], ["once"])
    hot.q("run", "--once")
    equal(hot.q.numbers(), [])
    contains(" ".join(hot.q.sent_log()[0]), "claim=")
    hot.start()
    hot.wait_log("claimed=1")
    hot.wait_taken()
    hot.stop()
    equal(hot.q.numbers(), [])
    hot.put("once", b"once")  # the same name and bytes again: another item
    hot.start()
    hot.wait_taken()
    hot.stop()
    hot.equal_items({"once": b"once"})


@test
def what_was_written_to_between_kill_and_start_is_not_lost(t):
    hot = Hot(t)
    hot.put("f", b"first ")
    with open(hot.path("f"), "ab", buffering=0) as file:
        die_with_claim(hot, LATE + ",")
        equal(hot.left()[1], ["f"])
        file.write(b"last")
    hot.start()
    hot.wait_taken()
    contains(hot.log(), "event=watch_changed")
    equal(sorted(data for _, data, _ in hot.items().values()), [b"first ", b"first last"])
    hot.stop()


if __name__ == "__main__":
    main()
