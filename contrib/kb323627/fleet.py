# SPDX-License-Identifier: ISC
"""The same fleet over inboxd: a real receiver, and a client of inbox/1 for each machine.

All machines have one clock and one seed: each calls its item by the same made-up name, gives it
the number 1, and connects in the same moment.  The clients are this process's: one thread and an
event loop serve thousands, which a real fleet of inboxq would need as many processes for.  They
do what inbox-protocol(7) asks of any client: an item is kept until STORED has been read, and is
sent again after whatever else happened.

What is lost is found by reading the files in new/, each by the name that its client was told.
"""

import asyncio
import hashlib
import json
import os
import random
import re
import resource
import signal
import ssl
import subprocess
import time

from share import Account, contents, item_of, sequence_of_seed, MIDNIGHT

PATIENCE = 120.0        # seconds for a fleet until each has its answer
DESCRIPTORS = 200       # beyond those of the connections


class Trouble(Exception):
    """The experiment cannot go on; for people."""


def run(command, log):
    with open(log, "ab") as file:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                              timeout=300, check=False)
    if done.returncode:
        raise Trouble("%s failed (%d); its log: %s" % (" ".join(command[:3]), done.returncode,
                                                       log))


class Receiver:
    """inboxd on a port of its own, with certificates of a throw-away CA."""

    def __init__(self, build, contrib, folder, inboxes, certificates):
        self.folder = folder
        self.root = os.path.join(folder, "root")
        self.log = os.path.join(folder, "inboxd.log")
        self.conf = os.path.join(folder, "inboxd.conf")
        self.inboxd = os.path.join(build, "src/inboxd/inboxd")
        self.inboxctl = os.path.join(build, "src/inboxctl/inboxctl")
        self.process = None
        self.make_pki(os.path.join(contrib, "pki"), certificates)
        os.mkdir(self.root, 0o700)
        with open(self.conf, "w", encoding="ascii") as file:
            file.write("[receiver]\nlisten = 127.0.0.1:0\nhost = cap1\nroot = %s\n"
                       "[tls]\ncertificate = %s/cap1.crt\nkey = %s/cap1.key\nca = %s/ca.crt\n"
                       "[status]\nsocket = %s/status\n" % (
                           self.root, self.pki, self.pki, self.pki, folder))
            file.write("".join("[inbox %s]\n" % inbox for inbox in inboxes))

    def make_pki(self, script, certificates):
        self.pki = os.path.join(self.folder, "pki")
        log = os.path.join(self.folder, "pki.log")
        names = ["pc%05d.example.org" % n for n in range(1, certificates + 1)]
        for what in (["ca"], ["server", "cap1", "127.0.0.1"], ["client", *names]):
            run(["sh", script, self.pki, *what], log)
        self.contexts = []
        for name in names:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.load_verify_locations(os.path.join(self.pki, "ca.crt"))
            context.load_cert_chain(*(os.path.join(self.pki, name + end)
                                      for end in (".crt", ".key")))
            context.set_alpn_protocols(["inbox/1"])
            self.contexts.append(context)

    def start(self):
        run([self.inboxd, "-c", self.conf, "-m"], self.log)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.inboxd, "-c", self.conf],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        limit = time.monotonic() + 30
        while True:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                text = file.read()
            if "event=ready" in text:
                break
            if self.process.poll() is not None or time.monotonic() > limit:
                raise Trouble("inboxd did not start; its log: " + self.log)
            time.sleep(0.05)
        self.port = int(re.search(r"event=listening [^\n]*address=\S+:(\d+)", text).group(1))

    def new(self, inbox):
        return os.path.join(self.root, inbox, "new")

    def wait_visible(self, inbox, count):
        """An item is in new/ a moment after it is acknowledged."""
        limit = time.monotonic() + 30
        while time.monotonic() < limit:
            if len(os.listdir(self.new(inbox))) >= count and \
                    not os.listdir(os.path.join(self.root, inbox, "tmp")):
                return
            time.sleep(0.02)

    def verify(self):
        """How many items of each sort inboxctl verify finds, in ledger, journal and folders."""
        done = subprocess.run([self.inboxctl, "verify", "--json", "-c", self.conf],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=300, check=False)
        if not done.stdout:
            raise Trouble("inboxctl verify: " + done.stderr.strip())
        found = json.loads(done.stdout)
        return {sort: count for sort, count in found.items() if type(count) is int and count
                and sort not in ("schema", "journaled_bytes")}

    def stop(self):
        if not self.process:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process = None
        if code:
            raise Trouble("inboxd ended with %d; its log: %s" % (code, self.log))


