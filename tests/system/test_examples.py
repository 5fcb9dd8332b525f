#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The EXAMPLES of each manual page, as they stand there, in a world made for them.

What is typed is typed by sh -eu, with our programs first in PATH and the paths of the page
those of the world: a receiver with the page's inboxes, a client of the page's name, items.
A dialogue of inbox-protocol(7) is held with a real receiver.  Each block of each page is
accounted for in EXAMPLES: by whoever tries it here, or by the reason why that is done elsewhere.
"""

import os
import re
import shutil
import sys

from client import sha256
from copyqueue import Queue
from harness import INBOXCTL, INBOXD, INBOXQ, Skip, cases, contains, equal, main, test

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, os.path.join(TOP, "tests/papers"))
import papers

TYPED, SESSION, CONFIGURATION, LEDGER, SAID, ERRORS = (
    "typed", "session", "configuration", "ledger", "said", "errors")
# Page: (kind or the test that holds it) of each block of EXAMPLES, in order.
EXAMPLES = {
    "src/inbox-relay/inbox-relay.8": ["test_engines: it needs a server"],
    "src/inboxctl/inboxctl.8": [TYPED] * 7,
    "src/inboxd/inbox-production.7": [
        TYPED, TYPED, *["nobody: there is no such service here"] * 3,
        "nobody: it would open a port of this machine", TYPED, TYPED, TYPED,
        "make bench", "make check-herd", TYPED, TYPED, TYPED],
    "src/inboxd/inbox-spool.5": [LEDGER],
    "src/inboxd/inboxd.8": [TYPED] * 3,
    "src/inboxd/inboxd.conf.5": [CONFIGURATION],
    "src/inboxd/inboxd-ha.7": ["make check-ha: it needs a cluster"] * 3,
    "src/inboxq/inboxq.1": [SESSION] * 3 + ["test_watch: it runs until it is stopped"],
    "src/libinboxq/inboxq.3": ["test_library compiles and runs it", "test_library types it"],
    "src/lib/inbox-protocol.7": [
        SAID, SAID, SAID, SAID,
        "test_upload, test_full: bytes that are spoilt, a full disk",
        SAID,
        "test_open: two receivers of other settings", "test_open: two connections",
        "test_open: a draft that is spoilt", SAID,
        "test_upload: a bound of 100,000 items", "test_stall, test_idle: it takes its time",
        "test_limits, test_upload: two connections", "test_faults: a folder that fails", ERRORS,
        SAID, "test_upload: a reload between", "test_inboxes: a pause between"],
}
WHOLE = {"src/inboxd/inbox-production.7"}
# Stands in for systemd: systemctl.sh RUNNING CONF INBOXD INBOXCTL VERB UNIT.
SYSTEMCTL = """running=$1 conf=$2 inboxd=$3 inboxctl=$4
case $5 in
stop)
	pid=$(cat "$running")
	kill "$pid"
	while grep -q '^State:.[^Z]' "/proc/$pid/status" 2>/dev/null; do sleep 0.05; done
	: >"$running" ;;
start)
	setsid "$inboxd" -c "$conf" >>"$running.log" 2>&1 &
	echo $! >"$running"
	until "$inboxctl" status -c "$conf" >/dev/null 2>&1; do sleep 0.05; done ;;
reload)
	"$inboxctl" reload -c "$conf" ;;
