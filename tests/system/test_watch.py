#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Hot folders: what is whole is taken once, what is not stays, whatever happens in between."""

import contextlib
import mmap
import os
import shutil
import signal
import socket
import time

from copyqueue import all_there, run_in_background
from harness import INBOXQ, SHIMMED, Skip, bound, cases, contains, equal, main, test, until
from hotfolder import Hot, OWN

LATE = "lease:1:EACCES:on"  # as for another user's file without CAP_LEASE


def need(call):
    """Skips the test where inboxq was built without this call (--enable-portable)."""
    with open(INBOXQ, "rb") as file:
        if b"\0" + call.encode() + b"\0" not in file.read():
            raise Skip("inboxq was built without %s" % call)


def need_leases():
    need("inotify_init1")  # asked for beside them


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
def a_crowd_of_what_cannot_be_taken_keeps_no_file_waiting(t):
    """As many as are remembered, and some more, there before the start and made beside it."""
    hot = Hot(t)
    for i in range(100300):
        os.symlink("nowhere", hot.path("a%d" % i))
    hot.put("before", b"before")
    hot.start()
    until(lambda: len(hot.items()) == 1, 60, "the one that was there before")
    for i in range(300):
        os.symlink("nowhere", hot.path("b%d" % i))
    hot.put("later", b"later")
    until(lambda: len(hot.items()) == 2, 60, "the one that came later")
    hot.stop()
    hot.equal_items({"before": b"before", "later": b"later"})


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
        until(lambda: "closed" not in hot.left()[0], 8, "what was closed to be taken")
    hot.wait_taken()
    hot.equal_items({"old": b"lies here", "closed": b"closed", "growing": b"........."})
    hot.stop()


@test
def that_another_file_of_its_name_was_closed_says_nothing_of_a_file(t):
    hot = Hot(t).start(faults=LATE)
    hot.process.send_signal(signal.SIGSTOP)
    hot.put("f", b"first")
    os.unlink(hot.path("f"))
    with open(hot.path("f"), "wb", buffering=0) as file:
        file.write(b".")
        hot.process.send_signal(signal.SIGCONT)
        for _ in range(8):
            stays(hot, "f", seconds=0.3)
            file.write(b".")
    hot.wait_taken()
    hot.equal_items({"f": b"........."})
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
def an_empty_file_is_left_for_its_first_bytes(t):
    hot = Hot(t, settle="2s").start()
    hot.put("filled", b"")
    stays(hot, "filled", seconds=1)
    hot.put("filled", b"bytes")
    hot.wait_taken()
    hot.equal_items({"filled": b"bytes"})
    hot.stop()


@test
def what_grows_while_it_is_copied_is_queued_only_as_a_whole(t):
    hot = Hot(t).start(faults=LATE)
    data = t.bytes(4 << 20) * 8
    with open(hot.path("growing"), "ab", buffering=0) as file:
        hot.put("growing", data)  # closed, and so thought to be whole
        limit, more = time.monotonic() + bound(2), 0
        while time.monotonic() < limit:
            file.write(b"more")
            more += 1
    hot.wait_taken()
    hot.equal_items({"growing": data + b"more" * more})
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
    need("inotify_init1")  # else it takes minutes
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
    if call == "renameat2":
        need(call)
    hot = Hot(t)
    for n in range(1, 200):
        want = {"a%d" % n: t.bytes(3000), "b%d" % n: b"b", "c%d" % n: b"b"}
        for name, data in want.items():
            hot.put(name, data)
        hot.start(faults="%s:%d:KILL:once" % (call, n), wait=False)
        until(lambda: hot.process.poll() is not None or hot.is_done(), 20,
              "the kill, or all to be taken")
        if hot.process.poll() is None:
            hot.process.terminate()  # what was deleted is synced within a second, or now
        if hot.process.wait(bound(20)) == 0:
            break
        equal(hot.process.returncode, -signal.SIGKILL)
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
def to_look_for_claims_keeps_nobody_waiting(t):
    """Each of many headers takes its time, on a slow disk; what is set aside and requeued
    meanwhile is found all the same."""
    hot = Hot(t)
    hot.put("f", b"f")
    die_with_claim(hot)
    os.rename(os.path.join(hot.q.spool, "queue", "%020d" % 1),
              os.path.join(hot.q.spool, "failed", "%020d" % 1))
    hot.q.add("status", *[b"%d" % i for i in range(150)])
    hot.start(faults="close:1:40ms:on", wait=False)
    time.sleep(2)
    began = time.monotonic()
    equal(hot.q("requeue", "1").stdout, "152\n")
    equal(time.monotonic() - began < bound(2), True, "who is beside it waits")
    equal("watch_began" in hot.log(), False, "it is amid its work")
    hot.wait_log("claimed=1", seconds=30)
    hot.wait_taken()
    hot.stop()
    equal([n for n, (name, _, _) in hot.items().items() if name == b"f"], [152])


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