class Machine:
    """One client with one item, which it keeps until it is acknowledged."""

    def __init__(self, number, queue, context, item):
        self.number = number
        self.context = context
        self.item = item
        self.stored = None      # the name it was told
        self.waits = random.Random("waits %d" % number)
        called = next(sequence_of_seed(MIDNIGHT))
        self.lines = ("HELLO 1 %s 1 pending=1 agent=kb323627\n"
                      "PUT 1 %%s %d %s name=%s time=%d\n" % (
                          queue, len(item), hashlib.sha256(item).hexdigest(), called, MIDNIGHT))

    def address(self):
        """Each machine has its own: all of 127.0.0.0/8 is ours, at least on Linux."""
        return "127.%d.%d.%d" % (1 + (self.number >> 16), self.number >> 8 & 255,
                                 self.number & 255)

    async def connect(self, port):
        how = {"ssl": self.context, "ssl_handshake_timeout": PATIENCE}
        try:
            return await asyncio.open_connection("127.0.0.1", port,
                                                 local_addr=(self.address(), 0), **how)
        except OSError as error:
            if "bind" not in str(error):
                raise
            return await asyncio.open_connection("127.0.0.1", port, **how)

    async def session(self, port, inbox):
        """Seconds until the next one; None where the item is acknowledged."""
        reader, writer = await self.connect(port)
        try:
            writer.write((self.lines % inbox).encode() + self.item)
            while True:
                line = (await reader.readline()).decode("ascii")
                verb, *fields = line.split()
                if verb == "STORED":
                    self.stored = fields[1]
                    writer.write(b"SETTLED 2\nQUIT\n")
                    await reader.read()
                    return None
                if verb == "LATER":
                    return int(fields[1])
                if verb == "GOAWAY":
                    return int(fields[0])
                if verb in ("REFUSED", "ERROR"):
                    raise Trouble("pc%05d was told: %s" % (self.number, line.strip()))
        finally:
            writer.transport.abort()

    async def deliver(self, port, inbox):
        while self.stored is None:
            try:
                wait = await self.session(port, inbox)
            except (OSError, ValueError, EOFError):    # cut off: no line, or half of one
                wait = 0
            if self.stored is None:
                await asyncio.sleep(max(wait, 0.5) * self.waits.uniform(1, 1.5))


def raise_descriptors(clients):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = clients + DESCRIPTORS
    if hard != resource.RLIM_INFINITY and hard < need:
        raise Trouble("%d clients need %d descriptors, and ulimit -Hn says %d" % (
            clients, need, hard))
    if soft != resource.RLIM_INFINITY and soft < need:
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))


def lose_one(folder):
    """The experiment must be able to see a loss; its test takes a file away so."""
    if os.environ.get("KB323627_LOSE"):
        os.unlink(os.path.join(folder, min(os.listdir(folder))))


def same_moment(receiver, inbox, count, seed, clones=False):
    """`count` machines send their item at once: (account, seconds until the last had its answer).

    Clones have all in common, certificate and queue, too, as machines from one image."""
    raise_descriptors(count)
    items = {n: item_of("%s-%d" % (inbox, seed), n) for n in range(1, count + 1)}
    machines = []
    for n, item in items.items():
        alike = 0 if clones else n
        queue = hashlib.sha256(b"%s %d %d" % (inbox.encode(), seed, alike)).hexdigest()[:32]
        machines.append(Machine(
            n, queue, receiver.contexts[alike % len(receiver.contexts)], item))

    async def all_of_them():
        await asyncio.wait_for(asyncio.gather(
            *(machine.deliver(receiver.port, inbox) for machine in machines)), PATIENCE)
    begun = time.monotonic()
    try:
        asyncio.run(all_of_them())
    except asyncio.TimeoutError:
        raise Trouble("%d of %d clients had no answer after %d seconds; the receiver's log: %s" % (
            sum(machine.stored is None for machine in machines), count, PATIENCE,
            receiver.log)) from None
    seconds = time.monotonic() - begun
    receiver.wait_visible(inbox, count)
    lose_one(receiver.new(inbox))
    account = Account(items, contents(receiver.new(inbox)), contents())
    # Under the name that its client was told, too: a file of the right bytes elsewhere is no use.
    for machine in machines:
        path = os.path.join(receiver.new(inbox), machine.stored)
        if machine.number not in account.lost and not has_bytes(path, machine.item):
            account.lost.append(machine.number)
    return account, seconds


def has_bytes(path, item):
    try:
        with open(path, "rb") as file:
            return file.read() == item
    except FileNotFoundError:
        return False
