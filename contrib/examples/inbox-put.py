#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A small client of inbox/1, written from inbox-protocol(7): uploads files, one after another.

usage: inbox-put.py STATE HOST CA CERTIFICATE KEY INBOX FILE...

STATE is a file that this makes and keeps: the queue's identifier, the next number, and what is
not stored yet.  A file is numbered there before it is sent; whatever ends this program, the next
call, with or without files, sends again what waits, under its number, so that nothing is lost or
stored twice.  The files have to stay until they are stored: each is told when it is.

HOST is HOST:PORT where the port is another than 7117.  It ends with 0 when all is stored; 75: not
now, call again later; 65: a file was refused, or is gone; 76: what answered is no receiver that
can be trusted.  What it lacks beside inboxq: a copy of its own of what it sends, a pipeline,
several receivers, a wait between its tries.
"""
import fcntl
import hashlib
import json
import os
import secrets
import socket
import ssl
import sys

PIECE = 262144
BAD, NOT_NOW, NO_RECEIVER = 65, 75, 76


class Put:
    def __init__(self, path, host, ca, certificate, key):
        self.path, self.code = path, 0
        self.state = {"queue": secrets.token_hex(16), "next": 1, "waiting": {},
                      "skipped": []}
        self.lock = open(path + ".lock", "w", encoding="ascii")
        fcntl.flock(self.lock, fcntl.LOCK_EX)  # of two connections of a queue the older one ends
        if os.path.exists(path):
            with open(path, encoding="ascii") as file:
                self.state = json.load(file)
        self.host, _, port = host.partition(":")
        self.port = int(port or 7117)
        self.tls = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca)
        self.tls.hostname_checks_common_name = False
        self.tls.minimum_version = ssl.TLSVersion.TLSv1_3
        self.tls.set_alpn_protocols(["inbox/1"])
        self.tls.load_cert_chain(certificate, key)

    def keep(self):
        """The state, whole and on stable storage, in place of the one before."""
        with open(self.path + ".new", "w", encoding="ascii") as file:
            json.dump(self.state, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(self.path + ".new", self.path)
        folder = os.open(os.path.dirname(self.path) or ".", os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def add(self, inbox, path):
        self.state["waiting"][str(self.state["next"])] = [inbox, os.path.abspath(path)]
        self.state["next"] += 1

    def settled(self):
        return min([int(n) for n in self.state["waiting"]] + [self.state["next"]])

    def skip(self, number, reason):
        """It is remembered, as a receiver that has crashed may have to be told again."""
        self.state["skipped"].append([int(number), reason])
        self.say("SKIP %s %s" % (number, reason))

    def say(self, text, data=b""):
        self.sock.sendall(text.encode("ascii") + b"\n" + data)

    @staticmethod
    def read(file, offset, size):
        file.seek(offset)
        data = file.read(size)
        if len(data) != size:
            raise OSError("the file was cut short while it was sent: " + file.name)
        return data

    def hear(self):
        """The next line that is about something, as its words."""
        while True:
            line = self.lines.readline(1024)
            words = line.decode("ascii").split()
            if not line.endswith(b"\n") or words[0] == "GOAWAY":
                raise OSError("the receiver has gone: " + " ".join(words))
            if words[0] == "ERROR":
                raise ValueError(" ".join(words))
            if words[0] != "WAIT":
                return words

    def send(self, number, inbox, path):
        """One item, and what became of it."""
        with open(path, "rb") as file:
            digest = hashlib.sha256()
            for part in iter(lambda: file.read(PIECE), b""):
                digest.update(part)
            size = file.tell()
            name = "".join(chr(b) if 0x21 <= b <= 0x7e and b != 0x25 else "%%%02X" % b
                           for b in os.path.basename(os.fsencode(path))[:255])
            item = "%s %s %d %s name=%s" % (number, inbox, size, digest.hexdigest(), name)
            if size <= self.inline:
                self.say("PUT " + item, self.read(file, 0, size))
            else:
                self.say("OPEN " + item)
            while True:
                words = self.hear()
                if words[0] != "SEND":
                    return words
                for offset in range(int(words[2]), size, PIECE):
                    data = self.read(file, offset, min(PIECE, size - offset))
                    self.say("DATA %s %d %d" % (number, offset, len(data)), data)

    def run(self):
        """A session for all that waits."""
        with socket.create_connection((self.host, self.port), timeout=60) as plain, \
                self.tls.wrap_socket(plain, server_hostname=self.host) as self.sock:
            self.lines = self.sock.makefile("rb")
            self.say("HELLO 1 %s %d pending=%d agent=inbox-put" % (
                self.state["queue"], self.settled(), len(self.state["waiting"])))
            ready = self.hear()
            if ready[:2] != ["READY", "1"]:
                raise ValueError(" ".join(ready))
            limits = dict(word.split("=", 1) for word in ready[3:])
            self.inline = int(limits.get("inline", 0))
            mark = int(limits.get("settled", 1))
            self.state["skipped"] = [skip for skip in self.state["skipped"] if skip[0] >= mark]
            for number, reason in self.state["skipped"]:
                self.say("SKIP %d %s" % (number, reason))
            for number, (inbox, path) in list(self.state["waiting"].items()):
                try:
                    words = self.send(number, inbox, path)
                except FileNotFoundError:
                    words = ["GONE"]
                print("%s: %s" % (path, " ".join(words)), flush=True)
                if words[0] == "LATER":
                    self.code = self.code or NOT_NOW
                    continue
                if words[0] != "STORED":
                    self.skip(number, "refused" if words[0] == "REFUSED" else "removed")
                    self.code = BAD
                del self.state["waiting"][number]
                self.keep()
            self.say("SETTLED %d" % self.settled())
            self.say("QUIT")
            while self.hear()[0] != "BYE":
                pass


def main(state, host, ca, certificate, key, inbox, *paths):
    put = Put(state, host, ca, certificate, key)
    for path in paths:
        put.add(inbox, path)
    put.keep()
    try:
        put.run()
    except ValueError as error:
        print("inbox-put: %s" % error, file=sys.stderr)
        return NO_RECEIVER
    except OSError as error:
        print("inbox-put: %s; again later" % error, file=sys.stderr)
        return NOT_NOW
    return put.code


if __name__ == "__main__":
    if len(sys.argv) < 7:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
