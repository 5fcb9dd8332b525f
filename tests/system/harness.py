# SPDX-License-Identifier: ISC
"""Starts the real programs in a temporary folder and holds them to what is true of every test.

A test is a function marked @test, named for the promise it holds; it gets a
Test.  When it ends, each of its receivers is asked over its status socket and
looked at on the disk (Receiver.check) before it is stopped:

  offered = stored + again + later + refused + cut off + in flight;
  what was acknowledged becomes visible without anybody's help, and tmp/ is empty then;
  each STORED that a client saw is a file of that name in new/ with those bytes;
  as many files lie in new/ as the receiver counted stored;
  SIGTERM ends it with exit code 0, and no sanitizer had a word to say;
  each line of its log can be taken apart: event=NAME KEY=VALUE KEY="VALUE" ...

An item is visible a moment after its STORED.  What looks into the folders of a receiver that
runs waits for that moment (files(), read(), path()), but with now=True.

Output is TAP.  A failure shows the traceback and the whole log.  TEST_SEED sets
the seed, TEST_ONLY (names, split by commas) picks some.
"""

import contextlib
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

from client import Client, context
from pki import Pki

TOP_BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
INBOXD = os.path.join(TOP_BUILD, "src/inboxd/inboxd")
INBOXQ = os.path.join(TOP_BUILD, "src/inboxq/inboxq")
INBOXCTL = os.path.join(TOP_BUILD, "src/inboxctl/inboxctl")
SHIM = os.path.join(TOP_BUILD, "tests/fault/shim.so")
CLOCK = os.path.join(TOP_BUILD, "tests/fault/clock.so")
SHIMMED = {"LD_PRELOAD": SHIM, "ASAN_OPTIONS": "verify_asan_link_order=0"}  # an environment
SEED = int(os.environ.get("TEST_SEED") or random.SystemRandom().randrange(1 << 32))
COMPLAINTS = ("ERROR: AddressSanitizer", "runtime error:", "WARNING: ThreadSanitizer",
              "LeakSanitizer")
SANITIZERS = {"address": b"__asan_init", "thread": b"__tsan_init", "undefined": b"__ubsan_"}


LOG_LINE = re.compile(r'(<[0-7]>|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [a-z]+ )event=[a-z_]+'
                      r'( [a-z_]+=("[^"\\]*"|[^ "\\]*))*( ?\.\.\. cut=\d+)?')


class Skip(Exception):
    """What a test needs is not here; it says what."""


class Late(Exception):
    """A test took too long."""


def sanitizers():
    """Which sanitizers inboxd was built with."""
    if not hasattr(sanitizers, "found"):
        with open(INBOXD, "rb") as file:
            data = file.read()
        sanitizers.found = {name for name, mark in SANITIZERS.items() if mark in data}
    return sanitizers.found


def is_watched():
    """Was inboxd built to read or write for those who test it, where it is shut out?"""
    if not hasattr(is_watched, "found"):
        with open(INBOXD, "rb") as file:
            is_watched.found = bool(sanitizers()) or b"__gcov_" in file.read()
    return is_watched.found


def is_portable():
    """Was it built by --enable-portable, with no call that Linux alone has?"""
    with open(os.path.join(TOP_BUILD, "config.h"), encoding="ascii") as file:
        return "#define DISK_PORTABLE 1\n" in file.read()


def need_call(name):
    """Skips the test where inboxd was built without this call (--enable-portable)."""
    with open(INBOXD, "rb") as file:
        if is_portable() or b"\0" + name.encode() + b"\0" not in file.read():
            raise Skip("inboxd was built without %s" % name)
    if name == "syncfs":
        kind = subprocess.run(["stat", "-f", "-c", "%T", tempfile.gettempdir()], check=False,
                              stdout=subprocess.PIPE, text=True).stdout.strip()
        if kind in ("overlayfs", "fuseblk", "fuse", "nfs", "v9fs"):
            raise Skip("TMPDIR lies on %s, whose syncfs inboxd does not trust" % kind)


def slow():
    return 4.0 if sanitizers() else 1.0


def bound(seconds):
    """A limit for a wait; programs under a sanitizer get more."""
    return seconds * slow()


def until(check, seconds=10.0, what=None):
    """Waits until check() gives something true, and returns it."""
    limit = time.monotonic() + bound(seconds)
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() >= limit:
            raise AssertionError("did not come in %g s: %s" % (bound(seconds), what or check))
        time.sleep(0.02)