@test
def what_a_power_cut_left_of_a_claim_is_no_item(t):
    """Its name is there again, since its deletion did not last, and some or none of its bytes,
    which its writer never synced."""
    hot = Hot(t)
    for n, left in enumerate((0, 3, 5000)):
        hot.put("f%d" % n, b"first " * 1000)
        die_with_claim(hot)
        claim, = [os.path.join(folder, name) for folder, _, names in os.walk(hot.path(OWN))
                  for name in names if name != "lock"]
        os.truncate(claim, left)
        hot.start()
        hot.wait_taken()
        contains(hot.log(), "event=watch_cut")
        hot.stop()
        hot.equal_items({"f%d" % n: b"first " * 1000})
        hot.q("remove", *map(str, hot.items()))
    # As long as its item, or none of its bytes: somebody wrote that.
    for n, left in enumerate((b"other", b"first" * 1500)):
        hot.put("g%d" % n, b"first " * 1000)
        die_with_claim(hot)
        claim, = [os.path.join(folder, name) for folder, _, names in os.walk(hot.path(OWN))
                  for name in names if name != "lock"]
        with open(claim, "wb") as file:
            file.write(left)
        hot.start()
        hot.wait_taken()
        hot.stop()
        equal(sorted(data for _, data, _ in hot.items().values()),
              sorted([b"first " * 1000, left]))
        hot.q("remove", *map(str, hot.items()))


@test
def deletions_last_within_a_moment(t):
    hot = Hot(t)
    trace = os.path.join(hot.q.folder, "trace")

    def deleted_and_synced():
        deleted = synced = -1
        with open(trace, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file):
                _, _, when, call, _, path, result, _ = line.rstrip("\n").split("\t", 7)
                if call == "unlinkat" and path.endswith("/f"):
                    deleted = number
                if (when, call, path, result) == ("end", "fsync", hot.path(OWN), "0"):
                    synced = number
        return -1 < deleted < synced

    hot.start(env={**SHIMMED, "TRACE": trace})
    hot.put("f", b"f")
    hot.wait_taken()
    until(deleted_and_synced, 10, "the sync behind the deletion")
    hot.stop()


@test
def claims_last_before_they_are_queued_and_items_before_claims_are_deleted(t):
    """By the order of calls, since a kill says nothing of a power cut."""
    hot = Hot(t)
    trace = os.path.join(hot.q.folder, "trace")
    for i in range(300):
        hot.put("f%d" % i, b"%d" % i)
    hot.start(env={**SHIMMED, "TRACE": trace})
    hot.put("late", b"late")
    hot.wait_taken()
    hot.stop()
    synced, claimed, drafts, queued = {}, {}, {}, {}  # path: line
    deleted = linked = 0
    with open(trace, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file):
            _, _, when, call, _, path, result, detail = line.rstrip("\n").split("\t", 7)
            if when == "end" and call in ("fsync", "fdatasync", "syncfs") and result == "0":
                synced[path] = number
            elif when == "end" and call.startswith("rename") and result == "0":
                if "/%s/" % OWN in detail:
                    claimed[detail] = number
                elif "/queue/" in detail:
                    # Which file this draft is of is not told: all that were claimed are older.
                    linked += 1
                    assert synced.get(path, -1) >= 0, "a draft that was not synced: " + path
                    for claim in claimed:
                        for folder in (os.path.dirname(claim), hot.path(OWN), hot.folder):
                            assert synced.get(folder, -1) > claimed[claim], (folder, claim)
                    queued[detail] = number
            elif call == "unlinkat" and path in claimed:
                deleted += 1
                folder = os.path.join(hot.q.spool, "queue")
                assert synced[folder] > max(queued.values()), "deleted before queue/ was synced"
                del claimed[path]
    equal((linked, deleted, claimed), (301, 301, {}))


