#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A name server on 127.0.0.1 for the mount and network namespace that it is started in:
dns.py ZONE RESOLV, as root within `unshare -mn --propagation private`.

ZONE is read at each question: a name, a type, and what it is, a line each:
	cap1.example A 127.0.0.1
	_inbox._tcp.example SRV 10 5 7117 cap1.example
	silent.example SILENT
"""

import os
import socket
import struct
import subprocess
import sys

TYPES = {"A": 1, "AAAA": 28, "SRV": 33}
NXDOMAIN = 3


def wire(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part) + b"\0"


def data(kind, words):
    if kind in ("A", "AAAA"):
        return socket.inet_pton(socket.AF_INET if kind == "A" else socket.AF_INET6, words[0])
    return struct.pack("!HHH", *map(int, words[:3])) + wire(words[3])


def records(path, name):
    with open(path, encoding="ascii") as file:
        lines = [line.split() for line in file]
    return [line[1:] for line in lines if line and line[0].lower() == name.lower()]


def answer(path, query):
    """None: none is given."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
        at += 1 + query[at]
    question = query[12:at + 5]
    asked = struct.unpack("!H", query[at + 1:at + 3])[0]
    known = records(path, ".".join(labels))
    if any(record[0] == "SILENT" for record in known):
        return None
    found = [data(record[0], record[1:]) for record in known if TYPES[record[0]] == asked]
    flags = 0x8580 | (0 if known else NXDOMAIN)
    return query[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0) + question + b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", asked, 1, 60, len(part)) + part for part in found)


def main():
    zone, resolv = sys.argv[1:]
    with open(resolv, "w", encoding="ascii") as file:
        file.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "--bind", resolv, os.path.realpath("/etc/resolv.conf")], check=True)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    print("ready", flush=True)
    while True:
        query, peer = server.recvfrom(4096)
        said = answer(zone, query)
        if said:
            server.sendto(said, peer)


main()
