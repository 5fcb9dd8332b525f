#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A root is one receiver's at a time, wherever that runs: it knows itself, and who has it.

Another host is played by a process that has another machine-id(5): what tells hosts apart in a
root's lock file.  A file system that takes a lock from a host that it believes to be dead is played
by the deletion of the lock file.
"""

import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import time

from client import Closed
from harness import (SHIMMED, Skip, bound, cases, contains, equal, file_digest, is_portable, main,
                     test, until)

ID = "0123456789abcdef0123456789abcdef"


def lock_of(r):
    with open(os.path.join(r.root, "lock"), encoding="ascii") as file:
        return file.read()


def second(t, r, **keys):
    """Another receiver with the same root."""
    other = t.receiver({"receiver": {"root": r.root, **keys}}, start=False, make=False)
    other.others = True
    return other


# ---- a lock that is lost

def fall_asleep(r):
    """As a host that hangs; not at once, but when all threads have stopped."""
    r.process.send_signal(signal.SIGSTOP)
    with open("/proc/%d/stat" % r.process.pid, encoding="ascii") as file:
        while file.read().rsplit(")", 1)[1].split()[0] != "T":
            time.sleep(0.01)
            file.seek(0)


@test
def who_wakes_up_after_another_has_taken_over_acknowledges_nothing(t):
    r = t.receiver()
    queue = t.queue()
    c = r.client(hello=queue)
    c.put(1, "status", b"before")
    c.stored(1)
    r.wait_published()
    fall_asleep(r)
    os.unlink(os.path.join(r.root, "lock"))
    other = second(t, r).start()
    c2 = other.client(hello=queue)
    c2.put(2, "status", b"by the other")
    name = c2.stored(2).name
    before = other.files("status")
    c.put(2, "status", b"by the other")
    c.put(3, "status", b"to the one asleep")
    r.process.send_signal(signal.SIGCONT)
    r.wait_end(74)
    contains(r.log(), "event=root_lost error=\"another file is its file lock by now\"")
    contains(r.log(), " exit=74")
    for n in (2, 3):
        try:
            raise AssertionError("answered: %r" % c.answer(n))
        except (Closed, OSError):
            pass
    equal(other.files("status"), before, "new/")
    assert name in before, before
    # Its client keeps what it has, and finds the other one.
    c3 = other.client(hello=queue)
    c3.put(2, "status", b"by the other")
    c3.put(3, "status", b"to the one asleep")
    equal(c3.stored(2).name, name, "the first name")
    c3.stored(3)
    other.restart()  # what the first has left in tmp/ is nobody's


@test
def two_never_acknowledge_side_by_side(t):
    """Whoever moves the lock file away lets another one in."""
    r = t.receiver()
    c = r.client(hello=t.queue())
    os.rename(os.path.join(r.root, "lock"), os.path.join(r.folder, "lock"))
    other = second(t, r).start()
    c.put(1, "status", b"to the first")
    r.wait_end(74)
    contains(r.log(), "event=root_lost error=\"another file is its file lock by now\"")
    try:
        raise AssertionError("answered: %r" % c.answer(1))
    except (Closed, OSError):
        pass
    equal(other.files("status"), [], "new/")
    other.restart()  # what the first has left in tmp/ is nobody's


@test
def who_has_lost_it_does_not_say_that_the_other_one_has_stopped(t):
    """Its threads are not asked any more: a client that stays is waited for until the limit."""
    r = t.receiver({"receiver": {"drain": "1s"}})
    c = r.client(hello=t.queue())
    r.process.send_signal(signal.SIGTERM)
    r.wait_log("event=draining ")
    text = "running run=%s host=cap2 pid=12\n" % ID
    fd = os.open(os.path.join(r.root, "lock"), os.O_WRONLY)
    os.ftruncate(fd, os.pwrite(fd, text.encode(), 0))
    os.close(fd)
    r.wait_end(0)
    contains(r.log(), "event=root_not_marked error=\"its file lock is of process 12 on host cap2\"")
    equal(lock_of(r), text)
    c.close()


@test
def start_that_hung_amid_recovery_changes_nothing_of_anothers(t):
    """Its drafts are made anew, and synced so late that another one could have taken over."""
    late = "fdatasync@draft:1:2500ms:on,syncfs:1:2500ms:on"
    r = t.receiver({"receiver": {"sandbox": "off"}}, start=False)
    r.start(env={**SHIMMED, "FAULT": late})
    c = r.client(hello=t.queue())
    c.put(1, "status", b"an item")
    name = c.stored(1).name
    c.cut()
    r.kill()
    r.start(wait=False, env={**SHIMMED, "FAULT": late})
    until(lambda: "\nstarting run=" in lock_of(r), what="the start")
    r.wait_log("event=listening ")
    until(lambda: r.files("status", "tmp") == [name], what="the draft")
    time.sleep(0.5)
    os.rename(os.path.join(r.root, "lock"), os.path.join(r.folder, "lock"))
    r.wait_end(74)
    contains(r.log(here=True), "event=root_lost error=\"its file lock has been deleted or moved\"")
    equal(r.files("status", now=True), [], "new/")
    r.start()
    equal(r.files("status"), [name])


@test
def who_is_asked_nothing_ends_within_seconds(t):
    """The supervisor's question has the commit thread look."""
    r = t.receiver()
    os.unlink(os.path.join(r.root, "lock"))
    r.wait_end(74, 15)
    contains(r.log(), "event=root_lost error=\"its file lock has been deleted or moved\"")


