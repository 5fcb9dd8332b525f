# SPDX-License-Identifier: ISC
"""PostgreSQL and NATS on loopback, and an inbox with its inbox-relay, for the tests of that."""

import atexit
import base64
import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

from client import sha256
from harness import COMPLAINTS, LOG_LINE, SHIMMED, TOP_BUILD, Skip, bound, equal, until

RELAY = os.path.join(TOP_BUILD, "src/inbox-relay/inbox-relay")
ROOT = "0123456789abcdef0123456789abcdef"


def need_engine(name, config):
    """Skips where inbox-relay was built without it."""
    if not os.path.exists(RELAY):
        raise Skip("there is no inbox-relay in this build")
    said = subprocess.run([RELAY, "-c", config, "-T"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=30, check=False).stdout
    if "built without it" in said:
        raise Skip("inbox-relay was built without %s" % name)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


# ---- PostgreSQL

class Postgres:
    """A server of one's own, through all its starts; it runs as nobody's superuser but ours."""

    def __init__(self):
        found = [folder for folder in (os.path.dirname(os.path.realpath(path)) for path in [
            shutil.which("initdb") or ""]) if folder]
        with contextlib.suppress(FileNotFoundError):
            found += [os.path.join("/usr/lib/postgresql", version, "bin") for version in sorted(
                os.listdir("/usr/lib/postgresql"), key=float, reverse=True)]
        found = [folder for folder in found if os.access(os.path.join(folder, "postgres"), os.X_OK)
                 and os.access(os.path.join(folder, "initdb"), os.X_OK)]
        if not found or not shutil.which("psql"):
            raise Skip("there is no PostgreSQL here")
        self.bin = found[0]
        self.folder = tempfile.mkdtemp(prefix="inboxd-pg-")
        self.as_whom = {}
        if os.geteuid() == 0:  # it refuses to be root
            for name in ("postgres", "nobody"):
                with contextlib.suppress(KeyError):
                    user = pwd.getpwnam(name)
                    os.chown(self.folder, user.pw_uid, user.pw_gid)
                    self.as_whom = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
                    break
        self.data = os.path.join(self.folder, "data")
        self.port = free_port()
        self.process = None
        self.were = {}
        done = subprocess.run([os.path.join(self.bin, "initdb"), "-D", self.data, "-U", "tester",
                               "-A", "trust", "-E", "UTF8", "--locale=C", "-N"], cwd=self.folder,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=bound(60), **self.as_whom)
        equal(done.returncode, 0, done.stdout.decode())
        self.start()

    def start(self):
        # What a kill has left of its shared memory is gone a moment later.
        def begin():
            if self.process and self.process.poll() is None and self.answers():
                return True
            if not self.process or self.process.poll() is not None:
                with open(os.path.join(self.folder, "log"), "ab") as log:
                    self.process = subprocess.Popen(
                        [os.path.join(self.bin, "postgres"), "-D", self.data, "-k", self.folder,
                         "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
                         "-c", "max_connections=20"],
                        cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                        **self.as_whom)
            return False
        until(begin, 60, "PostgreSQL to answer")

    def answers(self):
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            return self.sql("SELECT 1") == "1"
        return False

    def sql(self, text):
        done = subprocess.run(["psql", "-XAtq", "-h", self.folder, "-p", str(self.port), "-U",
                               "tester", "-v", "ON_ERROR_STOP=1", "postgres"], input=text,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=bound(30), check=False)
        if done.returncode != 0:
            raise AssertionError("%s: %s" % (text[:80], done.stderr))
        return done.stdout.strip()

    def set(self, **settings):
        """Of the whole server; None: as it was.  It is in force when this returns."""
        for key, value in settings.items():
            if value is not None:
                self.were.setdefault(key, self.sql("SHOW " + key))
            self.sql("ALTER SYSTEM %s" % ("RESET %s" % key if value is None
                                          else "SET %s = '%s'" % (key, value)))
        self.sql("SELECT pg_reload_conf()")
        for key, value in settings.items():
            wanted = self.were.pop(key, "") if value is None else value
            until(lambda k=key, v=wanted: self.sql("SHOW " + k) == v, 10, "%s = %s" % (key, value))

    def kill(self):
        """The postmaster at once, and with it all that it has started."""
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(bound(20))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connection(self, port=None):
        return "host=127.0.0.1 port=%d user=tester dbname=postgres sslmode=disable" % (
            port or self.port)

    def rows(self, table):
        """{item: bytes}; each item stands there once by the table's key."""
        rows = self.sql("SELECT item, encode(bytes, 'hex') FROM %s" % table).splitlines()
        return {name: bytes.fromhex(data) for name, data in (row.split("|") for row in rows)}


class Cutter:
    """Between relay and PostgreSQL: passes all on, but for the answers to some COMMITs, after
    which it closes both sides."""

    def __init__(self, port, lost):
        self.target, self.lost, self.cuts = port, lost, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            state = {"cut": False}
            for pair in ((client, server, True), (server, client, False)):
                threading.Thread(target=self.pump, args=(*pair, state), daemon=True).start()

    def pump(self, source, sink, is_client, state):
        begun = False
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(65536)
                if not data:
                    break
                begun |= is_client and b"inbox_relay_insert" in data
                # The first COMMIT of a connection is that of its first look.
                if is_client and self.cuts < self.lost and begun and data.count(b"COMMIT\0") and \
                        b"PREPARE" not in data and b"INSERT INTO" not in data:
                    self.cuts += 1
                    state["cut"] = True
                if not is_client and state["cut"]:
                    break
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self):
        self.listener.close()


