#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What programs are started in: who reads their log, which descriptors, limits and signals they
inherit, what the environment and /proc say."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time

from copyqueue import Queue, run_in_background, said
from harness import INBOXD, INBOXQ, Skip, bound, contains, equal, main, test, until


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
             ' warning event=connect_failed address=255.255.255.255:1 error="')


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


if __name__ == "__main__":
    main()