@test
def another_hosts_word_in_the_lock_file_ends_it(t):
    r = t.receiver()
    c = r.client(hello=t.queue())
    fd = os.open(os.path.join(r.root, "lock"), os.O_WRONLY)
    os.ftruncate(fd, os.pwrite(fd, b"running run=%s host=cap2 pid=12\n" % ID.encode(), 0))
    os.close(fd)
    c.put(1, "status", b"an item")
    r.wait_end(74)
    contains(r.log(), "error=\"its file lock is of process 12 on host cap2\"")
    try:
        raise AssertionError("answered: %r" % c.answer(1))
    except (Closed, OSError):
        pass


# ---- what the lock file says

@test
def lock_file_says_who_has_the_root_and_keeps_nobody_out(t):
    r = t.receiver(start=False)
    r.start()
    with open(os.path.join(r.root, "id"), encoding="ascii") as file:
        mine = file.read().strip()
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = "unknown" if is_portable() else file.read().strip()
    text = lock_of(r)
    assert re.fullmatch(r"running run=[0-9a-f]{32} id=%s( host=\S+)?( machine=[0-9a-f]{32})?"
                        r" boot=%s pid=%d since=\S+Z\n" % (mine, boot, r.process.pid), text), text
    r.stop()
    equal(lock_of(r), "stopped" + text[7:])
    first = text.split()[1]
    # Whatever it says: the lock alone keeps others out.
    for old in ("running run=%s host=cap2 machine=%s boot=x pid=1\n" % (ID, ID), "stopped\n",
                "5f0c7c2e-8a53-4f0e-9a51-7d1a6b1c2d3e\n", "unknown", "running\nstarting host=b\n"):
        with open(os.path.join(r.root, "lock"), "w", encoding="ascii") as file:
            file.write(old)
        r.start()
        assert lock_of(r).split()[1] != first, "run= is not drawn"
        r.stop()


@test
def status_says_which_root_it_is(t):
    r = t.shared()
    root = r.json("/status")["root"]
    equal((root["path"], root["id"], root["held_by"]), (r.root, id_of(r), None))
    done = t.run([r.ctl, "status", "-v", "-s", r.socket])
    contains(done.stdout, "\nroot %s, id %s\n" % (r.root, id_of(r)))


# ---- another host has it

def another_host(t, machine=ID):
    """A command that runs another one on a host with this machine-id."""
    path = os.path.join(t.folder, "machine-" + machine)
    with open(path, "w", encoding="ascii") as file:
        file.write(machine + "\n")
    wrap = ["unshare", "-m", "--propagation", "private", "sh", "-c",
            'mount --bind "$0" /etc/machine-id && exec "$@"', path]
    if not shutil.which("unshare") or t.run([*wrap, "true"]).returncode:
        raise Skip("no mount namespace of its own is to be had here")
    return wrap


def waiting(t, r, **how):
    """A receiver on another host that waits for the root of this one."""
    other = second(t, r)
    other.start(wait=False, wrap=another_host(t), **how)
    other.wait_log("event=root_waiting ")
    return other


@test
def second_receiver_of_one_host_is_turned_away(t):
    r = t.receiver()
    other = second(t, r).start(wait=False)
    other.wait_end(69)
    contains(other.log(), "process %d holds its lock" % r.process.pid)


