#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What is in force and what lies on the disk: told apart, and rotated under load."""

import os
import re
import shutil
import threading

from client import Client
from harness import bound, contains, equal, main, sanitizers, test, until


def install(path, source):
    """As careful tools do: beside it, then by a rename."""
    shutil.copy(source, path + ".new")
    os.rename(path + ".new", path)


def own_files(t, **tls):
    """The files of [tls] as copies that a test may put others in the place of."""
    folder = os.path.join(t.folder, "tls")
    os.mkdir(folder, 0o700)
    found = {key: os.path.join(folder, key) for key in tls}
    for key, source in tls.items():
        shutil.copy(source, found[key])
    return found


def reload(t, r):
    return t.run([r.ctl, "-s", r.socket, "reload"])


# ---- the file on the disk is not what is in force

@test
def files_that_are_not_in_force_are_told(t):
    server = t.pki.server()
    files = own_files(t, certificate=server.cert, key=server.key, ca=t.pki.ca.cert,
                      crl=t.pki.crl("nobody.example.org"))
    r = t.receiver({"tls": files})

    def told():
        found = r.json("/status")["reload"]
        equal(found["differs"], found["files"] != [])
        equal(r.gauge("files_differ"), len(found["files"]), "the gauge")
        return found["files"]

    def logged():
        return re.findall(r"event=(files_differ|files_in_force)\b", r.log())
    equal(r.json("/status")["reload"], {"differs": False, "files": [], "error": None, "at": None})
    # Touched, or replaced by what says the same, is no difference; another content is.
    os.utime(files["crl"])
    install(files["ca"], t.pki.ca.cert)
    equal(told(), [])
    equal(logged(), [])
    other = t.pki.server("renewed")
    install(files["certificate"], other.cert)
    equal(told(), [files["certificate"]])
    install(files["key"], other.key)
    equal(told(), [files["certificate"], files["key"]])
    equal(logged(), ["files_differ"])
    contains(r.log(), "event=files_differ count=1 file=\"%s\"" % files["certificate"])
    install(files["certificate"], server.cert)
    install(files["key"], server.key)
    equal(told(), [])
    equal(logged(), ["files_differ", "files_in_force"])
    # One that is gone: a start would fail.
    os.rename(files["crl"], files["crl"] + ".away")
    equal(told(), [files["crl"]])
    os.rename(files["crl"] + ".away", files["crl"])
    equal(told(), [])


@test
def reload_that_is_refused_leaves_it_told_and_one_that_is_taken_ends_it(t):
    r = t.receiver()

    def status():
        return r.json("/status")["reload"]
    r.sections["limits"]["window"] = "33"
    r.sections["tls"]["key"] = t.pki.server("other").key
    r.write_conf()
    equal(reload(t, r).returncode, 78)
    found = status()
    equal((found["files"], found["at"]), ([r.conf], None))
    contains(found["error"], "is not the key of")
    until(lambda: r.metric("inboxd_files_differ") == 1, 10, "the gauge in /metrics")
    r.sections["tls"]["key"] = t.pki.server().key
    r.write_conf()
    equal(status()["files"], [r.conf])
    equal(reload(t, r).returncode, 0)
    found = status()
    equal((found["differs"], found["files"], found["error"]), (False, [], None))
    assert abs(found["at"] - r.json("/status")["now"]) < 60, found
    equal(r.gauge("files_differ"), 0)
    # The file that is in force now is the one that is looked at.
    r.sections["limits"]["window"] = "34"
    r.write_conf()
    equal(status()["files"], [r.conf])


# ---- everything rotated, under load

ROTATIONS = int(os.environ.get("ROTATIONS") or 20)
SENDERS = 3
GROWTH = 8 << 20  # bytes that memory may grow by, once all has been seen twice