# ---- NATS

def nats_version(path):
    said = subprocess.run([path, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=bound(20), check=False).stdout
    return tuple(int(part) for part in re.search(r"v(\d+)\.(\d+)", said).groups())


def nats_server(wanted):
    """A server program for which wanted((major, minor)): of NATS_SERVER, or where PATH has one."""
    paths = [os.environ.get("NATS_SERVER"), shutil.which("nats-server"), "/usr/sbin/nats-server"]
    for path in paths:
        if path and os.access(path, os.X_OK) and wanted(nats_version(path)):
            return path
    raise Skip("there is no such nats-server here (NATS_SERVER may name one)")


class Nats:
    """A server with JetStream, through all its starts, and a client that knows as much as the tests
    need: requests and their answers."""

    def __init__(self, folder, program=None, always=True):
        self.program = program or nats_server(lambda version: version >= (2, 10))
        self.folder = tempfile.mkdtemp(prefix="nats", dir=folder)
        self.port = free_port()
        self.conf = os.path.join(self.folder, "conf")
        with open(self.conf, "w", encoding="ascii") as file:
            file.write("listen: 127.0.0.1:%d\nmax_payload: 2MB\njetstream {\n  store_dir: %s\n%s}\n"
                       % (self.port, self.folder, "  sync_interval: always\n" if always else ""))
        self.process = None
        self.start()

    @property
    def url(self):
        return "nats://127.0.0.1:%d" % self.port

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen([self.program, "-c", self.conf],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self.answers, 30, "NATS to answer")

    def answers(self):
        with contextlib.suppress(OSError, AssertionError, ValueError):
            return "memory" in self.ask("$JS.API.INFO")
        return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.kill()

    def talk(self, requests):
        """[(subject, bytes)]; the answers' JSON, in their order."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=bound(20)) as one:
            file = one.makefile("rb")
            assert file.readline().startswith(b"INFO ")
            out = b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n'
            out += b"SUB answers.* 1\r\n"
            for i, (subject, data) in enumerate(requests):
                out += b"PUB %s answers.%d %d\r\n%s\r\n" % (subject.encode(), i, len(data), data)
            one.sendall(out)
            found = {}
            while len(found) < len(requests):
                words = file.readline().split()
                assert words, "NATS has closed"
                if words[0] in (b"MSG", b"HMSG"):
                    data = file.read(int(words[-1]) + 2)[:-2]
                    data = data[int(words[-2]):] if words[0] == b"HMSG" else data
                    found[int(words[1].split(b".")[1])] = json.loads(data) if data else {}
                elif words[0] == b"PING":
                    one.sendall(b"PONG\r\n")
        return [found[i] for i in range(len(requests))]

    def ask(self, subject, **request):
        return self.talk([(subject, json.dumps(request).encode() if request else b"")])[0]

    def stream(self, name="S", verb="CREATE", **config):
        answer = self.ask("$JS.API.STREAM.%s.%s" % (verb, name), **{
            "name": name, "subjects": ["inbox.>"], "storage": "file", "retention": "limits",
            "discard": "new", "num_replicas": 1, **config})
        assert "error" not in answer, answer
        return answer

    def messages(self, name="S"):
        """[(headers, bytes)] of all in the stream."""
        state = self.ask("$JS.API.STREAM.INFO." + name)["state"]
        if not state["messages"]:
            return []
        found = []
        for answer in self.talk([("$JS.API.STREAM.MSG.GET." + name, b'{"seq":%d}' % n) for n in
                                 range(state["first_seq"], state["last_seq"] + 1)]):
            if "message" in answer:
                message = answer["message"]
                lines = base64.b64decode(message.get("hdrs", "")).decode().split("\r\n")[1:]
                headers = dict(line.split(": ", 1) if ": " in line else line.split(":", 1)
                               for line in lines if line)
                found.append(({**headers, "subject": message["subject"]},
                              base64.b64decode(message.get("data", ""))))
        return found


# ---- the relay

class InboxRelay:
    """An inbox, of a receiver or made by hand, and its inbox-relay, through all its starts."""

    count = 0

    def __init__(self, t, engine, keys=None, folder=None, name="status", root=ROOT):
        """`engine`: {key: value} of [engine]; `keys`: {section: {key: value}} beside that."""
        InboxRelay.count += 1
        self.t = t
        self.name = name
        self.home = tempfile.mkdtemp(prefix="relay", dir=t.folder)
        self.folder = folder or os.path.join(self.home, name)
        self.conf = os.path.join(self.home, "conf")
        self.log_path = os.path.join(self.home, "log")
        self.process = None
        self.names = 0
        self.mark = 0
        for part in ("new", "cur"):
            os.makedirs(os.path.join(self.folder, part), exist_ok=True)
        self.sections = {"engine": engine, "log": {"level": "debug", "format": "plain"},
                         **(keys or {}), "inbox " + name: {"folder": self.folder}}
        if root and not folder:
            self.sections["inbox " + name]["root"] = root
        self.write_conf()

    def write_conf(self):
        with open(self.conf, "w", encoding="ascii") as file:
            for section, keys in self.sections.items():
                file.write("[%s]\n" % section)
                file.writelines("%s = %s\n" % pair for pair in keys.items())

    def run(self, *arguments, timeout=40, faults="", met=""):
        env = {**SHIMMED, "FAULT": faults, "FAULT_SCOPE": "program", "FAULT_MET": met,
               "LSAN_OPTIONS": "exitcode=0"} if faults else {}
        return self.t.run([RELAY, "-c", self.conf, *arguments], timeout=timeout, env=env)

    def start(self, faults="", wait=True, env=None):
        env = {**os.environ, "TZ": "UTC", **(env or {})}
        if faults:
            env.update(SHIMMED, FAULT=faults, FAULT_SCOPE="program", LSAN_OPTIONS="exitcode=0")
        self.mark = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = self.t.spawn([RELAY, "-c", self.conf], stdin=subprocess.DEVNULL,
                                        stdout=log, stderr=log, env=env)
        if wait:
            self.wait_log("event=engine_open")
        return self

    def stop(self, expect=0):
        self.process.send_signal(signal.SIGTERM)
        self.end(expect)

    def end(self, expect):
        equal(self.process.wait(bound(30)), expect,
              "exit code of inbox-relay: " + self.log()[-800:])
        self.process = None
        self.log()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        """What it said since its last start."""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            file.seek(self.mark)
            text = file.read()
        for word in COMPLAINTS:
            assert word not in text, text
        for line in text.splitlines()[:-1]:
            assert LOG_LINE.fullmatch(line), "no parser finds its way through: " + line
        return text

    def wait_log(self, pattern, seconds=20):
        def look():
            found = re.search(pattern, self.log())
            assert found or self.process.poll() is None, "inbox-relay ended, and no %r: %s" % (
                pattern, self.log())
            return found
        return until(look, seconds, "log: " + pattern)

    # ---- the inbox

    def path(self, name, part="new"):
        return os.path.join(self.folder, part, name)

    def put_items(self, *contents):
        """As a receiver would: {name: bytes}."""
        made = {}
        for data in contents:
            self.names += 1
            name = "20261122T141103.%06dZ-1f2e3d4c-0.%d-pc1.msg" % (self.names, self.names)
            draft = os.path.join(self.home, "draft")
            with open(draft, "wb") as file:
                file.write(data)
            os.rename(draft, self.path(name))
            made[name] = data
        return made

    def names_in(self, part):
        with contextlib.suppress(FileNotFoundError):
            return sorted(os.listdir(os.path.join(self.folder, part)))
        return []

    def there(self):
        """What has not left the inbox."""
        return sorted(set(self.names_in("new")) | set(self.names_in("cur")))

    def wait_gone(self, *stay, seconds=30):
        until(lambda: self.there() == sorted(stay), seconds,
              "new/ and cur/ to hold %r: %r" % (sorted(stay)[:5], self.there()[:5]))


# ---- the relay into either

shared = {}


def postgres():
    if "pg" not in shared:
        try:
            shared["pg"] = Postgres()
            atexit.register(shared["pg"].close)
        except Skip as skip:
            shared["pg"] = skip
    if isinstance(shared["pg"], Skip):
        raise shared["pg"]
    return shared["pg"]


def relay_into(t, table=None, port=None, engine=None, make=True, **how):
    """An inbox and its relay into a table of its own: (server, table, relay)."""
    pg = postgres()
    table = table or "items_%d" % (InboxRelay.count + 1)
    relay = InboxRelay(t, {"type": "postgresql", "timeout": "20s", **(engine or {})}, {
        "postgresql": {"connection": pg.connection(port), "table": table}}, **how)
    need_engine("postgresql", relay.conf)
    if make:
        schema = relay.run("-s")
        equal(schema.returncode, 0, schema.stderr)
        pg.sql(schema.stdout)
    return pg, table, relay


def relay_into_stream(t, nats=None, trust="sync-always", **config):
    relay = InboxRelay(t, {"type": "nats", "timeout": "10s", **({"trust": trust} if trust else {})},
                       {"nats": {"servers": "nats://127.0.0.1:1", "stream": "S"}})
    need_engine("nats", relay.conf)
    nats = nats or Nats(t.folder)
    t.closing.append(nats)
    nats.stream(**config)
    relay.sections["nats"]["servers"] = nats.url
    relay.write_conf()
    return nats, relay


def by_key(nats):
    """{item: bytes}, each once by its key."""
    found = {}
    for headers, data in nats.messages():
        equal(headers["Nats-Msg-Id"], "/".join(
            headers["Inbox-" + key] for key in ("Root", "Item", "Sha256")))
        equal(headers["Inbox-Sha256"], sha256(data))
        assert headers["Inbox-Item"] not in found, "twice: " + headers["Inbox-Item"]
        found[headers["Inbox-Item"]] = data
    return found