@test
def waiting_is_told_and_ends_at_once(t):
    r = t.receiver()
    other = waiting(t, r)
    contains(other.log(), "event=root_waiting root=\"%s\" host=" % r.root)
    contains(other.log(), " pid=%d seconds=0 " % r.process.pid)
    page = other.json("/status")
    equal((page["state"], page["host"], page["pid"]), ("waiting", "cap1", other.process.pid))
    equal((page["root"]["path"], page["root"]["id"]), (r.root, id_of(r)))
    equal(page["root"]["held_by"]["pid"], r.process.pid)
    assert abs(page["root"]["held_by"]["since"] - time.time()) < 60, page["root"]
    equal(page["problems"], [], "problems")
    equal(other.json("/clients")["clients"], [])
    equal(other.json("/inboxes")["inboxes"], [])
    equal(other.metric("inboxd_waiting"), 1)
    equal(r.metric("inboxd_waiting"), 0)
    status, _, body = other.get("/healthz")
    equal(status, 503)
    contains(body, "waits for its root, which host ")
    done = t.run([r.ctl, "status", "-s", other.socket])
    equal(done.returncode, 0, done.stderr)
    contains(done.stdout, ", waiting: all is well")
    contains(t.run([r.ctl, "pause", "-s", other.socket]).stderr,
             "does not say who asks" if is_portable() else "waits for its root")
    done = t.run([r.ctl, "reload", "-s", other.socket])
    equal(done.returncode, 75)
    contains(done.stderr, "it waits for its root, and reads its configuration when it has it")
    time.sleep(2)
    equal(other.log().count("event=root_waiting"), 1, "lines")
    began = time.monotonic()
    other.stop()
    assert time.monotonic() - began < bound(1), "it took %g s" % (time.monotonic() - began)
    assert not os.path.exists(other.socket), "the status socket is left"
    r.client(hello=t.queue()).quit()


