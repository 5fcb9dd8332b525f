# SPDX-License-Identifier: ISC
"""A hot folder with its `inboxq watch`, for the tests that look at that."""

import contextlib
import os
import re
import signal
import subprocess

from copyqueue import Queue
from harness import COMPLAINTS, INBOXQ, LOG_LINE, SHIMMED, bound, equal, until

HEADER = 1024
OWN = ".inboxq"


class Hot:
    """One hot folder, and the queue that it fills."""

    command = "watch"
    defaults = {"settle": "1s"}

    def __init__(self, t, q=None, folder=None, **keys):
        self.t = t
        self.q = q or Queue(t, servers=["127.0.0.1:1"])
        self.folder = folder or os.path.join(
            self.q.folder, "hot%d" % len(os.listdir(self.q.folder)))
        os.makedirs(self.folder, exist_ok=True)
        self.keys = {**self.defaults, **keys}
        self.log_path = os.path.join(self.q.folder, self.command + ".log")
        self.process = None
        self.mark = 0
        self.configure(self)

    def configure(self, *hot):
        """The sections of these folders, in place of what stood there."""
        with open(self.q.conf, encoding="ascii") as file:
            text = file.read().split("[watch")[0]
        for i, one in enumerate(hot):
            text += "[watch w%d]\nfolder = %s\ninbox = status\n" % (i, one.folder)
            text += "".join("%s = %s\n" % pair for pair in one.keys.items())
        with open(self.q.conf, "w", encoding="ascii") as file:
            file.write(text)

    # ---- the process

    def start(self, faults="", wait=True, arm=None, arguments=(), env=None, program=INBOXQ,
              **how):
        env = {**os.environ, "TZ": "UTC", **(env or {})}
        if faults:
            env.update(SHIMMED, FAULT=faults, FAULT_SCOPE="program", LSAN_OPTIONS="exitcode=0")
        if arm:
            env["FAULT_ARM"] = arm
        self.mark = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        log = open(self.log_path, "ab")  # closed with the test's folder
        self.t.closing.append(log)
        self.process = self.t.spawn(
            [program, self.command, "-c", self.q.conf, *arguments], stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, env=env, **how)
        if wait:
            self.wait_log(r"event=%s_began\b" % self.command)
        return self

    def stop(self, expect=0):
        self.process.send_signal(signal.SIGTERM)
        equal(self.process.wait(bound(20)), expect, "exit code of " + self.command)
        self.process = None
        self.log()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def log(self):
        """What it said since its last start."""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            file.seek(self.mark)
            text = file.read()
        for word in COMPLAINTS:
            assert word not in text, text
        for line in text.splitlines()[:-1]:
            assert LOG_LINE.fullmatch(line), line
        return text

    def wait_log(self, pattern, seconds=10):
        return until(lambda: re.search(pattern, self.log()), seconds, "log: " + pattern)

    # ---- files

    def path(self, name):
        return os.path.join(self.folder, name)

    def put(self, name, data, way="write"):
        if way == "rename":
            self.put(".draft", data)
            os.rename(self.path(".draft"), self.path(name))
            return
        with open(self.path(name), "wb") as file:
            file.write(data)

    def left(self):
        """The names in the folder but our own, and what is claimed."""
        names = {name for name in os.listdir(self.folder) if name != OWN}
        claims = [name for _, _, files in os.walk(self.path(OWN)) for name in files]
        return names, sorted(name for name in claims if name != "lock")

    def is_done(self):
        """Nothing is left, and no folder of claims either."""
        return self.left() == (set(), []) and \
            os.path.exists(self.path(OWN)) and os.listdir(self.path(OWN)) == ["lock"]

    def wait_taken(self, *stay, seconds=20):
        try:
            until(lambda: self.left() == (set(stay), []), seconds)
        except AssertionError as late:
            left, claims = self.left()
            raise AssertionError("not taken in %g s: %d files (%r), %d claims\n%s" % (
                seconds, len(left), sorted(left)[:5], len(claims), self.log()[-3000:])) from late

    def items(self):
        """What is queued or set aside: {number: (name, bytes, claim)}."""
        found = {}
        for part in ("queue", "failed"):
            if not os.path.exists(os.path.join(self.q.spool, part)):
                continue
            for n in self.q.numbers(part):
                with contextlib.suppress(FileNotFoundError), \
                        open(os.path.join(self.q.spool, part, "%020d" % n), "rb") as file:
                    header = file.read(HEADER).decode().split()
                    keys = dict(word.split("=", 1) for word in header if "=" in word)
                    found[n] = (unescape(keys["name"]), file.read(), keys.get("claim"))
        return found

    def equal_items(self, want):
        """Each of {name: bytes} is queued once, and nothing else."""
        found = sorted((name, data) for name, data, _ in self.items().values())
        want = sorted((name.encode() if isinstance(name, str) else name, data)
                      for name, data in want.items())
        equal([(name, len(data)) for name, data in found],
              [(name, len(data)) for name, data in want], "items")
        assert found == want, "bytes of the items"


def unescape(text):
    return re.sub(rb"%([0-9A-F]{2})", lambda m: bytes([int(m.group(1), 16)]), text.encode())
