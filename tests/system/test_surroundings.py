#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What programs are started in: who reads their log, which descriptors, limits and signals they
inherit, what the environment and /proc say."""

import contextlib
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid

from client import Closed
from copyqueue import Queue, all_there, run_in_background, said
from harness import (INBOXD, INBOXQ, SHIMMED, Skip, bound, cases, contains, equal, main,
                     sanitizers, test, until)


class Reader:
    """The other end of a standard error, which reads or does not."""

    def __init__(self, t):
        self.fd, self.write_fd = os.pipe()
        self.text = b""
        t.closing.append(self)

    def until(self, word):
        os.close(self.write_fd)
        while word not in self.text:
            part = os.read(self.fd, 4096)
            assert part, "the log ended without %r:\n%s" % (word, self.text.decode())
            self.text += part
        return self.text.decode()

    def read_on(self):
        def run():
            with contextlib.suppress(OSError):  # closed when the test is over
                for part in iter(lambda: os.read(self.fd, 65536), b""):
                    self.text += part
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def close(self):
        os.close(self.fd)


def deaf_receiver(t):
    """One whose log is read until it is ready, and no further."""
    reader = Reader(t)
    r = t.receiver(start=False)
    r.start(wait=False, stderr=reader.write_fd)
    said = reader.until(b"event=ready")
    r.port = int(re.search(r"event=listening address=\S+:(\d+)", said).group(1))
    return r, reader


def store_until_lines_are_lost(t, r):
    """Each connection logs some lines; the items are stored as ever."""
    n = 0
    while r.metric("inboxd_log_lines_lost_total") == 0:
        for _ in range(50):
            n += 1
            c = r.client(hello=t.queue())
            c.put(1, "status", b"%d" % n)
            c.stored(1)
            c.quit()
            c.close()
        assert n < 5000, "a pipe took the lines of %d sessions" % n


# ---- the log

@test
def nobody_waits_for_who_reads_the_log(t):
    r, reader = deaf_receiver(t)
    store_until_lines_are_lost(t, r)
    equal(r.get("/healthz")[::2], (200, "ok\n"))
    reader.read_on()
    until(lambda: re.search(rb"event=log_lines_lost count=[1-9]", reader.text))


@test
def unread_log_does_not_hold_up_the_end(t):
    r, _ = deaf_receiver(t)
    store_until_lines_are_lost(t, r)
    r.check()
    started = time.monotonic()
    r.process.send_signal(signal.SIGTERM)
    r.wait_end(0)
    assert time.monotonic() - started < bound(8), "took %g s" % (time.monotonic() - started)


@test
def copy_queue_waits_for_nobody_who_reads_its_log(t):
    """Nor for who reads its progress."""
    r = t.receiver()
    q = Queue(t, r)
    reader = Reader(t)
    for n in range(3000):
        with open(os.path.join(q.folder, "file%d" % n), "w", encoding="ascii") as file:
            file.write("%d" % n)
    q("add", "-i", "status", *glob.glob(os.path.join(q.folder, "file*")))
    run = t.spawn([INBOXQ, "run", "--once", "-v", "-c", q.conf], stderr=reader.write_fd)
    os.close(reader.write_fd)
    equal(run.wait(bound(60)), 0, "exit code")
    equal((q.numbers(), len(r.files("status"))), ([], 3000), "queue/, and files in new/")
    reader.text = os.read(reader.fd, 1 << 20)
    contains(reader.text.decode(), "event=item_validating")


def said_to_the_journal(command):
    """Exit code and lines, where standard error is the journal's."""
    fd, write_fd = os.pipe()
    st = os.fstat(write_fd)
    journal = {"JOURNAL_STREAM": "%d:%d" % (st.st_dev, st.st_ino)}
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=write_fd,
                              stdout=subprocess.DEVNULL, env={**os.environ, **journal},
                              check=False, timeout=bound(30))
        os.close(write_fd)
        return done.returncode, os.read(fd, 65536).decode().splitlines()
    finally:
        os.close(fd)