class Load(threading.Thread):
    """Sends items until it is told to stop; `failed` is what went wrong."""

    def __init__(self, r, queue, who):
        super().__init__(daemon=True)
        self.r, self.queue, self.who = r, queue, who
        self.ctx = r.test.client_context(who)  # made here: Pki is one thread's
        self.sent = 0
        self.failed = None
        self.stopping = threading.Event()

    def run(self):
        try:
            self.work()
        except Exception as error:  # any: the test tells it
            self.failed = "%s after %d items: %r" % (type(self).__name__, self.sent, error)

    def send(self, c, data):
        self.sent += 1
        c.put(self.sent, ("status", "reports")[self.sent % 2], data)
        c.stored(self.sent)

    def end(self):
        self.stopping.set()
        self.join(bound(30))
        assert not self.is_alive(), "it hangs"


class Stays(Load):
    """On one connection that lives through all of it."""

    def work(self):
        c = self.r.client(self.who, hello=self.queue, ctx=self.ctx)
        while not self.stopping.is_set():
            self.send(c, b"%d of one that stays" % self.sent)
            c.settled(self.sent + 1)
            self.stopping.wait(0.002)
        c.quit()


class Comes(Load):
    """A connection for each item: none may be refused."""

    def work(self):
        while not self.stopping.is_set():
            c = Client(self.r.address, self.ctx, timeout=bound(30),
                       on_stored=lambda *ack: self.r.acks.append(ack))
            c.hello(self.queue, settled=self.sent + 1)
            self.send(c, b"%d of one that comes" % self.sent)
            c.quit()


class Victim(Load):
    """Its certificate is revoked amid all this: it is told so, and may not come again."""

    def work(self):
        c = self.r.client(self.who, hello=self.queue, ctx=self.ctx)
        self.line = None
        while self.line is None and not self.stopping.is_set():
            self.sent += 1
            c.put(self.sent, "status", b"%d of one that is to go" % self.sent)
            self.line = self.wait(c)
        c.wait_close()

    def wait(self, c):
        """None: the item is stored; else the ERROR."""
        while True:
            line = c.line()
            if line is None or line.verb == "ERROR":
                return line or "closed"
            if line.verb == "STORED":
                return None


def resident(r):
    with open("/proc/%d/status" % r.process.pid, encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) * 1024


class Rotation:
    """What is put in place, one after another."""

    def __init__(self, t, r, files):
        self.t, self.r, self.files = t, r, files
        self.pairs = [t.pki.server(name) for name in ("first", "second", "third")]
        self.lists = [t.pki.crl("nobody%d.example.org" % i) for i in range(2)]
        self.revoked = t.pki.crl("victim.example.org")
        self.other_ca = t.pki.other_ca().cert
        self.extra = {}

    def bundle(self, i):
        """The CA, and in some turns a second one, whose lists nobody has: then there is none."""
        with open(self.t.pki.ca.cert, encoding="ascii") as one, \
                open(self.other_ca, encoding="ascii") as other:
            text = "# bundle %d\n" % i + one.read() + (other.read() if i % 5 == 4 else "")
        path = os.path.join(self.r.folder, "bundle")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def turn(self, i, revoke):
        """Everything at once; what it must say afterwards."""
        pair = self.pairs[i % len(self.pairs)]
        install(self.files["certificate"], pair.cert)
        install(self.files["key"], pair.key)
        install(self.files["ca"], self.bundle(0 if revoke else i))
        install(self.files["crl"], self.revoked if revoke else self.lists[i % 2])
        with_list = revoke or i % 5 != 4
        self.r.sections["tls"]["crl"] = self.files["crl"] if with_list else None
        self.r.sections["limits"]["window"] = str(100 + i)
        self.r.inboxes.pop("extra%d" % (i - 2), None)
        self.r.inboxes["extra%d" % i] = {"size": "%dK" % (1 + i)}
        self.r.write_conf()
        self.r.make()

    def spoil(self, i):
        """One of the things that make a reload be refused; its opposite, and what is said."""
        which = i % 4
        if which == 0:
            good = self.pairs[i % len(self.pairs)].key
            install(self.files["key"], self.pairs[(i + 1) % len(self.pairs)].key)
            return lambda: install(self.files["key"], good), "is not the key of"
        if which == 1:
            self.r.write_conf("[nonsense]\nkey = value\n")
            return self.r.write_conf, "unknown"
        if which == 2:
            self.r.inboxes["absent"] = {}
            self.r.write_conf()

            def mend():
                del self.r.inboxes["absent"]
                self.r.write_conf()
            return mend, "absent"
        good = os.path.join(self.r.folder, "ca.good")
        shutil.copy(self.files["ca"], good)
        with open(self.files["ca"] + ".half", "w", encoding="ascii") as file:
            file.write("-----BEGIN CERTIFICATE-----\nMIIB\n")
        os.rename(self.files["ca"] + ".half", self.files["ca"])
        return lambda: install(self.files["ca"], good), self.files["ca"]


