# SPDX-License-Identifier: ISC
"""One inboxq with its spool, for the tests that look at the client's side."""

import json
import os
import signal
import socket
import subprocess
import threading

from client import sha256
from harness import COMPLAINTS, LOG_LINE, INBOXQ, bound, equal, file_digest

SET_ASIDE = 65
TEMPFAIL = 75


class Queue:
    """One inboxq with its spool."""

    def __init__(self, t, *receivers, who="pc1.example.org", servers=None, offer_again=None,
                 **server_keys):
        self.t = t
        self.pair = t.pki.client(who)
        self.folder = os.path.join(t.folder, "q%d" % len(os.listdir(t.folder)))
        os.mkdir(self.folder, 0o700)
        self.spool = os.path.join(self.folder, "spool")
        self.conf = os.path.join(self.folder, "inboxq.conf")
        self.keys = {"connect-timeout": "5s", "retry-min": "1s", "retry-max": "1s", **server_keys}
        self.offer_again = offer_again
        self.point_at(*receivers, servers=servers)

    def point_at(self, *receivers, servers=None):
        for r in receivers:
            r.others = True
        servers = servers or ["127.0.0.1:%d" % r.port for r in receivers]
        lines = ["[queue]", "spool = " + self.spool]
        lines += ["offer-again = " + self.offer_again] if self.offer_again else []
        lines += ["[server]", "servers = " + " ".join(servers)]
        lines += ["%s = %s" % pair for pair in self.keys.items()]
        lines += ["[tls]", "certificate = " + self.pair.cert, "key = " + self.pair.key,
                  "ca = " + self.t.pki.ca.cert, "[log]", "level = debug", "format = plain"]
        with open(self.conf, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")

    def __call__(self, command, *arguments, expect=0, stdin=None, timeout=60):
        done = self.t.run([INBOXQ, command, "-c", self.conf, *arguments], timeout=timeout,
                          stdin=stdin)
        if expect is not None and done.returncode != expect:
            raise AssertionError("inboxq %s: want exit code %d, got %d\n%s\n%s" % (
                command, expect, done.returncode, done.stdout, done.stderr))
        return done

    def add(self, inbox, *contents):
        """Adds items from files; returns {number: bytes}."""
        paths = []
        for i, content in enumerate(contents):
            paths.append(os.path.join(self.folder, "file%d.txt" % i))
            with open(paths[-1], "wb") as file:
                file.write(content)
        done = self("add", "-i", inbox, *paths)
        numbers = [int(n) for n in done.stdout.split()]
        equal(len(numbers), len(contents), "numbers printed")
        for path in paths:
            os.unlink(path)
        return dict(zip(numbers, contents))

    def numbers(self, part="queue"):
        return sorted(int(name) for name in os.listdir(os.path.join(self.spool, part))
                      if name.isdigit())

    def id(self):
        with open(os.path.join(self.spool, "queue-id"), encoding="ascii") as file:
            return file.read().strip()

    def status(self):
        return json.loads(self("status", "--json").stdout)

    def sent_log(self):
        with open(os.path.join(self.spool, "sent.log"), encoding="ascii") as file:
            return [line.split(" ") for line in file.read().splitlines()]


def all_there(r, items, inbox="status"):
    """Every item lies in new/ exactly once."""
    found = sorted(file_digest(r.path(inbox, name)) for name in r.files(inbox))
    equal(found, sorted(sha256(data) for data in items), "digests of the files in new/")


def run_in_background(t, q, *arguments, env=None):
    log = open(os.path.join(q.folder, "log"), "ab")  # closed with the test's folder
    t.closing.append(log)
    return t.spawn([INBOXQ, "run", "-c", q.conf, *arguments], stdin=subprocess.DEVNULL,
                   stdout=log, stderr=log, env={**os.environ, **(env or {})})


def said(q):
    with open(os.path.join(q.folder, "log"), encoding="utf-8", errors="replace") as file:
        text = file.read()
    for word in COMPLAINTS:
        assert word not in text, text
    for line in text.splitlines()[:-1]:
        assert LOG_LINE.fullmatch(line) or " items, " in line, line
    return text


def end_run(run, q):
    """Stops inboxq run."""
    run.send_signal(signal.SIGTERM)
    equal(run.wait(bound(20)), 0, "exit code; " + said(q))


def cpu(process):
    """Seconds of processor time so far."""
    with open("/proc/%d/stat" % process.pid, encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Listener:
    """A socket that takes connections, counts them, and does `then` with each."""

    def __init__(self, t, then=None):
        self.then = then or (lambda sock: None)
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(16)
        self.port = self.socket.getsockname()[1]
        self.connections = 0
        self.kept = []
        self.others = True
        threading.Thread(target=self.run, daemon=True).start()
        t.closing.append(self.socket)

    def run(self):
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            self.kept.append(sock)
            self.then(sock)