@test
def errors_of_a_start_are_errors_to_the_journal(t):
    r = t.receiver({"log": {"format": "auto"}}, start=False, make=False)
    q = Queue(t, servers=["127.0.0.1:1"])
    missing = os.path.join(t.folder, "missing")
    add = [INBOXQ, "add", "-c", q.conf, "-i", "status"]
    for command, code in (
            ([INBOXD, "-c", r.conf], 66), ([INBOXD, "-c", missing], 78),
            ([INBOXD, "-c", missing, "-t"], 78), ([INBOXD, "-c", missing, "-m"], 78),
            ([INBOXQ, "run", "-c", missing], 78), ([INBOXQ, "status", "-c", missing], 78),
            (add + [missing], 66), ([INBOXQ, "remove", "-c", q.conf, "7"], 66)):
        found, lines = said_to_the_journal(command)
        equal(found, code, "exit code of %r: %r" % (command, lines))
        assert re.match(r"<[23]>", lines[-1]), lines
        assert all(re.match(r"<[2-6]>", line) for line in lines), lines


@test
def address_that_cannot_be_connected_to_is_named(t):
    q = Queue(t, servers=["255.255.255.255:1"])
    contains(q("run", "--once", expect=75).stderr,
             ' warning event=connect_failed server=255.255.255.255 address=255.255.255.255:1 '
             'error="connect: ')


@test
def second_run_says_so_to_the_journal(t):
    q = Queue(t, servers=["127.0.0.1:1"])
    run_in_background(t, q)
    until(lambda: "event=started" in said(q))
    with open(q.conf, encoding="ascii") as file:
        text = file.read()
    with open(q.conf, "w", encoding="ascii") as file:
        file.write(text.replace("format = plain", "format = auto"))
    code, lines = said_to_the_journal([INBOXQ, "run", "-c", q.conf])
    equal(code, 69, "exit code")
    assert re.fullmatch(r'<2>event=start_failed error="another inboxq run has this spool: '
                        r'process \d+" exit=69', lines[-1]), lines


# ---- files whose size says nothing

@test
def files_of_proc_and_sys_are_taken_to_their_end(t):
    paths = [path for path in ("/proc/version", "/proc/cpuinfo", "/proc/meminfo",
                               "/proc/self/mountinfo", "/sys/class/net/lo/mtu")
             if os.access(path, os.R_OK)]
    if not paths:
        raise Skip("no /proc and no /sys")
    q = Queue(t, servers=["127.0.0.1:1"])
    numbers = [int(n) for n in q("add", "-i", "status", *paths).stdout.split()]
    for n, path in zip(numbers, paths):
        with open(os.path.join(q.spool, "queue", "%020d" % n), "rb") as file:
            taken = file.read()[1024:]
        with open(path, "rb") as file:
            now = file.read()
        assert taken and (taken == now or "info" in path), path


# ---- limits

def limited(option, value, command):
    return ["sh", "-c", 'ulimit %s %s && exec "$@"' % (option, value), "sh", *command]


@test
def batch_is_as_large_as_the_descriptors_allow(t):
    q = Queue(t, servers=["127.0.0.1:1"])
    paths = []
    for n in range(200):
        paths.append(os.path.join(q.folder, "file%d" % n))
        with open(paths[-1], "w", encoding="ascii") as file:
            file.write("%d" % n)
    done = t.run(limited("-n", 24, [INBOXQ, "add", "-c", q.conf, "-i", "status", *paths]))
    equal((done.returncode, done.stderr), (0, ""), "exit code and complaints")
    equal(done.stdout.split(), [str(n) for n in range(1, 201)], "numbers")
    equal(q.numbers(), list(range(1, 201)), "queue/")


@test
def size_limit_of_files_is_a_full_disk(t):
    r = t.receiver(start=False)
    r.start(wrap=["prlimit", "--fsize=2097152:2097152"])
    contains(r.log(), "event=file_size limit=2097152 ")
    c = r.client(hello=t.queue())
    c.put(1, "status", t.bytes(1000))
    c.stored(1)
    c.announce(2, "status", t.bytes(3 << 20), verb="OPEN")
    line = c.answer(2)
    if line.verb == "SEND":
        for at in range(0, 3 << 20, 262144):
            c.send(b"DATA 2 %d 262144\n" % at + bytes(262144))
        line = c.answer(2)
    equal((line.verb, line.code), ("LATER", "full"), "the answer to what is too large")
    c.put(3, "status", b"after it")
    c.stored(3)
    t.run(["prlimit", "--pid", str(r.process.pid), "--fsize=10:"])
    c.put(4, "status", b"more than ten bytes")
    equal(c.answer(4).code, "full", "the answer where not even the ledger can grow")
    t.run(["prlimit", "--pid", str(r.process.pid), "--fsize=2097152:"])

    def is_stored():  # within a second, if the ledger had a mark to write meanwhile
        number = 5 + len(c.history)
        c.put(number, "status", b"as before")
        return c.answer(number).verb == "STORED"
    until(is_stored, 10, "an item that is taken as before")
    c.quit()