def rotate(t, r, rotation, loads, victim):
    """Turns all, `ROTATIONS` times; memory in use after a quarter of them, and at the end."""
    before = None
    for i in range(ROTATIONS):
        rotation.turn(i, revoke=i >= ROTATIONS // 2)
        if i % 3 == 2:
            mend, reason = rotation.spoil(i)
            done = reload(t, r)
            equal(done.returncode, 78, "turn %d: %s" % (i, done.stderr))
            contains(done.stderr, reason)
            assert r.json("/status")["reload"]["files"], "turn %d: nothing differs" % i
            mend()
        done = reload(t, r)
        equal(done.returncode, 0, "turn %d: %s" % (i, done.stderr))
        equal(r.json("/status")["reload"]["files"], [], "turn %d" % i)
        c = r.client("looks.example.org", hello=rotation.queue)
        equal(c.ready.window, 100 + i)
        c.put(i + 1, "extra%d" % i, b"x")
        c.stored(i + 1)
        c.settled(i + 2)
        c.quit()
        equal([load.failed for load in loads if load.failed], [], "turn %d" % i)
        if i == ROTATIONS // 4:
            before = resident(r)
    victim.join(bound(30))
    return before, resident(r)


@test
def everything_is_rotated_under_load_and_nothing_is_lost(t):
    server = t.pki.server()
    files = own_files(t, certificate=server.cert, key=server.key, ca=t.pki.ca.cert,
                      crl=t.pki.crl("nobody.example.org"))
    r = t.receiver({"tls": files, "log": {"level": "info"}})
    r.consumed = True  # inboxes go, with what is in them
    rotation = Rotation(t, r, files)
    rotation.queue = t.queue()
    victim = Victim(r, t.queue(), "victim.example.org")
    loads = [Stays(r, t.queue(), "stays%d.example.org" % i) for i in range(SENDERS)]
    loads.append(Comes(r, t.queue(), "comes.example.org"))
    for load in [victim, *loads]:
        load.start()
    try:
        before, after = rotate(t, r, rotation, loads, victim)
    finally:
        for load in [victim, *loads]:
            load.end()
    t.note("%d rotations: %d items of %d that stay, %d connections more; memory %d KiB, then "
           "%d KiB" % (ROTATIONS, sum(load.sent for load in loads[:-1]), SENDERS, loads[-1].sent,
                       before >> 10, after >> 10))
    equal([load.failed for load in [victim, *loads] if load.failed], [])
    assert min(load.sent for load in loads) >= ROTATIONS, "there was no load"
    assert victim.line != "closed" and victim.line.code == "identity", victim.line
    contains(victim.line.text, "revoked")
    late = r.client("victim.example.org", ctx=victim.ctx, handshake=False)
    late.post("HELLO 1 %s 1\n" % t.queue())
    equal(late.wait_close(), [], "what a revoked client hears")
    equal(r.metric("inboxd_reloads_total"), ROTATIONS)
    equal(r.metric("inboxd_reloads_failed_total"), ROTATIONS // 3)
    refused = {key: n for key, n in r.metrics().items()
               if key[0] == "inboxd_connections_refused_total" and n}
    equal(refused, {}, "refused")
    if not sanitizers():
        assert after - before < GROWTH, "memory grows: %d, then %d bytes" % (before, after)
    r.at_rest()
    stored = r.items("stored")
    files_there = sum(len(os.listdir(os.path.join(r.root, inbox, "new")))
                      for inbox in os.listdir(r.root)
                      if os.path.isdir(os.path.join(r.root, inbox, "new")))
    equal(files_there, stored, "files in new/")
    equal(len({name for _, name, _ in r.acks}), stored, "names that clients were told")


if __name__ == "__main__":
    main()