# ---- folders and the queue as they may be

@test
def two_watches_of_one_folder_are_one(t):
    hot = Hot(t).start()
    other = Hot(t, q=hot.q)
    other.folder = hot.folder
    other.configure(other)
    other.log_path += ".other"
    other.start(wait=False, arguments=())
    other.wait_log("another watch has it: process %d" % hot.process.pid)
    hot.put("one", b"1")
    hot.wait_taken()
    hot.kill()  # whatever way it ends: the lock goes with it
    other.wait_log("event=watch_began", 20)
    hot.put("two", b"2")
    other.wait_taken()
    hot.equal_items({"one": b"1", "two": b"2"})
    other.stop()


@test
def one_process_serves_several_folders_and_takes_new_ones_at_a_reload(t):
    one = Hot(t)
    two, three = Hot(t, q=one.q), Hot(t, q=one.q)
    os.symlink(two.folder, two.folder + ".link")
    same = Hot(t, q=one.q)
    same.folder = two.folder + ".link"
    one.configure(one, two, same)
    one.start()
    one.wait_log("error=\"another section has the same folder\"")
    for hot in (one, two, three):
        hot.put("f", hot.folder.encode())
    one.wait_taken()
    two.wait_taken()
    stays(three, "f")
    one.configure(two, three)
    one.process.send_signal(signal.SIGHUP)
    one.wait_log("event=reloaded folders=2")
    three.wait_taken()
    one.put("late", b"nobody looks")
    stays(one, "late")
    with open(one.q.conf, "a", encoding="ascii") as file:
        file.write("[watch bad]\nfolder = relative\n")
    one.process.send_signal(signal.SIGHUP)
    one.wait_log("event=reload_failed")
    two.put("g", b"g")
    two.wait_taken()
    equal(len(one.items()), 4)
    one.stop()


@test
def a_folder_that_vanishes_is_served_when_it_is_back(t):
    hot = Hot(t)
    other = Hot(t, q=hot.q)
    hot.configure(hot, other)
    os.rmdir(hot.folder)
    hot.start()  # for the other one
    hot.wait_log("event=watch_trouble folder=%s error=\"No such file" % hot.folder)
    other.put("a", b"a")
    other.wait_taken()
    os.mkdir(hot.folder)
    hot.put("b", b"b")
    hot.wait_taken()
    os.rename(hot.folder, hot.folder + ".away")
    os.mkdir(hot.folder)
    hot.put("c", b"c")
    hot.wait_taken()
    shutil.rmtree(hot.folder)
    other.put("d", b"d")
    other.wait_taken()
    os.mkdir(hot.folder)
    hot.put("e", b"e")
    hot.wait_taken()
    hot.equal_items({name: name.encode() for name in "abcde"})
    hot.stop()


@test
def no_folder_of_the_spool_is_a_hot_one(t):
    hot = Hot(t)
    hot.q.add("status", b"item")
    hot.folder = os.path.join(hot.q.spool, "queue")
    hot.configure(hot)
    hot.start(wait=False)
    hot.wait_log("error=\"it is a folder of the spool\"")
    equal(hot.q.numbers(), [1])
    hot.stop()


@test
def a_folder_of_claims_that_others_may_write_to_is_not_used(t):
    hot = Hot(t)
    os.mkdir(hot.path(OWN))
    os.chmod(hot.path(OWN), 0o777)
    hot.start(wait=False)
    hot.wait_log("event=watch_trouble")
    hot.put("f", b"f")
    stays(hot, "f")
    os.rmdir(hot.path(OWN))
    os.symlink(hot.q.folder, hot.path(OWN))
    time.sleep(1)
    os.unlink(hot.path(OWN))
    hot.wait_taken()
    hot.stop()


@test
def a_folder_that_can_neither_be_synced_nor_locked_is_served(t):
    """As on a share.  The calls of the spool fail in their turn, too, which is another matter."""
    hot = Hot(t)
    hot.put("f", b"f")
    for n in range(1, 6):
        hot.start(faults="lock:%d:ENOLCK:once" % n, wait=False)
        until(lambda: hot.process.poll() is not None or "watch_began" in hot.log(), 20)
        if "watch_unlocked" in hot.log():
            break
        hot.kill()
    contains(hot.log(), "event=watch_unlocked")
    hot.wait_taken()
    hot.stop()
    hot.equal_items({"f": b"f"})
    for n in range(1, 9):  # among them the three of the claim
        hot.put("g%d" % n, b"g")
        hot.start(faults="fsync:%d:EINVAL:once" % n, wait=False)
        until(lambda: hot.process.poll() is not None or hot.is_done(), 20)
        if hot.process.poll() is None:
            hot.stop()
            t.note("fsync %d is passed over" % n)
        at_rest(hot)
    hot.equal_items({"f": b"f", **{"g%d" % n: b"g" for n in range(1, 9)}})