@test
def item_above_the_size_limit_of_files_is_not_added_and_others_are(t):
    q = Queue(t, servers=["127.0.0.1:1"])
    paths = []
    for name, size in (("a", 10), ("b", 3000000), ("c", 20)):
        paths.append(os.path.join(q.folder, name))
        with open(paths[-1], "wb") as file:
            file.write(t.bytes(size))
    done = t.run(["prlimit", "--fsize=2000000", INBOXQ, "add", "-c", q.conf, "-i", "status",
                  *paths])
    equal((done.returncode, done.stdout), (66, "1\n2\n"), "exit code and numbers")
    contains(done.stderr, "b: cannot write to the spool: File too large")


@test
def few_descriptors_make_connections_wait(t):
    r = t.receiver({"limits": {"connections": "100"}}, start=False)
    r.start(wrap=["prlimit", "--nofile=70:70"])
    crowd = [socket.create_connection(r.address) for _ in range(90)]
    until(lambda: "event=accept_failed" in r.log(), 10, "the last descriptor")
    for one in crowd:
        one.close()
    c = r.client(hello=t.queue(), timeout=bound(20))
    c.put(1, "status", b"there is one again")
    c.stored(1)
    c.quit()


@test
def receiver_without_a_thread_for_its_log_serves_all_the_same(t):
    # The first is the lock of main's mailbox.
    r = t.receiver(env={**SHIMMED, "FAULT": "pthread_create:2:EAGAIN:once"})
    contains(r.log(), "warning event=log_without_thread ")
    c = r.client(hello=t.queue())
    c.put(1, "status", b"as ever")
    c.stored(1)
    c.quit()


@test
def thread_that_cannot_be_had_is_named(t):
    if sanitizers():
        raise Skip("a sanitizer starts the threads")
    r = t.receiver(start=False)
    said_so = set()
    for n in range(3, 60):
        r.start(wait=False, env={**SHIMMED, "FAULT_SCOPE": "program",
                                 "FAULT": "pthread_create:%d:EAGAIN:once" % n})
        until(lambda: r.process.poll() is not None or "event=ready" in r.log(here=True), 30)
        # Of those that only help it can do without.
        r.stop() if r.process.poll() is None else r.wait_end(71)
        said_so |= set(re.findall(r"cannot start the (\w+) thread: Resource temp",
                                  r.log(here=True)))
        if len(said_so) == 4:
            break
    equal(said_so, {"commit", "worker", "survey", "lookout"}, "threads named")


@test
def too_few_descriptors_are_said_and_no_fault_of_the_configuration(t):
    r = t.receiver(start=False)
    q = Queue(t, servers=["127.0.0.1:1"])
    for command, what in (([INBOXD, "-c", r.conf], "descriptors are less than"),
                          ([INBOXQ, "run", "--once", "-c", q.conf], "too few descriptors")):
        for limit in (10, 24):
            done = t.run(["prlimit", "--nofile=%d:%d" % (limit, limit), *command])
            equal(done.returncode, 71, "exit code of %r: %s" % (command, done.stderr))
            contains(done.stderr, what)