esac
"""
QUEUE = "6d0f3b5ac2e94a1f8b7c6d5e4f3a2b1c"


def blocks(page):
    """What stands in EXAMPLES set off, and anywhere in a page on what is done: [text]."""
    text = papers.read(page)
    part = re.search(r"^\.Sh EXAMPLES\n(.*?)(?=^\.Sh |\Z)", text, re.M | re.S)
    assert part, page + " has no EXAMPLES"
    found = re.findall(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$|^\.Dl (.*)$",
                       text if page in WHOLE else part.group(1), re.M)
    return [(block or line).replace("\\e", "\\").replace("\\-", "-").replace("\\&", "")
            for block, line in found]


def of_kind(kind):
    """[(name, page, block)]; a page whose blocks are others than those above has its own test."""
    return [("%s %d" % (os.path.basename(page), number), page, block)
            for page, kinds in EXAMPLES.items()
            for number, (is_kind, block) in enumerate(zip(kinds, blocks(page)), 1)
            if is_kind == kind]


@test
def each_example_of_each_page_is_accounted_for(t):
    pages = [os.path.join(where, name)[len(TOP) + 1:]
             for where, _, names in os.walk(os.path.join(TOP, "src")) for name in names
             if re.search(r"\.[1-8]$", name)]
    equal(sorted(pages), sorted(EXAMPLES), "pages")
    for page, kinds in EXAMPLES.items():
        equal(len(blocks(page)), len(kinds), "examples of " + page)
        assert kinds, page + " has no EXAMPLES"


# ---- what one types

class World:
    """A receiver and a client, called as the pages call them."""

    def __init__(self, t):
        self.t = t
        self.r = t.receiver(inboxes={"status": {"suffix": ".msg"}, "reports": {}, "dumps": {},
                                     "inventory": {}}, start=False)
        # Items come by inboxq, and some are claimed.
        self.r.others = self.r.consumed = True
        self.r.start()
        self.q = Queue(t, self.r, who="pc17.example.org")
        self.bin = os.path.join(t.folder, "bin")
        self.here = os.path.join(t.folder, "here")
        os.mkdir(self.bin)
        os.mkdir(self.here)
        for program, path, conf in (("inboxctl", INBOXCTL, self.r.conf),
                                    ("inboxq", INBOXQ, self.q.conf)):
            self.program(program, 'case "$*" in *" -R "*) exec %s "$@" ;; esac\n'
                         'command=$1\nshift\nexec %s "$command" -c %s "$@"\n' % (
                             path, path, conf))
        self.program("inboxd", 'exec %s -c %s "$@"\n' % (INBOXD, self.r.conf))
        self.program("lshw", "echo '{}'\n")
        self.running = os.path.join(t.folder, "running")
        with open(self.running, "w", encoding="ascii") as file:
            file.write(str(self.r.process.pid))
        self.program("systemctl", "set -- %s %s %s %s \"$@\"\n%s" % (
            self.running, self.r.conf, INBOXD, INBOXCTL, SYSTEMCTL))
        os.mkdir(os.path.join(t.folder, "srv"))
        os.mkdir(os.path.join(t.folder, "backups"))
        t.closing.append(self)
        for name in ("report1.txt", "report2.txt", "core.4711"):
            with open(os.path.join(self.here, name), "w", encoding="ascii") as file:
                file.write(name * 100)

    def close(self):
        """Ends what a systemctl start has left."""
        with open(self.running, encoding="ascii") as file:
            pid = file.read().strip()
        if pid and int(pid) != (self.r.process and self.r.process.pid):
            self.type("systemctl stop inboxd")

    def program(self, name, text):
        path = os.path.join(self.bin, name)
        with open(path, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)

    def type(self, text, folder=None):
        """What it printed; it may fail in no command."""
        for tool in ("curl", "jq"):
            if re.search(r"\b%s\b" % tool, text) and not shutil.which(tool):
                raise Skip(tool + " is not installed")
        for path, ours in (("/etc/inboxd.conf", self.r.conf),
                           ("/run/inboxd/status.sock", self.r.socket),
                           ("/mnt/var/lib/inboxd", self.r.root),
                           ("/var/lib/inboxd", self.r.root),
                           ("/var/backups/", os.path.join(self.t.folder, "backups/")),
                           ("/srv/", os.path.join(self.t.folder, "srv/")),
                           ("/etc/inboxd/server.crt", self.t.pki.server().cert)):
            text = text.replace(path, ours)
        env = {"PATH": self.bin + ":" + os.environ["PATH"]}
        if os.geteuid() == 0:
            # inboxd -m and -t become the root's owner, whom LeakSanitizer cannot look into.
            env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        done = self.t.run(["sh", "-euc", text], cwd=folder or self.here, env=env, timeout=60)
        equal(done.returncode, 0, text + done.stderr)
        return done.stdout

    def items(self):
        """Some that are stored."""
        self.q.add("status", b"one", b"two")
        self.q("run", "--once")
        self.r.wait_published()


@cases(of_kind(TYPED))
def example_is_typed(t, page, block):
    world = World(t)
    world.items()
    if "inboxd.lost" in block:
        world.type(next(text for text in blocks(page) if "inboxctl drain" in text))
    if "-r /var/backups" in block:
        world.type("cp -a /var/lib/inboxd /var/backups/inboxd-$(date +%F)")
    text = world.type(block)
    if "ledger --client" in block:
        equal(len(re.findall(r"\bstored\b.*\bpc17\.example\.org\b", text)), 2, text)
    if "/metrics" in block:
        contains(text, "inboxd_items_stored_total 2\n")
    if "start" in block:
        equal(re.findall(r"^status +ok +(\d+) ", world.type("inboxctl inboxes"), re.M), ["2"])
    if "resume" in block:
        equal("paused" in world.type("inboxctl status"), False, "paused")
    if "[inbox news]" in block:
        assert os.path.isdir(os.path.join(world.r.root, "news/new")), "no folders of news"
        contains(world.type("inboxctl inboxes"), "news")


@cases(of_kind(SESSION))
def example_prints_what_the_page_says(t, page, block):
    world = World(t)
    lines = block.splitlines()
    printed = world.type("\n".join(line[2:] for line in lines if line.startswith("$ ")))
    # An item's number depends on those before it, its name on the time.
    wanted = ["\\d+" if line.isdigit() else re.sub(r" as \S+$", r" as \\S+", re.escape(line)
                                                   .replace("\\ ", " "))
              for line in lines if not line.startswith("$ ")]
    if not re.fullmatch("".join(line + "\n" for line in wanted), printed):
        raise AssertionError("want %r, found %r" % (wanted, printed))
    if "send" not in block and "run" not in block:
        world.q("run", "--once")
    assert sum(len(world.r.files(inbox)) for inbox in world.r.inboxes) >= 1, "nothing is stored"


@cases(of_kind(CONFIGURATION))
def example_is_a_configuration(t, page, block):
    r = t.receiver(start=False)
    server = t.pki.server()
    for path, ours in (("/etc/inboxd/server.crt", server.cert),
                       ("/etc/inboxd/server.key", server.key),
                       ("/etc/inboxd/clients-ca.crt", t.pki.ca.cert)):
        contains(block, path)
        block = block.replace(path, ours)
    with open(r.conf, "w", encoding="ascii") as file:
        file.write("[receiver]\nroot = %s\n[status]\nsocket = %s\n%s" % (r.root, r.socket, block))
    for option in ("-m", "-t"):
        equal(r.run(option).returncode, 0, option)


@cases(of_kind(LEDGER))
def example_reads_the_ledger(t, page, block):
    world = World(t)
    world.items()
    day = next(iter(world.r.files("status")))[:8]
    contains(block, "/^20261122T/")
    text = world.type(block.replace("20261122", day), world.r.root)
    equal([line.split()[1] for line in text.splitlines()], ["3", "3"], text)


# ---- what one says

def wanted_words(line):
    """What counts of an answer: its verb, number, offset or code; again=1, settled=."""
    words = line.split()
    if words[0] in ("LATER", "REFUSED", "ERROR", "SEND"):
        last = {"LATER": (0, 1, 3), "REFUSED": (0, 1, 2), "ERROR": (0, 1), "SEND": (0, 1, 2)}
        return [words[at] for at in last[words[0]]]
    keys = [word for word in words[2:] if re.match("again=|settled=", word)]
    return words[:2 if words[0] == "STORED" else 1] + keys


class Dialogue:
    """A block's lines, said to a receiver; what it answers is compared when all is said."""

    def __init__(self, t, block):
        self.r = t.receiver(inboxes={"status": {}, "dumps": {}, "payroll": {"clients": "other"}})
        self.lines = [line.split(": ", 1) for line in block.splitlines()]
        self.said = [line for who, line in self.lines if who == "C"]
        self.wanted = [wanted_words(line) for who, line in self.lines if who == "S"]
        self.heard = []
        self.client = None

    def connect(self, hello=True):
        numbers = [int(n) for line in self.said for n in re.findall(r"^(?:PUT|OPEN) (\d+)", line)]
        self.client = self.r.client(who="pc17.example.org", hello={
            "queue": QUEUE, "settled": min(numbers)} if hello else None)

    def leave(self, last=False):
        """In the middle it breaks; in the end all that is in flight is answered first."""
        if last and self.said[-1] != "QUIT":
            self.client.post("QUIT\n")
        if last:
            self.client.wait_close()
        else:
            self.client.ping()
            self.client.cut()
        ours = ("PONG", "WAIT") if "QUIT" in self.said else ("PONG", "WAIT", "BYE")
        self.heard += [line.raw for line in self.client.history if line.verb not in ours]

    def say(self, line, body):
        """One line with what belongs to it; True: `body` was used."""
        words = line.split()
        if words[0] in ("PUT", "OPEN"):
            data = body if body is not None else (b"foo" + bytes(int(words[3])))[:int(words[3])]
            equal(len(data), int(words[3]), line)
            self.client.asked[int(words[1])] = (words[2], sha256(data))
            words[4] = sha256(data)
            self.client.post(" ".join(words) + "\n" + (
                data.decode() if words[0] == "PUT" else ""))
            self.whole = data
            if words[0] == "OPEN":
                equal(self.client.answer(int(words[1])).verb, "SEND")
            return body is not None
        self.client.post(line + "\n")
        if words[0] == "DATA":
            offset, length = int(words[2]), int(words[3])
            self.client.post(self.large[offset:offset + length])
        return False

    def hold(self):
        at = 0
        while at < len(self.said):
            line = self.said[at]
            body = None
            if line.startswith("PUT") and at + 1 < len(self.said) and re.fullmatch(
                    "[a-z]+", self.said[at + 1]):
                body = self.said[at + 1].encode()
            if line.startswith("("):
                self.leave()
                self.connect()
            else:
                at += self.say(line, body)
                if line.startswith("OPEN"):
                    self.large = self.whole
            at += 1