@test
def supervisor_hears_of_the_wait(t):
    r = t.receiver()
    path = os.path.join(t.folder, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(path)
        supervisor.settimeout(bound(10))
        other = waiting(t, r, env={"NOTIFY_SOCKET": path})
        heard = set()
        while len(heard) < 2:
            heard.add(supervisor.recv(4096).decode().split("=")[0])
        equal(heard, {"EXTEND_TIMEOUT_USEC", "STATUS"})
        other.stop()
        while supervisor.recv(4096) != b"STOPPING=1":
            pass


@cases([("stopped", signal.SIGTERM, 0), ("killed", signal.SIGKILL, -signal.SIGKILL)])
def takes_over_when_the_other_lets_go(t, how, code):
    """The same receiver for its clients: a lost answer is given again, by another host."""
    r = t.receiver()
    queue = t.queue()
    c = r.client(hello=queue)
    c.put(1, "status", b"one")
    name = c.stored(1).name
    other = waiting(t, r)
    # What is changed while it waits is in force behind it.
    other.sections["receiver"]["host"] = "cap2"
    other.write_conf()
    other.consumed = True  # what is there is of both
    c.cut()
    r.stop(code, how)
    began = time.monotonic()
    other.wait_log(r"event=ready\b")
    took = time.monotonic() - began
    other.port = int(re.search(r"event=listening address=\S+:(\d+)", other.log()).group(1))
    contains(other.log(), "event=root_taken seconds=")
    c = other.client(hello=None)
    ready = c.hello(queue)
    equal((ready.host, ready.id), ("cap2", id_of(r)))
    c.put(1, "status", b"one")
    equal((lambda again: (again.name, again.get("again")))(c.stored(1)), (name, "1"))
    equal(other.files("status"), [name])
    equal(other.json("/status")["state"], "running")
    assert took < bound(3), "it took %g s" % took
    t.note("taken over in %.2f s" % took)


@test
def id_that_was_made_meanwhile_is_the_roots(t):
    """The other host's was the first start of all, and ended amid it."""
    r = t.receiver(start=False)
    path = os.path.join(r.root, "lock")
    with open(path, "w", encoding="ascii") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.write("starting host=cap2 machine=%s boot=x pid=12\n" % ID[::-1])
        file.flush()
        r.start(wait=False)
        r.wait_log("event=root_waiting .* host=cap2 pid=12 ")
        with open(os.path.join(r.root, "id"), "w", encoding="ascii") as other:
            other.write(ID + "\n")
    r.wait_log(r"event=ready\b")
    equal(r.json("/status")["root"]["id"], ID)


@test
def configuration_that_went_bad_while_it_waited_is_told(t):
    r = t.receiver()
    other = waiting(t, r)
    other.write_conf("[nonsense]\n")
    r.stop()
    other.wait_end(78)
    contains(other.log(), "nonsense")
    r.start()


@test
def one_that_could_not_start_does_not_wait(t):
    r = t.receiver()
    other = second(t, r)
    other.sections["tls"]["certificate"] = os.path.join(t.folder, "none.crt")
    other.write_conf()
    other.start(wait=False, wrap=another_host(t))
    other.wait_end(75)
    assert "event=root_waiting" not in other.log(), other.log()


@test
def wait_ends_where_the_setting_wants_another_root_by_then(t):
    r, third = t.receiver(), t.receiver()
    third.stop()
    other = waiting(t, r)
    other.sections["receiver"]["root"] = other.root = third.root
    other.write_conf()
    r.stop()
    other.wait_log(r"event=ready\b")
    equal(other.json("/status")["root"]["path"], third.root)
    r.start()  # nobody has it


@test
def root_is_what_lies_at_its_path_by_then(t):
    """A file system was mounted anew while it waited: here, another folder is moved there."""
    r, third = t.receiver(), t.receiver()
    mine = id_of(third)
    third.stop()
    other = waiting(t, r)
    os.rename(r.root, r.root + ".elsewhere")
    os.rename(third.root, r.root)
    r.stop()
    other.wait_log(r"event=ready\b")
    equal((other.json("/status")["root"]["id"], id_of(r)), (mine, mine))
    other.port = int(re.search(r"event=listening address=\S+:(\d+)", other.log()).group(1))
    c = other.client(hello=t.queue())
    c.put(1, "status", b"an item")
    name = c.stored(1).name
    equal(other.files("status"), [name])
    c.quit()
    other.stop()
    os.rename(r.root, third.root)
    os.rename(r.root + ".elsewhere", r.root)
    r.start()  # nobody has it


@test
def wait_ends_where_there_is_no_root_by_then(t):
    r = t.receiver()
    other = waiting(t, r)
    unmounted(r)
    r.stop()
    other.wait_end(66)
    contains(other.log(), "mount its file system")
    mounted(r)


def is_locked(r):
    ask = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    with open(os.path.join(r.root, "lock"), "rb+") as file:
        return struct.unpack_from("h", fcntl.fcntl(file, fcntl.F_GETLK, ask))[0] != fcntl.F_UNLCK


@test
def stop_amid_the_takeover_is_heeded(t):
    """On a file system that takes its time for locks: it is asked for one, and then whose it is."""
    if is_portable():
        raise Skip("inboxd was built without F_OFD_GETLK: it does not ask whose a lock is")
    r = t.receiver()
    other = second(t, r, sandbox="off")
    other.start(wait=False, wrap=another_host(t),
                env={**SHIMMED, "FAULT_SCOPE": "program", "FAULT": "lock:1:700ms:on"})
    other.wait_log("event=root_waiting ")
    r.stop()
    until(lambda: is_locked(r), what="the lock to be taken")
    other.process.send_signal(signal.SIGTERM)
    other.wait_end(0, 5)
    contains(other.log(), "event=stopped note=\"it had waited for its root\"")
    r.start()


# ---- what is taken along

@test
def copied_root_is_the_same_receiver_elsewhere(t):
    """cp -a onto another host, under another name: a lost answer is given again, and no gap."""
    r = t.receiver({"limits": {"forgive": "0"}})
    queue = t.queue()
    c = r.client(hello=queue)
    for n in (1, 2, 3):
        c.put(n, "status", b"item %d" % n)
        name = c.stored(n).name
    c.settled(3)
    c.quit()
    r.stop()
    other = t.receiver({"receiver": {"host": "cap2", "id": id_of(r)}}, make=False, start=False)
    equal(t.run(["cp", "-a", r.root, other.root]).returncode, 0)
    other.consumed = True
    other.start(wrap=another_host(t))
    c = other.client(hello=None)
    ready = c.hello(queue, 3)
    equal((ready.host, ready.id), ("cap2", id_of(r)))
    c.put(3, "status", b"item 3")
    again = c.stored(3)
    equal((again.name, again.get("again")), (name, "1"))
    c.put(4, "status", b"item 4")
    c.stored(4)
    c.settled(5)
    c.ping()
    for what in ("numbers_missing", "marks_unknown"):
        equal(other.metric("inboxd_%s_total" % what), 0, what)
    equal(len(other.files("status")), 4)


@test
def marks_that_a_root_does_not_know_are_told(t):
    r = t.receiver()
    queue = t.queue()
    r.client(hello={"queue": queue, "settled": 7}).quit()
    r.client(hello={"queue": queue, "settled": 9}).quit()
    r.client(hello=t.queue()).quit()
    equal(r.metric("inboxd_marks_unknown_total"), 1)
    contains(r.log(), "event=mark_unknown client=pc1.example.org queue=%s settled=7 " % queue)
    equal(r.log().count("event=mark_unknown"), 1)


# ---- is it the right one

def snapshot(top):
    """{path below: digest}, but of the lock, in which a start says that it is at work"""
    found = {}
    for where, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(where, name)
            if name != "lock":
                found[os.path.relpath(path, top)] = name in files and file_digest(path)
    return found


def refused(r, code, text):
    """A start, and -t, end so, and change nothing."""
    before = snapshot(r.root)
    r.start(wait=False)
    r.wait_end(code)
    contains(r.log(here=True), text)
    done = r.run("-t")
    equal(done.returncode, code, "-t: " + done.stderr)
    contains(done.stderr, text)
    equal(snapshot(r.root), before, "what they changed")


def id_of(r):
    with open(os.path.join(r.root, "id"), encoding="ascii") as file:
        return file.read().strip()


def unmounted(r):
    """The mount point of the root, bare; what is on the file system is elsewhere."""
    os.rename(r.root, r.root + ".elsewhere")
    os.mkdir(r.root, 0o700)


def mounted(r):
    shutil.rmtree(r.root)
    os.rename(r.root + ".elsewhere", r.root)


@cases([("bare", None), ("inboxes", "inboxes"), ("made", "made"), ("gone", "gone")])
def bare_mount_point_never_becomes_a_root(t, kind):
    r = t.receiver()
    mine = id_of(r)
    r.stop()
    if kind == "made":
        # Like a new root to the last byte: what tells them apart is the setting.
        r.sections["receiver"]["id"] = mine
        r.write_conf()
    unmounted(r)
    if kind == "inboxes":  # as a package, or systemd-tmpfiles(8), might make them
        for part in ("tmp", "new", "cur"):
            os.makedirs(os.path.join(r.root, "status", part), 0o700)
    elif kind == "made":
        r.sections["receiver"]["id"] = None
        r.write_conf()
        r.make()
        r.sections["receiver"]["id"] = mine
        r.write_conf()
        equal(r.run("-m").returncode, 73, "-m")
    elif kind == "gone":
        os.rmdir(r.root)
    if kind == "made":
        refused(r, 66, "root %s has no id yet, and [receiver] id wants %s: " % (r.root, mine))
    else:
        refused(r, 66, "mount its file system")
    if kind == "gone":
        os.mkdir(r.root)
    mounted(r)
    r.start()
    equal(id_of(r), mine, "the id")


@test
def only_the_root_that_is_set_is_taken(t):
    r, other = t.receiver(), t.receiver()
    r.stop()
    other.stop()
    r.sections["receiver"]["id"] = id_of(other)
    r.write_conf()
    refused(r, 66, "root %s has the id %s, and [receiver] id wants %s: " % (
        r.root, id_of(r), id_of(other)))
    done = r.run("-m")
    equal(done.returncode, 73)
    contains(done.stderr, "[receiver] id wants")
    r.sections["receiver"]["id"] = id_of(r)
    r.write_conf()
    contains(r.run("-t").stdout, "%s: the root with the id %s\n" % (r.root, id_of(r)))
    equal(r.run("-m").returncode, 0)
    r.start()
    r.stop()
    # Nothing is made for a root that is not there.
    r.sections["receiver"]["root"] = missing = os.path.join(r.folder, "missing")
    r.write_conf()
    equal(r.run("-m").returncode, 73)
    assert not os.path.exists(missing), missing
    r.sections["receiver"].update(root=r.root, id="0C5F")
    r.write_conf()
    contains(r.run("-t").stderr, "32 digits of lower-case hexadecimal")
    r.sections["receiver"]["id"] = None
    r.write_conf()


@test
def root_that_has_lost_its_id_gets_no_other(t):
    r = t.receiver()
    r.stop()
    mine, path = id_of(r), os.path.join(r.root, "id")
    os.unlink(path)
    refused(r, 65, "its file id is missing, and its file lock says that it was %s" % mine)
    with open(path, "w", encoding="ascii") as file:
        file.write(ID + "\n")
    refused(r, 65, "its file id has %s, and its file lock says that it was %s" % (ID, mine))
    os.unlink(path)
    for text in ("stopped\n", ""):  # of before it said the id, or emptied
        with open(os.path.join(r.root, "lock"), "w", encoding="ascii") as file:
            file.write(text)
        refused(r, 65, "is of the root with the id %s, and this is one without an id" % mine)
    with open(path, "w", encoding="ascii") as file:
        file.write(mine + "\n")
    r.start()
    equal(id_of(r), mine)


if __name__ == "__main__":
    main()