@test
def memory_that_ends_in_the_middle_loses_nothing(t):
    """It goes on, or ends with the code for that; each item that was acknowledged is there."""
    if sanitizers():
        raise Skip("a sanitizer needs all addresses")
    r = t.receiver()
    with open("/proc/%d/statm" % r.process.pid, encoding="ascii") as file:
        size = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    t.run(["prlimit", "--pid", str(r.process.pid), "--as=%d" % (size + (1 << 20))])
    clients = []
    with contextlib.suppress(Closed, OSError, AssertionError):
        for n in range(200):
            clients.append(r.client(hello=t.queue(), timeout=5))
            for k in range(1, 20):
                clients[-1].put(k, "status", t.bytes(20000))
            clients[-1].flow(0.01)
    # What is asked of it from here on is no trial of it.
    t.run(["prlimit", "--pid", str(r.process.pid), "--as=unlimited"])
    time.sleep(0.2)
    if r.process.poll() is not None:
        r.wait_end(71)
        contains(r.log(), "exit=71")
        r.start()
    r.consumed = True  # answers may have been lost
    r.check_disk()


# ---- signals, descriptors, environment, folders

@test
def blocked_signals_are_unblocked(t):
    r = t.receiver(start=False)
    blocked = ["python3", "-c", "import os, signal, sys\n"
               "signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())\n"
               "for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):\n"
               "    signal.signal(number, signal.SIG_IGN)\n"
               "os.execv(sys.argv[1], sys.argv[1:])"]
    r.start(wrap=blocked)
    r.process.send_signal(signal.SIGHUP)
    r.wait_log("event=reloaded")
    q = Queue(t, r)
    log = open(os.path.join(q.folder, "log"), "ab")
    t.closing.append(log)
    run = t.spawn([*blocked, INBOXQ, "run", "-c", q.conf], stderr=log)
    until(lambda: "event=started" in said(q))
    run.send_signal(signal.SIGHUP)
    until(lambda: "event=reloaded" in said(q))
    run.send_signal(signal.SIGTERM)
    equal(run.wait(bound(20)), 0, "exit code of inboxq run")
    r.stop()


@test
def closed_descriptors_are_given_to_no_other_file(t):
    """What is said into the void is not said into an item, the ledger or a socket."""
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    r = t.receiver(start=False)
    r.start(wait=False, wrap=closed)
    until(lambda: os.path.exists(r.socket))
    until(lambda: r.get("/healthz")[0] == 200)
    with open("/proc/net/tcp", encoding="ascii") as file:
        inodes = {os.readlink(path) for path in
                  glob.glob("/proc/%d/fd/*" % r.process.pid) if os.path.exists(path)}
        ports = [int(line.split()[1].split(":")[1], 16) for line in file.readlines()[1:]
                 if "socket:[%s]" % line.split()[9] in inodes and line.split()[3] == "0A"]
    r.port = ports[0]
    for fd in ("0", "1", "2"):
        equal(os.readlink("/proc/%d/fd/%s" % (r.process.pid, fd)), "/dev/null", "descriptor " + fd)
    q = Queue(t, r)
    path = os.path.join(q.folder, "item")
    with open(path, "wb") as file:
        file.write(b"as it was")
    done = t.run([*closed, INBOXQ, "add", "-c", q.conf, "-i", "status", path])
    equal(done.returncode, 74, "add that cannot tell the number")
    done = t.run([*closed, INBOXQ, "add", "-c", q.conf, "-i", "status"])
    equal(done.returncode, 66, "add of a standard input that is closed")
    equal(q.numbers(), [1], "queue/")
    done = t.run([*closed, INBOXQ, "run", "--once", "-c", q.conf])
    equal(done.returncode, 0, "run")
    all_there(r, [b"as it was"])
    assert t.run([*closed, r.ctl, "status", "-s", r.socket]).returncode != 0
    assert r.metric("inboxd_log_lines_lost_total") > 0, "lines are lost and not counted"


ODD = {"EVENT_NOEPOLL": "1", "EVENT_NOPOLL": "1", "EVENT_NOSELECT": "1", "EVENT_SHOW_METHOD": "1",
       "JOURNAL_STREAM": "x" * 5000, "NOTIFY_SOCKET": "relative", "WATCHDOG_USEC": "-1",
       "WATCHDOG_PID": "", "LISTEN_FDS": "9", "LANG": "xx_YY.nonsense", "LC_ALL": "\xff",
       "TZ": ":/nothing", "HOME": "", "PATH": "", "POSIXLY_CORRECT": "1", "TMPDIR": "/nothing"}