def equal(found, want, what=""):
    if found != want:
        raise AssertionError("%s: want %r, found %r" % (what or "value", want, found))


def contains(text, part, what="text"):
    if part not in text:
        raise AssertionError("%s: want %r in it, found %r" % (what, part, text))


def file_digest(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()


class Unix(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


# ---- the receiver

SETTINGS = {
    "receiver": {"listen": "127.0.0.1:0", "host": "cap1", "workers": "2", "drain": "10s",
                 "sync": "files", "journal": "4M"},
    "limits": {"forgive": "0"},
    "log": {"level": "debug", "format": "plain"},
}
INBOXES = {"status": {"clients": "*"}, "reports": {"clients": "*", "suffix": ".msg"}}


# A supervisor's part of sd_listen_fds(3), in front of a command: the sockets are 3, 4, ...
PASS = """import fcntl, os, sys
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[2].split(",")]
os.closerange(3, 100)
for at, fd in enumerate(fds):
    os.dup2(fd, 3 + at)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=sys.argv[1])
os.execvp(sys.argv[3], sys.argv[3:])
"""


def passing(passed):
    """A command that passes these (name, socket) pairs to what stands behind it."""
    if not passed:
        return []
    return [sys.executable, "-S", "-c", PASS, ":".join(name for name, _ in passed),
            ",".join(str(one.fileno()) for _, one in passed)]


class Receiver:
    """One inboxd with its root, through all its starts."""

    def __init__(self, test, sections=None, inboxes=None, make=True, env=None):
        self.test = test
        self.pki = test.pki
        self.folder = tempfile.mkdtemp(prefix="r", dir=test.folder)
        self.root = os.path.join(self.folder, "root")
        self.conf = os.path.join(self.folder, "inboxd.conf")
        self.socket = os.path.join(self.folder, "status")
        self.sections = {name: dict(keys) for name, keys in SETTINGS.items()}
        server = self.pki.server()
        if is_watched() or "LD_PRELOAD" in (env or {}):
            self.sections["receiver"]["sandbox"] = "off"
        self.sections["receiver"]["root"] = self.root
        self.sections["tls"] = {"certificate": server.cert, "key": server.key,
                                "ca": self.pki.ca.cert}
        self.sections["status"] = {"socket": self.socket}
        self.inboxes = {name: dict(keys) for name, keys in (inboxes or INBOXES).items()}
        for section, keys in (sections or {}).items():
            self.sections.setdefault(section, {}).update(keys)
        self.root = self.sections["receiver"]["root"]
        self.env = dict(env or {})
        self.process = None
        self.port = None
        self.starts = 0
        self.expect = 0        # exit code when the test is over
        self.consumed = False  # the test takes files out of new/, or kills the receiver
        self.others = False    # others than our clients send items
        self.acks = []         # (inbox, name, digest)
        self.log_path = os.path.join(self.folder, "log")
        self.write_conf()
        if make:
            self.make()

    def write_conf(self, extra=""):
        lines = []
        for section, keys in self.sections.items():
            lines.append("[%s]" % section)
            lines += ["%s = %s" % pair for pair in keys.items() if pair[1] is not None]
        for name, keys in self.inboxes.items():
            lines.append("[inbox %s]" % name)
            lines += ["%s = %s" % pair for pair in keys.items()]
        with open(self.conf, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n" + extra)

    def make(self):
        """Makes the folders."""
        run = self.run("-m")
        equal(run.returncode, 0, "inboxd -m: " + run.stderr)

    def run(self, *arguments, timeout=30, env=None):
        """Runs inboxd with our configuration and waits for its end."""
        env = {**self.env, **(env or {})}
        if arguments and os.geteuid() == 0:
            # With -m and -t it becomes the root's owner, whom LeakSanitizer cannot look into.
            env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        return self.test.run([INBOXD, "-c", self.conf, *arguments], timeout=timeout, env=env)

    def start(self, wait=True, env=None, wrap=(), stderr=None, passed=()):
        """`wrap` is a command that runs what stands behind it; `stderr` in place of the log;
        `passed`: (name, socket) pairs, as a supervisor passes them."""
        assert self.process is None
        self.starts += 1
        self.mark = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        # Where the drain's time is over, it leaves its threads as they are, on purpose.
        environment = {**os.environ, "TZ": "UTC", "TSAN_OPTIONS": "report_thread_leaks=0",
                       **self.env, **(env or {})}
        environment.pop("NOTIFY_SOCKET", None) if "NOTIFY_SOCKET" not in (env or {}) else None
        handles = [one.fileno() for _, one in passed]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*wrap, *passing(passed), INBOXD, "-c", self.conf],
                                            stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=stderr or log, env=environment,
                                            pass_fds=handles)
        if wait:
            self.wait_log(r"event=ready\b", 30)
            self.port = int(re.search(r"event=listening [^\n]*address=\S+:(\d+)",
                                      self.log(here=True)).group(1))
        return self

    @property
    def ctl(self):
        return INBOXCTL

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def log(self, here=False):
        """What it logged; `here`: since its last start."""
        with open(self.log_path, "rb") as file:
            file.seek(self.mark if here else 0)
            return file.read().decode("utf-8", "replace")

    def wait_log(self, pattern, seconds=10):
        """Waits for a line since the last start that matches."""
        def look():
            found = re.search(pattern, self.log(here=True))
            if not found and self.process and self.process.poll() is not None:
                found = re.search(pattern, self.log(here=True))
                if not found:
                    raise AssertionError("inboxd ended with %d, and no %r in its log" % (
                        self.process.returncode, pattern))
            return found
        return until(look, seconds, "log: " + pattern)

    # ---- clients

    def client(self, who="pc1.example.org", hello=None, ctx=None, **how):
        """A connection; `hello` is (queue[, settled]) or a dict for Client.hello()."""
        ctx = ctx or self.test.client_context(who)
        connection = Client(self.address, ctx, timeout=how.pop("timeout", bound(30)),
                            on_stored=lambda *ack: self.acks.append(ack), **how)
        self.test.closing.append(connection)
        if hello is not None:
            if isinstance(hello, str):
                hello = {"queue": hello}
            connection.hello(**hello)
        return connection

    # ---- what it says of itself

    def get(self, path, patience=None, **headers):
        connection = Unix(self.socket, patience or bound(10))
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type"), answer.read().decode()
        finally:
            connection.close()

    def json(self, path):
        status, kind, body = self.get(path)
        equal(status, 200, path)
        assert kind.startswith("application/json"), kind
        return json.loads(body)

    def metrics(self):
        """{(metric, label text): value}"""
        status, _, body = self.get("/metrics")
        equal(status, 200, "/metrics")
        found = {}
        for line in body.splitlines():
            match = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? ([0-9.e+-]+)(?: \d+)?", line)
            if match:
                found[match.group(1), match.group(2) or ""] = float(match.group(3))
        return found

    def balance(self):
        """(offered, {where they went: how many}), as /status has it."""
        items = self.json("/status")["items"]
        ends = {key: sum(value.values()) if isinstance(value, dict) else value
                for key, value in items.items()}
        return ends.pop("offered"), ends

    def items(self, name, code=None):
        """How many items ended so."""
        value = self.json("/status")["items"][name]
        return value if code is None else value[code]

    def client_row(self, queue):
        """What /clients says of a queue."""
        rows = [row for row in self.json("/clients")["clients"] if row["queue"] == queue]
        equal(len(rows), 1, "rows of queue %s in /clients" % queue)
        return rows[0]

    def metric(self, name, label=""):
        return int(self.metrics().get((name, label), 0))

    def at_rest(self):
        """Waits until nothing is in flight, and all that is acknowledged is in new/ for good."""
        until(lambda: self.balance()[1]["in_flight"] == 0, 10, "in_flight to be 0")
        self.wait_published()

    def gauge(self, name):
        return self.json("/status")["gauges"]["inboxd_" + name]

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def wait_published(self, seconds=10):
        """Waits until all that is acknowledged is in new/ for good, if the receiver runs."""
        def is_done():
            try:
                return self.gauge("unpublished_items") == 0
            except OSError:
                if self.runs():
                    raise
                return True
        if self.runs():
            until(is_done, seconds, "unpublished_items to be 0")

    # ---- what lies on the disk

    def files(self, inbox, part="new", now=False):
        """What lies there once all is visible that has been acknowledged; `now`: already."""
        if part == "new" and not now:
            self.wait_published()
        return sorted(os.listdir(os.path.join(self.root, inbox, part)))

    def drafts(self, inbox):
        """What lies in tmp/, but for uploads that wait to be gone on with."""
        return [name for name in self.files(inbox, "tmp") if not name.startswith("part-")]

    def path(self, inbox, name, part="new", now=False):
        """The file's; one that is not there, nor has to come, is the caller's business."""
        path = os.path.join(self.root, inbox, part, name)
        if part == "new" and not now and not os.path.exists(path):
            self.wait_published()
        return path

    def read(self, inbox, name):
        with open(self.path(inbox, name), "rb") as file:
            return file.read()

    def check_disk(self):
        """Every ack is a file; no name was given twice; no draft lies in tmp/."""
        names = {}
        self.wait_published()
        for inbox, name, digest in self.acks:
            equal(names.setdefault((inbox, name), digest), digest, "two items named " + name)
        for (inbox, name), digest in names.items():
            path = self.path(inbox, name)
            if not os.path.exists(path):
                path = self.path(inbox, name, "cur")
            assert os.path.isfile(path), "acknowledged and not there: %s/%s" % (inbox, name)
            equal(file_digest(path), digest, "bytes of " + path)
        for inbox in self.inboxes:
            if os.path.isdir(os.path.join(self.root, inbox, "tmp")):
                until(lambda i=inbox: not self.drafts(i), 5,
                      "tmp/ of %s to be empty: %r" % (inbox, self.drafts(inbox)))

    def check(self):
        """What holds after every test; the receiver runs."""
        if self.process is None or self.process.poll() is not None:
            return
        self.at_rest()
        offered, ends = self.balance()
        equal(offered, sum(ends.values()), "offered, with %r" % ends)
        self.check_disk()
        if self.starts == 1 and not self.consumed:
            there = sum(len(self.files(inbox)) for inbox in self.inboxes)
            equal(there, ends["stored"], "files in new/")
            if self.others:
                return
            asked = {name for _, name, _ in self.acks}
            unheard = self.metric("inboxd_answers_unheard_total")
            assert len(asked) + unheard >= there, "%d files in new/ for %d acks" % (
                there, len(asked))

    # ---- the end

    def stop(self, expect=0, how=signal.SIGTERM, seconds=30):
        """Ends it and waits; its exit code must be `expect`."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.wait_end(expect, seconds)

    def wait_end(self, expect, seconds=30):
        try:
            code = self.process.wait(bound(seconds))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("inboxd did not stop in %g s" % bound(seconds)) from None
        finally:
            self.process = None
        if expect is not None:
            equal(code, expect, "exit code of inboxd")

    def kill(self):
        """As a power cut of the process: SIGKILL."""
        self.consumed = True
        self.stop(-signal.SIGKILL, signal.SIGKILL)

    def restart(self, **how):
        self.stop(**how)
        return self.start()

    def complaints(self):
        return [word for word in COMPLAINTS if word in self.log()] \
            if os.path.exists(self.log_path) else []

    def riddles(self):
        """Lines of the log that no parser finds its way through."""
        if not os.path.exists(self.log_path) or self.complaints():
            return []
        return [line for line in self.log().splitlines() if not LOG_LINE.fullmatch(line)]

    def finish(self):
        """The last check and the end, whatever the test did."""
        try:
            self.check()
        finally:
            self.stop(self.expect)
        equal(self.complaints(), [], "the sanitizer's complaints")
        equal(self.riddles(), [], "lines of the log that are not event=NAME KEY=VALUE ...")


# ---- tests

class Test:
    """What one test has: a folder, certificates, receivers, programs to run."""

    shared_receivers = {}
    queues = 0

    def __init__(self, name, folder, pki):
        self.name = name
        self.pki = pki
        self.folder = folder
        self.random = random.Random("%d %s" % (SEED, name))
        self.receivers = []
        self.used = []
        self.closing = []
        self.children = []
        self.notes = []

    def receiver(self, sections=None, inboxes=None, start=True, **how):
        """A receiver of this test alone."""
        new = Receiver(self, sections, inboxes, **how)
        self.receivers.append(new)
        return new.start() if start else new

    def shared(self, kind="plain", sections=None, inboxes=None):
        """A receiver for many tests that leave it as it was."""
        one = Test.shared_receivers.get(kind)
        if one is None or one.process is None or one.process.poll() is not None:
            one = Receiver(SHARED_TEST, sections, inboxes).start()
            Test.shared_receivers[kind] = one
        one.test = self
        if one not in self.used:
            self.used.append(one)
        return one

    def client_context(self, who, **how):
        pair = self.pki.client(who)
        return context(self.pki.ca.cert, pair.cert, pair.key, **how)

    def queue(self):
        """A queue id that no other test has."""
        return "%032x" % self.random.getrandbits(128)

    def bytes(self, size):
        return self.random.getrandbits(8 * size).to_bytes(size, "big") if size else b""

    def run(self, command, timeout=30, env=None, stdin=None, **how):
        """Runs a program to its end; text in and out."""
        environment = {**os.environ, "TZ": "UTC", **(env or {})}
        done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=bound(timeout), env=environment,
                              text=not isinstance(stdin, bytes), check=False, **how)
        err = done.stderr if isinstance(done.stderr, str) else done.stderr.decode()
        for word in COMPLAINTS:
            assert word not in err, "%s: %s" % (command, err)
        return done

    def spawn(self, command, **how):
        child = subprocess.Popen(command, **how)
        self.children.append(child)
        return child

    def note(self, text):
        self.notes.append(text)

    def end(self):
        """Closes and checks all; the first error is raised when all is done."""
        errors = []
        for thing in self.closing:
            thing.close()
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
        for receiver in self.used:
            try:
                receiver.check()
            except Exception as error:  # the rest must still be stopped
                errors.append(error)
        for receiver in self.receivers:
            try:
                receiver.finish()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]


TESTS = []
SHARED_TEST = None


def test(function):
    """Marks a test; its name is the promise it holds."""
    TESTS.append((function.__name__, function))
    return function


def cases(rows):
    """Marks a test that runs once a row: (name, argument, ...)."""
    def mark(function):
        for row in rows:
            TESTS.append(("%s: %s" % (function.__name__, row[0]),
                          lambda t, rest=row[1:]: function(t, *rest)))
        return function
    return mark


def on_alarm(_signal, _frame):
    raise Late("the test took too long")


def run_one(number, name, function, folder, pki):
    one = Test(name, tempfile.mkdtemp(prefix="t", dir=folder), pki)
    verdict, why = "ok", None
    started = time.monotonic()
    try:
        signal.alarm(int(bound(90)))
        try:
            function(one)
        finally:
            signal.alarm(int(bound(60)))
            one.end()
    except Skip as skip:
        why = "SKIP %s" % skip
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        verdict = "not ok"
        comment(traceback.format_exc())
        for receiver in one.receivers + one.used:
            if os.path.exists(receiver.log_path):
                comment("---- log of inboxd\n" + receiver.log())
            if receiver in one.used and receiver.process:
                # Whatever is wrong with it, the next test gets a new one.
                with contextlib.suppress(AssertionError):
                    receiver.stop(None)
    finally:
        signal.alarm(0)
    if time.monotonic() - started > 2:
        one.note("took %.1f s" % (time.monotonic() - started))
    for note in one.notes:
        comment(note)
    print("%s %d - %s%s" % (verdict, number, name.replace("#", "."), " # " + why if why else ""),
          flush=True)
    shutil.rmtree(one.folder, ignore_errors=True)
    return verdict == "ok"


def comment(text):
    for line in text.rstrip("\n").split("\n"):
        print("# " + line, flush=True)


def stop_shared(number):
    """The shared receivers must end well, too."""
    verdict = "ok"
    for receiver in Test.shared_receivers.values():
        try:
            receiver.finish()
        except Exception:
            verdict = "not ok"
            comment(traceback.format_exc())
            comment("---- log of inboxd\n" + receiver.log())
    print("%s %d - shared_receivers_end_with_all_accounted_for" % (verdict, number), flush=True)
    return verdict == "ok"


def main():
    global SHARED_TEST
    wanted = os.environ.get("TEST_ONLY")
    chosen = [(name, function) for name, function in TESTS
              if not wanted or any(word in name for word in wanted.split(","))]
    print("1..%d" % (len(chosen) + 1), flush=True)
    comment("seed %d (TEST_SEED=%d repeats it)" % (SEED, SEED))
    missing = [path for path in (INBOXD, INBOXQ, INBOXCTL) if not os.access(path, os.X_OK)]
    if missing:
        print("Bail out! not built: %s" % " ".join(missing), flush=True)
        sys.exit(1)
    signal.signal(signal.SIGALRM, on_alarm)
    folder = tempfile.mkdtemp(prefix="inboxd-test-")
    good = True
    try:
        pki = Pki(os.path.join(folder, "pki"))
        SHARED_TEST = Test("shared", tempfile.mkdtemp(prefix="s", dir=folder), pki)
        for number, (name, function) in enumerate(chosen, 1):
            good &= run_one(number, name, function, folder, pki)
        good &= stop_shared(len(chosen) + 1)
    finally:
        for receiver in Test.shared_receivers.values():
            if receiver.process and receiver.process.poll() is None:
                receiver.process.kill()
                receiver.process.wait()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if good else 1)