@cases(of_kind(SAID))
def dialogue_is_held_as_it_stands(t, page, block):
    d = Dialogue(t, block)
    first = d.said[0].split()
    settled = [int(n) for n in re.findall(r"READY.* settled=(\d+)", block)]
    d.connect(hello=first[0] != "HELLO")
    if settled and settled[0] > 1:  # what was before
        before = d.client
        before.hello(QUEUE, settled=settled[0])
        if "again=1" in block:
            before.put(5, "status", b"foo")
            before.stored(5)
        before.cut()
        d.connect(hello=False)
    d.hold()
    d.leave(last=True)
    heard = [wanted_words(line) for line in d.heard]
    if first[0] != "HELLO":  # those said for it
        heard = [words for words in heard if words[0] != "READY"]
    equal(sorted(heard), sorted(d.wanted), "answers")


@cases(of_kind(ERRORS))
def each_error_is_what_the_page_says(t, page, block):
    r = t.shared()
    said = re.findall(r"^C: (.*)\nS: (ERROR .*)$", block, re.M)
    assert len(said) >= 5, block
    for line, answer in said:
        hello = re.match(r"PUT 15|GET", line)
        c = r.client(hello=t.queue() if hello else None)
        line = "x" * 1025 if line.startswith("(") else line
        c.post(line.replace("2c26b46b68ff...", sha256(b"foo")) + "\n")
        equal(c.expect("ERROR").raw, answer, "the answer to " + line[:60])
        c.wait_close()


if __name__ == "__main__":
    main()