@cases([("empty", {}), ("odd", ODD)])
def environment_changes_nothing(t, environment):
    r = t.receiver(start=False)
    values = ["%s=%s" % pair for pair in environment.items()]
    r.start(wrap=["/usr/bin/env", "-i", *values])
    q = Queue(t, r)
    [number] = q.add("status", b"as ever")
    done = t.run(["/usr/bin/env", "-i", *values, INBOXQ, "run", "-c", q.conf, "--once"])
    equal((done.returncode, number), (0, 1), "exit code and number; " + done.stderr)
    all_there(r, [b"as ever"])


@test
def root_and_spool_may_be_links_and_nothing_below(t):
    r = t.receiver(start=False)
    real = os.path.join(r.folder, "elsewhere")
    os.rename(r.root, real)
    os.symlink(real, r.root)
    r.start()
    q = Queue(t, r)
    os.mkdir(os.path.join(q.folder, "elsewhere"), 0o700)
    os.symlink("elsewhere", q.spool)
    q.add("status", b"by links")
    q("run", "--once")
    all_there(r, [b"by links"])
    r.check()
    r.stop()
    for top, name, command, code in (
            (q.spool, "queue", [INBOXQ, "add", "-c", q.conf, "-i", "status", q.conf], 73),
            (r.root, "ledger", [INBOXD, "-c", r.conf], 78),
            (r.root, "status", [INBOXD, "-c", r.conf], 78)):
        os.rename(os.path.join(top, name), os.path.join(top, "aside"))
        os.symlink("aside", os.path.join(top, name))
        done = t.run(command)
        equal(done.returncode, code, "exit code of %r: %s" % (command, done.stderr))
        contains(done.stderr, "symbolic link")
        os.unlink(os.path.join(top, name))
        os.rename(os.path.join(top, "aside"), os.path.join(top, name))


# ---- a /proc that shows less

def with_boot_id(t, text):
    """A command that runs another one where the system's boot id reads so."""
    path = os.path.join(t.folder, "boot-id-%d" % len(os.listdir(t.folder)))
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    wrap = ["unshare", "-m", "--propagation", "private", "sh", "-c",
            'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"', path]
    if not shutil.which("unshare") or t.run([*wrap, "true"]).returncode:
        raise Skip("no mount namespace of its own is to be had here")
    return wrap


def part_after_a_kill(t, before, after):
    """From where a large item goes on whose receiver was killed, the boot id being so."""
    r = t.receiver(start=False)
    r.start(wrap=before)
    queue, data = t.queue(), t.bytes(2 << 20)
    c = r.client(hello=queue)
    c.announce(1, "status", data, verb="OPEN")
    equal(c.answer(1).offset, 0)
    for at in range(0, 1 << 20, 262144):
        c.send(b"DATA 1 %d 262144\n" % at + data[at:at + 262144])
    part = glob.glob(os.path.join(r.root, "status", "tmp", "part-*"))
    until(lambda: [os.path.getsize(p) for p in glob.glob(
        os.path.join(r.root, "status", "tmp", "part-*"))] >= [1 << 20], 10, part)
    r.kill()
    r.start(wrap=after)
    c = r.client(hello=queue)
    c.announce(1, "status", data, verb="OPEN")
    return c.answer(1).offset, r.log()


ONE, OTHER = "%s\n" % uuid.UUID(int=1), "%s\n" % uuid.UUID(int=2)


@cases([("the same", ONE, ONE, 0), ("another", ONE, OTHER, 1 << 20), ("hidden", "", "", 0),
        ("hidden at first", "", ONE, 0), ("hidden later", ONE, "", 0)])
def part_of_a_large_item_stays_after_a_reboot_alone(t, before, after, offset):
    found, log = part_after_a_kill(t, with_boot_id(t, before), with_boot_id(t, after))
    equal(found, offset, "where it goes on")
    equal("event=boot_unknown" in log, "" in (before, after), "boot_unknown in the log")


@test
def unit_leaves_the_boot_id_visible(t):
    with open(os.path.join(os.path.dirname(__file__), "../../contrib/systemd/inboxd.service"),
              encoding="utf-8") as file:
        assert not re.search(r"^ProcSubset=pid", file.read(), re.M)
    del t


if __name__ == "__main__":
    main()