@test
def what_cannot_be_read_stays_and_is_taken_once_it_can(t):
    if os.geteuid() == 0:
        raise Skip("root may read anything")
    hot = Hot(t)
    hot.put("secret", b"secret")
    os.chmod(hot.path("secret"), 0)
    hot.start()
    hot.wait_log("file=secret reason=\"Permission denied\"")
    hot.put("other", b"other")
    hot.wait_log("file=other n=1")
    os.chmod(hot.path("secret"), 0o600)
    hot.wait_taken()
    hot.equal_items({"secret": b"secret", "other": b"other"})
    hot.stop()


def bounded(hot, **bounds):
    """The queue's bounds."""
    with open(hot.q.conf, encoding="ascii") as file:
        lines = [line for line in file.read().splitlines()
                 if not line.startswith(("items", "bytes"))]
    at = lines.index("[queue]") + 1
    lines[at:at] = ["%s = %s" % pair for pair in bounds.items()]
    with open(hot.q.conf, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


@test
def a_full_queue_leaves_files_where_they_are_and_goes_on_by_itself(t):
    hot = Hot(t)
    bounded(hot, items=10, bytes="20K")
    want = {"f%d" % i: b"%d" % i for i in range(25)}
    for name, data in want.items():
        hot.put(name, data)
    hot.put("too-large", bytes(20 * 1024 + 1))
    hot.start()
    hot.wait_log("event=watch_full")
    until(lambda: len(hot.items()) == 10, 10, "as many items as may be")
    hot.wait_log("file=too-large reason=\"larger than")
    time.sleep(1)
    equal(len(hot.items()), 10)
    equal(hot.log().count("event=watch_full"), 1)
    until(lambda: sum(map(len, hot.left())) == 16, 10, "the queued ones to be deleted")
    found = {}
    while len(found) < 25:
        found.update({name: data for name, data, _ in hot.items().values()})
        for n in hot.q.numbers():
            hot.q("remove", str(n))
        if len(found) < 25:
            until(hot.items, 20, "more items")
    equal(found, {name.encode(): data for name, data in want.items()})
    hot.wait_log("event=watch_has_room")
    bounded(hot, bytes="1M")
    hot.process.send_signal(signal.SIGHUP)
    hot.stop()
    hot.start()
    hot.wait_taken()
    hot.stop()


@cases([("spool", "write@draft"), ("claims", "mkdirat"), ("claimed", "renameat2"),
        ("numbers", "fdatasync")])
def a_full_disk_is_a_state_that_passes(t, call):
    if call == "renameat2":
        need(call)
    hot = Hot(t)
    hot.q.add("status", b"so that the spool is there")
    hot.q("remove", "1")
    hot.put("f", b"f" * 5000)
    arm = os.path.join(hot.q.folder, "arm")
    hot.start(faults="%s:1:ENOSPC:on" % call, arm=arm)
    hot.put("g", b"g")
    hot.wait_taken()
    with open(arm, "w", encoding="ascii"):
        pass
    hot.put("h", b"h")
    hot.wait_log("event=watch_full")
    hot.put("i", b"i")
    time.sleep(1)
    equal(hot.log().count("event=watch_full"), 1)
    os.unlink(arm)
    hot.wait_taken()
    hot.wait_log("event=watch_has_room")
    hot.equal_items({"f": b"f" * 5000, "g": b"g", "h": b"h", "i": b"i"})
    hot.stop()


@test
def without_inotify_folders_are_listed(t):
    hot = Hot(t).start(faults="inotify:1:ENOSYS:on")
    contains(hot.log(), "event=watch_without_inotify")
    contains(hot.log(), "by=listing")
    want = {"f%d" % i: b"%d" % i for i in range(20)}
    for name, data in want.items():
        hot.put(name, data)
        time.sleep(0.05)
    hot.wait_taken()
    hot.equal_items(want)
    hot.stop()


@test
def what_inotify_missed_is_found_by_listing(t):
    need("inotify_init1")
    hot = Hot(t).start()
    with open("/proc/sys/fs/inotify/max_queued_events", encoding="ascii") as file:
        most = int(file.read())
    if most > 40000:
        raise Skip("inotify's queue holds %d events" % most)
    hot.process.send_signal(signal.SIGSTOP)
    for name in ("same0", "same1"):
        hot.put(name, b"x")
    for i in range(most + 10):  # by turns, since two events that are alike are one
        os.utime(hot.path("same%d" % (i % 2)))
    hot.put("f", b"f")
    os.unlink(hot.path("same0"))
    os.unlink(hot.path("same1"))
    hot.process.send_signal(signal.SIGCONT)
    hot.wait_taken()
    hot.equal_items({"f": b"f"})
    hot.stop()


@test
def thousands_are_taken_beside_run_and_add(t):
    r = t.receiver()
    hot = Hot(t)
    hot.q.point_at(r)
    hot.configure(hot)
    run_in_background(t, hot.q)
    count = 3000
    want = [b"file %d" % i for i in range(count)]
    for i in range(count // 2):
        hot.put("f%d" % i, want[i])
    hot.start()
    for i in range(count // 2, count):
        hot.put("f%d" % i, want[i], "rename")
        if i % 100 == 0:
            want.append(b"added %d" % i)
            hot.q.add("status", want[-1])
    hot.wait_taken(seconds=60)
    hot.stop()
    until(lambda: not hot.q.numbers(), 60, "all to be sent")
    all_there(r, want)


@test
def one_folder_on_the_command_line_needs_no_section(t):
    hot = Hot(t)
    other = Hot(t, q=hot.q)
    hot.put("f", b"f")
    other.put("g", b"g")
    hot.start(arguments=(other.folder, "-i", "reports", "--priority", "high"))
    other.wait_taken()
    stays(hot, "f", seconds=0.5)
    other.equal_items({"g": b"g"})
    with open(os.path.join(hot.q.spool, "queue", "%020d" % 1), "rb") as file:
        contains(file.read(100).decode(), "inboxq-item 1 reports 1 ")
    hot.stop()
    for wrong in ((), (hot.folder,), ("-i", "status"), (hot.folder, "-i", "no good"),
                  (hot.folder, "-i", "status", "-p", "much"), (hot.folder, "two", "-i", "a")):
        hot.configure()
        equal(hot.q("watch", *wrong, expect=None).returncode, 64 if wrong else 78, repr(wrong))


@test
def the_supervisor_is_told_how_it_is(t):
    hot = Hot(t)
    other = Hot(t, q=hot.q)
    os.rmdir(other.folder)
    hot.configure(hot, other)
    path, heard = os.path.join(hot.q.folder, "notify"), []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(path)
        supervisor.setblocking(False)

        def hears(word):
            with contextlib.suppress(BlockingIOError):
                while True:
                    heard.append(supervisor.recv(4096).decode())
            return any(word in message for message in heard)

        hot.start(env={"NOTIFY_SOCKET": path})
        until(lambda: hears("READY=1"), 10)
        until(lambda: hears("STATUS=1 of 2 folders are served; files queued: 0, left: 0"), 10)
        hot.put("f", b"f")
        until(lambda: hears("files queued: 1, left: 0"), 10)
        del heard[:]
        hot.process.send_signal(signal.SIGHUP)
        until(lambda: hears("RELOADING=1"), 10)
        until(lambda: hears("READY=1"), 10)
        hot.stop()
        assert hears("STOPPING=1"), heard
    contains(hot.q("check", expect=None).stderr, "[watch w1] %s: No such file" % other.folder)


@test
def a_stop_does_not_wait_for_a_large_file(t):
    hot = Hot(t)
    with open(hot.path("large"), "wb") as file:
        file.truncate(6 << 30)  # a hole: it takes seconds to read, and no room
    hot.start()
    until(lambda: "large" in hot.left()[1], 10, "the claim")
    time.sleep(0.3)
    began = time.monotonic()
    hot.stop()
    assert time.monotonic() - began < bound(1), time.monotonic() - began
    equal((hot.items(), hot.left()[1]), ({}, ["large"]))


if __name__ == "__main__":
    main()
